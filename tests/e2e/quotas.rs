//! Quotas to the byte: what is refused, what is counted, and by whom (A10).

use serde_json::Value;
use tidegate_tests::clients::{Proof, exec, openssh, rsync, sftp, sftp_ok, text};
use tidegate_tests::homes::{Home, Kind};
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{attr, fx, fxf, fxp};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");

fn site(arguments: &[&str]) -> (Site, Home) {
    site_of(Kind::Local, arguments)
}

fn site_of(kind: Kind, arguments: &[&str]) -> (Site, Home) {
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let home = site.user_of(kind, "alice", arguments);
    (site, home)
}

/// Files and bytes, as stored.
fn used(site: &Site) -> (i64, i64) {
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    (shown["used_quota_files"].as_i64().unwrap(), shown["used_quota_size"].as_i64().unwrap())
}

/// They are stored a moment after the request.
fn check_used(site: &Site, expected: (i64, i64)) {
    let mut found = (0, 0);
    waiting::look_for(|| {
        found = used(site);
        (found == expected).then_some(())
    });
    assert_eq!(found, expected, "files and bytes");
}

fn scan(site: &Site) -> Value {
    let text = tools::run_ok(&mut site.tidegate(&["quota", "scan", "--username", "alice", "--json"]));
    serde_json::from_str::<Value>(&text).unwrap()[0].clone()
}

/// What was counted is what a scan finds; gives that.
fn check_counted(site: &Site) -> Value {
    let report = scan(site);
    assert_eq!(report["before"], report["found"]);
    report["found"].clone()
}

fn file(site: &Site, name: &str, size: usize) -> String {
    site.write(name, vec![b'x'; size]).display().to_string()
}

/// `put`, and how it ended.
fn put(server: &Server, local: &str, remote: &str) -> bool {
    sftp(server, "alice", PASSWORD, &format!("put {local} {remote}\n")).status.success()
}

#[test]
fn limits_hold_to_the_byte() {
    // A1-07, A10-02, A10-03, A10-04, A10-05
    let local = ["", "upload_mode = 1", "upload_mode = 2"].map(|mode| (Kind::Local, mode));
    let elsewhere = [(Kind::S3, ""), (Kind::Sftp, ""), (Kind::Sftp, "upload_mode = 1")];
    for (kind, mode) in local.into_iter().chain(elsewhere) {
        let (site, home) = site_of(kind, &["--quota-size", "1000", "--quota-files", "3"]);
        let site = site.config(mode);
        let server = site.start();
        let (large, small) = (file(&site, "large", 600), file(&site, "small", 400));
        assert!(put(&server, &large, "a"));
        check_used(&site, (1, 600));
        // One byte too many: nothing of it stays.
        let one_more = file(&site, "one-more", 401);
        assert!(!put(&server, &one_more, "b"), "{mode}");
        assert!(!home.join("b").exists(), "{mode}");
        check_used(&site, (1, 600));
        assert!(put(&server, &small, "b"));
        check_used(&site, (2, 1000));
        // Full: not even an empty file; but writing over the own bytes is no growth.
        let empty = file(&site, "empty", 0);
        assert!(!put(&server, &empty, "c"));
        assert!(put(&server, &large, "a"));
        assert!(!put(&server, &large, "b"), "200 bytes too many");
        if mode.is_empty() && kind != Kind::S3 {
            // B10-09: emptied when it was opened, it goes with what was written.
            assert!(!home.join("b").exists());
            check_used(&site, (1, 600));
            assert!(put(&server, &small, "b"));
        }
        assert_eq!(std::fs::metadata(home.join("b")).unwrap().len(), 400, "the old file stays");
        check_used(&site, (2, 1000));
        // Smaller, renamed over, removed.
        assert!(put(&server, &small, "a"));
        check_used(&site, (2, 800));
        sftp_ok(&server, "alice", PASSWORD, "rename a b\n");
        check_used(&site, (1, 400));
        if kind == Kind::Local {
            sftp_ok(&server, "alice", PASSWORD, "ln b hard\nln -s b soft\n");
            check_used(&site, (1, 400));
            sftp_ok(&server, "alice", PASSWORD, "rm b\nrm soft\nrename hard b\n");
            check_used(&site, (1, 400));
        }
        if kind == Kind::Sftp {
            // The protocol does not tell which names are one file: each counts.
            sftp_ok(&server, "alice", PASSWORD, "ln b hard\nln -s b soft\n");
            check_used(&site, (2, 800));
            sftp_ok(&server, "alice", PASSWORD, "rm b\nrm soft\nrename hard b\n");
            check_used(&site, (1, 400));
        }
        sftp_ok(&server, "alice", PASSWORD, "rm b\n");
        check_used(&site, (0, 0));
        // Files.
        for name in ["1", "2", "3"] {
            assert!(put(&server, &empty, name));
        }
        assert!(!put(&server, &empty, "4"));
        assert!(put(&server, &small, "3"));
        check_used(&site, (3, 400));
        check_counted(&site);
    }
}

