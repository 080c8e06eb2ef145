//! What narrows an account beyond its permissions (C3): sizes, start directory,
//! bandwidth, folders.

use std::time::{Duration, Instant};

use tidegate_tests::clients::{Proof, can_log_in, exec, openssh, rsync, sftp, sftp_ok, text};
use tidegate_tests::homes::Kind;
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::Site;
use tidegate_tests::sftp_numbers::{attr, fx, fxf, fxp};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");

/// An account with more in its document than options can say.
fn account(site: &Site, more: &str) -> std::path::PathBuf {
    let home = site.path("homes/alice");
    let json = format!(
        r#"{{"username":"alice","status":1,"password":"pw","home_dir":"{}","permissions":{{"/":["*"]}},{more}}}"#,
        home.display()
    );
    let file = site.write("alice.json", json);
    tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
    std::fs::create_dir_all(&home).unwrap();
    home
}

#[test]
fn uploads_have_a_largest_size() {
    // A5-18, C3-01
    Kind::ALL.into_iter().for_each(check_largest_size);
}

fn check_largest_size(kind: Kind) {
    let site = Site::new();
    let home = site.user_of(kind, "alice", &[]);
    let filters = site.write("filters.json", r#"{"username":"alice","filters":{"max_upload_file_size":1000}}"#);
    tools::run_ok(&mut site.tidegate(&["user", "update", "--from-json", filters.to_str().unwrap()]));
    let server = site.start();
    let (fits, too_large) = (site.write("fits", vec![1; 1000]), site.write("too-large", vec![1; 1001]));
    let put = |local: &std::path::Path, to: &str| {
        sftp(&server, "alice", PASSWORD, &format!("put {} {to}\n", local.display())).status.success()
    };
    assert!(put(&fits, "a"));
    assert!(!put(&too_large, "b") && home.loses("b"), "{kind:?}");
    // Emptied when it was opened, a file that becomes too large goes with what was written; an object stays until then.
    assert!(!put(&too_large, "a") && home.loses("a") != (kind == Kind::S3), "{kind:?}");
    assert!(put(&fits, "a"));
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("a", fxf::WRITE | fxf::APPEND).handle();
    assert_eq!(
        raw.request(fxp::WRITE, &fields(&[&string(&handle), &1000_u64.to_be_bytes(), &string([2])])).status(),
        fx::FAILURE
    );
    raw.request(fxp::CLOSE, &string(&handle));
    assert_eq!(std::fs::read(home.join("a")).unwrap(), vec![1; 1000]);
    let size = [&attr::SIZE.to_be_bytes()[..], &1001_u64.to_be_bytes()].concat();
    assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("a"), &size])).status(), fx::FAILURE, "{kind:?}");
}

