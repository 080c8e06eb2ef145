//! Whole logins with OpenSSH's client, decided by each kind of hook.

use std::path::{Path, PathBuf};
use std::process::Output;

use tidegate_contract::web_server;
use tidegate_tests::clients::{self, Proof, can_log_in, key};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

const ADAPTERS: [&str; 3] = ["program", "http", "plugin"];

fn component() -> PathBuf {
    tools::cache().join("guests/contract.wasm")
}

/// Keeps the web server running.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A site whose hooks of these kinds are of that adapter.
fn site(runtime: &tokio::runtime::Runtime, adapter: &str, kinds: &[&str]) -> Site {
    let site = Site::new();
    let home = site.path("homes/contract");
    let home = home.to_str().unwrap();
    let config = match adapter {
        "program" => {
            let script = site.script("hook.sh", include_str!("../src/hook.sh"));
            let sections = kinds.iter().map(|kind| {
                format!(
                    "[hook.{kind}]\nhook = \"{}\"\nargs = [\"{kind}\"]\nenv = [\"CONTRACT_HOME={home}\"]\n",
                    script.display()
                )
            });
            sections.collect::<String>()
        }
        "http" => {
            let url = runtime.block_on(web_server::serve(home)).unwrap();
            kinds.iter().map(|kind| format!("[hook.{kind}]\nhook = \"{url}{kind}\"\n")).collect()
        }
        _ => {
            let homes = site.path("homes");
            let settings = format!("homes = [\"{}\"]\n[config]\nhome = \"{home}\"\n", homes.display());
            site.plugin("contract", &component(), &settings);
            String::new()
        }
    };
    // The component has every hook; external authentication would come before the others.
    site.config(&format!("{config}[data_provider]\nexternal_auth_scope = 2\n"))
}

/// `sftp` that answers each question of keyboard-interactive by its text.
fn interactive(site: &Site, server: &Server, user: &str, answers: &[(&str, &str)]) -> Output {
    let cases = answers.iter().map(|(question, answer)| format!("*{question}*) echo '{answer}' ;;\n"));
    let script = format!("#!/bin/sh\ncase $1 in\n{}*) echo unexpected ;;\nesac\n", cases.collect::<String>());
    let askpass = site.script("askpass.sh", &script);
    let mut command = clients::openssh("sftp", server, Proof::Key(Path::new("/nonexistent")));
    let batch = site.write("batch", "pwd\n");
    command
        .args(["-oPreferredAuthentications=keyboard-interactive", "-oBatchMode=no"])
        .arg("-b")
        .arg(batch)
        .arg(format!("{user}@127.0.0.1"));
    // The first value of an option wins, so the one for keys has to go.
    let options: Vec<_> =
        command.get_args().filter(|option| *option != "-oPreferredAuthentications=publickey").map(Into::into).collect();
    let options: Vec<std::ffi::OsString> = options;
    let mut command = std::process::Command::new("sftp");
    command.args(options).env("SSH_ASKPASS", askpass).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
    tools::run(&mut command)
}

#[test]
fn two_rounds_of_questions_log_in_through_each_adapter() {
    // A1-05, A12-03
    let runtime = runtime();
    for adapter in ADAPTERS {
        let site = site(&runtime, adapter, &["keyboard-interactive"]);
        site.user("talker");
        let server = site.start();
        let right = interactive(&site, &server, "talker", &[("one", "1"), ("two", "2"), ("three", "3")]);
        assert!(right.status.success(), "{adapter}: {}\n{}", clients::text(&right), server.log());
        let wrong = interactive(&site, &server, "talker", &[("one", "1"), ("two", "2"), ("three", "4")]);
        assert!(!wrong.status.success(), "{adapter}");
    }
}

#[test]
fn a_key_and_a_password_log_in_through_each_adapter() {
    let runtime = runtime();
    for adapter in ADAPTERS {
        let site = site(&runtime, adapter, &["check-password"]);
        let mine = key(&site.path(""), "mine");
        let line = std::fs::read_to_string(mine.with_extension("pub")).unwrap();
        for name in ["accept", "deny"] {
            let home = site.path(&format!("homes/{name}"));
            let account = serde_json::json!({
                "username": name, "status": 1, "home_dir": home, "permissions": {"/": ["*"]}, "password": "stored",
                "public_keys": [line.trim()],
                "filters": {
                    "denied_login_methods": ["publickey", "password", "keyboard-interactive"],
                    "hooks": {"external_auth_disabled": true},
                },
            });
            let file = site.write("account.json", account.to_string());
            tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
        }
        let server = site.start();
        assert!(!can_log_in(&server, "accept", Proof::PasswordMethod("anything")), "{adapter}");
        assert!(!can_log_in(&server, "accept", Proof::Key(&mine)), "{adapter}");
        let both = can_log_in(&server, "accept", Proof::KeyAndPassword(&mine, "anything"));
        assert!(both, "{adapter}: {}", server.log());
        assert!(!can_log_in(&server, "deny", Proof::KeyAndPassword(&mine, "stored")), "{adapter}");
    }
}

