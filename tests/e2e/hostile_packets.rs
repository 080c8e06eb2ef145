//! Packets that no client sends: an answer or a closed channel, never a hang, and the next
//! session works.

use std::io::Write;

use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::raw_sftp::{RawSftp, fields, request, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{attr, fx, fxf, fxp};

fn server() -> (Site, Server) {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    (site, server)
}

#[test]
fn malformed_requests_get_a_status() {
    // A5-02
    let (_site, server) = server();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    for kind in (fxp::OPEN..=fxp::SYMLINK).chain([fxp::EXTENDED]) {
        for body in [&b""[..], b"\0", b"\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x05ab", b"\x7f\xff\xff\xffabcdef"] {
            let reply = raw.request(kind, body);
            assert_eq!(reply.status(), fx::BAD_MESSAGE, "type {kind}, body {body:?}");
        }
    }
    for kind in [0, fxp::VERSION, 21, 100, fxp::STATUS, 199, fxp::EXTENDED_REPLY, 255] {
        assert_eq!(raw.request(kind, b"").status(), fx::OP_UNSUPPORTED, "type {kind}");
    }
    assert_eq!(raw.request(fxp::EXTENDED, &string("no-such@extension")).status(), fx::OP_UNSUPPORTED);
    // Attributes whose flags promise more than there is.
    let all = attr::SIZE | attr::UIDGID | attr::PERMISSIONS | attr::ACMODTIME;
    let attributes = fields(&[&string("x"), &all.to_be_bytes(), &[0; 3]]);
    assert_eq!(raw.request(fxp::SETSTAT, &attributes).status(), fx::BAD_MESSAGE);
}

#[test]
fn handles_that_are_not_open_are_refused() {
    let (_site, server) = server();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let read = |handle: &[u8]| fields(&[&string(handle), &0_u64.to_be_bytes(), &10_u32.to_be_bytes()]);
    for handle in [&b""[..], b"\0", b"\xff\xff\xff\xff", b"\0\0\0\0\0", &[7; 300]] {
        assert_eq!(raw.request(fxp::READ, &read(handle)).status(), fx::FAILURE);
        assert_eq!(raw.request(fxp::CLOSE, &string(handle)).status(), fx::FAILURE);
        assert_eq!(raw.request(fxp::FSTAT, &string(handle)).status(), fx::FAILURE);
        assert_eq!(raw.request(fxp::READDIR, &string(handle)).status(), fx::FAILURE);
    }
    let handle = raw.open_file("file", fxf::WRITE | fxf::CREAT).handle();
    assert_eq!(raw.request(fxp::READDIR, &string(&handle)).status(), fx::FAILURE, "a file was listed");
    assert_ne!(raw.request(fxp::READ, &read(&handle)).status(), fx::OK, "a file open for writing was read");
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::FAILURE, "closed twice");
    assert_eq!(raw.request(fxp::READ, &read(&handle)).status(), fx::FAILURE, "read after close");
    let again = raw.open_file("file", fxf::READ).handle();
    assert_ne!(again, handle, "a handle was used again");
}

#[test]
fn offsets_and_lengths_at_the_edge() {
    let (_site, server) = server();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("file", fxf::READ | fxf::WRITE | fxf::CREAT).handle();
    let at = |offset: u64, length: u32| fields(&[&string(&handle), &offset.to_be_bytes(), &length.to_be_bytes()]);
    assert_eq!(raw.request(fxp::READ, &at(0, 10)).status(), fx::EOF);
    assert_eq!(raw.request(fxp::READ, &at(0, u32::MAX)).status(), fx::EOF);
    assert_eq!(raw.request(fxp::READ, &at(u64::MAX, 10)).status(), fx::BAD_MESSAGE);
    assert_eq!(raw.request(fxp::READ, &at(i64::MAX as u64, 10)).status(), fx::BAD_MESSAGE);
    assert_eq!(raw.request(fxp::READ, &at(1 << 60, 10)).status(), fx::EOF);
    let write = |offset: u64| fields(&[&string(&handle), &offset.to_be_bytes(), &string("data")]);
    assert_eq!(raw.request(fxp::WRITE, &write(u64::MAX)).status(), fx::BAD_MESSAGE);
    assert_eq!(raw.request(fxp::WRITE, &write(i64::MAX as u64)).status(), fx::BAD_MESSAGE);
    assert_eq!(raw.request(fxp::WRITE, &write(0)).status(), fx::OK);
    assert_eq!(raw.request(fxp::READ, &at(2, 10)).string(), b"ta");
}