#[test]
fn relative_paths_begin_at_the_start_directory() {
    // C3-01
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let home = account(&site, r#""filters":{"start_directory":"/deep/start"}"#);
    let server = site.start();
    let local = site.write("local", "content");
    let printed = sftp_ok(&server, "alice", PASSWORD, &format!("pwd\nput {} here\nls -1 /\n", local.display()));
    assert!(printed.contains("/deep/start"), "{printed}");
    assert!(home.join("deep/start/here").exists());
    let sum = exec(&server, "alice", PASSWORD, "md5sum here", b"");
    assert!(text(&sum).starts_with("9a0364b9e99bb480dd25e1f0284c8555  here"), "{}", text(&sum));
    assert_eq!(text(&exec(&server, "alice", PASSWORD, "pwd", b"")), "/deep/start\n");
}

#[test]
fn logins_have_their_times_and_conditions() {
    // C3-01, C3-02
    let closed = r#""filters":{"access_time":[{"day_of_week":DAY,"from":"00:00","to":"23:59"}]}"#;
    // 1970-01-01 was a Thursday.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let today = (since.as_secs() / 86_400 + 4) % 7;
    let check = |more: &str, expected: bool| {
        let site = Site::new();
        account(&site, more);
        let server = site.start();
        assert_eq!(can_log_in(&server, "alice", PASSWORD), expected, "{more}");
    };
    check(&closed.replace("DAY", &((today + 3) % 7).to_string()), false);
    check(&closed.replace("DAY", &today.to_string()), true);
    check(r#""filters":{"require_password_change":true}"#, false);
    check(r#""filters":{"two_factor_protocols":["SSH"]}"#, false);
    check(r#""filters":{"denied_login_methods":["publickey"]}"#, true);
    check(r#""filters":{"denied_login_methods":["password","keyboard-interactive"]}"#, false);
    check(r#""filters":{"password_expiration":1}"#, true);
}

#[test]
fn bandwidth_is_exceeded_by_two_percent_at_most() {
    // A1-08, A5-17, A8-09, C3-01: 2 MB at 1000 KB/s and at 500 KB/s. That it is used up is shown where time can be stopped.
    let site = Site::new();
    let home = account(
        &site,
        r#""upload_bandwidth":1000,"download_bandwidth":1,
        "filters":{"bandwidth_limits":[{"sources":["192.0.2.0/24"],"upload_bandwidth":9,"download_bandwidth":9},
        {"sources":["127.0.0.0/8"],"upload_bandwidth":1000,"download_bandwidth":500}]}"#,
    );
    std::fs::write(home.join("down"), vec![7; 2_000_000]).unwrap();
    let local = site.write("up", vec![7; 2_000_000]);
    let server = site.start();
    let elapsed = |sender: &str| {
        let line = server.wait_for(|line| line["sender"] == sender);
        line["elapsed_ms"].as_u64().unwrap()
    };
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} up\n", local.display()));
    let up = elapsed("Upload");
    assert!((1960..30_000).contains(&up), "{up} ms instead of 2000; the account's other limit takes minutes");
    let down = || {
        sftp_ok(&server, "alice", PASSWORD, &format!("get down {}\n", site.path("back").display()));
        let down = elapsed("Download");
        assert!(down >= 3920, "{down} ms instead of 4000");
        down
    };
    // Twice as long. What else the machine does delays some of them; a wrong limit would delay each.
    assert!((0..5).any(|_| 2 * down() < 5 * up), "the download takes too long beside {up} ms up");
    assert_eq!(std::fs::read(site.path("back")).unwrap(), vec![7; 2_000_000]);
}

#[test]
fn programs_keep_to_the_bandwidth() {
    // A5-17: 1 MB at 1000 KB/s and at 500 KB/s; as fast as SFTP, but for their start.
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let home = account(&site, r#""upload_bandwidth":1000,"download_bandwidth":500"#);
    let local = site.write("up", vec![7; 1_000_000]);
    let server = site.start();
    let (local, back) = (local.to_str().unwrap(), site.path("back").display().to_string());
    let by_sftp = |batch: &str| {
        let started = Instant::now();
        sftp_ok(&server, "alice", PASSWORD, batch);
        started.elapsed()
    };
    let by_rsync = |from: &str, to: &str, least: u64| {
        let started = Instant::now();
        tools::run_ok(&mut rsync(&server, "pw", &["-W", from, to]));
        let taken = started.elapsed();
        assert!(taken >= Duration::from_millis(least), "{taken:?}, and not {least} ms");
        taken
    };
    // What else the machine does delays some of them; a wrong limit would delay each.
    let up = by_sftp(&format!("put {local} up\n"));
    let is_up = (0..5).any(|number| 2 * by_rsync(local, &format!("alice@127.0.0.1:/up{number}"), 950) < 3 * up);
    assert!(is_up, "SFTP took {up:?}");
    assert_eq!(std::fs::metadata(home.join("up0")).unwrap().len(), 1_000_000);
    let down = by_sftp(&format!("get up {back}\n"));
    let is_down = (0..5).any(|number| 2 * by_rsync("alice@127.0.0.1:/up", &format!("{back}{number}"), 1900) < 3 * down);
    assert!(is_down, "SFTP took {down:?}");
}

#[test]
fn folders_are_mounted_and_shared() {
    // C5-01
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let shared = site.path("shared");
    let folder = |path: &str, quota: &str| {
        format!(
            r#""virtual_folders":[{{"name":"team","virtual_path":"{path}","mapped_path":"{}"{quota}}}]"#,
            shared.display()
        )
    };
    let home = account(&site, &folder("/team", r#","quota_files":2,"quota_size":1000"#));
    let bob = format!(
        r#"{{"username":"bob","status":1,"password":"pw","home_dir":"{}","permissions":{{"/":["*"],"/x/t":["list","download"]}},
        "virtual_folders":[{{"name":"team","virtual_path":"/x/t"}}]}}"#,
        site.path("homes/bob").display()
    );
    let bob = site.write("bob.json", bob);
    tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", bob.to_str().unwrap()]));
    let server = site.start();
    let local = site.write("local", vec![1; 400]);
    let put = |to: &str| sftp(&server, "alice", PASSWORD, &format!("put {} {to}\n", local.display())).status.success();
    assert!(put("/team/a") && put("/team/b"));
    assert!(!put("/team/c"), "the folder's own quota");
    assert!(put("/mine") && shared.join("a").exists() && home.join("mine").exists());
    let listed = sftp_ok(&server, "bob", PASSWORD, "ls -1\nls -1 x\nls -1 x/t\n");
    assert!(listed.contains('t') && listed.contains('a') && listed.contains('b'), "{listed}");
    assert!(!sftp(&server, "bob", PASSWORD, &format!("put {} x/t/no\n", local.display())).status.success());
    // Between them nothing is renamed; the places themselves stay.
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let two = |from: &str, to: &str| fields(&[&string(from), &string(to)]);
    assert_eq!(raw.request(fxp::RENAME, &two("/mine", "/team/mine")).status(), fx::FAILURE);
    assert_eq!(raw.request(fxp::RENAME, &two("/team", "/other")).status(), fx::PERMISSION_DENIED);
    assert_eq!(raw.request(fxp::RMDIR, &string("/team")).status(), fx::PERMISSION_DENIED);
    assert_eq!(raw.request(fxp::RENAME, &two("/team/a", "/team/z")).status(), fx::OK);
    let report = tools::run_ok(&mut site.tidegate(&["quota", "scan", "--folder", "team"]));
    assert_eq!(report.trim(), "folder team: 2 files, 800 bytes");
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "bob"]));
    assert!(shown.contains("\"used_quota_size\": 800"), "{shown}");
    // A program reaches the folder that it is for, and not the home.
    let sent = exec(&server, "alice", PASSWORD, "rsync --server --sender -logDtpre.iLsfxCIvu . /team/", b"");
    assert!(!text(&sent).contains("denied"), "{}", text(&sent));
    // A folder that does not exist, and one that is another directory.
    for (wrong, problem) in [
        (r#"{"name":"none","virtual_path":"/n"}"#, "no folder named \"none\""),
        (r#"{"name":"team","virtual_path":"/n","mapped_path":"/elsewhere"}"#, "already"),
    ] {
        let json = format!(
            r#"{{"username":"eve","status":1,"password":"x","home_dir":"/e","permissions":{{"/":["*"]}},"virtual_folders":[{wrong}]}}"#
        );
        let file = site.write("eve.json", json);
        let refused = tools::run(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
        assert!(!refused.status.success() && text(&refused).contains(problem), "{}", text(&refused));
    }
}

#[test]
fn the_start_directory_is_there_for_every_protocol() {
    // A5-18
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let home = account(&site, r#""filters":{"start_directory":"/deep/start"}"#);
    let server = site.start();
    let local = site.write("local", "content");
    let mut scp = openssh("scp", &server, PASSWORD);
    tools::run_ok(scp.arg("-O").arg(&local).arg("alice@127.0.0.1:"));
    assert_eq!(std::fs::read_to_string(home.join("deep/start/local")).unwrap(), "content");
}

#[test]
fn scp_needs_no_list() {
    // A6-04
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let rights = ["--password", "pw", "--permissions", "/:upload,download,create_dirs,overwrite"];
    let home = site.user_with("alice", &rights);
    let server = site.start();
    std::fs::create_dir_all(home.join("in/sub")).unwrap();
    std::fs::write(home.join("in/sub/a"), "abc").unwrap();
    let local = site.write("local", "content");
    let scp = |arguments: &[&str]| tools::run_ok(openssh("scp", &server, PASSWORD).arg("-O").args(arguments));
    let local = local.to_str().unwrap();
    scp(&[local, "alice@127.0.0.1:/in"]);
    scp(&[local, "alice@127.0.0.1:/in/sub/"]);
    assert!(home.join("in/local").exists() && home.join("in/sub/local").exists());
    let back = site.path("back");
    scp(&["-r", "alice@127.0.0.1:/in", back.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(back.join("sub/a")).unwrap(), "abc");
    assert!(!sftp(&server, "alice", PASSWORD, "ls /in\n").status.success());
}

#[test]
fn checksums_by_name_tell_nothing_that_may_not_be_downloaded() {
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let home = site.user_with("alice", &["--password", "pw", "--permissions", "/:list,upload"]);
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("secret"), "abc").unwrap();
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let one_byte = [&0_u64.to_be_bytes()[..], &1_u64.to_be_bytes()].concat();
    let check = fields(&[&string("check-file-name"), &string("secret"), &string("md5"), &one_byte, &[0; 4]]);
    assert_eq!(raw.request(fxp::EXTENDED, &check).status(), fx::PERMISSION_DENIED);
    let hash = fields(&[&string("md5-hash"), &string("secret"), &one_byte, &string("")]);
    assert_eq!(raw.request(fxp::EXTENDED, &hash).status(), fx::PERMISSION_DENIED);
    // A7-01: of a whole file, where the administrator lets the command be used.
    let sum = exec(&server, "alice", PASSWORD, "md5sum secret", b"");
    assert_eq!(text(&sum), "900150983cd24fb0d6963f7d28e17f72  secret\n");
}

#[test]
fn modes_let_no_user_run_a_file_as_another() {
    // A5-16
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let rights = ["--password", "pw", "--permissions", "/:list,upload,create_dirs,create_symlinks,overwrite"];
    let home = site.user_with("alice", &rights);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let mode = [&attr::PERMISSIONS.to_be_bytes()[..], &0o106_755_u32.to_be_bytes()].concat();
    raw.request(fxp::OPEN, &fields(&[&string("f"), &(fxf::WRITE | fxf::CREAT).to_be_bytes(), &mode])).handle();
    assert_eq!(raw.request(fxp::MKDIR, &fields(&[&string("d"), &mode])).status(), fx::OK);
    let found = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        home.join(name).metadata().unwrap().permissions().mode() & 0o7777
    };
    assert_eq!((found("f"), found("d")), (0o755, 0o755));
    // A link has no size; what it points to keeps its own.
    std::fs::write(home.join("f"), "content").unwrap();
    std::os::unix::fs::symlink("f", home.join("link")).unwrap();
    let size = [&attr::SIZE.to_be_bytes()[..], &3_u64.to_be_bytes()].concat();
    let request = fields(&[&string("lsetstat@openssh.com"), &string("link"), &size]);
    assert_eq!(raw.request(fxp::EXTENDED, &request).status(), fx::BAD_MESSAGE);
    assert_eq!(std::fs::read_to_string(home.join("f")).unwrap(), "content");
}

/// `setstat_mode`, and what a change of mode, owner, times and size answers without permissions.
#[test]
fn attributes_are_ignored_before_permissions_are_asked_for() {
    // A3-24
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    for (mode, status, size_status) in [
        ("0", fx::PERMISSION_DENIED, fx::PERMISSION_DENIED),
        ("1", fx::OK, fx::PERMISSION_DENIED),
        ("2", fx::PERMISSION_DENIED, fx::PERMISSION_DENIED),
    ] {
        let site = Site::new().config(&format!("setstat_mode = {mode}"));
        let home = site.user_with("alice", &["--password", "pw", "--permissions", "/:list,upload"]);
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("f"), "content").unwrap();
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        let handle = raw.open_file("new", fxf::WRITE | fxf::CREAT).handle();
        let blocks = [
            ([&attr::PERMISSIONS.to_be_bytes()[..], &0o600_u32.to_be_bytes()].concat(), status),
            ([&attr::UIDGID.to_be_bytes()[..], &[0; 8]].concat(), status),
            ([&attr::ACMODTIME.to_be_bytes()[..], &[0; 8]].concat(), status),
            ([&attr::SIZE.to_be_bytes()[..], &1_u64.to_be_bytes()].concat(), size_status),
        ];
        for (block, expected) in &blocks {
            assert_eq!(
                raw.request(fxp::SETSTAT, &fields(&[&string("f"), block])).status(),
                *expected,
                "mode {mode} {block:?}"
            );
            assert_eq!(
                raw.request(fxp::FSETSTAT, &fields(&[&string(&handle), block])).status(),
                *expected,
                "mode {mode} {block:?}"
            );
        }
        assert_eq!(std::fs::read_to_string(home.join("f")).unwrap(), "content");
        // What is ignored does not change, whatever the account may do.
        let home = site.user_with("bob", &["--password", "pw"]);
        site.write("homes/bob/f", "content");
        std::fs::set_permissions(home.join("f"), std::fs::Permissions::from_mode(0o644)).unwrap();
        let mut raw = RawSftp::connect(&server, "bob", "pw");
        for block in [
            [&4_u32.to_be_bytes()[..], &0o600_u32.to_be_bytes()].concat(),
            [&8_u32.to_be_bytes()[..], &7_u32.to_be_bytes(), &8_u32.to_be_bytes()].concat(),
        ] {
            assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("f"), &block])).status(), fx::OK, "mode {mode}");
        }
        let found = home.join("f").metadata().unwrap();
        let changed = (found.permissions().mode() & 0o777 == 0o600, found.mtime() == 8);
        assert_eq!(changed, (mode != "1", mode != "1"), "mode {mode}");
        let size = [&1_u32.to_be_bytes()[..], &3_u64.to_be_bytes()].concat();
        assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("f"), &size])).status(), fx::OK, "mode {mode}");
        assert_eq!(std::fs::read_to_string(home.join("f")).unwrap(), "con", "mode {mode}");
    }
}

