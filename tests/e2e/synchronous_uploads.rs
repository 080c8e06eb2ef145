//! Uploads that a hook decides about when they end (`execute_sync`, B10-08): without its
//! approval nothing of them stays, whatever happens meanwhile.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tidegate_tests::clients::{Proof, openssh};
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");
const PUT: u32 = fxf::WRITE | fxf::CREAT | fxf::TRUNC;
const MODES: [&str; 3] = ["upload_mode = 0", "upload_mode = 1", "upload_mode = 2"];

/// With a hook that says which file it has been asked about, and then waits for its verdict.
struct Asked {
    site: Site,
    home: PathBuf,
    /// One reader at a time.
    question: PathBuf,
    verdict: PathBuf,
}

fn asked(mode: &str, user: &[&str]) -> Asked {
    let site = Site::new();
    let (question, verdict) = (site.path("question"), site.path("verdict"));
    tools::run_ok(Command::new("mkfifo").arg(&question).arg(&verdict));
    let hook = site.script(
        "hook.sh",
        &format!(
            "#!/bin/sh\n[ \"$SFTPGO_ACTION_STATUS\" = 1 ] || exit 0\nexec 3<> {}\n\
             echo \"$SFTPGO_ACTION_PATH\" > {}\nread answer <&3\nexit \"$answer\"\n",
            verdict.display(),
            question.display()
        ),
    );
    let site = site.config(&format!(
        "{mode}\nenabled_ssh_commands = [\"scp\"]\n[common.actions]\nexecute_on = [\"upload\"]\n\
         execute_sync = [\"upload\"]\nhook = [{{ hook = \"{}\", compat = \"current\" }}]\n",
        hook.display()
    ));
    let home = site.user_with("alice", &[&["--password", "pw"], user].concat());
    std::fs::create_dir_all(&home).unwrap();
    Asked { site, home, question, verdict }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // One that outlived its server.
        self.refuse();
    }
}

impl Asked {
    /// Waits until the hook is asked; gives the path that it was told.
    fn question(&self) -> PathBuf {
        let mut text = String::new();
        std::fs::File::open(&self.question).unwrap().read_to_string(&mut text).unwrap();
        PathBuf::from(text.trim_end())
    }

    fn answer(&self, status: u32) {
        std::fs::write(&self.verdict, format!("{status}\n")).unwrap();
    }

    /// If the hook is still there.
    fn refuse(&self) {
        const O_NONBLOCK: i32 = 0o4000;
        if let Ok(mut verdict) = OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(&self.verdict) {
            let _ = verdict.write_all(b"1\n");
        }
    }

    fn content(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.home.join(name)).ok()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.home).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn written(raw: &mut RawSftp, name: &str, flags: u32, offset: u64, data: &str) -> Vec<u8> {
    let handle = raw.open_file(name, flags).handle();
    let body = fields(&[&string(&handle), &offset.to_be_bytes(), &string(data)]);
    assert_eq!(raw.request(fxp::WRITE, &body).status(), fx::OK);
    handle
}

#[test]
fn the_verdict_decides_in_every_mode() {
    // B10-08
    for mode in MODES {
        let asked = asked(mode, &["--quota-files", "10"]);
        let server = asked.site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        let is_in_place = mode.ends_with('0');
        // Name, flags, what is there before, verdict, what is there afterwards.
        let old = Some("older content");
        let cases = [
            ("new", PUT, None, 0, Some("bad")),
            ("new", PUT, None, 1, None),
            ("old", PUT, old, 0, Some("bad")),
            ("old", PUT, old, 1, if is_in_place { None } else { old }),
            // Continued at its end.
            ("old", fxf::WRITE, old, 0, Some("older contentbad")),
            ("old", fxf::WRITE, old, 1, if is_in_place { None } else { old }),
        ];
        for (name, flags, before, verdict, after) in cases {
            let _ = std::fs::remove_file(asked.home.join(name));
            if let Some(before) = before {
                std::fs::write(asked.home.join(name), before).unwrap();
            }
            let offset = if flags == fxf::WRITE { 13 } else { 0 };
            let handle = written(&mut raw, name, flags, offset, "bad");
            raw.send_request(fxp::CLOSE, &string(&handle));
            let path = asked.question();
            let case = format!("{mode} {name} {flags} {verdict}");
            let expected = if flags == fxf::WRITE { "older contentbad" } else { "bad" };
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected, "{case}: the hook can read it");
            if !is_in_place {
                assert_eq!(asked.content(name).as_deref(), before, "{case}: it has no name yet");
                assert!(path.file_name().unwrap().to_str().unwrap().starts_with(".tidegate-upload."), "{case}");
            } else {
                assert_eq!(path, asked.home.join(name), "{case}");
            }
            asked.answer(verdict);
            assert_eq!(raw.receive_reply().status(), if verdict == 0 { fx::OK } else { fx::FAILURE }, "{case}");
            assert_eq!(asked.content(name).as_deref(), after, "{case}");
            assert_eq!(asked.names().len(), usize::from(after.is_some()), "{case}");
        }
    }
}

/// What happens while the hook is being asked, or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The client is gone before it has closed the file.
    LeaveEarly,
    Leave,
    Kill,
    Terminate,
    CloseConnection,
    Scp,
}

