//! Commands that only look: what they read and record, and what they leave where there is no server.

use serde_json::{Value, json};
use tidegate_tests::clients::text;
use tidegate_tests::server::Site;
use tidegate_tests::tools;

#[test]
fn hooks_are_looked_at_without_a_copy_of_the_accounts() {
    // A18-10: one process has the accounts of both drivers.
    let hook = "[data_provider]\nexternal_auth_hook = \"HOOK\"\n";
    for driver in ["bolt", "memory", "sqlite"] {
        let site = Site::new();
        let program = site.script("auth.sh", "#!/bin/sh\necho '{\"username\":\"\"}'\n");
        let section = hook.replace("HOOK", program.to_str().unwrap());
        let site = site.config(&format!("{section}driver = \"{driver}\""));
        let _server = site.start();
        for name in ["alice", "bob"] {
            site.user(name);
        }
        let dumps = || {
            let listed = tools::run_ok(&mut site.tidegate(&["audit", "list", "--action", "dump", "--json"]));
            let name = |line: &str| serde_json::from_str::<Value>(line).unwrap()["name"].as_str().unwrap().to_owned();
            listed.lines().map(name).collect::<Vec<_>>()
        };
        for (user, expected) in [("zz", "is not stored"), ("alice", "is stored")] {
            let explained = tools::run_ok(&mut site.tidegate(&["hook", "explain", "--user", user]));
            assert!(explained.contains(expected) && explained.contains("auth.sh"), "{driver}: {explained}");
            let printed = tools::run_ok(&mut site.tidegate(&["hook", "explain", "--user", user, "--json"]));
            let links: Value = serde_json::from_str(&printed).unwrap();
            assert_eq!(
                json!([links[0]["hook"], links[0]["runs"]]),
                json!(["external-auth", true]),
                "{driver}: {printed}"
            );
        }
        assert!(dumps().is_empty(), "{driver}");
        // A test asks the hooks about one account, and no other leaves the server.
        tools::run(&mut site.tidegate(&["hook", "test", "external-auth", "--user", "alice", "--password", "pw"]));
        let expected: &[&str] = if driver == "sqlite" { &[] } else { &["alice"] };
        assert_eq!(dumps(), expected, "{driver}");
    }
}

#[test]
fn a_mistyped_directory_stays_as_it_is() {
    let site = Site::new();
    let nowhere = site.path("typo");
    for arguments in [
        &["user", "list"][..],
        &["folder", "list"],
        &["admin", "list"],
        &["audit", "list"],
        &["hook", "list"],
        &["hook", "explain", "--user", "a"],
        &["plugin", "list"],
        &["connection", "list"],
        &["ban", "list"],
        &["quota", "scan"],
        &["dump"],
    ] {
        let mut command = std::process::Command::new(tools::tidegate());
        let output = tools::run(command.args(arguments).arg("-c").arg(&nowhere));
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(nowhere.to_str().unwrap()) && said.contains("initprovider"), "{arguments:?}: {said}");
        assert!(!nowhere.exists(), "{arguments:?}");
    }
    // A command that writes makes it.
    let mut command = std::process::Command::new(tools::tidegate());
    command.args(["user", "add", "--username", "a", "--password", "b", "--home-dir", "/srv/a", "-c"]);
    tools::run_ok(command.arg(&nowhere));
    let mut command = std::process::Command::new(tools::tidegate());
    assert!(tools::run_ok(command.args(["user", "list", "-c"]).arg(&nowhere)).contains("/srv/a"));
}

#[test]
fn a_configuration_that_is_named_is_looked_for_while_a_server_runs() {
    let site = Site::new();
    let other = site.write("other.toml", "");
    let server = site.start();
    let check = |file: &str, status: i32, expected: &str| {
        for arguments in
            [&["user", "list"][..], &["hook", "list"], &["ping"], &["connection", "list"], &["ban", "list"]]
        {
            let output = tools::run(site.tidegate(arguments).args(["-f", file]));
            let said = text(&output);
            assert_eq!(output.status.code(), Some(status), "{arguments:?} {file}: {said}");
            assert!(said.contains(expected), "{arguments:?} {file}: {said}");
        }
    };
    check("/nonexistent.toml", 1, "/nonexistent.toml does not exist");
    check("none", 1, "there is no configuration file");
    check(other.to_str().unwrap(), 0, "");
    drop(server);
}
