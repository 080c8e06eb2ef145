//! Accounts whose files are in S3, with OpenSSH's client and a store that runs beside the server (A16). The store
//! keeps no directory without files, and fails when it is asked for an object that it has as a directory.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use tidegate_tests::clients::{Proof, exec, sftp, sftp_ok, text};
use tidegate_tests::object_store::Store;
use tidegate_tests::server::{Server, Site};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");
const MIB: usize = 1 << 20;

fn started(more: &str) -> (Site, Store, Server) {
    started_with(Site::new(), more)
}

fn started_with(site: Site, more: &str) -> (Site, Store, Server) {
    let store = Store::start(&site);
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

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 7 + at / 251) % 251).unwrap()).collect()
}

#[test]
fn files_go_to_the_store_and_come_back() {
    // A1-18, A16-01, A16-04, A16-05, C4-01
    let (site, store, server) = started("");
    for length in [0, 1000, 20 * MIB + 7] {
        let local = site.write("local", bytes(length));
        let back = site.path("back");
        let batch = format!(
            "put {local} f\nls -l\nget f {back}\nrename f g\nls -1\nget g {back}2\nrm g\n",
            local = local.display(),
            back = back.display()
        );
        let shown = sftp_ok(&server, "alice", PASSWORD, &batch);
        assert!(shown.contains(&length.to_string()), "{shown}");
        for copy in [back, site.path("back2")] {
            assert!(std::fs::read(copy).unwrap() == bytes(length), "{length}");
        }
        assert!(store.objects().is_empty(), "{:?}", store.objects());
    }
    assert!(store.unfinished().is_empty(), "{:?}", store.unfinished());
}

#[test]
fn what_the_store_cannot_do_is_refused() {
    // A7-03, A16-03
    let (site, store, server) = started_with(Site::new().config("enabled_ssh_commands = [\"*\"]"), "");
    let local = site.write("local", "content");
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} f\nchmod 600 f\n", local.display()));
    // With fsync, which the client says and passes over.
    let output = sftp(&server, "alice", PASSWORD, &format!("put -f {} g\nrm g\n", local.display()));
    assert!(output.status.success() && text(&output).contains("fsync"), "{}", text(&output));
    for refused in ["ln -s f l", "ln f l", "rename none l"] {
        let output = sftp(&server, "alice", PASSWORD, &format!("{refused}\n"));
        assert!(!output.status.success(), "{refused}: {}", text(&output));
    }
    for command in ["git-upload-pack '/f'", "rsync --server --sender -logDtpre.iLsfxCIvu . /f"] {
        let output = exec(&server, "alice", PASSWORD, command, b"");
        assert!(!output.status.success() && text(&output).contains("not on this host"), "{command}: {}", text(&output));
    }
    assert_eq!(store.objects(), ["f"]);
}

