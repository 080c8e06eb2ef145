//! Sessions while they last: how they are listed, what ends them, and what changes under them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_tests::clients::{Proof, can_log_in, exec};
use tidegate_tests::homes::Kind;
use tidegate_tests::raw_sftp::{RawSftp, fields, init, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};
use tidegate_tests::waiting::PATIENCE;
use tidegate_tests::{tools, waiting};

use crate::guard::closed_on_arrival;
use crate::operations::{get, metric};

const PASSWORD: Proof<'static> = Proof::Password("pw");

fn connections(site: &Site) -> Vec<Value> {
    let listed = tools::run_ok(&mut site.tidegate(&["connection", "list", "--json"]));
    serde_json::from_str::<Value>(&listed).unwrap().as_array().unwrap().clone()
}

#[test]
fn administrators_see_and_close_connections() {
    // A18-03, A18-04
    Kind::ALL.into_iter().for_each(check_connections);
}

fn check_connections(kind: Kind) {
    let site = Site::new();
    let _home = site.user_of(kind, "alice", &[]);
    assert!(connections(&site).is_empty(), "no server, no connections");
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("upload", fxf::WRITE | fxf::CREAT).handle();
    raw.request(fxp::WRITE, &fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(vec![1; 1000])]));
    let listed = connections(&site);
    assert_eq!(listed.len(), 1);
    let connection = &listed[0];
    assert_eq!(connection["username"], "alice");
    assert_eq!(connection["protocol"], "SFTP");
    assert!(connection["client_version"].as_str().unwrap().starts_with("SSH-2.0-OpenSSH"));
    assert_eq!(connection["active_transfers"][0]["operation_type"], "upload");
    assert_eq!(connection["active_transfers"][0]["path"], "/upload");
    assert_eq!(connection["active_transfers"][0]["size"], 1000);
    let shown = tools::run_ok(&mut site.tidegate(&["connection", "list"]));
    assert!(shown.contains("alice") && shown.contains("upload /upload (1000 bytes)"), "{shown}");
    let id = connection["connection_id"].as_str().unwrap();
    tools::run_ok(&mut site.tidegate(&["connection", "close", id]));
    assert!(raw.receive().is_none(), "the connection is closed");
    server.wait_for_text("\"sender\":\"Upload\"");
    let done = |arguments: &[&str]| tools::run_ok(&mut site.tidegate(&[&["connection", "files"], arguments].concat()));
    let event: Value = serde_json::from_str(done(&["--connection", id, "--json"]).trim()).unwrap();
    assert!(event["action"] == "upload" && event["size"] == 1000, "{event}");
    assert!(event["path"].as_str().unwrap().ends_with("upload") && event["error"].is_string(), "{event}");
    assert!(done(&["--user", "alice", "--action", "upload", "--since", "0"]).contains("(1000 bytes)"));
    assert_eq!(done(&["--address", "192.0.2.1"]), "");
    let again = tools::run(&mut site.tidegate(&["connection", "close", id]));
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("no such connection"));
}

#[test]
fn changes_of_the_account_take_effect_at_once() {
    // A21-02
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    assert_eq!(raw.request(fxp::MKDIR, &fields(&[&string("d"), &0_u32.to_be_bytes()])).status(), fx::OK);
    let update = |arguments: &[&str]| {
        tools::run_ok(&mut site.tidegate(&[&["user", "update", "--username", "alice"], arguments].concat()))
    };
    update(&["--permissions", "/:list"]);
    // Each try makes another directory.
    let mut tries = 0;
    waiting::until("the permissions change", || {
        tries += 1;
        let make = fields(&[&string(format!("d{tries}")), &0_u32.to_be_bytes()]);
        raw.request(fxp::MKDIR, &make).status() == fx::PERMISSION_DENIED
    });
    update(&["--status", "0"]);
    assert!(raw.receive().is_none());
    let line = server.wait_for_text("is closed: it was disabled");
    assert_eq!((&line["sender"], &line["level"]), (&"session".into(), &"info".into()), "{line}");
    assert!(line["connection_id"].as_str().unwrap().starts_with("SSH_") && line["message"].is_string(), "{line}");
    assert!(!can_log_in(&server, "alice", PASSWORD));
}

#[test]
fn a_running_transfer_gets_new_limits() {
    Kind::ALL.into_iter().for_each(check_new_limits);
}