fn check(mode: &str, way: Way, user: &[&str]) {
    let asked = asked(mode, user);
    std::fs::write(asked.home.join("old"), "older content").unwrap();
    let server = asked.site.start();
    for name in ["new", "old"] {
        if way == Way::Scp {
            leave_scp(&asked, &server, name);
        } else {
            let mut raw = RawSftp::connect(&server, "alice", "pw");
            let handle = written(&mut raw, name, PUT, 0, "bad");
            if way != Way::LeaveEarly {
                raw.send_request(fxp::CLOSE, &string(&handle));
                asked.question();
            }
            match way {
                Way::Kill | Way::Terminate if name == "new" => {
                    // The hook still waits for its verdict: it does not matter any more.
                    asked.answer(0);
                    assert_eq!(raw.receive_reply().status(), fx::OK);
                    std::fs::remove_file(asked.home.join(name)).unwrap();
                    continue;
                }
                Way::Kill | Way::Terminate => break,
                Way::CloseConnection => {
                    let list = tools::run_ok(&mut asked.site.tidegate(&["connection", "list", "--json"]));
                    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
                    let id = list[0]["connection_id"].as_str().unwrap().to_owned();
                    tools::run_ok(&mut asked.site.tidegate(&["connection", "close", &id]));
                }
                _ => drop(raw),
            }
        }
        // The server either hears that the client is gone, or waits for the verdict.
        asked.refuse();
        server.wait_for(|line| line["sender"] == "Upload" && line["error"].is_string());
    }
    match way {
        Way::Kill => {
            server.kill();
            // The hook is left alone, and what it says is not heard.
            let server = asked.site.start();
            assert!(server.terminate().success());
        }
        Way::Terminate => {
            tools::run_ok(Command::new("kill").arg(server.pid().to_string()));
            server.wait_for(|line| line["sender"] == "Upload" && line["error"].is_string());
            // The server ends with its programs.
            asked.refuse();
            assert!(server.ended().success());
        }
        _ => drop(server),
    }
    let is_in_place = mode.ends_with('0');
    assert_eq!(asked.content("new"), None, "{mode} {way:?} {user:?}");
    assert_eq!(asked.content("old").as_deref(), (!is_in_place).then_some("older content"), "{mode} {way:?} {user:?}");
    assert_eq!(asked.names().len(), usize::from(!is_in_place), "{mode} {way:?} {user:?}: {:?}", asked.names());
}

fn leave_scp(asked: &Asked, server: &Server, name: &str) {
    let file = asked.site.write("sent", "bad");
    let mut scp = openssh("scp", server, PASSWORD);
    scp.arg("-O").arg(file).arg(format!("alice@127.0.0.1:/{name}"));
    let mut scp = scp.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    asked.question();
    // With the programs that it has started.
    tools::run_ok(Command::new("pkill").args(["-KILL", "-P", &scp.id().to_string()]));
    let _ = scp.kill();
    scp.wait().unwrap();
}

#[test]
fn no_way_round_the_verdict_leaves_the_file() {
    // B10-08
    let limits: [&[&str]; 3] = [&[], &["--quota-size", "1000000"], &["--upload-bandwidth", "1000"]];
    for mode in MODES {
        for way in [Way::LeaveEarly, Way::Leave, Way::Terminate, Way::Kill, Way::CloseConnection, Way::Scp] {
            check(mode, way, limits[0]);
        }
        for way in [Way::LeaveEarly, Way::Leave] {
            check(mode, way, limits[1]);
            check(mode, way, limits[2]);
        }
    }
}

#[test]
fn a_file_that_was_only_continued_is_cut_back() {
    // B10-08
    for mode in MODES {
        for killed in [false, true] {
            let asked = asked(mode, &[]);
            std::fs::write(asked.home.join("old"), "older content").unwrap();
            let server = asked.site.start();
            let mut raw = RawSftp::connect(&server, "alice", "pw");
            written(&mut raw, "old", fxf::WRITE, 13, " and bad");
            if killed {
                server.kill();
                drop(raw);
                assert!(asked.site.start().terminate().success());
            } else {
                drop(raw);
                server.wait_for_text("the transfer was not completed");
            }
            assert_eq!(asked.content("old").as_deref(), Some("older content"), "{mode} {killed}");
        }
    }
}

#[test]
fn a_refused_partial_file_goes_when_the_client_vanishes() {
    // A10-03, B10-09: a quota, and a largest size.
    for (limit, mode) in [("quota", MODES[0]), ("size", MODES[0]), ("quota", MODES[1]), ("size", MODES[2])] {
        let site = Site::new().config(mode);
        let user: &[&str] = if limit == "quota" { &["--quota-size", "1000"] } else { &[] };
        let home = site.user_with("alice", &[&["--password", "pw"], user].concat());
        if limit == "size" {
            let document = format!(
                r#"{{"username":"alice","home_dir":"{}","permissions":{{"/":["*"]}},"filters":{{"max_upload_file_size":1000}}}}"#,
                home.display()
            );
            let document = site.write("limited.json", document);
            tools::run_ok(&mut site.tidegate(&["user", "update", "--from-json", document.to_str().unwrap()]));
        }
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        let handle = written(&mut raw, "refused", PUT, 0, &"x".repeat(900));
        let body = fields(&[&string(&handle), &900_u64.to_be_bytes(), &string("y".repeat(101))]);
        assert_eq!(raw.request(fxp::WRITE, &body).status(), fx::FAILURE, "{limit} {mode}");
        drop(raw);
        server.wait_for(|line| line["sender"] == "Upload" && line["error"].is_string());
        assert!(server.terminate().success());
        assert!(is_empty(&home), "{limit} {mode}");
    }
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}