#[test]
fn directories_are_made_where_the_store_keeps_none_without_files() {
    let (site, store, server) = started("");
    let local = site.write("local", "content");
    for name in ["tree/f", "tree/empty/.keep", "tree/below/g"] {
        let file = site.path(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, name).unwrap();
    }
    std::fs::remove_file(site.path("tree/empty/.keep")).unwrap();
    let begun = std::time::Instant::now();
    let batch = format!(
        "mkdir a\nput {local} a/f\nmkdir a/b\nput {local} a/b/g\nmkdir e\nls -1\nls -1 e\nls -1 a\n",
        local = local.display()
    );
    let shown = sftp_ok(&server, "alice", PASSWORD, &batch);
    let lines: Vec<_> = shown.lines().collect();
    for line in ["a", "e", "a/b", "a/f"] {
        assert!(lines.contains(&line), "{line}: {shown}");
    }
    // Another session knows them, too.
    assert!(!sftp(&server, "alice", PASSWORD, "mkdir e\n").status.success());
    sftp_ok(&server, "alice", PASSWORD, "rename e e2\nls -1 e2\nrmdir e2\nrm a/b/g\nls -1 a/b\nrmdir a/b\n");
    for gone in ["e", "e2", "a/b"] {
        assert!(!sftp(&server, "alice", PASSWORD, &format!("ls -1 {gone}\n")).status.success(), "{gone}");
    }
    let tree = site.path("tree");
    // The second time all of it is there.
    for _ in 0..2 {
        sftp_ok(&server, "alice", PASSWORD, &format!("put -r {}\nls -1 tree/empty\n", tree.display()));
    }
    assert_eq!(std::fs::read(store.bucket.join("home/tree/below/g")).unwrap(), b"tree/below/g");
    assert_eq!(std::fs::read(store.bucket.join("home/a/f")).unwrap(), b"content");
    // Nothing of it is waited for.
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn transfers_need_no_disk() {
    // A16-05
    let (site, store, server) = started("");
    drop(server);
    // A fifth of the file.
    let server = Server::with_largest_file(&site, 8192);
    let (local, back) = (site.write("local", bytes(20 * MIB)), site.path("back"));
    let batch = format!("put {} f\nrename f g\nget g {}\n", local.display(), back.display());
    sftp_ok(&server, "alice", PASSWORD, &batch);
    assert!(std::fs::read(back).unwrap() == bytes(20 * MIB));
    assert_eq!(store.objects(), ["g"]);
}

#[test]
fn an_upload_goes_on_where_it_was_broken_off() {
    // A5-12
    let (site, store, server) = started("");
    let local = site.write("local", bytes(12 * MIB));
    let part = site.write("part", bytes(6 * MIB));
    let batch = format!("put {} f\nreput {} f\n", part.display(), local.display());
    sftp_ok(&server, "alice", PASSWORD, &batch);
    assert!(std::fs::read(store.bucket.join("home/f")).unwrap() == bytes(12 * MIB));
}

#[test]
fn the_quota_counts_objects() {
    let (site, store, server) = started(r#""quota_files":1,"#);
    let local = site.write("local", "content");
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} f\n", local.display()));
    let output = sftp(&server, "alice", PASSWORD, &format!("put {} g\n", local.display()));
    assert!(!output.status.success(), "{}", text(&output));
    sftp_ok(&server, "alice", PASSWORD, &format!("rm f\nput {} g\n", local.display()));
    assert_eq!(store.objects(), ["g"]);
}

#[test]
fn directories_are_renamed_if_that_is_wanted_and_hooks_are_told_once() {
    // A16-04
    for (mode, is_done) in [(0, false), (1, true)] {
        let site = Site::new();
        let told = site.path("told");
        let script = format!(
            "#!/bin/sh\necho \"$SFTPGO_ACTION $SFTPGO_ACTION_STATUS $SFTPGO_ACTION_VIRTUAL_TARGET\" >> {}\n",
            told.display()
        );
        let hook = site.script("hook.sh", &script);
        let site = site.config(&format!(
            "[common]\nrename_mode = {mode}\n[common.actions]\nexecute_on = [\"rename\"]\n\
             hook = [{{ hook = \"{}\", compat = \"current\" }}]\n",
            hook.display()
        ));
        let (site, store, server) = started_with(site, "");
        for name in ["tree/f", "tree/below/g"] {
            let file = site.path(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, name).unwrap();
        }
        sftp_ok(&server, "alice", PASSWORD, &format!("put -r {}\n", site.path("tree").display()));
        let renamed = sftp(&server, "alice", PASSWORD, "rename tree moved\n");
        assert_eq!(renamed.status.success(), is_done, "{}", text(&renamed));
        let place = if is_done { "moved" } else { "tree" };
        assert_eq!(store.objects(), [format!("{place}/below/g"), format!("{place}/f")]);
        assert_eq!(std::fs::read(store.bucket.join("home").join(place).join("f")).unwrap(), b"tree/f");
        assert!(server.terminate().success());
        let told = std::fs::read_to_string(told).unwrap_or_default();
        assert_eq!(told, if is_done { "rename 1 /moved\n" } else { "rename 2 /moved\n" });
    }
}

#[test]
fn a_store_that_is_away_is_an_error() {
    let (site, store, server) = started("");
    let local = site.write("local", "content");
    drop(store);
    let output = sftp(&server, "alice", PASSWORD, &format!("put {} f\n", local.display()));
    assert!(!output.status.success(), "{}", text(&output));
}

#[test]
fn a_folder_can_be_in_the_store() {
    // C5-01
    let site = Site::new();
    let store = Store::start(&site);
    let folder = format!(r#"{{"name":"shared",{}}}"#, store.file_system());
    let folder = site.write("shared.json", folder);
    tools::run_ok(&mut site.tidegate(&["folder", "add", "--from-json", folder.to_str().unwrap()]));
    let home = site.path("homes/bob");
    let user = format!(
        r#"{{"username":"bob","status":1,"password":"pw","home_dir":"{}","permissions":{{"/":["*"]}},
        "virtual_folders":[{{"name":"shared","virtual_path":"/shared"}}]}}"#,
        home.display()
    );
    let user = site.write("bob.json", user);
    tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", user.to_str().unwrap()]));
    let server = site.start();
    let local = site.write("local", "content");
    let batch = format!("put {local} here\nput {local} shared/there\nls -1 shared\n", local = local.display());
    assert!(sftp_ok(&server, "bob", PASSWORD, &batch).contains("there"));
    assert_eq!(std::fs::read(home.join("here")).unwrap(), b"content");
    assert_eq!(store.objects(), ["there"]);
    // C5-03
    let larger = site.write("larger", bytes(20 * MIB));
    let batch = format!("put {} large\nrename here shared/here\nrename large shared/large\n", larger.display());
    sftp_ok(&server, "bob", PASSWORD, &batch);
    assert_eq!(store.objects(), ["here", "large", "there"]);
    assert!(!home.join("here").exists() && !home.join("large").exists());
    let batch = format!("rename shared/large back\nmkdir d\nput {} d/f\n", local.display());
    sftp_ok(&server, "bob", PASSWORD, &batch);
    assert!(std::fs::read(home.join("back")).unwrap() == bytes(20 * MIB));
    let refused = sftp(&server, "bob", PASSWORD, "rename d shared/d\n");
    assert!(!refused.status.success() && home.join("d/f").exists(), "{}", text(&refused));
    let replacing = sftp(&server, "bob", PASSWORD, "rename shared/here shared/there\n");
    assert!(replacing.status.success(), "{}", text(&replacing));
    assert_eq!(store.objects(), ["there"]);
    assert!(store.unfinished().is_empty(), "{:?}", store.unfinished());
}

