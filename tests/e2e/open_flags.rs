//! OPEN as open(2), and what is written to a file that is appended to (A5-12).

use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::Site;
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};

/// What becomes of `/file`, which has the content "old" or is not there, by OPEN and CLOSE.
fn check(raw: &mut RawSftp, home: &std::path::Path, old: bool, flags: u32, expected: (u32, Option<&str>)) {
    let file = home.join("file");
    let _ = std::fs::remove_file(&file);
    if old {
        std::fs::write(&file, "old").unwrap();
    }
    let reply = raw.open_file("file", flags);
    let status = if reply.kind == fxp::STATUS { reply.status() } else { fx::OK };
    if reply.kind == fxp::HANDLE {
        assert_eq!(raw.request(fxp::CLOSE, &string(reply.handle())).status(), fx::OK, "flags {flags}");
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
            (fxf::READ, (fx::OK, Some("old")), (fx::NO_SUCH_FILE, None)),
            (fxf::READ | fxf::CREAT, (fx::OK, Some("old")), (fx::OK, Some(""))),
            (fxf::READ | fxf::TRUNC, (fx::OK, Some("")), (fx::NO_SUCH_FILE, None)),
            (fxf::READ | fxf::CREAT | fxf::TRUNC, (fx::OK, Some("")), (fx::OK, Some(""))),
            (fxf::READ | fxf::CREAT | fxf::EXCL, (fx::FAILURE, Some("old")), (fx::OK, Some(""))),
            (fxf::READ | fxf::EXCL, (fx::OK, Some("old")), (fx::NO_SUCH_FILE, None)),
            (fxf::WRITE, (fx::OK, Some("old")), (fx::NO_SUCH_FILE, None)),
            (fxf::WRITE | fxf::CREAT, (fx::OK, Some("old")), (fx::OK, Some(""))),
            (fxf::WRITE | fxf::TRUNC, (fx::OK, Some("")), (fx::NO_SUCH_FILE, None)),
            (fxf::WRITE | fxf::CREAT | fxf::EXCL, (fx::FAILURE, Some("old")), (fx::OK, Some(""))),
            (fxf::WRITE | fxf::TRUNC | fxf::EXCL, (fx::OK, Some("")), (fx::NO_SUCH_FILE, None)),
            (fxf::READ | fxf::WRITE | fxf::CREAT, (fx::OK, Some("old")), (fx::OK, Some(""))),
            (fxf::WRITE | fxf::APPEND, (fx::OK, Some("old")), (fx::NO_SUCH_FILE, None)),
            (fxf::APPEND | fxf::CREAT, (fx::OK, Some("old")), (fx::OK, Some(""))),
        ] {
            check(&mut raw, &home, true, flags, over_old);
            check(&mut raw, &home, false, flags, of_new);
        }
    }
}

#[test]
fn each_flag_needs_its_permission() {
    // A5-05
    let denied_old = (fx::PERMISSION_DENIED, Some("old"));
    let denied_new = (fx::PERMISSION_DENIED, None);
    for (permissions, flags, over_old, of_new) in [
        ("download", fxf::READ, (fx::OK, Some("old")), (fx::NO_SUCH_FILE, None)),
        ("download", fxf::READ | fxf::CREAT, (fx::OK, Some("old")), denied_new),
        ("download", fxf::READ | fxf::TRUNC, denied_old, denied_new),
        ("download", fxf::READ | fxf::CREAT | fxf::EXCL, denied_old, denied_new),
        ("download,upload", fxf::READ | fxf::CREAT, (fx::OK, Some("old")), (fx::OK, Some(""))),
        ("download,upload", fxf::READ | fxf::TRUNC, denied_old, (fx::NO_SUCH_FILE, None)),
        ("download,upload,overwrite", fxf::READ | fxf::TRUNC, (fx::OK, Some("")), (fx::NO_SUCH_FILE, None)),
        ("upload,overwrite", fxf::READ | fxf::CREAT, denied_old, denied_new),
        ("upload,overwrite", fxf::READ | fxf::TRUNC, denied_old, denied_new),
        ("upload,overwrite", fxf::READ | fxf::WRITE, denied_old, denied_new),
        ("upload,overwrite", fxf::WRITE | fxf::TRUNC, (fx::OK, Some("")), (fx::NO_SUCH_FILE, None)),
        ("upload", fxf::WRITE | fxf::CREAT, denied_old, (fx::OK, Some(""))),
        ("upload", fxf::WRITE | fxf::APPEND | fxf::CREAT, denied_old, (fx::OK, Some(""))),
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
        for (flags, expected) in
            [(fxf::WRITE | fxf::APPEND, "old12"), (fxf::WRITE | fxf::APPEND | fxf::CREAT | fxf::TRUNC, "12")]
        {
            std::fs::write(home.join("file"), "old").unwrap();
            let handle = raw.open_file("file", flags).handle();
            for (offset, data) in [(0_u64, "1"), (2, "2")] {
                let write = fields(&[&string(&handle), &offset.to_be_bytes(), &string(data)]);
                assert_eq!(raw.request(fxp::WRITE, &write).status(), fx::OK, "offset {offset}");
            }
            assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
            assert_eq!(std::fs::read_to_string(home.join("file")).unwrap(), expected, "mode {mode}");
        }
    }
}
