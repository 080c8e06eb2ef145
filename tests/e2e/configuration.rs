//! Settings, hooks and accounts that would be ignored, or be in the way, without a word (A3, B9-03, A9-06).

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use tidegate_tests::clients::{Proof, can_log_in, sftp, sftp_ok, text};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

fn check(site: &Site, arguments: &[&str], status: i32, expected: &[&str]) {
    let output = tools::run(&mut site.tidegate(arguments));
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", text(&output));
    for part in expected {
        assert!(text(&output).contains(part), "{arguments:?}: {}", text(&output));
    }
}

#[test]
fn a_hook_that_watches_a_directory_sees_every_way_into_it() {
    // B10-01, B10-13
    let site = Site::new().config("[hook.pre-action]\nhook = \"/bin/false\"\npaths = [\"/a/protected\"]");
    let home = site.user("alice");
    std::fs::create_dir_all(home.join("a/protected")).unwrap();
    std::fs::create_dir_all(home.join("b")).unwrap();
    std::fs::write(home.join("a/protected/inside"), "x").unwrap();
    let server = site.start();
    let local = site.write("local", "content");
    let put = format!("put {} /outside", local.display());
    sftp_ok(&server, "alice", PASSWORD, &put);
    sftp_ok(&server, "alice", PASSWORD, "ln /outside /b/linked");
    assert_eq!(home.join("outside").metadata().unwrap().nlink(), 2);
    for batch in [
        format!("put {} /a/protected/x", local.display()),
        "rename /outside /a/protected/x".to_owned(),
        "rename /a/protected/inside /b/taken".to_owned(),
        "rename /a /c".to_owned(),
        "rename /b /a/protected/b".to_owned(),
        "ln /outside /a/protected/x".to_owned(),
        "ln /a/protected/inside /b/taken".to_owned(),
        "ln -s /outside /a/protected/x".to_owned(),
        "ln -s protected /a/alias".to_owned(),
        "rm /a/protected/inside".to_owned(),
    ] {
        assert!(!sftp(&server, "alice", PASSWORD, &batch).status.success(), "{batch}");
    }
    let names = |path: &str| std::fs::read_dir(home.join(path)).unwrap().count();
    assert_eq!((names("a/protected"), names("a"), names("b"), names("")), (1, 1, 1, 3));
}

#[test]
fn variables_are_named_without_any_file() {
    // A3-02, A3-05
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(tools::tidegate());
    command.args(["config", "check", "-c"]).arg(directory.path());
    command.env("SFTPGO_SFTPD__NOTHING", "1").env("SFTPGO_FTPD__BINDINGS__0__PORT", "21");
    let output = tools::run(&mut command);
    assert!(output.status.success(), "{}", text(&output));
    for part in ["SFTPGO_SFTPD__NOTHING", "\"ftpd\"", "there is no configuration file", "The defaults are valid"] {
        assert!(text(&output).contains(part), "{part}: {}", text(&output));
    }
}

#[test]
fn an_empty_variable_is_as_if_it_were_not_set() {
    // A2-02, A2-03, A3-02
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("sftpgo.json"), "{}").unwrap();
    let mut command = Command::new(tools::tidegate());
    command.args(["config", "check"]).current_dir(here.path());
    for name in ["TIDEGATE_CONFIG_DIR", "SFTPGO_CONFIG_DIR", "TIDEGATE_CONFIG_FILE", "SFTPGO_CONFIG_FILE"] {
        command.env(name, "");
    }
    let output = tools::run(command.env("SFTPGO_SFTPD__BIND_PORT", ""));
    let said = text(&output);
    assert!(output.status.success() && said.contains("sftpgo.json is used"), "{said}");
    assert!(said.contains("SFTPGO_SFTPD__BIND_PORT: it is empty, and is ignored"), "{said}");
}