#[test]
fn a_portable_server_shares_a_bucket() {
    // A17-01
    let (site, store, server) = started("");
    let local = site.write("local", "content");
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} file\n", local.display()));
    let mut portable = Command::new(tools::tidegate());
    portable.args(["portable", "--bind-address", "127.0.0.1", "-p", "pw", "-S", "false", "-f", "1", "-d"]);
    portable.arg(site.path(""));
    portable.args(["--s3-bucket", "files", "--s3-key-prefix", "home", "--s3-access-key", "key"]);
    portable.args(["--s3-access-secret", "secret", "--s3-region", "us-east-1"]);
    portable.arg("--s3-endpoint").arg(format!("http://127.0.0.1:{}", store.port));
    let mut portable = portable.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(portable.stdout.take().unwrap()).lines().map_while(Result::ok);
    let listening = lines.filter_map(|line| line.strip_prefix("Listening on ").map(str::to_owned)).next();
    let address = listening.expect("it did not say where it listens");
    let port = address.split(';').next().unwrap().rsplit(':').next().unwrap();
    let script = tools::root().join("tests/e2e/clients/portable_session.py");
    let shown = tools::run(Command::new(tools::python()).arg(script).args([port, "pw"]));
    let _ = portable.kill();
    let _ = portable.wait();
    assert_eq!(text(&shown), "read b'content', not written\n");
}