fn check_new_limits(kind: Kind) {
    let site = Site::new();
    let _home = site.user_of(kind, "alice", &["--upload-bandwidth", "10"]);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("upload", fxf::WRITE | fxf::CREAT).handle();
    let mut offset = 0_u64;
    let mut write = || {
        let started = Instant::now();
        let body = fields(&[&string(&handle), &offset.to_be_bytes(), &string(vec![1; 10_000])]);
        assert_eq!(raw.request(fxp::WRITE, &body).status(), fx::OK);
        offset += 10_000;
        started.elapsed()
    };
    // A second for each, of which a pause before it makes good a tenth at most: a faster session has no limit.
    let least = Duration::from_millis(800);
    let taken = write();
    assert!(taken >= least, "{taken:?}");
    tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "alice", "--upload-bandwidth", "0"]));
    waiting::until("the limit is lifted", || write() < least);
}

#[test]
fn the_limit_on_sessions_holds_under_a_race() {
    // A4-10
    let site = Site::new();
    site.user_with("alice", &["--password", "pw", "--max-sessions", "3"]);
    let server = site.start();
    let attempts = 12;
    let barrier = std::sync::Barrier::new(attempts);
    let kept: Vec<bool> = std::thread::scope(|scope| {
        let attempt = || {
            let mut raw = RawSftp::open(&server, "alice", "pw");
            raw.send(&init());
            let accepted = raw.receive().is_some();
            // No session ends before all have tried.
            barrier.wait();
            accepted
        };
        let threads: Vec<_> = (0..attempts).map(|_| scope.spawn(attempt)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(kept.into_iter().filter(|accepted| *accepted).count(), 3);
}

/// A connection with a PROXY header; whether the server speaks SSH to it.
fn greets(server: &Server, header: &str) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(header.as_bytes()).unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).is_ok() && &answer == b"SSH-2.0-"
}

#[test]
fn proxies_say_who_the_client_is() {
    // A4-16
    let site = Site::new().config("[common]\nproxy_protocol = 2\nproxy_allowed = [\"127.0.0.1\"]");
    let server = site.start();
    assert!(greets(&server, "PROXY TCP4 192.0.2.55 127.0.0.1 4711 22\r\nSSH-2.0-x\r\n"));
    server.wait_for(|line| line["sender"] == "connection_failed" && line["client_ip"] == "192.0.2.55");
    assert!(!greets(&server, "SSH-2.0-x\r\n"));
    assert!(!greets(&server, "PROXY TCP4 nonsense\r\n"));
    closed_on_arrival(&site, "127.0.0.1", "its PROXY header is missing or wrong");
    drop(server);
    let site = Site::new().config("[common]\nproxy_protocol = 2\nproxy_allowed = [\"10.0.0.0/8\"]");
    let server = site.start();
    assert!(!greets(&server, "PROXY TCP4 192.0.2.55 127.0.0.1 4711 22\r\n"));
}

#[test]
fn hosts_have_their_number_of_connections() {
    let site = Site::new().config("[common]\nmax_per_host_connections = 2\nproxy_protocol = 1");
    let server = site.start();
    let connect = || {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.write_all(b"SSH-2.0-x\r\n").unwrap();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).is_ok().then_some(stream)
    };
    let (first, second) = (connect(), connect());
    assert!(first.is_some() && second.is_some());
    assert!(connect().is_none());
    server.wait_for_text("the host has its maximum of connections");
    closed_on_arrival(&site, "127.0.0.1", "the host has its maximum of connections");
    assert!(greets(&server, "PROXY TCP4 192.0.2.55 127.0.0.1 4711 22\r\nSSH-2.0-x\r\n"), "another host");
}

/// A file that takes long to sum up, and no room.
fn huge_file(home: &std::path::Path) {
    std::fs::create_dir_all(home).unwrap();
    std::fs::File::create(home.join("huge")).unwrap().set_len(1 << 42).unwrap();
}

