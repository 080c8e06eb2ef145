//! What the values of keys mean, and their defaults.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use tidegate_core::account::AddressRule;
use tidegate_core::admin::LoginPreScope;
use tidegate_core::files::SetAttributesPolicy;
use tidegate_core::hook::HookKind;
use tidegate_core::quota::Tracking;
use tidegate_storage::OverwriteMode;

use super::settings::{DatabaseSettings, HttpPlace};
use super::tests::{check_error, read};

#[test]
fn each_section_is_read_and_has_its_defaults() {
    // A3-01, A3-10, A3-11, A3-12, A3-15, A3-37, A3-51
    let check = |text: &str, sftpd: (u16, IpAddr, Option<u64>, &str), tracking: Tracking, httpd: &str| {
        let settings = read("tidegate.toml", text, &[]).unwrap();
        let idle = settings.idle_timeout;
        let found = (settings.bind_port, settings.bind_address, idle, settings.identification.as_str());
        assert_eq!(found, (sftpd.0, sftpd.1, sftpd.2.map(Duration::from_secs), sftpd.3), "{text}");
        assert_eq!(settings.tracking, tracking, "{text}");
        assert_eq!(settings.http_bindings[0].place, HttpPlace::Tcp(httpd.parse().unwrap()), "{text}");
    };
    let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let ours = concat!("Tidegate_", env!("CARGO_PKG_VERSION"));
    check("", (2022, any, Some(900), ours), Tracking::WhereLimited, "127.0.0.1:8080");
    let sftpd = "[sftpd]\nbind_port = 22\nbind_address = \"192.0.2.1\"\nidle_timeout = 0\nbanner = \"Ours 1\"\n";
    let others = "[data_provider]\ntrack_quota = 1\n[httpd]\nbind_address = \"192.0.2.2\"\nbind_port = 80\n";
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let changed = (22, address, None, "Ours 1");
    let empty = "[sftpd]\nbind_address = \"\"\n";
    check(empty, (2022, any, Some(900), ours), Tracking::WhereLimited, "127.0.0.1:8080");
    check(&format!("{sftpd}{others}"), changed, Tracking::Always, "192.0.2.2:80");
    check("[data_provider]\ntrack_quota = 0\n", (2022, any, Some(900), ours), Tracking::Never, "127.0.0.1:8080");
}

