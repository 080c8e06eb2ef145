//! What hooks hear of operations on files, and when (A15, B10).

use std::path::Path;
use std::process::Command;

use tidegate_tests::clients::{Proof, exec, openssh, rsync, sftp, sftp_ok};
use tidegate_tests::homes::{Home, Kind};
use tidegate_tests::raw_sftp::{RawSftp, Reply, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};
use tidegate_tests::tools;

use crate::operations::{get, metric};

const PASSWORD: Proof<'static> = Proof::Password("pw");

/// Hooks of today that write a line for each action: name, virtual path, size, status, command.
fn site(actions: &str, user: &[&str]) -> (Site, Home) {
    site_of(Kind::Local, actions, user)
}

fn site_of(kind: Kind, actions: &str, user: &[&str]) -> (Site, Home) {
    let site = Site::new();
    let told = site.path("told");
    let hook = site.script(
        "hook.sh",
        &format!(
            "#!/bin/sh\necho \"$SFTPGO_ACTION $SFTPGO_ACTION_VIRTUAL_PATH $SFTPGO_ACTION_VIRTUAL_TARGET \
             size=$SFTPGO_ACTION_FILE_SIZE status=$SFTPGO_ACTION_STATUS cmd=$SFTPGO_ACTION_SSH_CMD\" >> {}\n",
            told.display()
        ),
    );
    let site = site.config(&format!(
        "enabled_ssh_commands = [\"*\"]\n[common.actions]\nexecute_on = [{actions}]\n\
         hook = [{{ hook = \"{}\", compat = \"current\" }}]\n",
        hook.display()
    ));
    let home = site.user_of(kind, "alice", user);
    (site, home)
}

