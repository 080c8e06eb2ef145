//! Accounts whose files are on another SFTP server, OpenSSH's, with OpenSSH's client (ADR 26).

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use tidegate_tests::clients::{Proof, openssh, sftp, sftp_ok, text};
use tidegate_tests::openssh_server::Sshd;
use tidegate_tests::server::{Server, Site};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");
const MIB: usize = 1 << 20;

/// Adds the user `alice`, whose home is on the other server.
fn add_user(site: &Site, filesystem: &serde_json::Value, more: serde_json::Value) {
    let mut user = serde_json::json!({
        "username": "alice", "status": 1, "password": "pw", "home_dir": site.path("homes/alice"),
        "permissions": {"/": ["*"]}, "filesystem": filesystem,
    });
    user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let file = site.write("alice.json", user.to_string());
    tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
}

fn started_with(site: Site, more: serde_json::Value) -> (Site, Sshd, Server) {
    let sshd = Sshd::start(&site);
    add_user(&site, &sshd.filesystem(|_| {}), more);
    let server = site.start();
    (site, sshd, server)
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 7 + at / 251) % 251).unwrap()).collect()
}

#[test]
fn files_go_to_the_other_server_and_come_back() {
    // A3-16
    for mode in 0..3 {
        let site = Site::new().config(&format!("[common]\nupload_mode = {mode}"));
        let (site, sshd, server) = started_with(site, serde_json::json!({}));
        for length in [0, 1000, 20 * MIB + 7] {
            let local = site.write("local", bytes(length));
            let back = site.path("back");
            let batch = format!(
                "mkdir d\nput {local} d/f\nput {local} d/f\nls -l d\nget d/f {back}\nrename d/f g\nln -s g l\nget l {back}2\n\
                 chmod 640 g\nrm l\nrm g\nrmdir d\n",
                local = local.display(),
                back = back.display()
            );
            let shown = sftp_ok(&server, "alice", PASSWORD, &batch);
            assert!(shown.contains(&length.to_string()), "{shown}");
            for copy in [back, site.path("back2")] {
                assert!(std::fs::read(copy).unwrap() == bytes(length), "{mode} {length}");
            }
            assert_eq!(std::fs::read_dir(sshd.home()).unwrap().count(), 0);
        }
        let local = site.write("local", bytes(6 * MIB));
        let part = site.write("part", bytes(3 * MIB));
        sftp_ok(&server, "alice", PASSWORD, &format!("put {} f\nreput {} f\n", part.display(), local.display()));
        assert!(std::fs::read(sshd.home().join("f")).unwrap() == bytes(6 * MIB));
    }
}

