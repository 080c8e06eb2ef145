//! `tidegate hook test`: one hook or the chain, without a server.

use std::process::{Command, Output};

use tidegate_tests::server::Site;
use tidegate_tests::tools;

fn test(site: &Site, arguments: &[&str]) -> (Output, String) {
    let mut command = site.tidegate(&["hook", "test"]);
    let output = tools::run(command.args(arguments));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, said)
}

const ACCEPTS: &str = "#!/bin/sh\necho careful >&2\n\
    printf '{\"username\":\"%s\",\"status\":1,\"home_dir\":\"/srv/x\",\"permissions\":{\"/\":[\"*\"]}}' \"$SFTPGO_AUTHD_USERNAME\"\n";

#[test]
fn a_program_is_shown_from_the_inside() {
    // G-04
    let site = Site::new();
    let script = site.script("hook.sh", ACCEPTS);
    let link = script.to_str().unwrap();
    let (output, said) = test(&site, &["external-auth", "--link", link, "--user", "bob", "--password", "hunter2"]);
    assert!(output.status.success(), "{said}");
    for expected in [
        "SFTPGO_AUTHD_USERNAME=bob",
        "home_dir",
        "careful",
        "+ username: \"bob\"",
        "verdict: accept",
        "enabled, not expired, and at this time",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let (output, said) = test(&site, &["external-auth", "--link", link, "--user", "bob", "--expect", "reject"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the verdict is \"accept\", not \"reject\""), "{said}");
}

#[test]
fn mistakes_are_named_by_their_field() {
    // G-04
    let site = Site::new();
    let invalid = ACCEPTS.replace("/srv/x", "relative").replace("echo careful >&2\n", "");
    let script = site.script("hook.sh", &invalid);
    let (output, said) = test(&site, &["external-auth", "--link", script.to_str().unwrap(), "--password", "x"]);
    assert!(!output.status.success() && said.contains("home_dir"), "{said}");
    let (output, said) = test(&site, &["external-authentication"]);
    assert!(!output.status.success() && said.contains("is not a hook point"), "{said}");
    let (output, said) = test(&site, &["pre-action", "--link", "/nonexistent"]);
    assert!(!output.status.success() && said.contains("/nonexistent"), "{said}");
    let (output, said) = test(&site, &["connect"]);
    assert!(!output.status.success() && said.contains("no hook is there"), "{said}");
}

#[test]
fn a_file_event_and_a_conversation() {
    // G-04
    let site = Site::new();
    let component = tools::guest("contract");
    let link = component.to_str().unwrap();
    let (output, said) = test(&site, &["pre-action", "--link", link, "--path", "/in/deny", "--expect", "deny"]);
    assert!(output.status.success() && said.contains("the contract says no"), "{said}");
    let (output, said) = test(
        &site,
        &[
            "keyboard-interactive",
            "--link",
            link,
            "--user",
            "talker",
            "--answers",
            "1,2",
            "--answers",
            "3",
            "--expect",
            "accept",
        ],
    );
    assert!(output.status.success(), "{said}");
    let (output, said) = test(&site, &["post-action", "--link", link, "--path", "/in/fail", "--json"]);
    assert!(!output.status.success(), "{said}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document[0]["runs"][0]["is_error"], true, "{document}");
}

#[test]
fn one_of_the_configured_hooks_is_asked_alone() {
    let site = Site::new();
    let refuses = site.script("refuses.sh", "#!/bin/sh\necho never\nexit 1\n").display().to_string();
    let allows = site.script("allows.sh", "#!/bin/sh\nexit 0\n").display().to_string();
    let link = |path: &str| format!("[[hook.login-pre.hook]]\nhook = \"{path}\"\n");
    let site = site.config(&format!("{}{}", link(&refuses), link(&allows)));
    for (only, verdict) in [(None, "deny"), (Some(&refuses), "deny"), (Some(&allows), "allow")] {
        let mut arguments = vec!["login-pre", "--expect", verdict];
        arguments.extend(only.iter().flat_map(|only| ["--only", only.as_str()]));
        let (output, said) = test(&site, &arguments);
        assert!(output.status.success(), "{only:?}: {said}");
    }
    let (output, said) = test(&site, &["login-pre", "--only", "/bin/true"]);
    assert!(
        !output.status.success() && said.contains("\"/bin/true\" is configured") && said.contains(&allows),
        "{said}"
    );
    let (output, _) = test(&site, &["login-pre", "--only", &allows, "--link", "/bin/true"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_hook_whose_selectors_do_not_match_is_said_not_to_be_asked() {
    let site = Site::new();
    let refuses = site.script("refuses.sh", "#!/bin/sh\necho never\nexit 1\n").display().to_string();
    let site = site.config(&format!("[hook.login-pre]\nhook = [{{ hook = \"{refuses}\", users = [\"eve\"] }}]\n"));
    for (user, only, expected) in [
        ("eve", true, "verdict: deny"),
        ("bob", true, "the hook was not asked: its selectors do not match"),
        ("bob", false, "no hook was asked: the selectors of all hooks exclude the event"),
    ] {
        let mut arguments = vec!["login-pre", "--user", user];
        arguments.extend(only.then_some(["--only", refuses.as_str()]).into_iter().flatten());
        let (_, said) = test(&site, &arguments);
        assert!(said.contains(expected), "{user} {only}: {said}");
        assert_eq!(said.contains("not asked") || said.contains("no hook was asked"), user == "bob", "{said}");
    }
}

/// The contract's own table, through the component and through a script.
#[test]
fn a_table_is_run_through_every_adapter() {
    let site = Site::new();
    let table = tools::root().join("tests/contract/events.toml");
    let script = site.script("hook.sh", include_str!("../contract/src/hook.sh"));
    let dispatch = |kind: &str| {
        let name = format!("{kind}.sh");
        site.script(&name, &format!("#!/bin/sh\nexec {} {kind}\n", script.display())).display().to_string()
    };
    let component = tools::guest("contract").display().to_string();
    let run = |table: &std::path::Path| {
        let mut command = Command::new(tools::tidegate());
        tools::run_ok(command.args(["hook", "test", "--file"]).arg(table).env("CONTRACT_HOME", "/srv/contract"))
    };
    let text = std::fs::read_to_string(table).unwrap();
    let by_component = run(&site.write("component.toml", format!("link = \"{component}\"\n{text}")));
    let mut by_script = text.clone();
    for kind in ["external-auth", "check-password", "pre-action", "session-create", "connect", "login-pre", "pre-login"]
    {
        let hook = format!("hook = \"{kind}\"\n");
        by_script = by_script.replace(&hook, &format!("{hook}link = \"{}\"\n", dispatch(kind)));
    }
    let by_script = run(&site.write("script.toml", by_script));
    for said in [by_component, by_script] {
        assert!(said.matches("ok  ").count() >= 14 && !said.contains("FAIL"), "{said}");
    }
}

#[test]
fn the_schema_of_accounts_is_printed() {
    // C1-07
    let printed = tools::run_ok(Command::new(tools::tidegate()).args(["hook", "schema"]));
    let kept = std::fs::read_to_string(tools::root().join("host/spec/account.schema.json")).unwrap();
    assert_eq!(printed, kept);
}