#[test]
fn modes_make_programs_only_of_the_own_user() {
    // A5-16
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    // The account's ids, the file's, and what a mode of 7755 becomes.
    for (ids, owner, expected) in [
        (["0", "0"], (0, 0), 0o1755),
        (["0", "0"], (1234, 1234), 0o1755),
        (["1234", "0"], (1234, 1234), 0o5755),
        (["1234", "1235"], (1234, 1235), 0o7755),
        (["1234", "1235"], (0, 0), 0o1755),
        (["1234", "1235"], (1234, 0), 0o5755),
    ] {
        let site = Site::new();
        let home = site.user_with("alice", &["--password", "pw", "--uid", ids[0], "--gid", ids[1]]);
        std::fs::create_dir_all(&home).unwrap();
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        let mode = [&attr::PERMISSIONS.to_be_bytes()[..], &0o107_755_u32.to_be_bytes()].concat();
        for by_handle in [false, true] {
            std::fs::write(home.join("f"), "").unwrap();
            chown(home.join("f"), Some(owner.0), Some(owner.1)).unwrap();
            let changed = if by_handle {
                let handle = raw.open_file("f", fxf::WRITE).handle();
                raw.request(fxp::FSETSTAT, &fields(&[&string(&handle), &mode])).status()
            } else {
                raw.request(fxp::SETSTAT, &fields(&[&string("f"), &mode])).status()
            };
            let found = home.join("f").metadata().unwrap();
            let bits = found.permissions().mode() & 0o7777;
            assert_eq!((changed, bits, found.uid()), (fx::OK, expected, owner.0), "{ids:?} {owner:?} {by_handle}");
            std::fs::remove_file(home.join("f")).unwrap();
        }
        // Of a directory the bit says to whose group its files belong.
        std::fs::create_dir(home.join("d")).unwrap();
        assert_eq!(raw.request(fxp::SETSTAT, &fields(&[&string("d"), &mode])).status(), fx::OK);
        assert_eq!(home.join("d").metadata().unwrap().permissions().mode() & 0o7777, 0o7755);
    }
}