#[test]
fn every_way_to_grow_is_counted() {
    // A10-03, A10-04
    let (site, home) = site(&["--quota-size", "100000"]);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let write =
        |handle: &[u8], offset: u64, data: &[u8]| fields(&[&string(handle), &offset.to_be_bytes(), &string(data)]);
    let set_size = |size: u64| [&attr::SIZE.to_be_bytes()[..], &size.to_be_bytes()].concat();
    // Sparse: the size counts.
    let handle = raw.open_file("sparse", fxf::WRITE | fxf::CREAT).handle();
    assert_eq!(raw.request(fxp::WRITE, &write(&handle, 90_000, b"end")).status(), fx::OK);
    assert_eq!(raw.request(fxp::WRITE, &write(&handle, 99_998, b"too long")).status(), fx::FAILURE);
    assert_eq!(
        raw.request(fxp::CLOSE, &string(&handle)).status(),
        fx::FAILURE,
        "an upload that met the limit leaves nothing"
    );
    assert!(!home.join("sparse").exists());
    let handle = raw.open_file("sparse", fxf::WRITE | fxf::CREAT).handle();
    assert_eq!(raw.request(fxp::WRITE, &write(&handle, 90_000, b"end")).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    check_used(&site, (1, 90_003));
    // Truncation, both ways, by path and by handle.
    assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("sparse"), &set_size(10)])).status(), fx::OK);
    check_used(&site, (1, 10));
    assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("sparse"), &set_size(100_001)])).status(), fx::FAILURE);
    assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("sparse"), &set_size(50_000)])).status(), fx::OK);
    let handle = raw.open_file("sparse", fxf::WRITE).handle();
    assert_eq!(raw.request(fxp::FSETSTAT, &fields(&[&string(&handle), &set_size(20)])).status(), fx::OK);
    assert_eq!(raw.request(fxp::FSETSTAT, &fields(&[&string(&handle), &set_size(200_000)])).status(), fx::FAILURE);
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    check_used(&site, (1, 20));
    // Resized, with an owner and a group that stay.
    let owner = [&3_u32.to_be_bytes()[..], &500_u64.to_be_bytes(), &[0xff; 8]].concat();
    assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("sparse"), &owner])).status(), fx::OK);
    check_used(&site, (1, 500));
    assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("sparse"), &set_size(20)])).status(), fx::OK);
    // Clients cannot make files with the names of the server's temporary files.
    assert_eq!(raw.open_file(".tidegate-upload.1", fxf::WRITE | fxf::CREAT).status(), fx::PERMISSION_DENIED);
    // Appending, by two handles at once.
    let first = raw.open_file("sparse", fxf::WRITE | fxf::APPEND).handle();
    let second = raw.open_file("sparse", fxf::WRITE | fxf::APPEND).handle();
    assert_eq!(raw.request(fxp::WRITE, &write(&first, 20, &[1; 100])).status(), fx::OK);
    assert_eq!(raw.request(fxp::WRITE, &write(&second, 20, &[2; 100])).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&first)).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&second)).status(), fx::OK);
    check_used(&site, (1, 220));
    // A copy inside the server.
    let (from, to) =
        (raw.open_file("sparse", fxf::READ).handle(), raw.open_file("copy", fxf::WRITE | fxf::CREAT).handle());
    let zero = 0_u64.to_be_bytes();
    let copy = fields(&[&string("copy-data"), &string(&from), &zero, &zero, &string(&to), &zero]);
    assert_eq!(raw.request(fxp::EXTENDED, &copy).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&to)).status(), fx::OK);
    check_used(&site, (2, 440));
    // One that meets the limit takes nothing from another that writes the same file.
    let (first, second) = (
        raw.open_file("copy", fxf::WRITE | fxf::APPEND).handle(),
        raw.open_file("copy", fxf::WRITE | fxf::APPEND).handle(),
    );
    assert_eq!(raw.request(fxp::WRITE, &write(&first, 220, &[5; 50])).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&first)).status(), fx::OK);
    assert_eq!(raw.request(fxp::WRITE, &write(&second, 220, &vec![6; 100_000])).status(), fx::FAILURE);
    assert_eq!(raw.request(fxp::CLOSE, &string(&second)).status(), fx::FAILURE);
    assert_eq!(std::fs::metadata(home.join("copy")).unwrap().len(), 270);
    assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("copy"), &set_size(220)])).status(), fx::OK);
    // A link that is turned to another file while it is written over.
    assert_eq!(raw.request(fxp::SYMLINK, &fields(&[&string("sparse"), &string("link")])).status(), fx::OK);
    let handle = raw.open_file("link", fxf::WRITE | fxf::CREAT | fxf::TRUNC).handle();
    assert_eq!(raw.request(fxp::WRITE, &write(&handle, 0, &[7; 220])).status(), fx::OK);
    assert_eq!(raw.request(fxp::REMOVE, &string("link")).status(), fx::OK);
    assert_eq!(raw.request(fxp::SYMLINK, &fields(&[&string("copy"), &string("link")])).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    assert_eq!(raw.request(fxp::REMOVE, &string("link")).status(), fx::OK);
    check_used(&site, (2, 440));
    // A file that is removed while it is written.
    let handle = raw.open_file("gone", fxf::WRITE | fxf::CREAT).handle();
    assert_eq!(raw.request(fxp::WRITE, &write(&handle, 0, &[3; 1000])).status(), fx::OK);
    assert_eq!(raw.request(fxp::REMOVE, &string("gone")).status(), fx::OK);
    assert_eq!(raw.request(fxp::WRITE, &write(&handle, 1000, &[3; 1000])).status(), fx::OK);
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    check_used(&site, (2, 440));
    // A client that vanishes.
    let handle = raw.open_file("part", fxf::WRITE | fxf::CREAT).handle();
    assert_eq!(raw.request(fxp::WRITE, &write(&handle, 0, &[4; 1000])).status(), fx::OK);
    drop(raw);
    check_used(&site, (3, 1440));
    check_counted(&site);
}

