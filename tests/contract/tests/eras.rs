//! What scripts and web servers of each era are given (section J), and how the HTTP client
//! behaves.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_contract::events::{About, action, connection};
use tidegate_core::hook::check_password::CheckPassword;
use tidegate_core::hook::events::{ActionKind, ActionStatus};
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::hook::keyboard_interactive::KeyboardInteractive;
use tidegate_core::hook::observation::{Disconnect, ObjectChange, PostAction, PostLogin};
use tidegate_core::hook::pre_login::PreLogin;
use tidegate_core::hook::review::{Connect, PreAction};
use tidegate_core::hook::{Call, Hook, HookEvent};
use tidegate_hooks_external::{
    Compat, Dialect, Environment, Flavour, HttpClients, HttpHook, HttpSettings, ProgramHook, ProgramSettings, UrlHeader,
};

/// What a program of that era finds: its arguments, and the variables that begin with `SFTPGO_`.
pub async fn given<E: HookEvent>(compat: Compat, event: &E) -> (String, BTreeMap<String, String>)
where
    ProgramHook: Hook<E>,
{
    let (arguments, mut variables) = found(Flavour { compat, ..Flavour::default() }, event).await;
    variables.retain(|name, _| name.starts_with("SFTPGO_"));
    (arguments, variables)
}

/// All variables that a program is given in that dialect.
pub async fn all_variables<E: HookEvent>(dialect: Dialect, event: &E) -> BTreeMap<String, String>
where
    ProgramHook: Hook<E>,
{
    let (_, mut variables) = found(Flavour { dialect, ..Flavour::default() }, event).await;
    // Of the shell.
    for name in ["PWD", "SHLVL", "_", "OLDPWD"] {
        variables.remove(name);
    }
    variables
}

pub fn program(path: &str, flavour: Flavour) -> ProgramHook {
    let (environment, deadline) = (Environment::default(), Duration::from_secs(10));
    ProgramHook::new(path, ProgramSettings { args: Vec::new(), environment, deadline, flavour }).unwrap()
}

