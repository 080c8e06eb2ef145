//! What becomes of hooks, and of what they are told, when the server stops.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;

use rustix::fs::OFlags;
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fx, fxp};
use tidegate_tests::{tools, waiting};

use crate::rest::make_certificate;

/// A server whose post-action hook runs the script. `more`: lines of the hook's section.
fn server(site: Site, script: &str, more: &str) -> (Site, Server) {
    let hook = site.script("hook.sh", script);
    let section = format!("[hook.post-action]\nhook = \"{}\"\nactions = [\"mkdir\"]\n{more}\n", hook.display());
    let site = site.config(&section);
    site.user("alice");
    let server = site.start();
    (site, server)
}

fn make_directories(server: &Server, count: usize) -> RawSftp {
    let mut raw = RawSftp::connect(server, "alice", "pw");
    for number in 0..count {
        let make = fields(&[&string(format!("d{number}")), &0_u32.to_be_bytes()]);
        assert_eq!(raw.request(fxp::MKDIR, &make).status(), fx::OK);
    }
    raw
}

fn signal(server: &Server, name: &str) {
    tools::run_ok(Command::new("kill").args([name, &server.pid().to_string()]));
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

#[test]
fn hooks_are_told_of_everything_without_a_grace_time() {
    // B0-12: the queue takes six seconds.
    let site = Site::new();
    let told = site.path("told");
    let script = format!("#!/bin/sh\nsleep 0.5\necho told >> {}\n", told.display());
    // B0-10: few places and a short line lose nothing.
    let (_site, server) = server(site, &script, "concurrency = 1\nqueue = 2");
    let _raw = make_directories(&server, 12);
    assert!(server.terminate().success());
    assert_eq!(lines(&told), 12);
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    // B0-12
    for (first, second) in [("-TERM", "-TERM"), ("-INT", "-TERM")] {
        let site = Site::new();
        let begun = site.path("begun");
        let script = format!("#!/bin/sh\necho begun >> {}\nexec sleep 300\n", begun.display());
        let (_site, server) = server(site, &script, "timeout = 300");
        let mut raw = make_directories(&server, 3);
        waiting::eventually("the programs run", || (lines(&begun) == 3).then_some(()));
        signal(&server, first);
        assert!(raw.receive().is_none(), "the server drains");
        signal(&server, second);
        server.wait_for_text("3 events were lost: the post-action hooks were not told of them");
        // B0-13
        server.wait_for_text("hook.sh was killed with its process group");
        assert!(server.ended().success());
    }
}

/// The lines of the script that begin with that word, without it and sorted.
fn of_kind(told: &Path, kind: &str) -> Vec<String> {
    let text = std::fs::read_to_string(told).unwrap_or_default();
    let mut ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(kind)).map(str::to_owned).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_session_that_a_program_is_destroying_when_the_server_is_killed_is_destroyed_once() {
    // D-04: the program goes on without the server.
    let site = Site::new();
    let (told, go) = (site.path("told"), site.path("go"));
    tools::run_ok(Command::new("mkfifo").arg(&go));
    let script = |name: &str, line: &str| {
        let line = format!("#!/bin/sh\n{line}\n").replace("TOLD", &told.display().to_string());
        format!("\"{}\"", site.script(name, &line).display())
    };
    let created = script("create.sh", "echo \"create $SFTPGO_SESSION_ID\" >> TOLD");
    let waits = format!("echo \"begun $SFTPGO_SESSION_ID\" >> TOLD\nread line < {}\necho done >> TOLD", go.display());
    let destroyed = script("destroy.sh", &waits);
    let site = site.config(&format!("[hook.session-create]\nhook = {created}"));
    let site = site.config(&format!("[hook.session-destroy]\nhook = {destroyed}\ntimeout = 60"));
    site.user("alice");
    let server = site.start();
    drop(RawSftp::connect(&server, "alice", "pw"));
    waiting::until("the program runs", || of_kind(&told, "begun ").len() == 1);
    let records = site.path("sessions");
    waiting::until("nothing is on record", || std::fs::read_dir(&records).unwrap().next().is_none());
    server.kill();
    std::fs::write(&go, "\n").unwrap();
    waiting::until("the program ends", || of_kind(&told, "done").len() == 1);
    assert!(site.start().terminate().success());
    assert_eq!(of_kind(&told, "begun "), of_kind(&told, "create "));
}

#[test]
fn sessions_are_destroyed_once_after_a_kill() {
    // D-04
    let site = Site::new();
    let told = site.path("told");
    let mut config = String::new();
    for kind in ["create", "destroy"] {
        let script = format!("#!/bin/sh\necho \"{kind} $SFTPGO_SESSION_ID\" >> {}\n", told.display());
        let hook = site.script(&format!("{kind}.sh"), &script);
        config.push_str(&format!("[hook.session-{kind}]\nhook = \"{}\"\n", hook.display()));
    }
    let site = site.config(&config);
    site.user("alice");
    let server = site.start();
    let open = [RawSftp::connect(&server, "alice", "pw"), RawSftp::connect(&server, "alice", "pw")];
    server.kill();
    drop(open);
    for _ in 0..2 {
        assert!(site.start().terminate().success());
    }
    let created = of_kind(&told, "create ");
    assert_eq!((created.len(), &created), (2, &of_kind(&told, "destroy ")));
}

#[test]
fn the_watchdog_is_told_until_the_end() {
    let site = Site::new();
    let (begun, gate) = (site.path("begun"), site.path("gate"));
    let wait = format!("while [ ! -e {} ]; do sleep 0.05; done", gate.display());
    let hook = site.script("hook.sh", &format!("#!/bin/sh\necho begun >> {}\n{wait}\n", begun.display()));
    let section = format!("[hook.post-action]\ntimeout = 300\nhook = \"{}\"\nactions = [\"mkdir\"]\n", hook.display());
    let site = site.config(&section);
    site.user("alice");
    let path = site.path("notify");
    let notices = UnixDatagram::bind(&path).unwrap();
    let (sender, told) = channel();
    // Few notices find room in the socket, and the server would wait for the rest.
    std::thread::spawn(move || {
        let mut text = [0; 1000];
        while let Ok(length) = notices.recv(&mut text) {
            if sender.send(String::from_utf8_lossy(&text[..length]).into_owned()).is_err() {
                return;
            }
        }
    });
    let next = |state: &str| told.recv_timeout(waiting::PATIENCE).unwrap_or_else(|_| panic!("no {state} any more"));
    let until = |state: &str| while !next(state).contains(state) {};
    let server = site.start_with(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "100000")]);
    until("READY=1");
    drop(make_directories(&server, 1));
    waiting::until("the program runs", || lines(&begun) == 1);
    signal(&server, "-TERM");
    until("STOPPING=1");
    // For longer than the connections and HTTP take to end.
    for _ in 0..60 {
        until("WATCHDOG=1");
    }
    std::fs::write(&gate, "").unwrap();
    assert!(server.ended().success());
}

#[test]
fn a_file_that_does_not_answer_does_not_keep_the_process() {
    let site = Site::new();
    make_certificate(&site.path(""), "localhost");
    let server = site.start_with(&[
        ("TIDEGATE_HTTPD__CERTIFICATE_FILE", "tls.pem"),
        ("TIDEGATE_HTTPD__CERTIFICATE_KEY_FILE", "tls.key"),
    ]);
    let key = site.path("tls.key");
    std::fs::remove_file(&key).unwrap();
    tools::run_ok(Command::new("mkfifo").arg(&key));
    signal(&server, "-HUP");
    // It can be opened in this way once the server has done so, which then waits for what is never written.
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let open = || OpenOptions::new().write(true).custom_flags(without_waiting).open(&key).ok();
    let _writer = waiting::eventually("the server reads the key", open);
    assert!(server.terminate().success());
}
