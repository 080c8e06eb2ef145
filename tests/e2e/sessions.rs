//! Sessions while they last: who is there, what ends them, and what changes under them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");
const DENIED: u32 = 3;

fn connections(site: &Site) -> Vec<Value> {
    let listed = tools::run_ok(&mut site.tidegate(&["connection", "list", "--json"]));
    serde_json::from_str::<Value>(&listed).unwrap().as_array().unwrap().clone()
}

#[test]
fn administrators_see_and_close_connections() {
    // A18-03, A18-04
    let site = Site::new();
    site.user("alice");
    assert!(connections(&site).is_empty(), "no server, no connections");
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("upload", 2 | 8).handle();
    raw.request(6, &fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(vec![1; 1000])]));
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
    let again = tools::run(&mut site.tidegate(&["connection", "close", id]));
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("no such connection"));
}

#[test]
fn changes_of_the_account_take_effect_at_once() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    assert_eq!(raw.request(14, &fields(&[&string("d"), &0_u32.to_be_bytes()])).status(), 0);
    let update = |arguments: &[&str]| {
        tools::run_ok(&mut site.tidegate(&[&["user", "update", "--username", "alice"], arguments].concat()))
    };
    update(&["--permissions", "/:list"]);
    let changed = Instant::now();
    // Within a second; each try makes another directory.
    let mut tries = 0;
    while raw.request(14, &fields(&[&string(format!("d{tries}")), &0_u32.to_be_bytes()])).status() != DENIED {
        tries += 1;
        assert!(changed.elapsed() < Duration::from_secs(5), "the permissions did not change");
    }
    let update_time = changed.elapsed();
    assert!(update_time < Duration::from_millis(1000), "{update_time:?}");
    let changed = Instant::now();
    update(&["--status", "0"]);
    assert!(raw.receive().is_none());
    assert!(changed.elapsed() < Duration::from_secs(2), "{:?}", changed.elapsed());
    server.wait_for_text("is closed: it was disabled");
    assert!(!can_log_in(&server, "alice", PASSWORD));
}

#[test]
fn a_running_transfer_gets_new_limits() {
    let site = Site::new();
    site.user_with("alice", &["--password", "pw", "--upload-bandwidth", "10"]);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("upload", 2 | 8).handle();
    let write = |size: usize| fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(vec![1; size])]);
    let started = Instant::now();
    assert_eq!(raw.request(6, &write(5000)).status(), 0);
    assert!(started.elapsed() > Duration::from_millis(400), "{:?}", started.elapsed());
    tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "alice", "--upload-bandwidth", "0"]));
    let changed = Instant::now();
    let mut fast = false;
    while !fast {
        let started = Instant::now();
        assert_eq!(raw.request(6, &write(5000)).status(), 0);
        fast = started.elapsed() < Duration::from_millis(100);
        assert!(changed.elapsed() < Duration::from_secs(10));
    }
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
            raw.send(b"\x01\0\0\0\x03");
            let accepted = raw.receive().is_some();
            // Nobody leaves before all have tried.
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
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
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
    assert!(greets(&server, "PROXY TCP4 192.0.2.55 127.0.0.1 4711 22\r\nSSH-2.0-x\r\n"), "another host");
}