#[test]
fn what_others_change_is_found_by_a_scan() {
    // A10-06
    let (site, home) = site(&["--quota-files", "2"]);
    std::fs::create_dir_all(home.join("d/e")).unwrap();
    std::fs::write(home.join("d/e/there-before"), "12345").unwrap();
    let server = site.start();
    let empty = file(&site, "empty", 0);
    // An account that was never counted is counted before its first upload.
    assert!(put(&server, &empty, "a"));
    check_used(&site, (2, 5));
    assert!(!put(&server, &empty, "b"));
    std::fs::remove_file(home.join("d/e/there-before")).unwrap();
    assert!(!put(&server, &empty, "b"), "the server was not told");
    let report = scan(&site);
    assert_eq!(report["found"]["files"], 1);
    assert!(put(&server, &empty, "b"));
    // And without a server.
    server.terminate();
    std::fs::write(home.join("c"), "123").unwrap();
    assert_eq!(scan(&site)["found"]["size"], 3);
    check_used(&site, (3, 3));
    let text = tools::run_ok(&mut site.tidegate(&["quota", "scan"]));
    assert_eq!(text.trim(), "alice: 3 files, 3 bytes");
    let wrong = tools::run(&mut site.tidegate(&["quota", "scan", "--username", "nobody"]));
    assert!(text_of(&wrong).contains("no account named \"nobody\""), "{}", text_of(&wrong));
}

