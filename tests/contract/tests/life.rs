//! The life of a session as its hooks see it.

use std::collections::BTreeSet;
use std::path::Path;

use tidegate_tests::clients::{Proof, can_log_in, exec, openssh, sftp, sftp_ok, text};
use tidegate_tests::raw_sftp::RawSftp;
use tidegate_tests::server::Site;
use tidegate_tests::sftp_numbers::{fx, fxf};
use tidegate_tests::tools;
use tidegate_tests::waiting::{Followed, until};

const PASSWORD: Proof<'static> = Proof::Password("pw");

/// A script that appends a line for each call, made of its variables.
fn witness(site: &Site, line: &str) -> String {
    let log = site.path("calls");
    let script = site.script("witness.sh", &format!("#!/bin/sh\necho \"{line}\" >> {}\n", log.display()));
    script.display().to_string()
}

fn calls(site: &Site) -> Vec<String> {
    std::fs::read_to_string(site.path("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Observers get events after the fact.
fn wait_for_calls(site: &Site, count: usize) -> Vec<String> {
    let mut left = count;
    let last = Followed::new(&site.path("calls")).line(|_| {
        left -= 1;
        left == 0
    });
    assert!(last.is_some(), "{count} calls did not come: {:?}", calls(site));
    calls(site)
}

#[test]
fn file_actions_are_asked_and_told() {
    // A1-13, A15-01, A15-02, A15-04, B10-12
    // A15, B10
    let site = Site::new();
    let script = witness(&site, "$SFTPGO_ACTION $SFTPGO_ACTION_VIRTUAL_PATH $SFTPGO_ACTION_FILE_SIZE $*");
    let site = site.config(&format!(
        "[sftpd.actions]\nexecute_on = [\"upload\", \"download\", \"rename\", \"delete\", \"mkdir\", \"rmdir\", \"ssh_cmd\"]\n\
         command = \"{script}\"\n"
    ));
    let home = site.user("alice");
    let file = site.write("local", "12345");
    let server = site.start();
    let batch = format!(
        "put {0} f\nget f {1}\nmkdir d\nrename f d/g\nrm d/g\nrmdir d\n-get missing {1}\n",
        file.display(),
        site.path("back").display()
    );
    sftp_ok(&server, "alice", PASSWORD, &batch);
    let mut seen = wait_for_calls(&site, 6);
    seen.sort();
    let at = |name: &str| home.join(name).display().to_string();
    let mut expected = vec![
        format!("upload /f 5 upload alice {}  ", at("f")),
        format!("download /f 5 download alice {}  ", at("f")),
        format!("mkdir /d  mkdir alice {}  ", at("d")),
        format!("rename /f  rename alice {} {} ", at("f"), at("d/g")),
        format!("delete /d/g 5 delete alice {}  ", at("d/g")),
        format!("rmdir /d  rmdir alice {}  ", at("d")),
    ];
    expected.sort();
    let trimmed = |lines: &[String]| lines.iter().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&seen), trimmed(&expected));
    assert!(exec(&server, "alice", PASSWORD, "cd", b"").status.success());
    let seen = wait_for_calls(&site, 7);
    let told: Vec<_> = seen.iter().filter(|line| line.starts_with("ssh_cmd ")).collect();
    assert!(told.len() == 1 && told[0].starts_with("ssh_cmd / ") && told[0].ends_with(" cd"), "{seen:?}");
}

#[test]
fn hooks_get_the_first_transfer_each_way_once() {
    // B10-10
    let site = Site::new();
    let script = witness(&site, "$SFTPGO_ACTION $SFTPGO_ACTION_USERNAME $SFTPGO_ACTION_VIRTUAL_PATH");
    let site = site.config(&format!(
        "[common.actions]\nexecute_on = [\"upload\", \"download\", \"first-upload\", \"first-download\", \"mkdir\"]\n\
         hook = [{{ hook = \"{script}\", compat = \"current\" }}]\n"
    ));
    site.user("alice");
    site.user("bob");
    let file = site.write("local", "12345");
    let back = site.path("back").display().to_string();
    {
        let server = site.start();
        let batch = format!("-get missing {back}\nput {0} f\nput {0} g\nget f {back}\nget g {back}\n", file.display());
        sftp_ok(&server, "alice", PASSWORD, &batch);
        let mut seen = wait_for_calls(&site, 6);
        seen.sort();
        let expected = [
            "download alice /f",
            "download alice /g",
            "first-download alice /f",
            "first-upload alice /f",
            "upload alice /f",
            "upload alice /g",
        ];
        assert_eq!(seen, expected);
        // Of another account, the first transfer that is complete: the client leaves in the middle of one.
        let mut raw = RawSftp::connect(&server, "bob", "pw");
        raw.open_file("broken", fxf::WRITE | fxf::CREAT).handle();
        drop(raw);
        assert_eq!(wait_for_calls(&site, 7)[6], "upload bob /broken");
        sftp_ok(&server, "bob", PASSWORD, &format!("put {} g\n", file.display()));
        let mut seen = wait_for_calls(&site, 9).split_off(7);
        seen.sort();
        assert_eq!(seen, ["first-upload bob /g", "upload bob /g"]);
    }
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice", "--json"]));
    assert!(shown.contains("first_upload") && shown.contains("first_download"), "{shown}");
    // A later session, after a restart, has no first one any more; the directory comes last.
    let server = site.start();
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} h\nget h {back}\nmkdir last\n", file.display()));
    let mut seen = wait_for_calls(&site, 12).split_off(9);
    seen.sort();
    assert_eq!(seen, ["download alice /h", "mkdir alice /last", "upload alice /h"]);
}

