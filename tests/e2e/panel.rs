//! The seven scripts of the hosting panel, from real events, with exactly the variables that the panel gives them.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");
const REQUEST: &[&str] = &["username", "password", "session_id", "ip", "referer", "user_agent"];
const SESSION: &[&str] = &["username", "passwd", "key", "host", "ip", "file", "home_memory", "selected_domain"];
const LOGIN_KEY: &[&str] = &[
    "keyname",
    "is_login_url",
    "modifying",
    "key",
    "expiry_timestamp",
    "max_uses",
    "allow",
    "deny",
    "ips",
    "login_keys_notify_on_creation",
];
const ONE_CLICK: &[&str] = &["token", "username", "passwd", "name"];
/// Point, script, more keys of the link, and the variables of the seed.
const SCRIPTS: [(&str, &str, &str, &[&str]); 7] = [
    ("session-create", "session_create_pre", "", REQUEST),
    ("session-destroy", "session_destroy_pre", "", SESSION),
    ("credential-changed", "login_key_create_post", ", actions = [\"add\"]", LOGIN_KEY),
    ("credential-changed", "login_key_modify_post", ", actions = [\"update\"]", LOGIN_KEY),
    ("password-reset-pre", "lost_password_pre", "", REQUEST),
    ("one-click-login-post", "one_click_pma_login_post", "", ONE_CLICK),
    ("login-pre", "login_pre", "", REQUEST),
];

type Call = BTreeMap<String, String>;

struct Panel {
    site: Site,
    bearer: String,
}

impl Panel {
    /// A server with the scripts, an account and an administrator.
    fn start() -> (Self, Server) {
        let mut site = Site::new();
        let mut config: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (point, name, more, _) in SCRIPTS {
            let calls = site.path(&format!("calls/{name}"));
            // The exit status of this script has no effect (D-11).
            let status = i32::from(name == "one_click_pma_login_post");
            // The seed's way to the user behind a session in which one acts as another.
            let script = site.script(
                &format!("custom/{name}.sh"),
                &format!(
                    "#!/bin/sh\n\
                     REALUSER=`echo \"$username\" | /usr/bin/cut -d\\| -f1`\n\
                     said=\"`/usr/bin/env | /usr/bin/tr '\\n' '\\t'`\"\n\
                     echo \"REALUSER=$REALUSER\t$said\" >> {}\n\
                     exit {status}\n",
                    calls.display()
                ),
            );
            site.write(&format!("calls/{name}"), "");
            let link =
                format!("{{ hook = \"{}\", dialect = \"directadmin\", inherit_env = false{more} }}", script.display());
            config.entry(point).or_default().push(link);
        }
        for (point, links) in &config {
            site = site.config(&format!("[hook.{point}]\nhook = [{}]", links.join(", ")));
        }
        site.user("alice");
        let mut add = site.tidegate(&["admin", "add", "--username", "root", "--password-stdin", "--permissions", "*"]);
        let mut child = add.stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"a-long-password\n").unwrap();
        assert!(child.wait().unwrap().success());
        let server = site.start();
        let mut panel = Self { site, bearer: String::new() };
        let token = panel.ask(&server, &["--user", "root:a-long-password"], "token");
        panel.bearer = token["access_token"].as_str().unwrap().to_owned();
        (panel, server)
    }

    fn curl(&self, server: &Server, arguments: &[&str], path: &str) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--max-time", "60", "--user-agent", "Firefox"]);
        curl.args(["--referer", &format!("http://127.0.0.1:{}/web/login", server.http_port)]);
        curl.args(["--header", &format!("Origin: http://127.0.0.1:{}", server.http_port)]);
        tools::run_ok(curl.args(arguments).arg(format!("http://127.0.0.1:{}{path}", server.http_port)))
    }

    fn ask(&self, server: &Server, arguments: &[&str], path: &str) -> Value {
        let text = self.curl(server, arguments, &format!("/api/v2/{path}"));
        let (head, body) = text.rsplit_once("\r\n\r\n").unwrap();
        assert!(head.lines().next().unwrap().contains(" 20"), "{path}: {text}");
        serde_json::from_str(body).unwrap()
    }

    /// As the administrator.
    fn administer(&self, server: &Server, path: &str, body: Value) -> Value {
        let bearer = format!("Authorization: Bearer {}", self.bearer);
        self.ask(server, &["--header", &bearer, "--data", &body.to_string()], path)
    }

    /// The calls of a script so far.
    fn calls(&self, script: &str) -> Vec<Call> {
        let text = std::fs::read_to_string(self.site.path(&format!("calls/{script}"))).unwrap();
        let call = |line: &str| {
            let pairs = line.split('\t').filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        text.lines().map(call).collect()
    }

    /// The call with that number, once it is there, with what every call has to have.
    fn call(&self, script: &str, number: usize) -> Call {
        let call = waiting::eventually(script, || self.calls(script).get(number).cloned());
        let expected = SCRIPTS.iter().find(|(_, name, _, _)| *name == script).unwrap().3;
        let own = ["PWD", "SHLVL", "_", "OLDPWD", "REALUSER"];
        let names = call.keys().map(String::as_str).filter(|name| !own.contains(name) && *name != "login_key");
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(names.collect::<Vec<_>>(), expected, "{script}");
        call
    }
}

