//! Each extension, as a client sees it.

use crate::client_for_tests::{Client, Field, files};
use crate::packet::Reader;
use crate::protocol::{MAX_DATA, MAX_HANDLES, MAX_PACKET, StatusCode, fxf, fxp};

const OK: u32 = StatusCode::Ok as u32;
const EOF: u32 = StatusCode::Eof as u32;
const NO_SUCH_FILE: u32 = StatusCode::NoSuchFile as u32;
const FAILURE: u32 = StatusCode::Failure as u32;
const BAD_MESSAGE: u32 = StatusCode::BadMessage as u32;
/// The MD5 of "hello".
const MD5: [u8; 16] = 0x5d41_402a_bc4b_2a76_b971_9d91_1017_c592_u128.to_be_bytes();

fn text(path: &str) -> Field<'_> {
    Field::Text(path.as_bytes())
}

#[tokio::test]
async fn only_the_extension_replaces_what_is_there() {
    // A5-07
    let mut client = Client::new(files("")).await;
    client.put("a", b"a").await;
    client.put("b", b"b").await;
    assert_eq!(client.ask(fxp::RENAME, &[text("a"), text("b")]).await.status(), FAILURE);
    assert_eq!(client.extended("posix-rename@openssh.com", &[text("a"), text("b")]).await.status(), OK);
    assert_eq!(client.get("b").await, b"a");
    assert_eq!(client.extended("hardlink@openssh.com", &[text("b"), text("c")]).await.status(), OK);
    assert_eq!(client.extended("hardlink@openssh.com", &[text("a"), text("d")]).await.status(), NO_SUCH_FILE);
    assert_eq!(client.get("c").await, b"a");
}

#[tokio::test]
async fn a_link_has_attributes_but_no_size_to_set() {
    let mut client = Client::new(files("")).await;
    client.put("f", b"content").await;
    client.ask(fxp::SYMLINK, &[text("f"), text("l")]).await;
    let times = [text("l"), Field::U32(8), Field::U32(1), Field::U32(2)];
    assert_eq!(client.extended("lsetstat@openssh.com", &times).await.status(), OK);
    let size = [text("l"), Field::U32(1), Field::U64(0)];
    assert_eq!(client.extended("lsetstat@openssh.com", &size).await.status(), BAD_MESSAGE);
    assert_eq!(client.get("f").await, b"content");
}

#[tokio::test]
async fn homes_are_the_root_and_others_have_none() {
    let mut client = Client::new(files("")).await;
    for directory in ["a", "d", "d/e"] {
        assert_eq!(client.ask(fxp::MKDIR, &[text(directory), Field::U32(0)]).await.status(), OK);
    }
    for (path, expected) in [("~", "/"), ("~/a/../b", "/b"), ("~alice/b", "/b"), ("x", "/x")] {
        assert_eq!(client.extended("expand-path@openssh.com", &[text(path)]).await.name(), expected, "{path}");
    }
    assert_eq!(client.extended("expand-path@openssh.com", &[text("~bob")]).await.status(), NO_SUCH_FILE);
    assert_eq!(client.extended("expand-path@openssh.com", &[text("~/none/../b")]).await.status(), NO_SUCH_FILE);
    // Behind a link is what is above its target, as REALPATH has it.
    assert_eq!(client.ask(fxp::SYMLINK, &[text("d/e"), text("l")]).await.status(), OK);
    for path in ["~/l/../f", "~alice/l/../f", "l/../f", "/l/../f"] {
        assert_eq!(client.extended("expand-path@openssh.com", &[text(path)]).await.name(), "/d/f", "{path}");
    }
    for user in ["", "alice"] {
        assert_eq!(client.extended("home-directory", &[text(user)]).await.name(), "/", "{user}");
    }
    assert_eq!(client.extended("home-directory", &[text("bob")]).await.status(), FAILURE);
}

#[tokio::test]
async fn limits_are_those_that_hold() {
    let reply = Client::new(files("")).await.extended("limits@openssh.com", &[]).await;
    assert_eq!(reply.kind, fxp::EXTENDED_REPLY);
    let mut body = Reader::new(&reply.body);
    for limit in [MAX_PACKET, MAX_DATA, MAX_DATA, MAX_HANDLES] {
        assert_eq!(body.u64(), Ok(limit as u64));
    }
    assert!(body.is_empty());
}

#[tokio::test]
async fn space_is_that_of_the_storage() {
    let mut client = Client::new(files("")).await;
    let handle = client.open("f", fxf::WRITE | fxf::CREAT).await.handle();
    for reply in [
        client.extended("statvfs@openssh.com", &[text("/")]).await,
        client.extended("fstatvfs@openssh.com", &[Field::Handle(handle)]).await,
    ] {
        assert_eq!((reply.kind, reply.body.len()), (fxp::EXTENDED_REPLY, 11 * 8));
    }
    assert_eq!(client.extended("fsync@openssh.com", &[Field::Handle(handle)]).await.status(), OK);
    assert_eq!(client.extended("fsync@openssh.com", &[Field::Handle(handle + 1)]).await.status(), FAILURE);
}