async fn found<E: HookEvent>(flavour: Flavour, event: &E) -> (String, BTreeMap<String, String>)
where
    ProgramHook: Hook<E>,
{
    let directory = tempfile::tempdir().unwrap();
    let dump = directory.path().join("dump");
    let script = directory.path().join("hook.sh");
    std::fs::write(&script, format!("#!/bin/sh\n{{ echo \"$*\"; /usr/bin/env; }} > {}\n", dump.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let hook = program(&script.display().to_string(), flavour);
    // Some hooks want an answer, which this one does not give.
    let _ = hook.call(&Call::default(), event).await;
    let text = std::fs::read_to_string(&dump).unwrap_or_default();
    let mut lines = text.lines();
    let arguments = lines.next().unwrap_or_default().to_owned();
    let variables = lines.filter_map(|line| line.split_once('='));
    (arguments, variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[tokio::test]
async fn file_actions_by_era() {
    // A15-02, A15-03, A15-04, B10-02, B10-04
    let done = PostAction(action("f", Some(ActionStatus::Ok)).unwrap());
    let failed = PostAction(action("f", Some(ActionStatus::Failed("no".into()))).unwrap());
    let full = PostAction(action("f", Some(ActionStatus::QuotaExceeded)).unwrap());
    // J-06
    let path = "/srv/contract/in/f";
    assert_eq!(given(Compat::Seed, &done).await.0, format!("upload alice {path}  "));
    assert_eq!(given(Compat::V2_0, &done).await.0, format!("upload alice {path}  "));
    assert_eq!(given(Compat::V2_4, &done).await.0, "");
    // J-12
    let (_, seed) = given(Compat::Seed, &done).await;
    assert_eq!((seed["SFTPGO_ACTION_LOCAL_FILE"].as_str(), seed["SFTPGO_ACTION_FS_PROVIDER"].as_str()), ("true", "0"));
    assert!(!given(Compat::V1_0, &done).await.1.contains_key("SFTPGO_ACTION_LOCAL_FILE"));
    // A15-01: the first era hears only of what succeeded.
    assert!(given(Compat::Seed, &failed).await.1.is_empty());
    // J-05
    for (compat, numbers) in
        [(Compat::V1_0, ["1", "0", "2"]), (Compat::V2_0, ["1", "0", "2"]), (Compat::Current, ["1", "2", "3"])]
    {
        for (event, number) in [&done, &failed, &full].into_iter().zip(numbers) {
            assert_eq!(given(compat, event).await.1["SFTPGO_ACTION_STATUS"], number, "{compat}");
        }
    }
    let expected = [
        ("SFTPGO_ACTION", "upload"),
        ("SFTPGO_ACTION_USERNAME", "alice"),
        ("SFTPGO_ACTION_PATH", path),
        ("SFTPGO_ACTION_VIRTUAL_PATH", "/in/f"),
        ("SFTPGO_ACTION_FILE_SIZE", "3"),
        ("SFTPGO_ACTION_ELAPSED", "4"),
        ("SFTPGO_ACTION_PROTOCOL", "SFTP"),
        ("SFTPGO_ACTION_IP", "192.0.2.1"),
        ("SFTPGO_ACTION_SESSION_ID", "SSH_contract_1"),
        ("SFTPGO_ACTION_OPEN_FLAGS", "512"),
        ("SFTPGO_ACTION_TIMESTAMP", "1700000000000000000"),
    ];
    let (_, current) = given(Compat::Current, &done).await;
    for (name, value) in expected {
        assert_eq!(current[name], value, "{name}");
    }
    assert_eq!(given(Compat::Current, &PreAction(action("f", None).unwrap())).await.1["SFTPGO_ACTION"], "pre-upload");
}

/// A change of an account in which each number is another one.
pub fn numbered_change() -> ObjectChange {
    let mut change = ObjectChange::about("bob").unwrap();
    let fields = "id expiration_date uid gid quota_files quota_size upload_bandwidth download_bandwidth max_sessions";
    for (value, field) in (2..).zip(fields.split(' ')) {
        change.object.insert(field.to_owned(), serde_json::json!(value));
    }
    change
}

#[tokio::test]
async fn changes_of_accounts_by_era() {
    // A15-21, A15-22, B11-02, B11-03, J-13
    let change = numbered_change();
    let (arguments, seed) = given(Compat::Seed, &change).await;
    assert_eq!(arguments, "add bob 2 1 3 /srv/contract 4 5");
    assert_eq!((seed["SFTPGO_USER_ACTION"].as_str(), seed["SFTPGO_USER_HOME_DIR"].as_str()), ("add", "/srv/contract"));
    assert_eq!(seed["SFTPGO_USER_PASSWORD"], "");
    let (arguments, middle) = given(Compat::V2_0, &change).await;
    assert!(arguments.is_empty() && middle["SFTPGO_USER"].contains("\"username\":\"bob\""), "{middle:?}");
    let (_, current) = given(Compat::Current, &change).await;
    assert_eq!(current["SFTPGO_PROVIDER_OBJECT_NAME"], "bob");
    assert_eq!(current["SFTPGO_PROVIDER_OBJECT_TYPE"], "user");
    assert_eq!(current["SFTPGO_PROVIDER_USERNAME"], "__system__");
    assert_eq!(current["SFTPGO_PROVIDER_TIMESTAMP"], "1700000000000");
    assert!(!current["SFTPGO_PROVIDER_OBJECT"].contains("$1$"), "{current:?}");
}

#[tokio::test]
async fn changes_of_accounts_over_http_by_era() {
    // A15-23, B11-02, B11-03: nanoseconds here, milliseconds in the variable.
    let query = "&username=__system__&ip=&object_type=user&object_name=bob&timestamp=1700000000000000000";
    for (compat, more) in [(Compat::Seed, ""), (Compat::V2_0, ""), (Compat::V2_4, query), (Compat::Current, query)] {
        let (url, asked) = web(&["200 OK"]);
        let flavour = Flavour { compat, ..Flavour::default() };
        assert_eq!(ask(&url, http_settings(), flavour, &ObjectChange::about("bob").unwrap()).await, "told");
        let request = asked.lock().unwrap()[0].clone();
        assert!(request.starts_with(&format!("POST /?action=add{more} HTTP/1.1\r\n")), "{compat}: {request}");
        let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body["username"], "bob", "{compat}");
        assert!(body.get("password").is_none() && !request.contains("$1$"), "{compat}: {request}");
    }
}

#[tokio::test]
async fn hooks_are_told_who_changed_an_account() {
    // B11-02
    for (actor, by_itself, role, executor) in [
        (None, false, None, "__system__"),
        (Some("root"), false, None, "root"),
        (Some("ann"), false, Some("sales"), "ann"),
        (Some("bob"), true, None, "__self__"),
        (Some("bob"), true, Some("sales"), "__self__"),
    ] {
        let (actor, actor_role) = (actor.map(str::to_owned), role.map(str::to_owned));
        let actor_address = Some("192.0.2.8".parse().unwrap());
        let change =
            ObjectChange { actor, by_itself, actor_role, actor_address, ..ObjectChange::about("bob").unwrap() };
        let (_, variables) = given(Compat::Current, &change).await;
        let found = ["USERNAME", "ROLE", "IP"].map(|name| variables[&format!("SFTPGO_PROVIDER_{name}")].as_str());
        assert_eq!(found, [executor, role.unwrap_or_default(), "192.0.2.8"]);
        let (url, asked) = web(&["200 OK"]);
        let flavour = Flavour { compat: Compat::Current, ..Flavour::default() };
        assert_eq!(ask(&url, http_settings(), flavour, &change).await, "told");
        let role = role.map(|role| format!("&role={role}")).unwrap_or_default();
        let query = format!("&username={executor}&ip=192.0.2.8&object_type=user&object_name=bob{role}&timestamp=");
        let request = asked.lock().unwrap()[0].clone();
        assert!(request.contains(&query), "{request}");
    }
}

#[tokio::test]
async fn programs_that_ask_are_given_the_stored_hash() {
    // A12-01, B4-03
    for compat in [Compat::Seed, Compat::Current] {
        let (arguments, variables) = given(compat, &KeyboardInteractive::about("talker").unwrap()).await;
        let expected = [
            ("SFTPGO_AUTHD_IP", "192.0.2.1"),
            ("SFTPGO_AUTHD_PASSWORD", "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/"),
            ("SFTPGO_AUTHD_USERNAME", "talker"),
        ];
        let found: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!((arguments.as_str(), found.as_slice()), ("", &expected[..]), "{compat}");
    }
}

#[tokio::test]
async fn hooks_are_told_who_connects() {
    // B7-01
    for compat in [Compat::Seed, Compat::Current] {
        let (arguments, variables) = given(compat, &Connect::about("allow").unwrap()).await;
        let found: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("SFTPGO_CONNECTION_IP", "192.0.2.1"), ("SFTPGO_CONNECTION_PROTOCOL", "SSH")]);
        assert_eq!(arguments, "");
    }
    for (status, expected) in [("200 OK", "allow"), ("204 X", "deny"), ("403 X", "deny"), ("500 X", "failed")] {
        let (url, _) = web(&[status]);
        let connect = Connect::about("allow").unwrap();
        assert_eq!(ask(&url, http_settings(), Flavour::default(), &connect).await, expected, "{status}");
    }
}

#[tokio::test]
async fn clients_that_never_tried_by_era() {
    // A14-02, A14-03, A14-09, J-07
    let event =
        PostLogin { connection: connection("allow"), attempt: None, outcome: Err("the login took too long".into()) };
    for (compat, method) in
        [(Compat::Seed, "no_auth_tryed"), (Compat::V2_4, "no_auth_tryed"), (Compat::Current, "no_auth_tried")]
    {
        let (_, variables) = given(compat, &event).await;
        assert_eq!(
            (variables["SFTPGO_LOGIND_METHOD"].as_str(), variables["SFTPGO_LOGIND_STATUS"].as_str()),
            (method, "0")
        );
        assert!(variables["SFTPGO_LOGIND_USER"].contains("\"username\":\"\""), "{variables:?}");
    }
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}

/// A web server that answers with these statuses, the last one for ever, and keeps what it was
/// asked. An empty status is a connection that breaks.
pub fn web(statuses: &[&str]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let statuses: Vec<String> = statuses.iter().map(|status| (*status).to_owned()).collect();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut portion = [0; 4096];
            while !is_complete(&request) {
                match stream.read(&mut portion) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => request.extend_from_slice(&portion[..count]),
                }
            }
            seen.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
            let status = &statuses[number.min(statuses.len() - 1)];
            if status.is_empty() {
                continue;
            }
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (url, asked)
}

