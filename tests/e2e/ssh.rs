//! The transport: algorithms, commands, and what is refused.

use std::process::Command;

use tidegate_tests::clients::{Proof, can_log_in, exec, openssh, text};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

#[test]
fn ssh_audit_finds_nothing_to_blame() {
    // With the keys of a first start: Ed25519 and RSA-4096.
    let site = Site::new();
    site.write("bare.toml", "[sftpd]\nbind_port = 0\nbind_address = \"127.0.0.1\"\n");
    let mut command = site.tidegate(&["config", "check"]);
    tools::run_ok(&mut command);
    let server = site.start();
    let audit = tools::cache().join("venv/bin/ssh-audit");
    let output = tools::run(Command::new(audit).args(["--no-colors", "--port", &server.port.to_string(), "127.0.0.1"]));
    let report = text(&output);
    let blamed: Vec<&str> = report.lines().filter(|line| line.contains("[fail]") || line.contains("[warn]")).collect();
    // Recent versions warn of every key exchange that is not post-quantum. Without
    // curve25519, clients such as curl, lftp and paramiko could not connect at all.
    let unexpected: Vec<&&str> =
        blamed.iter().filter(|line| !line.contains("curve25519") || !line.contains("post-quantum")).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert!(report.contains("mlkem768x25519-sha256"), "{report}");
}

#[test]
fn weak_algorithms_are_not_offered() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    for option in [
        "-oKexAlgorithms=diffie-hellman-group14-sha256",
        "-oKexAlgorithms=ecdh-sha2-nistp256",
        "-oKexAlgorithms=diffie-hellman-group18-sha512",
        "-oCiphers=aes128-cbc",
        "-oCiphers=chacha20-poly1305@openssh.com",
        "-oHostKeyAlgorithms=ssh-rsa",
    ] {
        let mut command = openssh("sftp", &server, PASSWORD);
        let output = tools::run(command.args([option, "alice@127.0.0.1"]));
        assert!(!output.status.success(), "{option}: {}", text(&output));
    }
    for option in ["-oCiphers=aes256-ctr", "-oCiphers=aes256-gcm@openssh.com", "-oMACs=hmac-sha2-512-etm@openssh.com"] {
        let mut command = openssh("ssh", &server, PASSWORD);
        let output = tools::run(command.args([option, "alice@127.0.0.1", "pwd"]));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "/\n", "{option}: {}", text(&output));
    }
}

#[test]
fn configured_algorithms_are_offered() {
    let site =
        Site::new().config("ciphers = [\"chacha20-poly1305@openssh.com\"]\nkex_algorithms = [\"ecdh-sha2-nistp256\"]");
    site.user("alice");
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD));
}

#[test]
fn the_order_of_ciphers_is_the_servers() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let cipher = |offered: &str| {
        let mut command = openssh("ssh", &server, PASSWORD);
        let output = tools::run(command.args(["-v", &format!("-oCiphers={offered}"), "alice@127.0.0.1", "pwd"]));
        let said = text(&output);
        let chosen = said.split("kex: server->client cipher: ").nth(1).and_then(|rest| rest.split(' ').next());
        chosen.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    // An offer that is late, on a busy machine, is answered with all ciphers.
    let both = "aes128-ctr,aes256-gcm@openssh.com";
    assert!((0..50).any(|_| cipher(both) == "aes256-gcm@openssh.com"));
    assert_eq!(cipher("aes256-ctr"), "aes256-ctr");
}

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
