//! External authentication through each adapter: a program, a web server, a component.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use tidegate_tests::clients::{Proof, can_log_in, key, openssh};
use tidegate_tests::raw_sftp::{RawSftp, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::fxp;
use tidegate_tests::tools;

use crate::logins::round_trip;

/// The sample of the older server's README, letter by letter (A11-26).
const SAMPLE: &str = r#"#!/bin/sh

if test "$SFTPGO_AUTHD_USERNAME" = "test_user"; then
  echo '{"status":1,"username":"test_user","expiration_date":0,"home_dir":"/tmp/test_user","uid":0,"gid":0,"max_sessions":0,"quota_size":0,"quota_files":100000,"permissions":{"/":["*"],"/somedir":["list","download"]},"upload_bandwidth":0,"download_bandwidth":0,"filters":{"allowed_ip":[],"denied_ip":[]},"public_keys":[]}'
else
  echo '{"username":""}'
fi
"#;

fn with_program(script: &str, more: &str) -> (Site, Server) {
    let site = Site::new();
    let path = site.script("hook.sh", script);
    let site = site.config(&format!("[data_provider]\nexternal_auth_hook = \"{}\"\n{more}", path.display()));
    let server = site.start();
    (site, server)
}

#[test]
fn the_sample_script_runs_unmodified() {
    // A1-06, A11-26
    let (site, server) = with_program(SAMPLE, "");
    round_trip(&server, "test_user", Proof::Password("anything"));
    let mine = key(&site.path(""), "mine");
    assert!(can_log_in(&server, "test_user", Proof::Key(&mine)));
    assert!(!can_log_in(&server, "other", Proof::Password("anything")));
    std::fs::remove_dir_all("/tmp/test_user").unwrap();
}

#[test]
fn the_older_name_of_the_key_works() {
    // A3-41
    let (site, home) = (Site::new(), tempfile::tempdir().unwrap());
    let path = site.script("hook.sh", &script(home.path(), ANSWER));
    let site = site.config(&format!("[data_provider]\nexternal_auth_program = \"{}\"", path.display()));
    let server = site.start();
    assert!(can_log_in(&server, "alice", Proof::Password("pw")));
    assert!(!can_log_in(&server, "alice", Proof::Password("x")));
}

/// A script that lets `alice` in with the password `pw`, and prints what it saw.
fn script(site_home: &Path, answer: &str) -> String {
    format!(
        "#!/bin/sh\necho \"user=$SFTPGO_AUTHD_USERNAME password=$SFTPGO_AUTHD_PASSWORD key=$SFTPGO_AUTHD_PUBLIC_KEY \
         kbd=$SFTPGO_AUTHD_KEYBOARD_INTERACTIVE ip=$SFTPGO_AUTHD_IP\" >&2\necho 'and a second line' >&2\n\
         if [ \"$SFTPGO_AUTHD_PASSWORD\" = pw ]; then\n  echo '{}'\nelse\n  echo '{{\"username\":\"\"}}'\nfi\n",
        answer.replace("HOME", &site_home.display().to_string())
    )
}

const ANSWER: &str = r#"{"status":1,"username":"alice","home_dir":"HOME","permissions":{"/":["*"]}}"#;

#[test]
fn what_a_program_prints_to_standard_error_is_logged() {
    // B0-06
    let home = tempfile::tempdir().unwrap();
    let (_site, server) = with_program(&script(home.path(), ANSWER), "");
    assert!(can_log_in(&server, "alice", Proof::Password("pw")));
    let line = server.wait_for_text("user=alice");
    assert_eq!((&line["sender"], &line["level"]), (&"external_auth_hook".into(), &"warn".into()), "{line}");
    assert!(!line["message"].as_str().unwrap().contains("second"), "{line}");
    let second = server.wait_for(|line| line["message"] == "and a second line");
    assert_eq!(second["sender"], "external_auth_hook", "{second}");
    assert!(line["message"].as_str().unwrap().contains("ip=127.0.0.1"));
    // So is what the other hooks of a login print, each under its own name.
    let site = Site::new();
    let pre_login = site.script("pre.sh", "#!/bin/sh\necho 'of the first' >&2\n");
    let check = site.script("check.sh", "#!/bin/sh\necho 'of the second' >&2\necho '{\"status\":1}'\n");
    let site = site.config(&format!(
        "[data_provider]\npre_login_hook = \"{}\"\ncheck_password_hook = \"{}\"\n",
        pre_login.display(),
        check.display()
    ));
    site.user("alice");
    let server = site.start();
    assert!(can_log_in(&server, "alice", Proof::PasswordMethod("pw")));
    for (said, sender) in [("of the first", "pre_login_hook"), ("of the second", "check_password_hook")] {
        let line = server.wait_for(|line| line["message"] == said);
        assert_eq!((&line["sender"], &line["level"]), (&sender.into(), &"warn".into()), "{line}");
    }
}

#[test]
fn the_answer_decides_over_this_very_login() {
    // A11-23, A11-24, B1-01, C6-06
    let home = tempfile::tempdir().unwrap();
    for (more, expected) in [
        ("", true),
        (r#","expiration_date":1000"#, false),
        (r#","filters":{"denied_ip":["127.0.0.0/8"]}"#, false),
        (r#","filters":{"denied_login_methods":["password","keyboard-interactive"]}"#, false),
        (r#","permissions":{"/":["fly"]}"#, false),
    ] {
        let answer = ANSWER.replacen(
            "\"username\"",
            &format!(
                "{}\"username\"",
                more.trim_start_matches(',').to_owned() + if more.is_empty() { "" } else { "," }
            ),
            1,
        );
        // The last of two equal keys counts, so the permissions under test come last.
        let answer = if more.contains("fly") { ANSWER.replace(r#"{"/":["*"]}"#, r#"{"/":["fly"]}"#) } else { answer };
        let (_site, server) = with_program(&script(home.path(), &answer), "");
        assert_eq!(can_log_in(&server, "alice", Proof::Password("pw")), expected, "{answer}\n{}", server.log());
    }
}

#[test]
fn the_account_is_stored_with_the_presented_password() {
    // A11-20, A11-22, C6-01
    let home = tempfile::tempdir().unwrap();
    let (site, server) = with_program(&script(home.path(), ANSWER), "");
    assert!(can_log_in(&server, "alice", Proof::Password("pw")));
    drop(server);
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]));
    assert!(shown.contains("\"has_password\": true"), "{shown}");
    let dump = tools::run_ok(&mut site.tidegate(&["dump"]));
    assert!(dump.contains("$argon2id$"), "{dump}");
    // With a hook that always fails, each login is refused, also with the stored password.
    site.script("hook.sh", "#!/bin/sh\nexit 1\n");
    let server = site.start();
    assert!(!can_log_in(&server, "alice", Proof::Password("pw")));
    // Without the hook, the stored account counts.
    drop(server);
    let mut plain = site.tidegate(&["user", "list"]);
    assert!(tools::run_ok(&mut plain).contains("alice"));
}

#[test]
fn what_hooks_make_of_accounts_is_not_told() {
    // A11-20, A13-08, A15-20
    for key in ["external_auth_hook", "pre_login_hook"] {
        let site = Site::new();
        let (told, home) = (site.path("told"), site.path("home").display().to_string());
        let observer = format!("#!/bin/sh\necho $SFTPGO_USER_ACTION >> {}\n", told.display());
        let observer = site.script("told.sh", &observer).display().to_string();
        let answer = |sessions: u32| {
            let more = format!("{{\"password\":\"pw\",\"max_sessions\":{sessions},");
            format!("#!/bin/sh\necho '{}'\n", ANSWER.replace("HOME", &home).replacen('{', &more, 1))
        };
        let hook = site.script("hook.sh", &answer(9)).display().to_string();
        let config = format!("[data_provider]\n{key} = \"{hook}\"\n[hook.object-changes]\nhook = \"{observer}\"");
        let site = site.config(&config);
        let server = site.start();
        let mut open = RawSftp::connect(&server, "alice", "pw");
        site.script("hook.sh", &answer(5));
        assert!(can_log_in(&server, "alice", Proof::Password("pw")), "{key}: {}", server.log());
        let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]));
        assert!(shown.contains("\"max_sessions\": 5"), "{key}: {shown}");
        assert_eq!(open.request(fxp::STAT, &string("/")).kind, fxp::ATTRS, "{key}: the first session goes on");
        drop(open);
        // What an administrator changes is told.
        tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "alice", "--max-sessions", "6"]));
        assert!(server.terminate().success());
        assert_eq!(std::fs::read_to_string(&told).unwrap_or_default(), "update\n", "{key}");
    }
}

