//! What the protocol promises: permissions, extensions, uploads.

use tidegate_tests::clients::{Proof, openssh, sftp, sftp_ok, text};
use tidegate_tests::raw_sftp::{RawSftp, fields, init, string};
use tidegate_tests::server::Site;
use tidegate_tests::sftp_numbers::{attr, fx, fxf, fxp};

const PASSWORD: Proof<'static> = Proof::Password("pw");

#[test]
fn permissions_hold_per_directory() {
    // A1-10, A5-04, A5-05, A5-06, A5-07, J-19
    let site = Site::new();
    let home = site.user_with(
        "alice",
        &[
            "--password",
            "pw",
            "--permissions",
            "/:*",
            "--permissions",
            "/ro:list,download",
            "--permissions",
            "/drop:upload",
        ],
    );
    for directory in ["ro", "drop", "free"] {
        std::fs::create_dir_all(home.join(directory)).unwrap();
        std::fs::write(home.join(directory).join("file"), "old").unwrap();
    }
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let mut status = |kind: u8, body: Vec<u8>| {
        let reply = raw.request(kind, &body);
        if reply.kind == fxp::STATUS { reply.status() } else { fx::OK }
    };
    let open = |path: &str, flags: u32| fields(&[&string(path), &flags.to_be_bytes(), &0_u32.to_be_bytes()]);
    let two = |from: &str, to: &str| fields(&[&string(from), &string(to)]);
    let chmod = |path: &str| fields(&[&string(path), &attr::PERMISSIONS.to_be_bytes(), &0o600_u32.to_be_bytes()]);
    // Read-only.
    assert_eq!(status(fxp::OPEN, open("ro/file", fxf::READ)), fx::OK);
    assert_eq!(status(fxp::OPENDIR, string("ro")), fx::OK);
    assert_eq!(status(fxp::OPEN, open("ro/new", fxf::WRITE | fxf::CREAT)), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::OPEN, open("ro/file", fxf::WRITE)), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::REMOVE, string("ro/file")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::MKDIR, fields(&[&string("ro/d"), &0_u32.to_be_bytes()])), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::SETSTAT, chmod("ro/file")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::RENAME, two("ro/file", "free/taken")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::RENAME, two("free/file", "ro/given")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::SYMLINK, two("file", "ro/link")), fx::PERMISSION_DENIED);
    // Upload only: no look, no overwriting.
    assert_eq!(status(fxp::OPEN, open("drop/new", fxf::WRITE | fxf::CREAT)), fx::OK);
    assert_eq!(status(fxp::OPEN, open("drop/file", fxf::WRITE | fxf::CREAT | fxf::TRUNC)), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::OPEN, open("drop/file", fxf::READ)), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::OPENDIR, string("drop")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::STAT, string("drop/file")), fx::PERMISSION_DENIED);
    // A hard link must not carry a file to where more is allowed.
    let hard_link = |from: &str, to: &str| fields(&[&string("hardlink@openssh.com"), &string(from), &string(to)]);
    assert_eq!(status(fxp::EXTENDED, hard_link("ro/file", "free/copy")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::EXTENDED, hard_link("free/file", "free/copy")), fx::OK);
    // Nor must a name or a link carry a directory away from its rules.
    assert_eq!(status(fxp::RENAME, two("ro", "free/moved")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::RENAME, two("free", "drop")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::SYMLINK, two("/ro", "free/link")), fx::OK);
    assert_eq!(status(fxp::OPEN, open("free/link/file", fxf::WRITE)), fx::PERMISSION_DENIED);
    // The root itself.
    assert_eq!(status(fxp::RMDIR, string("/")), fx::PERMISSION_DENIED);
    assert_eq!(status(fxp::RENAME, two("/", "/x")), fx::PERMISSION_DENIED);
    assert_eq!(std::fs::read_to_string(home.join("ro/file")).unwrap(), "old");
}

