//! Which algorithms the server offers to which clients, and its message for a client that supports none of them.

use std::process::{Command, Output};

use tidegate_tests::clients::{Proof, can_log_in, key_of, openssh, text};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

#[test]
fn ssh_audit_does_not_blame_modern_algorithms() {
    let server = Site::by_default().config("algorithms = \"modern\"").start();
    let audit = tools::cache().join("venv/bin/ssh-audit");
    let output = tools::run(Command::new(audit).args(["--no-colors", "--port", &server.port.to_string(), "127.0.0.1"]));
    let report = text(&output);
    let blamed: Vec<&str> = report.lines().filter(|line| line.contains("[fail]") || line.contains("[warn]")).collect();
    // Recent versions warn of every key exchange that is not post-quantum. Without
    // curve25519, clients such as lftp and paramiko could not connect at all.
    let unexpected: Vec<&&str> =
        blamed.iter().filter(|line| !line.contains("curve25519") || !line.contains("post-quantum")).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert!(report.contains("mlkem768x25519-sha256") && report.contains("rsa-sha2-512"), "{report}");
}

fn ssh(server: &Server, proof: Proof<'_>, options: &str) -> Output {
    let mut command = openssh("ssh", server, proof);
    // What it could not agree on, the client says only when it says more than errors.
    tools::run(command.arg("-v").args(options.split(' ')).args(["alice@127.0.0.1", "pwd"]))
}

/// Options of OpenSSH's client with which it is to get in, or not.
fn check(policy: &str, accepted: &[&str], refused: &[&str]) {
    let site = Site::by_default().config(policy);
    site.user("alice");
    let server = site.start();
    for options in accepted {
        let output = ssh(&server, PASSWORD, options);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "/\n", "{policy} {options}: {}", text(&output));
    }
    for options in refused {
        let output = ssh(&server, PASSWORD, options);
        assert!(!output.status.success(), "{policy} {options}: {}", text(&output));
        assert!(text(&output).contains("Their offer: "), "{policy} {options}: {}", text(&output));
    }
}

const MODERN: [&str; 5] = [
    "-oKexAlgorithms=curve25519-sha256",
    "-oHostKeyAlgorithms=ssh-ed25519",
    "-oHostKeyAlgorithms=rsa-sha2-256",
    "-oCiphers=aes256-ctr -oMACs=hmac-sha2-512-etm@openssh.com",
    "-oCiphers=aes256-gcm@openssh.com",
];
const COMPATIBLE: [&str; 5] = [
    "-oKexAlgorithms=ecdh-sha2-nistp256",
    "-oHostKeyAlgorithms=ecdsa-sha2-nistp256",
    "-oCiphers=chacha20-poly1305@openssh.com",
    "-oCiphers=aes128-ctr -oMACs=hmac-sha2-256",
    "-oKexAlgorithms=diffie-hellman-group14-sha256",
];
const LEGACY: [&str; 5] = [
    "-oKexAlgorithms=diffie-hellman-group14-sha1",
    "-oHostKeyAlgorithms=ssh-rsa",
    "-oCiphers=aes128-cbc",
    "-oCiphers=3des-cbc",
    "-oCiphers=aes128-ctr -oMACs=hmac-sha1",
];
const NEVER: [&str; 3] = [
    "-oKexAlgorithms=diffie-hellman-group1-sha1",
    "-oKexAlgorithms=diffie-hellman-group18-sha512",
    "-oCiphers=aes128-ctr -oMACs=hmac-md5",
];

#[test]
fn each_policy_lets_its_clients_in() {
    // A3-22, A4-02, A4-03, A5-21
    check("", &[&MODERN[..], &COMPATIBLE].concat(), &[&LEGACY[..], &NEVER].concat());
    check("algorithms = \"modern\"", &MODERN[..3], &[&COMPATIBLE[..], &LEGACY[..1]].concat());
    check("algorithms = \"legacy\"", &[&COMPATIBLE[1..2], &LEGACY].concat(), &NEVER[..1]);
}

#[test]
fn signatures_with_sha1_are_for_legacy_clients() {
    // A5-21
    for (policy, expected) in [("", false), ("algorithms = \"legacy\"", true)] {
        let site = Site::by_default().config(policy);
        let key = key_of(&site.path(""), "user", &["-t", "rsa", "-b", "2048"]);
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        site.user_with("alice", &["--public-key", public.trim()]);
        let server = site.start();
        assert!(ssh(&server, Proof::Key(&key), "-oPubkeyAcceptedAlgorithms=rsa-sha2-256").status.success());
        let output = ssh(&server, Proof::Key(&key), "-oPubkeyAcceptedAlgorithms=ssh-rsa");
        assert_eq!(output.status.success(), expected, "{policy}: {}", text(&output));
    }
}

