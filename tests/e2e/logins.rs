//! Accounts, methods and the checks of a login.

use tidegate_tests::clients::{Proof, can_log_in, checksum, key, make_tree, sftp_ok};
use tidegate_tests::server::Site;

const PASSWORD: Proof<'static> = Proof::Password("pw");

/// Puts a tree and gets it back; the sums must agree.
pub fn round_trip(server: &tidegate_tests::server::Server, user: &str, proof: Proof<'_>) {
    let work = tempfile::tempdir().unwrap();
    let (sent, received) = (work.path().join("sent"), work.path().join("received"));
    let expected = make_tree(&sent);
    let batch = format!("put -r {} tree\nget -r tree {}\n", sent.display(), received.display());
    sftp_ok(server, user, proof, &batch);
    assert_eq!(checksum(&received), expected);
}

#[test]
fn a_password_opens_the_home_directory() {
    let site = Site::new();
    let home = site.user("alice");
    let server = site.start();
    round_trip(&server, "alice", PASSWORD);
    assert!(home.join("tree").is_dir());
    assert!(!can_log_in(&server, "alice", Proof::Password("wrong")));
    assert!(!can_log_in(&server, "alice", Proof::Password("")));
    assert!(!can_log_in(&server, "nobody", PASSWORD));
    server.wait_for_text(r#""sender":"connection_failed""#);
}

#[test]
fn a_key_opens_the_home_directory() {
    let site = Site::new();
    let mine = key(&site.path(""), "mine");
    let other = key(&site.path(""), "other");
    site.user_with("alice", &["--public-key", mine.with_extension("pub").to_str().unwrap()]);
    let server = site.start();
    round_trip(&server, "alice", Proof::Key(&mine));
    assert!(!can_log_in(&server, "alice", Proof::Key(&other)));
}

#[test]
fn a_key_and_a_password_are_two_steps() {
    // B12, and B12-05: a partial success is no failure
    let site = Site::new().config("max_auth_tries = 2");
    let mine = key(&site.path(""), "mine");
    let line = std::fs::read_to_string(mine.with_extension("pub")).unwrap();
    let document = format!(
        r#"{{"username":"alice","status":1,"password":"pw","public_keys":["{}"],"home_dir":"{}","permissions":{{"/":["*"]}},
        "filters":{{"denied_login_methods":["publickey","password","keyboard-interactive","publickey+keyboard-interactive"]}}}}"#,
        line.trim(),
        site.path("home").display()
    );
    let file = site.write("alice.json", document);
    tidegate_tests::tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
    let server = site.start();
    assert!(can_log_in(&server, "alice", Proof::KeyAndPassword(&mine, "pw")));
    server.wait_for_text(r#""method":"publickey+password""#);
    assert!(!can_log_in(&server, "alice", Proof::Key(&mine)));
    assert!(!can_log_in(&server, "alice", PASSWORD));
    assert!(!can_log_in(&server, "alice", Proof::KeyAndPassword(&mine, "wrong")));
}

#[test]
fn accounts_are_checked_at_every_login() {
    // A4-07, B1
    let site = Site::new();
    let home = site.user("alice");
    let server = site.start();
    let check = |arguments: &[&str], expected: bool| {
        let mut command = site.tidegate(&["user", "update", "--username", "alice"]);
        tidegate_tests::tools::run_ok(command.args(arguments));
        assert_eq!(can_log_in(&server, "alice", PASSWORD), expected, "{arguments:?}\n{}", server.log());
    };
    check(&[], true);
    check(&["--status", "0"], false);
    check(&["--status", "1"], true);
    check(&["--expiration-date", "2020-01-01T00:00:00Z"], false);
    check(&["--expiration-date", "0"], true);
    check(&["--denied-ip", "127.0.0.0/8"], false);
    // Denied wins over allowed (J-02).
    check(&["--allowed-ip", "127.0.0.1/32"], false);
    check(&["--denied-ip", "192.0.2.0/24"], true);
    check(&["--allowed-ip", "192.0.2.0/24"], false);
    assert!(home.is_dir());
}

#[test]
fn max_sessions_holds() {
    let site = Site::new();
    site.user_with("alice", &["--password", "pw", "--max-sessions", "1"]);
    let server = site.start();
    let open = tidegate_tests::raw_sftp::RawSftp::connect(&server, "alice", "pw");
    assert!(!can_log_in(&server, "alice", PASSWORD));
    drop(open);
    server.wait_for_text("connection closed");
    assert!(can_log_in(&server, "alice", PASSWORD));
}

#[test]
fn the_built_in_conversation_asks_for_the_password() {
    // B4-02
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    // OpenSSH's client tries this method before `password`.
    assert!(can_log_in(&server, "alice", PASSWORD));
    server.wait_for_text(r#""method":"keyboard-interactive""#);
}

#[test]
fn a_flood_of_wrong_passwords_ends_the_connection() {
    let site = Site::new().config("max_auth_tries = 2");
    site.user("alice");
    let server = site.start();
    let script = tidegate_tests::tools::root().join("tests/e2e/clients/guess.py");
    let mut guess = std::process::Command::new(tidegate_tests::tools::python());
    let text = tidegate_tests::tools::run_ok(guess.arg(script).arg(server.port.to_string()));
    // Two refusals, and the try that met the disconnection.
    assert!(text.contains("disconnected after 3"), "{text}");
    assert!(can_log_in(&server, "alice", PASSWORD));
}