pub fn http_settings() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_secs(5),
        retry_wait_min: Duration::from_millis(1),
        retry_wait_max: Duration::from_millis(2),
        retry_max: 3,
        ..HttpSettings::default()
    }
}

pub async fn ask<E: HookEvent>(url: &str, settings: HttpSettings, flavour: Flavour, event: &E) -> String
where
    HttpHook: Hook<E>,
{
    let hook = HttpHook::new(url, HttpClients::new(settings, false).unwrap(), flavour).unwrap();
    let mut tries = 0;
    // As long as observers would.
    loop {
        tries += 1;
        match hook.call(&Call::default(), event).await {
            Ok(verdict) => return E::label(&verdict).0.to_owned(),
            Err(error) if Hook::<E>::pause(&hook, &error, tries).is_none() => return error.kind().to_owned(),
            Err(_) => {}
        }
    }
}

#[tokio::test]
async fn only_observers_are_tried_again() {
    // B0-08, B0-09
    let told = PostAction(action("f", Some(ActionStatus::Ok)).unwrap());
    let flavour = Flavour { compat: Compat::Current, ..Flavour::default() };
    let (url, asked) = web(&["503 X", "429 X", "200 OK"]);
    assert_eq!(ask(&url, http_settings(), flavour, &told).await, "told");
    assert_eq!(asked.lock().unwrap().len(), 3);
    let (url, asked) = web(&["501 X"]);
    assert_eq!(ask(&url, http_settings(), flavour, &told).await, "failed");
    assert_eq!(asked.lock().unwrap().len(), 1);
    let (url, asked) = web(&["503 X"]);
    assert_eq!(ask(&url, http_settings(), flavour, &Connect::about("allow").unwrap()).await, "failed");
    assert_eq!(asked.lock().unwrap().len(), 1);
    // A15-06, A15-23: the first era sent actions once.
    for (compat, tries) in [(Compat::Seed, 1), (Compat::V1_0, 4), (Compat::Current, 4)] {
        let flavour = Flavour { compat, ..Flavour::default() };
        let (url, asked) = web(&["503 X"]);
        assert_eq!(ask(&url, http_settings(), flavour, &told).await, "failed");
        assert_eq!(asked.lock().unwrap().len(), tries, "{compat}");
        let (url, asked) = web(&["503 X"]);
        assert_eq!(ask(&url, http_settings(), flavour, &ObjectChange::about("bob").unwrap()).await, "failed");
        assert_eq!(asked.lock().unwrap().len(), tries, "{compat}");
    }
    // The server has closed the port.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let clients = HttpClients::new(http_settings(), false).unwrap();
    let hook = HttpHook::new(&url, clients, flavour).unwrap();
    let error = hook.call(&Call::default(), &told).await.unwrap_err();
    let pauses = [1, 2, 3, 4].map(|tries| Hook::<PostAction>::pause(&hook, &error, tries));
    let milliseconds = |count| Some(Duration::from_millis(count));
    assert_eq!(pauses, [milliseconds(1), milliseconds(2), milliseconds(2), None]);
    assert_eq!(Hook::<Connect>::pause(&hook, &error, 1), None);
}

