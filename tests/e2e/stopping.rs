//! What becomes of hooks, and of what they are told, when the server stops.

use std::path::Path;
use std::process::Command;

use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fx, fxp};
use tidegate_tests::{tools, waiting};

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
    let text = std::fs::read_to_string(&told).unwrap();
    let ids = |kind: &str| {
        let mut ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(kind)).map(str::to_owned).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids("create ").len(), 2, "{text}");
    assert_eq!(ids("create "), ids("destroy "), "{text}");
}
