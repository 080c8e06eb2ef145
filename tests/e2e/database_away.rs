//! When the database of accounts hangs, is gone, and is back; and what load balancers learn of it.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_tests::clients::{Proof, can_log_in, sftp, text};
use tidegate_tests::databases::{Database, Kind};
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};
use tidegate_tests::{tools, waiting};

use crate::operations::{get, metric};
use crate::web::admin;

const PASSWORD: Proof<'static> = Proof::Password("pw");
const TOLD: &str = "The server is temporarily unavailable";

fn place() -> (Site, Database) {
    let database = Database::start(Kind::Postgresql);
    let provider = database.provider().replace("{unique}", "files");
    let site = Site::new().config(&format!("[data_provider]\n{provider}"));
    site.user_with("alice", &["--password", "pw", "--quota-size", "1000000"]);
    (site, database)
}

/// The status of a page.
fn status(server: &Server, path: &str) -> u16 {
    get(server, path).split(' ').nth(1).unwrap().parse().unwrap()
}

fn becomes(server: &Server, expected: u16) {
    waiting::until(&format!("/readyz answers {expected}"), || status(server, "/readyz") == expected);
    assert_eq!(status(server, "/healthz"), 200);
}

fn write(raw: &mut RawSftp, handle: &[u8], offset: u64) {
    let body = fields(&[&string(handle), &offset.to_be_bytes(), &string(vec![7; 1000])]);
    assert_eq!(raw.request(fxp::WRITE, &body).status(), fx::OK);
}

/// A page of the web admin in a browser with these cookies.
fn page(server: &Server, cookies: &Path, path: &str, more: &[&str]) -> String {
    let (url, cookies) = (format!("http://127.0.0.1:{}{path}", server.http_port), cookies.to_str().unwrap());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "90", "--cookie", cookies, "--cookie-jar", cookies]);
    tools::run_ok(curl.args(more).arg(url))
}

/// `away` and `back`: what befalls the database.
fn check(away: fn(&mut Database), back: fn(&mut Database)) {
    // A9-05, A10-03
    let (site, mut database) = place();
    admin(&site, "root");
    let server = site.start();
    becomes(&server, 200);
    let cookies = site.path("cookies");
    let of_form = ["--header", "Sec-Fetch-Site: same-origin", "--data", "username=root&password=a-long-password"];
    page(&server, &cookies, "/web/login", &of_form);
    assert!(page(&server, &cookies, "/web", &[]).contains("postgresql, answers"));
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("during", fxf::WRITE | fxf::CREAT).handle();
    write(&mut raw, &handle, 0);
    away(&mut database);
    becomes(&server, 503);
    for user in ["alice", "unknown"] {
        let output = sftp(&server, user, PASSWORD, "pwd\n");
        // Reason 7: the service is not available.
        let told = format!(":7: {TOLD}");
        assert!(!output.status.success() && text(&output).contains(&told), "{}", text(&output));
        server.wait_for(|line| line["sender"] == "login_unavailable" && line["username"] == user);
    }
    assert!(!server.log().contains(r#""sender":"connection_failed""#), "{}", server.log());
    let told = page(&server, &cookies, "/web", &[]);
    for text in ["The database has not answered since ", "Open sessions and their transfers go on."] {
        assert!(told.contains(text), "{text} {told}");
    }
    // Sessions and transfers go on.
    write(&mut raw, &handle, 1000);
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    assert_eq!(raw.request(fxp::STAT, &string("during")).kind, fxp::ATTRS);
    back(&mut database);
    becomes(&server, 200);
    waiting::until("logins are decided again", || can_log_in(&server, "alice", PASSWORD));
    let metrics = get(&server, "/metrics");
    assert!(metric(&metrics, "tidegate_login_unavailable_total").unwrap() >= 2.0, "{metrics}");
    assert_eq!(metric(&metrics, "sftpgo_login_ko_total"), Some(0.0));
    assert_eq!(metric(&metrics, "sftpgo_dataprovider_availability"), Some(1.0));
    // Nothing was lost, or counted twice.
    let used = || {
        let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]));
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        ["used_quota_size", "used_quota_files"].map(|field| shown[field].as_i64().unwrap_or(0))
    };
    waiting::until("what was used meanwhile is stored", || used() == [2000, 1]);
    // A10-08: the session writes in the next outage as well, also after a count that could not be stored.
    let mut put = |name: &str| {
        let handle = raw.open_file(name, fxf::WRITE | fxf::CREAT).handle();
        write(&mut raw, &handle, 0);
        assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    };
    away(&mut database);
    becomes(&server, 503);
    let scan = tools::run(&mut site.tidegate(&["quota", "scan", "--username", "alice"]));
    assert!(!scan.status.success(), "{}", text(&scan));
    put("again");
    back(&mut database);
    becomes(&server, 200);
    put("after");
    tools::run_ok(&mut site.tidegate(&["quota", "scan", "--username", "alice"]));
    assert_eq!(used(), [4000, 3]);
    assert!(server.terminate().success());
    assert_eq!(used(), [4000, 3]);
}

#[test]
fn no_login_is_denied_while_the_database_hangs() {
    check(|database| database.hang(), |database| database.go_on());
}

#[test]
fn no_login_is_denied_while_the_database_is_gone() {
    check(Database::stop, Database::start_again);
}

#[test]
fn logins_while_the_database_is_restarted_are_decided_rightly_or_not_at_all() {
    let (site, mut database) = place();
    let server = site.start();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let log_in = || {
            let (mut decided, mut told) = (0, 0);
            while !is_over.load(Ordering::Relaxed) {
                let output = sftp(&server, "alice", PASSWORD, "pwd\n");
                match output.status.success() {
                    true => decided += 1,
                    false => told += 1,
                }
                // Before the server has noticed, the reason follows the failure of the password, where OpenSSH's client
                // no longer reads. That the login was not denied is in the log, which is looked at below.
                let is_told = |words: &str| text(&output).contains(words);
                let is_first = is_told("Permission denied");
                assert!(output.status.success() || is_told(TOLD) || is_first, "{}", text(&output));
            }
            (decided, told)
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(log_in)).collect();
        for _ in 0..3 {
            server.wait_for(|line| line["sender"] == "login");
            database.stop();
            server.wait_for(|line| line["sender"] == "login_unavailable");
            database.start_again();
        }
        server.wait_for(|line| line["sender"] == "login");
        is_over.store(true, Ordering::Relaxed);
        let outcomes: Vec<(u32, u32)> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(outcomes.iter().map(|(decided, _)| decided).sum::<u32>() > 0, "{outcomes:?}");
    });
    assert!(!server.log().contains(r#""sender":"connection_failed""#), "{}", server.log());
}

#[test]
fn a_server_that_stops_is_not_ready() {
    // A9-05
    let site = Site::new();
    site.user("alice");
    let server = Server::with_grace(&site, 300);
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("upload", fxf::WRITE | fxf::CREAT).handle();
    becomes(&server, 200);
    tools::run_ok(std::process::Command::new("kill").arg(server.pid().to_string()));
    becomes(&server, 503);
    write(&mut raw, &handle, 0);
    assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK);
    assert!(raw.receive().is_none(), "with nothing left to do it ends");
    assert!(server.ended().success());
}
