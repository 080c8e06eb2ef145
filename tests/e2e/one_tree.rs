//! A home on the disk, a folder in a bucket and one on another SFTP server: one tree for OpenSSH's client (C5).

use serde_json::{Value, json};
use tidegate_tests::clients::{Proof, exec, openssh, sftp, sftp_ok, text};
use tidegate_tests::object_store::Store;
use tidegate_tests::openssh_server::Sshd;
use tidegate_tests::server::Site;
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");
const MIB: usize = 1 << 20;

/// The folders `archive` in the bucket and `old` on the other server, and accounts that have both.
fn add_folders_and_users(site: &Site, store: &Store, sshd: &Sshd) {
    let mut archive: Value = serde_json::from_str(&format!("{{{}}}", store.file_system())).unwrap();
    archive["name"] = "archive".into();
    let old = json!({"name": "old", "filesystem": sshd.filesystem(|_| {})});
    for folder in [archive, old] {
        let file = site.write("folder.json", folder.to_string());
        tools::run_ok(&mut site.tidegate(&["folder", "add", "--from-json", file.to_str().unwrap()]));
    }
    for name in ["alice", "bob"] {
        let user = json!({"username": name, "status": 1, "permissions": {"/": ["*"]}, "virtual_folders": [
            {"name": "archive", "virtual_path": "/archive", "quota_files": 3, "quota_size": 0},
            {"name": "old", "virtual_path": "/old", "quota_files": -1, "quota_size": -1},
        ]});
        let file = site.write("user.json", user.to_string());
        site.user_with(name, &["--password", "pw", "--from-json", file.to_str().unwrap()]);
    }
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 7 + at / 251) % 251).unwrap()).collect()
}

