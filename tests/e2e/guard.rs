//! The defender: an address that guesses is refused, and other addresses are not.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tidegate_tests::clients::{Proof, can_log_in, sftp_with};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::PasswordMethod("pw");
const WRONG: Proof<'static> = Proof::PasswordMethod("wrong");
/// The tries after which the settings below ban an address: 2 + 2 + 2 points are the threshold.
const ENABLED: &str = "enabled = true\nthreshold = 6";
const TRIES: usize = 3;

/// Whether `alice` can log in from another address of this machine.
fn other_address_can_log_in(server: &Server) -> bool {
    sftp_with(server, "alice", PASSWORD, &["-oBindAddress=127.0.0.2"], "pwd\n").status.success()
}

fn bans(site: &Site) -> serde_json::Value {
    serde_json::from_str(&tools::run_ok(&mut site.tidegate(&["ban", "list", "--json"]))).unwrap()
}

/// Waits until it is on record that a connection from the address was closed as it arrived.
pub fn closed_on_arrival(site: &Site, address: &str, reason: &str) {
    waiting::until(&format!("a record of {address}: {reason}"), || {
        let runs = tools::run_ok(&mut site.tidegate(&["hook", "runs", "--json"]));
        let mut runs = runs.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        runs.any(|run| run["kind"] == "accept" && run["address"] == address && run["detail"] == reason)
    });
}

/// Guesses until the address has to be banned.
fn guess(server: &Server, user: &str) {
    for _ in 0..TRIES {
        assert!(!can_log_in(server, user, WRONG));
    }
}

#[test]
fn a_guesser_is_refused_and_others_are_not() {
    // B14-01, B14-02, B14-03, B14-04
    let site = Site::new().defender(ENABLED);
    site.user("alice");
    let server = site.start();
    assert!(!can_log_in(&server, "alice", WRONG));
    assert!(!can_log_in(&server, "nobody", WRONG));
    assert!(can_log_in(&server, "alice", PASSWORD), "two wrong tries do not ban\n{}", server.log());
    assert!(!can_log_in(&server, "alice", WRONG));
    let banned = server.wait_for(|line| line["sender"] == "defender" && line["event"] == "banned");
    assert!(banned["client_ip"] == "127.0.0.1" && banned["level"] == "info", "{banned}");
    let log = server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let told: Vec<_> = lines
        .filter(|line| line["sender"] == "defender")
        .map(|line| {
            let fields = ["level", "client_ip", "protocol", "event", "increase_score_by", "score"];
            serde_json::Value::Array(fields.map(|field| line[field].clone()).to_vec())
        })
        .collect();
    let expected = [
        serde_json::json!(["debug", "127.0.0.1", "SSH", "LoginFailed", 2, 2]),
        serde_json::json!(["debug", "127.0.0.1", "SSH", "UserNotFound", 2, 4]),
        serde_json::json!(["debug", "127.0.0.1", "SSH", "LoginFailed", 2, 6]),
        serde_json::json!(["info", "127.0.0.1", "SSH", "banned", null, 6]),
    ];
    assert_eq!(told, expected, "{log}");
    assert!(!can_log_in(&server, "alice", PASSWORD), "the address is banned");
    let refused = server.wait_for(|line| line["sender"] == "defender" && line["event"] == "refused");
    assert!(refused["client_ip"] == "127.0.0.1" && refused["level"] == "debug", "{refused}");
    assert!(other_address_can_log_in(&server), "{}", server.log());
    let listed = bans(&site);
    assert!(listed[0]["ip"] == "127.0.0.1" && listed[0]["score"] == 6, "{listed}");
    assert_eq!(listed[0]["reason"], "2 denied logins, 1 login with an unknown name", "{listed}");
    tools::run_ok(&mut site.tidegate(&["ban", "remove", "127.0.0.1"]));
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
}

#[test]
fn exempt_networks_are_not_banned() {
    // B14-01
    let site = Site::new().defender(&format!("{ENABLED}\nexempt = [\"127.0.0.0/8\"]"));
    site.user("alice");
    let server = site.start();
    guess(&server, "alice");
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    let refused = tools::run(&mut site.tidegate(&["ban", "add", "127.0.0.1"]));
    assert!(!refused.status.success());
}