#[test]
fn requests_that_take_long_hold_up_no_other() {
    // A4-05: each channel has its number, and all of them are one connection.
    let site = Site::new();
    let home = site.user("alice");
    let server = site.start();
    huge_file(&home);
    let control = site.path("control");
    let mut raw = RawSftp::multiplexed(&server, "alice", "pw", &control);
    let sum = fields(&[&string("check-file-name"), &string("huge"), &string("md5"), &[0; 16], &[0; 4]]);
    raw.send_request(fxp::EXTENDED, &sum);
    // Another channel of the same connection, while the sum is being made.
    let mut other = RawSftp::multiplexed(&server, "alice", "pw", &control);
    assert_eq!(other.request(fxp::STAT, &string("/")).kind, fxp::ATTRS);
    let make = |name: &str| fields(&[&string(name), &0_u32.to_be_bytes()]);
    assert_eq!(other.request(fxp::MKDIR, &make("by-second")).status(), fx::OK);
    let mut third = RawSftp::multiplexed(&server, "alice", "pw", &control);
    assert_eq!(third.request(fxp::MKDIR, &make("by-third")).status(), fx::OK);
    let listed = connections(&site);
    let id = listed[0]["connection_id"].as_str().unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let number = id.strip_prefix("SSH_").unwrap_or_default();
    assert!(!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
    for (name, number) in [("by-second", 2), ("by-third", 3)] {
        let is_made = |line: &Value| line["file_path"].as_str().is_some_and(|path| path.ends_with(name));
        let line = server.wait_for(|line| line["sender"] == "Mkdir" && is_made(line));
        assert_eq!(line["connection_id"], format!("{id}_{number}"), "{line}");
    }
    // The end of the session does not wait for the sum.
    let changed = Instant::now();
    tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "alice", "--status", "0"]));
    assert!(raw.receive().is_none(), "the channel ended without an answer");
    assert!(changed.elapsed() < PATIENCE, "instead of hours: {:?}", changed.elapsed());
}

#[test]
fn a_session_ends_while_a_hook_is_asked() {
    let site = Site::new();
    let hook = site.script("slow.sh", "#!/bin/sh\nexec sleep 300\n");
    let site = site.config(&format!("[hook.pre-action]\ntimeout = 300\nhook = \"{}\"\n", hook.display()));
    site.user("alice");
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    raw.send_request(fxp::MKDIR, &fields(&[&string("d"), &0_u32.to_be_bytes()]));
    let started = Instant::now();
    let id = connections(&site)[0]["connection_id"].as_str().unwrap().to_owned();
    tools::run_ok(&mut site.tidegate(&["connection", "close", &id]));
    assert!(raw.receive().is_none());
    assert!(started.elapsed() < PATIENCE, "instead of 300 s: {:?}", started.elapsed());
}

#[test]
fn input_that_no_command_reads_keeps_no_session() {
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    site.user_with("alice", &["--password", "pw", "--max-sessions", "1"]);
    let server = site.start();
    for command in ["pwd", "md5sum /missing", "rsync --daemon"] {
        exec(&server, "alice", PASSWORD, command, &vec![7; 20 << 20]);
        // The place is free when the client is gone: at once, or a moment later.
        waiting::until(&format!("the session of {command} ends"), || can_log_in(&server, "alice", PASSWORD));
    }
}

#[test]
fn a_stopping_server_waits_for_transfers_and_not_for_idle_sessions() {
    // A2-14, A9-05
    let site = Site::new();
    site.user("alice");
    let server = Server::with_grace(&site, 300);
    assert!(get(&server, "/readyz").starts_with("HTTP/1.1 200 "));
    let _idle = RawSftp::connect(&server, "alice", "pw");
    assert_eq!(metric(&get(&server, "/metrics"), "sftpgo_active_connections"), Some(1.0));
    let started = Instant::now();
    assert!(server.terminate().success());
    assert!(started.elapsed() < PATIENCE, "instead of 300 s: {:?}", started.elapsed());

    let server = Server::with_grace(&site, 300);
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("upload", fxf::WRITE | fxf::CREAT).handle();
    // Begun after it: had the transfer's session to end as well, it would do so before this one.
    let mut idle = RawSftp::connect(&server, "alice", "pw");
    tools::run_ok(std::process::Command::new("kill").arg(server.pid().to_string()));
    assert!(idle.receive().is_none(), "an idle session ends");
    // Balancers send no more clients, and what goes on is still seen (A20-01).
    let ready = get(&server, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("the server is stopping"), "{ready}");
    waiting::until("the idle session is no longer counted", || {
        metric(&get(&server, "/metrics"), "sftpgo_active_connections") == Some(1.0)
    });
    assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200 "));
    let write = fields(&[&string(&handle), &0_u64.to_be_bytes(), &string("x")]);
    assert_eq!(raw.request(fxp::WRITE, &write).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    assert!(raw.receive().is_none(), "with nothing left to do it ends");
    assert!(server.ended().success());
}