#[test]
fn a_home_a_bucket_and_another_server_are_one_tree() {
    // C5-01, C5-03
    let site = Site::new();
    let told = site.path("told");
    let script = format!(
        "#!/bin/sh\necho \"$SFTPGO_ACTION $SFTPGO_ACTION_PATH $SFTPGO_ACTION_TARGET $SFTPGO_ACTION_FS_PROVIDER\" >> {}\n",
        told.display()
    );
    let hook = site.script("hook.sh", &script);
    let site = site.config(&format!(
        "enabled_ssh_commands = [\"*\"]\n[common]\nrename_mode = 1\n[common.actions]\nexecute_on = [\"upload\", \"rename\"]\n\
         hook = [{{ hook = \"{}\", compat = \"current\" }}]\n",
        hook.display()
    ));
    let (store, sshd) = (Store::start(&site), Sshd::start(&site));
    std::fs::create_dir_all(sshd.home()).unwrap();
    add_folders_and_users(&site, &store, &sshd);
    let home = site.path("homes/alice");
    let server = site.start();
    let (local, back) = (site.write("local", bytes(9 * MIB + 5)), site.path("back"));
    let batch = format!(
        "put {local} here\nput {local} archive/there\nput {local} old/far\nls -1\nls -1 archive\nls -1 old\n\
         get here {back}1\nget archive/there {back}2\nget old/far {back}3\n",
        local = local.display(),
        back = back.display()
    );
    let listed = sftp_ok(&server, "alice", PASSWORD, &batch);
    for name in ["here", "archive", "old", "archive/there", "old/far"] {
        assert!(listed.lines().any(|line| line == name), "{name}: {listed}");
    }
    for number in 1..4 {
        assert!(std::fs::read(site.path(&format!("back{number}"))).unwrap() == bytes(9 * MIB + 5), "{number}");
    }
    // From one to the next and home again, and a directory with what is in it.
    sftp_ok(
        &server,
        "alice",
        PASSWORD,
        "rename here archive/moved\nrename archive/moved old/moved\nrename old/moved back\n\
         mkdir d\nrename back d/back\nrename d old/d\nrename old/d/back back\nrmdir old/d\nls -1\n",
    );
    assert!(std::fs::read(home.join("back")).unwrap() == bytes(9 * MIB + 5));
    assert!(!sshd.home().join("moved").exists() && store.objects() == ["there"]);
    assert!(store.unfinished().is_empty(), "{:?}", store.unfinished());
    // The folder's own quota, which the users share: not that of the home.
    sftp_ok(&server, "bob", PASSWORD, &format!("put {l} archive/a\nput {l} archive/b\n", l = local.display()));
    let full = format!("put {} archive/c\n", local.display());
    assert!(!sftp(&server, "alice", PASSWORD, &full).status.success());
    assert!(
        !sftp(&server, "alice", PASSWORD, "rename back archive/c\n").status.success() && home.join("back").exists()
    );
    sftp_ok(&server, "alice", PASSWORD, &format!("put {l} c\nput {l} old/c\n", l = local.display()));
    let counted = tools::run_ok(&mut site.tidegate(&["quota", "scan", "--folder", "archive"]));
    assert!(counted.contains("3 files"), "{counted}");
    let checked = tools::run_ok(&mut site.tidegate(&["storage", "check", "--user", "alice"]));
    assert!(
        ["(local: ", "(s3: s3://files/home", "(sftp: sftp://"].iter().all(|part| checked.contains(part)),
        "{checked}"
    );
    // Hooks are told where each file is, and of one rename where the server has copied.
    let lines = waiting::eventually("hooks are told", || {
        let lines = std::fs::read_to_string(&told).unwrap_or_default();
        (lines.lines().count() >= 3 + 6 + 4).then_some(lines)
    });
    let far = format!("sftp://{}@127.0.0.1:{}{}", sshd.user, sshd.port, sshd.home().display());
    for expected in [
        format!("upload {}/here  0", home.display()),
        "upload s3://files/home/there  1".to_owned(),
        format!("upload {far}/far  5"),
        format!("rename {}/here s3://files/home/moved 0", home.display()),
        format!("rename s3://files/home/moved {far}/moved 1"),
        format!("rename {far}/moved {}/back 5", home.display()),
        format!("rename {}/d {far}/d 0", home.display()),
    ] {
        assert_eq!(lines.lines().filter(|line| *line == expected).count(), 1, "{expected}\n{lines}");
    }
}

#[test]
fn commands_reach_what_each_place_has() {
    // A7-03, A16-03
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let (store, sshd) = (Store::start(&site), Sshd::start(&site));
    std::fs::create_dir_all(sshd.home()).unwrap();
    add_folders_and_users(&site, &store, &sshd);
    let server = site.start();
    let local = site.write("local", bytes(9 * MIB + 5));
    let sum = tools::run_ok(std::process::Command::new("md5sum").arg(&local));
    let sum = sum.split_whitespace().next().unwrap();
    for place in ["", "archive/", "old/"] {
        let (there, back) = (format!("alice@127.0.0.1:/{place}f"), site.path("back"));
        tools::run_ok(openssh("scp", &server, PASSWORD).arg("-O").arg(&local).arg(&there));
        tools::run_ok(openssh("scp", &server, PASSWORD).arg("-O").arg(&there).arg(&back));
        assert!(std::fs::read(&back).unwrap() == bytes(9 * MIB + 5), "{place}");
        // The bytes are read where they are, and none is sent to the client.
        let shown = text(&exec(&server, "alice", PASSWORD, &format!("md5sum /{place}f"), b""));
        assert!(shown.contains(sum), "{place}: {shown}");
    }
    // What has no inode has no links; modes are kept where they are, and ignored in the bucket.
    sftp_ok(
        &server,
        "alice",
        PASSWORD,
        "chmod 600 f\nchmod 600 archive/f\nchmod 600 old/f\nln -s f l\ncd old\nln -s f l\n",
    );
    let refused = sftp(&server, "alice", PASSWORD, "ln -s /archive/f /archive/l\n");
    assert!(!refused.status.success(), "{}", text(&refused));
}