fn check(call: &Call, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(call.get(*name).map(String::as_str), Some(*value), "{name} of {call:?}");
    }
}

#[test]
fn logins_over_ssh_call_the_scripts_of_the_panel() {
    // D-01, D-03, D-05, D-06, D-12, D-15, seed 003
    let (panel, server) = Panel::start();
    let before = panel.calls("login_pre").len();
    assert!(can_log_in(&server, "alice", PASSWORD), "{}", server.log());
    let asked = panel.call("login_pre", before);
    check(&asked, &[("username", "alice"), ("password", "pw"), ("ip", "127.0.0.1"), ("referer", "")]);
    let created = panel.call("session_create_pre", 0);
    check(&created, &[("username", "alice"), ("password", "pw"), ("ip", "127.0.0.1"), ("referer", "")]);
    assert!(created["user_agent"].starts_with("SSH-2.0-OpenSSH"), "{created:?}");
    let destroyed = panel.call("session_destroy_pre", 0);
    let empty = [("file", ""), ("selected_domain", "")];
    check(&destroyed, &[("username", "alice"), ("passwd", "cHc="), ("host", "127.0.0.1"), ("REALUSER", "alice")]);
    check(&destroyed, &empty);
    assert_eq!(destroyed["key"], created["session_id"]);
    assert!(!destroyed.contains_key("login_key"));
}

#[test]
fn keys_links_and_requests_call_the_scripts_of_the_panel() {
    // D-02, D-04, D-07, D-08, D-10, D-11, D-12, D-13, seed 003
    let (panel, server) = Panel::start();
    // The token that the test works with was asked for with a password; it is no session.
    check(
        &panel.call("login_pre", 0),
        &[("username", "root"), ("password", "a-long-password"), ("user_agent", "Firefox")],
    );
    assert!(panel.call("login_pre", 0)["referer"].ends_with("/web/login"));

    let key =
        panel.administer(&server, "apikeys", json!({"name": "ci", "allow": ["user.list", "user.show"], "max_uses": 5}));
    let told = panel.call("login_key_create_post", 0);
    check(&told, &[("keyname", "ci"), ("is_login_url", "0"), ("modifying", "0"), ("expiry_timestamp", "0")]);
    check(&told, &[("max_uses", "5"), ("allow", "user.list|user.show"), ("deny", ""), ("ips", "")]);
    assert_eq!(told["key"], key["key"].as_str().unwrap());
    let mut rotate = panel.site.tidegate(&["apikey", "rotate", "--name", "ci"]);
    tools::run_ok(&mut rotate);
    check(&panel.call("login_key_modify_post", 0), &[("keyname", "ci"), ("modifying", "1"), ("key", "")]);

    let arguments = ["login-link", "add", "--username", "alice", "--name", "door", "--ip", "127.0.0.0/8", "--json"];
    let link: Value = serde_json::from_str(&tools::run_ok(&mut panel.site.tidegate(&arguments))).unwrap();
    let told = panel.call("login_key_create_post", 1);
    check(&told, &[("keyname", "door"), ("is_login_url", "1"), ("max_uses", "1"), ("ips", "127.0.0.0/8")]);
    assert_eq!(told["key"], link["code"].as_str().unwrap());

    let redeem = json!({"code": link["code"]}).to_string();
    let token = panel.ask(&server, &["--data", &redeem], "user/token");
    let again = panel.curl(&server, &["--data", &redeem], "/api/v2/user/token");
    assert!(again.starts_with("HTTP/1.1 401"), "{again}");
    let created = panel.call("session_create_pre", 0);
    check(&created, &[("username", "alice"), ("password", ""), ("ip", "127.0.0.1"), ("user_agent", "Firefox")]);
    assert!(created["referer"].ends_with("/web/login"), "{created:?}");
    let bearer = format!("Authorization: Bearer {}", token["access_token"].as_str().unwrap());
    assert_eq!(panel.ask(&server, &["--header", &bearer], "user/profile")["username"], "alice");
    panel.ask(&server, &["--header", &bearer], "user/logout");
    let destroyed = panel.call("session_destroy_pre", 0);
    check(&destroyed, &[("username", "alice"), ("login_key", "door"), ("passwd", ""), ("host", "127.0.0.1")]);
    assert_eq!(destroyed["key"], created["session_id"]);

    let token = panel.administer(&server, "users/alice/impersonate", Value::Null);
    let created = panel.call("session_create_pre", 1);
    check(&created, &[("username", "root|alice"), ("REALUSER", "root")]);
    let bearer = format!("Authorization: Bearer {}", token["access_token"].as_str().unwrap());
    panel.ask(&server, &["--header", &bearer], "user/logout");
    check(&panel.call("session_destroy_pre", 1), &[("username", "root|alice"), ("key", &created["session_id"])]);

    let login = panel.administer(&server, "users/alice/one-click-login", json!({"name": "alice_%%"}));
    let told = panel.call("one_click_pma_login_post", 0);
    check(&told, &[("username", "alice"), ("name", "alice_%%"), ("passwd", login["code"].as_str().unwrap())]);
    assert_eq!(told["token"], login["link"]["id"].as_str().unwrap());

    panel.ask(&server, &["--request", "POST"], "users/alice/forgot-password");
    let told = panel.call("lost_password_pre", 0);
    check(&told, &[("username", "alice"), ("password", ""), ("ip", "127.0.0.1"), ("user_agent", "Firefox")]);
    // Neither Basic nor Bearer nor a key has begun a session.
    assert_eq!(panel.calls("session_create_pre").len(), 2);
    let audit = tools::run_ok(&mut panel.site.tidegate(&["audit", "list"]));
    assert!(audit.contains("root") && audit.contains("acts as"), "{audit}");
}