#[test]
fn a_pre_action_says_no_in_its_own_words() {
    // B10-05
    let site = Site::new();
    site.plugin("contract", &tools::cache().join("guests/contract.wasm"), "");
    let site = site.config("keyboard_interactive_authentication = false\n[data_provider]\nexternal_auth_scope = 2\n");
    let home = site.user("accept");
    let file = site.write("local", "x");
    let server = site.start();
    let batch = format!("put {0} allow\n-put {0} deny\n-put {0} fail\n-mkdir deny\n", file.display());
    let said = text(&sftp(&server, "accept", Proof::PasswordMethod("pw"), &batch));
    assert!(said.contains("Permission denied"), "{said}");
    assert!(home.join("allow").exists() && !home.join("deny").exists() && !home.join("fail").exists(), "{said}");
    // The words, which OpenSSH's client does not show.
    let refused = RawSftp::connect(&server, "accept", "pw").open_file("deny", fxf::WRITE | fxf::CREAT);
    assert_eq!(refused.status(), fx::PERMISSION_DENIED);
    let words = String::from_utf8_lossy(&refused.body[8..]).into_owned();
    assert!(words.starts_with("Permission denied: not today"), "{words:?}");
}

#[test]
fn hooks_see_what_an_upload_would_write_over() {
    // B10-06: the size and the flags, of a component that asks for them and of a program.
    const REPLACE: u32 = fxf::WRITE | fxf::CREAT | fxf::TRUNC;
    let uploads = [("new/sized", REPLACE), ("old/sized", fxf::WRITE | fxf::CREAT), ("old/sized", REPLACE)];
    let expected = ["0 0", "600 0", "600 512"];
    let begin = |home: &Path| {
        std::fs::create_dir_all(home.join("new")).unwrap();
        std::fs::create_dir_all(home.join("old")).unwrap();
        std::fs::write(home.join("old/sized"), [1; 600]).unwrap();
    };

    let site = Site::new();
    site.plugin("contract", &tools::cache().join("guests/contract.wasm"), "");
    let site = site.config("keyboard_interactive_authentication = false\n[data_provider]\nexternal_auth_scope = 2\n");
    let home = site.user("accept");
    begin(&home);
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "accept", "pw");
    for ((name, flags), expected) in uploads.iter().zip(expected) {
        let refused = raw.open_file(name, *flags);
        let expected = format!("Permission denied: {expected}");
        assert_eq!(
            (refused.status(), &refused.body[8..8 + expected.len()]),
            (fx::PERMISSION_DENIED, expected.as_bytes()),
            "{name}"
        );
    }
    assert!(!home.join("new/sized").exists());
    assert_eq!(std::fs::read(home.join("old/sized")).unwrap(), [1; 600]);

    let site = Site::new();
    let script = witness(&site, "$SFTPGO_ACTION_FILE_SIZE $SFTPGO_ACTION_OPEN_FLAGS");
    let site = site.config(&format!(
        "[common.actions]\nexecute_on = [\"pre-upload\", \"pre-download\"]\nhook = [{{ hook = \"{script}\", compat = \"current\" }}]\n"
    ));
    begin(&site.user("alice"));
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    for (name, flags) in uploads {
        raw.open_file(name, flags).handle();
    }
    assert_eq!(calls(&site), expected);
    // Of a download neither is told.
    site.write("homes/alice/old/read", [1; 600]);
    raw.open_file("old/read", fxf::READ).handle();
    assert_eq!(calls(&site)[3], "0 0");
}

