//! Accounts, methods and the checks of a login.

use tidegate_tests::clients::{Proof, can_log_in, checksum, exec, key, make_tree, openssh, sftp_ok, text};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

/// Puts a tree and gets it back; the sums must agree.
pub fn round_trip(server: &tidegate_tests::server::Server, user: &str, proof: Proof<'_>) {
    let work = tempfile::tempdir().unwrap();
    let (sent, received) = (work.path().join("sent"), work.path().join("received"));
    let expected = make_tree(&sent);
    let batch = format!("put -r {} tree\nget -r tree {}\n", sent.display(), received.display());
    sftp_ok(server, user, proof, &batch);
    assert_eq!(checksum(&received), expected);
}

#[test]
fn a_password_opens_the_home_directory() {
    // A1-02, A1-04
    let site = Site::new();
    let home = site.user("alice");
    let server = site.start();
    round_trip(&server, "alice", PASSWORD);
    assert!(home.join("tree").is_dir());
    assert!(!can_log_in(&server, "alice", Proof::Password("wrong")));
    assert!(!can_log_in(&server, "alice", Proof::Password("")));
    assert!(!can_log_in(&server, "nobody", PASSWORD));
    server.wait_for_text(r#""sender":"connection_failed""#);
}

#[test]
fn a_key_opens_the_home_directory() {
    // A1-04
    let site = Site::new();
    let mine = key(&site.path(""), "mine");
    let (second, other) = (key(&site.path(""), "second"), key(&site.path(""), "other"));
    let lines = [&mine, &second].map(|key| key.with_extension("pub").display().to_string());
    site.user_with("alice", &["--public-key", &lines[0], "--public-key", &lines[1]]);
    let server = site.start();
    round_trip(&server, "alice", Proof::Key(&mine));
    assert!(can_log_in(&server, "alice", Proof::Key(&second)));
    assert!(!can_log_in(&server, "alice", Proof::Key(&other)));
}

#[test]
fn options_of_key_lines_hold() {
    // A8-14: as on OpenSSH's server
    let site = Site::new();
    let mine = key(&site.path(""), "mine");
    let line = std::fs::read_to_string(mine.with_extension("pub")).unwrap();
    let with = |options: &str| site.write("line.pub", format!("{options} {line}"));
    let add = |user: &str, options: &str| {
        let file = with(options);
        site.user_with(user, &["--password", "pw", "--public-key", file.to_str().unwrap()]);
    };
    let logins = [
        ("here", r#"from="127.0.0.0/8",no-pty"#, true),
        ("elsewhere", r#"from="192.0.2.0/24""#, false),
        ("not-here", r#"from="*,!127.0.0.1""#, false),
        ("later", r#"expiry-time="20991231Z""#, true),
        ("expired", r#"expiry-time="20200101""#, false),
        ("authority", "cert-authority", false),
        ("unknown", "no-such-option", false),
        ("sftp-only", r#"restrict,command="internal-sftp -l INFO""#, true),
        ("read-only", r#"command="internal-sftp -R""#, false),
        ("commanded", r#"command="pwd""#, false),
    ];
    for (user, options, _) in logins {
        add(user, options);
    }
    let server = site.start();
    for (user, options, expected) in logins {
        assert_eq!(can_log_in(&server, user, Proof::Key(&mine)), expected, "{options}\n{}", server.log());
    }
    server.wait_for_text("expiry-time= that is past");
    // What the line says runs, whatever the client asks for.
    let forced = exec(&server, "commanded", Proof::Key(&mine), "md5sum -", b"");
    assert_eq!(text(&forced).trim(), "/");
    // A login by password has no line.
    assert!(can_log_in(&server, "commanded", PASSWORD));
    // Another comment is the same key.
    let blob: Vec<_> = line.split(' ').take(2).collect();
    let renamed = site.write("renamed.pub", format!("{} another name", blob.join(" ")));
    site.user_with("renamed", &["--public-key", renamed.to_str().unwrap()]);
    assert!(can_log_in(&server, "renamed", Proof::Key(&mine)));
    let shown = tools::run_ok(std::process::Command::new("ssh-keygen").arg("-lf").arg(&mine));
    let login = server.wait_for(|line| line["sender"] == "login" && line["username"] == "renamed");
    assert_eq!(login["info"].as_str(), shown.split(' ').nth(1), "{login}");
}

#[test]
fn a_key_and_a_password_are_two_steps() {
    // B12-03, B12-04, and B12-05: a partial success is no failure, nor is the first question which methods there are.
    let site = Site::new().config("max_auth_tries = 1");
    let mine = key(&site.path(""), "mine");
    let line = std::fs::read_to_string(mine.with_extension("pub")).unwrap();
    let document = format!(
        r#"{{"username":"alice","status":1,"password":"pw","public_keys":["{}"],"home_dir":"{}","permissions":{{"/":["*"]}},
        "filters":{{"denied_login_methods":["publickey","password","keyboard-interactive","publickey+keyboard-interactive"]}}}}"#,
        line.trim(),
        site.path("home").display()
    );
    let file = site.write("alice.json", document);
    tidegate_tests::tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
    let server = site.start();
    assert!(can_log_in(&server, "alice", Proof::KeyAndPassword(&mine, "pw")));
    server.wait_for_text(r#""method":"publickey+password""#);
    let signed = format!("key:{}", mine.display());
    assert_eq!(answers(&server, "alice", &[signed.as_str(), "password:pw"]), ["partial password", "success"]);
    assert!(!can_log_in(&server, "alice", Proof::Key(&mine)));
    assert!(!can_log_in(&server, "alice", PASSWORD));
    assert!(!can_log_in(&server, "alice", Proof::KeyAndPassword(&mine, "wrong")));
}

#[test]
fn accounts_are_checked_at_every_login() {
    // A1-12, A4-07, B1, B1-03
    let site = Site::new();
    let home = site.user("alice");
    let server = site.start();
    let check = |arguments: &[&str], expected: bool| {
        let mut command = site.tidegate(&["user", "update", "--username", "alice"]);
        tidegate_tests::tools::run_ok(command.args(arguments));
        assert_eq!(can_log_in(&server, "alice", PASSWORD), expected, "{arguments:?}\n{}", server.log());
        // Whatever the reason, the client is told the same.
        let told = if expected { "success" } else { METHODS };
        assert_eq!(answers(&server, "alice", &["password:pw"]), [told], "{arguments:?}");
    };
    check(&[], true);
    check(&["--status", "0"], false);
    check(&["--status", "1"], true);
    check(&["--expiration-date", "2020-01-01T00:00:00Z"], false);
    check(&["--expiration-date", "0"], true);
    check(&["--denied-ip", "127.0.0.0/8"], false);
    // Denied wins over allowed (J-02).
    check(&["--allowed-ip", "127.0.0.1/32"], false);
    check(&["--denied-ip", "192.0.2.0/24"], true);
    check(&["--allowed-ip", "192.0.2.0/24"], false);
    assert!(home.is_dir());
}

#[test]
fn hours_are_those_of_utc_unless_the_server_goes_by_its_own_zone() {
    // C3-01
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // 1970-01-01 was a Thursday.
    let (hour, today) = (since / 3600 % 24, (since / 86_400 + 4) % 7);
    // In this zone it is another day now, and for another hour.
    let (zone, there) = if hour < 11 { ("XYZ12", (today + 6) % 7) } else { ("XYZ-14", (today + 1) % 7) };
    for (tz, day, expected) in [("", today, true), ("", there, false), ("local", today, false), ("local", there, true)]
    {
        let site = Site::new().config(&format!("[common]\ntz = \"{tz}\""));
        let home = site.user("alice");
        let document = format!(
            r#"{{"username":"alice","home_dir":"{}","filters":{{"access_time":[{{"day_of_week":{day},"from":"00:00","to":"23:59"}}]}}}}"#,
            home.display()
        );
        let document = site.write("alice.json", document);
        tools::run_ok(&mut site.tidegate(&["user", "update", "--from-json", document.to_str().unwrap()]));
        let server = site.start_with(&[("TZ", zone)]);
        assert_eq!(can_log_in(&server, "alice", PASSWORD), expected, "{tz:?} in {zone}, day {day}\n{}", server.log());
    }
}

#[test]
fn max_sessions_holds() {
    // A1-09, A4-10
    let site = Site::new();
    site.user_with("alice", &["--password", "pw", "--max-sessions", "1"]);
    let server = site.start();
    let open = tidegate_tests::raw_sftp::RawSftp::connect(&server, "alice", "pw");
    assert!(!can_log_in(&server, "alice", PASSWORD));
    drop(open);
    server.wait_for_text("connection closed");
    assert!(can_log_in(&server, "alice", PASSWORD));
}

#[test]
fn the_built_in_conversation_asks_for_the_password() {
    // B4-02
    let site = Site::new().config("keyboard_interactive_authentication = true");
    site.user("alice");
    let server = site.start();
    // OpenSSH's client tries this method before `password`.
    assert!(can_log_in(&server, "alice", PASSWORD));
    server.wait_for_text(r#""method":"keyboard-interactive""#);
}

#[test]
fn a_flood_of_wrong_passwords_ends_the_connection() {
    let site = Site::new().config("max_auth_tries = 2");
    site.user("alice");
    let server = site.start();
    let script = tidegate_tests::tools::root().join("tests/e2e/clients/guess.py");
    let mut guess = std::process::Command::new(tidegate_tests::tools::python());
    let text = tidegate_tests::tools::run_ok(guess.arg(script).arg(server.port.to_string()));
    // Two refusals, and perhaps a try that met the disconnection.
    assert!(text.contains("disconnected after 2") || text.contains("disconnected after 3"), "{text}");
    assert_eq!(failures(&server), 2, "{}", server.log());
    assert!(can_log_in(&server, "alice", PASSWORD));
}

/// Lines that tell of a failed try.
fn failures(server: &Server) -> usize {
    server.log().matches(r#""sender":"connection_failed""#).count()
}

/// What a server answers to these requests of one connection.
fn answers(server: &Server, user: &str, requests: &[&str]) -> Vec<String> {
    let script = tools::root().join("tests/e2e/clients/auth_requests.py");
    let mut client = std::process::Command::new(tools::python());
    client.arg(script).arg(server.port.to_string()).arg(user).args(requests);
    tools::run_ok(&mut client).lines().map(str::to_owned).collect()
}

const METHODS: &str = "failure publickey,password";

#[test]
fn keyboard_interactive_is_offered_where_it_is_wanted() {
    // A3-26, B4-01
    let asks =
        "#!/bin/sh\necho '{\"questions\":[\"One: \"],\"echos\":[true]}'\nread one\necho '{\"auth_result\":-1}'\n";
    let question = |hook: bool| if hook { "ask One: " } else { "ask Password: " };
    for (hook, setting, is_offered) in [
        (false, "", false),
        (false, "keyboard_interactive_authentication = true", true),
        (false, "keyboard_interactive_authentication = false", false),
        (true, "", true),
        (true, "keyboard_interactive_authentication = true", true),
        (true, "keyboard_interactive_authentication = false", false),
    ] {
        let site = Site::new();
        let script = site.script("ask.sh", asks);
        let hooked = format!("keyboard_interactive_auth_hook = \"{}\"\n", script.display());
        let site = site.config(&format!("{}{setting}", if hook { hooked.as_str() } else { "" }));
        site.user("alice");
        let server = site.start();
        let methods = if is_offered { format!("{METHODS},keyboard-interactive") } else { METHODS.to_owned() };
        let asked = if is_offered { question(hook).to_owned() } else { methods.clone() };
        for user in ["alice", "nobody"] {
            assert_eq!(answers(&server, user, &["none", "ask"]), [methods.as_str(), &asked], "{hook} {setting} {user}");
        }
    }
}

#[test]
fn begun_conversations_are_tries() {
    // A3-13, A12-05, A14-07, B12-05
    let site = Site::new().config("keyboard_interactive_authentication = true\nmax_auth_tries = 3");
    site.user("alice");
    let server = site.start();
    let asked = "ask Password: ";
    // The third is given up with the fourth, which is one too many.
    let all = answers(&server, "alice", &["none", "ask", "ask", "ask", "ask", "ask"]);
    assert_eq!(all[1..4], [asked; 3]);
    assert!(all.len() < 6 || all[5] == "closed", "{all:?}");
    server.wait_for(|line| line["sender"] == "connection_failed" && line["reason"] == "given_up");
    // Observers get a conversation as well that the client leaves with the connection.
    let before = failures(&server);
    assert_eq!(answers(&server, "alice", &["ask"]), [asked]);
    server.wait_for(|line| line["reason"] == "given_up" && before < failures(&server));
    // The answer counts, whatever was given up before it.
    assert_eq!(answers(&server, "alice", &["none", "ask", "ask", "answer:pw"])[3], "success");
}

#[test]
fn one_answer_to_two_questions_is_none() {
    // A12-05, B4-08: no name, and the whole instruction
    let site = Site::new();
    let asks = "#!/bin/sh\nprintf '%s\\n' '{\"instruction\":\"First\\nthen\",\"questions\":[\"One: \",\"Two: \"],\"echos\":[true,true]}'\n\
                read one\nread two\necho '{\"auth_result\":1}'\n";
    let script = site.script("ask.sh", asks);
    let site = site.config(&format!("keyboard_interactive_auth_hook = \"{}\"", script.display()));
    site.user("alice");
    let server = site.start();
    let all = answers(&server, "alice", &["ask", "answer:x"]);
    assert_eq!(
        all,
        ["ask name  instruction First/then: One: |Two: ".to_owned(), format!("{METHODS},keyboard-interactive")]
    );
}

#[test]
fn other_channels_than_sessions_are_of_unknown_types() {
    // A4-04, RFC 4254 §5.1
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let mut forward = openssh("ssh", &server, PASSWORD);
    forward.args(["-oLogLevel=INFO", "-W", "127.0.0.1:1", "alice@127.0.0.1"]);
    let options = forward.get_args().filter(|option| *option != "-oLogLevel=ERROR").map(ToOwned::to_owned);
    let options: Vec<_> = options.collect();
    let mut command = std::process::Command::new(forward.get_program());
    let output = tools::run(command.args(options).env("SSHPASS", "pw"));
    assert!(!output.status.success());
    // The reason's own words, not the server's.
    assert!(text(&output).contains("open failed: unknown channel type"), "{}", text(&output));
}

#[test]
fn a_single_try_is_enough_for_a_right_password() {
    // A3-13, B12-05
    let site = Site::new().config("max_auth_tries = 1");
    site.user("alice");
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD));
    assert_eq!(answers(&server, "alice", &["none", "password:pw"]), [METHODS, "success"]);
    assert_eq!(answers(&server, "alice", &["password:pw"]), ["success"]);
    for requests in [&["none", "password:no", "password:pw"][..], &["password:no", "password:pw"]] {
        let all = answers(&server, "alice", requests);
        assert!(!all.contains(&"success".to_owned()), "{all:?}");
    }
    assert_eq!(answers(&server, "alice", &["none", "none", "password:pw"]).last().unwrap(), "closed");
}

#[test]
fn a_password_and_a_code_are_two_steps() {
    // A3-26, B4-02, C3-01: without the setting, keyboard-interactive is there for the code alone.
    let site = Site::new();
    site.user("alice");
    let mine = key(&site.path(""), "mine");
    let public = std::fs::read_to_string(mine.with_extension("pub")).unwrap();
    let update = |arguments: &[&str]| {
        tools::run_ok(site.tidegate(&["user", "update", "--username", "alice"]).args(arguments));
    };
    update(&["--public-key", mine.with_extension("pub").to_str().unwrap()]);
    let shown = tools::run_ok(&mut site.tidegate(&["user", "totp", "--username", "alice", "--enable", "--json"]));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let code = format!("code:{}", shown["secret"].as_str().unwrap());
    let server = site.start();
    let step = "partial keyboard-interactive";
    let asked = "ask Authentication code: ";
    assert!(!can_log_in(&server, "alice", Proof::PasswordMethod("pw")));
    assert_eq!(answers(&server, "alice", &["ask"]), [METHODS]);
    assert_eq!(answers(&server, "alice", &["password:no"]), [METHODS]);
    let wrong = answers(&server, "alice", &["password:pw", "ask", "answer:000000"]);
    assert_eq!(wrong, [step, asked, "failure keyboard-interactive"]);
    assert_eq!(answers(&server, "alice", &["password:pw", "ask", &code]), [step, asked, "success"]);
    server.wait_for(|line| line["sender"] == "login" && line["method"] == "password");
    // The key alone does, until a rule wants more.
    assert!(can_log_in(&server, "alice", Proof::Key(&mine)));
    let rule = serde_json::json!({"username": "alice", "filters": {"two_factor_protocols": ["SSH"]}});
    let rule = site.write("rule.json", rule.to_string());
    update(&["--from-json", rule.to_str().unwrap()]);
    assert!(!can_log_in(&server, "alice", Proof::Key(&mine)), "{public}");
}
