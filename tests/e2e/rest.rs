//! The REST interfaces of the built server, with curl and with a client as the older server had it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::clients::{Proof, can_log_in, sftp_ok};
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fxf, fxp};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");
const OPEN: [(&str, &str); 1] = [("TIDEGATE_HTTPD__LEGACY_OPEN", "true")];

/// The older client: whether it succeeded, and what it was answered.
fn older_client(server: &Server, options: &[&str], arguments: &[&str]) -> (u64, Value) {
    let base = format!("http://127.0.0.1:{}", server.http_port);
    let mut client = Command::new(tools::python());
    client.arg(tools::root().join("tests/clients/rest_v1.py")).args(["-b", &base]).args(options).args(arguments);
    let output = tools::run(&mut client);
    let text = String::from_utf8_lossy(&output.stdout);
    let line: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (line["status"].as_u64().unwrap(), line["answer"].clone())
}

/// The status, and the body, of a request with curl.
fn curl(arguments: &[&str]) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"]).args(arguments);
    let output = tools::run(&mut command);
    let text = String::from_utf8_lossy(&output.stdout);
    let (body, status) = text.rsplit_once('\n').unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    (status.parse().unwrap_or_else(|_| panic!("{arguments:?}: {text}{message}")), body.to_owned())
}

#[test]
fn an_older_client_works_as_it_always_did() {
    // A1-20, A18-01, A18-02, A18-03, A18-04, A18-05, A18-06, A18-07, A18-08, A18-09, A18-10, A18-11, A18-15
    let site = Site::new();
    // The client is not the server's owner, and only the owner may place homes beside its database.
    let homes = format!("[data_provider]\nhomes = [\"{}\"]\n", site.path("homes").display());
    let site = site.config(&homes);
    let server = site.start_with(&OPEN);
    let ask = |arguments: &[&str]| older_client(&server, &[], arguments);
    let home = site.path("homes/alice");
    let add = ["add-user", "alice", "-P", "pw", "-H", home.to_str().unwrap(), "--quota-files", "5"];
    let (status, user) = ask(&add);
    assert_eq!((status, &user["username"], user.get("password")), (200, &json!("alice"), None), "{user}");
    assert_eq!(ask(&add).0, 409);
    assert!(can_log_in(&server, "alice", PASSWORD));
    let id = user["id"].to_string();
    let local = site.write("local", vec![1; 1000]);
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} a\n", local.display()));
    let update =
        ["update-user", &id, "alice", "-H", home.to_str().unwrap(), "-G", "list", "download", "-L", "/in:upload"];
    assert_eq!(ask(&update), (200, json!({"error": "", "message": "User updated", "status": 200})));
    let (_, shown) = ask(&["get-user-by-id", &id]);
    assert_eq!(shown["permissions"], json!({"/": ["list", "download"], "/in": ["upload"]}), "{shown}");
    assert!(can_log_in(&server, "alice", PASSWORD), "the password stays");
    assert_eq!(ask(&["get-users", "-U", "alice"]).1[0]["id"], user["id"]);
    assert_eq!(ask(&["get-users", "-U", "bob"]), (200, json!([])));
    let begun = json!({"error": "", "message": "Scan started", "status": 201});
    assert_eq!(ask(&["start-quota-scan", "alice"]), (201, begun));
    assert_eq!(ask(&["start-quota-scan", "bob"]).0, 404);
    waiting::eventually("the scan is over", || (ask(&["get-quota-scans"]).1 == json!([])).then_some(()));
    assert_eq!(ask(&["get-user-by-id", &id]).1["used_quota_size"], 1000);
    assert_eq!(ask(&["get-connections"]), (200, json!([])));
    assert_eq!(ask(&["close-connection", "none"]).0, 404);
    assert_eq!(ask(&["get-provider-status"]), (200, json!({"error": "", "message": "Alive", "status": 200})));
    assert!(ask(&["get-version"]).1["commit_hash"].is_string());
    assert_eq!(ask(&["dumpdata", "daily/all.json"]).0, 200);
    assert!(std::fs::read_to_string(site.path("backups/daily/all.json")).unwrap().contains("$argon2id$"));
    assert_eq!(ask(&["dumpdata", "../all.json"]).0, 400);
    assert_eq!(ask(&["delete-user", &id]), (200, json!({"error": "", "message": "User deleted", "status": 200})));
    assert!(!can_log_in(&server, "alice", PASSWORD));
    assert_eq!(ask(&["loaddata", "daily/all.json", "-Q", "2"]).0, 200);
    // Its counters are new, and its files are counted since it has a quota.
    waiting::until("the files are counted", || ask(&["get-users", "-U", "alice"]).1[0]["used_quota_size"] == 1000);
    assert!(can_log_in(&server, "alice", PASSWORD));
}

