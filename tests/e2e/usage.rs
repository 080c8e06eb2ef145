//! What is used when accounts and files change behind the counters' backs, what file systems look
//! like to limited accounts, and how much they may transfer (A10-03, A10-05, A10-09).

use serde_json::Value;
use tidegate_tests::clients::{Proof, exec, openssh, rsync, sftp, text};
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");
/// Of volume limits.
const MB: usize = 1 << 20;

fn shown(site: &Site) -> Value {
    serde_json::from_str(&tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]))).unwrap()
}

/// Looks at the account until some of its numbers are as expected.
fn check_numbers(site: &Site, expected: &[(&str, i64)]) {
    let mut found: Vec<(&str, i64)> = Vec::new();
    waiting::look_for(|| {
        let document = shown(site);
        found = expected.iter().map(|(name, _)| (*name, document[*name].as_i64().unwrap_or(0))).collect();
        (found == expected).then_some(())
    });
    assert_eq!(found, expected);
}

fn check_used(site: &Site, files: i64, size: i64) {
    check_numbers(site, &[("used_quota_files", files), ("used_quota_size", size)]);
}

fn put(site: &Site, server: &Server, size: usize, remote: &str) -> std::process::Output {
    let local = site.write(&format!("local-{size}"), vec![b'x'; size]);
    sftp(server, "alice", PASSWORD, &format!("put {} {remote}\n", local.display()))
}

#[test]
fn usages_follow_an_account_that_is_added_anew_or_moved() {
    let site = Site::new();
    let limits = ["--password", "pw", "--quota-size", "10000000"];
    let home = site.user_with("alice", &limits);
    let server = site.start();
    assert!(put(&site, &server, 3_000_000, "a").status.success());
    check_used(&site, 1, 3_000_000);
    // Deleted and added again, with the same files.
    tools::run_ok(&mut site.tidegate(&["user", "delete", "--username", "alice"]));
    site.user_with("alice", &limits);
    assert!(put(&site, &server, 1000, "b").status.success());
    check_used(&site, 2, 3_001_000);
    // Another home, with a file in it.
    site.write("other/there", vec![b'x'; 500]);
    let other = site.path("other");
    tools::run_ok(&mut site.tidegate(&[
        "user",
        "update",
        "--username",
        "alice",
        "--home-dir",
        other.to_str().unwrap(),
    ]));
    assert!(put(&site, &server, 1000, "b").status.success());
    check_used(&site, 2, 1500);
    // And back, without a client.
    tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "alice", "--home-dir", home.to_str().unwrap()]));
    check_used(&site, 2, 3_001_000);
}

#[test]
fn files_with_names_outside_of_the_home_are_given_back() {
    let site = Site::new();
    let home = site.user_with("alice", &["--password", "pw", "--quota-size", "5000"]);
    let server = site.start();
    std::fs::create_dir_all(site.path("snapshot")).unwrap();
    let snapshot = |name: &str| std::fs::hard_link(home.join(name), site.path("snapshot").join(name)).unwrap();
    for mode in 0..3 {
        let name = format!("f{mode}");
        assert!(put(&site, &server, 3000, &name).status.success());
        snapshot(&name);
        check_used(&site, 1, 3000);
        match mode {
            0 => assert!(sftp(&server, "alice", PASSWORD, "rm f0\n").status.success()),
            1 => {
                // Another name in the home goes on counting.
                assert!(sftp(&server, "alice", PASSWORD, "ln f1 here\nrm f1\n").status.success());
                check_used(&site, 1, 3000);
                assert!(sftp(&server, "alice", PASSWORD, "rm here\n").status.success());
            }
            _ => {
                assert!(put(&site, &server, 10, "small").status.success());
                check_used(&site, 2, 3010);
                let renamed = sftp(&server, "alice", PASSWORD, "rename small f2\n");
                assert!(renamed.status.success(), "{}", text(&renamed));
                check_used(&site, 1, 10);
                assert!(sftp(&server, "alice", PASSWORD, "rm f2\n").status.success());
            }
        }
        check_used(&site, 0, 0);
    }
    assert!(put(&site, &server, 5000, "all").status.success(), "the room is there again");
}

#[test]
fn a_file_system_is_as_large_as_the_quota() {
    // A10-10
    let site = Site::new();
    let size = (40 * 4096).to_string();
    let home = site.user_with("alice", &["--password", "pw", "--quota-size", &size, "--quota-files", "10"]);
    std::fs::create_dir_all(&home).unwrap();
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("f", fxf::WRITE | fxf::CREAT).handle();
    let data = fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(vec![1; 4096])]);
    assert_eq!(raw.request(fxp::WRITE, &data).status(), fx::OK);
    for request in [
        fields(&[&string("statvfs@openssh.com"), &string("/")]),
        fields(&[&string("fstatvfs@openssh.com"), &string(&handle)]),
    ] {
        let reply = raw.request(fxp::EXTENDED, &request);
        assert_eq!(reply.kind, fxp::EXTENDED_REPLY);
        let number = |at: usize| u64::from_be_bytes(reply.body[8 * at..8 * at + 8].try_into().unwrap());
        let unit = number(1);
        let found = [number(2) * unit, number(3) * unit, number(4) * unit, number(5), number(6), number(7)];
        assert_eq!(found, [40 * 4096, 39 * 4096, 39 * 4096, 10, 9, 9]);
    }
}

