//! Connections that never log in.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::waiting::PATIENCE;

const PASSWORD: Proof<'static> = Proof::Password("pw");

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(("127.0.0.1", server.port)).unwrap()
}

#[test]
fn silent_connections_do_not_keep_an_honest_one_out() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let time_of_login = || {
        let started = Instant::now();
        assert!(can_log_in(&server, "alice", PASSWORD));
        started.elapsed()
    };
    let alone = time_of_login();
    let silent: Vec<_> = (0..100).map(|_| connect(&server)).collect();
    let slow: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = connect(&server);
            stream.write_all(b"SSH-2.0-slow\r\n\0\0").unwrap();
            stream
        })
        .collect();
    // What else the machine does delays some of them; what the others do would delay each.
    assert!((0..5).any(|_| time_of_login() < 5 * alone), "they hold up a login that takes {alone:?} without them");
    drop((silent, slow));
}

#[test]
fn the_oldest_half_open_connection_makes_room() {
    let site = Site::new().config("max_half_open = 20");
    site.user("alice");
    let server = site.start();
    let mut oldest = connect(&server);
    oldest.set_read_timeout(Some(PATIENCE)).unwrap();
    // A3-15
    let mut identification = [0; 17];
    oldest.read_exact(&mut identification).unwrap();
    assert_eq!(&identification, b"SSH-2.0-Tidegate_");
    let silent: Vec<_> = (0..60).map(|_| connect(&server)).collect();
    assert!(can_log_in(&server, "alice", PASSWORD));
    // The end comes, whatever was sent before it.
    oldest.read_to_end(&mut Vec::new()).unwrap();
    drop(silent);
    // A4-01, A21-06, J-07
    let line = server.wait_for(|line| line["sender"] == "connection_failed");
    assert_eq!((&line["login_type"], &line["username"]), (&"no_auth_tryed".into(), &"".into()), "{line}");
    assert_eq!(line["level"], "debug", "{line}");
}

#[test]
fn noise_harms_no_other_connection() {
    let site = Site::new();
    site.user("alice");
    let mut server = site.start();
    let noise: [&[u8]; 6] = [
        b"",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SSH-1.5-old\r\n",
        b"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff",
        b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x14aaaaaaaaaa",
    ];
    for bytes in noise {
        let mut stream = connect(&server);
        stream.write_all(bytes).unwrap();
        stream.write_all(&[b'A'; 70_000]).ok();
        drop(stream);
    }
    let endless = vec![b'x'; 1 << 20];
    connect(&server).write_all(&endless).ok();
    assert!(server.is_running() && can_log_in(&server, "alice", PASSWORD));
    assert!(!server.log().contains("panic"), "{}", server.log());
}