#[test]
fn no_scan_begins_where_usages_are_not_counted() {
    // A10-01, A18-05
    let site = Site::new().config("[data_provider]\ntrack_quota = 0");
    site.user("alice");
    let _server = site.start();
    let socket = site.path("tidegate.sock");
    let body = ["--json", r#"{"username":"alice"}"#, "http://localhost/api/v1/quota_scan"];
    let (status, answer) = curl(&[&["--unix-socket", socket.to_str().unwrap()][..], &body].concat());
    assert!(status == 403 && answer.contains("track_quota"), "{status} {answer}");
}

#[test]
fn sessions_are_shown_and_closed() {
    // A18-03, A18-04
    let site = Site::new();
    site.user("alice");
    let server = site.start_with(&OPEN);
    let ask = |arguments: &[&str]| older_client(&server, &[], arguments);
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("upload", fxf::WRITE | fxf::CREAT).handle();
    raw.request(fxp::WRITE, &fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(vec![1; 1000])]));
    let (_, sessions) = ask(&["get-connections"]);
    let shown = &sessions[0];
    let transfer = &shown["active_transfers"][0];
    let names = |object: &Value| {
        let mut names: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        names.join(" ")
    };
    let expected = "active_transfers client_version connection_id connection_time last_activity protocol \
                    remote_address ssh_command username";
    assert_eq!(names(shown), expected, "{shown}");
    assert_eq!(names(transfer), "last_activity operation_type path size start_time", "{transfer}");
    // Milliseconds since 1970, of the last minutes.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    for (object, field) in
        [(shown, "connection_time"), (shown, "last_activity"), (transfer, "start_time"), (transfer, "last_activity")]
    {
        let at = u128::from(object[field].as_u64().unwrap());
        assert!((now - 600_000..=now + 1_000).contains(&at), "{field}: {at} at {now}");
    }
    assert!(shown["remote_address"].as_str().unwrap().starts_with("127.0.0.1:"), "{shown}");
    assert!(shown["client_version"].as_str().unwrap().starts_with("SSH-2.0-OpenSSH"), "{shown}");
    assert_eq!(shown["ssh_command"], "", "{shown}");
    assert_eq!(
        (&transfer["operation_type"], &transfer["path"], &transfer["size"]),
        (&json!("upload"), &json!("/upload"), &json!(1000))
    );
    assert_eq!((&shown["username"], &shown["protocol"]), (&json!("alice"), &json!("SFTP")), "{shown}");
    let (status, done) = ask(&["close-connection", shown["connection_id"].as_str().unwrap()]);
    assert_eq!((status, &done["message"]), (200, &json!("Connection closed")), "{done}");
    assert!(raw.receive().is_none(), "the connection is closed");
}

#[test]
fn a_download_that_goes_on_after_an_earlier_one_says_where() {
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("file", fxf::WRITE | fxf::CREAT).handle();
    raw.request(fxp::WRITE, &fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(vec![1; 1000])]));
    raw.request(fxp::CLOSE, &string(&handle));
    let handle = raw.open_file("file", fxf::READ).handle();
    raw.request(fxp::READ, &fields(&[&string(&handle), &600_u64.to_be_bytes(), &100_u32.to_be_bytes()]));
    let socket = site.path("tidegate.sock");
    let url = "http://localhost/api/tidegate/connections";
    let (status, body) = curl(&["--unix-socket", socket.to_str().unwrap(), url]);
    let shown: Value = serde_json::from_str(&body).unwrap();
    let transfer = &shown[0]["active_transfers"][0];
    let seen = ["operation_type", "path", "offset", "size", "total"].map(|field| transfer[field].clone());
    assert_eq!((status, seen), (200, [json!("download"), json!("/file"), json!(600), json!(100), json!(1000)]));
    assert!(transfer["rate"].is_u64(), "{transfer}");
}