#[test]
fn extensions_are_advertised_and_answered() {
    // A5-01
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let mut raw = RawSftp::open(&server, "alice", "pw");
    raw.send(&init());
    let version = raw.receive().unwrap();
    assert_eq!(&version[..5], [fxp::VERSION, 0, 0, 0, 3]);
    let version = String::from_utf8_lossy(&version).into_owned();
    for name in [
        "posix-rename@openssh.com",
        "statvfs@openssh.com",
        "fstatvfs@openssh.com",
        "hardlink@openssh.com",
        "fsync@openssh.com",
        "lsetstat@openssh.com",
        "limits@openssh.com",
        "expand-path@openssh.com",
        "copy-data",
        "home-directory",
        "users-groups-by-id@openssh.com",
    ] {
        assert!(version.contains(name), "{name}");
    }
    let expand = |path: &str| fields(&[&string("expand-path@openssh.com"), &string(path)]);
    let name_in = |reply: tidegate_tests::raw_sftp::Reply| {
        assert_eq!(reply.kind, fxp::NAME);
        let length = u32::from_be_bytes(reply.body[4..8].try_into().unwrap()) as usize;
        String::from_utf8(reply.body[8..8 + length].to_vec()).unwrap()
    };
    assert_eq!(name_in(raw.request(fxp::EXTENDED, &expand("~"))), "/");
    assert_eq!(name_in(raw.request(fxp::EXTENDED, &expand("~/./b"))), "/b");
    // As REALPATH, which follows what is before `..`.
    assert_eq!(raw.request(fxp::EXTENDED, &expand("~/a/../b")).status(), fx::NO_SUCH_FILE);
    assert_eq!(name_in(raw.request(fxp::EXTENDED, &expand("~alice/b"))), "/b");
    assert_eq!(raw.request(fxp::EXTENDED, &expand("~bob/x")).status(), fx::NO_SUCH_FILE);
    let home_of = |user: &str| fields(&[&string("home-directory"), &string(user)]);
    assert_eq!(name_in(raw.request(fxp::EXTENDED, &home_of(""))), "/");
    assert_eq!(name_in(raw.request(fxp::EXTENDED, &home_of("alice"))), "/");
    for other in ["bob", "root", "Alice", "alice "] {
        assert_eq!(raw.request(fxp::EXTENDED, &home_of(other)).status(), fx::FAILURE, "{other}");
    }
    // A5-19: the text begins with OpenSSH's words.
    let missing = raw.request(fxp::STAT, &string("/none"));
    assert_eq!(&missing.body[4..], [string("No such file"), string("")].concat());
    let ids = fields(&[
        &string("users-groups-by-id@openssh.com"),
        &string(0_u32.to_be_bytes()),
        &string(4_000_000_u32.to_be_bytes()),
    ]);
    let names = raw.request(fxp::EXTENDED, &ids);
    assert_eq!(
        (names.kind, &names.body),
        (fxp::EXTENDED_REPLY, &fields(&[&string(string("root")), &string(string(""))]))
    );
    // A4-14: OpenSSH's client ends with the status that it was sent, and with 255 without one.
    let mut ssh = openssh("ssh", &server, PASSWORD);
    let ended = ssh.args(["-s", "alice@127.0.0.1", "sftp"]).stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended));
}

#[test]
fn an_upload_that_is_cut_off_leaves_what_the_mode_says() {
    // A1-15, A3-16, A5-10, A5-11
    const EMPTIED: u32 = fxf::WRITE | fxf::CREAT | fxf::TRUNC;
    // As OpenSSH's `scp` opens files.
    const KEPT: u32 = fxf::WRITE | fxf::CREAT;
    for (mode, flags, expected) in [
        ("0", EMPTIED, "half"),
        ("0", KEPT, "halfr content"),
        ("1", EMPTIED, "older content"),
        ("1", KEPT, "older content"),
        ("2", EMPTIED, "half"),
        ("2", KEPT, "halfr content"),
    ] {
        let site = Site::new().config(&format!("upload_mode = {mode}"));
        let home = site.user("alice");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("file"), "older content").unwrap();
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        let handle = raw.open_file("file", flags).handle();
        let write =
            |handle: &[u8], offset: u64, data: &str| fields(&[&string(handle), &offset.to_be_bytes(), &string(data)]);
        assert_eq!(raw.request(fxp::WRITE, &write(&handle, 0, "half")).status(), fx::OK);
        drop(raw);
        server.wait_for_text("the transfer was not completed");
        assert_eq!(std::fs::read_to_string(home.join("file")).unwrap(), expected, "mode {mode}, flags {flags}");
        // Resumed by its size, as lftp, curl and OpenSSH's client do it, it is the new file.
        if expected == "half" {
            let mut raw = RawSftp::connect(&server, "alice", "pw");
            let handle = raw.open_file("file", fxf::WRITE).handle();
            assert_eq!(raw.request(fxp::WRITE, &write(&handle, 4, " and half")).status(), fx::OK);
            assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
            assert_eq!(std::fs::read_to_string(home.join("file")).unwrap(), "half and half", "mode {mode}");
        }
        assert_eq!(std::fs::read_dir(&home).unwrap().count(), 1, "mode {mode}");
    }
}

#[test]
fn a_full_disk_loses_nothing_in_mode_1() {
    // A5-10
    let site = Site::new().config("upload_mode = 1");
    let disk = site.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&disk)
        .status()
        .unwrap();
    assert!(mount.success(), "a tmpfs cannot be mounted; run the tests as root");
    let unmount = || std::process::Command::new("umount").args(["-l"]).arg(&disk).status();
    site.user("alice");
    let mut update = site.tidegate(&["user", "update", "--username", "alice", "--home-dir", disk.to_str().unwrap()]);
    tidegate_tests::tools::run_ok(&mut update);
    std::fs::write(disk.join("file"), "old").unwrap();
    let large = site.write("large", vec![1; 3 << 20]);
    let server = site.start();
    let output = sftp(&server, "alice", PASSWORD, &format!("put {} file\n", large.display()));
    let answer = text(&output);
    let kept = std::fs::read_to_string(disk.join("file")).unwrap();
    sftp_ok(&server, "alice", PASSWORD, "ls\n");
    unmount().unwrap();
    assert!(!output.status.success(), "{answer}");
    assert_eq!(kept, "old");
}