#[tokio::test]
async fn data_is_copied_between_two_handles() {
    // A5-02
    let mut client = Client::new(files("")).await;
    client.put("from", b"0123456789").await;
    let from = Field::Handle(client.open("from", fxf::READ).await.handle());
    let to = Field::Handle(client.open("to", fxf::WRITE | fxf::CREAT).await.handle());
    let (zero, three, four) = (Field::U64(0), Field::U64(3), Field::U64(4));
    for (fields, expected) in [
        ([from, three, four, to, zero], OK),
        ([from, Field::U64(8), Field::U64(2), to, four], OK),
        // What there is was copied, and more was asked for.
        ([from, Field::U64(8), three, to, Field::U64(6)], EOF),
        ([from, Field::U64(11), Field::U64(1), to, zero], EOF),
        ([from, Field::U64(11), zero, to, zero], OK),
        ([from, zero, zero, from, zero], FAILURE),
        ([from, zero, zero, Field::Handle(99), zero], FAILURE),
        ([Field::Handle(99), zero, zero, to, zero], FAILURE),
    ] {
        assert_eq!(client.extended("copy-data", &fields).await.status(), expected, "{fields:?}");
    }
    for handle in [from, to] {
        assert_eq!(client.ask(fxp::CLOSE, &[handle]).await.status(), OK);
    }
    assert_eq!(client.get("to").await, b"34568989");
    // Where a file is opened to append, the offset means nothing.
    let from = Field::Handle(client.open("from", fxf::READ).await.handle());
    let to = Field::Handle(client.open("to", fxf::APPEND).await.handle());
    for offset in [0, 3, u64::MAX] {
        let fields = [from, zero, Field::U64(1), to, Field::U64(offset)];
        assert_eq!(client.extended("copy-data", &fields).await.status(), OK, "{offset}");
    }
    assert_eq!(client.ask(fxp::CLOSE, &[to]).await.status(), OK);
    assert_eq!(client.get("to").await, b"34568989000");
}

#[tokio::test]
async fn a_file_is_not_copied_into_itself() {
    // A5-02
    let mut client = Client::new(files("")).await;
    let content = b"0123456789";
    client.put("file", content).await;
    assert_eq!(client.extended("hardlink@openssh.com", &[text("file"), text("link")]).await.status(), OK);
    for target in ["file", "./file", "link"] {
        let from = Field::Handle(client.open("file", fxf::READ).await.handle());
        let to = Field::Handle(client.open(target, fxf::READ | fxf::WRITE).await.handle());
        let fields = [from, Field::U64(0), Field::U64(0), to, Field::U64(5)];
        assert_eq!(client.extended("copy-data", &fields).await.status(), FAILURE, "{target}");
        for handle in [from, to] {
            assert_eq!(client.ask(fxp::CLOSE, &[handle]).await.status(), OK);
        }
        assert_eq!(client.get("file").await, content, "{target}");
    }
}

#[tokio::test]
async fn checksums_are_sent_to_each_client_in_its_format() {
    let mut client = Client::new(files("")).await;
    client.put("f", b"hello").await;
    let handle = Field::Handle(client.open("f", fxf::READ).await.handle());
    let (zero, all) = (Field::U64(0), Field::U32(0));
    let named = [b"\0\0\0\x03md5", &MD5[..]].concat();
    for (name, target, expected) in [
        ("check-file-name", text("f"), named.clone()),
        ("check-file-handle", handle, named.clone()),
        ("check-file", handle, [b"\0\0\0\x0acheck-file", &named[..]].concat()),
    ] {
        let reply = client.extended(name, &[target, text("none,md5,sha1"), zero, zero, all]).await;
        assert_eq!((reply.kind, reply.body), (fxp::EXTENDED_REPLY, expected), "{name}");
    }
    for (algorithms, block) in [("none", 0), ("md5", 255)] {
        let question = [handle, text(algorithms), zero, zero, Field::U32(block)];
        assert_eq!(client.extended("check-file", &question).await.status(), FAILURE, "{algorithms} {block}");
    }
    for (name, target) in [("md5-hash", text("f")), ("md5-hash-handle", handle)] {
        for (quick, expected) in [(&b""[..], &MD5[..]), (&MD5, &MD5), (&[0; 16], b"")] {
            let reply = client.extended(name, &[target, zero, zero, Field::Text(quick)]).await;
            let mut body = Reader::new(&reply.body);
            assert_eq!((body.string(), body.string()), (Ok(name.as_bytes()), Ok(expected)), "{name} {quick:?}");
        }
    }
}

#[tokio::test]
async fn names_are_looked_up_by_the_thousand_at_most() {
    let mut client = Client::new(files("")).await;
    let none = Field::Text(b"");
    let reply = client.extended("users-groups-by-id@openssh.com", &[none, none]).await;
    assert_eq!((reply.kind, reply.body), (fxp::EXTENDED_REPLY, vec![0; 8]));
    let many = vec![0; 4004];
    let reply = client.extended("users-groups-by-id@openssh.com", &[Field::Text(&many), none]).await;
    assert_eq!(reply.status(), FAILURE);
    let reply = client.extended("users-groups-by-id@openssh.com", &[Field::Text(b"123"), none]).await;
    assert_eq!(reply.status(), BAD_MESSAGE, "one number has four bytes");
}
