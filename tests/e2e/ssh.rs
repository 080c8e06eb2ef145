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
        // The client's own status where the request is refused, and none of a command.
        assert!(status == 255 && output.is_empty(), "{command}: {status} {output}");
    }
    server.wait_for(|line| line["sender"] == "SSHCommand" && line["ssh_command"] == "md5sum");
}

#[test]
fn there_is_no_shell_and_no_forwarding() {
    // A4-04
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let mut shell = openssh("ssh", &server, PASSWORD);
    assert!(!tools::run(shell.args(["-tt", "alice@127.0.0.1"])).status.success());
    // Nor another subsystem than SFTP's.
    let mut subsystem = openssh("ssh", &server, PASSWORD);
    subsystem.args(["-s", "alice@127.0.0.1", "netconf"]).stdin(std::process::Stdio::null());
    assert_eq!(tools::run(&mut subsystem).status.code(), Some(255));
    // Nor is there a terminal for what there is.
    let mut terminal = openssh("ssh", &server, PASSWORD);
    let output = tools::run(terminal.args(["-v", "-tt", "alice@127.0.0.1", "pwd"]));
    assert!(text(&output).contains("PTY allocation request failed"), "{}", text(&output));
    // A local forward fails only when it is used, as another test does.
    let mut forward = openssh("ssh", &server, PASSWORD);
    let remote = ["-R0:127.0.0.1:22", "-oExitOnForwardFailure=yes", "alice@127.0.0.1", "pwd"];
    assert!(!tools::run(forward.args(remote)).status.success());
}

#[test]
fn a_banner_is_shown_before_the_login() {
    // A3-15, A3-23
    let site = Site::new().config("login_banner_file = \"banner.txt\"\nbanner = \"Example 1\"");
    site.write("banner.txt", "Authorised use only\n");
    site.user("alice");
    let server = site.start();
    let mut command = openssh("ssh", &server, PASSWORD);
    let output = tools::run(command.args(["-oLogLevel=VERBOSE", "-v", "alice@127.0.0.1", "pwd"]));
    let text = text(&output);
    assert!(text.contains("Authorised use only"), "{text}");
    assert!(text.contains("remote software version Example 1"), "{text}");
}

#[test]
fn a_host_key_that_others_can_read_stops_the_start() {
    // A4-02
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    drop(site.start());
    std::fs::set_permissions(site.path("id_ed25519"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = tools::run(&mut site.tidegate(&["serve", "--log-file-path", ""]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("chmod 600"), "{}", text(&output));
}

#[test]
fn sums_of_every_kind_are_right_and_need_list() {
    // A7-01
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    site.user("alice");
    site.user_with("blind", &["--password", "pw", "--permissions", "/:download,upload,overwrite,delete"]);
    site.write("homes/alice/file", "abc");
    site.write("homes/blind/file", "abc");
    let server = site.start();
    for (command, sum) in [
        ("md5sum", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha1sum", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256sum", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "sha384sum",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            "sha512sum",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ] {
        let run = |user: &str, words: &str, input: &[u8]| {
            let output = exec(&server, user, PASSWORD, &format!("{command}{words}"), input);
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        assert_eq!(run("alice", " //./file", b""), (Some(0), format!("{sum}  /file\n")));
        assert_eq!(run("alice", "", b"abc"), (Some(0), format!("{sum}  -\n")));
        let (status, said) = run("blind", " /file", b"");
        assert!(status == Some(1) && !said.contains(sum), "{command}: {said}");
    }
}