fn text_of(output: &std::process::Output) -> String {
    text(output)
}

#[test]
fn tracking_can_be_switched_off() {
    // A10-01
    let (site, _) = site(&["--quota-files", "1"]);
    let site = site.config("[data_provider]\ntrack_quota = 0");
    let server = site.start();
    let empty = file(&site, "empty", 0);
    assert!(put(&server, &empty, "a") && put(&server, &empty, "b"));
    check_used(&site, (0, 0));
    let refused = tools::run(&mut site.tidegate(&["quota", "scan"]));
    assert!(!refused.status.success() && text(&refused).contains("track_quota"), "{}", text(&refused));
}

#[test]
fn programs_are_counted_and_stopped() {
    // A7-06
    let (site, home) = site(&["--quota-size", "300000", "--quota-files", "10"]);
    let server = site.start();
    let send = |arguments: &[&str]| tools::run(&mut rsync(&server, "pw", arguments));
    let tree = site.path("tree");
    for number in 0..4 {
        site.write(&format!("tree/{number}"), noise(50_000, number));
    }
    let source = format!("{}/", tree.display());
    let sent = send(&["-a", &source, "alice@127.0.0.1:/tree/"]);
    assert!(sent.status.success(), "{}", text(&sent));
    check_used(&site, (4, 200_000));
    site.write("tree/large", noise(150_000, 9));
    let sent = send(&["-a", &source, "alice@127.0.0.1:/tree/"]);
    assert!(!sent.status.success(), "more than there is room for");
    check_refused(&site, 300_000);
    std::fs::remove_file(site.path("tree/large")).unwrap();
    let sent = send(&["-a", "--delete", &source, "alice@127.0.0.1:/tree/"]);
    assert!(sent.status.success(), "{}", text(&sent));
    check_used(&site, (4, 200_000));
    assert!(home.join("tree/3").exists());
    // Commands are in the log, and a refused one says why.
    server.wait_for_text("\"sender\":\"SSHCommand\"");
    let refused = exec(&server, "alice", PASSWORD, "rsync --server --daemon . /", b"");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("--daemon is not allowed"), "{}", text(&refused));
}

/// After an rsync was refused: a scan finds what is stored, and no more than `most` bytes.
fn check_refused(site: &Site, most: i64) {
    let found = check_counted(site);
    assert!(found["size"].as_i64().unwrap() <= most, "{found}");
}

#[test]
fn programs_at_the_same_time_share_the_room() {
    // A7-06, A10-03. Slow enough that they run side by side.
    let (site, _) = site(&["--quota-size", "3000000", "--upload-bandwidth", "2000"]);
    let server = site.start();
    for (index, name) in ["one", "two", "three"].iter().enumerate() {
        for part in 0..4 {
            site.write(&format!("{name}/{part}"), noise(500_000, (index * 10 + part) as u64));
        }
    }
    let started: Vec<_> = ["one", "two", "three"]
        .map(|name| {
            let source = site.path(name).display().to_string();
            let mut command = rsync(&server, "pw", &["-a", &source, "alice@127.0.0.1:/"]);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
        })
        .into();
    let ended = started.into_iter().map(|mut child| child.wait().unwrap().success());
    assert!(ended.filter(|success| *success).count() <= 1, "two of them are more than there is room for");
    check_refused(&site, 3_000_000);
}