#[test]
fn without_the_setting_an_older_client_needs_a_password() {
    // A3-53
    let site = Site::new();
    // The passwords are "secret".
    let md5 = "dave:$apr1$ZjTqBB3f$vX2yS7We8n3.QXwkPVpXD1";
    let bcrypt = "carol:$2b$04$i9xuFrS2HTGXwdcnzRG0eOJF0oV6scSd3zA4WcDZiY0yTHJPo/5zS";
    site.write("users", format!("{bcrypt}\n{md5}\n"));
    let server = site.start_with(&[("TIDEGATE_HTTPD__AUTH_USER_FILE", "users")]);
    let check = |options: &[&str], expected: u64| {
        assert_eq!(older_client(&server, options, &["get-users"]).0, expected, "{options:?}");
    };
    check(&[], 401);
    check(&["-a", "basic", "-u", "carol", "-p", "secret"], 200);
    check(&["-a", "basic", "-u", "carol", "-p", "wrong"], 401);
    check(&["-a", "basic", "-u", "dave", "-p", "secret"], 200);
    check(&["-a", "basic", "-u", "erin", "-p", "secret"], 401);
}

#[test]
fn no_page_in_a_browser_can_use_the_open_interface() {
    // A18-01
    let site = Site::new();
    let server = site.start_with(&OPEN);
    let url = format!("http://127.0.0.1:{}/api/v1/user", server.http_port);
    let check = |headers: &[&str], expected: u16| {
        let mut arguments = vec![url.as_str()];
        headers.iter().for_each(|header| arguments.extend(["--header", header]));
        let (status, body) = curl(&arguments);
        assert_eq!(status, expected, "{headers:?}: {body}");
    };
    check(&[], 200);
    check(&["Origin: http://evil.example"], 403);
    check(&["Origin: null"], 403);
    check(&["Host: evil.example"], 403);
    check(&["Referer: http://evil.example/"], 403);
    check(&["Sec-Fetch-Site: cross-site"], 403);
    check(&["User-Agent: Mozilla/5.0"], 403);
    // A proxy has passed it on.
    check(&["X-Forwarded-For: 127.0.0.1"], 401);
    check(&["Via: 1.1 proxy"], 401);
    let (status, _) = curl(&[&url.replace("/v1/user", "/v2/users")]);
    assert_eq!(status, 401, "only the older interface is open");
}

#[test]
fn a_script_works_with_a_token_and_with_a_key() {
    // A18-17, D-09
    let site = Site::new();
    let server = site.start();
    let mut add = site.tidegate(&["admin", "add", "--username", "root", "--password-stdin", "--permissions", "*"]);
    let mut child = add.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"a-long-password\n").unwrap();
    assert!(child.wait().unwrap().success());
    let url = |path: &str| format!("http://127.0.0.1:{}/api/v2/{path}", server.http_port);
    let (status, body) = curl(&["--user", "root:a-long-password", &url("token")]);
    assert_eq!(status, 200, "{body}");
    let token: Value = serde_json::from_str(&body).unwrap();
    let bearer = format!("Authorization: Bearer {}", token["access_token"].as_str().unwrap());
    let ask = |arguments: &[&str]| curl(&[&["--header", &bearer], arguments].concat());
    let homes = tempfile::tempdir().unwrap();
    let home = homes.path().join("alice");
    let user =
        json!({"username": "alice", "password": "pw", "status": 1, "home_dir": home, "permissions": {"/": ["*"]}});
    assert_eq!(ask(&["--data", &user.to_string(), &url("users")]).0, 201);
    assert!(can_log_in(&server, "alice", PASSWORD));
    let (status, body) = ask(&["--data", r#"{"name":"ci","allow":["user.list"]}"#, &url("apikeys")]);
    assert_eq!(status, 201, "{body}");
    let key: Value = serde_json::from_str(&body).unwrap();
    let key = format!("X-SFTPGO-API-KEY: {}", key["key"].as_str().unwrap());
    assert!(curl(&["--header", &key, &url("users")]).1.contains("alice"));
    assert_eq!(curl(&["--header", &key, &url("users/alice")]).0, 403);
    assert_eq!(ask(&[&url("logout")]).0, 200);
    assert_eq!(ask(&[&url("users")]).0, 401);
}

#[test]
fn hooks_that_decide_about_users_are_not_asked_about_administrators() {
    // B2-09
    let site = Site::new();
    let asked = site.path("asked");
    let answer = r#"{"status":1,"username":"root","home_dir":"/tmp/root","permissions":{"/":["*"]}}"#;
    let hook = site.script("hook.sh", &format!("#!/bin/sh\necho x >> {}\necho '{answer}'\n", asked.display()));
    let site = site.config(&format!(
        "[data_provider]\nexternal_auth_hook = \"{0}\"\ncheck_password_hook = \"{0}\"\n",
        hook.display()
    ));
    let server = site.start();
    let mut add = site.tidegate(&["admin", "add", "--username", "root", "--password-stdin", "--permissions", "*"]);
    let mut child = add.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"a-long-password\n").unwrap();
    assert!(child.wait().unwrap().success());
    let url = format!("http://127.0.0.1:{}/api/v2/token", server.http_port);
    for (credentials, status) in [("root:wrong", 401), ("root:a-long-password", 200), ("other:x", 401)] {
        assert_eq!(curl(&["--user", credentials, &url]).0, status, "{credentials}");
    }
    assert!(!asked.exists(), "a hook was asked");
}