#[test]
fn an_account_made_by_pre_login_logs_in_through_each_adapter() {
    let runtime = runtime();
    for adapter in ADAPTERS {
        let site = site(&runtime, adapter, &["pre-login", "check-password"]);
        let server = site.start();
        assert!(can_log_in(&server, "replace", Proof::PasswordMethod("anything")), "{adapter}: {}", server.log());
        // C6-01: it is stored now.
        let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "replace"]));
        assert!(shown.contains("homes/contract"), "{shown}");
        assert!(!can_log_in(&server, "unchanged", Proof::PasswordMethod("anything")), "{adapter}");
    }
}

/// The keyboard-interactive sample of the older server's README, letter by letter (A12-10).
const QUESTIONS: &str = r#"#!/bin/sh
echo '{"questions":["Question1: ","Question2: "],"instruction":"This is a sample for keyboard interactive authentication","echos":[true,false]}'

read ANSWER1
read ANSWER2

echo '{"questions":["Question3: "],"instruction":"","echos":[true]}'

read ANSWER3

if test "$ANSWER3" = "answer3"; then
  echo '{"auth_result":1}'
else
  echo '{"auth_result":-1}'
fi
"#;

#[test]
fn the_sample_with_questions_runs_unmodified() {
    // A12-10
    let site = Site::new();
    let script = site.script("questions.sh", QUESTIONS);
    let site = site.config(&format!("keyboard_interactive_auth_program = \"{}\"", script.display()));
    site.user("alice");
    let server = site.start();
    let answers = |last| [("Question1", "x"), ("Question2", "y"), ("Question3", last)];
    let right = interactive(&site, &server, "alice", &answers("answer3"));
    assert!(right.status.success(), "{}\n{}", clients::text(&right), server.log());
    assert!(!interactive(&site, &server, "alice", &answers("answer4")).status.success());
    assert!(!interactive(&site, &server, "nobody", &answers("answer3")).status.success());
    // Other methods are what they were.
    assert!(can_log_in(&server, "alice", Proof::PasswordMethod("pw")));
}

/// The pre-login sample of the older server's documentation, letter by letter (A13-12).
const HOURS: &str = r#"#!/bin/bash

CURRENT_TIME=`date +%H:%M`
if [[ "$SFTPGO_LOGIND_USER" =~ "\"test_user\"" ]]
then
  if [[ $CURRENT_TIME > "18:00" || $CURRENT_TIME < "10:00" ]]
  then
    echo '{"status":0}'
  else
    echo '{"status":1}'
  fi
fi
"#;

#[test]
fn the_sample_with_hours_runs_unmodified() {
    // A13-05, A13-12, C3-02
    let site = Site::new();
    let script = site.script("hours.sh", HOURS);
    let site = site.config(&format!("[data_provider]\npre_login_hook = \"{}\"", script.display()));
    site.user("test_user");
    site.user("other");
    let path = std::env::var("PATH").unwrap();
    for (time, expected) in [("12:30", true), ("20:00", false), ("10:00", true), ("09:59", false)] {
        site.script("bin/date", &format!("#!/bin/sh\necho {time}\n"));
        let path = format!("{}:{path}", site.path("bin").display());
        let server = site.start_with(&[("PATH", &path)]);
        assert_eq!(can_log_in(&server, "test_user", Proof::Password("pw")), expected, "at {time}");
        assert!(can_log_in(&server, "other", Proof::Password("pw")), "at {time}");
        let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "test_user"]));
        assert!(shown.contains(&format!("\"status\": {}", i32::from(expected))), "{shown}");
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_conversation_harms_no_other() {
    let runtime = runtime();
    let site = site(&runtime, "plugin", &["keyboard-interactive"]);
    site.user("never-stops");
    site.user("talker");
    let mut server = site.start();
    // The client is killed by the program that should answer.
    let gone = interactive(&site, &server, "never-stops", &[("leave", "'; kill -9 $PPID; echo '")]);
    assert!(!gone.status.success(), "{}\n{}", clients::text(&gone), server.log());
    server.wait_for(|line| line["message"].as_str().is_some_and(|text| text.starts_with("connection closed")));
    assert!(server.is_running());
    let next = interactive(&site, &server, "talker", &[("one", "1"), ("two", "2"), ("three", "3")]);
    assert!(next.status.success(), "{}", server.log());
}