#[test]
fn a_synchronous_upload_hook_can_take_a_file_back() {
    // B10-08
    let site = Site::new();
    let script = site.script("scan.sh", "#!/bin/sh\n! grep -q virus \"$SFTPGO_ACTION_PATH\"\n");
    let site = site.config(&format!(
        "[common.actions]\nexecute_on = [\"upload\"]\nexecute_sync = [\"upload\"]\nhook = \"{}\"\n",
        script.display()
    ));
    let home = site.user("alice");
    let (good, bad) = (site.write("good", "hello"), site.write("bad", "a virus"));
    let server = site.start();
    sftp_ok(&server, "alice", PASSWORD, &format!("put {}\n-put {}\n", good.display(), bad.display()));
    assert!(home.join("good").exists() && !home.join("bad").exists());
}

#[test]
fn sessions_are_created_and_destroyed_in_pairs() {
    // A14, B0-04, B7-02, D-01, D-03, D-04
    let site = Site::new();
    let line = "$1 $SFTPGO_SESSION_ID$SFTPGO_LOGIND_STATUS$SFTPGO_CONNECTION_USERNAME";
    let script = witness(&site, line);
    let hook = |kind: &str| format!("[hook.{kind}]\nhook = {{ hook = \"{script}\", args = [\"{kind}\"] }}\n");
    let kinds = ["connect", "login-pre", "session-create", "post-login", "session-destroy", "disconnect"];
    let site = site.config(&kinds.map(hook).concat());
    site.user("alice");
    let server = site.start();
    for _ in 0..3 {
        assert!(can_log_in(&server, "alice", PASSWORD));
    }
    assert!(!can_log_in(&server, "alice", Proof::Password("wrong")));
    server.terminate();
    let seen = calls(&site);
    let count = |prefix: &str| seen.iter().filter(|line| line.starts_with(prefix)).count();
    assert_eq!((count("session-create "), count("session-destroy ")), (3, 3), "{seen:?}");
    let ids =
        |kind: &str| seen.iter().filter_map(|line| line.strip_prefix(kind)).map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(ids("session-create "), ids("session-destroy "));
    assert_eq!(count("post-login 1"), 3, "{seen:?}");
    assert!(count("post-login 0") >= 1 && count("disconnect alice") == 3, "{seen:?}");
    assert_eq!(count("connect "), count("disconnect "), "{seen:?}");
}