#[test]
fn a_client_with_many_keys_costs_few_calls() {
    // B2-05, C6-09
    let site = Site::new();
    let asked = site.path("asked");
    let hook = format!(
        "#!/bin/sh\nset -- $SFTPGO_AUTHD_PUBLIC_KEY\necho \"$2\" >> {}\necho '{{\"username\":\"\"}}'\n",
        asked.display()
    );
    let hook = site.script("hook.sh", &hook);
    let keys: Vec<_> = (0..10).map(|number| key(&site.path(""), &format!("key{number}"))).collect();
    let config = format!("max_auth_tries = 4\n[data_provider]\nexternal_auth_hook = \"{}\"", hook.display());
    let site = site.config(&config);
    let server = site.start();
    let mut command = openssh("sftp", &server, Proof::Key(&keys[0]));
    for key in &keys[1..] {
        command.arg("-i").arg(key);
    }
    assert!(!tools::run(command.arg("alice@127.0.0.1")).status.success());
    let asked = std::fs::read_to_string(&asked).unwrap();
    let different: std::collections::BTreeSet<_> = asked.lines().collect();
    assert_eq!(asked.lines().count(), different.len(), "each once: {asked}");
    assert!((2..=4).contains(&different.len()), "{asked}");
}

#[test]
fn the_scope_limits_the_methods() {
    // A3-42
    let home = tempfile::tempdir().unwrap();
    let (site, server) = with_program(&script(home.path(), ANSWER), "external_auth_scope = 2");
    assert!(!can_log_in(&server, "alice", Proof::Password("pw")));
    drop(server);
    site.user("bob");
    let server = site.start();
    assert!(can_log_in(&server, "bob", Proof::Password("pw")));
}

