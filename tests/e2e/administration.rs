//! One door for administration: commands with a server and without one (issue of the house, part 1).

use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::clients::{Proof, can_log_in, sftp_ok, text};
use tidegate_tests::server::Site;
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");

fn check(site: &Site, arguments: &[&str], status: i32, expected: &[&str]) {
    let output = tools::run(&mut site.tidegate(arguments));
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", text(&output));
    for part in expected {
        assert!(text(&output).contains(part), "{arguments:?}: {}", text(&output));
    }
}

#[test]
fn accounts_in_memory_are_those_of_the_server_that_runs() {
    // A9-03
    let site = Site::new().config("[data_provider]\ndriver = \"memory\"");
    let home = site.path("homes/alice");
    let add = ["user", "add", "--username", "alice", "--password", "pw", "--home-dir", home.to_str().unwrap()];
    check(&site, &add, 1, &["driver = \"memory\"", "tidegate serve"]);
    check(&site, &["user", "list"], 1, &["driver = \"memory\""]);
    let server = site.start();
    check(&site, &add, 0, &["was added"]);
    check(&site, &add, 1, &["already an account named \"alice\""]);
    check(&site, &["user", "list"], 0, &["alice"]);
    assert!(can_log_in(&server, "alice", PASSWORD));
    check(&site, &["user", "update", "--username", "alice", "--status", "0"], 0, &["was updated"]);
    check(&site, &["audit", "list"], 0, &["update user \"alice\": status", "(socket, 127.0.0.1)"]);
    server.terminate();
    check(&site, &["dump"], 1, &["driver = \"memory\""]);
}

#[test]
fn hooks_get_changes_through_the_server_with_their_actor() {
    // A15-20, B11-02
    let site = Site::new();
    let told = site.path("told");
    let line = "$SFTPGO_PROVIDER_ACTION $SFTPGO_PROVIDER_OBJECT_NAME $SFTPGO_PROVIDER_USERNAME $SFTPGO_PROVIDER_IP";
    let script = site.script("told.sh", &format!("#!/bin/sh\necho \"{line} $PPID\" >> {}\n", told.display()));
    let site = site.config(&format!(
        "[hook.object-changes]\nhook = [{{ hook = \"{}\", compat = \"current\" }}]\n",
        script.display()
    ));
    site.user("alice");
    let server = site.start();
    let process = server.pid().to_string();
    site.user("bob");
    check(&site, &["user", "delete", "--username", "bob"], 0, &["was deleted"]);
    // The server reports waiting events before it ends.
    server.terminate();
    let who = tools::run_ok(Command::new("id").arg("-un"));
    let told = std::fs::read_to_string(told).unwrap();
    let mut lines: Vec<(&str, bool)> = Vec::new();
    for line in told.lines() {
        let (line, parent) = line.rsplit_once(' ').unwrap();
        lines.push((line, parent == process));
    }
    let expected = |action: &str, name: &str| format!("{action} {name} {} 127.0.0.1", who.trim());
    let (alice, bob, deleted) = (expected("add", "alice"), expected("add", "bob"), expected("delete", "bob"));
    lines.sort_unstable();
    assert_eq!(lines, [(alice.as_str(), false), (bob.as_str(), true), (deleted.as_str(), true)]);
}

