//! Every operation on every kind of wrong target, with the exact status that the client sees.

use std::path::Path;
use std::process::Command;

use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::Site;
use tidegate_tests::sftp_numbers::{attr, fx, fxf, fxp};
use tidegate_tests::tools;

/// The operations, by name, on one path.
fn operations(path: &str) -> Vec<(&'static str, u8, Vec<u8>)> {
    let none = 0_u32.to_be_bytes();
    let open = |flags: u32| fields(&[&string(path), &flags.to_be_bytes(), &none]);
    let extended = |name: &str| fields(&[&string(name), &string(path)]);
    let mode = [&attr::PERMISSIONS.to_be_bytes()[..], &0o644_u32.to_be_bytes()].concat();
    let size = [&attr::SIZE.to_be_bytes()[..], &1_u64.to_be_bytes()].concat();
    vec![
        ("read", fxp::OPEN, open(fxf::READ)),
        ("write", fxp::OPEN, open(fxf::WRITE | fxf::CREAT | fxf::TRUNC)),
        ("list", fxp::OPENDIR, string(path)),
        ("stat", fxp::STAT, string(path)),
        ("lstat", fxp::LSTAT, string(path)),
        ("chmod", fxp::SETSTAT, fields(&[&string(path), &mode])),
        ("truncate", fxp::SETSTAT, fields(&[&string(path), &size])),
        ("readlink", fxp::READLINK, string(path)),
        ("statvfs", fxp::EXTENDED, extended("statvfs@openssh.com")),
        ("rmdir", fxp::RMDIR, string(path)),
        ("remove", fxp::REMOVE, string(path)),
        ("rename", fxp::RENAME, fields(&[&string(path), &string("/renamed")])),
        ("hard link", fxp::EXTENDED, fields(&[&string("hardlink@openssh.com"), &string(path), &string("/linked")])),
        ("mkdir", fxp::MKDIR, fields(&[&string(path), &none])),
    ]
}

/// The statuses of all operations on `path`, in their order.
fn check(raw: &mut RawSftp, path: &str, expected: &[(&str, u32)]) {
    for (name, kind, body) in operations(path) {
        let Some((_, status)) = expected.iter().find(|(expected, _)| *expected == name) else { continue };
        let reply = raw.request(kind, &body);
        let found = if reply.kind == fxp::STATUS { reply.status() } else { fx::OK };
        assert_eq!(found, *status, "{name} {path}");
        if reply.kind == fxp::HANDLE {
            raw.request(fxp::CLOSE, &string(reply.handle()));
        }
    }
}

const ALL: [&str; 14] = [
    "read",
    "write",
    "list",
    "stat",
    "lstat",
    "chmod",
    "truncate",
    "readlink",
    "statvfs",
    "rmdir",
    "remove",
    "rename",
    "hard link",
    "mkdir",
];