/// A11-04, A11-06, B17: every way in which a program can fail refuses.
#[test]
fn a_failing_program_refuses() {
    // A11-05, B2-10, C6-10: no failure of the hook is in the log as a wrong password.
    let home = tempfile::tempdir().unwrap();
    let answer = ANSWER.replace("HOME", &home.path().display().to_string());
    for (script, reason) in [
        (format!("#!/bin/sh\necho '{answer}'\nexit 1\n"), "ended with"),
        ("#!/bin/sh\n".to_owned(), "empty"),
        ("#!/bin/sh\necho '   '\n".to_owned(), "empty"),
        ("#!/bin/sh\necho nonsense\n".to_owned(), "not valid JSON"),
        (format!("#!/bin/sh\necho '{answer}'\necho '{answer}'\n"), "trailing characters at line 2 column 1"),
        (format!("#!/bin/sh\necho '{answer}'\necho debug\n"), "trailing characters at line 2 column 1"),
        ("#!/bin/sh\necho '{\"username\":\"alice\"}'\n".to_owned(), "home_dir"),
        ("#!/bin/sh\nsleep 60\n".to_owned(), "did not answer within"),
        ("#!/bin/sh\nkill -9 $$\n".to_owned(), "ended with"),
        ("#!/bin/sh\nhead -c 2000000 /dev/zero\n".to_owned(), "more than"),
    ] {
        let (_site, server) = with_program(&script, "[hook.external-auth]\ntimeout = 2");
        assert!(!can_log_in(&server, "alice", Proof::Password("pw")), "{script}");
        let line = server.wait_for(|line| line["sender"] == "connection_failed" && line.to_string().contains(reason));
        // In this era an empty answer is a denial.
        assert_eq!(line["reason"], if reason == "empty" { "denied" } else { "failure" }, "{line}");
    }
}

