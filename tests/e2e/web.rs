//! The web admin in Chromium, as administrators use it. On every page of every journey: no fault of accessibility, no
//! message in the console, no break of the page's policy, no request to another host.

mod browser;
mod site;

use browser::{Journey, administrator, journey, second_factor};
use serde_json::json;
use site::{Full, Upload, wait_for_record, with_gate};
use tidegate_tests::clients::{Proof, can_log_in, sftp_ok, sftp_with};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");

/// A server with an administrator and `alice`.
fn start() -> (Site, Server) {
    let site = Site::new();
    administrator(&site);
    site.user("alice");
    let server = site.start();
    (site, server)
}

#[test]
fn an_administrator_logs_in_and_out() {
    // A19-04
    let (_site, server) = start();
    journey(&server, "log-in.mjs", &[]);
}

#[test]
fn an_administrator_logs_in_with_a_second_factor() {
    // A19-04
    let (site, server) = start();
    let (secret, recovery_code) = second_factor(&site);
    journey(&server, "second-factor.mjs", &[("WEB_SECRET", &secret), ("WEB_RECOVERY_CODE", &recovery_code)]);
}

#[test]
fn the_keyboard_is_enough() {
    let (_site, server) = start();
    journey(&server, "keyboard.mjs", &[]);
}

#[test]
fn a_browser_without_scripts_is_enough_to_edit_a_user() {
    let (_site, server) = start();
    journey(&server, "without-script.mjs", &[("WEB_USER", "alice")]);
    sftp_ok(&server, "alice", PASSWORD, "pwd\n");
}

#[test]
fn a_user_who_was_added_in_the_browser_logs_in() {
    // A1-21
    let (site, server) = start();
    let home = site.path("homes/bob");
    let given =
        [("WEB_USER", "bob"), ("WEB_USER_PASSWORD", "secret of bob"), ("WEB_USER_HOME", home.to_str().unwrap())];
    journey(&server, "add-user.mjs", &given);
    let local = site.write("local", "from bob");
    sftp_ok(&server, "bob", Proof::Password("secret of bob"), &format!("put {} sent\n", local.display()));
    assert_eq!(std::fs::read_to_string(home.join("sent")).unwrap(), "from bob");
}

#[test]
fn of_two_changes_at_once_none_is_lost() {
    let (_site, server) = start();
    journey(&server, "two-windows.mjs", &[("WEB_USER", "alice")]);
    sftp_ok(&server, "alice", PASSWORD, "pwd\n");
}

#[test]
fn users_are_changed_many_at_once() {
    // A19-03
    let (site, server) = start();
    site.user("bob");
    journey(&server, "bulk.mjs", &[("WEB_USERS", r#"["alice", "bob"]"#)]);
    assert!(!can_log_in(&server, "alice", PASSWORD) && !can_log_in(&server, "bob", PASSWORD));
}

#[test]
fn files_are_counted_again() {
    // A19-03
    let site = Site::new();
    administrator(&site);
    let home = site.user_with("alice", &["--password", "pw", "--quota-files", "10"]);
    let server = site.start();
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("put there by hand"), "x").unwrap();
    journey(&server, "scan.mjs", &[("WEB_USER", "alice")]);
    waiting::until("the files are counted", || {
        tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"])).contains("\"used_quota_files\": 1")
    });
}

#[test]
fn an_upload_is_watched_and_its_connection_closed() {
    // A19-03
    let (_site, server) = start();
    let mut upload = Upload::begin(&server, "alice", "a file");
    upload.write(1000);
    let given = [("WEB_USER", "alice"), ("WEB_FILE", "/a file"), ("WEB_FIRST", "1000 B"), ("WEB_SECOND", "2.9 KiB")];
    let mut journey = Journey::begin(&server, "upload.mjs", &given);
    journey.wait_for("seen");
    upload.write(2000);
    journey.end();
    assert!(upload.raw.receive().is_none(), "the connection is closed");
}

#[test]
fn a_refused_login_is_found_with_its_reason() {
    let site = Site::new();
    let site = with_gate(site, "carol has left");
    administrator(&site);
    site.user_with("carol", &["--password", "secret of carol"]);
    site.user("dave");
    let server = site.start();
    let attempts = [("carol", "secret of carol"), ("dave", "a wrong password")];
    for (user, password) in attempts {
        assert!(!can_log_in(&server, user, Proof::PasswordMethod(password)));
        wait_for_record(&site, user, "refused");
    }
    let refused = json!([
        {"user": "carol", "says": ["login-pre", "carol has left"], "secret": "secret of carol"},
        {"user": "dave", "says": ["It was refused"], "secret": "a wrong password"},
    ]);
    journey(&server, "refused.mjs", &[("WEB_REFUSED", &refused.to_string())]);
}

#[test]
fn a_slow_hook_is_seen_and_hooks_are_asked() {
    let site = with_gate(Site::new(), "carol has left");
    administrator(&site);
    site.user("alice");
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD));
    wait_for_record(&site, "alice", "allow");
    journey(&server, "hooks.mjs", &[("WEB_HOOK", "gate.sh"), ("WEB_USER", "carol"), ("WEB_REASON", "carol has left")]);
}

#[test]
fn an_address_is_banned_and_let_in_again() {
    let (_site, server) = start();
    let may = || sftp_with(&server, "alice", PASSWORD, &["-oBindAddress=127.0.0.2"], "pwd\n").status.success();
    for (step, expected) in [("ban", false), ("end", true)] {
        journey(&server, "ban.mjs", &[("WEB_ADDRESS_TO_BAN", "127.0.0.2"), ("WEB_STEP", step)]);
        assert_eq!(may(), expected, "{step}\n{}", server.log());
    }
}

#[test]
fn a_key_is_made_and_shown_once() {
    let (_site, server) = start();
    journey(&server, "keys.mjs", &[]);
}

#[test]
fn an_administrator_changes_the_own_password() {
    let (_site, server) = start();
    journey(&server, "own-account.mjs", &[]);
}

/// The journey through all pages, by a script.
fn through_all_pages(script: &str) {
    let full = Full::start();
    let list = |texts: &[&str]| serde_json::to_string(texts).unwrap();
    let (names, users, pages) = (list(&site::NAMES), list(&site::USERS), list(&site::UNLINKED));
    journey(&full.server, script, &[("WEB_NAMES", &names), ("WEB_USERS", &users), ("WEB_PAGES", &pages)]);
}

#[test]
fn names_are_texts_on_every_page() {
    through_all_pages("pages.mjs");
}

#[test]
#[ignore = "by tests/web/screens.sh: pictures for people to look at"]
fn screens_are_taken() {
    through_all_pages("screens.mjs");
}
