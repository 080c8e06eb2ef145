//! Names of files that are not UTF-8: no hook looks at another file in place of the one that it decides about
//! (A15-04).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tidegate_tests::raw_sftp::{RawSftp, Reply, fields, string};
use tidegate_tests::server::Site;
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};

const PUT: u32 = fxf::WRITE | fxf::CREAT | fxf::TRUNC;

/// A name, and the one that it becomes as text.
const NAMES: [(&[u8], &[u8]); 3] =
    [(b"a\xff", b"a\xef\xbf\xbd"), (b"caf\xe9", b"caf\xef\xbf\xbd"), (b"d\xfe/file", b"d\xef\xbf\xbd/file")];

/// The answer to CLOSE.
fn put(raw: &mut RawSftp, name: &[u8], content: &str) -> Reply {
    let handle = raw.open_file(name, PUT).handle();
    let body = fields(&[&string(&handle), &[0; 8], &string(content)]);
    assert_eq!(raw.request(fxp::WRITE, &body).status(), fx::OK);
    raw.request(fxp::CLOSE, &string(&handle))
}

fn rename(raw: &mut RawSftp, from: &[u8], to: &[u8]) -> Reply {
    raw.request(fxp::RENAME, &fields(&[&string(from), &string(to)]))
}

fn content(home: &Path, name: &[u8]) -> Option<String> {
    std::fs::read_to_string(home.join(OsStr::from_bytes(name))).ok()
}

fn make_directories(home: &Path) {
    for (name, text) in NAMES {
        for path in [name, text] {
            std::fs::create_dir_all(home.join(OsStr::from_bytes(path)).parent().unwrap()).unwrap();
        }
    }
}

#[test]
fn a_scanner_reads_the_file_that_it_is_asked_about() {
    // A15-04, B10-05, B10-08
    for mode in [0, 1, 2] {
        let site = Site::new();
        // What it cannot read it refuses, too.
        let script = "#!/bin/sh\n[ \"$SFTPGO_ACTION_STATUS\" = 1 ] || exit 0\n\
                      read -r line < \"$SFTPGO_ACTION_PATH\" && [ \"$line\" = clean ]\n";
        let scanner = site.script("scanner.sh", script);
        let site = site.config(&format!(
            "upload_mode = {mode}\n[common.actions]\nexecute_on = [\"upload\", \"pre-download\", \"pre-rename\"]\n\
             execute_sync = [\"upload\"]\nhook = [{{ hook = \"{}\", compat = \"current\" }}]\n",
            scanner.display()
        ));
        let home = site.user("alice");
        make_directories(&home);
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        for (name, text) in NAMES {
            let case = format!("{mode} {}", name.escape_ascii());
            // The decoy.
            assert_eq!(put(&mut raw, text, "clean\n").status(), fx::OK, "{case}");
            assert_eq!(put(&mut raw, name, "evil\n").status(), fx::FAILURE, "{case}");
            assert_eq!(content(&home, name), None, "{case}");
            std::fs::write(home.join(OsStr::from_bytes(name)), "evil\n").unwrap();
            assert_eq!(raw.open_file(name, fxf::READ).status(), fx::PERMISSION_DENIED, "{case}");
            assert_eq!(rename(&mut raw, name, b"out").status(), fx::PERMISSION_DENIED, "{case}");
            // Without a decoy, what is clean is not lost.
            std::fs::remove_file(home.join(OsStr::from_bytes(text))).unwrap();
            assert_eq!(put(&mut raw, name, "clean\n").status(), fx::OK, "{case}");
            assert_eq!(content(&home, name).as_deref(), Some("clean\n"), "{case}");
            assert_eq!(rename(&mut raw, name, text).status(), fx::OK, "{case}");
        }
    }
}

#[test]
fn hooks_that_get_text_decide_about_no_other_names() {
    // A15-04, B10-03, B17-01
    for on_error in ["deny", "allow"] {
        let site = Site::new();
        // No server listens there: what is refused for its name is not asked about.
        let hook = "http://127.0.0.1:1/";
        let site = site.config(&format!(
            "[common.actions]\nexecute_on = [\"pre-upload\", \"pre-download\", \"pre-delete\"]\n\
             hook = [{{ hook = \"{hook}\", compat = \"current\", on_error = \"{on_error}\" }}]\n"
        ));
        let home = site.user("alice");
        make_directories(&home);
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        for (name, text) in NAMES {
            for name in [name, text] {
                std::fs::write(home.join(OsStr::from_bytes(name)), "here\n").unwrap();
            }
            let mut answers = |name: &[u8]| {
                let remove = string(name);
                [raw.open_file(name, fxf::READ), raw.open_file(name, PUT), raw.request(fxp::REMOVE, &remove)]
            };
            for reply in answers(name) {
                let message = reply.message();
                assert_eq!(reply.status(), fx::PERMISSION_DENIED, "{on_error} {message}");
                assert!(message.contains("is not UTF-8, and a hook"), "{on_error} {message}");
            }
            assert_eq!(content(&home, name).as_deref(), Some("here\n"), "{on_error}");
            // The name in its place is UTF-8.
            let is_opened = answers(text)[0].kind == fxp::HANDLE;
            assert_eq!(is_opened, on_error == "allow", "{on_error}");
        }
        server.wait_for(|line| line["hook"] == hook && line["error_kind"] == "not-text");
        server.wait_for_text("cannot take the name");
    }
}