#[test]
fn hooks_get_the_end_of_a_connection_with_its_protocol() {
    // B7-02
    let site = Site::new();
    let script = witness(&site, "$SFTPGO_CONNECTION_PROTOCOL $SFTPGO_CONNECTION_USERNAME");
    let keys = format!("enabled_ssh_commands = [\"*\"]\n[common]\npost_disconnect_hook = \"{script}\"\n");
    let site = site.config(&keys);
    site.user("alice");
    let file = site.write("local", "12345");
    let server = site.start();
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} f\n", file.display()));
    assert_eq!(wait_for_calls(&site, 1), ["SFTP alice"]);
    assert!(exec(&server, "alice", PASSWORD, "pwd", b"").status.success());
    assert_eq!(wait_for_calls(&site, 2)[1], "SSH alice");
    tools::run_ok(openssh("scp", &server, PASSWORD).arg("-O").arg(&file).arg("alice@127.0.0.1:/g"));
    assert_eq!(wait_for_calls(&site, 3)[2], "SCP alice");
}

#[test]
fn hooks_get_the_end_of_a_session_by_the_server_with_its_reason() {
    // D-03
    let site = Site::new();
    let script = witness(&site, "$SFTPGO_SESSION_REASON $SFTPGO_SESSION_BYTES_RECEIVED $SFTPGO_SESSION_BYTES_SENT");
    let site = site.config(&format!("[hook.session-destroy]\nhook = \"{script}\"\n"));
    site.user("alice");
    let file = site.write("local", "12345");
    let server = site.start();
    sftp_ok(&server, "alice", PASSWORD, &format!("put {}\n", file.display()));
    assert_eq!(wait_for_calls(&site, 1), ["logout 5 0"]);
    let mut open = openssh("sftp", &server, PASSWORD);
    open.arg("-oBatchMode=no").arg("alice@127.0.0.1").stdin(std::process::Stdio::piped());
    let mut open = open.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    server.wait_for(|line| line["sender"] == "login");
    server.wait_for(|line| line["sender"] == "login");
    server.terminate();
    assert_eq!(wait_for_calls(&site, 2)[1], "server-stop 0 0");
    open.kill().ok();
    open.wait().unwrap();
}

#[test]
fn a_connection_is_refused_before_its_handshake() {
    // B7-01
    let site = Site::new().config("[common]\npost_connect_hook = \"/bin/false\"\n");
    site.user("alice");
    let server = site.start();
    assert!(!can_log_in(&server, "alice", PASSWORD));
    server.wait_for_text("was refused");
    assert!(!server.log().contains("\"sender\":\"connection_failed\""), "{}", server.log());
}

/// The names of the variables that a script of that section sees, and what it said.
fn panel_variables(kind: &str) -> BTreeSet<String> {
    let site = Site::new();
    let dump = site.path("variables");
    let script =
        site.script("panel.sh", &format!("#!/bin/sh\n/usr/bin/env > {}.tmp\n/bin/mv {0}.tmp {0}\n", dump.display()));
    let site = site.config(&format!(
        "[hook.{kind}]\nhook = \"{}\"\ndialect = \"directadmin\"\ninherit_env = false\n",
        script.display()
    ));
    site.user("alice");
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    server.terminate();
    let text = std::fs::read_to_string(Path::new(&dump)).unwrap();
    let own = ["PWD", "SHLVL", "_", "OLDPWD"];
    let names = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name.to_owned());
    names.filter(|name| !own.contains(&name.as_str())).collect()
}

#[test]
fn scripts_of_the_panel_see_exactly_their_variables() {
    // B0-02, D-12, seed 003
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let request = set(&["username", "password", "session_id", "ip", "referer", "user_agent"]);
    assert_eq!(panel_variables("session-create"), request);
    assert_eq!(panel_variables("login-pre"), request);
    let session = ["username", "passwd", "key", "host", "ip", "file", "home_memory", "selected_domain"];
    assert_eq!(panel_variables("session-destroy"), set(&session));
}

