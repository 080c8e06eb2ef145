//! What hooks are told, variable by variable and field by field.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_contract::events::{About, action, attempt, attempt_with, connection, session};
use tidegate_core::account::{AccountDraft, CredentialRule, EffectiveAccount};
use tidegate_core::connection::{Credential, LoginMethod};
use tidegate_core::hook::events::{ActionKind, ActionStatus, FileAction, Protocol};
use tidegate_core::hook::observation::{
    AddressBanned, CredentialChanged, Disconnect, Offences, PostAction, PostLogin, Startup,
};
use tidegate_core::hook::review::{LoginPre, PreAction};
use tidegate_core::hook::{Call, Delivery, Hook, HookError, HookEvent, LoginAttempt};
use tidegate_core::path::VirtualPath;
use tidegate_core::public_key::PublicKey;
use tidegate_core::secret::Secret;
use tidegate_core::session::Session;
use tidegate_hooks_external::{Compat, Dialect, Flavour, HttpHook, ProgramHook};
use tidegate_tests::tools;

use crate::eras::{all_variables, ask, given, http_settings, numbered_change, program, web};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

fn current() -> Flavour {
    Flavour { compat: Compat::Current, ..Flavour::default() }
}

fn names(variables: &BTreeMap<String, String>) -> Vec<&str> {
    variables.keys().map(String::as_str).collect()
}

/// The head and the body of the only request.
fn only_request(asked: &std::sync::Mutex<Vec<String>>) -> (String, String) {
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let (head, body) = asked[0].split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn observers_of_logins_are_told_the_outcome() {
    // A14-03, A14-05, A14-08: the account that logged in, under the name that was typed
    let by = |credential: Credential, before: &[LoginMethod]| {
        let attempt = attempt_with("typed", credential).unwrap();
        Arc::new(LoginAttempt { completed_methods: before.to_vec(), ..(*attempt).clone() })
    };
    let password = || Credential::Password(Secret::new("hunter2"));
    let key = Credential::PublicKey(PublicKey::parse(KEY).unwrap());
    for (attempt, method) in [
        (by(password(), &[]), "password"),
        (by(key, &[]), "publickey"),
        (by(Credential::KeyboardInteractive, &[]), "keyboard-interactive"),
        (by(password(), &[LoginMethod::PublicKey]), "publickey+password"),
        (by(Credential::KeyboardInteractive, &[LoginMethod::PublicKey]), "publickey+keyboard-interactive"),
    ] {
        for (outcome, status) in [(Ok(session("bob").unwrap()), "1"), (Err("no".to_owned()), "0")] {
            let event = PostLogin { connection: connection("allow"), attempt: Some(attempt.clone()), outcome };
            for compat in [Compat::Seed, Compat::Current] {
                let (arguments, variables) = given(compat, &event).await;
                let rest =
                    ["SFTPGO_LOGIND_IP", "SFTPGO_LOGIND_METHOD", "SFTPGO_LOGIND_PROTOCOL", "SFTPGO_LOGIND_STATUS"];
                assert_eq!(names(&variables), [&rest[..], &["SFTPGO_LOGIND_USER"]].concat(), "{compat}");
                let found = rest.map(|name| variables[name].as_str());
                assert_eq!((found, arguments.as_str()), (["192.0.2.1", method, "SSH", status], ""), "{compat}");
                let user: Value = serde_json::from_str(&variables["SFTPGO_LOGIND_USER"]).unwrap();
                assert_eq!((&user["username"], &user["home_dir"]), (&json!("typed"), &json!("/srv/contract")));
                let all = format!("{variables:?}");
                assert!(user.get("password").is_none() && !all.contains("$1$") && !all.contains("hunter2"), "{all}");
            }
            let (url, asked) = web(&["200 OK"]);
            assert_eq!(ask(&url, http_settings(), current(), &event).await, "told");
            let (line, body) = only_request(&asked);
            let encoded = method.replace('+', "%2B");
            let query = format!("login_method={encoded}&ip=192.0.2.1&protocol=SSH&status={status}");
            assert_eq!(line, format!("POST /?{query} HTTP/1.1"));
            let user: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((&user["username"], user.get("password")), (&json!("typed"), None), "{body}");
            assert!(!body.contains("$1$"), "{body}");
        }
    }
}

#[tokio::test]
async fn observers_of_connections_are_told_who_left() {
    // B7-02
    let event = |user: Option<&str>| Disconnect {
        session: user.map(|user| session(user).unwrap()),
        ..Disconnect::about("allow").unwrap()
    };
    for (user, name) in [(None, ""), (Some("bob"), "bob")] {
        let (arguments, variables) = given(Compat::Current, &event(user)).await;
        let found: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("SFTPGO_CONNECTION_DURATION", "1500"),
            ("SFTPGO_CONNECTION_IP", "192.0.2.1"),
            ("SFTPGO_CONNECTION_PROTOCOL", "SFTP"),
            ("SFTPGO_CONNECTION_USERNAME", name),
        ];
        assert_eq!((found.as_slice(), arguments.as_str()), (&expected[..], ""));
        let (url, asked) = web(&["200 OK"]);
        assert_eq!(ask(&url, http_settings(), current(), &event(user)).await, "told");
        let query = format!("ip=192.0.2.1&protocol=SFTP&username={name}&connection_duration=1500");
        assert_eq!(only_request(&asked).0, format!("GET /?{query} HTTP/1.1"));
    }
}

