//! Codes for lost passwords that a hook sends: it gets them as an administrator does, by a command or with a key.

use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::{tools, waiting};

/// The body of the answer to a request without credentials, which must succeed.
fn post(server: &Server, path: &str, body: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "30", "--data", body]);
    tools::run_ok(curl.arg(format!("http://127.0.0.1:{}/api/v2/{path}", server.http_port)))
}

/// `get` is the line of the hook that prints the code of `$SFTPGO_RESET_USERNAME`, with the port in the file `port` and the
/// key in the file `key`.
fn check(get: impl FnOnce(&Site) -> String) {
    let site = Site::new();
    site.user("alice");
    let (asked, sent) = (site.path("asked"), site.path("sent"));
    let script = format!(
        "#!/bin/sh\nexport PATH=/usr/bin:/bin\ncd {directory}\n{get} >> {sent}\n\
         echo \"$SFTPGO_RESET_USERNAME\" >> {asked}\nexit 0\n",
        directory = site.path("").display(),
        get = get(&site),
        sent = sent.display(),
        asked = asked.display(),
    );
    let script = site.script("send.sh", &script);
    let site = site.config(&format!("[hook.password-reset-pre]\nhook = \"{}\"\n", script.display()));
    let made = ["apikey", "add", "--name", "mailer", "--allow", "user.reset", "--json"];
    let key: Value = serde_json::from_str(&tools::run_ok(&mut site.tidegate(&made))).unwrap();
    site.write("key", key["key"].as_str().unwrap());
    let server = site.start();
    site.write("port", server.http_port.to_string());
    let answers = ["none", "alice"].map(|name| post(&server, &format!("users/{name}/forgot-password"), ""));
    assert_eq!(answers[0], answers[1], "the answer does not say whether there is such a name");
    let lines = |path| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    waiting::until("the hook was asked about both", || lines(&asked) == 2);
    let code = std::fs::read_to_string(&sent).unwrap();
    assert_eq!(code.lines().count(), 1, "{code}: there is none for a name that does not exist");
    let wanted = json!({"code": code.trim(), "password": "another"}).to_string();
    post(&server, "users/alice/reset-password", &wanted);
    assert!(can_log_in(&server, "alice", Proof::Password("another")), "{}", server.log());
    assert!(!can_log_in(&server, "alice", Proof::Password("pw")));
}

#[test]
fn a_program_sends_the_code_that_a_command_makes() {
    // D-10
    check(|site| {
        let (tidegate, directory) = (tools::tidegate(), site.path(""));
        format!(
            "{} user reset-code --username=\"$SFTPGO_RESET_USERNAME\" -c {} 2>> errors",
            tidegate.display(),
            directory.display()
        )
    });
}

#[test]
fn a_service_sends_the_code_that_it_gets_with_a_key() {
    // D-09, D-10
    check(|_| {
        let url = "http://127.0.0.1:$(cat port)/api/v2/users/$SFTPGO_RESET_USERNAME/reset-code";
        let answer = format!("curl --silent --fail --request POST --header \"X-SFTPGO-API-KEY: $(cat key)\" \"{url}\"");
        format!("{answer} | grep -o 'tgt_[^\"]*'")
    });
}