#[test]
fn all_scripts_of_a_directory_run_and_one_failure_fails_the_set() {
    // D-14, G-08
    let site = Site::new();
    let log = site.path("calls");
    let say = |name: &str, more: &str| format!("#!/bin/sh\necho {name} >> {}\n{more}\n", log.display());
    site.script("login_pre/10-first.sh", &say("first", "exit 0"));
    site.script("login_pre/20-second.sh", &say("second", "[ \"$username\" != mallory ] || { echo not you; exit 7; }"));
    site.script("login_pre.sh", &say("last", "exit 0"));
    let directory = site.path("login_pre");
    let site =
        site.config(&format!("[hook.login-pre]\nhook = \"{}\"\ndialect = \"directadmin\"\n", directory.display()));
    site.user("alice");
    site.user("mallory");
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    assert_eq!(calls(&site), ["first", "second", "last"]);
    assert!(!can_log_in(&server, "mallory", PASSWORD));
    assert_eq!(&calls(&site)[3..6], ["first", "second", "last"]);
    server.wait_for_text("not you");
}

#[test]
fn changes_of_accounts_are_told() {
    // A1-13, A3-40, A15-20, A15-24, B11, B11-01
    let site = Site::new();
    let script = witness(&site, "$SFTPGO_USER_ACTION $SFTPGO_USER_USERNAME $1 $2 $3 $SFTPGO_USER_STATUS");
    let site = site.config(&format!(
        "[data_provider.actions]\nexecute_on = [\"add\", \"update\", \"delete\"]\ncommand = \"{script}\"\n"
    ));
    site.user("alice");
    tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "alice", "--status", "0"]));
    tools::run_ok(&mut site.tidegate(&["user", "delete", "--username", "alice"]));
    assert_eq!(
        calls(&site),
        ["add alice add alice 1 1", "update alice update alice 1 0", "delete alice delete alice 1 0"]
    );
}

#[test]
fn runs_are_kept_and_explained() {
    let site = Site::new();
    let script = site.script(
        "auth.sh",
        "#!/bin/sh\necho looking >&2\n[ $SFTPGO_AUTHD_USERNAME = late ] && sleep 100\necho '{\"username\":\"\"}'\n",
    );
    let site = site.config(&format!(
        "[data_provider]\nexternal_auth_hook = [{{ hook = \"{}\", timeout = 1 }}]\nexternal_auth_scope = 1\n",
        script.display()
    ));
    site.user("alice");
    let server = site.start();
    assert!(!can_log_in(&server, "alice", PASSWORD));
    assert!(!can_log_in(&server, "late", PASSWORD));
    server.terminate();
    let command = |arguments: &[&str]| tools::run_ok(&mut site.tidegate(arguments));
    let runs = command(&["hook", "runs", "--user", "alice"]);
    assert!(runs.contains("external-auth") && runs.contains("reject") && runs.contains("refused"), "{runs}");
    let late = command(&["hook", "runs", "--outcome", "timeout", "--json"]);
    let late: serde_json::Value = serde_json::from_str(late.lines().next().unwrap()).unwrap();
    assert_eq!((late["username"].as_str(), late["is_error"].as_bool()), (Some("late"), Some(true)));
    let one = command(&["hook", "runs", "--outcome", "reject", "--json"]);
    let one: serde_json::Value = serde_json::from_str(one.lines().next().unwrap()).unwrap();
    let shown = command(&["hook", "run", &one["id"].to_string()]);
    assert!(shown.contains("SFTPGO_AUTHD_PASSWORD=[redacted]") && shown.contains("looking"), "{shown}");
    assert!(!shown.contains("=pw"), "{shown}");
    let stats = command(&["hook", "stats"]);
    assert!(stats.contains("timeout") && stats.contains("(error)"), "{stats}");
    let password = command(&["hook", "explain", "--user", "alice", "--method", "password"]);
    assert!(password.contains("asks  program") && password.contains("auth.sh"), "{password}");
    let key = command(&["hook", "explain", "--user", "alice", "--method", "publickey"]);
    assert!(key.contains("not asked: the method is not in data_provider.external_auth_scope"), "{key}");
    let list = command(&["hook", "list"]);
    assert!(list.contains("external-auth: the first verdict other than defer decides"), "{list}");
}

