//! The command line, as scripts use it: output, errors, exit status.

use std::process::{Command, Stdio};

use tidegate_tests::clients::{Proof, can_log_in, text};
use tidegate_tests::server::Site;
use tidegate_tests::tools;
use tidegate_tests::waiting::Followed;

fn check(site: &Site, arguments: &[&str], status: i32, expected: &str) {
    let output = tools::run(&mut site.tidegate(arguments));
    let text = text(&output);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    assert!(text.contains(expected), "{arguments:?}: {text}");
}

#[test]
fn users_are_managed() {
    let site = Site::new();
    // A2-13
    check(&site, &["initprovider"], 0, "up to date");
    check(
        &site,
        &["user", "add", "--username", "alice", "--home-dir", "/srv/alice", "--password", "pw"],
        0,
        "was added",
    );
    check(
        &site,
        &["user", "add", "--username", "alice", "--home-dir", "/srv/alice", "--password", "pw"],
        1,
        "already an account",
    );
    check(
        &site,
        &["user", "add", "--username", "bob", "--home-dir", "/srv/bob"],
        1,
        "a password or at least one public key",
    );
    check(&site, &["user", "add", "--username", "bob", "--home-dir", "bob", "--password", "x"], 1, "absolute path");
    check(
        &site,
        &["user", "add", "--username", "bob", "--home-dir", "/b", "--password", "x", "--permissions", "/:fly"],
        1,
        "\"fly\" is not a permission",
    );
    check(
        &site,
        &["user", "add", "--username", "bob", "--home-dir", "/b", "--public-key", "/nonexistent"],
        1,
        "neither a public key nor a file",
    );
    check(
        &site,
        &["user", "add", "--username", "bob", "--home-dir", "/b", "--password", "x", "--allowed-ip", "10.0.0.1"],
        1,
        "\"10.0.0.1/32\"",
    );
    check(
        &site,
        &["user", "add", "--username", "../bob", "--home-dir", "/srv/../bob", "--password", "x"],
        1,
        "home_dir",
    );
    check(
        &site,
        &["user", "update", "--username", "alice", "--max-sessions", "3", "--expiration-date", "2030-01-01T00:00:00Z"],
        0,
        "was updated",
    );
    check(&site, &["user", "show", "--username", "alice"], 0, "\"expiration_date\": 1893456000000");
    check(&site, &["user", "show", "--username", "alice"], 0, "\"max_sessions\": 3");
    check(&site, &["user", "list"], 0, "alice");
    check(&site, &["user", "list", "--json"], 0, "\"username\": \"alice\"");
    check(&site, &["user", "list", "--status", "enabled", "--prefix", "al", "--search", "lic"], 0, "alice");
    for none in [["--status", "disabled"], ["--role", "sales"], ["--group", "staff"], ["--search", "LIC"]] {
        check(&site, &[&["user", "list", "--json"][..], &none].concat(), 0, "[]");
    }
    check(&site, &["user", "list", "--status", "gone"], 2, "possible values: enabled, disabled");
    check(&site, &["user", "show", "--username", "nobody"], 1, "no account named \"nobody\"");
    check(&site, &["user", "delete", "--username", "alice"], 0, "was deleted");
    check(&site, &["user", "delete", "--username", "alice"], 1, "no account named");
    // A2-12
    for (wrong, named) in [
        (&["user", "fly"][..], "'fly'"),
        (&["fly"], "'fly'"),
        (&["user", "list", "--fly"], "'--fly'"),
        (&["serve", "--fly"], "'--fly'"),
    ] {
        check(&site, wrong, 2, named);
        check(&site, wrong, 2, "Usage");
    }
    let shown = tools::run_ok(&mut site.tidegate(&["user", "list", "--json"]));
    assert_eq!(shown.trim(), "[]");
}

