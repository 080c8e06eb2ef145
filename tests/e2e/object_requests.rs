//! Requests to a store with directories, packet by packet: what clients rely on that know no object storage (A16).

use tidegate_tests::clients::{Proof, openssh};
use tidegate_tests::object_store::Store;
use tidegate_tests::raw_sftp::{RawSftp, Reply, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{attr, fx, fxf, fxp};
use tidegate_tests::tools;

fn started() -> (Site, Store, Server) {
    started_with("")
}

/// `more`: members of the account's document.
fn started_with(more: &str) -> (Site, Store, Server) {
    let site = Site::new();
    let store = Store::with_directories(&site);
    let json = format!(
        r#"{{"username":"alice","status":1,"password":"pw","home_dir":"{}","permissions":{{"/":["*"]}},{more}{}}}"#,
        site.path("homes/alice").display(),
        store.file_system()
    );
    let file = site.write("alice.json", json);
    tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
    let server = site.start();
    (site, store, server)
}

fn put(raw: &mut RawSftp, path: &str, flags: u32, content: &str, size: Option<u64>) -> u32 {
    let handle = raw.open_file(path, flags).handle();
    let write = fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(content)]);
    assert_eq!(raw.request(fxp::WRITE, &write).status(), fx::OK, "{path}");
    if let Some(size) = size {
        let size = fields(&[&string(&handle), &attr::SIZE.to_be_bytes(), &size.to_be_bytes()]);
        assert_eq!(raw.request(fxp::FSETSTAT, &size).status(), fx::OK, "{path}");
    }
    raw.request(fxp::CLOSE, &string(&handle)).status()
}

fn get(raw: &mut RawSftp, path: &str) -> String {
    let handle = raw.open_file(path, fxf::READ).handle();
    let data = raw.request(fxp::READ, &fields(&[&string(&handle), &0_u64.to_be_bytes(), &99_u32.to_be_bytes()]));
    raw.request(fxp::CLOSE, &string(&handle));
    String::from_utf8(data.string().to_vec()).unwrap()
}

/// The code and the text of a STATUS.
fn refusal(reply: &Reply) -> (u32, String) {
    let length = u32::from_be_bytes(reply.body[4..8].try_into().unwrap()) as usize;
    (reply.status(), String::from_utf8(reply.body[8..8 + length].to_vec()).unwrap())
}

const NEW: u32 = fxf::WRITE | fxf::CREAT | fxf::TRUNC;

#[test]
fn what_is_missing_or_below_a_file_is_told_as_by_a_directory() {
    // A16-07, A5-20
    let (_site, _store, server) = started();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    assert_eq!(put(&mut raw, "/a.txt", NEW, "content", None), fx::OK);
    assert_eq!(put(&mut raw, "/d/f", NEW, "content", None), fx::OK);
    let (no_attributes, mode) = (0_u32.to_be_bytes(), attr::PERMISSIONS.to_be_bytes());
    let mode = fields(&[&mode, &0o600_u32.to_be_bytes()]);
    for (kind, body) in [
        (fxp::OPEN, fields(&[&string("/a.txt/b"), &NEW.to_be_bytes(), &no_attributes])),
        (fxp::OPEN, fields(&[&string("/none"), &fxf::WRITE.to_be_bytes(), &no_attributes])),
        (fxp::MKDIR, fields(&[&string("/a.txt/b"), &no_attributes])),
        (fxp::RENAME, fields(&[&string("/d/f"), &string("/a.txt/b")])),
        (fxp::EXTENDED, fields(&[&string("posix-rename@openssh.com"), &string("/d/f"), &string("/a.txt/b")])),
        (fxp::EXTENDED, fields(&[&string("statvfs@openssh.com"), &string("/none")])),
        (fxp::SETSTAT, fields(&[&string("/none"), &mode])),
        (fxp::REALPATH, string("/none/x")),
        (fxp::REALPATH, string("/none/x/y")),
        (fxp::REALPATH, string("/a.txt/x")),
    ] {
        assert_eq!(raw.request(kind, &body).status(), fx::NO_SUCH_FILE, "{kind} {}", String::from_utf8_lossy(&body));
    }
    for path in ["/none", "/d/none", "/d/f", "/"] {
        assert_eq!(raw.request(fxp::REALPATH, &string(path)).kind, fxp::NAME, "{path}");
    }
    assert_eq!((get(&mut raw, "/a.txt"), get(&mut raw, "/d/f")), ("content".to_owned(), "content".to_owned()));
}