#[test]
fn the_database_file_is_in_the_configuration_directory() {
    // A3-31
    let of_older = read("sftpgo.json", r#"{"data_provider":{"name":"sftpgo.db"}}"#, &[]).unwrap().database;
    assert!(matches!(&of_older, DatabaseSettings::Sqlite(path) if path.ends_with("sftpgo.db")), "{of_older:?}");
    for (line, expected) in
        [("", "/tidegate.db"), ("name = \"x/y.db\"", "/x/y.db"), ("name = \"/srv/z.db\"", "/srv/z.db")]
    {
        let settings = read("tidegate.toml", &format!("[data_provider]\n{line}\n"), &[]).unwrap();
        let DatabaseSettings::Sqlite(path) = settings.database else { panic!("{line}") };
        assert!(path.is_absolute() && path.display().to_string().ends_with(expected), "{}", path.display());
        assert_eq!(path == Path::new("/srv/z.db"), line.contains("/srv"), "{}", path.display());
    }
}

#[test]
fn no_value_has_a_nul() {
    for (text, key) in [
        ("[command]\nenv = [\"A=b\\u0000c\"]\n", "command.env"),
        (
            "[hook.pre-action]\nhook = [{ hook = \"/bin/true\", args = [\"a\", \"\\u0000\"] }]\n",
            "hook.pre-action.hook.args",
        ),
        ("[hook.pre-action]\nhook = \"/bin/true\"\nenv = [\"A=\\u0000\"]\n", "hook.pre-action.env"),
        ("[sftpd]\nbanner = \"a\\u0000\"\n", "sftpd.banner"),
        ("[data_provider]\nname = \"/srv/\\u0000\"\n", "data_provider.name"),
    ] {
        check_error("tidegate.toml", text, &[key, "has a NUL character"]);
    }
}

#[test]
fn scp_has_a_key_of_its_own() {
    // A3-21, A6-01
    for (line, expected) in [
        ("", false),
        ("enable_scp = false", false),
        ("enable_scp = true", true),
        ("enabled_ssh_commands = [\"scp\"]", true),
        ("enable_scp = true\nenabled_ssh_commands = []", true),
    ] {
        let settings = read("tidegate.toml", &format!("[sftpd]\n{line}\n"), &[]).unwrap();
        assert_eq!(settings.commands.parse(b"scp -t /").is_some(), expected, "{line}");
    }
}

#[test]
fn four_commands_are_there_unless_others_are_named() {
    // A1-16, A3-25, A6-01, A7-08
    let lines: [&[u8]; 11] = [
        b"md5sum /a",
        b"sha1sum /a",
        b"cd",
        b"pwd",
        b"sha256sum /a",
        b"sha512sum /a",
        b"scp -t /",
        b"git-upload-pack '/a'",
        b"git-receive-pack '/a'",
        b"git-upload-archive '/a'",
        b"sha384sum /a",
    ];
    let only = |at: usize| std::array::from_fn::<bool, 11, _>(|number| number == at);
    let usual = std::array::from_fn::<bool, 11, _>(|number| number < 4);
    for (line, expected) in [
        ("", usual),
        ("enabled_ssh_commands = [\"*\"]", [true; 11]),
        ("enabled_ssh_commands = [\"pwd\", \"fly\"]", only(3)),
        ("enabled_ssh_commands = [\"git-receive-pack\"]", only(8)),
        ("enabled_ssh_commands = []", [false; 11]),
    ] {
        let settings = read("tidegate.toml", &format!("[sftpd]\n{line}\n"), &[]).unwrap();
        assert_eq!(lines.map(|command| settings.commands.parse(command).is_some()), expected, "{line}");
        assert_eq!(settings.warnings.iter().any(|text| text.contains("fly")), line.contains("fly"), "{line}");
    }
}

#[test]
fn a_banner_that_cannot_be_read_is_warned_of() {
    // A3-23
    let settings = read("tidegate.toml", "[sftpd]\nlogin_banner_file = \"none.txt\"\n", &[]).unwrap();
    assert_eq!(settings.login_banner, None);
    assert!(settings.warnings.iter().any(|line| line.contains("sftpd.login_banner_file")), "{:?}", settings.warnings);
}

#[test]
fn addresses_in_both_lists_are_decided_about_by_the_era() {
    // A4-09, J-02
    for (line, expected) in [
        ("", AddressRule::DeniedWins),
        ("compat = \"seed\"", AddressRule::DeniedWins),
        ("compat = \"2.0\"", AddressRule::DeniedWins),
        ("compat = \"2.4\"", AddressRule::AllowedWins),
        ("compat = \"current\"", AddressRule::AllowedWins),
    ] {
        assert_eq!(read("tidegate.toml", &format!("{line}\n"), &[]).unwrap().address_rule, expected, "{line}");
    }
}

#[test]
fn other_zones_than_the_own_and_utc_are_refused() {
    // C3-01
    for zone in ["", "utc", "UTC", "local"] {
        assert!(read("tidegate.toml", &format!("[common]\ntz = \"{zone}\"\n"), &[]).is_ok(), "{zone}");
    }
    check_error("tidegate.toml", "[common]\ntz = \"Europe/Berlin\"\n", &["common.tz", "line 2"]);
}

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
fn modes_are_numbers_in_either_section() {
    // A3-16, A3-24
    let of = |lines: &str| {
        let settings = read("tidegate.toml", lines, &[]).unwrap_or_else(|error| panic!("{lines}: {error}"));
        (settings.overwrite, settings.set_attributes)
    };
    assert_eq!(of(""), (OverwriteMode::Standard, SetAttributesPolicy::Apply));
    let uploads = [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume];
    let changes = [SetAttributesPolicy::Apply, SetAttributesPolicy::Ignore, SetAttributesPolicy::IgnoreUnsupported];
    for section in ["sftpd", "common"] {
        for (number, (upload, change)) in uploads.into_iter().zip(changes).enumerate() {
            let lines = format!("[{section}]\nupload_mode = {number}\nsetstat_mode = {number}\n");
            assert_eq!(of(&lines), (upload, change), "{lines}");
        }
        check_error("tidegate.toml", &format!("[{section}]\nsetstat_mode = 3\n"), &["setstat_mode", "0, 1 or 2"]);
    }
}

#[test]
fn actions_have_the_names_of_the_older_server() {
    // A3-17, A3-40
    let check = |section: &str, kind: HookKind, names: &[&str]| {
        let with = |name: &str| format!("[{section}]\nexecute_on = [\"{name}\"]\ncommand = \"/bin/true\"\n");
        for &name in names {
            let settings = read("tidegate.toml", &with(name), &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
            let actions: Vec<_> =
                settings.hooks[&kind].links.iter().map(|link| &link.settings.selector.actions).collect();
            assert!(actions.len() == 1 && *actions[0] == [name], "{section} {name}: {actions:?}");
        }
        check_error("tidegate.toml", &with("fly"), &[&format!("{section}.execute_on"), "\"fly\" is not"]);
    };
    check("sftpd.actions", HookKind::PostAction, &["download", "upload", "delete", "rename", "ssh_cmd"]);
    check("data_provider.actions", HookKind::ObjectChanges, &["add", "update", "delete"]);
}

#[test]
fn the_base_of_homes_is_an_absolute_path() {
    // A3-39
    for (line, expected) in [("", None), ("users_base_dir = \"/srv/u\"", Some("/srv/u"))] {
        let settings = read("tidegate.toml", &format!("[data_provider]\n{line}\n"), &[]).unwrap();
        assert_eq!(settings.users_base_dir.as_deref(), expected, "{line}");
    }
    let relative = "[data_provider]\nusers_base_dir = \"u\"\n";
    check_error("tidegate.toml", relative, &["data_provider.users_base_dir", "line 2", "an absolute path"]);
}

#[test]
fn bindings_of_http_have_certificates_proxies_and_sockets() {
    // A3-53
    let of =
        |text: &str| read("tidegate.toml", text, &[]).unwrap_or_else(|error| panic!("{text}: {error}")).http_bindings;
    let pair = "certificate_file = \"c.pem\"\ncertificate_key_file = \"/etc/k.pem\"\n";
    assert_eq!(of("").first().map(|binding| binding.certificate.is_some()), Some(false));
    for (text, has_certificate) in [
        (format!("[httpd]\n{pair}"), true),
        (format!("[[httpd.bindings]]\nport = 80\n{pair}"), false),
        (format!("[[httpd.bindings]]\nport = 80\nenable_https = true\n{pair}"), true),
        (format!("[httpd]\n{pair}[[httpd.bindings]]\nport = 80\nenable_https = true\n"), true),
        (format!("[httpd]\n{pair}[[httpd.bindings]]\nport = 80\n"), false),
    ] {
        let bindings = of(&text);
        assert_eq!(bindings.len(), 1, "{text}");
        let files = bindings[0].certificate.as_ref();
        assert_eq!(files.is_some(), has_certificate, "{text}");
        assert!(
            files.is_none_or(|(file, key)| file.is_absolute()
                && file.ends_with("c.pem")
                && key == Path::new("/etc/k.pem")),
            "{files:?}"
        );
    }
    let several = of("[httpd]\nproxy_allowed = [\"10.0.0.1\"]\n[[httpd.bindings]]\naddress = \"/run/http\"\n\
                      [[httpd.bindings]]\naddress = \"192.0.2.1\"\nport = 81\nproxy_allowed = [\"10.0.0.2\"]\n");
    let places: Vec<_> = several.iter().map(|binding| (&binding.place, binding.proxies.len())).collect();
    let (socket, tcp) = (HttpPlace::Unix("/run/http".into()), HttpPlace::Tcp("192.0.2.1:81".parse().unwrap()));
    assert_eq!(places, [(&socket, 1), (&tcp, 2)]);
    for (text, expected) in [
        ("[httpd]\ncertificate_file = \"c\"\n", "go together"),
        ("[httpd]\ncertificate_key_file = \"k\"\n", "go together"),
        ("[[httpd.bindings]]\nport = 80\nenable_https = true\n", "enable_https needs"),
    ] {
        check_error("tidegate.toml", text, &[expected]);
    }
    let file = |text: &str| read("tidegate.toml", text, &[]).unwrap().http_access.auth_user_file;
    assert_eq!(file(""), None);
    assert!(file("[httpd]\nauth_user_file = \"users\"\n").is_some_and(|path| path.is_absolute()));
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
fn uploads_share_the_memory_that_is_set() {
    for (line, expected) in
        [("", 512), ("upload_memory = 0", 512), ("upload_memory = 64", 64), ("upload_memory = 6144", 6144)]
    {
        let settings = read("tidegate.toml", &format!("[common]\n{line}\n"), &[]).unwrap();
        assert_eq!(settings.upload_memory, expected << 20, "{line}");
    }
    for wrong in ["1", "63", "1048577"] {
        let text = format!("[common]\nupload_memory = {wrong}\n");
        check_error("tidegate.toml", &text, &["common.upload_memory", "line 2", wrong]);
    }
}

#[test]
fn missing_buckets_are_made_where_the_oldest_era_is_named() {
    // A16-02
    for (line, expected) in [
        ("", false),
        ("compat = \"\"", false),
        ("compat = \"seed\"", true),
        ("compat = \"1.0\"", false),
        ("compat = \"current\"", false),
    ] {
        assert_eq!(read("tidegate.toml", &format!("{line}\n"), &[]).unwrap().makes_buckets, expected, "{line}");
    }
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

#[test]
fn requests_with_tokens_and_keys_are_asked_about_where_that_is_wanted() {
    // D-05
    for (line, expected) in [
        ("", LoginPreScope::Logins),
        ("login_pre_scope = \"logins\"", LoginPreScope::Logins),
        ("login_pre_scope = \"all\"", LoginPreScope::All),
    ] {
        let settings = read("tidegate.toml", &format!("[httpd]\n{line}\n"), &[]).unwrap();
        assert_eq!(settings.http_access.login_pre_scope, expected, "{line}");
    }
    check_error("tidegate.toml", "[httpd]\nlogin_pre_scope = \"some\"\n", &["httpd.login_pre_scope", "line 2"]);
}

#[test]
fn a_code_for_the_first_administrator_is_made_unless_it_is_switched_off() {
    for (line, expected) in
        [("", true), ("first_administrator_code = true", true), ("first_administrator_code = false", false)]
    {
        let settings = read("tidegate.toml", &format!("[httpd]\n{line}\n"), &[]).unwrap();
        assert_eq!(settings.http_access.first_administrator_code, expected, "{line}");
    }
}

#[test]
fn a_binding_has_the_pages_that_it_says() {
    // A19-01
    let check = |keys: &str, has_admin: bool, has_client: bool| {
        let text = format!("[[httpd.bindings]]\nport = 8080\n{keys}\n");
        let pages = read("tidegate.toml", &text, &[]).unwrap().http_bindings[0].pages;
        assert_eq!((pages.has_admin, pages.has_client), (has_admin, has_client), "{text}");
    };
    check("", true, false);
    check("enable_web_admin = false", false, false);
    check("enable_web_client = true", true, true);
    check("enable_web_admin = false\nenable_web_client = true", false, true);
    check_error("tidegate.toml", "[[httpd.bindings]]\nport = 8080\nenable_web_admin = \"x\"\n", &[]);
    // A18-01: what the older server's configuration says holds, and is said.
    let warnings = |file: &str, is_on: bool| {
        let text = format!("[[httpd.bindings]]\nport = 8080\nenable_web_client = {is_on}\n");
        let settings = read(file, &text, &[]).unwrap();
        assert_eq!(settings.http_bindings[0].pages.has_client, is_on);
        settings.warnings.iter().any(|warning| warning.contains("users have pages at /web/client"))
    };
    assert!(warnings("sftpgo.toml", true));
    assert!(!warnings("sftpgo.toml", false) && !warnings("tidegate.toml", true));
}