#[test]
fn a_load_is_all_or_nothing_and_says_what_it_would_do() {
    // A18-11
    let site = Site::new();
    site.user("alice");
    let account = |name: &str, home: &str| {
        format!(r#"{{"username":"{name}","status":1,"home_dir":"{home}","permissions":{{"/":["*"]}},"password":"pw"}}"#)
    };
    let good = format!(r#"{{"users":[{},{}]}}"#, account("alice", "/srv/new"), account("bob", "/srv/bob"));
    let bad = format!(r#"{{"users":[{},{}]}}"#, account("carol", "/srv/c"), account("dave", "relative"));
    let (good, bad) = (site.write("good.json", good), site.write("bad.json", bad));
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let check_all = || {
        check(&site, &["load", "--dry-run", good], 0, &["alice", "home_dir", "bob", "new", "would be added"]);
        check(&site, &["load", bad], 1, &["\"dave\" could not be loaded", "home_dir", "nothing was changed"]);
        let report = tools::run(&mut site.tidegate(&["load", "--json", bad]));
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        assert_eq!((&report["failed"], &report["applied"]), (&1.into(), &false.into()), "{report}");
        assert_eq!(report["accounts"][0]["outcome"], "added", "{report}");
        assert_eq!(report["accounts"][1]["outcome"], "failed", "{report}");
        let list = tools::run_ok(&mut site.tidegate(&["user", "list"]));
        assert!(list.contains("alice") && list.lines().count() == 1, "{list}");
    };
    check_all();
    let server = site.start();
    check_all();
    check(&site, &["load", good], 0, &["1 accounts were added, 1 updated."]);
    check(&site, &["user", "list"], 0, &["bob", "/srv/new"]);
    let own = site.path("own.json");
    tools::run_ok(site.tidegate(&["dump"]).arg(&own));
    let same = ["as it is", "0 accounts would be added, 0 updated, 2 left as they are."];
    check(&site, &["load", "--dry-run", own.to_str().unwrap()], 0, &same);
    check(&site, &["load", "--json", own.to_str().unwrap()], 0, &["\"added\":0", "\"updated\":0", "\"unchanged\":2"]);
    drop(server);
}

#[test]
fn the_socket_serves_its_owner_and_root_alone() {
    let site = Site::new();
    let _server = site.start();
    let is_root = tools::run_ok(Command::new("id").arg("-u")).trim() == "0";
    let open = site.path("");
    tools::run_ok(Command::new("chmod").arg("755").arg(&open));
    tools::run_ok(Command::new("chmod").arg("666").arg(site.path("tidegate.sock")));
    let ask = "import os, socket, sys\n\
               uid = int(sys.argv[2])\n\
               if uid: os.setgroups([]); os.setgid(uid); os.setuid(uid)\n\
               s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n\
               s.sendall(b'POST /control/show-status HTTP/1.0\\r\\ncontent-length: 2\\r\\n\\r\\n{}')\n\
               print(b''.join(iter(lambda: s.recv(4096), b'')).decode())";
    let asked = |uid: &str| {
        let mut python = Command::new(tools::python());
        tools::run_ok(python.args(["-c", ask]).arg(site.path("tidegate.sock")).arg(uid))
    };
    assert!(asked("0").contains("\"version\""));
    // Only root can become another.
    if is_root {
        let refused = asked("65534");
        assert!(refused.contains("403") && refused.contains("its own user and from root only"), "{refused}");
        assert!(!refused.contains("\"version\""), "{refused}");
    }
}

#[test]
fn of_servers_that_start_at_once_one_serves() {
    const SERVERS: usize = 4;
    let site = Site::new();
    let said = |number: usize| site.path(&format!("said-{number}"));
    // The configuration is written before the first of them reads it.
    let mut commands: Vec<Command> = (0..SERVERS).map(|_| site.tidegate(&["serve", "--log-file-path", ""])).collect();
    for (number, command) in commands.iter_mut().enumerate() {
        command.stderr(std::fs::File::create(said(number)).unwrap());
    }
    let mut servers: Vec<_> = commands.iter_mut().map(|command| command.spawn().unwrap()).collect();
    let mut ended = vec![None; SERVERS];
    waiting::until("all servers but one have ended", || {
        for (server, ended) in servers.iter_mut().zip(&mut ended) {
            *ended = ended.or_else(|| server.try_wait().unwrap());
        }
        ended.iter().flatten().count() == SERVERS - 1
    });
    for (number, status) in ended.iter().enumerate() {
        let Some(status) = status else { continue };
        let said = std::fs::read_to_string(said(number)).unwrap();
        assert!(status.code() == Some(1) && said.contains("already; stop it"), "{status}: {said}");
    }
    waiting::until("the other one serves", || tools::run(&mut site.tidegate(&["ping"])).status.success());
    for server in &mut servers {
        // Those that have ended cannot be killed.
        let _ = server.kill();
        server.wait().unwrap();
    }
}

#[test]
fn a_server_that_was_killed_leaves_its_directory_free() {
    let site = Site::new();
    let first = site.start();
    check(&site, &["serve", "--log-file-path", ""], 1, &["runs in", "already"]);
    first.kill();
    // What a dead server held is free.
    let next = site.start();
    check(&site, &["ping"], 0, &["alive"]);
    drop(next);
}

#[test]
fn folders_groups_and_roles_give_accounts_what_they_have() {
    // B9-04, C5-01, B11-01
    let site = Site::new();
    let told = site.path("told");
    let line = "$SFTPGO_PROVIDER_ACTION $SFTPGO_PROVIDER_OBJECT_TYPE $SFTPGO_PROVIDER_OBJECT_NAME";
    let script = site.script("told.sh", &format!("#!/bin/sh\necho \"{line}\" >> {}\n", told.display()));
    let site = site.config(&format!(
        "[data_provider.actions]\nhook = [{{ hook = \"{}\", compat = \"current\" }}]\nexecute_on = [\"add\", \"delete\"]\n\
         execute_for = [\"folder\", \"group\"]\n",
        script.display()
    ));
    let shared = site.path("team");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("notes"), "of all").unwrap();
    let folder = ["folder", "add", "--name", "team", "--mapped-path", shared.to_str().unwrap()];
    check(&site, &folder, 0, &["The folder \"team\" was added."]);
    check(&site, &folder, 1, &["there is already a folder named \"team\""]);
    let server = site.start();
    let group = r#"{"name":"staff","user_settings":{"filters":{"denied_ip":["192.0.2.0/24"]}},
        "virtual_folders":[{"name":"team","virtual_path":"/team"}]}"#;
    let group = site.write("group.json", group);
    check(&site, &["group", "add", "--from-json", group.to_str().unwrap()], 0, &["The group \"staff\" was added."]);
    check(&site, &["role", "add", "--name", "sales", "--description", "Sales"], 0, &["was added"]);
    site.user("alice");
    let member = r#"{"username":"alice","role":"sales","groups":[{"name":"staff","type":1}]}"#;
    let member = site.write("member.json", member);
    check(&site, &["user", "update", "--from-json", member.to_str().unwrap()], 0, &["was updated"]);
    let fetched = site.path("fetched");
    let get = format!("get /team/notes {}\n", fetched.display());
    sftp_ok(&server, "alice", PASSWORD, &get);
    assert_eq!(std::fs::read_to_string(&fetched).unwrap(), "of all");
    for (kind, name) in [("folder", "team"), ("group", "staff"), ("role", "sales")] {
        let shown = tools::run_ok(&mut site.tidegate(&[kind, "show", "--name", name]));
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let users = if kind == "folder" { "groups" } else { "users" };
        let expected = if kind == "folder" { "staff" } else { "alice" };
        assert_eq!(shown[users], serde_json::json!([expected]), "{shown}");
        check(&site, &[kind, "list"], 0, &[name]);
        check(&site, &[kind, "delete", "--name", name], 1, &["is used by", expected]);
        check(&site, &[kind, "update", "--name", "none", "--description", "x"], 1, &["there is no"]);
    }
    let dump = tools::run_ok(&mut site.tidegate(&["dump"]));
    check(&site, &["user", "delete", "--username", "alice"], 0, &["was deleted"]);
    for (kind, name) in [("group", "staff"), ("folder", "team"), ("role", "sales")] {
        check(&site, &[kind, "delete", "--name", name], 0, &["was deleted"]);
    }
    let dump = site.write("dump.json", dump);
    check(&site, &["load", "--dry-run", dump.to_str().unwrap()], 0, &["folder team", "group staff", "role sales"]);
    check(&site, &["load", dump.to_str().unwrap()], 0, &["1 accounts were added"]);
    std::fs::remove_file(&fetched).unwrap();
    sftp_ok(&server, "alice", PASSWORD, &get);
    assert!(fetched.exists());
    server.terminate();
    let told = std::fs::read_to_string(told).unwrap();
    let mut lines: Vec<&str> = told.lines().collect();
    lines.sort_unstable();
    let expected = ["add folder team", "add folder team", "add group staff", "add group staff"];
    assert_eq!(lines, [&expected[..], &["delete folder team", "delete group staff"]].concat());
}

#[test]
fn administrators_and_keys_are_made_with_a_server_and_without() {
    // A18-17, D-09, B11-01
    let site = Site::new();
    let told = site.path("told");
    let line =
        "$SFTPGO_PROVIDER_ACTION $SFTPGO_PROVIDER_OBJECT_TYPE $SFTPGO_PROVIDER_OBJECT_NAME $SFTPGO_PROVIDER_OBJECT";
    let script = site.script("told.sh", &format!("#!/bin/sh\necho \"{line}\" >> {}\n", told.display()));
    let site = site.config(&format!(
        "[data_provider.actions]\nhook = [{{ hook = \"{}\", compat = \"current\" }}]\nexecute_on = [\"add\", \"delete\"]\n\
         execute_for = [\"admin\", \"api_key\"]\n",
        script.display()
    ));
    let add = |name: &'static str| {
        ["admin", "add", "--username", name, "--password", "hush-hush", "--permissions", "view_users,view_conns"]
    };
    let list =
        || -> Value { serde_json::from_str(&tools::run_ok(&mut site.tidegate(&["admin", "list", "--json"]))).unwrap() };
    check(&site, &add("ann"), 0, &["The administrator \"ann\" was added."]);
    check(&site, &add("ann"), 1, &["there is already an administrator named \"ann\""]);
    check(&site, &["admin", "add", "--username", "bob", "--permissions", "*"], 1, &["\"password\"", "needs one"]);
    check(&site, &["admin", "add", "--username", "bob", "--password", "x", "--permissions", "fly"], 1, &["\"fly\""]);
    let server = site.start();
    check(&site, &add("eve"), 0, &["was added"]);
    check(&site, &["admin", "update", "--username", "eve", "--allowed-ip", "10.0.0.0/8"], 0, &["was updated"]);
    assert_eq!(list()[1]["filters"]["allow_list"][0], "10.0.0.0/8");
    assert!(!list().to_string().contains("argon2"), "{}", list());
    let codes = tools::run_ok(&mut site.tidegate(&["admin", "totp", "--username", "eve", "--enable", "--json"]));
    let codes: Value = serde_json::from_str(&codes).unwrap();
    assert_eq!(codes["recovery_codes"].as_array().map(Vec::len), Some(12), "{codes}");

    let key =
        ["apikey", "add", "--name", "nightly", "--admin", "ann", "--allow", "user.*", "--max-uses", "3", "--json"];
    let made: Value = serde_json::from_str(&tools::run_ok(&mut site.tidegate(&key))).unwrap();
    let text_of_key = made["key"].as_str().unwrap().to_owned();
    assert!(text_of_key.starts_with("tgk_"), "{made}");
    check(&site, &["apikey", "add", "--name", "n", "--allow", "fly"], 1, &["\"fly\" means no use case"]);
    let update = ["apikey", "update", "--name", "nightly", "--allow", "user.list,folder.*", "--max-uses", "0"];
    check(&site, &update, 0, &["The API key ", " was updated."]);
    check(&site, &["apikey", "update", "--name", "nightly", "--allow", "fly"], 1, &["\"fly\" means no use case"]);
    check(&site, &["apikey", "update", "--name", "none", "--max-uses", "1"], 1, &["there is no API key"]);
    let shown = tools::run_ok(&mut site.tidegate(&["apikey", "show", "--name", "nightly"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let fields = ["name", "admin", "allow"].map(|field| &shown[field]);
    assert_eq!(fields, [&json!("nightly"), &json!("ann"), &json!(["user.list", "folder.*"])], "{shown}");
    assert_eq!(shown["max_uses"].as_i64().unwrap_or(0), 0, "{shown}");
    check(&site, &["apikey", "update", "--name", "nightly", "--new-name", "weekly", "--allow", ""], 0, &["updated"]);
    let shown = tools::run_ok(&mut site.tidegate(&["apikey", "show", "--name", "weekly"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert!(shown["allow"].as_array().is_none_or(Vec::is_empty), "{shown}");
    check(&site, &["apikey", "update", "--name", "weekly", "--new-name", "nightly"], 0, &["updated"]);
    check(&site, &["apikey", "rotate", "--name", "nightly"], 0, &["tgk_"]);
    check(&site, &["apikey", "revoke", "--name", "nightly"], 0, &["was revoked"]);
    check(&site, &["apikey", "revoke", "--name", "nightly"], 1, &["there is no API key named \"nightly\""]);
    check(&site, &["admin", "delete", "--username", "eve"], 0, &["was deleted"]);
    check(&site, &["audit", "list", "--kind", "admin"], 0, &["delete admin \"eve\"", "filters.allow_list: none -> "]);
    server.terminate();
    let told = std::fs::read_to_string(told).unwrap();
    for expected in ["add admin ann", "add admin eve", "delete admin eve", "add api_key ", "delete api_key "] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let audit = tools::run_ok(&mut site.tidegate(&["audit", "list", "--json"]));
    assert_eq!(tools::run_ok(&mut site.tidegate(&["audit", "export"])), audit);
    check(&site, &["audit", "export", "--action", "delete", "--kind", "admin", "--since", "0"], 0, &["\"eve\""]);
    assert_eq!(tools::run_ok(&mut site.tidegate(&["audit", "list", "--until", "2020-01-01T00:00:00Z"])), "");
    check(&site, &["audit", "list", "--outcome", "perhaps"], 2, &["refused"]);
    check(&site, &["audit", "list", "--kind", "bogus"], 2, &["api_key", "user"]);
    let secret = codes["secret"].as_str().unwrap().to_owned();
    for hidden in ["hush-hush", "$argon2id$", secret.as_str(), text_of_key.as_str()] {
        assert!(!told.contains(hidden) && !audit.contains(hidden), "{hidden}");
    }
}

#[test]
fn tokens_are_listed_and_revoked_and_usages_set() {
    // A10-06, A18-17
    let site = Site::new();
    site.user_with("alice", &["--password", "pw", "--quota-files", "50"]);
    let add = ["admin", "add", "--username", "ann", "--password", "hush-hush", "--permissions", "*"];
    check(&site, &add, 0, &["was added"]);
    let server = site.start();
    let curl = |credentials: &[&str], path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "30"]).args(credentials);
        tools::run_ok(curl.arg(format!("http://127.0.0.1:{}/api/v2/{path}", server.http_port)))
    };
    let given: Value = serde_json::from_str(&curl(&["--user", "ann:hush-hush"], "token")).unwrap();
    let text_of_token = given["access_token"].as_str().unwrap();
    let header = format!("Authorization: Bearer {text_of_token}");
    let bearer = ["--header", header.as_str()];
    assert!(curl(&bearer, "users").contains("alice"));
    let list = |username: &str| -> Value {
        let listed = tools::run_ok(&mut site.tidegate(&["admin", "token", "list", "--username", username, "--json"]));
        assert!(!listed.contains(text_of_token), "{listed}");
        serde_json::from_str(&listed).unwrap()
    };
    assert_eq!(list("bob"), json!([]));
    let id = list("ann")[0]["id"].as_str().unwrap().to_owned();
    check(&site, &["admin", "token", "list"], 0, &[&id, "ann", "127.0.0.1"]);
    check(&site, &["admin", "token", "revoke", "--id", &id], 0, &["was revoked"]);
    check(&site, &["admin", "token", "revoke", "--id", &id], 1, &[]);
    assert!(!curl(&bearer, "users").contains("alice"));
    assert_eq!(list("ann"), json!([]));

    let set = |more: &[&str], status: i32, expected: &str| {
        check(&site, &[&["quota", "set"], more].concat(), status, &[expected]);
    };
    set(
        &["--username", "alice", "--files", "3", "--bytes", "700"],
        0,
        "alice: 3 files, 700 bytes (was: 0 files, 0 bytes)",
    );
    set(&["--username", "alice", "--files", "-1", "--bytes", "-200", "--add"], 0, "alice: 2 files, 500 bytes");
    set(&["--username", "alice", "--files", "-1", "--bytes", "0"], 1, "a usage is not below 0");
    set(&["--username", "none", "--files", "1", "--bytes", "1"], 1, "none");
    set(&["--files", "1", "--bytes", "1"], 2, "--username");
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["used_quota_size"], &shown["used_quota_files"]), (&json!(500), &json!(2)), "{shown}");
    check(&site, &["audit", "list", "--kind", "user"], 0, &["set-usage user \"alice\""]);
}

#[test]
fn a_dump_too_large_for_memory_is_loaded_whole_or_not_at_all() {
    // A18-10, A18-11
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let account = |number: usize| {
        json!({"username": format!("user{number:04}"), "status": 1, "home_dir": format!("/srv/{number}"),
            "permissions": {"/": ["*"]}, "password": "$1$abcdefgh$IQtUouv7y7Q9dRWkQEPCc.", "description": "x".repeat(1000)})
    };
    let mut users: Vec<Value> = (0..3000).map(account).collect();
    let write = |users: &[Value]| {
        let dump = json!({"users": users, "folders": [{"name": "f", "mapped_path": "/srv/f"}]});
        site.write("large.json", dump.to_string()).to_str().unwrap().to_owned()
    };
    let count = || tools::run_ok(&mut site.tidegate(&["dump"])).matches("\"username\": \"user").count();
    users[2999]["home_dir"] = json!("relative");
    check(&site, &["load", &write(&users)], 1, &["user2999", "nothing was changed"]);
    users[2999] = json!(7);
    check(&site, &["load", &write(&users)], 1, &["users.2999 is no account"]);
    assert_eq!(count(), 0);
    users.pop();
    let dump = write(&users);
    let tried = ["user2998", "folder f", "2999 accounts would be added, 0 updated."];
    check(&site, &["load", "--dry-run", &dump], 0, &tried);
    assert_eq!(count(), 0);
    check(&site, &["load", &dump], 0, &["2999 accounts were added, 0 updated."]);
    assert_eq!(count(), 2999);
    assert!(can_log_in(&server, "alice", PASSWORD));
    // The same without a server.
    server.terminate();
    check(&site, &["load", &dump], 0, &["0 accounts were added, 0 updated, 2999 left as they are."]);
}

#[test]
fn a_terminal_does_not_show_the_password_that_it_is_asked_for() {
    let site = Site::new();
    let home = site.path("homes/alice");
    let of_user = ["user", "add", "--username", "alice", "--password-stdin", "--home-dir", home.to_str().unwrap()];
    let of_administrator = ["admin", "add", "--username", "root", "--password-stdin", "--permissions", "*"];
    let check = |arguments: &[&str], typed: &str, status: i32, expected: &str| {
        let command = site.tidegate(arguments);
        let mut terminal = Command::new(tools::python());
        terminal.arg(tools::root().join("tests/clients/at_terminal.py")).arg(typed);
        let output = tools::run(terminal.arg(command.get_program()).args(command.get_args()));
        let shown = text(&output);
        assert_eq!(output.status.code(), Some(status), "{shown}");
        assert!(shown.contains(expected) && !shown.contains("words-"), "{shown}");
    };
    for arguments in [&of_user[..], &of_administrator] {
        check(arguments, "words-one,words-other", 1, "the two passwords differ; nothing was changed");
        check(arguments, "words-of-alice,words-of-alice", 0, "was added");
    }
    let server = site.start();
    assert!(can_log_in(&server, "alice", Proof::Password("words-of-alice")));
}
