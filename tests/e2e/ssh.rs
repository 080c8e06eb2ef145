//! Commands, the banner, host keys, and what is refused.

use tidegate_tests::clients::{Proof, exec, openssh, text};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

#[test]
fn commands_exist_and_others_do_not() {
    // A7-01, A7-02, A7-07, A7-08
    let site = Site::new();
    let home = site.user("alice");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("file"), "abc").unwrap();
    let server = site.start();
    let run = |command: &str, input: &[u8]| {
        let output = exec(&server, "alice", PASSWORD, command, input);
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap())
    };
    assert_eq!(run("pwd", b""), ("/\n".into(), 0));
    assert_eq!(run("cd /x", b""), (String::new(), 0));
    assert_eq!(run("md5sum /file", b""), ("900150983cd24fb0d6963f7d28e17f72  /file\n".into(), 0));
    assert_eq!(run("sha1sum file", b""), ("a9993e364706816aba3e25717850c26c9cd0d89d  file\n".into(), 0));
    let both = "900150983cd24fb0d6963f7d28e17f72  /file\nmd5sum: /none no such file or directory\n";
    assert_eq!(run("md5sum -b /file /none", b""), (both.into(), 1));
    assert_eq!(run("md5sum", b"abc"), ("900150983cd24fb0d6963f7d28e17f72  -\n".into(), 0));
    let (message, status) = run("md5sum /none", b"");
    assert_eq!((message.as_str(), status), ("md5sum: /none no such file or directory\n", 1));
    for command in ["id", "sh -c id", "sha256sum /file", "pwd; id", "$(id)", "../../bin/sh", "scp -t /"] {
        let (output, status) = run(command, b"");
        assert!(status != 0 && output.is_empty(), "{command}: {output}");
    }
    server.wait_for(|line| line["sender"] == "SSHCommand" && line["ssh_command"] == "md5sum");
}

#[test]
fn there_is_no_shell_and_no_forwarding() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let mut shell = openssh("ssh", &server, PASSWORD);
    assert!(!tools::run(shell.args(["-tt", "alice@127.0.0.1"])).status.success());
    for option in ["-L0:127.0.0.1:22", "-R0:127.0.0.1:22"] {
        let mut forward = openssh("ssh", &server, PASSWORD);
        let output = tools::run(forward.args([option, "-oExitOnForwardFailure=yes", "alice@127.0.0.1", "pwd"]));
        // A local forward fails only when it is used; asyncssh's session tries that.
        assert!(option.starts_with("-L") || !output.status.success(), "{option}");
    }
}

#[test]
fn a_banner_is_shown_before_the_login() {
    let site = Site::new().config("login_banner_file = \"banner.txt\"\nbanner = \"Example 1\"");
    site.write("banner.txt", "Authorised use only\n");
    site.user("alice");
    let server = site.start();
    let mut command = openssh("ssh", &server, PASSWORD);
    let output = tools::run(command.args(["-oLogLevel=VERBOSE", "-v", "alice@127.0.0.1", "pwd"]));
    let text = text(&output);
    assert!(text.contains("Authorised use only") && text.contains("Example 1"), "{text}");
}

#[test]
fn a_host_key_that_others_can_read_stops_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    drop(site.start());
    std::fs::set_permissions(site.path("id_ed25519"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = tools::run(&mut site.tidegate(&["serve", "--log-file-path", ""]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("chmod 600"), "{}", text(&output));
}