#[test]
fn networks_that_administrators_exempt_stay_so_after_a_restart() {
    let site = Site::new().defender(ENABLED);
    site.user("alice");
    let exempt = |arguments: &[&str]| {
        let all: Vec<&str> = ["ban", "exempt"].iter().chain(arguments).copied().collect();
        tools::run_ok(&mut site.tidegate(&all))
    };
    let server = site.start();
    guess(&server, "alice");
    assert!(!can_log_in(&server, "alice", PASSWORD), "the address is banned");
    exempt(&["add", "127.0.0.0/8"]);
    assert!(can_log_in(&server, "alice", PASSWORD), "its ban has ended\n{}", server.log());
    server.terminate();
    let server = site.start();
    guess(&server, "alice");
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    server.terminate();
    assert!(exempt(&["list"]).contains("127.0.0.0/8"));
    exempt(&["remove", "127.0.0.0/8"]);
    assert_eq!(exempt(&["list", "--json"]).replace(char::is_whitespace, ""), "{\"configured\":[],\"added\":[]}");
    let server = site.start();
    guess(&server, "alice");
    assert!(!can_log_in(&server, "alice", PASSWORD), "{}", server.log());
}

#[test]
fn passwords_are_answered_after_their_delays() {
    // B14-01
    for (delays, proof, is_right, least) in [
        ("", WRONG, false, 1000),
        ("login_delay = { success = 900 }", PASSWORD, true, 900),
        ("login_delay = { password_failed = 1300 }", WRONG, false, 1300),
    ] {
        let site = Site::new().defender(&format!("enabled = false\n{delays}"));
        site.user("alice");
        let server = site.start();
        let began = Instant::now();
        assert_eq!(can_log_in(&server, "alice", proof), is_right, "{delays}");
        assert!(began.elapsed() >= Duration::from_millis(least), "{delays}: {:?}", began.elapsed());
    }
}

#[test]
fn a_hook_that_fails_bans_no_address() {
    // B14-06, E-05
    let site = Site::new().defender(ENABLED);
    let broken = site.script("broken", "#!/bin/sh\necho nonsense\n");
    let hook = format!("[data_provider]\nexternal_auth_hook = \"{}\"", broken.display());
    let site = site.config(&hook);
    site.user("alice");
    let server = site.start();
    guess(&server, "alice");
    guess(&server, "nobody");
    server.wait_for(|line| line["sender"] == "connection_failed" && line["reason"] == "failure");
    assert_eq!(bans(&site), serde_json::json!([]), "{}", server.log());
}

#[test]
fn an_address_that_connects_too_often_is_refused_and_scores() {
    // B14-01, B14-05
    let limits = "[[common.rate_limiters]]\naverage = 1\nperiod = 3600000\nburst = 2\ntype = 2\n\
                  generate_defender_events = true\n";
    let site = Site::new().defender("enabled = true\nthreshold = 6").config(limits);
    site.user("alice");
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD) && can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    assert!(!can_log_in(&server, "alice", PASSWORD), "it has connected twice");
    let refused = server.wait_for(|line| line["sender"] == "rate_limiter");
    assert!(refused["client_ip"] == "127.0.0.1" && refused["event"] == "refused", "{refused}");
    let scored = server.wait_for(|line| line["sender"] == "defender");
    assert!(scored["event"] == "LimitExceeded" && scored["increase_score_by"] == 3, "{scored}");
    assert!(other_address_can_log_in(&server), "{}", server.log());
    assert!(!can_log_in(&server, "alice", PASSWORD), "it goes on");
    assert_eq!(bans(&site)[0]["ip"], "127.0.0.1", "twice three points");
    let reason = "too many connections in a short time, of the address or of all together";
    closed_on_arrival(&site, "127.0.0.1", reason);
}

/// The status that curl gets for a path of the server.
fn status(server: &Server, arguments: &[&str], path: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30", "--output", "/dev/null", "--write-out", "%{http_code}"]);
    tools::run_ok(curl.args(arguments).arg(format!("http://127.0.0.1:{}{path}", server.http_port)))
}

