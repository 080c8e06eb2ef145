//! Commands for what only a running server does: plugins read again, logins by one click, and acting as a user; and which
//! records of calls a command selects.

use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::clients::{Proof, can_log_in, text};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

use crate::external_auth::json_users;

const SESAME: Proof<'static> = Proof::Password("sesame");

fn answered(site: &Site, arguments: &[&str]) -> Value {
    serde_json::from_str(&tools::run_ok(site.tidegate(arguments).arg("--json"))).unwrap()
}

/// What the server answers to a request of a user.
fn ask(server: &Server, arguments: &[&str], path: &str) -> Value {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "30"]).args(arguments);
    let answer = tools::run_ok(curl.arg(format!("http://127.0.0.1:{}/api/v2/{path}", server.http_port)));
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
}

/// The user to whom a token belongs.
fn user_of(server: &Server, token: &Value) -> Value {
    let bearer = format!("Authorization: Bearer {}", token["access_token"].as_str().unwrap());
    ask(server, &["--header", &bearer], "user/profile")["username"].clone()
}

#[test]
fn they_say_that_no_server_runs() {
    let site = Site::new();
    site.user("alice");
    for arguments in [
        &["plugin", "reload"][..],
        &["login-link", "one-click", "--username", "alice"],
        &["user", "impersonate", "--username", "alice"],
        &["user", "login-as", "--username", "alice", "--json"],
        &["hook", "forget-credentials"],
    ] {
        let output = tools::run(&mut site.tidegate(arguments));
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("and none runs in"), "{arguments:?}: {said}");
    }
    let records = tools::run_ok(&mut site.tidegate(&["audit", "list"]));
    assert!(!records.contains("impersonate") && !records.contains("one_click"), "{records}");
}

#[test]
fn a_user_is_logged_in_without_its_password() {
    // D-11, D-13
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let token = answered(&site, &["user", "impersonate", "--username", "alice"]);
    assert!(token["expires_at"].as_i64().is_some(), "{token}");
    assert_eq!(user_of(&server, &token), "alice");
    let printed = tools::run_ok(&mut site.tidegate(&["user", "login-as", "--username", "alice"]));
    assert_eq!(user_of(&server, &json!({"access_token": printed.trim()})), "alice");

    let made = answered(&site, &["login-link", "one-click", "--username", "alice", "--name", "webmail"]);
    let link = &made["link"];
    assert_eq!([&link["name"], &link["max_uses"], &link["username"]], [&json!("webmail"), &json!(1), &json!("alice")]);
    let code = json!({"code": made["code"]}).to_string();
    assert_eq!(user_of(&server, &ask(&server, &["--data", &code], "user/token")), "alice");
    let again = tools::run(&mut site.tidegate(&["user", "impersonate", "--username", "nobody"]));
    assert_eq!(again.status.code(), Some(1), "{}", text(&again));

    // Both names are on record, and no secret is.
    let records = tools::run_ok(&mut site.tidegate(&["audit", "list"]));
    assert!(records.contains("acts as") && records.contains("one_click"), "{records}");
    for secret in [&token["access_token"], &made["code"]] {
        let secret = secret.as_str().unwrap();
        assert!(!records.contains(secret) && !server.log().contains(secret), "{records}");
    }
}

#[test]
fn plugins_are_there_when_the_command_has_ended() {
    let site = Site::new();
    let server = site.start();
    assert!(!can_log_in(&server, "alice", SESAME));
    site.plugin("json-users", &tools::guest("json-users"), &json_users(&site.path("homes")));
    let plugins = answered(&site, &["plugin", "reload"]);
    assert_eq!([&plugins[0]["name"], &plugins[0]["error"]], [&json!("json-users"), &Value::Null], "{plugins}");
    assert!(can_log_in(&server, "alice", SESAME));
    assert!(tools::run_ok(&mut site.tidegate(&["plugin", "reload"])).contains("json-users"));
    let records = tools::run_ok(&mut site.tidegate(&["audit", "list", "--action", "reload"]));
    assert_eq!(records.lines().count(), 2, "{records}");
    std::fs::remove_file(site.path("plugins/json-users.wasm")).unwrap();
    answered(&site, &["plugin", "reload"]);
    assert_eq!(answered(&site, &["plugin", "forget", "json-users"]), json!({"forgotten": "json-users"}));
}

#[test]
fn records_of_calls_are_selected() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    for name in ["alice", "bob"] {
        assert!(!can_log_in(&server, name, Proof::Password("wrong")));
    }
    // What is left is stored before the server ends.
    assert!(server.terminate().success());
    let runs = |arguments: &[&str]| {
        let printed = tools::run_ok(site.tidegate(&["hook", "runs", "--json"]).args(arguments));
        printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let all = runs(&[]);
    let of = |name: &str| all.iter().find(|run| run["kind"] == "login" && run["username"] == name).unwrap();
    let (alice, bob) = (of("alice"), of("bob"));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    // `arguments`: what selects; `has`: whether the logins of alice and bob are among what is selected.
    let check = |arguments: &[&str], has: [bool; 2]| {
        let found = runs(arguments);
        assert_eq!([found.contains(alice), found.contains(bob)], has, "{arguments:?}: {found:?}");
    };
    check(&["--kind", "login"], [true, true]);
    check(&["--point", "login-pre"], [false, false]);
    check(&["--user", "alice"], [true, false]);
    check(&["--address", "127.0.0.1"], [true, true]);
    check(&["--ip", "192.0.2.1"], [false, false]);
    check(&["--connection", &text(&alice["connection"])], [true, false]);
    check(&["--outcome", &text(&bob["outcome"])], [alice["outcome"] == bob["outcome"], true]);
    check(&["--outcome", "accepted"], [false, false]);
    check(&["--hook", "none"], [false, false]);
    check(&["--since", &text(&alice["at"])], [true, true]);
    check(&["--until", &text(&alice["at"])], [false, false]);
    check(&["--since", "2999-01-01T00:00:00Z"], [false, false]);
    check(&["--kind", "login", "--user", "bob", "--until", "2999-01-01T00:00:00Z"], [false, true]);
    for arguments in [&["--since", "soon"][..], &["--address", "here"], &["--follow", "--until", "1"]] {
        let output = tools::run(site.tidegate(&["hook", "runs"]).args(arguments));
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
    }
}