#[test]
fn what_arrives_compressed_is_counted_as_it_is_stored() {
    // A7-06
    let (site, home) = site(&["--quota-size", "30000000"]);
    let server = site.start();
    // Each of them fits.
    for number in 0..100 {
        let path = site.write(&format!("zeros/{number}"), "");
        std::fs::File::options().write(true).open(path).unwrap().set_len(5_000_000).unwrap();
    }
    let source = site.path("zeros").display().to_string();
    for options in [&["-az"][..], &["-azS"]] {
        let sent = tools::run(&mut rsync(&server, "pw", &[options, &[&source, "alice@127.0.0.1:/"]].concat()));
        // The program is stopped a moment later.
        check_refused(&site, 250_000_000);
        assert!(!sent.status.success() && text(&sent).contains("quota"), "{}", text(&sent));
        std::fs::remove_dir_all(home.join("zeros")).unwrap();
        scan(&site);
    }
}

#[test]
fn writing_over_the_same_files_needs_no_room_for_all_of_them() {
    let (site, _) = site(&["--quota-size", "12000000"]);
    let server = site.start();
    let source = format!("{}/", site.path("tree").display());
    // Other content each time, three times as much as there is room for.
    for round in 0..4 {
        for number in 0..20 {
            site.write(&format!("tree/{number}"), noise(500_000, round * 100 + number));
        }
        let sent =
            tools::run(&mut rsync(&server, "pw", &["-a", "-W", "--ignore-times", &source, "alice@127.0.0.1:/tree/"]));
        assert!(sent.status.success(), "round {round}: {}", text(&sent));
        check_used(&site, (20, 10_000_000));
    }
}

#[test]
fn a_limit_set_during_an_upload_holds_for_it() {
    // A10-03: changes of accounts take effect on running sessions.
    for mode in ["", "upload_mode = 1", "upload_mode = 2"] {
        let (site, home) = site(&[]);
        let site = site.config(mode);
        site.write("homes/alice/older", [b'x'; 300]);
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        // Write, create and truncate.
        let handle = raw.open_file("running", fxf::WRITE | fxf::CREAT | fxf::TRUNC).handle();
        let mut write = |offset: u64, size: usize| {
            let body = fields(&[&string(&handle), &offset.to_be_bytes(), &string(vec![b'y'; size])]);
            raw.request(fxp::WRITE, &body).status()
        };
        assert_eq!(write(0, 400), fx::OK);
        tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "alice", "--quota-size", "1000"]));
        // The same bytes once more, until the change is known.
        waiting::until("the usage is counted", || {
            assert_eq!(write(0, 400), fx::OK, "{mode}");
            used(&site).1 != 0
        });
        assert_eq!(write(400, 300), fx::OK, "{mode}: room for 300 more");
        assert_eq!(write(700, 1), fx::FAILURE, "{mode}: and not for one more than that");
        raw.request(fxp::CLOSE, &string(&handle));
        assert!(!home.join("running").exists(), "nothing of it stays");
        check_used(&site, (1, 300));
        check_counted(&site);
    }
}