#[test]
fn links_at_the_other_server_do_not_lead_out() {
    // A5-03
    let (site, sshd, server) = started_with(Site::new(), serde_json::json!({}));
    sftp_ok(&server, "alice", PASSWORD, "mkdir d\n");
    std::fs::write(sshd.files.join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(&sshd.files, sshd.home().join("out")).unwrap();
    std::os::unix::fs::symlink("../secret", sshd.home().join("file")).unwrap();
    let local = site.write("local", "content");
    for refused in ["get out/secret /dev/null", "get file /dev/null", "rm out/secret", "rename out/secret x"] {
        assert!(!sftp(&server, "alice", PASSWORD, &format!("{refused}\n")).status.success(), "{refused}");
    }
    // The client's exit status says nothing of a listing that failed.
    let listed = text(&sftp(&server, "alice", PASSWORD, "ls -1 out/\n"));
    assert!(!listed.contains("secret"), "{listed}");
    for target in ["out/new", "file"] {
        let output = sftp(&server, "alice", PASSWORD, &format!("put {} {target}\n", local.display()));
        assert!(!output.status.success(), "{target}");
    }
    assert_eq!(std::fs::read(sshd.files.join("secret")).unwrap(), b"secret");
    assert!(!sshd.files.join("new").exists());
}

#[test]
fn quotas_and_hooks_are_those_of_other_accounts() {
    // A1-07, A1-13
    let site = Site::new();
    let told = site.path("told");
    let script = format!(
        "#!/bin/sh\necho \"$SFTPGO_ACTION $SFTPGO_ACTION_VIRTUAL_PATH\" >> {}\ncase $SFTPGO_ACTION_VIRTUAL_PATH in *refused) exit 1;; esac\n",
        told.display()
    );
    let hook = site.script("hook.sh", &script);
    let site = site.config(&format!(
        "[common.actions]\nexecute_on = [\"pre-upload\"]\nhook = [{{ hook = \"{}\", compat = \"current\" }}]\n",
        hook.display()
    ));
    let (site, sshd, server) = started_with(site, serde_json::json!({"quota_files": 1}));
    let local = site.write("local", "content");
    let put = |name: &str| sftp(&server, "alice", PASSWORD, &format!("put {} {name}\n", local.display()));
    assert!(!put("refused").status.success());
    assert!(put("f").status.success(), "{}", server.log());
    assert!(!put("g").status.success());
    sftp_ok(&server, "alice", PASSWORD, "rm f\n");
    assert!(put("g").status.success(), "{}", server.log());
    assert!(sshd.home().join("g").exists() && !sshd.home().join("refused").exists());
    let told = std::fs::read_to_string(told).unwrap();
    assert!(told.contains("pre-upload /refused") && told.contains("pre-upload /g"), "{told}");
}

#[test]
fn a_folder_can_be_on_the_other_server() {
    // C5-01
    let site = Site::new();
    let sshd = Sshd::start(&site);
    let folder = serde_json::json!({"name": "shared", "filesystem": sshd.filesystem(|_| {})});
    let folder = site.write("shared.json", folder.to_string());
    tools::run_ok(&mut site.tidegate(&["folder", "add", "--from-json", folder.to_str().unwrap()]));
    let more = serde_json::json!({"virtual_folders": [{"name": "shared", "virtual_path": "/shared"}]});
    add_user(&site, &serde_json::json!({"provider": 0}), more);
    let server = site.start();
    let local = site.write("local", "content");
    let batch = format!("put {local} here\nput {local} shared/there\nls -1 shared\n", local = local.display());
    assert!(sftp_ok(&server, "alice", PASSWORD, &batch).contains("there"));
    assert_eq!(std::fs::read(site.path("homes/alice/here")).unwrap(), b"content");
    assert_eq!(std::fs::read(sshd.home().join("there")).unwrap(), b"content");
    let checked = tools::run_ok(&mut site.tidegate(&["storage", "check", "--user", "alice"]));
    assert!(checked.contains("sftp://"), "{checked}");
}

#[test]
fn a_server_that_cannot_be_trusted_or_used_is_named_to_administrators() {
    // A8-15
    let site = Site::new();
    let sshd = Sshd::start(&site);
    let server = site.start();
    let other = format!("SHA256:{}", "A".repeat(43));
    for (number, fingerprints, password, expected) in [
        (0, serde_json::json!([]), None, "put it into filesystem.sftpconfig.fingerprints"),
        (1, serde_json::json!([other]), None, "is none of filesystem.sftpconfig.fingerprints"),
        (2, serde_json::json!([sshd.fingerprint]), Some("no such password"), "does not accept the user"),
    ] {
        let name = format!("user{number}");
        let filesystem = sshd.filesystem(|config| {
            config["fingerprints"] = fingerprints;
            if let Some(password) = password {
                config["private_key"] = serde_json::Value::Null;
                config["password"] = password.into();
            }
        });
        let user = serde_json::json!({
            "username": name, "status": 1, "password": "pw", "home_dir": site.path("homes/user"),
            "permissions": {"/": ["*"]}, "filesystem": filesystem,
        });
        let file = site.write("user.json", user.to_string());
        tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
        let shown = text(&tools::run(&mut site.tidegate(&["user", "show", "--username", &name])));
        assert!(!shown.contains("no such password") && !shown.contains("OPENSSH PRIVATE KEY"), "{shown}");
        let checked = text(&tools::run(&mut site.tidegate(&["storage", "check", "--user", &name])));
        assert!(checked.contains(expected), "{checked}");
        assert!(number == 2 || checked.contains(&sshd.fingerprint), "{checked}");
        let output = sftp(&server, &name, PASSWORD, "mkdir d\n");
        assert!(!output.status.success(), "{}", text(&output));
    }
    let clear = ["no such password", "PRIVATE KEY"];
    let log = server.log();
    assert!(clear.iter().all(|secret| !log.contains(secret)), "{log}");
}

#[test]
fn a_server_that_breaks_off_is_an_error_and_used_again_later() {
    let (site, mut sshd, server) = started_with(Site::new(), serde_json::json!({}));
    let local = site.write("local", bytes(64 * MIB));
    let batch = site.write("batch", format!("put {} f\n", local.display()));
    let mut client = openssh("sftp", &server, PASSWORD);
    client.args(["-l", "16000", "-oBatchMode=no", "-b"]).arg(batch).arg("alice@127.0.0.1");
    let mut client = client.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let written = sshd.home().join("f");
    waiting::until("the upload is under way", || std::fs::metadata(&written).is_ok_and(|found| found.len() > 0));
    sshd.kill();
    assert!(!client.wait().unwrap().success());
    assert!(server.log().contains("cannot be reached, or broke off"), "{}", server.log());
    sshd.restart();
    let small = site.write("small", "content");
    let put = format!("put {} g\n", small.display());
    waiting::until("the server is used again", || sftp(&server, "alice", PASSWORD, &put).status.success());
    assert_eq!(std::fs::read(sshd.home().join("g")).unwrap(), b"content");
}

#[test]
fn a_portable_server_shares_a_directory_of_another() {
    // A17-01
    let site = Site::new();
    let sshd = Sshd::start(&site);
    std::fs::create_dir(sshd.home()).unwrap();
    std::fs::write(sshd.home().join("file"), "content").unwrap();
    let mut portable = Command::new(tools::tidegate());
    portable.args([
        "portable",
        "--bind-address",
        "127.0.0.1",
        "-p",
        "pw",
        "-S",
        "false",
        "--fs-provider",
        "sftp",
        "-d",
    ]);
    portable.arg(site.path("")).arg("--sftp-endpoint").arg(format!("127.0.0.1:{}", sshd.port));
    portable.args(["--sftp-username", &sshd.user, "--sftp-fingerprints", &sshd.fingerprint]);
    portable.arg("--sftp-key-path").arg(&sshd.key).arg("--sftp-prefix").arg(sshd.home());
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
