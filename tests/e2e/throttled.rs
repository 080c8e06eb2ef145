//! Transfers under a bandwidth limit, with requests that do not wait for replies (A5-17).

use std::time::{Duration, Instant};

use tidegate_tests::raw_sftp::{RawSftp, Reply, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};
use tidegate_tests::tools;

const CREATE: u32 = fxf::WRITE | fxf::CREAT;

/// With an account that may move so many kilobytes a second.
fn site(limit: u32) -> Site {
    let site = Site::new().config("upload_mode = 1");
    let limit = limit.to_string();
    site.user_with("alice", &["--password", "pw", "--upload-bandwidth", &limit, "--download-bandwidth", &limit]);
    site
}

fn write(handle: &[u8], offset: u64, data: &[u8]) -> Vec<u8> {
    fields(&[&string(handle), &offset.to_be_bytes(), &string(data)])
}

fn read(handle: &[u8], offset: u64, length: u32) -> Vec<u8> {
    fields(&[&string(handle), &offset.to_be_bytes(), &length.to_be_bytes()])
}

/// A client that has sent all of a file of 200 KB and waits for two replies.
fn with_upload(server: &Server) -> RawSftp {
    let mut raw = RawSftp::connect(server, "alice", "pw");
    let handle = raw.open_file("upload", CREATE).handle();
    raw.send_request(fxp::WRITE, &write(&handle, 0, &[1; 200_000]));
    raw.send_request(fxp::CLOSE, &string(&handle));
    raw
}

/// Sends all before it takes a reply; gives the replies in the order of the requests.
fn pipelined(raw: &mut RawSftp, requests: &[(u8, Vec<u8>)]) -> Vec<Reply> {
    let ids: Vec<u32> = requests.iter().map(|(kind, body)| raw.send_request(*kind, body)).collect();
    let mut replies: Vec<_> = ids.iter().map(|_| raw.receive_reply()).collect();
    replies.sort_by_key(|reply| reply.id);
    assert!(replies.iter().map(|reply| reply.id).eq(ids));
    replies
}

/// Moves files of 1 MB at once at 1000 KB/s, every request sent before the first reply; gives the
/// time that it took.
fn move_at_once(server: &Server, raw: &mut RawSftp, up: &[&str], down: &[&str]) -> Duration {
    let started = Instant::now();
    let up: Vec<_> = up.iter().map(|name| raw.open_file(name, CREATE | fxf::TRUNC).handle()).collect();
    let down: Vec<_> = down.iter().map(|name| raw.open_file(name, fxf::READ).handle()).collect();
    let mut expected = Vec::new();
    for offset in (0..1_000_000_u64).step_by(200_000) {
        for handle in &up {
            expected.push((raw.send_request(fxp::WRITE, &write(handle, offset, &[1; 200_000])), fxp::STATUS));
        }
        for handle in &down {
            expected.push((raw.send_request(fxp::READ, &read(handle, offset, 200_000)), fxp::DATA));
        }
    }
    for handle in up.iter().chain(&down) {
        expected.push((raw.send_request(fxp::CLOSE, &string(handle)), fxp::STATUS));
    }
    let stat = raw.send_request(fxp::STAT, &string("down"));
    let first = raw.receive_reply();
    assert_eq!(
        (first.id, first.kind),
        (stat, fxp::ATTRS),
        "what has nothing to do with the transfers does not wait for them"
    );
    let mut replies: Vec<(u32, u8)> = Vec::new();
    for _ in &expected {
        let reply = raw.receive_reply();
        match reply.kind {
            fxp::STATUS => assert_eq!(reply.status(), fx::OK),
            _ => assert_eq!(reply.string(), vec![7; 200_000]),
        }
        replies.push((reply.id, reply.kind));
    }
    let taken = started.elapsed();
    replies.sort_unstable();
    assert_eq!(replies, expected);
    for _ in up.iter().chain(&down) {
        let line = server.wait_for(|line| line["sender"] == "Upload" || line["sender"] == "Download");
        let elapsed = u128::from(line["elapsed_ms"].as_u64().unwrap());
        assert!((950..=taken.as_millis()).contains(&elapsed), "{taken:?} for 1 MB each: {line}");
    }
    taken
}

