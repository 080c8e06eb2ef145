//! OPEN as open(2), and what is written to a file that is appended to (A5-12).

use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::Site;

const READ: u32 = 1;
const WRITE: u32 = 2;
const APPEND: u32 = 4;
const CREATE: u32 = 8;
const TRUNCATE: u32 = 16;
const EXCLUSIVE: u32 = 32;

const OK: u32 = 0;
const NO_SUCH_FILE: u32 = 2;
const DENIED: u32 = 3;
const FAILURE: u32 = 4;

/// What becomes of `/file`, which has the content "old" or is not there, by OPEN and CLOSE.
fn check(raw: &mut RawSftp, home: &std::path::Path, old: bool, flags: u32, expected: (u32, Option<&str>)) {
    let file = home.join("file");
    let _ = std::fs::remove_file(&file);
    if old {
        std::fs::write(&file, "old").unwrap();
    }
    let reply = raw.open_file("file", flags);
    let status = if reply.kind == 101 { reply.status() } else { OK };
    if reply.kind == 102 {
        assert_eq!(raw.request(4, &string(reply.handle())).status(), OK, "flags {flags}");
    }
    let content = std::fs::read_to_string(&file).ok();
    assert_eq!((status, content.as_deref()), expected, "flags {flags}, old: {old}");
}

#[test]
fn flags_mean_what_they_mean_to_the_system() {
    for mode in ["0", "1", "2"] {
        let site = Site::new().config(&format!("upload_mode = {mode}"));
        let home = site.user("alice");
        std::fs::create_dir_all(&home).unwrap();
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        for (flags, over_old, of_new) in [
            (READ, (OK, Some("old")), (NO_SUCH_FILE, None)),
            (READ | CREATE, (OK, Some("old")), (OK, Some(""))),
            (READ | TRUNCATE, (OK, Some("")), (NO_SUCH_FILE, None)),
            (READ | CREATE | TRUNCATE, (OK, Some("")), (OK, Some(""))),
            (READ | CREATE | EXCLUSIVE, (FAILURE, Some("old")), (OK, Some(""))),
            (READ | EXCLUSIVE, (OK, Some("old")), (NO_SUCH_FILE, None)),
            (WRITE, (OK, Some("old")), (NO_SUCH_FILE, None)),
            (WRITE | CREATE, (OK, Some("old")), (OK, Some(""))),
            (WRITE | TRUNCATE, (OK, Some("")), (NO_SUCH_FILE, None)),
            (WRITE | CREATE | EXCLUSIVE, (FAILURE, Some("old")), (OK, Some(""))),
            (WRITE | TRUNCATE | EXCLUSIVE, (OK, Some("")), (NO_SUCH_FILE, None)),
            (READ | WRITE | CREATE, (OK, Some("old")), (OK, Some(""))),
            (WRITE | APPEND, (OK, Some("old")), (NO_SUCH_FILE, None)),
            (APPEND | CREATE, (OK, Some("old")), (OK, Some(""))),
        ] {
            check(&mut raw, &home, true, flags, over_old);
            check(&mut raw, &home, false, flags, of_new);
        }
    }
}

#[test]
fn each_flag_needs_its_permission() {
    let denied_old = (DENIED, Some("old"));
    let denied_new = (DENIED, None);
    for (permissions, flags, over_old, of_new) in [
        ("download", READ, (OK, Some("old")), (NO_SUCH_FILE, None)),
        ("download", READ | CREATE, (OK, Some("old")), denied_new),
        ("download", READ | TRUNCATE, denied_old, denied_new),
        ("download", READ | CREATE | EXCLUSIVE, denied_old, denied_new),
        ("download,upload", READ | CREATE, (OK, Some("old")), (OK, Some(""))),
        ("download,upload", READ | TRUNCATE, denied_old, (NO_SUCH_FILE, None)),
        ("download,upload,overwrite", READ | TRUNCATE, (OK, Some("")), (NO_SUCH_FILE, None)),
        ("upload,overwrite", READ | CREATE, denied_old, denied_new),
        ("upload,overwrite", READ | TRUNCATE, denied_old, denied_new),
        ("upload,overwrite", READ | WRITE, denied_old, denied_new),
        ("upload,overwrite", WRITE | TRUNCATE, (OK, Some("")), (NO_SUCH_FILE, None)),
        ("upload", WRITE | CREATE, denied_old, (OK, Some(""))),
        ("upload", WRITE | APPEND | CREATE, denied_old, (OK, Some(""))),
    ] {
        let site = Site::new();
        let rule = format!("/:{permissions}");
        let home = site.user_with("alice", &["--password", "pw", "--permissions", &rule]);
        std::fs::create_dir_all(&home).unwrap();
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        check(&mut raw, &home, true, flags, over_old);
        check(&mut raw, &home, false, flags, of_new);
    }
}

#[test]
fn what_is_appended_goes_to_the_end() {
    // A5-12: asyncssh, libssh2 and others send the offset 0.
    for mode in ["0", "1", "2"] {
        let site = Site::new().config(&format!("upload_mode = {mode}"));
        let home = site.user("alice");
        std::fs::create_dir_all(&home).unwrap();
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        for (flags, expected) in [(WRITE | APPEND, "old12"), (WRITE | APPEND | CREATE | TRUNCATE, "12")] {
            std::fs::write(home.join("file"), "old").unwrap();
            let handle = raw.open_file("file", flags).handle();
            for (offset, data) in [(0_u64, "1"), (2, "2")] {
                let write = fields(&[&string(&handle), &offset.to_be_bytes(), &string(data)]);
                assert_eq!(raw.request(6, &write).status(), OK, "offset {offset}");
            }
            assert_eq!(raw.request(4, &string(&handle)).status(), OK);
            assert_eq!(std::fs::read_to_string(home.join("file")).unwrap(), expected, "mode {mode}");
        }
    }
}