/// How often a web server that is down is asked.
async fn tries<E: HookEvent>(event: &E) -> usize
where
    HttpHook: Hook<E>,
{
    let (url, asked) = web(&["503 X"]);
    let flavour = Flavour { compat: Compat::Current, ..Flavour::default() };
    assert_eq!(ask(&url, http_settings(), flavour, event).await, "failed", "{}", E::KIND);
    asked.lock().unwrap().len()
}

#[tokio::test]
async fn where_a_login_waits_there_is_one_try() {
    // A14-05, B0-08, B0-09
    assert_eq!(tries(&ExternalAuth::about("u").unwrap()).await, 1);
    assert_eq!(tries(&PreLogin::about("u").unwrap()).await, 1);
    assert_eq!(tries(&CheckPassword::about("u").unwrap()).await, 1);
    assert_eq!(tries(&KeyboardInteractive::about("u").unwrap()).await, 1);
    assert_eq!(tries(&PostLogin::about("u").unwrap()).await, 4);
    assert_eq!(tries(&Disconnect::about("allow").unwrap()).await, 4);
    // Connections that break are tried again, 4xx is not.
    let told = PostAction(action("f", Some(ActionStatus::Ok)).unwrap());
    let flavour = Flavour { compat: Compat::Current, ..Flavour::default() };
    for (statuses, expected, count) in
        [(&["", "", "200 OK"][..], "told", 3), (&["500 X", "200 OK"], "told", 2), (&["404 X", "200 OK"], "failed", 1)]
    {
        let (url, asked) = web(statuses);
        assert_eq!(ask(&url, http_settings(), flavour, &told).await, expected, "{statuses:?}");
        assert_eq!(asked.lock().unwrap().len(), count, "{statuses:?}");
    }
}