#[test]
fn post_login_hooks_hear_what_their_scope_says() {
    // A3-44, A14-01, A14-02, J-07
    for (scope, expected) in [(0, &["0 ", "0 alice", "1 alice"][..]), (1, &["0 ", "0 alice"]), (2, &["1 alice"])] {
        let site = Site::new();
        let user = "$(echo \"$SFTPGO_LOGIND_USER\" | sed 's/.*\"username\":\"\\([^\"]*\\)\".*/\\1/')";
        let script = witness(&site, &format!("$SFTPGO_LOGIND_STATUS {user}"));
        let keys = format!("post_login_hook = \"{script}\"\npost_login_scope = {scope}\n");
        let site = site.config(&format!("[data_provider]\n{keys}"));
        site.user("alice");
        let server = site.start();
        assert!(can_log_in(&server, "alice", Proof::PasswordMethod("pw")));
        assert!(!can_log_in(&server, "alice", Proof::PasswordMethod("no")));
        // A client that leaves without an attempt counts as failed, without a name.
        drop(std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap());
        server.wait_for(|line| line["login_type"] == "no_auth_tryed");
        assert!(server.terminate().success());
        let seen: BTreeSet<String> = calls(&site).into_iter().collect();
        assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), expected, "scope {scope}");
    }
}

#[test]
fn denials_are_logged_where_operators_look_for_them() {
    // D-01, D-05
    for (kind, sender, level, reason) in [
        ("login-pre", "login_pre_hook", "warn", "denied"),
        ("session-create", "session_create_hook", "error", "session"),
    ] {
        let site = Site::new();
        let no = site.script("no.sh", "#!/bin/sh\necho not today\nexit 1\n").display().to_string();
        let (asked, home) = (site.path("asked"), site.path("home"));
        let answer =
            format!(r#"{{"username":"alice","status":1,"home_dir":"{}","permissions":{{"/":["*"]}}}}"#, home.display());
        let answer = format!("#!/bin/sh\n: > {}\necho '{answer}'\n", asked.display());
        let auth = site.script("auth.sh", &answer).display().to_string();
        let config = format!("[hook.{kind}]\nhook = \"{no}\"\n[data_provider]\nexternal_auth_hook = \"{auth}\"\n");
        let site = site.config(&config);
        let server = site.start();
        let refused = sftp(&server, "alice", Proof::PasswordMethod("pw"), "pwd\n");
        assert!(!refused.status.success() && !text(&refused).contains("not today"), "{}", text(&refused));
        let line = server.wait_for(|line| line["sender"] == sender);
        assert!(line["level"] == level && line["message"].as_str().unwrap().contains("not today"), "{line}");
        // A denial of the session is no sign of guessing.
        let failed = server.wait_for(|line| line["sender"] == "connection_failed");
        assert_eq!(failed["reason"], reason, "{failed}");
        assert_eq!(asked.exists(), kind == "session-create", "login-pre comes before external authentication");
    }
}

#[test]
fn a_session_is_gone_though_its_hook_hangs() {
    // D-03
    let site = Site::new();
    let script = site.script("hang.sh", "#!/bin/sh\nexec sleep 300\n");
    let site = site.config(&format!("[hook.session-destroy]\ntimeout = 300\nhook = \"{}\"\n", script.display()));
    site.user_with("alice", &["--password", "pw", "--max-sessions", "1"]);
    let server = site.start();
    for _ in 0..4 {
        until("the place of the last session is free", || can_log_in(&server, "alice", PASSWORD));
    }
    server.kill();
}