#[test]
fn a_named_directory_is_the_only_one() {
    // A2-02, A3-04
    let (home, here, named) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let theirs = home.path().join(".config/sftpgo");
    std::fs::create_dir_all(&theirs).unwrap();
    std::fs::write(theirs.join("sftpgo.json"), "{}").unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let mut command = Command::new(tools::tidegate());
        command.args(["config", "check"]).args(arguments).current_dir(here.path()).env("HOME", home.path());
        command.env_remove("TIDEGATE_CONFIG_DIR").env_remove("SFTPGO_CONFIG_DIR");
        let said = text(&tools::run(&mut command));
        assert!(said.contains(expected), "{arguments:?}: {said}");
    };
    check(&[], "sftpgo.json is used");
    check(&["-c", named.path().to_str().unwrap()], "there is no configuration file");
    for variable in ["TIDEGATE_CONFIG_DIR", "SFTPGO_CONFIG_DIR"] {
        let mut command = Command::new(tools::tidegate());
        command.args(["config", "check"]).current_dir(here.path()).env("HOME", home.path());
        command.env_remove("TIDEGATE_CONFIG_DIR").env_remove("SFTPGO_CONFIG_DIR").env(variable, named.path());
        let said = text(&tools::run(&mut command));
        assert!(said.contains("there is no configuration file"), "{variable}: {said}");
    }
    std::fs::write(here.path().join("tidegate.toml"), "[sftpd]\nbind_prot = 1\n").unwrap();
    check(&[], "bind_prot");
}

#[test]
fn plugins_that_do_not_load_are_named() {
    // B17-01
    let site = Site::new().config("[data_provider]\nexternal_auth_hook = \"plugin:missing\"");
    check(&site, &["config", "check"], 1, &["\"missing\" is not loaded"]);
    site.write("plugins/broken.wasm", b"\0asm\x0d\0\x01\0 and no more");
    check(&site, &["config", "check"], 1, &["\"missing\" is not loaded", "\"broken\" is not loaded"]);
    // Before the port is open, so it is in the log already.
    let log = site.start().log();
    let said =
        |line: &str| line.contains("\"error\"") && line.contains("plugin:missing") && line.contains("external-auth");
    assert!(log.lines().any(said), "{log}");
}

#[test]
fn an_account_that_is_not_valid_is_in_the_way_of_no_other() {
    // A9-06
    let site = Site::new();
    site.user("alice");
    site.user("bob");
    site.user("carol");
    let damage = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); \
                  c.execute(\"update users set filesystem = '{\\\"provider\\\": 6}' where username = 'bob'\"); c.commit()";
    tools::run_ok(Command::new(tools::python()).args(["-c", damage]).arg(site.path("tidegate.db")));
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD) && !can_log_in(&server, "bob", PASSWORD));
    check(&site, &["user", "list"], 0, &["alice", "bob", "invalid", "carol", "filesystem.provider"]);
    check(&site, &["user", "list", "--json"], 0, &["\"carol\""]);
    check(&site, &["dump"], 0, &["\"alice\"", "\"bob\"", "\"carol\"", "filesystem.provider"]);
    check(&site, &["quota", "scan"], 0, &["alice", "carol"]);
    check(&site, &["user", "show", "--username", "bob"], 0, &["\"provider\": 6", "filesystem.provider"]);
    check(&site, &["user", "update", "--username", "bob", "--status", "0"], 1, &["filesystem.provider"]);
    site.write("local.json", r#"{"username":"bob","filesystem":{"provider":0}}"#);
    let mended = site.path("local.json");
    check(&site, &["user", "update", "--from-json", mended.to_str().unwrap()], 0, &["was updated"]);
    assert!(can_log_in(&server, "bob", PASSWORD));
    tools::run_ok(Command::new(tools::python()).args(["-c", damage]).arg(site.path("tidegate.db")));
    check(&site, &["user", "delete", "--username", "bob"], 0, &["was deleted"]);
    // A dump of ours names what is not valid, and gives everything else, whatever kind it is of.
    let damage = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); \
                  c.execute(\"insert into account_groups (name, other, user_settings) values ('g', '{}', '{')\"); \
                  c.execute(\"insert into roles (name, other, description) values ('r', '{}', 'd')\"); c.commit()";
    tools::run_ok(Command::new(tools::python()).args(["-c", damage]).arg(site.path("tidegate.db")));
    check(&site, &["group", "list"], 0, &["g", "user_settings"]);
    check(&site, &["role", "list"], 0, &["r"]);
    let dump = site.path("all.json");
    check(&site, &["dump", dump.to_str().unwrap()], 0, &["the group \"g\"", "not valid"]);
    let other = Site::new();
    let said = ["the group \"g\" could not be loaded", "1 documents could not be loaded; the others were loaded"];
    check(
        &other,
        &["load", "--dry-run", dump.to_str().unwrap()],
        1,
        &["the group \"g\"", "alice", "nothing was changed"],
    );
    check(&other, &["load", dump.to_str().unwrap()], 1, &said);
    check(&other, &["user", "list"], 0, &["alice", "carol"]);
    check(&other, &["role", "list"], 0, &["r"]);
    // Another dump with such an account names it, and changes nothing.
    let dump = r#"{"users":[{"username":"x","status":1,"home_dir":"relative"},
        {"username":"dave","status":1,"home_dir":"/srv/dave","permissions":{"/":["*"]},"password":"pw"}]}"#;
    let dump = site.write("dump.json", dump);
    check(&site, &["load", dump.to_str().unwrap()], 1, &["\"x\" could not be loaded", "nothing was changed"]);
    check(&site, &["user", "show", "--username", "dave"], 1, &["no account named \"dave\""]);
    check(
        &site,
        &["load", "--skip-invalid", dump.to_str().unwrap()],
        1,
        &["\"x\" could not be loaded", "1 accounts were added"],
    );
    check(&site, &["user", "show", "--username", "dave"], 0, &["/srv/dave"]);
}