#[test]
fn secrets_stay_through_what_is_shown_and_are_encrypted_in_the_database() {
    // A8-15
    let (site, store, server) = started("");
    site.user("bob");
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]));
    assert!(shown.contains(r#""access_secret": "[redacted]""#), "{shown}");
    let file = site.write("alice.json", shown);
    tools::run_ok(&mut site.tidegate(&[
        "user",
        "update",
        "--max-sessions",
        "3",
        "--from-json",
        file.to_str().unwrap(),
    ]));
    let local = site.write("local", "content");
    let batch = format!("put {} f\n", local.display());
    sftp_ok(&server, "alice", PASSWORD, &batch);
    assert_eq!(store.objects(), ["f"]);
    let mut stored = Vec::new();
    for entry in std::fs::read_dir(site.path("")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("tidegate.db") {
            stored.extend(std::fs::read(entry.path()).unwrap());
        }
    }
    let stored = String::from_utf8_lossy(&stored);
    assert!(
        stored.contains(r#""access_secret":{"status":"Sealed""#) && !stored.contains(r#""access_secret":"secret""#)
    );
    let (key, away) = (site.path("secrets.key"), site.path("away"));
    let metadata = std::fs::metadata(&key).unwrap();
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (32, 0o600));
    // A dump can be loaded elsewhere.
    let dump = tools::run_ok(&mut site.tidegate(&["dump"]));
    assert!(dump.contains(r#""access_secret": "secret""#) || dump.contains(r#""access_secret":"secret""#), "{dump}");

    // Without the key, this account alone cannot log in, until the key is there again.
    drop(server);
    std::fs::rename(&key, &away).unwrap();
    let server = site.start();
    assert!(!sftp(&server, "alice", PASSWORD, "ls\n").status.success());
    sftp_ok(&server, "bob", PASSWORD, "ls\n");
    let shown = tools::run(&mut site.tidegate(&["user", "show", "--username", "alice"]));
    assert!(text(&shown).contains("secrets.key is missing"), "{}", text(&shown));
    std::fs::rename(&away, &key).unwrap();
    sftp_ok(&server, "alice", PASSWORD, &batch);
}

#[test]
fn a_check_says_which_file_system_fails_and_why() {
    let (site, store, server) = started("");
    let check = |server_runs: bool| {
        let output = tools::run(&mut site.tidegate(&["storage", "check", "--user", "alice", "--json"]));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let home = report["file_systems"][0].clone();
        assert!(home["path"] == "/" && home["kind"] == "s3", "{server_runs}: {home}");
        assert_eq!(home["usable"].as_bool(), Some(output.status.success()));
        home
    };
    let home = check(true);
    assert_eq!(home["usable"], true, "{home}");
    assert!(store.objects().is_empty(), "{:?}", store.objects());
    drop(server);
    assert_eq!(check(false)["usable"], true);
    // Wrong keys.
    let mut alice: serde_json::Value =
        serde_json::from_slice(&std::fs::read(site.path("alice.json")).unwrap()).unwrap();
    alice["filesystem"]["s3config"]["access_secret"] = "wrong".into();
    let file = site.write("alice.json", alice.to_string());
    tools::run_ok(&mut site.tidegate(&["user", "update", "--from-json", file.to_str().unwrap()]));
    let home = check(false);
    assert!(home["steps"][1]["outcome"] == "failed" && home["steps"][1]["problem"].is_string(), "{home}");
    let shown = tools::run(&mut site.tidegate(&["storage", "check", "--user", "alice"]));
    assert!(!shown.status.success() && text(&shown).contains("list    failed: "), "{}", text(&shown));
    let shown = tools::run(&mut site.tidegate(&["storage", "check", "--user", "nobody"]));
    assert!(!shown.status.success() && text(&shown).contains("there is no account"), "{}", text(&shown));
}

#[test]
fn a_hook_decides_about_an_upload_before_it_has_its_name() {
    // B10-08, A16-01
    let site = Site::new();
    let told = site.path("told");
    let script = format!(
        "#!/bin/sh\n[ \"$SFTPGO_ACTION_STATUS\" = 1 ] || exit 0\n\
         echo \"$SFTPGO_ACTION_PATH $SFTPGO_ACTION_FILE_SIZE\" >> {}\n\
         case \"$SFTPGO_ACTION_PATH\" in */bad) exit 1;; esac\n",
        told.display()
    );
    let hook = site.script("hook.sh", &script);
    let site = site.config(&format!(
        "[common.actions]\nexecute_on = [\"upload\"]\nexecute_sync = [\"upload\"]\n\
         hook = [{{ hook = \"{}\", compat = \"current\" }}]\n",
        hook.display()
    ));
    let (site, store, server) = started_with(site, "");
    for length in [7, 20 * MIB] {
        let local = site.write("local", bytes(length));
        sftp_ok(&server, "alice", PASSWORD, &format!("put {} good\n", local.display()));
        let refused = sftp(&server, "alice", PASSWORD, &format!("put {} bad\n", local.display()));
        assert!(!refused.status.success(), "{}", text(&refused));
        assert_eq!(store.objects(), ["good"]);
        waiting::until("nothing of the upload is left", || store.unfinished().is_empty());
        let lines = std::fs::read_to_string(&told).unwrap();
        let expected = format!("s3://files/home/good {length}\ns3://files/home/bad {length}\n");
        assert!(lines.ends_with(&expected), "{lines}");
    }
}
