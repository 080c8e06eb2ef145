//! The transfers that hang a naive server on these libraries, and clients that do not read.

use std::process::Command;
use std::time::{Duration, Instant};

use tidegate_tests::clients::{Proof, sftp_ok, sftp_with, text};
use tidegate_tests::raw_sftp::{RawSftp, fields, request, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fxf, fxp};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");
const MIB: usize = 1 << 20;

/// A server whose user has a file of this size, in memory where there is room.
fn with_file(mebibytes: usize) -> (Site, Server, std::path::PathBuf) {
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let home = site.user("alice");
    std::fs::create_dir_all(&home).unwrap();
    let content: Vec<u8> = (0..MIB).map(|at| (at ^ (at >> 7)) as u8).collect();
    std::fs::write(home.join("big"), content.repeat(mebibytes)).unwrap();
    let server = site.start();
    (site, server, home)
}

fn check_download(options: &[&str]) {
    let (site, server, home) = with_file(1024);
    let received = site.path("received");
    let batch = format!("get big {}\n", received.display());
    let started = Instant::now();
    let output = sftp_with(&server, "alice", PASSWORD, options, &batch);
    assert!(output.status.success(), "{options:?}: {}", text(&output));
    assert!(started.elapsed() < Duration::from_secs(300), "{options:?} took {:?}", started.elapsed());
    tools::run_ok(Command::new("cmp").arg(received).arg(home.join("big")));
}

#[test]
fn a_download_with_large_requests_does_not_hang() {
    check_download(&["-B", "261120"]);
}

#[test]
fn a_download_with_many_requests_does_not_hang() {
    check_download(&["-R", "256"]);
}

#[test]
fn a_download_over_new_keys_is_whole() {
    check_download(&["-oRekeyLimit=16M"]);
}

#[test]
fn paramiko_downloads_256_mib() {
    let (site, server, home) = with_file(256);
    let received = site.path("received");
    let script = tools::root().join("tests/e2e/clients/paramiko_get.py");
    let mut python = Command::new(tools::python());
    tools::run_ok(python.arg(script).arg(server.port.to_string()).arg(&received));
    tools::run_ok(Command::new("cmp").arg(received).arg(home.join("big")));
}

/// With some of its channels unread; under a limit replies come from tasks.
fn check_unread(limits: &str) {
    let (site, server, home) = with_file(16);
    let update = site.write("limits.json", format!(r#"{{"username":"alice"{limits}}}"#));
    tools::run_ok(&mut site.tidegate(&["user", "update", "--from-json", update.to_str().unwrap()]));
    let script = tools::root().join("tests/e2e/clients/unread_channels.py");
    let mut python = Command::new(tools::python());
    tools::run_ok(python.arg(script).arg(server.port.to_string()).arg(home.join("big")));
}

#[test]
fn channels_that_are_not_read_hold_up_no_others() {
    check_unread("");
}

#[test]
fn throttled_channels_that_are_not_read_hold_up_no_others() {
    check_unread(r#","download_bandwidth":20000"#);
}

#[test]
fn replies_stay_whole_where_a_window_ends() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let script = tools::root().join("tests/e2e/clients/narrow_window.py");
    tools::run_ok(Command::new(tools::python()).arg(script).arg(server.port.to_string()));
}

#[test]
fn twenty_thousand_pipelined_stats_are_answered() {
    const STATS: u32 = 20_000;
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let mut requests = Vec::new();
    for id in 0..STATS {
        requests.extend(string(request(fxp::STAT, id, &string("/"))));
    }
    // All are sent before the first reply is read.
    let mut input = raw.second_input();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut input, &requests).unwrap());
    for id in 0..STATS {
        let reply = raw.receive_reply();
        assert_eq!((reply.kind, reply.id), (fxp::ATTRS, id));
    }
    sending.join().unwrap();
}

#[test]
fn a_client_that_never_reads_costs_bounded_memory() {
    let (_site, server, _home) = with_file(64);
    let mut stuck: Vec<_> = (0..4).map(|_| RawSftp::connect(&server, "alice", "pw")).collect();
    let before = server.memory();
    for raw in &mut stuck {
        let handle = raw.open_file("/big", fxf::READ).handle();
        for request in 0..2000_u64 {
            let offset = (request * 200_000) % (60 << 20);
            raw.send_request(
                fxp::READ,
                &fields(&[&string(&handle), &offset.to_be_bytes(), &200_000_u32.to_be_bytes()]),
            );
        }
    }
    // The others go on at full speed meanwhile.
    let received = tempfile::NamedTempFile::new().unwrap();
    let started = Instant::now();
    sftp_ok(&server, "alice", PASSWORD, &format!("get big {}\n", received.path().display()));
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    // 400 MB of replies are asked for on each of them.
    let growth = server.memory().saturating_sub(before) / 1024;
    assert!(growth < 160, "the server grew by {growth} MiB");
}