#[test]
fn a_session_of_a_browser_outlives_a_kill_and_ends_once() {
    // D-02, D-03, D-04
    let (panel, server) = Panel::start();
    let login = ["--data-urlencode", "username=root", "--data-urlencode", "password=a-long-password"];
    let answer = panel.curl(&server, &login, "/web/login");
    let cookie =
        answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{answer}"));
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let created = panel.call("session_create_pre", 0);
    check(&created, &[("username", "root"), ("password", "a-long-password"), ("user_agent", "Firefox")]);
    assert!(created["referer"].ends_with("/web/login"), "{created:?}");
    server.kill();
    let server = panel.site.start();
    let page = panel.curl(&server, &["--header", &cookie], "/web");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    panel.curl(&server, &["--header", &cookie, "--data", ""], "/web/logout");
    let destroyed = panel.call("session_destroy_pre", 0);
    check(&destroyed, &[("username", "root"), ("key", &created["session_id"]), ("host", "127.0.0.1"), ("passwd", "")]);
    server.terminate();
    let server = panel.site.start();
    server.terminate();
    assert_eq!((panel.calls("session_create_pre").len(), panel.calls("session_destroy_pre").len()), (1, 1));
}

#[test]
fn the_script_is_asked_before_the_passwords_of_web_pages() {
    // D-05, seed 003
    let (panel, server) = Panel::start();
    server.terminate();
    let bindings = json!([{"port": -1, "address": "127.0.0.1", "enable_web_client": true}]).to_string();
    let server = panel.site.start_with(&[("TIDEGATE_HTTPD__BINDINGS", &bindings)]);
    let before = panel.calls("login_pre").len();
    let log_ins = [
        ("/web/login", "root", "a-long-password", true),
        ("/web/login", "root", "wrong", false),
        ("/web/client/login", "alice", "pw", true),
        ("/web/client/login", "alice", "wrong", false),
    ];
    for (number, (path, username, password, is_right)) in log_ins.into_iter().enumerate() {
        let (name, secret) = (format!("username={username}"), format!("password={password}"));
        let answer = panel.curl(&server, &["--data-urlencode", &name, "--data-urlencode", &secret], path);
        assert_eq!(answer.starts_with("HTTP/1.1 303"), is_right, "{path}: {answer}");
        let asked = panel.call("login_pre", before + number);
        check(&asked, &[("username", username), ("password", password), ("ip", "127.0.0.1")]);
        check(&asked, &[("user_agent", "Firefox")]);
        assert_eq!(panel.calls("login_pre").len(), before + number + 1);
    }
    // The pages themselves are no log-ins.
    assert_eq!(panel.calls("session_create_pre").len(), 2);
}