#[test]
fn logs_have_the_documented_lines() {
    // A21-01, A21-03, A21-04, A21-08
    let site = Site::new();
    let home = site.user("alice");
    let at = |name: &str| serde_json::Value::from(home.join(name).display().to_string());
    let file = site.write("sent", "content");
    // Nine hours before UTC in POSIX's sense: times are local ones.
    let server = site.start_with(&[("TZ", "XYZ-9")]);
    let hour_there = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        format!("T{:02}:", (now / 3600 + 9) % 24)
    };
    let before = hour_there();
    let batch = format!(
        "put {} file\nget file {}\nchmod 600 file\nrename file other\nmkdir d\nrmdir d\nrm other\n",
        file.display(),
        site.path("got").display()
    );
    sftp_ok(&server, "alice", PASSWORD, &batch);
    let keys = |line: &serde_json::Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let login = server.wait_for(|line| line["sender"] == "login");
    let expected = "level time sender ip username account method protocol connection_id client encrypted info";
    assert_eq!(keys(&login), expected);
    assert_eq!((&login["ip"], &login["protocol"]), (&"127.0.0.1".into(), &"SSH".into()));
    assert_eq!((&login["method"], &login["encrypted"]), (&"password".into(), &true.into()));
    let upload = server.wait_for(|line| line["sender"] == "Upload");
    assert_eq!(keys(&upload), "level time sender elapsed_ms size_bytes username file_path connection_id protocol");
    assert_eq!((&upload["size_bytes"], &upload["protocol"]), (&7.into(), &"SFTP".into()));
    assert_eq!((&upload["username"], &upload["file_path"]), (&"alice".into(), &at("file")));
    let (time, hours) = (upload["time"].as_str().unwrap(), [before, hour_there()]);
    assert!(hours.iter().any(|hour| time[10..].starts_with(hour.as_str())), "{time} is not at {hours:?}");
    let download = server.wait_for(|line| line["sender"] == "Download");
    assert_eq!((&download["size_bytes"], &download["file_path"]), (&7.into(), &at("file")));
    let chmod = server.wait_for(|line| line["sender"] == "Chmod");
    assert_eq!(chmod["filemode"], "600");
    let rename = server.wait_for(|line| line["sender"] == "Rename");
    assert_eq!(
        keys(&rename),
        "level time sender username file_path target_path filemode uid gid access_time modification_time ssh_command connection_id protocol"
    );
    assert_eq!((&rename["file_path"], &rename["target_path"]), (&at("file"), &at("other")));
    for (sender, name) in [("Mkdir", "d"), ("Rmdir", "d"), ("Remove", "other")] {
        let line = server.wait_for(|line| line["sender"] == sender);
        assert_eq!(line["file_path"], at(name), "{line}");
    }
    site.write("homes/alice/f", "x");
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    // Noon in UTC of two days.
    let times = [&8_u32.to_be_bytes()[..], &1_000_036_800_u32.to_be_bytes(), &1_100_001_600_u32.to_be_bytes()].concat();
    assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("f"), &times])).status(), fx::OK);
    let line = server.wait_for(|line| line["sender"] == "Chtimes");
    let day = |key: &str| line[key].as_str().unwrap()[..10].to_owned();
    assert_eq!((day("access_time"), day("modification_time")), ("2001-09-09".to_owned(), "2004-11-09".to_owned()));
    assert_eq!(line["access_time"], "2001-09-09T21:00:00", "{line}");
    assert_eq!((&line["uid"], &line["gid"], &line["filemode"]), (&(-1).into(), &(-1).into(), &"".into()));
    assert_eq!(raw.request(fxp::SYMLINK, &fields(&[&string("f"), &string("/l")])).status(), fx::OK);
    let line = server.wait_for(|line| line["sender"] == "Symlink");
    assert_eq!((&line["username"], &line["protocol"]), (&"alice".into(), &"SFTP".into()));
    // Only root gives files away.
    let owner = [&2_u32.to_be_bytes()[..], &1234_u32.to_be_bytes(), &1235_u32.to_be_bytes()].concat();
    if raw.request(fxp::SETSTAT, &fields(&[&string("f"), &owner])).status() == fx::OK {
        let line = server.wait_for(|line| line["sender"] == "Chown");
        assert_eq!((&line["uid"], &line["gid"]), (&1234.into(), &1235.into()));
    }
}
