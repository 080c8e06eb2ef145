//! What the values of keys mean, and their defaults.

use super::tests::{check_error, read};

#[test]
fn tries_are_six_so_many_or_without_end() {
    // A3-13
    for (line, expected) in
        [("", Some(6)), ("max_auth_tries = 0", Some(6)), ("max_auth_tries = 1", Some(1)), ("max_auth_tries = -1", None)]
    {
        let settings = read("tidegate.toml", &format!("[sftpd]\n{line}\n"), &[]).unwrap();
        assert_eq!(settings.max_auth_tries, expected, "{line}");
    }
}

#[test]
fn homes_are_below_the_base_unless_roots_are_named() {
    // A3-39a
    let none: &[&str] = &[];
    for (lines, expected) in [
        ("", none),
        ("users_base_dir = \"/srv/u\"", &["/srv/u"]),
        ("homes = [\"/srv/a\", \"/srv/b/\"]", &["/srv/a", "/srv/b"]),
        ("users_base_dir = \"/srv/u\"\nhomes = [\"/srv/a\"]", &["/srv/a"]),
    ] {
        let settings = read("tidegate.toml", &format!("[data_provider]\n{lines}\n"), &[]).unwrap();
        assert_eq!(settings.homes.roots, expected, "{lines}");
    }
    for wrong in ["/", "srv", "/srv/../etc"] {
        check_error("tidegate.toml", &format!("[data_provider]\nhomes = [\"{wrong}\"]\n"), &["data_provider.homes"]);
    }
}

#[test]
fn directories_in_object_storage_are_renamed_if_that_is_wanted() {
    // A16-04
    for (line, expected) in [("", false), ("rename_mode = 0", false), ("rename_mode = 1", true)] {
        let settings = read("tidegate.toml", &format!("[common]\n{line}\n"), &[]).unwrap();
        assert_eq!(settings.copying_renames, expected, "{line}");
    }
    check_error("tidegate.toml", "[common]\nrename_mode = 2\n", &["common.rename_mode", "line 2"]);
}

#[test]
fn secrets_that_accounts_name_are_texts_files_or_variables() {
    // A8-15
    let text = "[secrets]\na = \"clear\"\nb = { file = \"/srv/key\" }\nc = { env = \"KEY\" }\n";
    let secrets = read("tidegate.toml", text, &[]).unwrap().secrets;
    assert_eq!(secrets.0.keys().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
    for wrong in ["a = 7", "a = { file = \"key\" }", "a = { path = \"/key\" }", "\"a}\" = \"x\""] {
        check_error("tidegate.toml", &format!("[secrets]\n{wrong}\n"), &["secrets.a"]);
    }
}