#[test]
fn a_missing_interpreter_is_named() {
    // B0-15: at start, and when it goes later.
    let site = Site::new();
    let shell = site.script("shell", "#!/bin/sh\n");
    let program = site.script("auth.sh", &format!("#!{}\n", shell.display()));
    let site = site.config(&format!("[data_provider]\nexternal_auth_hook = \"{}\"\n", program.display()));
    let server = site.start();
    std::fs::remove_file(&shell).unwrap();
    assert!(!can_log_in(&server, "alice", Proof::Password("pw")));
    let named = |text: &str| text.contains("its interpreter") && text.contains(&shell.display().to_string());
    server.wait_for(|line| line["sender"] == "connection_failed" && named(&line.to_string()));
    let output = site.tidegate(&["config", "check"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && named(&said), "{said}");
}

/// Answers every POST with the same status and body; hands the requests' bodies over.
fn web_server(status: u16, body: &str) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/auth", listener.local_addr().unwrap());
    let response = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let (sender, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut portion = [0; 4096];
            while !is_complete(&request) {
                match stream.read(&mut portion) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => request.extend_from_slice(&portion[..count]),
                }
            }
            let _ = sender.send(String::from_utf8_lossy(&request).into_owned());
            let _ = stream.write_all(response.as_bytes());
        }
    });
    (url, requests)
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}

fn with_url(url: &str) -> Server {
    let site = Site::new().config(&format!("[data_provider]\nexternal_auth_hook = \"{url}\""));
    // The directory must outlive the server; both end with the test.
    let server = site.start();
    std::mem::forget(site);
    server
}