#[test]
fn changes_at_the_same_time_lose_nothing() {
    // A9-06: each in its own process, and all in the server.
    let site = Site::new();
    site.user("alice");
    all_changes_are_there(&site);
    let _server = site.start();
    all_changes_are_there(&site);
}

fn all_changes_are_there(site: &Site) {
    for round in 1..=4 {
        let value = round.to_string();
        let options = ["--max-sessions", "--quota-size", "--quota-files", "--upload-bandwidth"];
        let commands: Vec<_> = options
            .iter()
            .map(|option| site.tidegate(&["user", "update", "--username", "alice", option, &value]).spawn().unwrap())
            .collect();
        for mut command in commands {
            assert!(command.wait().unwrap().success());
        }
        let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]));
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        for field in ["max_sessions", "quota_size", "quota_files", "upload_bandwidth"] {
            assert_eq!(shown[field], round, "{field}: {shown}");
        }
    }
}

#[test]
fn a_directory_with_a_long_name_and_an_older_file_serves() {
    // A3-04, A3-50, A2-03
    let site = Site::new();
    let long = site.path(&"d".repeat(200)).join("e".repeat(200));
    std::fs::create_dir_all(&long).unwrap();
    let json = r#"{"sftpd":{"bindings":[{"port":0},{"port":-7}],"host_keys":["id_ed25519"]},"httpd":{"bind_port":0}}"#;
    std::fs::write(long.join("sftpgo.json"), json).unwrap();
    let tidegate = |arguments: &[&str]| {
        let mut command = Command::new(tools::tidegate());
        command.args(arguments).arg("-c").arg(&long);
        command
    };
    let output = tools::run(&mut tidegate(&["config", "check"]));
    assert!(!output.status.success() && text(&output).contains("bind_port"), "{}", text(&output));
    std::fs::write(long.join("sftpgo.json"), json.replace("-7", "1")).unwrap();
    let output = tools::run(&mut tidegate(&["config", "check"]));
    assert!(output.status.success() && text(&output).contains("sftpgo.json is used"), "{}", text(&output));
    let mut serve = tidegate(&["serve", "--log-file-path", ""]);
    serve.env("TIDEGATE_SFTPD__BINDINGS__1__PORT", "0").env("TIDEGATE_SFTPD__BINDINGS__0__PORT", "0");
    let output = tools::run(&mut serve);
    assert!(!output.status.success() && text(&output).contains("no binding has a port"), "{}", text(&output));
    std::fs::write(
        long.join("tidegate.toml"),
        "[httpd]\nbind_port = 0\n[sftpd]\nbind_port = 0\nkeys = [{ private_key = \"id_ed25519\" }]\n",
    )
    .unwrap();
    let output = tools::run(&mut tidegate(&["config", "check"]));
    assert!(output.status.success() && text(&output).contains("sftpgo.json is not read"), "{}", text(&output));
    let mut serve = tidegate(&["serve", "--log-file-path", ""]);
    let mut child = serve.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap())).map_while(Result::ok);
    let mut lines = lines.inspect(|line| assert!(!line.contains("\"service\":\"httpd\""), "{line}"));
    assert!(lines.any(|line| line.contains("\"service\":\"sftpd\"")));
    // By the socket.
    tools::run_ok(&mut tidegate(&["ping"]));
    tools::run_ok(&mut tidegate(&["user", "add", "--username", "alice", "--password", "pw", "--home-dir", "/srv/a"]));
    assert!(tools::run_ok(&mut tidegate(&["audit", "list"])).contains("socket"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn accounts_in_memory_begin_with_a_dump() {
    // A9-03
    let from = Site::new();
    let home = from.user("alice");
    let site = Site::new().config("[data_provider]\ndriver = \"memory\"\nname = \"accounts.json\"");
    check(&site, &["config", "check"], 1, &["no dump"]);
    tools::run_ok(from.tidegate(&["dump"]).arg(site.path("accounts.json")));
    let server = site.start();
    sftp_ok(&server, "alice", PASSWORD, "mkdir /made");
    assert!(home.join("made").is_dir());
    server.terminate();
    // Documents of the dump that are not valid do not affect others.
    let dump = std::fs::read_to_string(site.path("accounts.json")).unwrap();
    let broken = r#""users": [7, {"username": "x", "status": 1, "home_dir": "relative"},"#;
    site.write("accounts.json", dump.replacen("\"users\": [", broken, 1));
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD) && !can_log_in(&server, "x", PASSWORD));
    for part in ["users.0 is no account", "the account \\\"x\\\" is not loaded", "2 documents were not loaded"] {
        assert!(server.log().contains(part), "{part}");
    }
}