/// What the hooks were told, in any order: programs run at the same time. The server is stopped,
/// and with it their queue is empty.
fn check_told(site: &Site, server: Server, expected: &[&str]) {
    assert!(server.terminate().success());
    let text = std::fs::read_to_string(site.path("told")).unwrap_or_default();
    let mut told: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let mut expected = expected.to_vec();
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

fn read(raw: &mut RawSftp, handle: &[u8], offset: u64, length: u32) -> Reply {
    raw.request(fxp::READ, &fields(&[&string(handle), &offset.to_be_bytes(), &length.to_be_bytes()]))
}

fn write(raw: &mut RawSftp, handle: &[u8], offset: u64, data: &[u8]) -> u32 {
    raw.request(fxp::WRITE, &fields(&[&string(handle), &offset.to_be_bytes(), &string(data)])).status()
}

fn close(raw: &mut RawSftp, handle: &[u8]) -> u32 {
    raw.request(fxp::CLOSE, &string(handle)).status()
}

#[test]
fn only_whole_downloads_are_downloads() {
    // A5-13, A15-09, A20-02, B10-09
    Kind::ALL.into_iter().for_each(check_downloads);
}

fn check_downloads(kind: Kind) {
    let (site, home) = site_of(kind, "\"download\"", &[]);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    for name in ["part", "rest", "whole", "empty", "untouched", "summed"] {
        std::fs::write(home.join(name), if name == "empty" { vec![] } else { vec![7; 1000] }).unwrap();
    }
    let mut fetch = |name: &str, parts: &[(u64, u32)]| {
        let handle = raw.open_file(name, fxf::READ).handle();
        for (offset, length) in parts {
            assert_eq!(read(&mut raw, &handle, *offset, *length).kind, fxp::DATA, "{name}");
        }
        assert_eq!(close(&mut raw, &handle), fx::OK, "the client may close what it likes");
    };
    fetch("part", &[(0, 100)]);
    // A download that was begun earlier, and one whose end comes first.
    fetch("rest", &[(600, 400)]);
    fetch("whole", &[(500, 500), (0, 500)]);
    fetch("empty", &[]);
    fetch("untouched", &[]);
    // Nothing leaves the server for a checksum.
    let handle = raw.open_file("summed", fxf::READ).handle();
    let sum = fields(&[&string("md5-hash-handle"), &string(&handle), &[0; 16], &string("")]);
    assert_eq!(raw.request(fxp::EXTENDED, &sum).kind, fxp::EXTENDED_REPLY);
    assert_eq!(close(&mut raw, &handle), fx::OK);
    let text = get(&server, "/metrics");
    assert_eq!(metric(&text, "sftpgo_downloads_total"), Some(3.0));
    assert_eq!(metric(&text, "sftpgo_download_errors_total"), Some(2.0));
    // What was read of a file that was not read to its end counts as well.
    assert_eq!(metric(&text, "sftpgo_download_size"), Some(1500.0));
    drop(raw);
    let expected = [
        "download /part size=100 status=2 cmd=",
        "download /rest size=400 status=1 cmd=",
        "download /whole size=1000 status=1 cmd=",
        "download /empty size=0 status=1 cmd=",
        "download /untouched size=0 status=2 cmd=",
    ];
    check_told(&site, server, &expected);
}

#[test]
fn a_resumed_upload_has_the_size_that_it_comes_to() {
    // A15-09, A5-12
    Kind::ALL.into_iter().for_each(check_resumed);
}

fn check_resumed(kind: Kind) {
    let (site, home) = site_of(kind, "\"upload\"", &[]);
    let server = site.start();
    std::fs::write(home.join("begun"), [1; 600]).unwrap();
    std::fs::write(home.join("appended"), [1; 600]).unwrap();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    for (name, flags, offset) in [
        ("begun", fxf::WRITE, 600_u64),
        ("appended", fxf::WRITE | fxf::APPEND, 600),
        ("new", fxf::WRITE | fxf::CREAT, 0),
    ] {
        let handle = raw.open_file(name, flags).handle();
        assert_eq!(write(&mut raw, &handle, offset, &[2; 50]), fx::OK);
        assert_eq!(close(&mut raw, &handle), fx::OK);
    }
    // Emptied, it is not continued: what is appended begins at 0.
    let handle = raw.open_file("begun", fxf::WRITE | fxf::APPEND | fxf::TRUNC | fxf::CREAT).handle();
    assert_eq!(write(&mut raw, &handle, 0, &[3; 20]), fx::OK);
    assert_eq!(close(&mut raw, &handle), fx::OK);
    assert_eq!(std::fs::read(home.join("begun")).unwrap(), [3; 20]);
    drop(raw);
    let expected = [
        "upload /begun size=650 status=1 cmd=",
        "upload /appended size=650 status=1 cmd=",
        "upload /new size=50 status=1 cmd=",
        "upload /begun size=20 status=1 cmd=",
    ];
    check_told(&site, server, &expected);
}

fn home_file(home: &Path, name: &str) -> std::path::PathBuf {
    std::fs::create_dir_all(home).unwrap();
    home.join(name)
}

#[test]
fn hooks_are_not_asked_about_uploads_without_room() {
    // A10-02, B10-05, B10-09
    Kind::ALL.into_iter().for_each(check_without_room);
}

fn check_without_room(kind: Kind) {
    let (site, home) = site_of(kind, "\"pre-upload\", \"upload\"", &["--quota-files", "1"]);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("first", fxf::WRITE | fxf::CREAT).handle();
    assert_eq!(close(&mut raw, &handle), fx::OK);
    let refused = raw.open_file("second", fxf::WRITE | fxf::CREAT);
    assert_eq!(refused.status(), fx::FAILURE);
    assert!(!home.join("second").exists());
    drop(raw);
    let expected = [
        "pre-upload /first size=0 status=1 cmd=",
        "upload /first size=0 status=1 cmd=",
        "upload /second size=0 status=3 cmd=",
    ];
    check_told(&site, server, &expected);
}

#[test]
fn copies_by_the_server_need_their_permission_and_are_told() {
    // A8-05, B10-01
    let rights = "list,download,upload,overwrite,delete,rename,create_dirs";
    let arguments = ["--permissions", &format!("/:{rights},copy"), "--permissions", &format!("/in:{rights}")];
    let (site, home) = site("\"pre-copy\", \"copy\", \"download\"", &arguments);
    let server = site.start();
    std::fs::create_dir_all(home.join("in")).unwrap();
    std::fs::write(home.join("a"), vec![5; 300_000]).unwrap();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let mut copy = |from: &str, to: &str, offset: u64, length: u64| {
        let (source, target) =
            (raw.open_file(from, fxf::READ).handle(), raw.open_file(to, fxf::WRITE | fxf::CREAT).handle());
        let range = (&offset.to_be_bytes(), &length.to_be_bytes());
        let body = fields(&[&string("copy-data"), &string(&source), range.0, range.1, &string(&target), &[0; 8]]);
        let status = raw.request(fxp::EXTENDED, &body).status();
        assert_eq!((close(&mut raw, &source), close(&mut raw, &target)), (fx::OK, fx::OK));
        status
    };
    assert_eq!(copy("a", "whole", 0, 0), fx::OK);
    assert_eq!(copy("a", "part", 1000, 500), fx::OK);
    assert_eq!(copy("a", "in/denied", 0, 0), fx::PERMISSION_DENIED);
    assert_eq!(std::fs::read(home.join("whole")).unwrap(), vec![5; 300_000]);
    assert_eq!(std::fs::metadata(home.join("part")).unwrap().len(), 500);
    // A directory is no source, and stays open.
    let directory = raw.request(fxp::OPENDIR, &string("/")).handle();
    let target = raw.open_file("other", fxf::WRITE | fxf::CREAT).handle();
    let body = fields(&[&string("copy-data"), &string(&directory), &[0; 16], &string(&target), &[0; 8]]);
    assert_eq!(raw.request(fxp::EXTENDED, &body).status(), fx::FAILURE);
    assert_eq!(raw.request(fxp::READDIR, &string(&directory)).kind, fxp::NAME, "it can still be read");
    server.wait_for_text("\"sender\":\"Copy\"");
    drop(raw);
    let expected = [
        "pre-copy /a /whole size=300000 status=1 cmd=",
        "copy /a /whole size=300000 status=1 cmd=",
        "pre-copy /a /part size=300000 status=1 cmd=",
        "copy /a /part size=300000 status=1 cmd=",
    ];
    // What is copied is not downloaded.
    check_told(&site, server, &expected);
}

#[test]
fn hooks_get_every_command_that_succeeds_once() {
    // A7-09, A7-01
    let (site, home) = site("\"ssh_cmd\"", &[]);
    let server = site.start();
    std::fs::create_dir_all(home.join("d")).unwrap();
    std::fs::write(home.join("d/a"), "abc").unwrap();
    std::fs::write(home.join("b"), "abc").unwrap();
    let run = |command: &str, input: &[u8]| {
        let output = exec(&server, "alice", PASSWORD, command, input);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run("pwd", b""), (Some(0), "/\n".into()));
    assert_eq!(run("cd d", b""), (Some(0), String::new()));
    let sum = "900150983cd24fb0d6963f7d28e17f72";
    assert_eq!(run("md5sum", b"abc"), (Some(0), format!("{sum}  -\n")));
    assert_eq!(run("md5sum /d//a ./b", b""), (Some(0), format!("{sum}  /d/a\n{sum}  b\n")));
    assert_eq!(run("md5sum /b /missing", b"").0, Some(1));
    for command in ["pwd", "cd", "md5sum"] {
        server.wait_for(|line| line["sender"] == "SSHCommand" && line["ssh_command"] == command);
    }
    let expected = [
        "ssh_cmd / size=0 status=1 cmd=pwd",
        "ssh_cmd / size=0 status=1 cmd=cd",
        "ssh_cmd / size=0 status=1 cmd=md5sum",
        "ssh_cmd /d/a size=0 status=1 cmd=md5sum",
    ];
    check_told(&site, server, &expected);
}

#[test]
fn commands_are_asked_about() {
    // B10-01
    let site = Site::new();
    let hook = site.script("ask.sh", "#!/bin/sh\n[ \"$SFTPGO_ACTION_SSH_CMD\" = pwd ]\n");
    let site = site.config(&format!(
        "enabled_ssh_commands = [\"*\"]\n[common.actions]\nexecute_on = [\"pre-ssh_cmd\"]\nhook = \"{}\"\n",
        hook.display()
    ));
    let home = site.user("alice");
    std::fs::create_dir_all(home.join("r.git")).unwrap();
    let server = site.start();
    assert_eq!(exec(&server, "alice", PASSWORD, "pwd", b"").status.code(), Some(0));
    for command in ["cd /", "md5sum", "md5sum /x", "rsync --server -r . /", "git-upload-pack /r.git"] {
        let output = exec(&server, "alice", PASSWORD, command, b"abc");
        let said = tidegate_tests::clients::text(&output);
        assert!(output.status.code() == Some(1) && said.contains("ermission denied"), "{command}: {said}");
    }
    // Not a command (A6-06).
    assert_eq!(exec(&server, "alice", PASSWORD, "scp -t x", b"C0644 1 x\nx\0").status.code(), Some(0));
}

#[test]
fn hooks_are_not_asked_about_what_is_not_permitted() {
    // B10-05
    let actions = "\"pre-upload\", \"pre-download\", \"pre-delete\", \"pre-mkdir\", \"pre-rmdir\", \"pre-rename\"";
    let (site, home) = site(actions, &["--permissions", "/:list"]);
    let server = site.start();
    std::fs::write(home_file(&home, "f"), "x").unwrap();
    std::fs::create_dir(home.join("d")).unwrap();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let none = 0_u32.to_be_bytes();
    for (kind, body) in [
        (fxp::OPEN, fields(&[&string("f"), &fxf::READ.to_be_bytes(), &none])),
        (fxp::OPEN, fields(&[&string("new"), &(fxf::WRITE | fxf::CREAT).to_be_bytes(), &none])),
        (fxp::REMOVE, string("f")),
        (fxp::MKDIR, fields(&[&string("e"), &none])),
        (fxp::RMDIR, string("d")),
        (fxp::RENAME, fields(&[&string("f"), &string("g")])),
    ] {
        assert_eq!(raw.request(kind, &body).status(), fx::PERMISSION_DENIED, "{kind}");
    }
    drop(raw);
    check_told(&site, server, &[]);
}

#[test]
fn each_action_can_be_refused_before_it() {
    // B10-01, B10-05: the hook refuses the action that a file names.
    let actions = ["download", "upload", "delete", "rename", "mkdir", "rmdir", "copy"];
    let names = actions.map(|action| format!("\"pre-{action}\"")).join(", ");
    let site = Site::new();
    let refused = site.path("refused");
    let text = format!("#!/bin/sh\n[ \"$SFTPGO_ACTION\" != \"pre-$(cat {})\" ]\n", refused.display());
    let hook = site.script("hook.sh", &text);
    let site = site.config(&format!(
        "[common.actions]\nexecute_on = [{names}]\nhook = [{{ hook = \"{}\", compat = \"current\" }}]",
        hook.display()
    ));
    let home = site.user("alice");
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let none = 0_u32.to_be_bytes();
    for refused in actions {
        site.write("refused", refused);
        std::fs::create_dir_all(home.join(refused).join("empty")).unwrap();
        for name in ["f", "g", "h"] {
            std::fs::write(home.join(refused).join(name), "x").unwrap();
        }
        let at = |name: &str| string(format!("/{refused}/{name}"));
        for (action, kind, body) in [
            ("download", fxp::OPEN, fields(&[&at("f"), &fxf::READ.to_be_bytes(), &none])),
            ("upload", fxp::OPEN, fields(&[&at("new"), &(fxf::WRITE | fxf::CREAT).to_be_bytes(), &none])),
            ("delete", fxp::REMOVE, at("f")),
            ("rename", fxp::RENAME, fields(&[&at("g"), &at("moved")])),
            ("mkdir", fxp::MKDIR, fields(&[&at("made"), &none])),
            ("rmdir", fxp::RMDIR, at("empty")),
            ("copy", fxp::EXTENDED, fields(&[&string("hardlink@openssh.com"), &at("h"), &at("linked")])),
        ] {
            let reply = raw.request(kind, &body);
            let status = if reply.kind == fxp::STATUS { reply.status() } else { fx::OK };
            let expected = if action == refused { fx::PERMISSION_DENIED } else { fx::OK };
            assert_eq!(status, expected, "{action} while pre-{refused} is refused");
        }
    }
}

#[test]
fn hooks_get_what_scp_moves_file_by_file() {
    // A6-06, B10-06
    let (site, _) = site("\"upload\", \"download\", \"pre-download\", \"ssh_cmd\"", &[]);
    let server = site.start();
    let (file, back) = (site.write("local", "content"), site.path("back"));
    let (file, back) = (file.to_str().unwrap(), back.to_str().unwrap());
    for (from, to, sender) in [(file, "alice@127.0.0.1:/a", "Upload"), ("alice@127.0.0.1:/a", back, "Download")] {
        tools::run_ok(openssh("scp", &server, PASSWORD).args(["-O", from, to]));
        assert_eq!(server.wait_for(|line| line["sender"] == sender)["protocol"], "SCP");
    }
    let expected = [
        "upload /a size=7 status=1 cmd=",
        // Before it, a download has no size.
        "pre-download /a size=0 status=1 cmd=",
        "download /a size=7 status=1 cmd=",
    ];
    check_told(&site, server, &expected);
}

#[test]
fn programs_write_nothing_that_a_hook_has_to_see() {
    // B10-14
    let check = |actions: &str, section: &str, user: &str, place: &str, writes: bool| {
        let site = Site::new();
        let hook = site.script("ok.sh", "#!/bin/sh\nexit 0\n");
        let site = site.config(&format!(
            "enabled_ssh_commands = [\"*\"]\n[common.actions]\n{actions}\nhook = [{{ hook = \"{}\"{section} }}]\n",
            hook.display()
        ));
        let home = site.user(user);
        tools::run_ok(Command::new("git").args(["init", "-q", "--bare"]).arg(home.join("out.git")));
        std::fs::create_dir_all(home.join("in")).unwrap();
        std::fs::write(home.join("in/there"), "x").unwrap();
        let server = site.start();
        let file = site.write("f", "x");
        let from = format!("{user}@127.0.0.1:/in/there");
        let back = tools::run(&mut rsync(&server, "pw", &["-r", &from, site.path("back").to_str().unwrap()]));
        assert_eq!(back.status.success(), section.contains("allow") || !actions.contains("pre-download"), "{actions}");
        let to = format!("{user}@127.0.0.1:{place}");
        let output = tools::run(&mut rsync(&server, "pw", &["-r", file.to_str().unwrap(), &to]));
        let said = tidegate_tests::clients::text(&output);
        assert_eq!(output.status.success(), writes, "{actions} {section} {place}: {said}");
        assert!(writes || said.contains("use sftp or scp"), "{said}");
        let git = exec(&server, user, PASSWORD, "git-receive-pack /out.git", b"0000");
        let git = tidegate_tests::clients::text(&git);
        // No hook with `paths` here looks at the repository.
        let is_refused = !writes && !section.contains("paths");
        assert_eq!(git.contains("use sftp or scp"), is_refused, "{actions} {section}: {git}");
        // Files that are seen one by one arrive.
        sftp_ok(&server, user, PASSWORD, &format!("put {} in/g\n", file.display()));
    };
    let (before, after) = ("execute_on = [\"pre-upload\"]", "execute_on = [\"upload\"]");
    let waits = format!("{after}\nexecute_sync = [\"upload\"]");
    check(before, "", "alice", "/", false);
    check(&waits, "", "alice", "/", false);
    check(after, "", "alice", "/", true);
    check("execute_on = [\"pre-download\"]", "", "alice", "/", true);
    check(before, ", programs = \"allow\"", "alice", "/", true);
    check(&waits, ", programs = \"allow\"", "alice", "/", true);
    check(before, ", users = [\"bob\"]", "alice", "/", true);
    check(before, ", paths = [\"/in\"]", "alice", "/", false);
    check(before, ", paths = [\"/in/deeper\"]", "alice", "/in/", false);
    check(before, ", paths = [\"/elsewhere\"]", "alice", "/in/", true);
}

#[test]
fn what_was_done_is_logged_though_a_hook_then_fails_it() {
    // B10-08, A21-04, A20-02
    let site = Site::new();
    let hook = site.script("no.sh", "#!/bin/sh\nexit 1\n");
    let site = site.config(&format!(
        "[common.actions]\nexecute_on = [\"upload\", \"delete\"]\nexecute_sync = [\"upload\", \"delete\"]\nhook = \"{}\"\n",
        hook.display()
    ));
    let home = site.user("alice");
    let server = site.start();
    std::fs::write(home_file(&home, "old"), "x").unwrap();
    assert!(!sftp(&server, "alice", PASSWORD, "rm old\n").status.success());
    assert!(!home.join("old").exists());
    server.wait_for_text("\"sender\":\"Remove\"");
    let file = site.write("new", "content");
    assert!(!sftp(&server, "alice", PASSWORD, &format!("put {} new\n", file.display())).status.success());
    let line = server.wait_for(|line| line["sender"] == "Upload");
    assert!(line["error"].as_str().is_some_and(|error| error.contains("hook")), "{line}");
    assert!(!home.join("new").exists());
    let text = get(&server, "/metrics");
    assert_eq!(metric(&text, "sftpgo_uploads_total"), Some(0.0));
    assert_eq!(metric(&text, "sftpgo_upload_errors_total"), Some(1.0));
    assert_eq!(metric(&text, "sftpgo_upload_size"), Some(7.0));
}

#[test]
fn rsync_removes_what_it_has_sent() {
    let (site, home) = site("\"delete\"", &["--quota-files", "10"]);
    let server = site.start();
    std::fs::create_dir_all(home.join("out")).unwrap();
    std::fs::write(home.join("out/a"), "abc").unwrap();
    tools::run_ok(&mut site.tidegate(&["quota", "scan", "--username", "alice"]));
    let to = site.path("fetched");
    let arguments = ["-r", "--remove-source-files", "alice@127.0.0.1:/out/", to.to_str().unwrap()];
    tools::run_ok(&mut rsync(&server, "pw", &arguments));
    assert_eq!(std::fs::read_to_string(to.join("a")).unwrap(), "abc");
    assert!(!home.join("out/a").exists());
    let report = tools::run_ok(&mut site.tidegate(&["quota", "scan", "--username", "alice", "--json"]));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report[0]["before"], report[0]["found"]);
}

