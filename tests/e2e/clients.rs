//! Clients other than OpenSSH's, each with a round trip.

use std::process::Command;

use tidegate_tests::clients::{checksum, make_tree};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

#[test]
fn lftp_mirrors_a_tree() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let (sent, received) = (site.path("sent"), site.path("received"));
    let expected = make_tree(&sent);
    let script = format!(
        "set sftp:auto-confirm yes; set sftp:connect-program \"ssh -a -x -oUserKnownHostsFile=/dev/null -oStrictHostKeyChecking=no -F/dev/null\"; \
         set net:max-retries 1; open sftp://alice:pw@127.0.0.1:{}; mirror -R {} tree; mirror tree {}; quit",
        server.port,
        sent.display(),
        received.display()
    );
    tools::run_ok(Command::new("lftp").args(["-c", &script]).env("HOME", site.path("")).env_remove("XDG_CONFIG_HOME"));
    assert_eq!(checksum(&received), expected);
}

fn check_python(script: &str) {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let script = tools::root().join("tests/e2e/clients").join(script);
    let mut python = Command::new(tools::python());
    let text = tools::run_ok(python.arg(script).arg(server.port.to_string()));
    assert!(text.contains("all is well"), "{text}\n{}", server.log());
}

#[test]
fn paramiko_does_everything_it_can() {
    check_python("paramiko_session.py");
}

#[test]
fn links_are_what_each_client_means() {
    // A5-20
    check_python("symlink_orders.py");
}

#[test]
fn asyncssh_does_everything_it_can() {
    check_python("asyncssh_session.py");
}
