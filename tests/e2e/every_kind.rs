//! Rules, hooks and the log are the same, whatever keeps an account's files.

use serde_json::{Value, json};
use tidegate_tests::clients::{Proof, sftp_ok};
use tidegate_tests::homes::Kind;
use tidegate_tests::raw_sftp::{RawSftp, Reply, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");
const NEW: u32 = fxf::WRITE | fxf::CREAT | fxf::TRUNC;

/// The status of a reply; that of any other reply is success.
fn status(reply: &Reply) -> u32 {
    if reply.kind == fxp::STATUS { reply.status() } else { fx::OK }
}

fn two(from: &str, to: &str) -> Vec<u8> {
    fields(&[&string(from), &string(to)])
}

fn close(raw: &mut RawSftp, opened: &Reply) -> u32 {
    raw.request(fxp::CLOSE, &string(opened.handle())).status()
}

/// Opens, and closes what was opened.
fn open(raw: &mut RawSftp, path: &str, flags: u32) -> u32 {
    let opened = raw.open_file(path, flags);
    if opened.kind == fxp::HANDLE { close(raw, &opened) } else { opened.status() }
}

fn put(raw: &mut RawSftp, path: &str, size: usize) -> u32 {
    let opened = raw.open_file(path, NEW);
    if opened.kind != fxp::HANDLE {
        return opened.status();
    }
    let write = fields(&[&string(opened.handle()), &0_u64.to_be_bytes(), &string(vec![7; size])]);
    assert_eq!(raw.request(fxp::WRITE, &write).status(), fx::OK, "{path}");
    close(raw, &opened)
}

fn get(raw: &mut RawSftp, path: &str) -> u32 {
    let opened = raw.open_file(path, fxf::READ);
    if opened.kind != fxp::HANDLE {
        return opened.status();
    }
    let read = fields(&[&string(opened.handle()), &0_u64.to_be_bytes(), &4096_u32.to_be_bytes()]);
    assert_eq!(raw.request(fxp::READ, &read).kind, fxp::DATA, "{path}");
    close(raw, &opened)
}

#[test]
fn permissions_are_those_of_the_directory() {
    Kind::ALL.into_iter().for_each(check_permissions);
}

fn check_permissions(kind: Kind) {
    let site = Site::new();
    let home = site.user_of(kind, "alice", &[]);
    let permissions = json!({"username": "alice", "permissions": {
        "/": ["list", "download"], "/in": ["list", "upload"], "/all": ["*"], "/none": ["list"],
    }});
    let file = site.write("permissions.json", permissions.to_string());
    tools::run_ok(&mut site.tidegate(&["user", "update", "--from-json", file.to_str().unwrap()]));
    for name in ["a", "in/old", "all/f", "none/x"] {
        std::fs::create_dir_all(home.join(name).parent().unwrap()).unwrap();
        std::fs::write(home.join(name), name).unwrap();
    }
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let no_attributes = 0_u32.to_be_bytes();
    for (what, path, expected) in [
        (fxf::READ, "/a", fx::OK),
        (NEW, "/new", fx::PERMISSION_DENIED),
        (NEW, "/a", fx::PERMISSION_DENIED),
        (fxf::READ, "/in/old", fx::PERMISSION_DENIED),
        (NEW, "/in/old", fx::PERMISSION_DENIED),
        (NEW, "/in/new", fx::OK),
        (fxf::READ, "/none/x", fx::PERMISSION_DENIED),
        (NEW, "/all/new", fx::OK),
        (fxf::READ, "/all/f", fx::OK),
    ] {
        assert_eq!(open(&mut raw, path, what), expected, "{kind:?} {what} {path}");
    }
    for (request, body, expected) in [
        (fxp::REMOVE, string("/a"), fx::PERMISSION_DENIED),
        (fxp::REMOVE, string("/in/new"), fx::PERMISSION_DENIED),
        (fxp::MKDIR, fields(&[&string("/in/d"), &no_attributes]), fx::PERMISSION_DENIED),
        (fxp::MKDIR, fields(&[&string("/all/d"), &no_attributes]), fx::OK),
        (fxp::RMDIR, string("/all/d"), fx::OK),
        (fxp::RENAME, two("/a", "/all/a"), fx::PERMISSION_DENIED),
        (fxp::RENAME, two("/all/f", "/in/f"), fx::PERMISSION_DENIED),
        (fxp::RENAME, two("/all/f", "/all/g"), fx::OK),
        (fxp::REMOVE, string("/all/g"), fx::OK),
        (fxp::STAT, string("/none/x"), fx::OK),
    ] {
        let reply = raw.request(request, &body);
        assert_eq!(status(&reply), expected, "{kind:?} {request} {}", String::from_utf8_lossy(&body));
    }
    for (name, is_there) in [("a", true), ("in/old", true), ("in/new", true), ("new", false), ("all/g", false)] {
        assert_eq!(home.join(name).exists(), is_there, "{kind:?} {name}");
    }
    assert_eq!(std::fs::read(home.join("in/old")).unwrap(), b"in/old", "{kind:?}");
}

/// What a session does, the answers, what hooks were told, and what the log says.
fn told(kind: Kind) -> (Vec<u32>, Vec<String>, Vec<String>) {
    let site = Site::new();
    let told = site.path("told");
    let hook = site.script(
        "hook.sh",
        &format!(
            "#!/bin/sh\necho \"$SFTPGO_ACTION $SFTPGO_ACTION_VIRTUAL_PATH $SFTPGO_ACTION_VIRTUAL_TARGET \
             size=$SFTPGO_ACTION_FILE_SIZE status=$SFTPGO_ACTION_STATUS\" >> {}\n\
             case \"$SFTPGO_ACTION $SFTPGO_ACTION_VIRTUAL_PATH\" in pre-*refused) exit 1;; esac\n",
            told.display()
        ),
    );
    let site = site.config(&format!(
        "[common.actions]\nexecute_on = [\"pre-upload\", \"upload\", \"pre-download\", \"download\", \"pre-delete\", \
         \"delete\", \"rename\", \"mkdir\", \"rmdir\"]\nhook = [{{ hook = \"{}\", compat = \"current\" }}]\n",
        hook.display()
    ));
    let home = site.user_of(kind, "alice", &[]);
    std::fs::write(home.join("refused"), "kept").unwrap();
    let server = site.start();
    let answers = session(&server);
    let log = lines(&server);
    assert!(server.terminate().success());
    let mut told: Vec<_> = std::fs::read_to_string(told).unwrap().lines().map(str::to_owned).collect();
    told.sort_unstable();
    assert_eq!(std::fs::read(home.join("refused")).unwrap(), b"kept", "{kind:?}");
    (answers, told, log)
}

fn session(server: &Server) -> Vec<u32> {
    let mut raw = RawSftp::connect(server, "alice", "pw");
    let raw = &mut raw;
    let mut answers = vec![raw.request(fxp::MKDIR, &fields(&[&string("/d"), &0_u32.to_be_bytes()])).status()];
    answers.push(put(raw, "/d/f", 1000));
    answers.push(get(raw, "/d/f"));
    answers.push(raw.request(fxp::RENAME, &two("/d/f", "/d/g")).status());
    answers.push(put(raw, "/d/g", 500));
    answers.push(put(raw, "/refused", 1));
    answers.push(get(raw, "/refused"));
    answers.push(raw.request(fxp::REMOVE, &string("/refused")).status());
    answers.push(raw.request(fxp::REMOVE, &string("/d/g")).status());
    answers.push(raw.request(fxp::RMDIR, &string("/d")).status());
    answers
}

/// The log's lines about files: without what differs from run to run, and where they are.
fn lines(server: &Server) -> Vec<String> {
    server.wait_for(|line| line["sender"] == "Rmdir");
    let all = server.log();
    let of_files = all.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_files = of_files.filter(|line| line["file_path"].is_string());
    let name = |value: &Value| value.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    of_files
        .map(|line| {
            let (path, target) = (name(&line["file_path"]), name(&line["target_path"]));
            format!(
                "{} {path} {target} {} {} {}",
                line["sender"], line["size_bytes"], line["username"], line["protocol"]
            )
        })
        .collect()
}

#[test]
fn hooks_and_the_log_are_told_the_same() {
    // A21-03, A21-04
    let (answers, told_of_directory, log) = told(Kind::Local);
    let refused = fx::PERMISSION_DENIED;
    assert_eq!(answers, [0, 0, 0, 0, 0, refused, refused, refused, 0, 0]);
    for expected in ["upload /d/f size=1000 status=1", "upload /d/g size=500 status=1", "rename /d/f /d/g"] {
        let words = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            told_of_directory.iter().any(|line| words(line).starts_with(expected)),
            "{expected}: {told_of_directory:?}"
        );
    }
    assert_eq!(log.iter().filter(|line| line.contains("\"Upload\"")).count(), 2, "{log:?}");
    for kind in [Kind::S3, Kind::Sftp] {
        assert_eq!(told(kind), (answers.clone(), told_of_directory.clone(), log.clone()), "{kind:?}");
    }
}