#[test]
fn the_umask_holds_for_all_files() {
    // A3-14: of files over SFTP and of what programs bring.
    let (site, home) = site("\"upload\"", &[]);
    let site = site.config("[common]\numask = \"0027\"\n");
    let server = site.start();
    let file = site.write("f", "x");
    // As permissive as the client likes.
    tools::run_ok(Command::new("chmod").arg("666").arg(&file));
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} a\nmkdir d\n", file.display()));
    tools::run_ok(&mut rsync(&server, "pw", &[file.to_str().unwrap(), "alice@127.0.0.1:/b"]));
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(home.join(name)).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!((mode("a"), mode("d"), mode("b")), (0o640, 0o750, 0o640));
}

#[test]
fn no_link_leads_around_a_watched_directory() {
    // B10-13
    let site = Site::new();
    let refuse = site.script("refuse.sh", "#!/bin/sh\nexit 1\n");
    let site = site.config(&format!(
        "[hook.pre-action]\nhook = [{{ hook = \"{}\", paths = [\"/watched\"] }}]\n",
        refuse.display()
    ));
    let home = site.user_with("alice", &["--password", "pw"]);
    std::fs::create_dir_all(home.join("watched")).unwrap();
    std::fs::write(home.join("watched/f"), "kept").unwrap();
    std::fs::write(home.join("free"), "free").unwrap();
    std::os::unix::fs::symlink("watched", home.join("alias")).unwrap();
    std::os::unix::fs::symlink("watched/f", home.join("to-f")).unwrap();
    let server = site.start();
    let source = site.path("source");
    std::fs::write(&source, "new").unwrap();
    for command in [
        "rm alias/f".to_owned(),
        "rename alias/f taken".to_owned(),
        "rename free alias/free".to_owned(),
        "mkdir alias/d".to_owned(),
        format!("put {} alias/f", source.display()),
        format!("put {} to-f", source.display()),
        format!("get to-f {}", site.path("got").display()),
    ] {
        let outcome = sftp(&server, "alice", PASSWORD, &command);
        assert!(!outcome.status.success(), "{command}");
        assert_eq!(std::fs::read_to_string(home.join("watched/f")).unwrap(), "kept", "{command}");
        assert_eq!(std::fs::read_dir(home.join("watched")).unwrap().count(), 1, "{command}");
    }
    sftp_ok(&server, "alice", PASSWORD, "mkdir beside\nrename free beside/free");
    assert!(home.join("beside/free").exists());
}