#[tokio::test]
async fn the_time_of_a_link_holds_for_its_requests() {
    // B0-08: longer and shorter than that of all hooks.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let connect = Connect::about("allow").unwrap();
    for (of_all, of_link) in [(10_000, 50), (1, 50)] {
        let settings = HttpSettings { timeout: Duration::from_millis(of_all), ..http_settings() };
        let clients = HttpClients::new(settings, false).unwrap();
        let of_link = Duration::from_millis(of_link);
        let hook = HttpHook::new(&url, clients, Flavour::default()).unwrap().with_timeout(of_link);
        let error = Hook::<Connect>::call(&hook, &Call::default(), &connect).await.unwrap_err();
        assert_eq!(error, tidegate_core::hook::HookError::Timeout(of_link));
        assert_eq!(Hook::<Connect>::description(&hook).deadline, of_link);
    }
}

#[tokio::test]
async fn requests_carry_what_is_configured_and_go_nowhere_else() {
    // B0-08, B7-01
    let header = |name: &str, url: &str| UrlHeader {
        name: name.parse().unwrap(),
        value: "v".parse().unwrap(),
        url: url.to_owned(),
    };
    let (other, other_asked) = web(&["200 OK"]);
    let (url, asked) = web(&[&format!("302 Found\r\nLocation: {other}")]);
    // Credentials in the URL become a header.
    let with_credentials = url.replace("http://", "http://me:secret@");
    let headers = [
        ("x-all", ""),
        ("x-ours", &*with_credentials),
        ("x-theirs", "http://192.0.2.1/"),
        // Part of the URL, but not its beginning.
        ("x-part", "@127.0.0.1"),
    ];
    let headers = headers.map(|(name, url)| header(name, url)).to_vec();
    let settings = HttpSettings { headers, ..http_settings() };
    let connect = Connect::about("allow").unwrap();
    assert_eq!(ask(&with_credentials, settings, Flavour::default(), &connect).await, "deny");
    let request = asked.lock().unwrap()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /?ip=192.0.2.1&protocol=ssh http/1.1\r\n"), "{request}");
    assert!(request.contains("\r\ntraceparent: 00-") && request.contains("\r\nauthorization: basic "), "{request}");
    assert!(request.contains("\r\nx-all: v\r\n") && request.contains("\r\nx-ours: v\r\n"), "{request}");
    assert!(!request.contains("x-theirs") && !request.contains("x-part"), "{request}");
    assert!(other_asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_old_notification_is_a_get() {
    // J-11, A15-06
    let flavour = Flavour { get: true, ..Flavour::default() };
    let (url, asked) = web(&["200 OK"]);
    let told = PostAction(action("f", Some(ActionStatus::Ok)).unwrap());
    assert_eq!(ask(&url, http_settings(), flavour, &told).await, "told");
    let request = asked.lock().unwrap()[0].clone();
    let expected = "GET /?action=upload&username=alice&path=%2Fsrv%2Fcontract%2Fin%2Ff&local_file=true&file_size=3 ";
    assert!(request.starts_with(expected), "{request}");
    let of = |kind: ActionKind, target: Option<&str>, command: Option<&str>, size: Option<u64>| {
        let mut action = (*action("f", Some(ActionStatus::Ok)).unwrap()).clone();
        (action.kind, action.size) = (kind, size);
        (action.storage_target, action.ssh_command) = (target.map(OsString::from), command.map(str::to_owned));
        PostAction(Arc::new(action))
    };
    let path = "username=alice&path=%2Fsrv%2Fcontract%2Fin%2Ff&local_file=true";
    for (event, expected) in [
        (
            of(ActionKind::Rename, Some("/in/g&h"), None, None),
            format!("action=rename&{path}&target_path=%2Fin%2Fg%26h"),
        ),
        (of(ActionKind::SshCommand, None, Some("md5sum"), None), format!("action=ssh_cmd&{path}&ssh_cmd=md5sum")),
        (of(ActionKind::Delete, None, None, Some(0)), format!("action=delete&{path}")),
    ] {
        let (url, asked) = web(&["200 OK"]);
        assert_eq!(ask(&url, http_settings(), flavour, &event).await, "told");
        let request = asked.lock().unwrap()[0].clone();
        assert!(request.starts_with(&format!("GET /?{expected} HTTP/1.1\r\n")), "{request}");
    }
}

#[tokio::test]
async fn an_empty_answer_depends_on_the_era() {
    // B2-04, H-03, J-01
    for (compat, expected) in [
        (Compat::Seed, "reject"),
        (Compat::V2_0, "reject"),
        (Compat::V2_4, "verify-stored"),
        (Compat::Current, "accept"),
    ] {
        let (url, _) = web(&["200 OK"]);
        let flavour = Flavour { compat, ..Flavour::default() };
        assert_eq!(ask(&url, http_settings(), flavour, &ExternalAuth::about("u").unwrap()).await, expected, "{compat}");
    }
}

#[tokio::test]
async fn an_old_delete_hook_deletes_itself() {
    // B10-07, J-04
    let mut delete = (*action("f", None).unwrap()).clone();
    delete.kind = ActionKind::Delete;
    let delete = PreAction(Arc::new(delete));
    for (compat, on_success, on_failure) in [
        (Compat::Seed, "allow", "deny"),
        (Compat::V1_0, "done", "allow"),
        (Compat::V2_4, "done", "allow"),
        (Compat::Current, "allow", "deny"),
    ] {
        let flavour = Flavour { compat, ..Flavour::default() };
        let (url, _) = web(&["200 OK", "403 X"]);
        assert_eq!(ask(&url, http_settings(), flavour, &delete).await, on_success, "{compat}");
        assert_eq!(ask(&url, http_settings(), flavour, &delete).await, on_failure, "{compat}");
        for (path, expected) in [("/bin/true", on_success), ("/bin/false", on_failure)] {
            let verdict = program(path, flavour).call(&Call::default(), &delete).await.unwrap();
            assert_eq!(PreAction::label(&verdict).0, expected, "{compat} {path}");
        }
    }
}