#[test]
fn the_control_socket_serves_the_interfaces_to_the_owner() {
    // A18-01
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    let socket = site.path("tidegate.sock");
    for (path, expected) in [("/api/v1/user", "alice"), ("/api/v2/users", "alice"), ("/api/tidegate/hooks", "links")] {
        let url = format!("http://localhost{path}");
        let (status, body) = curl(&["--unix-socket", socket.to_str().unwrap(), &url]);
        assert!(status == 200 && body.contains(expected), "{path} {status} {body}");
        let (status, _) = curl(&[&format!("http://127.0.0.1:{}{path}", server.http_port)]);
        assert_eq!(status, 401, "{path}");
    }
}

#[test]
fn a_binding_can_be_a_unix_socket() {
    // A18-01
    let site = Site::new();
    let socket = site.path("http.sock");
    let list = json!([{"port": -1, "address": "127.0.0.1"}, {"address": socket}]).to_string();
    let _server = site.start_with(&[("TIDEGATE_HTTPD__BINDINGS", &list)]);
    let socket = socket.to_str().unwrap();
    assert_eq!(curl(&["--unix-socket", socket, "http://localhost/api/v1/user"]).0, 200);
    assert_eq!(curl(&["--unix-socket", socket, "http://localhost/api/v2/users"]).0, 401);
    assert_eq!(curl(&["--unix-socket", socket, "http://evil.example/api/v1/user"]).0, 403);
    assert_eq!(curl(&["--unix-socket", socket, "http://localhost/healthz"]), (200, "ok\n".to_owned()));
}

pub fn make_certificate(directory: &Path, name: &str) {
    let file = |end: &str| directory.join(format!("tls.{end}")).to_str().unwrap().to_owned();
    let subject = format!("/CN={name}");
    tools::run_ok(Command::new("openssl").args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        &subject,
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout",
        &file("key"),
        "-out",
        &file("pem"),
    ]));
}

#[test]
fn certificates_are_read_again_at_a_signal() {
    let site = Site::new();
    site.write("x", "");
    let directory = site.path("");
    make_certificate(&directory, "first");
    let server = site.start_with(&[
        ("TIDEGATE_HTTPD__CERTIFICATE_FILE", "tls.pem"),
        ("TIDEGATE_HTTPD__CERTIFICATE_KEY_FILE", "tls.key"),
    ]);
    let url = format!("https://127.0.0.1:{}/healthz", server.http_port);
    let trusted = |ask: &str| {
        let pem = site.path("tls.pem");
        let mut command = Command::new("curl");
        tools::run(command.args(["--silent", "--cacert"]).arg(pem).arg(ask)).stdout == b"ok\n"
    };
    assert!(trusted(&url));
    assert_eq!(curl(&[&url.replace("https", "http")]).0, 0, "without TLS there is no answer");
    make_certificate(&directory, "second");
    assert!(!trusted(&url), "the first is in use still");
    tools::run_ok(Command::new("kill").args(["-HUP", &server.pid().to_string()]));
    waiting::eventually("the second is in use", || trusted(&url).then_some(()));
    site.write("tls.pem", "no certificate");
    tools::run_ok(Command::new("kill").args(["-HUP", &server.pid().to_string()]));
    server.wait_for(|line| line["message"].as_str().is_some_and(|text| text.contains("the former certificate stays")));
}
