//! Each request of version 3, as a client sees it.

use crate::client_for_tests::{Client, Field, Reply, atomic_files, files, remote_files};
use crate::fields::OpenFlags;
use crate::packet::Reader;
use crate::protocol::{MAX_DATA, StatusCode, fxf, fxp};

const OK: u32 = StatusCode::Ok as u32;
const EOF: u32 = StatusCode::Eof as u32;
const NO_SUCH_FILE: u32 = StatusCode::NoSuchFile as u32;
const PERMISSION_DENIED: u32 = StatusCode::PermissionDenied as u32;
const FAILURE: u32 = StatusCode::Failure as u32;
const BAD_MESSAGE: u32 = StatusCode::BadMessage as u32;
const UNSUPPORTED: u32 = StatusCode::OpUnsupported as u32;

fn text(path: &str) -> Field<'_> {
    Field::Text(path.as_bytes())
}

/// Attributes with a mode and nothing else.
const MODE: [Field<'static>; 2] = [Field::U32(4), Field::U32(0o640)];

/// The size and the mode of an ATTRS.
fn size_and_mode(reply: &Reply) -> (u64, u32) {
    assert_eq!(reply.kind, fxp::ATTRS, "{reply:?}");
    let mut body = Reader::new(&reply.body);
    body.u32().unwrap();
    let size = body.u64().unwrap();
    body.u64().unwrap();
    (size, body.u32().unwrap())
}

#[tokio::test]
async fn files_are_written_and_read_at_any_offset() {
    // A5-02
    let mut client = Client::new(files("")).await;
    let handle = Field::Handle(client.open("f", fxf::READ | fxf::WRITE | fxf::CREAT).await.handle());
    for (offset, data) in [(0, "hello"), (5, " world"), (0, "H")] {
        let reply = client.ask(fxp::WRITE, &[handle, Field::U64(offset), text(data)]).await;
        assert_eq!((reply.kind, reply.status()), (fxp::STATUS, OK));
    }
    for (offset, length, expected) in [(0, 100, "Hello world"), (6, 3, "wor"), (10, u32::MAX, "d")] {
        let reply = client.ask(fxp::READ, &[handle, Field::U64(offset), Field::U32(length)]).await;
        assert_eq!((reply.kind, reply.text()), (fxp::DATA, expected.as_bytes()));
    }
    assert_eq!(client.ask(fxp::READ, &[handle, Field::U64(11), Field::U32(1)]).await.status(), EOF);
    for offset in [0, 11, 100] {
        let nothing = client.ask(fxp::READ, &[handle, Field::U64(offset), Field::U32(0)]).await;
        assert_eq!((nothing.kind, nothing.text()), (fxp::DATA, &b""[..]), "{offset}");
    }
    assert_eq!(size_and_mode(&client.ask(fxp::FSTAT, &[handle]).await).0, 11);
    let cut = [handle, Field::U32(1), Field::U64(5)];
    assert_eq!(client.ask(fxp::FSETSTAT, &cut).await.status(), OK);
    assert_eq!(client.ask(fxp::CLOSE, &[handle]).await.status(), OK);
    assert_eq!(client.ask(fxp::CLOSE, &[handle]).await.status(), FAILURE, "closed twice");
    assert_eq!(client.get("f").await, b"Hello");
    assert_eq!(client.open("none", fxf::READ).await.status(), NO_SUCH_FILE);
}

#[tokio::test]
async fn the_size_of_a_file_that_is_only_read_stays() {
    // A5-02, A5-14: what OpenSSH's server answers
    let mut client = Client::new(files("")).await;
    client.put("f", b"hello").await;
    let handle = Field::Handle(client.open("f", fxf::READ).await.handle());
    let size = [handle, Field::U32(1), Field::U64(2)];
    assert_eq!(client.ask(fxp::FSETSTAT, &size).await.status(), BAD_MESSAGE);
    let size_and_mode_0640 = [handle, Field::U32(1 | 4), Field::U64(2), MODE[1]];
    assert_eq!(client.ask(fxp::FSETSTAT, &size_and_mode_0640).await.status(), BAD_MESSAGE);
    let (size, mode) = size_and_mode(&client.ask(fxp::FSTAT, &[handle]).await);
    assert_eq!((size, mode & 0o777), (5, 0o640), "the other attributes are set");
}

#[tokio::test]
async fn all_attributes_of_a_request_are_set() {
    // A5-14: size, mode and times, by name and by handle, each alone and all together.
    const SIZE: u32 = 1;
    const PERMISSIONS: u32 = 4;
    const TIMES: u32 = 8;
    for flags in [SIZE, PERMISSIONS, TIMES, SIZE | PERMISSIONS, PERMISSIONS | TIMES, SIZE | PERMISSIONS | TIMES] {
        for by_handle in [false, true] {
            let mut client = Client::new(files("")).await;
            client.put("f", b"hello").await;
            let known = [text("f"), Field::U32(PERMISSIONS | TIMES), Field::U32(0o600), Field::U32(5), Field::U32(6)];
            assert_eq!(client.ask(fxp::SETSTAT, &known).await.status(), OK);
            let handle = Field::Handle(client.open("f", fxf::READ | fxf::WRITE).await.handle());
            let mut request = vec![if by_handle { handle } else { text("f") }, Field::U32(flags)];
            if flags & SIZE != 0 {
                request.push(Field::U64(2));
            }
            if flags & PERMISSIONS != 0 {
                request.push(Field::U32(0o640));
            }
            if flags & TIMES != 0 {
                request.extend([Field::U32(7), Field::U32(8)]);
            }
            let kind = if by_handle { fxp::FSETSTAT } else { fxp::SETSTAT };
            assert_eq!(client.ask(kind, &request).await.status(), OK, "{flags} {by_handle}");
            let reply = client.ask(fxp::STAT, &[text("f")]).await;
            let (size, mode) = size_and_mode(&reply);
            let set = |flag: u32, value: u32, before: u32| if flags & flag != 0 { value } else { before };
            let expected = (u64::from(set(SIZE, 2, 5)), set(PERMISSIONS, 0o640, 0o600));
            assert_eq!((size, mode & 0o777), expected, "{flags} {by_handle}");
            // A change of the size sets the time of modification, unless the request sets it as well.
            if flags & TIMES != 0 || flags & SIZE == 0 {
                let mut times = Reader::new(&reply.body[24..]);
                let found = (times.u32().unwrap(), times.u32().unwrap());
                assert_eq!(found, (set(TIMES, 7, 5), set(TIMES, 8, 6)), "{flags} {by_handle}");
            }
        }
    }
}

#[tokio::test]
async fn a_read_gets_no_more_than_a_packet_holds() {
    let mut client = Client::new(files("")).await;
    client.put("large", &vec![1; MAX_DATA + 1]).await;
    assert_eq!(client.get("large").await.len(), MAX_DATA);
}

#[test]
fn flags_are_those_of_the_draft() {
    let options = |flags: u32| {
        let packet = flags.to_be_bytes();
        let flags: OpenFlags = crate::fields::Field::read(&mut Reader::new(&packet)).unwrap();
        let options = flags.options(None);
        (options.read, options.write, options.append, options.create, options.truncate, options.exclusive)
    };
    assert_eq!(options(fxf::READ), (true, false, false, false, false, false));
    assert_eq!(options(fxf::APPEND), (false, true, true, false, false, false), "an append is a write");
    assert_eq!(options(fxf::WRITE | fxf::EXCL), (false, true, false, false, false, false), "EXCL needs CREAT");
    assert_eq!(options(fxf::WRITE | fxf::CREAT | fxf::EXCL), (false, true, false, true, false, true));
    assert_eq!(options(fxf::WRITE | fxf::TRUNC), (false, true, false, false, true, false));
    assert_eq!(options(0x40), (false, false, false, false, false, false), "unknown flags mean nothing");
}

#[tokio::test]
async fn names_are_made_moved_and_removed() {
    // A5-02, A5-08
    let mut client = Client::new(files("")).await;
    client.put("f", b"content").await;
    for (kind, fields, expected) in [
        (fxp::MKDIR, vec![text("d"), MODE[0], MODE[1]], OK),
        (fxp::MKDIR, vec![text("d"), Field::U32(0)], FAILURE),
        (fxp::MKDIR, vec![text("none/d"), Field::U32(0)], NO_SUCH_FILE),
        (fxp::RENAME, vec![text("f"), text("d/g")], OK),
        (fxp::RENAME, vec![text("f"), text("x")], NO_SUCH_FILE),
        (fxp::RMDIR, vec![text("d")], FAILURE),
        (fxp::SYMLINK, vec![text("d/g"), text("l")], OK),
        (fxp::LSTAT, vec![text("l")], OK),
        (fxp::SETSTAT, vec![text("d/g"), MODE[0], MODE[1]], OK),
        (fxp::REMOVE, vec![text("d")], FAILURE),
        (fxp::REMOVE, vec![text("d/g")], OK),
        (fxp::STAT, vec![text("l")], NO_SUCH_FILE),
        (fxp::REMOVE, vec![text("l")], OK),
        (fxp::RMDIR, vec![text("/d/../d")], OK),
        (fxp::STAT, vec![text("d")], NO_SUCH_FILE),
        (fxp::STAT, vec![text("a\0b")], BAD_MESSAGE),
    ] {
        assert_eq!(client.ask(kind, &fields).await.status(), expected, "{kind} {fields:?}");
    }
}

#[tokio::test]
async fn errors_have_the_codes_of_openssh() {
    // A5-02, A5-08, A5-09
    let mut client = Client::new(files("")).await;
    client.put("f", b"content").await;
    client.ask(fxp::SYMLINK, &[text("loop"), text("loop")]).await;
    client.ask(fxp::MKDIR, &[text("d"), Field::U32(0)]).await;
    let long = "n".repeat(300);
    for (kind, fields, expected) in [
        (fxp::STAT, vec![text("f/x")], NO_SUCH_FILE),
        (fxp::OPENDIR, vec![text("f")], NO_SUCH_FILE),
        (fxp::REMOVE, vec![text("f/x")], NO_SUCH_FILE),
        (fxp::MKDIR, vec![text("f/x"), Field::U32(0)], NO_SUCH_FILE),
        (fxp::STAT, vec![text("loop")], NO_SUCH_FILE),
        (fxp::STAT, vec![text(&long)], BAD_MESSAGE),
        (fxp::RENAME, vec![text("f"), text(&long)], BAD_MESSAGE),
        (fxp::SYMLINK, vec![text("f"), text("l\0")], BAD_MESSAGE),
        (fxp::RMDIR, vec![text("f")], FAILURE),
        (fxp::RMDIR, vec![text("loop")], FAILURE),
        (fxp::RENAME, vec![text("f"), text("d")], FAILURE),
    ] {
        assert_eq!(client.ask(kind, &fields).await.status(), expected, "{kind} {fields:?}");
    }
    assert_eq!(client.open("d", fxf::READ).await.status(), FAILURE);
    assert_eq!(client.open("d", fxf::WRITE).await.status(), UNSUPPORTED);
    assert_eq!(client.open("f/x", fxf::WRITE | fxf::CREAT).await.status(), NO_SUCH_FILE);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_opened_only_if_it_may_be_made() {
    for files in [files(""), atomic_files(), remote_files()] {
        let mut client = Client::new(files).await;
        for flags in [fxf::WRITE, fxf::WRITE | fxf::TRUNC, fxf::READ | fxf::WRITE, fxf::APPEND] {
            assert_eq!(client.open("none", flags).await.status(), NO_SUCH_FILE, "{flags}");
        }
        assert_eq!(client.ask(fxp::STAT, &[text("none")]).await.status(), NO_SUCH_FILE);
    }
}

#[tokio::test]
async fn a_handle_is_used_as_it_was_opened() {
    // A5-02
    let mut client = Client::new(files("")).await;
    client.put("f", b"content").await;
    let read_only = Field::Handle(client.open("f", fxf::READ).await.handle());
    let write_only = Field::Handle(client.open("f", fxf::WRITE).await.handle());
    let directory = Field::Handle(client.ask(fxp::OPENDIR, &[text("/")]).await.handle());
    let (offset, length) = (Field::U64(0), Field::U32(7));
    for (kind, fields, expected) in [
        (fxp::READ, vec![read_only, offset, length], OK),
        (fxp::READ, vec![write_only, offset, length], NO_SUCH_FILE),
        (fxp::READ, vec![directory, offset, length], FAILURE),
        (fxp::WRITE, vec![write_only, offset, text("x")], OK),
        (fxp::WRITE, vec![read_only, offset, text("x")], NO_SUCH_FILE),
        (fxp::WRITE, vec![directory, offset, text("x")], FAILURE),
        (fxp::READDIR, vec![read_only], FAILURE),
    ] {
        assert_eq!(client.ask(kind, &fields).await.status(), expected, "{kind} {fields:?}");
    }
}

#[tokio::test]
async fn attributes_are_those_of_the_file_or_of_the_link() {
    // A5-20
    let mut client = Client::new(files("")).await;
    client.put("f", b"content").await;
    client.ask(fxp::SETSTAT, &[text("f"), MODE[0], MODE[1]]).await;
    client.ask(fxp::SYMLINK, &[text("f"), text("l")]).await;
    assert_eq!(size_and_mode(&client.ask(fxp::STAT, &[text("l")]).await), (7, 0o100_640));
    assert_eq!(size_and_mode(&client.ask(fxp::LSTAT, &[text("l")]).await).1 & 0o170_000, 0o120_000);
    assert_eq!(client.ask(fxp::READLINK, &[text("l")]).await.name(), "f");
    assert_eq!(client.ask(fxp::READLINK, &[text("f")]).await.status(), BAD_MESSAGE);
    for (path, expected) in [(".", "/"), ("./x", "/x"), ("/none", "/none"), ("..", "/"), ("", "/")] {
        assert_eq!(client.ask(fxp::REALPATH, &[text(path)]).await.name(), expected, "{path}");
    }
}

#[tokio::test]
async fn a_file_that_is_being_made_is_found_under_the_name_that_it_gets() {
    // A5-22: as sshfs asks for it.
    for files in [files(""), atomic_files(), remote_files()] {
        let mut client = Client::new(files).await;
        let handle = Field::Handle(client.open("f", fxf::WRITE | fxf::CREAT | fxf::EXCL).await.handle());
        for kind in [fxp::STAT, fxp::LSTAT] {
            assert_eq!(size_and_mode(&client.ask(kind, &[text("f")]).await).0, 0);
            assert_eq!(client.ask(kind, &[text("g")]).await.status(), NO_SUCH_FILE);
        }
        assert_eq!(client.ask(fxp::WRITE, &[handle, Field::U64(0), text("hello")]).await.status(), OK);
        assert_eq!(client.ask(fxp::SETSTAT, &[text("/./f"), MODE[0], MODE[1]]).await.status(), OK);
        let expected = (5, 0o100_640);
        assert_eq!(size_and_mode(&client.ask(fxp::FSTAT, &[handle]).await), expected);
        assert_eq!(size_and_mode(&client.ask(fxp::LSTAT, &[text("f")]).await), expected);
        let set = client.extended("lsetstat@openssh.com", &[text("f"), Field::U32(4), Field::U32(0o600)]).await;
        assert_eq!(set.status(), OK);
        assert_eq!(client.ask(fxp::CLOSE, &[handle]).await.status(), OK);
        assert_eq!(size_and_mode(&client.ask(fxp::STAT, &[text("f")]).await), (5, 0o100_600));
        assert_eq!(client.ask(fxp::REMOVE, &[text("f")]).await.status(), OK);
        assert_eq!(client.ask(fxp::STAT, &[text("f")]).await.status(), NO_SUCH_FILE);
    }
}

#[tokio::test]
async fn an_upload_that_replaces_a_file_gets_what_is_set_by_its_name() {
    // A5-22
    let mut client = Client::new(atomic_files()).await;
    client.put("f", b"older").await;
    let handle = Field::Handle(client.open("f", fxf::WRITE | fxf::CREAT | fxf::TRUNC).await.handle());
    assert_eq!(client.ask(fxp::WRITE, &[handle, Field::U64(0), text("new")]).await.status(), OK);
    assert_eq!(client.ask(fxp::SETSTAT, &[text("f"), MODE[0], MODE[1]]).await.status(), OK);
    // What has the name is found first.
    assert_eq!(size_and_mode(&client.ask(fxp::STAT, &[text("f")]).await), (5, 0o100_644));
    assert_eq!(client.ask(fxp::CLOSE, &[handle]).await.status(), OK);
    assert_eq!(size_and_mode(&client.ask(fxp::STAT, &[text("f")]).await), (3, 0o100_640));
}

#[tokio::test]
async fn a_file_that_was_removed_while_it_is_written_is_not_found() {
    let mut client = Client::new(files("")).await;
    let handle = Field::Handle(client.open("f", fxf::WRITE | fxf::CREAT).await.handle());
    assert_eq!(client.ask(fxp::REMOVE, &[text("f")]).await.status(), OK);
    for kind in [fxp::STAT, fxp::LSTAT] {
        assert_eq!(client.ask(kind, &[text("f")]).await.status(), NO_SUCH_FILE);
    }
    assert_eq!(client.ask(fxp::FSTAT, &[handle]).await.status(), OK);
}

#[tokio::test]
async fn listings_come_in_packets_until_they_end() {
    let mut client = Client::new(files("")).await;
    for number in 0..300 {
        let path = format!("{number}-{}", "n".repeat(40));
        assert_eq!(client.ask(fxp::MKDIR, &[text(&path), Field::U32(0)]).await.status(), OK);
    }
    let handle = Field::Handle(client.ask(fxp::OPENDIR, &[text("/")]).await.handle());
    let (mut count, mut packets) = (0, 0);
    loop {
        let reply = client.ask(fxp::READDIR, &[handle]).await;
        if reply.kind == fxp::STATUS {
            assert_eq!(reply.status(), EOF);
            break;
        }
        count += Reader::new(&reply.body).u32().unwrap();
        packets += 1;
    }
    assert!(count == 302 && packets > 1, "with . and ..: {count} in {packets}");
    assert_eq!(client.ask(fxp::FSTAT, &[handle]).await.status(), FAILURE, "a directory is no file");
    assert_eq!(client.ask(fxp::OPENDIR, &[text("none")]).await.status(), NO_SUCH_FILE);
}

#[tokio::test]
async fn relative_paths_begin_at_the_start_directory() {
    let mut client = Client::new(files(r#","filters":{"start_directory":"/home"}"#)).await;
    assert_eq!(client.ask(fxp::MKDIR, &[text("/home"), Field::U32(0)]).await.status(), OK);
    client.put("f", b"here").await;
    assert_eq!(client.get("/home/f").await, b"here");
    assert_eq!(client.ask(fxp::REALPATH, &[text("f")]).await.name(), "/home/f");
}

#[tokio::test]
async fn denials_are_answered_as_such() {
    // A5-02
    let mut client =
        Client::new(files(r#","filters":{"file_patterns":[{"path":"/","denied_patterns":["*.exe"]}]}"#)).await;
    assert_eq!(client.open("a.exe", fxf::WRITE | fxf::CREAT).await.status(), PERMISSION_DENIED);
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_means_a_directory() {
    // As OpenSSH's server, which hands the slash to the system: A5-08, A5-09
    let mut client = Client::new(files("")).await;
    client.put("f", b"file").await;
    assert_eq!(client.ask(fxp::MKDIR, &[text("d"), Field::U32(0)]).await.status(), OK);
    for (to, link) in [("d", "to-d"), ("f", "to-f")] {
        assert_eq!(client.ask(fxp::SYMLINK, &[text(to), text(link)]).await.status(), OK);
    }
    let no_attributes = Field::U32(0);
    let open = |flags: u32| Field::U32(flags);
    let (making, mode) = (fxf::WRITE | fxf::CREAT | fxf::TRUNC, MODE);
    for (kind, fields, expected) in [
        (fxp::STAT, &[text("f/")][..], NO_SUCH_FILE),
        (fxp::STAT, &[text("f/.")], NO_SUCH_FILE),
        (fxp::STAT, &[text("to-f/")], NO_SUCH_FILE),
        (fxp::STAT, &[text("d/")], OK),
        (fxp::STAT, &[text("/")], OK),
        (fxp::LSTAT, &[text("f/")], NO_SUCH_FILE),
        (fxp::LSTAT, &[text("to-d/")], OK),
        (fxp::SETSTAT, &[text("f/"), mode[0], mode[1]], NO_SUCH_FILE),
        (fxp::SETSTAT, &[text("to-d/"), Field::U32(4), Field::U32(0o750)], OK),
        (fxp::OPEN, &[text("f/"), open(fxf::READ), no_attributes], NO_SUCH_FILE),
        (fxp::OPEN, &[text("f/"), open(making), no_attributes], NO_SUCH_FILE),
        (fxp::OPEN, &[text("new/"), open(making), no_attributes], FAILURE),
        (fxp::OPEN, &[text("new/"), open(fxf::WRITE), no_attributes], NO_SUCH_FILE),
        (fxp::REMOVE, &[text("f/")], NO_SUCH_FILE),
        (fxp::REMOVE, &[text("to-f/")], NO_SUCH_FILE),
        (fxp::REMOVE, &[text("to-d/")], NO_SUCH_FILE),
        (fxp::RMDIR, &[text("to-d/")], NO_SUCH_FILE),
        (fxp::READLINK, &[text("to-d/")], NO_SUCH_FILE),
        (fxp::RENAME, &[text("f/"), text("new")], NO_SUCH_FILE),
        (fxp::RENAME, &[text("to-d/"), text("new")], NO_SUCH_FILE),
        (fxp::RENAME, &[text("f"), text("new/")], NO_SUCH_FILE),
        (fxp::EXTENDED, &[text("posix-rename@openssh.com"), text("f"), text("to-d/")], NO_SUCH_FILE),
        (fxp::EXTENDED, &[text("hardlink@openssh.com"), text("f/"), text("new")], NO_SUCH_FILE),
        (fxp::EXTENDED, &[text("hardlink@openssh.com"), text("f"), text("new/")], NO_SUCH_FILE),
        (fxp::SYMLINK, &[text("f"), text("new/")], NO_SUCH_FILE),
        (fxp::RENAME, &[text("f"), text("d/")], FAILURE),
        (fxp::EXTENDED, &[text("posix-rename@openssh.com"), text("f"), text("d/")], FAILURE),
        (fxp::EXTENDED, &[text("statvfs@openssh.com"), text("f/")], NO_SUCH_FILE),
        (fxp::MKDIR, &[text("new/"), no_attributes], OK),
        (fxp::RENAME, &[text("new/"), text("newer/")], OK),
        (fxp::RMDIR, &[text("newer/")], OK),
    ] {
        assert_eq!(client.ask(kind, fields).await.status(), expected, "{kind} {fields:?}");
    }
    assert_eq!(size_and_mode(&client.ask(fxp::LSTAT, &[text("to-d/")]).await).1, 0o040750);
    assert_eq!(client.get("to-f").await, b"file", "nothing was changed");
}