#[test]
fn an_upload_that_a_new_limit_refuses_when_it_is_complete_leaves_nothing() {
    // A10-03, A5-11
    for mode in ["upload_mode = 1", "upload_mode = 2"] {
        let (site, home) = site(&[]);
        let site = site.config(mode);
        site.write("homes/alice/older", [b'x'; 300]);
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        let handle = raw.open_file("running", fxf::WRITE | fxf::CREAT | fxf::TRUNC).handle();
        let body = fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(vec![b'y'; 600])]);
        assert_eq!(raw.request(fxp::WRITE, &body).status(), fx::OK);
        let less =
            r#"{"username":"alice","quota_size":500,"permissions":{"/":["list","upload","overwrite","delete"]}}"#;
        let less = site.write("less.json", less);
        tools::run_ok(&mut site.tidegate(&["user", "update", "--from-json", less.to_str().unwrap()]));
        // Until the change is known: then directories may not be made at all.
        let make = fields(&[&string("older"), &0_u32.to_be_bytes()]);
        waiting::until("the permissions change", || raw.request(fxp::MKDIR, &make).status() == fx::PERMISSION_DENIED);
        assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::FAILURE, "{mode}");
        assert!(!home.join("running").exists(), "{mode}: nothing of it stays");
        check_used(&site, (1, 300));
        check_counted(&site);
    }
}

#[test]
fn no_name_hides_a_file_from_its_quota() {
    let (site, _) = site(&["--quota-size", "300000"]);
    let server = site.start();
    for number in 0..6 {
        site.write(&format!("tree/.tidegate-upload.{number}"), noise(100_000, number));
    }
    let source = format!("{}/", site.path("tree").display());
    let sent = tools::run(&mut rsync(&server, "pw", &["-a", &source, "alice@127.0.0.1:/tree/"]));
    assert!(!sent.status.success(), "{}", text(&sent));
    check_refused(&site, 300_000);
    assert!(scan(&site)["found"]["size"].as_i64().unwrap() >= 100_000, "they are counted");
}

/// Bytes that do not compress.
fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}

#[test]
fn an_upload_that_hooks_refuse_is_not_counted() {
    // B10-08
    let site = Site::new();
    let script = site.script("no", "#!/bin/sh\nexit 1\n");
    let site = site.config(&format!(
        "[common.actions]\nexecute_on = [\"upload\"]\nexecute_sync = [\"upload\"]\nhook = \"{}\"",
        script.display()
    ));
    let home = site.user_with("alice", &["--password", "pw", "--quota-files", "5"]);
    let server = site.start();
    assert!(!put(&server, &file(&site, "some", 10), "a"));
    assert!(!home.join("a").exists());
    check_used(&site, (0, 0));
    assert!(home.exists());
}

#[test]
fn scp_meets_the_limit_file_by_file() {
    // A6-05
    let (site, home) = site(&["--quota-files", "2", "--quota-size", "100"]);
    let server = site.start();
    for (name, size) in [("a", 60), ("b", 41), ("c", 40), ("d", 0)] {
        site.write(&format!("tree/{name}"), vec![b'x'; size]);
    }
    let send = |name: &str| {
        let (from, to) = (site.path("tree").join(name), format!("alice@127.0.0.1:/{name}"));
        openssh("scp", &server, PASSWORD).arg("-O").arg(from).arg(to).output().unwrap().status.success()
    };
    // Too large for what is left; as large as that; one file too many.
    assert!(send("a") && !send("b") && send("c") && !send("d"));
    assert!(!home.join("b").exists() && !home.join("d").exists());
    check_used(&site, (2, 100));
}

#[test]
fn without_its_usage_an_account_uploads_nothing() {
    // A10-08
    let (site, home) = site(&["--quota-files", "5"]);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let rename = |from: &str, to: &str| {
        let script = format!(
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=30); \
             c.execute('alter table {from} rename to {to}'); c.commit()"
        );
        let mut python = std::process::Command::new(tools::python());
        tools::run_ok(python.args(["-c", &script]).arg(site.path("tidegate.db")));
    };
    rename("users", "away");
    let refused = raw.open_file("a", fxf::WRITE | fxf::CREAT);
    rename("away", "users");
    assert_eq!(refused.status(), fx::FAILURE);
    assert!(!home.join("a").exists());
    let handle = raw.open_file("a", fxf::WRITE | fxf::CREAT).handle();
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    check_used(&site, (1, 0));
}