#[test]
fn secrets_are_not_shown() {
    let site = Site::new();
    site.user("alice");
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "alice"]));
    assert!(!shown.contains("argon2") && shown.contains("\"has_password\": true"), "{shown}");
}

#[test]
fn accounts_come_from_json_too() {
    let site = Site::new();
    let whole = r#"{"username":"carol","status":1,"password":"secret","home_dir":"/c","permissions":{"/":["*"],"/ro":["list","download"]},"email":"c@example","groups":[{"name":"g","type":3}]}"#;
    let file = site.write("carol.json", whole);
    let path = file.to_str().unwrap();
    check(&site, &["user", "add", "--from-json", path, "--json"], 0, "\"email\": \"c@example\"");
    check(&site, &["user", "show", "--username", "carol"], 0, "\"/ro\"");
    // What an administrator takes away is gone.
    site.write("carol.json", r#"{"username":"carol","permissions":{"/":["list"]}}"#);
    check(&site, &["user", "update", "--from-json", path], 0, "");
    let shown = tools::run_ok(&mut site.tidegate(&["user", "show", "--username", "carol"]));
    assert!(!shown.contains("/ro") && shown.contains("\"email\": \"c@example\""), "{shown}");
    site.write("carol.json", r#"{"username":"carol","uid":"1"}"#);
    check(&site, &["user", "update", "--from-json", path], 1, "field \"uid\": expected an integer, found a string");
    site.write("carol.json", r#"{"username":"carol","permissions":{}}"#);
    let refused = tools::run(&mut site.tidegate(&["user", "update", "--from-json", path]));
    assert_eq!(text(&refused).matches("permissions for \"/\" are needed").count(), 1, "{}", text(&refused));
    site.write("carol.json", "{");
    check(&site, &["user", "add", "--from-json", path], 1, "not valid JSON");
    // A8-11: an account whose password is locked has none, and can be changed without getting one.
    site.write("carol.json", r#"{"username":"dave","password":"!","home_dir":"/d","permissions":{"/":["*"]}}"#);
    check(&site, &["user", "add", "--from-json", path], 0, "was added");
    check(&site, &["user", "update", "--username", "dave", "--max-sessions", "3"], 0, "was updated");
}

#[test]
fn the_configuration_is_checked_and_shown() {
    let site = Site::new();
    check(&site, &["config", "check"], 0, "is valid");
    check(&site, &["config", "show"], 0, "bind_port = -1");
    check(&site, &["config", "show", "--json"], 0, "\"bind_port\": -1");
    let site = Site::new().config("bind_prot = 1\n[data_provider]\npassword = \"hush\"");
    check(&site, &["config", "check"], 1, "did you mean \"bind_port\"?");
    check(&site, &["serve"], 1, "did you mean \"bind_port\"?");
    let shown = tools::run_ok(&mut site.tidegate(&["config", "show"]));
    assert!(shown.contains("[redacted]") && !shown.contains("hush"), "{shown}");
    let site = Site::new().config(
        "[data_provider]\nexternal_auth_hook = \"http://me:hush@127.0.0.1:1/\"\n[http]\nheaders = [{ key = \"x\", value = \"hush\" }]\n\
         [plugin.x.secrets]\npin = \"hush\"",
    );
    for arguments in [&["config", "show"][..], &["config", "show", "--json"]] {
        let shown = tools::run_ok(&mut site.tidegate(arguments));
        assert!(shown.contains("[redacted]") && !shown.contains("hush"), "{shown}");
    }
    // Leniently, it is only a warning.
    drop(site);
    let lenient = Site::new().config("bind_prot = 1");
    let mut command = lenient.tidegate(&["serve", "--lenient", "--log-file-path", ""]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap())).map_while(Result::ok);
    assert!(lines.any(|line| line.contains("\"warn\"") && line.contains("bind_prot")));
    assert!(lines.any(|line| line.contains("listening")));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_version_names_commit_and_date() {
    // A1-29
    for flag in ["--version", "-v"] {
        let version = tools::run_ok(std::process::Command::new(tools::tidegate()).arg(flag));
        // Such as tidegate 0.1.0-90607d4-dirty-2026-08-08T19:28:36Z
        let (start, date) = version.trim_end().split_at(version.trim_end().len() - "-2026-08-08T19:28:36Z".len());
        let form: String = date.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
        assert_eq!(form, "-0000-00-00T00:00:00Z", "{version}");
        let commit = start.strip_prefix("tidegate 0.1.0-").unwrap_or_else(|| panic!("{version}"));
        assert!(commit.chars().all(|it| it.is_ascii_alphanumeric() || it == '-') && !commit.is_empty(), "{version}");
    }
}

#[test]
fn a_first_start_makes_what_is_missing() {
    // A2-02, A3-52: the directory of backups, beside keys, plugins and the database. A2-04: without a file, the log is on
    // standard error.
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("new/place");
    let mut child = std::process::Command::new(tools::tidegate())
        .args(["serve", "--log-file-path", "", "-c"])
        .arg(&site)
        .env("TIDEGATE_SFTPD__BIND_PORT", "0")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap())).map_while(Result::ok);
    assert!(lines.any(|line| line.contains("listening")));
    child.kill().unwrap();
    child.wait().unwrap();
    for (name, mode) in [
        ("id_ed25519", 0o600),
        ("id_ecdsa", 0o600),
        ("id_rsa", 0o600),
        ("tidegate.db", 0o600),
        ("plugins", 0o700),
        ("backups", 0o700),
    ] {
        let metadata = site.join(name).metadata().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
    // A4-02
    for (name, size) in [("id_rsa", "4096 "), ("id_ecdsa", "256 "), ("id_ed25519", "256 ")] {
        let shown = tools::run_ok(Command::new("ssh-keygen").arg("-lf").arg(site.join(name)));
        assert!(shown.starts_with(size), "{name}: {shown}");
        let text = std::fs::read_to_string(site.join(name)).unwrap();
        assert!(text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"), "{name}");
    }
}

#[test]
fn portable_shares_a_directory() {
    // A1-23, A2-01, A17-01
    // A17
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "content").unwrap();
    // A configuration with an error, which is not read.
    std::fs::write(directory.path().join("tidegate.toml"), "bind_prot = 1\n").unwrap();
    let mut child = std::process::Command::new(tools::tidegate())
        // Empty means generated, or the default; without `-d`, the directory is the current one.
        .args(["portable", "-s", "0", "-p", "", "-u", "", "--bind-address", "127.0.0.1"])
        .current_dir(directory.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap())).map_while(Result::ok);
    let mut password = String::new();
    let port = loop {
        let line = lines.next().expect("it did not say where it listens");
        if let Some(text) = line.strip_prefix("Password: ") {
            password = text.to_owned();
        }
        if let Some(address) = line.strip_prefix("Listening on ") {
            break address.split(';').next().unwrap().rsplit(':').next().unwrap().to_owned();
        }
    };
    let script = tools::root().join("tests/e2e/clients/portable_session.py");
    let mut python = std::process::Command::new(tools::python());
    let text = tools::run_ok(python.arg(script).args([&port, &password]));
    assert_eq!(text, "read b'content', not written\n");
    let script = tools::root().join("tests/e2e/clients/portable_defaults.py");
    let mut python = std::process::Command::new(tools::python());
    let text = tools::run_ok(python.arg(script).args([&port, &password]));
    // The connection ends with the twelfth try, of which the client may hear.
    assert!(["12", "13"].contains(&text.trim().rsplit(' ').next().unwrap()), "{text}");
    assert!(text.starts_with("md5sum sha1sum cd pwd; disconnected after "), "{text}");
    // A17-02
    assert!((49152..=64151).contains(&port.parse::<u16>().unwrap()), "{port}");
    assert_eq!(password.len(), 12, "{password}");
    assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{password}");
    child.kill().unwrap();
    child.wait().unwrap();
    // Accounts and keys were in memory.
    let names = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["file", "tidegate.toml"]);
}

#[test]
fn accounts_can_be_dumped_and_loaded() {
    // A8-11, A18-10, A18-11
    use std::os::unix::fs::PermissionsExt;
    let (from, to) = (Site::new(), Site::new());
    from.user("alice");
    from.user_with("bob", &["--password", "other", "--quota-size", "1000"]);
    let file = from.path("accounts.json");
    tools::run_ok(from.tidegate(&["dump"]).arg(&file));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(tools::run_ok(&mut from.tidegate(&["dump"])), text);
    assert!(!text.contains("\"other\"") && text.contains("$argon2id$"));
    // One that is there keeps its place and gets the rest; the other is new.
    to.user_with("bob", &["--password", "old"]);
    let server = to.start();
    assert_eq!(tools::run_ok(to.tidegate(&["load"]).arg(&file)), "1 accounts were added, 1 updated.\n");
    assert!(can_log_in(&server, "alice", Proof::Password("pw")));
    assert!(can_log_in(&server, "bob", Proof::Password("other")));
    assert!(!can_log_in(&server, "bob", Proof::Password("old")));
    for (text, expected) in [
        ("{", "is no dump"),
        ("{}", "it has none of the lists"),
        ("{\"users\":{}}", "\"users\" must be a list"),
        (r#"{"users":[],"groups":[7]}"#, "groups.0 is no group"),
        (r#"{"users":[{"username":""}]}"#, "users.0"),
        (r#"{"users":[{"username":"carol","home_dir":"relative"}]}"#, "carol"),
    ] {
        let output = tools::run(to.tidegate(&["load"]).arg(to.write("wrong.json", text)));
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(expected), "{output:?}");
    }
    // A dump need not have accounts.
    let groups = to.write("groups.json", r#"{"groups":[{"name":"staff"}]}"#);
    assert_eq!(tools::run_ok(to.tidegate(&["load"]).arg(groups)), "0 accounts were added, 0 updated.\n");
    assert!(tools::run_ok(&mut to.tidegate(&["group", "list"])).contains("staff"));
}

#[test]
fn hashes_that_cannot_be_checked_are_refused() {
    // A8-11
    let site = Site::new();
    site.user("alice");
    for hash in [
        "$2a$10$abc",
        "$2a$31$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK",
        "$pbkdf2-sha256$x$y$z",
        "$pbkdf2-sha256$4000000000$salt$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=",
        "$argon2id$v=19$m=19456,t=2,p=1$HOro73enmvBDp5nJWWEI0Q",
        "$6$",
        "{MD5}zz",
    ] {
        let expected = "is a hash that cannot be checked here";
        check(&site, &["user", "add", "--username", "bob", "--home-dir", "/b", "--password", hash], 1, expected);
        check(&site, &["user", "update", "--username", "alice", "--password", hash], 1, expected);
        let user = format!(
            r#"{{"username":"bob","status":1,"home_dir":"/b","permissions":{{"/":["*"]}},"password":"{hash}"}}"#
        );
        let dump = site.write("dump.json", format!(r#"{{"users":[{user}]}}"#));
        check(&site, &["load", dump.to_str().unwrap()], 1, expected);
    }
    check(&site, &["user", "list"], 0, "alice");
}

#[test]
fn a_dump_to_an_open_stream_is_only_the_dump() {
    let site = Site::new();
    site.user("alice");
    let dump = tools::run_ok(&mut site.tidegate(&["dump"]));
    for path in ["/dev/stdout", "/proc/self/fd/1"] {
        assert_eq!(tools::run_ok(site.tidegate(&["dump"]).arg(path)), dump, "{path}");
        // As a shell does with `>>`: what was there stays.
        let file = site.write("out.txt", "before\n");
        let appended = std::fs::File::options().append(true).open(&file).unwrap();
        let status = site.tidegate(&["dump"]).arg(path).stdout(appended).status().unwrap();
        assert!(status.success(), "{path}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("before\n{dump}"), "{path}");
    }
    let output = tools::run(site.tidegate(&["dump"]).arg("/dev/stderr"));
    assert!(output.stdout.is_empty() && output.stderr == dump.as_bytes(), "{output:?}");
    let output = tools::run(site.tidegate(&["dump"]).arg("/dev/null"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.stdout.is_empty() && said.contains("1 accounts were written to /dev/null"), "{said}");
    let output = tools::run(site.tidegate(&["dump"]).arg(site.path("file.json")));
    assert!(output.stderr.is_empty() && output.stdout.starts_with(b"1 accounts were written to"), "{output:?}");
}

#[test]
fn shells_learn_how_to_complete() {
    let script = |shell: &str| tools::run_ok(Command::new(tools::tidegate()).args(["completions", shell]));
    for (shell, beginning) in [("bash", "_tidegate() {"), ("zsh", "#compdef tidegate"), ("fish", "# Print an optspec")]
    {
        let script = script(shell);
        assert!(script.starts_with(beginning) && script.contains("hook"), "{shell}: {script}");
    }
    // What bash offers after `tidegate user a`.
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("completions");
    std::fs::write(&file, script("bash")).unwrap();
    let asked = "COMP_WORDS=(tidegate user a); COMP_CWORD=2; _tidegate tidegate a user; echo \"${COMPREPLY[@]}\"";
    let line = format!("source {}; {asked}", file.display());
    assert_eq!(tools::run_ok(Command::new("bash").args(["-c", &line])).trim(), "add");
}

#[test]
fn commands_whose_output_is_not_read_end_without_a_word() {
    let site = Site::new();
    site.user("alice");
    let folder = ["folder", "add", "--name", "f", "--mapped-path", "/srv/f"];
    tools::run_ok(&mut site.tidegate(&folder));
    let check = |arguments: &[&str], expected: i32| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = site.tidegate(arguments);
        if arguments[0] == "completions" {
            command = Command::new(tools::tidegate());
            command.args(arguments);
        }
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // As a shell reports what SIGPIPE has ended.
        assert_eq!((output.status.code(), &*said), (Some(expected), ""), "{arguments:?}");
    };
    let json = ["group", "role", "admin", "apikey"].map(|kind| [kind, "list", "--json"]);
    for arguments in json {
        check(&arguments, 141);
    }
    for arguments in [
        &["audit", "list"][..],
        &["audit", "export"],
        &["user", "list"],
        &["user", "list", "--json"],
        &["user", "show", "--username", "alice"],
        &["user", "add", "--username", "bob", "--password", "secret", "--home-dir", "/srv/bob"],
        &["folder", "list"],
        &["folder", "show", "--name", "f"],
        &["ban", "list", "--json"],
        &["ban", "exempt", "add", "192.0.2.0/24"],
        &["ban", "exempt", "list"],
        &["hook", "list", "--json"],
        &["plugin", "list", "--json"],
        &["config", "show"],
        &["config", "check"],
        &["completions", "bash"],
        &["dump"],
    ] {
        check(arguments, 141);
    }
    // What was asked for was done all the same.
    let exempt = tools::run_ok(&mut site.tidegate(&["ban", "exempt", "list"]));
    assert!(exempt.contains("192.0.2.0/24"), "{exempt}");
    // A disk that is full is an error.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = site.tidegate(&["user", "list"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("standard output cannot be written"), "{output:?}");
}

#[test]
fn a_login_link_is_shown_with_the_page_where_it_is_used() {
    // D-11
    let check = |httpd: &str, names: &str, expected: &[&str]| {
        let site = Site::new().config(httpd);
        site.user("alice");
        let arguments = ["login-link", "add", "--username", "alice"];
        let command = || {
            let mut command = site.tidegate(&arguments);
            command.env("TIDEGATE_HTTPD__ALLOWED_HOSTS", names);
            command
        };
        let shown = tools::run_ok(&mut command());
        let lines: Vec<_> = shown.lines().collect();
        let (code, pages) = lines.split_first().unwrap();
        let links: Vec<_> =
            expected.iter().map(|origin| format!("{origin}/web/client/login-link?code={code}")).collect();
        assert_eq!(pages, links, "{shown}");
        let json = tools::run_ok(command().arg("--json"));
        let made: serde_json::Value = serde_json::from_str(&json).unwrap();
        let path = format!("/web/client/login-link?code={}", made["code"].as_str().unwrap());
        assert_eq!(made.get("path").and_then(|path| path.as_str()), (!expected.is_empty()).then_some(&*path), "{json}");
        let url = expected.first().filter(|origin| !origin.is_empty()).map(|origin| format!("{origin}{path}"));
        assert_eq!(made.get("url").and_then(|url| url.as_str()), url.as_deref(), "{json}");
    };
    let binding = "[[httpd.bindings]]\naddress = \"127.0.0.1\"\nport = -1\nenable_web_client = true\n";
    check("", "files.example.com", &[]);
    check(binding, "localhost", &[""]);
    check(binding, "files.example.com", &["https://files.example.com"]);
}

#[test]
fn options_of_serve_have_variables() {
    // A2-02, A2-03, A2-04, A2-05, A2-06, A2-07, A2-08, A2-10
    let site = Site::new();
    for (option, value) in [
        ("LOG_MAX_SIZE", "big"),
        ("LOG_MAX_BACKUPS", "some"),
        ("LOG_MAX_AGE", "old"),
        ("LOG_COMPRESS", "maybe"),
        ("LOG_VERBOSE", "much"),
    ] {
        for prefix in ["SFTPGO_", "TIDEGATE_"] {
            let output = tools::run(site.tidegate(&["serve"]).env(format!("{prefix}{option}"), value));
            assert!(!output.status.success() && text(&output).contains(option), "{output:?}");
        }
    }
    site.write("other.toml", "[httpd]\nbind_port = -2\n");
    let mut of_file = site.tidegate(&["config", "check"]);
    let output = tools::run(of_file.env("SFTPGO_CONFIG_FILE", "other"));
    assert!(!output.status.success() && text(&output).contains("httpd.bind_port"), "{}", text(&output));
    tools::run_ok(of_file.env("TIDEGATE_CONFIG_FILE", "tidegate"));
    tools::run_ok(site.tidegate(&["config", "check", "-f", "tidegate"]).env("SFTPGO_CONFIG_FILE", "other"));
    let directory = site.path("of-variable");
    site.write("of-variable/sftpgo.toml", "[httpd]\nbind_port = -2\n");
    let mut of_directory = Command::new(tools::tidegate());
    let output = tools::run(of_directory.args(["config", "check"]).env("SFTPGO_CONFIG_DIR", directory));
    assert!(!output.status.success() && text(&output).contains("httpd.bind_port"), "{}", text(&output));
    for (variable, arguments, log) in [
        (None, &[][..], "tidegate.log"),
        (Some("of-variable.log"), &[], "of-variable.log"),
        (Some("unused.log"), &["--log-file-path", "of-option.log"], "of-option.log"),
    ] {
        let mut command = site.tidegate(&[&["serve"], arguments].concat());
        command.envs(variable.map(|name| ("SFTPGO_LOG_FILE_PATH", name))).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = command.spawn().unwrap();
        let listens = Followed::new(&site.path(log)).line(|line| line.contains("\"service\":\"sftpd\""));
        assert!(listens.is_some(), "{log}");
        tools::run_ok(Command::new("kill").arg(server.id().to_string()));
        assert!(server.wait().unwrap().success());
    }
    assert!(!site.path("unused.log").exists());
}
