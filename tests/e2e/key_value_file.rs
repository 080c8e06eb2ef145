//! `driver = "bolt"`: a file of key/value tables, which one process has open (A9-04).

use tidegate_tests::clients::{Proof, can_log_in, sftp_ok, text};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

fn site() -> Site {
    Site::new().config("[data_provider]\ndriver = \"bolt\"\nname = \"accounts.db\"")
}

#[test]
fn accounts_outlive_a_kill() {
    // A1-03
    let site = site();
    let server = site.start();
    // Through the server that has the file.
    let home = site.user("alice");
    sftp_ok(&server, "alice", PASSWORD, "mkdir made\n");
    assert!(home.join("made").is_dir());
    server.kill();
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD));
    tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "alice", "--status", "0"]));
    server.kill();
    // Without a server the command opens the file itself.
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["status"], 0);
    site.user("bob");
    let server = site.start();
    assert!(!can_log_in(&server, "alice", PASSWORD));
    assert!(can_log_in(&server, "bob", PASSWORD));
}

#[test]
fn a_file_of_the_older_server_is_refused_and_not_changed() {
    // A9-04: the first page of bbolt's files: page header, then the magic number of the meta page.
    let site = site();
    let mut page = vec![0; 4096];
    page[8..10].copy_from_slice(&4_u16.to_le_bytes());
    page[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
    page[20..24].copy_from_slice(&2_u32.to_le_bytes());
    page[24..28].copy_from_slice(&4096_u32.to_le_bytes());
    let bytes = page.repeat(4);
    site.write("accounts.db", &bytes);
    for arguments in [
        &["serve"][..],
        &["user", "list"],
        &["user", "add", "--username", "a", "--password", "b", "--home-dir", "/srv/a"],
    ] {
        let output = tools::run(&mut site.tidegate(arguments));
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output).contains("tidegate migrate"), "{arguments:?}: {}", text(&output));
    }
    assert_eq!(std::fs::read(site.path("accounts.db")).unwrap(), bytes);
}

#[test]
fn one_process_has_the_file() {
    let site = site();
    let server = site.start();
    site.user("alice");
    // Another server, with another directory and the same file.
    let file = site.path("accounts.db");
    let other = Site::new().config(&format!("[data_provider]\ndriver = \"bolt\"\nname = \"{}\"", file.display()));
    for arguments in [&["serve"][..], &["user", "list"]] {
        let output = tools::run(&mut other.tidegate(arguments));
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output).contains("accounts.db"), "{}", text(&output));
    }
    assert!(can_log_in(&server, "alice", PASSWORD));
    server.kill();
    let server: Server = other.start();
    assert!(can_log_in(&server, "alice", PASSWORD));
}