#[test]
fn accounts_in_memory_follow_their_dump_at_sighup() {
    // A9-03
    let from = Site::new();
    let site = Site::new().config("[data_provider]\ndriver = \"memory\"\nname = \"accounts.json\"");
    let dump = || tools::run_ok(from.tidegate(&["dump"]).arg(site.path("accounts.json")));
    for name in ["alice", "bob"] {
        from.user(name);
    }
    dump();
    let server = site.start();
    let reload = |expected: &str| {
        tools::run_ok(Command::new("kill").args(["-HUP", &server.pid().to_string()]));
        server.wait_for_text(expected);
    };
    let who = || ["alice", "bob", "carol", "dave"].map(|name| can_log_in(&server, name, PASSWORD));
    // Added to the server, and not to the dump.
    site.user("dave");
    assert_eq!(who(), [true, true, false, true]);
    tools::run_ok(&mut from.tidegate(&["user", "update", "--username", "alice", "--status", "0"]));
    tools::run_ok(&mut from.tidegate(&["user", "delete", "--username", "bob"]));
    from.user("carol");
    dump();
    reload("was loaded again");
    assert_eq!(who(), [false, false, true, true]);
    // One that is cut off changes nothing.
    let whole = std::fs::read_to_string(site.path("accounts.json")).unwrap();
    site.write("accounts.json", &whole[..whole.len() / 2]);
    reload("nothing was loaded again");
    assert_eq!(who(), [false, false, true, true]);
}
