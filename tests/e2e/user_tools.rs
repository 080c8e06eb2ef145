//! The tools that people use, through whole days of work: each scenario is a script in
//! `tests/clients`. Quotas are tracked meanwhile, and must be right at the end.

use std::process::Command;

use serde_json::Value;
use tidegate_tests::clients;
use tidegate_tests::object_store::Store;
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

/// Limits that are not reached, so that everything is counted.
const LIMITS: [&str; 4] = ["--quota-size", "100000000000", "--quota-files", "1000000"];

/// A server with one account `alice`, whose key is given back.
fn site(more: &str) -> (Site, std::path::PathBuf) {
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]").config(more);
    let key = clients::key(site.path("").as_path(), "key");
    let public = format!("{}.pub", key.display());
    site.user_with("alice", &[&["--password", "pw", "--public-key", &public], &LIMITS[..]].concat());
    (site, key)
}

fn client(server: &Server, key: &std::path::Path, script: &str) -> Command {
    let file = tools::root().join("tests/clients").join(script);
    let mut command = if script.ends_with(".py") { Command::new(tools::python()) } else { Command::new("bash") };
    command.arg(file).env("HOST", "127.0.0.1").env("PORT", server.port.to_string());
    command.env("USER", "alice").env("KEY", key);
    command
}

/// What is counted is what is there: a scan finds nothing to correct.
fn check_usage(site: &Site) {
    let report = tools::run_ok(&mut site.tidegate(&["quota", "scan", "--username", "alice", "--json"]));
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report[0]["before"], report[0]["found"], "the usage was wrong");
}

fn check(script: &str, more: &str, environment: &[(&str, &str)]) {
    let (site, key) = site(more);
    let server = site.start();
    let output = tools::run(client(&server, &key, script).envs(environment.iter().copied()));
    assert!(output.status.success(), "{}\nlog:\n{}", clients::text(&output), server.log());
    check_usage(&site);
}

/// As [`check`], with the files in a bucket.
fn check_on_objects(script: &str, environment: &[(&str, &str)]) {
    check_on_store(Store::with_directories, script, environment);
}

/// As [`check_on_objects`], in a store.
fn check_on_store(started: fn(&Site) -> Store, script: &str, environment: &[(&str, &str)]) {
    let (site, key) = site("");
    let store = started(&site);
    let document = site.write("files.json", format!(r#"{{"username":"alice",{}}}"#, store.file_system()));
    tools::run_ok(&mut site.tidegate(&["user", "update", "--from-json", document.to_str().unwrap()]));
    let server = site.start();
    let mut command = client(&server, &key, script);
    command.envs([("LINKS", "no"), ("TIMES", "no"), ("MODES", "no")]).envs(environment.iter().copied());
    let output = tools::run(&mut command);
    assert!(output.status.success(), "{}\nlog:\n{}", clients::text(&output), server.log());
    check_usage(&site);
}

#[test]
fn restic_backs_up_to_objects() {
    // A16-01
    check_on_objects("restic.sh", &[]);
}

#[test]
fn restic_backs_up_where_no_directory_without_files_is_kept() {
    check_on_store(Store::start, "restic.sh", &[]);
}

#[test]
fn rclone_syncs_to_objects() {
    check_on_objects("rclone.sh", &[]);
}

#[test]
fn lftp_mirrors_to_objects() {
    check_on_objects("lftp.sh", &[]);
}

#[test]
fn restic_backs_up_and_restores() {
    check("restic.sh", "", &[]);
}

#[test]
fn rclone_syncs_and_checks() {
    check("rclone.sh", "", &[]);
}

#[test]
fn rsync_sends_differences() {
    // A1-17, A7-03, A7-04: with create_symlinks, --safe-links is added.
    check("rsync.sh", "", &[]);
}

#[test]
fn rsync_takes_the_options_of_backups() {
    // A7-11
    check("rsync_options.sh", "", &[]);
}

#[test]
fn git_pushes_and_clones() {
    // A1-16, A7-03
    check("git.sh", "", &[]);
}

#[test]
fn sshfs_is_a_disk() {
    if !std::path::Path::new("/dev/fuse").exists() {
        // Containers often have none, and nothing can be installed against that.
        eprintln!("sshfs is NOT TESTED: this machine has no /dev/fuse");
        return;
    }
    check("sshfs.sh", "", &[]);
}

#[test]
fn ansible_copies_files() {
    check("ansible_copy.py", "", &[]);
}

#[test]
fn scp_copies_in_its_old_protocol() {
    // A1-17, A6-01
    check("scp.sh", "", &[]);
}

#[test]
fn lftp_mirrors() {
    check("lftp.sh", "", &[]);
}

#[test]
fn winscp_renames_over() {
    check("winscp_like.py", "", &[]);
    check("winscp_like.py", "upload_mode = 1", &[("ATOMIC", "1")]);
    check("winscp_like.py", "upload_mode = 2", &[("ATOMIC", "1")]);
}

#[test]
fn checksums_come_over_sftp() {
    check("check_file.py", "", &[("FORMS", "name handle paramiko md5")]);
}

/// 64 sessions of one account at everything at once, and a server that is killed meanwhile:
/// what is counted at the end is what is there.
#[test]
fn usage_survives_a_race_and_kills() {
    use std::io::{BufRead, BufReader};
    for mode in ["", "upload_mode = 1", "upload_mode = 2"] {
        let (site, key) = site(mode);
        // Low enough to be met.
        tools::run_ok(&mut site.tidegate(&[
            "user",
            "update",
            "--username",
            "alice",
            "--quota-size",
            "2000000",
            "--quota-files",
            "60",
        ]));
        for round in 0..3 {
            let server = site.start();
            let mut race = client(&server, &key, "race.py");
            let operations = if round == 2 { "25" } else { "100000" };
            // A server that is killed needs fewer of them: each is a client of its own, which takes time to start.
            let sessions = if round == 2 { "64" } else { "24" };
            race.env("SESSIONS", sessions).env("OPERATIONS", operations).env("SEED", format!("{mode}{round}"));
            let mut race = race.stdout(std::process::Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(race.stdout.take().unwrap()).lines();
            assert_eq!(lines.next().unwrap().unwrap(), "warm", "{}", server.log());
            if round < 2 {
                server.kill();
                assert!(race.wait().unwrap().success());
                continue;
            }
            assert!(race.wait().unwrap().success());
            assert_eq!(lines.next().unwrap().unwrap(), "64 of 64 sessions ended by themselves");
            check_usage(&site);
            let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]));
            let shown: Value = serde_json::from_str(&shown).unwrap();
            assert!(shown["used_quota_files"].as_i64().unwrap() <= 60, "{shown}");
            assert!(shown["used_quota_size"].as_i64().unwrap() <= 2_000_000, "{shown}");
            assert!(!server.log().contains("panic"), "{}", server.log());
        }
    }
}
