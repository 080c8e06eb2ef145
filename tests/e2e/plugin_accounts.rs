//! What a plugin may make of accounts: alone, and with grants.

use std::path::Path;

use serde_json::Value;
use tidegate_tests::clients::{Proof, can_log_in, sftp_ok};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

/// The answers of the plugin by the number of the user that gets them: `json-0`, `json-1` and so on.
fn site(settings: &str, answers: &[String]) -> Site {
    let site = Site::new();
    let homes = site.path("homes");
    std::fs::create_dir_all(&homes).unwrap();
    let answers = answers.iter().enumerate();
    let config: String = answers.map(|(number, answer)| format!("json-{number} = '''{answer}'''\n")).collect();
    let home = site.path("homes/made");
    let text = format!("{settings}\n[config]\nhome = \"{}\"\n{config}", home.display());
    let site = site.config(&format!("[data_provider]\nhomes = [\"{}\"]", homes.display()));
    site.plugin("hostile", &tools::guest("hostile"), &text);
    site
}

fn answer(more: &str) -> String {
    format!(r#"{{"username":"{{user}}","status":1,"permissions":{{"/":["*"]}},{more}}}"#)
}

fn home(path: &Path) -> String {
    answer(&format!(r#""home_dir":"{}""#, path.display()))
}

/// Why the user was refused.
fn refused(server: &mut Server, user: &str) -> String {
    assert!(!can_log_in(server, user, PASSWORD), "{user}");
    let line = server.wait_for(|line| {
        let empty = line["error"] == "the password is empty";
        line["sender"] == "connection_failed" && line["username"] == user && !empty
    });
    line["error"].as_str().unwrap().to_owned()
}

fn stored(site: &Site, user: &str) -> Option<Value> {
    let output = site.tidegate(&["user", "show", "--username", user, "--json"]).output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn without_a_grant_a_plugin_makes_only_the_account_that_logs_in() {
    // A11-21a
    let place = tempfile::tempdir().unwrap();
    let own = place.path().join("own");
    let link = place.path().join("link");
    std::os::unix::fs::symlink("/etc", &link).unwrap();
    let outside = |path: &str| (home(Path::new(path)), "home_dir");
    let inside = |more: &str| answer(&format!(r#""home_dir":"{}",{more}"#, own.display()));
    let cases = [
        (home(&own), ""),
        outside("/"),
        outside("/etc"),
        outside("/proc/self/root"),
        outside("/root/x"),
        outside("/var/spool/x"),
        (home(&link), "home_dir"),
        (home(&link.join("ssh")), "home_dir"),
        (answer(r#""home_dir":"/srv/x","username":"alice""#), "another account"),
        (inside(r#""uid":0"#), "uid"),
        (inside(r#""uid":1000,"gid":33"#), "gid"),
        (inside(r#""groups":[{"name":"staff"}]"#), "\"groups\""),
        (inside(r#""role":"boss""#), "\"groups\""),
        (inside(r#""virtual_folders":[{"name":"team","virtual_path":"/team"}]"#), "\"folders\""),
        (inside(r#""filters":{"external_auth_cache_time":100000}"#), "a day"),
    ];
    let answers: Vec<String> = cases.iter().map(|(answer, _)| answer.clone()).collect();
    let site = Site::new();
    let config: String =
        answers.iter().enumerate().map(|(number, answer)| format!("json-{number} = '''{answer}'''\n")).collect();
    site.plugin("hostile", &tools::guest("hostile"), &format!("[config]\nhome = \"{}\"\n{config}", own.display()));
    site.user("alice");
    let mut server = site.start();
    assert!(can_log_in(&server, "json-0", PASSWORD), "{}", server.log());
    for (number, (answer, expected)) in cases.iter().enumerate().skip(1) {
        let user = format!("json-{number}");
        let error = refused(&mut server, &user);
        assert!(error.contains(expected), "{answer}: {error}");
        assert!(stored(&site, &user).is_none(), "{answer}");
    }
    for owner in ["owner-0-0", "owner-33-33", "owner-1000-0", "owner-0-1000"] {
        assert!(refused(&mut server, owner).contains("system-users"), "{owner}");
    }
    assert!(refused(&mut server, "mount").contains("has not granted \"folders\""));
    assert!(can_log_in(&server, "alice", PASSWORD));
}

#[test]
fn homes_are_below_their_roots_and_in_no_other_home() {
    // A11-21a, A3-39a
    let place = Site::new();
    let (homes, name) = (place.path("homes"), |name: &str| place.path(&format!("homes/{name}")));
    std::fs::create_dir_all(&homes).unwrap();
    std::os::unix::fs::symlink("/etc", name("out")).unwrap();
    std::os::unix::fs::symlink(name("alice"), name("in")).unwrap();
    let cases = [
        (name("mine"), ""),
        (name("deep/er"), ""),
        (homes.clone(), "home_dir"),
        (place.path("other"), "home_dir"),
        (place.path("plugins"), "home_dir"),
        (name("out"), "home_dir"),
        (name("out/ssh"), "home_dir"),
        (name("alice"), "\"alice\""),
        (name("alice/x"), "\"alice\""),
        (name("in"), "\"alice\""),
        (name("deep"), "json-1"),
    ];
    let config: String =
        cases.iter().enumerate().map(|(n, (path, _))| format!("json-{n} = '''{}'''\n", home(path))).collect();
    place.plugin("hostile", &tools::guest("hostile"), &format!("[config]\n{config}"));
    let place = place.config(&format!("[data_provider]\nhomes = [\"{}\"]", homes.display()));
    place.user("alice");
    let mut server = place.start();
    for (number, (path, expected)) in cases.iter().enumerate() {
        let user = format!("json-{number}");
        if expected.is_empty() {
            assert!(can_log_in(&server, &user, PASSWORD), "{}: {}", path.display(), server.log());
        } else {
            let error = refused(&mut server, &user);
            assert!(error.contains(expected), "{}: {error}", path.display());
        }
    }
    // A link that came later: the check is made anew at each login.
    std::fs::remove_dir(homes.join("mine")).unwrap();
    std::os::unix::fs::symlink("/etc", homes.join("mine")).unwrap();
    assert!(refused(&mut server, "json-0").contains("home_dir"));
}

#[test]
fn grants_widen_what_a_plugin_may_make() {
    // A11-21a
    let place = tempfile::tempdir().unwrap();
    let beside = place.path().join("beside");
    let answers = [
        home(&beside.join("x")),
        answer(&format!(r#""home_dir":"{}","groups":[{{"name":"staff"}}],"role":"boss""#, beside.join("y").display())),
        answer(&format!(r#""home_dir":"{}","username":"bob""#, beside.join("bob").display())),
    ];
    let grants = format!(
        "grants = [\"system-users\", \"folders\", \"groups\"]\naccounts = \"any\"\nhomes = [\"{}\"]",
        beside.display()
    );
    let site = site(&grants, &answers);
    let team = place.path().join("team");
    let folder =
        format!(r#""virtual_folders":[{{"name":"team","virtual_path":"/team","mapped_path":"{}"}}]"#, team.display());
    let admin = site.path("homes/admin");
    let document = format!(
        r#"{{"username":"admin","status":1,"password":"pw","home_dir":"{}","permissions":{{"/":["*"]}},{folder}}}"#,
        admin.display()
    );
    let document = site.write("admin.json", document);
    tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", document.to_str().unwrap()]));
    tools::run_ok(&mut site.tidegate(&["role", "add", "--name", "boss"]));
    let server = site.start();
    for user in ["json-0", "json-1", "json-2", "owner-0-0", "mount"] {
        assert!(can_log_in(&server, user, PASSWORD), "{user}: {}", server.log());
    }
    assert_eq!(stored(&site, "json-1").unwrap()["role"], "boss");
    assert!(stored(&site, "bob").is_some() && stored(&site, "json-2").is_none());
    site.write("file", "for all");
    sftp_ok(&server, "mount", PASSWORD, &format!("put {} /team/file", site.path("file").display()));
    assert_eq!(std::fs::read_to_string(team.join("file")).unwrap(), "for all");
}

#[test]
fn second_factors_are_neither_seen_nor_removed() {
    // A11-21
    let place = tempfile::tempdir().unwrap();
    let answers = [home(&place.path().join("json-0"))];
    let secret = |site: &Site, user: &str| {
        let enabled = site.tidegate(&["user", "totp", "--username", user, "--enable", "--json"]).output().unwrap();
        let enabled: Value = serde_json::from_slice(&enabled.stdout).unwrap();
        enabled["secret"].as_str().unwrap().to_owned()
    };
    for (grants, is_kept) in [("", true), ("grants = [\"second-factors\"]", false)] {
        let settings = format!("homes = [\"{}\"]\n{grants}", place.path().display());
        let site = site(&settings, &answers);
        for user in ["spy", "json-0"] {
            site.user_with(user, &["--password", "pw"]);
        }
        let hidden = secret(&site, "spy");
        secret(&site, "json-0");
        let mut server = site.start();
        assert_eq!(refused(&mut server, "spy").contains(&hidden), !is_kept, "{grants}");
        // Whether this login is let in is for the second factor to say.
        can_log_in(&server, "json-0", Proof::PasswordMethod("pw"));
        let codes = stored(&site, "json-0").unwrap();
        if is_kept {
            assert_eq!(codes["filters"]["totp_config"]["enabled"], true, "{codes}");
        }
    }
}

#[test]
fn answers_are_remembered_for_a_day_at_most() {
    // B8-01
    let site = site("", &[]);
    let mut server = site.start();
    assert!(refused(&mut server, "cache").contains("\"external_auth_cache_time\":86400"));
}

/// The same rules for a script, where the operator wants them.
#[test]
fn a_restricted_program_is_bound_like_a_plugin() {
    // A11-21a
    let script = "#!/bin/sh\necho '{\"username\":\"bob\",\"status\":1,\"home_dir\":\"/etc/none\",\"permissions\":{\"/\":[\"list\"]}}'\n";
    let site = Site::new();
    let path = site.script("hook.sh", script);
    let text = format!("[[hook.external-auth.hook]]\nhook = \"{}\"\nrestrict = true", path.display());
    let site = site.config(&text);
    let mut server = site.start();
    assert!(refused(&mut server, "eve").contains("another account"));
    assert!(refused(&mut server, "bob").contains("home_dir"));
    assert!(stored(&site, "bob").is_none());
    drop(server);
    let checked = site.config("accounts = \"all\"").tidegate(&["config", "check"]).output().unwrap();
    assert!(String::from_utf8_lossy(&checked.stderr).contains("\"own\" or \"any\""));
}