/// One status for all, but for some.
fn all_but(status: u32, others: &[(&'static str, u32)]) -> Vec<(&'static str, u32)> {
    let other = |name: &str| others.iter().find(|(other, _)| *other == name).map_or(status, |(_, status)| *status);
    ALL.iter().map(|name| (*name, other(name))).collect()
}

#[test]
fn targets_of_the_wrong_kind() {
    // A5-02
    let site = Site::new();
    let home = site.user("alice");
    site.write("homes/alice/file", "x");
    site.write("homes/alice/full/inside", "x");
    std::os::unix::fs::symlink("loop", home.join("loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", home.join("dangling")).unwrap();
    tools::run_ok(Command::new("mkfifo").arg(home.join("pipe")));
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let missing = all_but(fx::NO_SUCH_FILE, &[("write", fx::NO_SUCH_FILE)]);
    check(&mut raw, "/none/x", &missing);
    // A file where a directory is meant.
    check(&mut raw, "/file/x", &all_but(fx::NO_SUCH_FILE, &[("rmdir", fx::FAILURE)]));
    check(
        &mut raw,
        "/file",
        &[("list", fx::NO_SUCH_FILE), ("readlink", fx::BAD_MESSAGE), ("rmdir", fx::FAILURE), ("mkdir", fx::FAILURE)],
    );
    // A directory where a file is meant (A5-08, A5-09).
    check(
        &mut raw,
        "/full",
        &[
            ("read", fx::FAILURE),
            ("write", fx::OP_UNSUPPORTED),
            ("truncate", fx::FAILURE),
            ("readlink", fx::BAD_MESSAGE),
            ("rmdir", fx::FAILURE),
            ("remove", fx::FAILURE),
            ("hard link", fx::PERMISSION_DENIED),
            ("mkdir", fx::FAILURE),
        ],
    );
    check(
        &mut raw,
        "/loop",
        &[
            ("read", fx::NO_SUCH_FILE),
            ("write", fx::NO_SUCH_FILE),
            ("list", fx::NO_SUCH_FILE),
            ("stat", fx::NO_SUCH_FILE),
            ("lstat", fx::OK),
            ("chmod", fx::NO_SUCH_FILE),
            ("truncate", fx::NO_SUCH_FILE),
            ("readlink", fx::OK),
            ("statvfs", fx::NO_SUCH_FILE),
            ("rmdir", fx::FAILURE),
            ("mkdir", fx::FAILURE),
        ],
    );
    check(&mut raw, "/loop/x", &all_but(fx::NO_SUCH_FILE, &[]));
    check(
        &mut raw,
        "/dangling",
        &[
            ("read", fx::NO_SUCH_FILE),
            ("list", fx::NO_SUCH_FILE),
            ("stat", fx::NO_SUCH_FILE),
            ("lstat", fx::OK),
            ("readlink", fx::OK),
            ("chmod", fx::NO_SUCH_FILE),
        ],
    );
    check(&mut raw, "/pipe", &[("read", fx::OP_UNSUPPORTED), ("stat", fx::OK), ("readlink", fx::BAD_MESSAGE)]);
    // The root (A5-07).
    check(
        &mut raw,
        "/",
        &[
            ("read", fx::FAILURE),
            ("write", fx::OP_UNSUPPORTED),
            ("list", fx::OK),
            ("stat", fx::OK),
            ("rmdir", fx::PERMISSION_DENIED),
            ("remove", fx::PERMISSION_DENIED),
            ("rename", fx::PERMISSION_DENIED),
            ("mkdir", fx::FAILURE),
        ],
    );
    // Names and paths that are too long; NUL.
    check(&mut raw, &format!("/{}", "n".repeat(256)), &all_but(fx::BAD_MESSAGE, &[]));
    check(&mut raw, &"/d".repeat(2100), &all_but(fx::BAD_MESSAGE, &[]));
    check(&mut raw, "/a\0b", &all_but(fx::BAD_MESSAGE, &[]));
    let handle = raw.open_file("/none", fxf::READ);
    assert_eq!(handle.status(), fx::NO_SUCH_FILE);
    // All of it is still there.
    assert!(home.join("full/inside").exists() && home.join("file").exists());
}

/// What runs on a file system of its own; true if this process may make one.
fn mount(kind: &str, at: &Path) -> bool {
    std::fs::create_dir_all(at).unwrap();
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", kind, "tmpfs"]).arg(at);
    command.output().is_ok_and(|output| output.status.success())
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // Lazily: the server may still be in it.
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

#[test]
fn full_and_read_only_file_systems() {
    // A5-10: the old file is there after any failure.
    let site = Site::new().config("upload_mode = 1");
    let home = site.user("alice");
    assert!(mount("size=64k", &home), "this test has to run as root, because it mounts file systems");
    let _mounted = Mounted(&home);
    std::fs::write(home.join("file"), "old content").unwrap();
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("/file", fxf::WRITE | fxf::CREAT | fxf::TRUNC).handle();
    let mut status = fx::OK;
    for offset in (0..300_000_u64).step_by(30_000) {
        let write = fields(&[&string(&handle), &offset.to_be_bytes(), &string(vec![1; 30_000])]);
        status = raw.request(fxp::WRITE, &write).status();
        if status != fx::OK {
            break;
        }
    }
    assert_eq!(status, fx::FAILURE, "the disk is full");
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::FAILURE);
    assert_eq!(std::fs::read_to_string(home.join("file")).unwrap(), "old content");
    drop(raw);
    tools::run_ok(Command::new("mount").args(["-o", "remount,ro"]).arg(&home));
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    check(
        &mut raw,
        "/file",
        &[
            ("read", fx::OK),
            ("write", fx::FAILURE),
            ("stat", fx::OK),
            ("chmod", fx::FAILURE),
            ("truncate", fx::FAILURE),
            ("remove", fx::FAILURE),
            ("rename", fx::FAILURE),
            ("hard link", fx::FAILURE),
        ],
    );
    check(&mut raw, "/new", &[("write", fx::FAILURE), ("mkdir", fx::FAILURE)]);
    assert_eq!(std::fs::read_to_string(home.join("file")).unwrap(), "old content");
}

#[test]
fn permissions_deny_every_operation() {
    // A5-05
    let site = Site::new();
    let home = site.user_with("alice", &["--password", "pw", "--permissions", "/:upload"]);
    site.write("homes/alice/file", "x");
    site.write("homes/alice/d/file", "x");
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    check(&mut raw, "/file", &all_but(fx::PERMISSION_DENIED, &[]));
    check(&mut raw, "/d", &all_but(fx::PERMISSION_DENIED, &[("write", fx::OP_UNSUPPORTED)]));
    check(&mut raw, "/none", &all_but(fx::PERMISSION_DENIED, &[("write", fx::OK)]));
    assert!(home.join("none").exists() && home.join("file").exists());
}
