//! The web admin in Chromium, as administrators use it. On every page of every journey: no fault of accessibility, no
//! message in the console, no break of the page's policy, no request to another host.

mod browser;
mod site;

use browser::{administrator, journey, second_factor};
use site::Full;
use tidegate_tests::clients::{Proof, sftp_ok};
use tidegate_tests::server::{Server, Site};

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
    sftp_ok(&server, "alice", Proof::Password("pw"), "pwd\n");
}

#[test]
fn a_user_who_was_added_in_the_browser_logs_in() {
    // A19-01
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
    sftp_ok(&server, "alice", Proof::Password("pw"), "pwd\n");
}

/// The journey through all pages, by a script.
fn through_all_pages(script: &str) {
    let full = Full::start();
    let names = serde_json::to_string(&site::names()).unwrap();
    let pages = serde_json::to_string(&site::UNLINKED).unwrap();
    journey(&full.server, script, &[("WEB_NAMES", &names), ("WEB_PAGES", &pages)]);
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
