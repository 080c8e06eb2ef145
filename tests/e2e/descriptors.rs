//! A server that has no descriptors left for clients.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;
use tidegate_tests::clients::{Proof, can_log_in, openssh, text};
use tidegate_tests::raw_sftp::{RawSftp, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");
/// Of which a client can take many with one connection.
const DESCRIPTORS: u32 = 128;

fn healthy(port: u16) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 200")
}

#[test]
fn administration_goes_on_while_a_client_has_all_descriptors() {
    // A4-17
    let site = Site::new().config("enabled_ssh_commands = [\"git-upload-pack\"]");
    let home = site.user("alice");
    let server = Server::with_descriptors(&site, DESCRIPTORS);
    assert!(server.log().contains("may have only 128 descriptors"), "{}", server.log());
    let control = site.path("control");
    let mut raw = RawSftp::multiplexed(&server, "alice", "pw", &control);
    std::fs::write(home.join("file"), "content").unwrap();
    let mut handles = Vec::new();
    let refused = loop {
        let reply = raw.open_file("/file", fxf::READ);
        if reply.kind != fxp::HANDLE {
            break reply;
        }
        handles.push(reply.handle());
    };
    assert!(handles.len() > 10, "{} files were open", handles.len());
    assert_eq!(refused.status(), fx::FAILURE);
    assert!(refused.message().contains("no descriptor left for another file"), "{}", refused.message());
    for reply in [
        raw.open_file("/file", fxf::WRITE | fxf::CREAT | fxf::TRUNC),
        raw.open_file("/new", fxf::WRITE | fxf::CREAT),
        raw.request(fxp::OPENDIR, &string("/")),
    ] {
        assert_eq!(reply.status(), fx::FAILURE, "{reply:?}");
    }
    assert_eq!(std::fs::read_to_string(home.join("file")).unwrap(), "content");
    let mut program = openssh("ssh", &server, PASSWORD);
    program.arg(format!("-oControlPath={}", control.display())).args(["alice@127.0.0.1", "git-upload-pack '/x'"]);
    let said = text(&tools::run(&mut program));
    assert!(said.contains("no descriptors left for another program"), "{said}");
    assert!(!can_log_in(&server, "alice", PASSWORD), "a client was let in");
    server.wait_for_text("the rest is for administration");

    assert!(healthy(server.http_port));
    assert!(tools::run_ok(&mut site.tidegate(&["user", "list"])).contains("alice"));
    let listed = tools::run_ok(&mut site.tidegate(&["connection", "list", "--json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["connection_id"].as_str().unwrap();
    tools::run_ok(&mut site.tidegate(&["connection", "close", id]));
    assert!(raw.receive().is_none());
    waiting::until("a login is let in again", || can_log_in(&server, "alice", PASSWORD));
    assert!(!server.log().contains("could not be accepted"), "{}", server.log());
}