#[test]
fn a_refusal_says_what_cannot_be_done() {
    // A5-19
    let (_site, _store, server) = started();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    assert_eq!(put(&mut raw, "/f", NEW, "content", None), fx::OK);
    let size = fields(&[&string("/f"), &attr::SIZE.to_be_bytes(), &3_u64.to_be_bytes()]);
    for (kind, body, expected) in [
        (fxp::SYMLINK, fields(&[&string("f"), &string("/l")]), "has no links"),
        (fxp::SETSTAT, size, "cannot shorten or extend a file"),
    ] {
        let (code, message) = refusal(&raw.request(kind, &body));
        assert_eq!(code, fx::OP_UNSUPPORTED, "{message}");
        assert!(message.starts_with("Operation unsupported: ") && message.contains(expected), "{message}");
    }
    // Nor are bytes written far from the others. An upload that lacks some is not there.
    let handle = raw.open_file("/g", NEW).handle();
    let write = |at: u64, data: &str| fields(&[&string(&handle), &at.to_be_bytes(), &string(data)]);
    assert_eq!(raw.request(fxp::WRITE, &write(4, "last")).status(), fx::OK);
    let (code, message) = refusal(&raw.request(fxp::WRITE, &write(1 << 30, "far")));
    let expected = "Operation unsupported: object storage takes files from their first byte to their last";
    assert!(code == fx::OP_UNSUPPORTED && message.starts_with(expected), "{code} {message}");
    assert_eq!(raw.request(fxp::WRITE, &write(0, "midd")).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::FAILURE);
    assert_eq!(raw.request(fxp::STAT, &string("/g")).status(), fx::NO_SUCH_FILE);
}

#[test]
fn the_space_of_a_bucket_is_the_quota() {
    // A10-10
    let (_site, _store, server) = started_with(r#""quota_size":163840,"quota_files":10,"#);
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    assert_eq!(put(&mut raw, "/f", NEW, &"x".repeat(4096), None), fx::OK);
    let handle = raw.open_file("/f", fxf::READ).handle();
    for request in [
        fields(&[&string("statvfs@openssh.com"), &string("/")]),
        fields(&[&string("fstatvfs@openssh.com"), &string(&handle)]),
    ] {
        let reply = raw.request(fxp::EXTENDED, &request);
        assert_eq!(reply.kind, fxp::EXTENDED_REPLY);
        let number = |at: usize| u64::from_be_bytes(reply.body[8 * at..8 * at + 8].try_into().unwrap());
        let unit = number(1);
        let found = [number(2) * unit, number(3) * unit, number(4) * unit, number(5), number(6), number(7)];
        assert_eq!(found, [40 * 4096, 39 * 4096, 39 * 4096, 10, 9, 9]);
    }
}

#[test]
fn files_are_written_again_without_being_emptied() {
    // A16-08
    let (site, _store, server) = started();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let again = fxf::WRITE | fxf::CREAT;
    assert_eq!(put(&mut raw, "/f", NEW, "older content", None), fx::OK);
    assert_eq!(put(&mut raw, "/f", again, "newer", None), fx::OK);
    assert_eq!(get(&mut raw, "/f"), "newer content");
    assert_eq!(put(&mut raw, "/f", again, "short", Some(5)), fx::OK);
    assert_eq!(get(&mut raw, "/f"), "short");
    // As OpenSSH's client does it.
    assert_eq!(put(&mut raw, "/f", NEW, "older content", None), fx::OK);
    let local = site.write("local", "by scp");
    tools::run_ok(openssh("scp", &server, Proof::Password("pw")).arg("-s").arg(&local).arg("alice@127.0.0.1:/f"));
    assert_eq!(get(&mut raw, "/f"), "by scp");
}

#[test]
fn a_file_is_found_while_it_is_made() {
    // A5-22
    let (_site, _store, server) = started();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("/new", NEW).handle();
    for kind in [fxp::STAT, fxp::LSTAT] {
        assert_eq!(raw.request(kind, &string("/new")).kind, fxp::ATTRS);
    }
    let times = fields(&[&string("/new"), &attr::ACMODTIME.to_be_bytes(), &[0, 0, 0, 9, 0, 0, 0, 9]]);
    assert_eq!(raw.request(fxp::SETSTAT, &times).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    let found = raw.request(fxp::STAT, &string("/new"));
    assert_eq!((found.kind, found.body.ends_with(&[0, 0, 0, 9])), (fxp::ATTRS, true));
}