#[test]
fn patterns_deny_and_hide_names() {
    // A5-18, C3-01
    Kind::ALL.into_iter().for_each(check_patterns);
}

fn check_patterns(kind: Kind) {
    let site = Site::new();
    let home = site.user_of(kind, "alice", &[]);
    let filters = r#"{"username":"alice","filters":{"file_patterns":[
        {"path":"/","denied_patterns":["*.exe"]},
        {"path":"/in","allowed_patterns":["*.csv"]},
        {"path":"/secret","denied_patterns":["hidden*"],"deny_policy":1}]}}"#;
    let filters = site.write("filters.json", filters);
    tools::run_ok(&mut site.tidegate(&["user", "update", "--from-json", filters.to_str().unwrap()]));
    for name in ["a.txt", "a.EXE", "in/a.csv", "in/a.txt", "secret/hidden.txt", "secret/open.txt", "secret/hiddendir/x"]
    {
        std::fs::create_dir_all(home.join(name).parent().unwrap()).unwrap();
        std::fs::write(home.join(name), "content").unwrap();
    }
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let mut status = |kind: u8, body: Vec<u8>| status(&raw.request(kind, &body));
    let open = |path: &str, flags: u32| fields(&[&string(path), &flags.to_be_bytes(), &0_u32.to_be_bytes()]);
    assert_eq!(status(fxp::OPEN, open("a.txt", fxf::READ)), fx::OK);
    assert_eq!(status(fxp::OPEN, open("a.EXE", fxf::READ)), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::STAT, string("a.EXE")), fx::OK, "it may be seen");
    assert_eq!(status(fxp::OPEN, open("new.exe", fxf::WRITE | fxf::CREAT)), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::RENAME, two("a.txt", "a.exe")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::RENAME, two("a.EXE", "b.txt")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::REMOVE, string("a.EXE")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::OPEN, open("in/a.csv", fxf::READ)), fx::OK);
    assert_eq!(status(fxp::OPEN, open("in/a.txt", fxf::READ)), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::OPEN, open("secret/hidden.txt", fxf::READ)), fx::NO_SUCH_FILE);
    assert_eq!(status(fxp::STAT, string("secret/hidden.txt")), fx::NO_SUCH_FILE);
    assert_eq!(status(fxp::STAT, string("secret/hiddendir/x")), fx::NO_SUCH_FILE);
    assert_eq!(status(fxp::OPEN, open("secret/hidden.new", fxf::WRITE | fxf::CREAT)), fx::NO_SUCH_FILE);
    // Neither by another name of the directory, nor of one in it.
    assert_eq!(status(fxp::RENAME, two("/secret/hiddendir", "/seen")), fx::NO_SUCH_FILE);
    assert_eq!(status(fxp::MKDIR, fields(&[&string("secret/sub"), &0_u32.to_be_bytes()])), fx::OK);
    assert_eq!(status(fxp::RENAME, two("/secret/sub", "/sub")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::RENAME, two("/secret/sub", "/secret/other")), fx::OK);
    assert_eq!(status(fxp::RENAME, two("secret", "open")), fx::PERMISSION_DENIED);
    if kind == Kind::S3 {
        assert_eq!(status(fxp::SYMLINK, two("/secret", "/link")), fx::OP_UNSUPPORTED);
        return check_listed(&server, &home, "ls -1 secret\nls -1\n");
    }
    // Nor through a link.
    assert_eq!(status(fxp::SYMLINK, two("/secret", "/link")), fx::OK);
    assert_eq!(status(fxp::OPEN, open("link/hidden.txt", fxf::READ)), fx::NO_SUCH_FILE);
    assert_eq!(status(fxp::STAT, string("link/hiddendir/x")), fx::NO_SUCH_FILE);
    assert_eq!(status(fxp::OPEN, open("link/open.txt", fxf::READ)), fx::OK);
    assert_eq!(status(fxp::SYMLINK, two("secret/hidden.txt", "/innocent")), fx::OK);
    assert_eq!(status(fxp::OPEN, open("innocent", fxf::READ)), fx::NO_SUCH_FILE);
    assert_eq!(status(fxp::SYMLINK, two("a.EXE", "/harmless.txt")), fx::OK);
    assert_eq!(status(fxp::OPEN, open("harmless.txt", fxf::READ)), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::OPEN, open("link/new.exe", fxf::WRITE | fxf::CREAT)), fx::PERMISSION_DENIED);
    check_listed(&server, &home, "ls -1 secret\nls -1 link\nls -1\n");
}

fn check_listed(server: &Server, home: &std::path::Path, batch: &str) {
    let listed = sftp_ok(server, "alice", PASSWORD, batch);
    assert!(listed.contains("open.txt") && !listed.contains("hidden"), "{listed}");
    assert!(listed.contains("a.EXE"), "{listed}");
    assert!(home.join("secret/hidden.txt").exists());
}