/// A site with an account that has volume limits.
fn limited(limits: &[&str]) -> (Site, std::path::PathBuf, Server) {
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let home = site.user_with("alice", &[&["--password", "pw"], limits].concat());
    std::fs::create_dir_all(&home).unwrap();
    let server = site.start();
    (site, home, server)
}

#[test]
fn no_more_is_transferred_than_may_be() {
    // A10-09
    // Over SFTP: up, down, both.
    let (site, home, server) = limited(&["--upload-data-transfer", "1"]);
    assert!(put(&site, &server, MB - 1000, "a").status.success());
    let refused = put(&site, &server, 1001, "b");
    assert!(!refused.status.success() && !home.join("b").exists());
    assert!(put(&site, &server, 1000, "b").status.success());
    let full = put(&site, &server, 1, "c");
    assert!(!full.status.success() && !home.join("c").exists());
    assert!(sftp(&server, "alice", PASSWORD, &format!("get a {}\n", site.path("got").display())).status.success());
    check_numbers(
        &site,
        &[("used_upload_data_transfer", MB as i64), ("used_download_data_transfer", (MB - 1000) as i64)],
    );

    let (site, home, server) = limited(&["--download-data-transfer", "1"]);
    std::fs::write(home.join("a"), vec![1; MB - 10]).unwrap();
    let get = || sftp(&server, "alice", PASSWORD, &format!("get a {}\n", site.path("got").display())).status.success();
    assert!(get() && !get());
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    assert!(put(&site, &server, 2 * MB, "b").status.success());
    let opened = raw.open_file("a", fxf::READ);
    let read = |handle: &[u8], length: u32| fields(&[&string(handle), &0_u64.to_be_bytes(), &length.to_be_bytes()]);
    if opened.kind == fxp::HANDLE {
        assert_eq!(raw.request(fxp::READ, &read(&opened.handle(), 1000)).status(), fx::FAILURE);
    }

    let (site, home, server) = limited(&["--total-data-transfer", "2"]);
    std::fs::write(home.join("a"), vec![1; MB]).unwrap();
    let get = || sftp(&server, "alice", PASSWORD, &format!("get a {}\n", site.path("got").display())).status.success();
    assert!(get() && put(&site, &server, MB, "b").status.success());
    assert!(!get() && !put(&site, &server, 1, "c").status.success());
    // The limit is raised, and what was used is not forgotten by a restart.
    server.terminate();
    tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "alice", "--total-data-transfer", "3"]));
    let server = site.start();
    assert!(put(&site, &server, MB, "c").status.success());
    assert!(!put(&site, &server, 1, "d").status.success());
    check_numbers(&site, &[("used_upload_data_transfer", 2 * MB as i64), ("used_download_data_transfer", MB as i64)]);
}

#[test]
fn every_protocol_counts() {
    // A10-09
    let (site, home, server) = limited(&["--upload-data-transfer", "1", "--download-data-transfer", "1"]);
    let half = site.write("half", vec![7; MB / 2]);
    let half = half.to_str().unwrap();
    let received = site.path("received").display().to_string();
    // scp, in its own protocol.
    let scp = |from: &str, to: &str| {
        openssh("scp", &server, PASSWORD).args(["-O", from, to]).output().unwrap().status.success()
    };
    assert!(scp(half, "alice@127.0.0.1:/a") && scp("alice@127.0.0.1:/a", &received));
    check_numbers(
        &site,
        &[("used_upload_data_transfer", (MB / 2) as i64), ("used_download_data_transfer", (MB / 2) as i64)],
    );
    let large = site.write("large", noise(MB));
    let sent = rsync(&server, "pw", &[large.to_str().unwrap(), "alice@127.0.0.1:/b"]).output().unwrap();
    assert!(!sent.status.success(), "{}", text(&sent));
    std::fs::write(home.join("c"), noise(MB)).unwrap();
    let got = rsync(&server, "pw", &["alice@127.0.0.1:/c", &received]).output().unwrap();
    assert!(!got.status.success(), "{}", text(&got));
    for name in ["used_upload_data_transfer", "used_download_data_transfer"] {
        // A client that is refused may end before the server has stored what it counted.
        let mut used = 0;
        waiting::look_for(|| {
            used = shown(&site)[name].as_i64().unwrap();
            (used > (MB / 2) as i64).then_some(())
        });
        assert!(used > (MB / 2) as i64 && used <= MB as i64, "{name}: {used}");
    }
    // A checksum is computed here: nothing of the file leaves.
    assert!(exec(&server, "alice", PASSWORD, "md5sum c", b"").status.success());
}

/// Bytes that cannot be compressed.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    next.flatten().take(length).collect()
}

#[test]
fn without_a_limit_no_volume_is_kept() {
    // A10-01, A10-09: `track_quota = 2` counts for accounts that have a limit.
    for (tracking, used) in [("2", 0), ("1", 1000)] {
        let site = Site::new().config(&format!("[data_provider]\ntrack_quota = {tracking}"));
        site.user("alice");
        let server = site.start();
        assert!(put(&site, &server, 1000, "a").status.success());
        server.terminate();
        check_numbers(&site, &[("used_upload_data_transfer", used)]);
    }
}