#[tokio::test]
async fn observers_of_the_start_are_called_without_a_word() {
    // B7-03
    let event = Startup { version: "1.2.3" };
    for compat in [Compat::Seed, Compat::Current] {
        assert_eq!(given(compat, &event).await, (String::new(), BTreeMap::new()), "{compat}");
    }
    let (url, asked) = web(&["200 OK"]);
    assert_eq!(ask(&url, http_settings(), current(), &event).await, "told");
    assert_eq!(only_request(&asked), ("GET / HTTP/1.1".to_owned(), String::new()));
}

#[tokio::test]
async fn programs_have_got_an_event_when_the_last_one_has_begun() {
    // D-04
    let directory = tempfile::tempdir().unwrap();
    let (hooks, go) = (directory.path().join("hooks"), directory.path().join("go"));
    tools::run_ok(Command::new("mkfifo").arg(&go));
    std::fs::create_dir(&hooks).unwrap();
    let mode = |name: &str, mode: u32| {
        std::fs::set_permissions(hooks.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for (name, line) in [("a.sh", "exit 0".to_owned()), ("b.sh", format!("read line < {}", go.display()))] {
        std::fs::write(hooks.join(name), format!("#!/bin/sh\n{line}\n")).unwrap();
        mode(name, 0o755);
    }
    let (hook, event) = (program(&hooks.display().to_string(), current()), Startup { version: "1.2.3" });
    let delivery = Delivery::default();
    let call = Call::default().delivering(delivery.clone());
    let mut running = pin!(hook.call(&call, &event));
    tokio::select! {
        outcome = &mut running => panic!("{outcome:?}"),
        () = delivery.noted() => {}
    }
    std::fs::write(&go, "\n").unwrap();
    running.await.unwrap();
    // One that cannot begin has not got it.
    mode("b.sh", 0o644);
    let outcome = hook.call(&call, &event).await;
    assert!(matches!(outcome, Err(HookError::Unavailable(_))), "{outcome:?}");
    assert!(tokio::time::timeout(Duration::ZERO, delivery.noted()).await.is_err());
}

fn changed(change: impl FnOnce(&mut FileAction)) -> PostAction {
    let mut action = (*action("f", Some(ActionStatus::Ok)).unwrap()).clone();
    change(&mut action);
    PostAction(Arc::new(action))
}

#[tokio::test]
async fn actions_have_the_variables_of_their_era() {
    // A15-02, A15-03, B10-02, J-12
    let renamed = changed(|action| {
        action.kind = ActionKind::Rename;
        action.storage_target = Some("/srv/contract/in/g".into());
        (action.size, action.open_flags) = (None, None);
    });
    let command = changed(|action| {
        action.kind = ActionKind::SshCommand;
        (action.ssh_command, action.storage_kind) = (Some("md5sum".to_owned()), "s3");
    });
    let (path, target) = ("/srv/contract/in/f", "/srv/contract/in/g");
    for (event, arguments, expected) in [
        (&renamed, format!("rename alice {path} {target} "), ["rename", "alice", path, target, "", "", "true"]),
        (&command, format!("ssh_cmd alice {path}  md5sum"), ["ssh_cmd", "alice", path, "", "md5sum", "3", "false"]),
    ] {
        let (found, variables) = given(Compat::Seed, event).await;
        let names = ["", "_USERNAME", "_PATH", "_TARGET", "_SSH_CMD", "_FILE_SIZE", "_LOCAL_FILE"];
        let values = names.map(|name| variables[&format!("SFTPGO_ACTION{name}")].as_str());
        assert_eq!((found, values), (arguments, expected));
    }
    let (_, variables) = given(Compat::Current, &renamed).await;
    let expected = [
        "",
        "_BUCKET",
        "_ELAPSED",
        "_ENDPOINT",
        "_FILE_SIZE",
        "_FS_PROVIDER",
        "_IP",
        "_OPEN_FLAGS",
        "_PATH",
        "_PROTOCOL",
        "_ROLE",
        "_SESSION_ID",
        "_SSH_CMD",
        "_STATUS",
        "_TARGET",
        "_TIMESTAMP",
        "_USERNAME",
        "_VIRTUAL_PATH",
        "_VIRTUAL_TARGET",
    ];
    assert_eq!(names(&variables), expected.map(|name| format!("SFTPGO_ACTION{name}")));
    assert_eq!(
        (variables["SFTPGO_ACTION_FILE_SIZE"].as_str(), variables["SFTPGO_ACTION_OPEN_FLAGS"].as_str()),
        ("0", "0")
    );
    assert_eq!((&variables["SFTPGO_ACTION"], &variables["SFTPGO_ACTION_TARGET"]), (&"rename".into(), &target.into()));
}

#[tokio::test]
async fn hooks_get_actions_with_all_their_values() {
    // B10-02, B10-03
    let mut draft = AccountDraft::new("alice");
    let bucket = json!({"bucket": "b", "endpoint": "http://h", "access_key": "k", "access_secret": "s"});
    draft.set("filesystem", json!({"provider": 1, "s3config": bucket}));
    draft.set("home_dir", json!("/srv/contract"));
    draft.set("role", json!("staff"));
    draft.set_permissions("/", &["*".to_owned()]);
    let account = draft.validate(CredentialRule::Optional).unwrap().account;
    let account = Arc::new(EffectiveAccount::ungrouped(account));
    let session = Arc::into_inner(session("alice").unwrap()).unwrap();
    let session = Arc::new(Session { account, ..session });
    let event = changed(|action| {
        (action.session, action.protocol, action.kind) = (session, Protocol::Scp, ActionKind::Copy);
        action.target = Some(VirtualPath::parse_normalised("/in/g").unwrap());
        action.storage_target = Some("bucket/g".into());
        action.ssh_command = Some("cp".to_owned());
    });
    let (url, asked) = web(&["200 OK"]);
    assert_eq!(ask(&url, http_settings(), current(), &event).await, "told");
    let expected = json!({
        "action": "copy", "username": "alice", "path": "/srv/contract/in/f", "target_path": "bucket/g",
        "virtual_path": "/in/f", "virtual_target_path": "/in/g", "ssh_cmd": "cp", "file_size": 3, "elapsed": 4,
        "fs_provider": 1, "bucket": "b", "endpoint": "http://h", "status": 1, "protocol": "SCP", "ip": "192.0.2.1",
        "session_id": "SSH_contract_1", "open_flags": 512, "role": "staff",
        "timestamp": 1_700_000_000_000_000_000_i64,
    });
    assert_eq!(serde_json::from_str::<Value>(&only_request(&asked).1).unwrap(), expected);
    // A program has the same in its variables.
    let (_, variables) = given(Compat::Current, &event).await;
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (field, value) in expected.as_object().unwrap() {
        let name = match field.as_str() {
            "action" => String::new(),
            "target_path" => "_TARGET".to_owned(),
            "virtual_target_path" => "_VIRTUAL_TARGET".to_owned(),
            field => format!("_{}", field.to_uppercase()),
        };
        assert_eq!(variables[&format!("SFTPGO_ACTION{name}")], plain(value), "{field}");
    }
}

#[tokio::test]
async fn actions_are_posted_without_what_is_empty() {
    // B10-03, B10-04
    let base = json!({
        "action": "upload", "username": "alice", "path": "/srv/contract/in/f", "virtual_path": "/in/f", "file_size": 3,
        "elapsed": 4, "status": 1, "protocol": "SFTP", "ip": "192.0.2.1", "session_id": "SSH_contract_1",
        "open_flags": 512, "timestamp": 1_700_000_000_000_000_000_i64,
    });
    let with = |more: Value, without: &[&str]| {
        let mut body = base.clone();
        let fields = body.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        without.iter().for_each(|name| drop(fields.remove(*name)));
        body
    };
    let renamed = changed(|action| {
        action.kind = ActionKind::Rename;
        action.storage_target = Some("/srv/g".into());
        (action.size, action.open_flags, action.elapsed_ms) = (Some(0), None, None);
    });
    let target = json!({"action": "rename", "target_path": "/srv/g"});
    for (event, expected) in [
        (changed(|_| {}), base.clone()),
        (changed(|action| action.status = Some(ActionStatus::Failed("no".into()))), with(json!({"status": 2}), &[])),
        (changed(|action| action.status = Some(ActionStatus::QuotaExceeded)), with(json!({"status": 3}), &[])),
        (changed(|action| action.ssh_command = Some("cd".into())), with(json!({"ssh_cmd": "cd"}), &[])),
        (renamed, with(target, &["file_size", "open_flags", "elapsed"])),
    ] {
        let (url, asked) = web(&["200 OK"]);
        assert_eq!(ask(&url, http_settings(), current(), &event).await, "told");
        let (line, body) = only_request(&asked);
        assert_eq!((line.as_str(), serde_json::from_str::<Value>(&body).unwrap()), ("POST / HTTP/1.1", expected));
    }
    // Only 200 is success, and permission.
    for (status, told, asked) in [("200 OK", "told", "allow"), ("201 X", "failed", "deny"), ("204 X", "failed", "deny")]
    {
        let (url, _) = web(&[status]);
        assert_eq!(ask(&url, http_settings(), current(), &changed(|_| {})).await, told, "{status}");
        let before = PreAction(action("f", None).unwrap());
        assert_eq!(ask(&url, http_settings(), current(), &before).await, asked, "{status}");
    }
}

#[tokio::test]
async fn the_first_era_has_a_variable_for_each_field_of_an_account() {
    // A15-22
    let (_, variables) = given(Compat::Seed, &numbered_change()).await;
    let expected = [
        ("ACTION", "add"),
        ("DOWNLOAD_BANDWIDTH", "9"),
        ("EXPIRATION_DATE", "3"),
        ("FS_PROVIDER", "0"),
        ("GID", "5"),
        ("HOME_DIR", "/srv/contract"),
        ("ID", "2"),
        ("MAX_SESSIONS", "10"),
        ("PASSWORD", ""),
        ("QUOTA_FILES", "6"),
        ("QUOTA_SIZE", "7"),
        ("STATUS", "1"),
        ("UID", "4"),
        ("UPLOAD_BANDWIDTH", "8"),
        ("USERNAME", "bob"),
    ];
    let found: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = expected.map(|(name, value)| (format!("SFTPGO_USER_{name}"), value));
    assert_eq!(found, expected.each_ref().map(|(name, value)| (name.as_str(), *value)));
}

#[tokio::test]
async fn hooks_get_bans_in_seconds() {
    // B14-07
    let offences = Offences { login_failed: 5, user_not_found: 1, no_login_tried: 2, limit_exceeded: 3 };
    let banned = AddressBanned {
        address: "2001:db8::1".parse().unwrap(),
        network: "2001:db8::/64".to_owned(),
        protocol: Some("SSH"),
        score: 16,
        offences,
        at: 1_700_000_000_999,
        until: 1_700_001_800_999,
    };
    let (_, variables) = given(Compat::Current, &banned).await;
    let found: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("SFTPGO_BAN_AT", "1700000000"),
        ("SFTPGO_BAN_IP", "2001:db8::1"),
        ("SFTPGO_BAN_LIMIT_EXCEEDED", "3"),
        ("SFTPGO_BAN_LOGIN_FAILED", "5"),
        ("SFTPGO_BAN_NETWORK", "2001:db8::/64"),
        ("SFTPGO_BAN_NO_LOGIN_TRIED", "2"),
        ("SFTPGO_BAN_PROTOCOL", "SSH"),
        ("SFTPGO_BAN_SCORE", "16"),
        ("SFTPGO_BAN_UNTIL", "1700001800"),
        ("SFTPGO_BAN_USER_NOT_FOUND", "1"),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn programs_are_asked_without_arguments() {
    // A11-01
    use tidegate_core::hook::external_auth::ExternalAuth;
    for compat in [Compat::Seed, Compat::V1_0, Compat::V2_0, Compat::V2_4, Compat::Current] {
        let (arguments, variables) = given(compat, &ExternalAuth(attempt("bob").unwrap())).await;
        let found = ["USERNAME", "PASSWORD", "PUBLIC_KEY", "KEYBOARD_INTERACTIVE"];
        let found = found.map(|name| variables[&format!("SFTPGO_AUTHD_{name}")].as_str());
        assert_eq!((arguments.as_str(), found), ("", ["bob", "typed", "", ""]), "{compat}");
    }
}

/// The variables of a program in each dialect, and the body of a web server's request.
async fn told<E: HookEvent>(event: &E) -> [BTreeMap<String, String>; 3]
where
    ProgramHook: Hook<E>,
    HttpHook: Hook<E>,
{
    let (_, ours) = given(Compat::Current, event).await;
    let panel = all_variables(Dialect::DirectAdmin, event).await;
    let (url, asked) = web(&["200 OK"]);
    ask(&url, http_settings(), current(), event).await;
    let body = serde_json::from_str(&only_request(&asked).1).unwrap();
    [ours, panel, body]
}

fn check(found: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn login_pre_hooks_are_told_of_the_attempt() {
    // D-06, D-12: the password only in the panel's dialect
    let attempt = LoginAttempt { number: 3, ..(*attempt("bob").unwrap()).clone() };
    let [ours, panel, body] = told(&LoginPre(Arc::new(attempt))).await;
    let rest = [
        ("ATTEMPT", "3"),
        ("CLIENT", "SSH-2.0-contract"),
        ("IP", "192.0.2.1"),
        ("METHOD", "password"),
        ("PROTOCOL", "SSH"),
        ("SESSION_ID", "SSH_contract"),
        ("USERNAME", "bob"),
    ];
    let names = rest.map(|(name, value)| (format!("SFTPGO_LOGIN_{name}"), value));
    check(&ours, &names.each_ref().map(|(name, value)| (name.as_str(), *value)));
    let names = rest.map(|(name, value)| (name.to_ascii_lowercase(), value));
    check(&body, &names.each_ref().map(|(name, value)| (name.as_str(), *value)));
    check(
        &panel,
        &[
            ("ip", "192.0.2.1"),
            ("password", "typed"),
            ("referer", ""),
            ("session_id", "SSH_contract"),
            ("user_agent", "SSH-2.0-contract"),
            ("username", "bob"),
        ],
    );
}

#[tokio::test]
async fn hooks_are_told_of_changed_credentials() {
    // D-07, D-12: the text only in the panel's dialect
    let event = CredentialChanged {
        name: "ci".to_owned(),
        is_login_url: true,
        key: Secret::new("hush"),
        expires_at: 17,
        max_uses: 2,
        allow: vec!["a".to_owned(), "b".to_owned()],
        deny: vec!["c".to_owned()],
        ips: vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()],
        username: "bob".to_owned(),
        ..CredentialChanged::default()
    };
    let [ours, panel, body] = told(&event).await;
    let rest = [
        ("ALLOW", "a|b"),
        ("DENY", "c"),
        ("EXPIRY_TIMESTAMP", "17"),
        ("IPS", "192.0.2.1|192.0.2.2"),
        ("IS_LOGIN_URL", "1"),
        ("MAX_USES", "2"),
        ("MODIFYING", "0"),
        ("NAME", "ci"),
        ("NOTIFY", "0"),
        ("USERNAME", "bob"),
    ];
    let names = rest.map(|(name, value)| (format!("SFTPGO_CREDENTIAL_{name}"), value));
    check(&ours, &names.each_ref().map(|(name, value)| (name.as_str(), *value)));
    let names = rest.map(|(name, value)| (name.to_ascii_lowercase(), value));
    check(&body, &names.each_ref().map(|(name, value)| (name.as_str(), *value)));
    check(
        &panel,
        &[
            ("allow", "a|b"),
            ("deny", "c"),
            ("expiry_timestamp", "17"),
            ("ips", "192.0.2.1|192.0.2.2"),
            ("is_login_url", "1"),
            ("key", "hush"),
            ("keyname", "ci"),
            ("login_keys_notify_on_creation", "0"),
            ("max_uses", "2"),
            ("modifying", "0"),
        ],
    );
}