#[test]
fn a_web_server_decides_logins() {
    // A1-06, A11-10, A11-11
    let home = tempfile::tempdir().unwrap();
    let (url, requests) = web_server(200, &ANSWER.replace("HOME", &home.path().display().to_string()));
    let server = with_url(&url);
    round_trip(&server, "alice", Proof::Password("pw"));
    let request = requests.recv().unwrap();
    assert!(request.to_ascii_lowercase().contains("content-type: application/json"), "{request}");
    assert!(request.contains(r#""username":"alice""#) && request.contains(r#""password":"pw""#), "{request}");
    // B0-05: as long as an answer may be, and longer by one.
    let answer = ANSWER.replace("HOME", &home.path().display().to_string());
    for (length, expected) in [(1_048_576, true), (1_048_577, false)] {
        let padded = answer.clone() + &" ".repeat(length - answer.len());
        let server = with_url(&web_server(200, &padded).0);
        assert_eq!(can_log_in(&server, "alice", Proof::Password("pw")), expected, "{length}: {}", server.log());
    }
}

#[test]
fn a_failing_web_server_refuses() {
    // A11-11, B0-11, B17
    for (status, body) in
        [(403, ""), (200, ""), (204, ""), (500, ANSWER), (302, ANSWER), (200, "nonsense"), (201, ANSWER)]
    {
        let (url, _requests) = web_server(status, body);
        let server = with_url(&url);
        assert!(!can_log_in(&server, "alice", Proof::Password("pw")), "{status} {body}");
    }
    // No server listens there.
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = with_url(&format!("http://user:secret@{unused}/"));
    assert!(!can_log_in(&server, "alice", Proof::Password("pw")));
    assert!(!server.log().contains("secret"), "{}", server.log());
}

/// The same hash as `openssl passwd -6`, of the password `sesame`.
pub const SESAME: &str =
    "$6$abcdefgh$Bk2D4uYVcw0FbFPsWa0iJZ1DNfy8v6OjKcRcuBfMkWD1KdADPVnmQf5cr0O8HfAYpq1XrrjdgIRINkwgSKJ8/1";

pub fn json_users(home: &Path) -> String {
    format!(
        "homes = [\"{0}\"]\n[config]\nhome_base = \"{0}\"\n[[config.users]]\nusername = \"alice\"\npassword = \"{SESAME}\"\n",
        home.display()
    )
}

#[test]
fn a_component_in_the_directory_decides_logins() {
    let site = Site::new();
    site.plugin("json-users", &tools::guest("json-users"), &json_users(&site.path("homes")));
    let mine = key(&site.path(""), "mine");
    let line = std::fs::read_to_string(mine.with_extension("pub")).unwrap();
    let more = format!("[[config.users]]\nusername = \"carol\"\npublic_keys = [\"{}\"]\n", line.trim());
    site.write("plugins/json-users.toml", json_users(&site.path("homes")) + &more);
    site.user("stored");
    let server = site.start();
    round_trip(&server, "alice", Proof::Password("sesame"));
    assert!(!can_log_in(&server, "alice", Proof::Password("wrong")));
    assert!(can_log_in(&server, "carol", Proof::Key(&mine)));
    assert!(!can_log_in(&server, "alice", Proof::Key(&mine)));
    // The plugin defers for users it does not know.
    assert!(can_log_in(&server, "stored", Proof::Password("pw")));
    assert!(!can_log_in(&server, "nobody", Proof::Password("pw")));
}

#[test]
fn a_component_in_javascript_decides_logins() {
    let site = Site::new();
    // All guests share one home.
    let settings = format!(
        "accounts = \"any\"\nhomes = [\"{0}\"]\n[config]\npassword_hash = \"{SESAME}\"\ndirectory = \"{0}/files\"\n",
        site.path("guests").display()
    );
    site.plugin("guests", &tools::guest("guests"), &settings);
    let server = site.start();
    assert!(can_log_in(&server, "guest-1", Proof::Password("sesame")));
    assert!(!can_log_in(&server, "guest-1", Proof::Password("wrong")));
    assert!(!can_log_in(&server, "alice", Proof::Password("sesame")));
}

#[test]
fn a_chain_asks_the_next_when_one_defers() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::new();
    site.plugin("json-users", &tools::guest("json-users"), &json_users(&site.path("homes")));
    let script = site.script("hook.sh", &script(home.path(), &ANSWER.replace("alice", "bob")));
    let site = site
        .config(&format!("[data_provider]\nexternal_auth_hook = [\"plugin:json-users\", \"{}\"]", script.display()));
    let listed = tools::run_ok(&mut site.tidegate(&["hook", "list"]));
    assert!(listed.find("plugin").unwrap() < listed.find("program").unwrap(), "{listed}");
    let server = site.start();
    assert!(can_log_in(&server, "alice", Proof::Password("sesame")));
    assert!(can_log_in(&server, "bob", Proof::Password("pw")));
    assert!(!can_log_in(&server, "bob", Proof::Password("no")));
}

/// B2-04, J-01: adapter, era, method. The stored account has the key `own` and the password `pw`.
#[test]
fn an_empty_answer_lets_no_other_key_in() {
    for adapter in ["program", "http"] {
        for (compat, own, right, wrong) in
            [("seed", false, false, false), ("2.4", true, true, false), ("current", true, true, true)]
        {
            let site = Site::new();
            let (own_key, foreign) = (key(&site.path(""), "own"), key(&site.path(""), "foreign"));
            let hook = match adapter {
                "program" => site.script("hook.sh", "#!/bin/sh\n").display().to_string(),
                _ => web_server(200, "").0,
            };
            let site = site.config(&format!("[hook.external-auth]\nhook = \"{hook}\"\ncompat = \"{compat}\""));
            let public = own_key.with_extension("pub");
            site.user_with("alice", &["--password", "pw", "--public-key", public.to_str().unwrap()]);
            let server = site.start();
            let check = |proof: Proof<'_>, expected: bool, what: &str| {
                assert_eq!(
                    can_log_in(&server, "alice", proof),
                    expected,
                    "{adapter} {compat} {what}\n{}",
                    server.log()
                );
            };
            check(Proof::Key(&foreign), false, "a foreign key");
            check(Proof::Key(&own_key), own, "the account's key");
            check(Proof::PasswordMethod("no"), wrong, "another password");
            // Which the last era has stored.
            check(Proof::PasswordMethod("pw"), right, "the password");
            assert!(!can_log_in(&server, "nobody", Proof::Key(&own_key)), "{adapter} {compat}");
        }
    }
}