#[test]
fn transfers_of_one_channel_have_a_limit_each() {
    // A5-17
    let site = site(1000);
    let home = site.path("homes/alice");
    site.write("homes/alice/down", vec![7; 1_000_000]);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let alone = move_at_once(&server, &mut raw, &["one"], &[]);
    // With one limit for all, each try would take three times as long; what else the machine does
    // delays some of them.
    let mut together = || move_at_once(&server, &mut raw, &["one", "two"], &["down"]);
    assert!((0..5).any(|_| together() < 2 * alone), "one alone took {alone:?}");
    for name in ["one", "two"] {
        assert_eq!(std::fs::read(home.join(name)).unwrap(), vec![1; 1_000_000]);
    }
    // What the client does not wait for is done all the same.
    let handle = raw.open_file("three", fxf::WRITE | fxf::CREAT).handle();
    raw.send_request(fxp::WRITE, &fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(vec![1; 200_000])]));
    raw.send_request(fxp::WRITE, &fields(&[&string(&handle), &200_000_u64.to_be_bytes(), &string(vec![2; 1000])]));
    raw.send_request(fxp::CLOSE, &string(&handle));
    raw.end_input();
    server.wait_for(|line| line["sender"] == "Upload" && line["size_bytes"] == 201_000);
}

#[test]
fn requests_for_a_file_keep_their_order() {
    let site = site(1000);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let upload = raw.open_file("part", CREATE).handle();
    let replies = pipelined(
        &mut raw,
        &[
            (fxp::WRITE, write(&upload, 0, &[1; 200_000])),
            (fxp::WRITE, write(&upload, 200_000, &[2; 1000])),
            (fxp::CLOSE, string(&upload)),
            (fxp::RENAME, fields(&[&string("part"), &string("whole")])),
            (fxp::STAT, string("/whole")),
        ],
    );
    assert!(replies[..4].iter().all(|reply| reply.status() == fx::OK), "{replies:?}");
    assert_eq!((replies[4].kind, &replies[4].body[4..12]), (fxp::ATTRS, &201_000_u64.to_be_bytes()[..]));
    // What is copied, and what is written over it, each of a file that is early.
    let (source, target) = (raw.open_file("whole", fxf::READ).handle(), raw.open_file("copy", CREATE).handle());
    let all = [0; 16];
    let copy = fields(&[&string("copy-data"), &string(&source), &all, &string(&target), &0_u64.to_be_bytes()]);
    let replies = pipelined(
        &mut raw,
        &[
            (fxp::READ, read(&source, 0, 100_000)),
            (fxp::WRITE, write(&target, 0, &[7; 200_000])),
            (fxp::EXTENDED, copy),
            (fxp::WRITE, write(&target, 10, &[9; 10])),
            (fxp::CLOSE, string(&source)),
            (fxp::CLOSE, string(&target)),
        ],
    );
    assert_eq!(replies[0].string(), [1; 100_000]);
    assert!(replies[1..].iter().all(|reply| reply.status() == fx::OK), "{replies:?}");
    let expected = [&[1; 10][..], &[9; 10], &[1; 199_980], &[2; 1000]].concat();
    assert!(std::fs::read(site.path("homes/alice/copy")).unwrap() == expected);
}

#[test]
fn many_short_transfers_are_no_faster() {
    let site = site(1000);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let started = Instant::now();
    // Each alone takes less than a timer can tell.
    for _ in 0..300 {
        let handle = raw.open_file("short", CREATE | fxf::TRUNC).handle();
        assert_eq!(raw.request(fxp::WRITE, &write(&handle, 0, &[1; 1900])).status(), fx::OK);
        assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    }
    assert!(started.elapsed() > Duration::from_millis(550), "{:?}", started.elapsed());
}

#[test]
fn a_limit_that_is_lifted_frees_what_waits() {
    let site = site(1);
    let server = site.start();
    let mut raw = with_upload(&server);
    // The other handle is not held up by it: the requests above have arrived.
    assert_eq!(raw.request(fxp::STAT, &string("/")).kind, fxp::ATTRS);
    let started = Instant::now();
    tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "alice", "--upload-bandwidth", "0"]));
    assert_eq!((raw.receive_reply().status(), raw.receive_reply().status()), (fx::OK, fx::OK));
    assert!(started.elapsed() < Duration::from_secs(60), "instead of 200 s: {:?}", started.elapsed());
    assert_eq!(std::fs::read(site.path("homes/alice/upload")).unwrap().len(), 200_000);
}

#[test]
fn what_came_before_a_broken_packet_is_done() {
    let site = site(1000);
    let server = site.start();
    let mut raw = with_upload(&server);
    raw.send(&[]);
    // An empty packet is no request.
    raw.send_request(fxp::REMOVE, &string("upload"));
    assert_eq!((raw.receive_reply().status(), raw.receive_reply().status()), (fx::OK, fx::OK));
    assert!(raw.receive().is_none());
    assert_eq!(std::fs::read(site.path("homes/alice/upload")).unwrap().len(), 200_000);
}
