//! `kill -9`, signals, and databases that are no good.

use std::process::Command;
use std::time::Instant;

use tidegate_tests::clients::{Proof, can_log_in, text};
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::Site;
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    // A3-16, A5-10, A5-11: what an upload that overwrites has written is there where it is
    // written in place; otherwise the old file is.
    check_kills("upload_mode = 0", true);
    check_kills("upload_mode = 1", false);
    check_kills("upload_mode = 2", false);
}

fn check_kills(mode: &str, is_in_place: bool) {
    let site = Site::new().config(mode);
    let home = site.user("alice");
    for round in 0..3_u64 {
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        // A finished upload, one that overwrites it and is cut off, a new one that is cut off.
        let finished = raw.open_file("finished", fxf::WRITE | fxf::CREAT | fxf::TRUNC).handle();
        let content = format!("round {round}");
        let write =
            |handle: &[u8], offset: u64, data: &str| fields(&[&string(handle), &offset.to_be_bytes(), &string(data)]);
        assert_eq!(raw.request(fxp::WRITE, &write(&finished, 0, &content)).status(), fx::OK);
        assert_eq!(raw.request(fxp::CLOSE, &string(&finished)).status(), fx::OK);
        let overwriting = raw.open_file("finished", fxf::WRITE | fxf::CREAT | fxf::TRUNC).handle();
        assert_eq!(raw.request(fxp::WRITE, &write(&overwriting, 0, "half of the next")).status(), fx::OK);
        let name = format!("new {round}");
        let new = raw.open_file(&name, fxf::WRITE | fxf::CREAT | fxf::TRUNC).handle();
        assert_eq!(raw.request(fxp::WRITE, &write(&new, 0, "acknowledged")).status(), fx::OK);
        let user = format!("user{round}");
        site.user(&user);
        server.kill();
        let is_kept_later = mode.ends_with('2');
        let expected = if is_in_place { "half of the next" } else { &content };
        assert_eq!(std::fs::read_to_string(home.join("finished")).unwrap(), expected, "{mode}");
        let kept = std::fs::read_to_string(home.join(&name)).ok();
        assert_eq!(kept.as_deref(), is_in_place.then_some("acknowledged"), "{mode}");
        let server = site.start();
        let expected = if is_kept_later { "half of the next" } else { expected };
        assert_eq!(std::fs::read_to_string(home.join("finished")).unwrap(), expected, "{mode}");
        let debris: Vec<_> = std::fs::read_dir(&home)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "finished" && !name.starts_with("new "))
            .collect();
        assert_eq!(debris, Vec::<String>::new(), "{mode}");
        assert!(can_log_in(&server, &user, PASSWORD));
    }
}

#[test]
fn a_kill_during_user_changes_keeps_the_database_whole() {
    const KILLS: u32 = 24;
    let site = Site::new();
    let started = Instant::now();
    site.user("first");
    // The time of an addition that is left alone gives the points at which the others are killed.
    let whole = started.elapsed();
    let mut acknowledged = vec!["first".to_owned()];
    for number in 1..=KILLS {
        let name = format!("user{number:02}");
        let add = site.tidegate(&["user", "add", "--username", &name, "--password", "pw", "--home-dir", "/tmp/none"]);
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", &format!("{:.4}", (whole * number / KILLS).as_secs_f64())]);
        let output = tools::run(command.arg(add.get_program()).args(add.get_args()));
        if output.status.success() {
            acknowledged.push(name);
        }
    }
    assert!(acknowledged.len() <= KILLS as usize, "none was killed");
    let check =
        "import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute('pragma integrity_check').fetchone()[0])";
    let checked = tools::run_ok(Command::new(tools::python()).args(["-c", check]).arg(site.path("tidegate.db")));
    assert_eq!(checked.trim(), "ok");
    site.user("last");
    acknowledged.push("last".to_owned());
    let listed = tools::run_ok(&mut site.tidegate(&["user", "list"]));
    for name in acknowledged {
        assert!(listed.contains(&name), "{name} was lost:\n{listed}");
    }
}

#[test]
fn a_signal_drains() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    assert_eq!(server.terminate().code(), Some(0));
}

fn check_start_error(site: &Site, expected: &str) {
    let output = tools::run(&mut site.tidegate(&["serve", "--log-file-path", ""]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains(expected), "{}", text(&output));
}

#[test]
fn unusable_databases_stop_the_start_with_advice() {
    let site = Site::new();
    site.write("tidegate.db", "this is a text and no database, whatever its name says");
    check_start_error(&site, "is not an SQLite database");

    let site = Site::new();
    site.user("alice");
    let script =
        "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute('pragma user_version=99999999'); c.commit()";
    tools::run_ok(Command::new(tools::python()).args(["-c", script]).arg(site.path("tidegate.db")));
    check_start_error(&site, "made by a newer release");
}

#[test]
fn a_read_only_database_stops_the_start_with_advice() {
    let site = Site::new();
    let disk = site.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = |options: &str| {
        let mut mount = Command::new("mount");
        tools::run_ok(mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&disk));
    };
    mount("size=4m");
    let site = site.config(&format!("[data_provider]\nname = \"{}\"", disk.join("tidegate.db").display()));
    tools::run_ok(&mut site.tidegate(&["initprovider"]));
    mount("remount,ro");
    let output = tools::run(&mut site.tidegate(&["user", "list"]));
    tools::run_ok(Command::new("umount").arg("-l").arg(&disk));
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    assert!(text.contains("cannot be written") || text.contains("could not be opened"), "{text}");
}

#[test]
fn a_locked_database_refuses_and_recovers() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let script = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute('begin exclusive'); print('locked', flush=True); sys.stdin.read()";
    let mut holder = Command::new(tools::python())
        .args(["-c", script])
        .arg(site.path("tidegate.db"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 7];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut line).unwrap();
    // Logins only read; changes wait and are refused.
    assert!(can_log_in(&server, "alice", PASSWORD));
    let output = tools::run(&mut site.tidegate(&[
        "user",
        "add",
        "--username",
        "bob",
        "--password",
        "x",
        "--home-dir",
        "/tmp/none",
    ]));
    assert!(!output.status.success() && text(&output).contains("in use by another program"), "{}", text(&output));
    drop(holder.stdin.take());
    holder.wait().unwrap();
    site.user("bob");
}