#[test]
fn a_session_has_so_many_handles_on_all_its_channels() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let control = site.path("control");
    let mut channels: Vec<_> = (0..3).map(|_| RawSftp::multiplexed(&server, "alice", "pw", &control)).collect();
    let mut opened = 0;
    for raw in &mut channels {
        while raw.request(fxp::OPENDIR, &string("/")).kind == fxp::HANDLE {
            opened += 1;
        }
    }
    assert_eq!(opened, 2000);
    // What one channel held is free when it is gone; the first one is the connection itself.
    channels.pop();
    channels.remove(1);
    let raw = &mut channels[0];
    assert_eq!(raw.request(fxp::CLOSE, &string(0_u32.to_be_bytes())).status(), fx::OK);
    waiting::until("handles become free", || raw.request(fxp::OPENDIR, &string("/")).kind == fxp::HANDLE);
}

#[test]
fn a_hook_makes_no_folders() {
    // C5-02
    let site = Site::new();
    let mapped = site.path("shared");
    let answer = format!(
        r#"{{"status":1,"username":"bob","home_dir":"{}","permissions":{{"/":["*"]}},"virtual_folders":[{{"name":"team","virtual_path":"/team","mapped_path":"{}"}}]}}"#,
        site.path("homes/bob").display(),
        mapped.display()
    );
    let hook = site.script("auth.sh", &format!("#!/bin/sh\nprintf '%s' '{answer}'\n"));
    let site = site.config(&format!("[data_provider]\nexternal_auth_hook = \"{}\"\n", hook.display()));
    let server = site.start();
    assert!(!can_log_in(&server, "bob", PASSWORD));
    server.wait_for_text("a hook names the folder");
    let document =
        r#"{"username":"carol","status":1,"password":"pw","home_dir":"/srv/carol","permissions":{"/":["*"]},"#;
    let folder =
        format!(r#""virtual_folders":[{{"name":"team","virtual_path":"/t","mapped_path":"{}"}}]}}"#, mapped.display());
    let file = site.write("carol.json", format!("{document}{folder}"));
    tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
    assert!(can_log_in(&server, "bob", PASSWORD), "{}", server.log());
}