#[test]
fn configured_algorithms_are_offered() {
    // A3-22
    let site =
        Site::new().config("ciphers = [\"chacha20-poly1305@openssh.com\"]\nkex_algorithms = [\"ecdh-sha2-nistp256\"]");
    site.user("alice");
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD));
    assert!(!ssh(&server, PASSWORD, "-oKexAlgorithms=curve25519-sha256").status.success());
}

/// The cipher that OpenSSH's client ends up with.
fn cipher(server: &Server, offered: &str) -> String {
    let said = text(&ssh(server, PASSWORD, &format!("-oCiphers={offered}")));
    let chosen = said.split("kex: server->client cipher: ").nth(1).and_then(|rest| rest.split(' ').next());
    chosen.unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn the_order_of_ciphers_is_the_servers() {
    // A3-22
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    // An offer that is late, on a busy machine, is answered with all ciphers.
    let both = "aes128-ctr,aes256-gcm@openssh.com";
    assert!((0..50).any(|_| cipher(&server, both) == "aes256-gcm@openssh.com"));
    assert_eq!(cipher(&server, "aes256-ctr"), "aes256-ctr");
}

#[test]
fn the_order_of_ciphers_can_be_left_to_the_client() {
    // A3-22
    let site = Site::new().config("prefer_fast_ciphers = false");
    site.user("alice");
    let server = site.start();
    for _ in 0..5 {
        assert_eq!(cipher(&server, "aes128-ctr,aes256-gcm@openssh.com"), "aes128-ctr");
    }
}

#[test]
fn a_client_with_nothing_in_common_is_told_and_logged() {
    let server = Site::by_default().start();
    for (options, said, kind, theirs, ours) in [
        (
            "-oKexAlgorithms=diffie-hellman-group18-sha512",
            "no matching key exchange method found. Their offer: mlkem768x25519-sha256,",
            "key exchange",
            "diffie-hellman-group18-sha512",
            "curve25519-sha256",
        ),
        (
            "-oHostKeyAlgorithms=ssh-dss",
            "no matching host key type found.",
            "host key",
            "ssh-dss",
            "ecdsa-sha2-nistp256",
        ),
        ("-oCiphers=3des-cbc", "no matching cipher found.", "cipher", "3des-cbc", "aes128-ctr"),
        ("-oCiphers=aes128-ctr -oMACs=hmac-md5", "no matching MAC found.", "MAC", "hmac-md5", "hmac-sha2-256"),
    ] {
        let output = text(&ssh(&server, PASSWORD, options));
        assert!(output.contains(said), "{options}: {output}");
        let line = server.wait_for_text("ended without a common");
        let message = line["message"].as_str().unwrap();
        for part in ["127.0.0.1", "OpenSSH", &format!("common {kind} algorithm"), theirs, ours] {
            assert!(message.contains(part), "{options}: {part} is not in {message}");
        }
        assert_eq!(line["level"], "info");
    }
}

#[test]
fn inventory_tools_see_what_there_is() {
    let site = Site::by_default();
    site.user("alice");
    let server = site.start();
    let nmap = |arguments: &[&str]| {
        let port = server.port.to_string();
        tools::run_ok(Command::new("nmap").args(["-Pn", "-p", &port]).args(arguments).arg("127.0.0.1"))
    };
    let algorithms = nmap(&["--script", "+ssh2-enum-algos"]);
    for name in ["curve25519-sha256", "ecdsa-sha2-nistp256", "rsa-sha2-512", "aes256-gcm@openssh.com", "hmac-sha2-256"]
    {
        assert!(algorithms.contains(name), "{name} is not in {algorithms}");
    }
    let methods = nmap(&["--script", "+ssh-auth-methods", "--script-args", "ssh.user=alice"]);
    assert!(methods.contains("publickey") && methods.contains("password"), "{methods}");
}

#[test]
fn a_client_that_waits_in_vain_is_let_go() {
    let site = Site::new();
    let key = key_of(&site.path(""), "unknown", &["-t", "ed25519"]);
    site.user("alice");
    let server = site.start();
    let script = tools::root().join("tests/e2e/clients/paramiko_two_methods.py");
    let mut python = Command::new(tools::python());
    let said = tools::run_ok(python.arg(script).arg(server.port.to_string()).arg(&key));
    assert!(said.contains("ended with") && said.contains("one connection: /"), "{said}");
    let line = server.wait_for_text("asked for the authentication service a second time");
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("paramiko_") && message.contains("ServiceRequestingTransport"), "{message}");
}