#[test]
fn names_of_every_kind() {
    let (_site, server) = server();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let long = vec![b'x'; 300];
    let deep = b"d/".repeat(3000);
    for (name, expected) in [
        (&b"a\0b"[..], fx::BAD_MESSAGE),
        (&long, fx::BAD_MESSAGE),
        (&deep, fx::BAD_MESSAGE),
        (b"none/x", fx::NO_SUCH_FILE),
    ] {
        assert_eq!(
            raw.open_file(name, fxf::WRITE | fxf::CREAT).status(),
            expected,
            "{:?}",
            &name[..name.len().min(10)]
        );
    }
    // The empty name is the home directory.
    assert_eq!(raw.request(fxp::STAT, &string("")).kind, fxp::ATTRS);
    assert_eq!(raw.open_file("", fxf::WRITE | fxf::CREAT).status(), fx::OP_UNSUPPORTED);
    for name in [&b"a\nb"[..], b"\xff\xfe\x80", b" ", b"-rf", b"*", b"\\", b"\"'", b"\x1b[31m", &[b'y'; 255]] {
        let handle = raw.open_file(name, fxf::WRITE | fxf::CREAT).handle();
        assert_eq!(raw.request(fxp::CLOSE, &string(handle)).status(), fx::OK, "{name:?}");
        assert_eq!(raw.request(fxp::STAT, &string(name)).kind, fxp::ATTRS, "{name:?}");
        assert_eq!(raw.request(fxp::REMOVE, &string(name)).status(), fx::OK, "{name:?}");
    }
}

/// The channel is closed, and nothing else.
fn check_closed(send: impl FnOnce(&mut RawSftp)) {
    let (_site, mut server) = server();
    let mut other = RawSftp::connect(&server, "alice", "pw");
    let mut raw = RawSftp::open(&server, "alice", "pw");
    send(&mut raw);
    while raw.receive().is_some() {}
    assert_eq!(other.request(fxp::STAT, &string("/")).kind, fxp::ATTRS, "another session noticed");
    assert!(server.is_running() && can_log_in(&server, "alice", Proof::Password("pw")));
    server.wait_for_text("broke the SFTP protocol");
}

#[test]
fn streams_that_cannot_be_followed_are_closed() {
    check_closed(|raw| raw.input.write_all(b"\xff\xff\xff\xff").unwrap());
    check_closed(|raw| raw.input.write_all(&(256 * 1024 + 1_u32).to_be_bytes()).unwrap());
    check_closed(|raw| raw.input.write_all(b"\0\0\0\0").unwrap());
    check_closed(|raw| raw.send(&[fxp::INIT]));
    check_closed(|raw| raw.send(&request(fxp::STAT, 1, &string("/"))));
    check_closed(|raw| raw.input.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap());
}

#[test]
fn packets_in_pieces_and_in_heaps() {
    let (_site, server) = server();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let stat = |id: u32| string(request(fxp::STAT, id, &string("/")));
    for byte in stat(1) {
        raw.input.write_all(&[byte]).unwrap();
        raw.input.flush().unwrap();
    }
    assert_eq!(raw.receive_reply().id, 1);
    let heap: Vec<u8> = (2..2000).flat_map(stat).collect();
    // A cut in the middle of a packet.
    let (first, second) = heap.split_at(heap.len() / 2 + 3);
    raw.input.write_all(first).unwrap();
    raw.input.flush().unwrap();
    raw.input.write_all(second).unwrap();
    for id in 2..2000 {
        assert_eq!(raw.receive_reply().id, id);
    }
    // The largest packet, and bytes after a request's fields.
    let handle = raw.open_file("large", fxf::READ | fxf::WRITE | fxf::CREAT).handle();
    let data = vec![7; 256 * 1024 - 64];
    let body = fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(&data)]);
    assert_eq!(raw.request(fxp::WRITE, &body).status(), fx::OK);
    assert_eq!(raw.request(fxp::STAT, &fields(&[&string("large"), b"trailing"])).kind, fxp::ATTRS);
}

#[test]
fn too_many_handles_are_refused_and_come_back() {
    let (_site, server) = server();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let mut handles = Vec::new();
    loop {
        let reply = raw.request(fxp::OPENDIR, &string("/"));
        if reply.kind != fxp::HANDLE {
            assert_eq!(reply.status(), fx::FAILURE);
            break;
        }
        handles.push(reply.handle());
        assert!(handles.len() <= 5000, "there is no limit");
    }
    raw.request(fxp::CLOSE, &string(handles.pop().unwrap()));
    assert_eq!(raw.request(fxp::OPENDIR, &string("/")).kind, fxp::HANDLE);
}