#[test]
fn an_address_that_logs_in_over_http_too_often_has_to_wait_and_scores() {
    // B14-05
    let limits = "[[common.rate_limiters]]\naverage = 1\nperiod = 3600000\nburst = 3\nprotocols = [\"HTTP\"]\n\
                  generate_defender_events = true\n";
    let site = Site::new().defender("enabled = true\nthreshold = 9").config(limits);
    site.user("alice");
    let add = ["admin", "add", "--username", "root", "--password", "a-long-password", "--permissions", "*"];
    tools::run_ok(&mut site.tidegate(&add));
    let key: serde_json::Value =
        serde_json::from_str(&tools::run_ok(&mut site.tidegate(&["apikey", "add", "--name", "ci", "--json"]))).unwrap();
    let key = format!("X-SFTPGO-API-KEY: {}", key["key"].as_str().unwrap());
    let server = site.start();
    let basic = ["--user", "root:a-long-password"];
    // A token is asked for with Basic, and a request with Basic is a log-in.
    for path in ["/api/v2/token", "/api/v1/version", "/api/v2/token"] {
        assert_eq!(status(&server, &basic, path), "200", "{path}: {}", server.log());
    }
    for path in ["/api/v2/token", "/api/v1/version"] {
        assert_eq!(status(&server, &basic, path), "429", "{path}: {}", server.log());
    }
    let refused = server.wait_for(|line| line["sender"] == "rate_limiter");
    assert!(refused["client_ip"] == "127.0.0.1" && refused["protocol"] == "HTTP", "{refused}");
    let scored = server.wait_for(|line| line["sender"] == "defender");
    assert!(scored["event"] == "LimitExceeded" && scored["protocol"] == "HTTP", "{scored}");
    // Neither a key, nor another address, nor SSH is limited.
    for _ in 0..5 {
        assert_eq!(status(&server, &["--header", &key], "/api/v2/users"), "200");
    }
    assert_eq!(status(&server, &["--interface", "127.0.0.2", basic[0], basic[1]], "/api/v2/token"), "200");
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    // A third one above the limit reaches the threshold.
    assert_eq!(status(&server, &basic, "/api/v2/token"), "429");
    assert_eq!(bans(&site)[0]["ip"], "127.0.0.1", "three times three points");
}

#[test]
fn administrators_ban_addresses_and_end_bans() {
    // E-20
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let ban = |arguments: &[&str]| {
        let all: Vec<&str> = ["ban"].iter().chain(arguments).copied().collect();
        tools::run(&mut site.tidegate(&all))
    };
    assert!(ban(&["add", "127.0.0.2", "--minutes", "5", "--json"]).status.success());
    assert!(!other_address_can_log_in(&server));
    closed_on_arrival(&site, "127.0.0.2", "the address is banned");
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    assert_eq!(bans(&site)[0]["ip"], "127.0.0.2");
    assert!(ban(&["remove", "127.0.0.2"]).status.success());
    assert!(!ban(&["remove", "127.0.0.2"]).status.success(), "it is banned no more");
    assert!(other_address_can_log_in(&server), "{}", server.log());
    assert!(!ban(&["add", "127.0.0.0/8"]).status.success());
    let audit = tools::run_ok(&mut site.tidegate(&["audit", "list", "--json"]));
    assert!(audit.contains("\"ban\""), "{audit}");
    drop(server);
    assert!(!ban(&["add", "127.0.0.2"]).status.success(), "no server runs");
}

/// hydra guesses over SSH and over HTTP from one address, by settings as they are without a configuration.
#[test]
fn a_program_that_guesses_is_banned_after_the_tries_that_the_pages_say() {
    // B14-01, B14-02
    const TRIES: usize = 8;
    let site = Site::new().defender("enabled = true");
    site.user("alice");
    // The right password comes long after the ban.
    let words = site.write("words", (0..40).map(|number| format!("wrong{number}\n")).collect::<String>() + "pw\n");
    let check = |service: &str| {
        let server = site.start();
        let port = if service == "ssh" { server.port } else { server.http_port };
        let place = if service == "ssh" { "ssh://127.0.0.1".to_owned() } else { "127.0.0.1".to_owned() };
        let mut hydra = Command::new("hydra");
        hydra.current_dir(site.path("")).args([
            "-I",
            "-l",
            "alice",
            "-P",
            words.to_str().unwrap(),
            "-t",
            "1",
            "-W",
            "1",
        ]);
        hydra.args(["-s", &port.to_string(), &place]);
        if service != "ssh" {
            hydra.args(["http-get", "/api/v2/token"]);
        }
        let said = tools::run(hydra.stdin(Stdio::null()));
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(!said.contains("password: pw"), "{service}: {said}");
        let listed = bans(&site);
        assert_eq!(listed[0]["ip"], "127.0.0.1", "{service}: {said}");
        let log = server.log();
        let failed = log.lines().filter(|line| line.contains("\"event\":\"LoginFailed\"")).count();
        assert_eq!(failed, TRIES, "{service}: {log}");
        assert!(!can_log_in(&server, "alice", PASSWORD), "{service}: the address is banned");
        assert!(other_address_can_log_in(&server), "{service}: {log}");
    };
    check("ssh");
    check("http");
}
