//! Every hook point through every adapter, with the same answer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_contract::adapters::Adapters;
use tidegate_contract::events::{About, action_on, attempt, attempt_with, session_of};
use tidegate_core::account::{AccountDraft, CredentialRule, in_force};
use tidegate_core::connection::{Credential, WebVisit};
use tidegate_core::hook::check_password::CheckPassword;
use tidegate_core::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use tidegate_core::hook::keyboard_interactive::KeyboardInteractive;
use tidegate_core::hook::observation::{
    AddressBanned, CredentialChanged, Disconnect, ObjectChange, OneClickLoginPost, PostAction, PostLogin,
    SessionDestroy, Startup,
};
use tidegate_core::hook::pre_login::PreLogin;
use tidegate_core::hook::review::{Connect, LoginPre, PasswordResetPre, PreAction, SessionCreate};
use tidegate_core::hook::{Call, Chain, GateEvent, Hook, HookEvent, HookKind, Link, LinkSettings, LoginAttempt};
use tidegate_core::memory::MemoryStore;
use tidegate_core::ports::{Change, Directory, GROUPS, Write};
use tidegate_core::secret::Secret;
use tidegate_hooks_external::{HttpHook, ProgramHook};
use tidegate_hooks_wasm::PluginHook;

fn component(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../.cache/guests/{name}.wasm"))
}

pub async fn adapters() -> Adapters {
    let settings = "grants = [\"storage-paths\"]\n[limits]\ncpu_ms = 300\n[secrets]\npin = \"1234\"\n";
    Adapters::new(&component("contract"), settings, Duration::from_secs(3)).await.unwrap()
}

/// Asks the hooks, and remembers which hook points it asked about.
struct Table<'a> {
    adapters: &'a Adapters,
    asked: BTreeSet<HookKind>,
}

impl Table<'_> {
    /// What the hooks say of an event: the verdict's name, or `error`.
    async fn check<E: HookEvent + About>(&mut self, what: &str, expected: &str)
    where
        ProgramHook: Hook<E>,
        HttpHook: Hook<E>,
        PluginHook: Hook<E>,
    {
        for (adapter, hook) in self.adapters.all::<E>().unwrap() {
            let outcome = match hook.call(&Call::default(), &E::about(what).unwrap()).await {
                Ok(verdict) => E::label(&verdict).0,
                Err(_) => "error",
            };
            assert_eq!(outcome, expected, "{} about \"{what}\" through {adapter}", E::KIND);
        }
        self.asked.insert(E::KIND);
    }
}

/// H-01: that is every hook point there is.
#[tokio::test(flavor = "multi_thread")]
async fn every_hook_point_has_the_same_answer_through_every_adapter() {
    // H-03, H-04, H-05, H-06, H-09
    let adapters = adapters().await;
    let mut table = Table { adapters: &adapters, asked: BTreeSet::new() };
    for (what, expected) in [("allow", "allow"), ("deny", "deny"), ("fail", "error"), ("trap", "error")] {
        table.check::<Connect>(what, expected).await;
        table.check::<LoginPre>(what, expected).await;
        table.check::<SessionCreate>(what, expected).await;
        table.check::<PreAction>(what, expected).await;
        table.check::<PasswordResetPre>(what, expected).await;
    }
    for (what, expected) in [("accept", "accept"), ("deny", "reject"), ("fail", "error"), ("trap", "error")] {
        table.check::<ExternalAuth>(what, expected).await;
        table.check::<KeyboardInteractive>(what, expected).await;
    }
    for (what, expected) in [("unchanged", "unchanged"), ("replace", "replace"), ("fail", "error"), ("trap", "error")] {
        table.check::<PreLogin>(what, expected).await;
    }
    for (what, expected) in [("accept", "accept"), ("verify", "verify"), ("deny", "deny"), ("fail", "error")] {
        table.check::<CheckPassword>(what, expected).await;
    }
    for (what, expected) in [("allow", "told"), ("fail", "error"), ("trap", "error")] {
        table.check::<PostLogin>(what, expected).await;
        table.check::<SessionDestroy>(what, expected).await;
        table.check::<Disconnect>(what, expected).await;
        table.check::<PostAction>(what, expected).await;
        table.check::<ObjectChange>(what, expected).await;
        table.check::<CredentialChanged>(what, expected).await;
        table.check::<OneClickLoginPost>(what, expected).await;
        table.check::<AddressBanned>(what, expected).await;
    }
    table.check::<Startup>("allow", "told").await;
    assert_eq!(table.asked, BTreeSet::from(HookKind::ALL));
}

/// B0-08a: which hooks get an event again after a failure, and when.
#[tokio::test(flavor = "multi_thread")]
async fn components_say_whether_they_are_told_again() {
    let adapters = adapters().await;
    for (adapter, hook) in adapters.all::<PostLogin>().unwrap() {
        let after = async |what: &str| {
            let error = hook.call(&Call::default(), &PostLogin::about(what).unwrap()).await.unwrap_err();
            [1, 2, 3, 4].map(|tries| hook.pause(&error, tries).map(|pause| pause.as_secs()))
        };
        // The HTTP adapter has its own settings, which allow no further try here.
        let expected = if adapter == "plugin" { [Some(1), Some(5), Some(25), None] } else { [None; 4] };
        assert_eq!(after("fail").await, expected, "{adapter}");
        assert_eq!(after("trap").await, [None; 4], "{adapter}");
    }
}

/// What a chain of that one hook makes of the event.
async fn decided<E: GateEvent>(hook: Arc<dyn Hook<E>>, event: &mut E) -> String {
    let settings = LinkSettings { deadline: Duration::from_secs(5), ..LinkSettings::default() };
    let chain = Chain::new(Arc::default(), vec![Arc::new(Link::new(hook, settings))]);
    match chain.decide(event).await {
        Ok(decision) => E::label(&decision.verdict).0.to_owned(),
        Err(_) => "refused".to_owned(),
    }
}

/// B17: one row, through all adapters that can behave so.
async fn refuses<E: GateEvent + About>(adapters: &Adapters, what: &str, only: &[&str])
where
    ProgramHook: Hook<E>,
    HttpHook: Hook<E>,
    PluginHook: Hook<E>,
{
    for (adapter, hook) in adapters.all::<E>().unwrap() {
        if only.contains(&adapter) {
            let outcome = decided(hook, &mut E::about(what).unwrap()).await;
            assert_eq!(outcome, "refused", "{} about \"{what}\" through {adapter}", E::KIND);
        }
    }
}

const ALL: &[&str] = &["program", "http", "plugin"];
const LEGACY: &[&str] = &["program", "http"];

#[tokio::test(flavor = "multi_thread")]
async fn gates_refuse_in_any_doubt() {
    // A12-05, A13-06, B5-04, B7-01, B17-01
    let adapters = adapters().await;
    let a = &adapters;
    // Crash or trap; exit status, server error or failure.
    for what in ["trap", "fail"] {
        refuses::<Connect>(a, what, ALL).await;
        refuses::<LoginPre>(a, what, ALL).await;
        refuses::<ExternalAuth>(a, what, ALL).await;
        refuses::<PreLogin>(a, what, ALL).await;
        refuses::<CheckPassword>(a, what, ALL).await;
        refuses::<KeyboardInteractive>(a, what, ALL).await;
        refuses::<SessionCreate>(a, what, ALL).await;
        refuses::<PreAction>(a, what, ALL).await;
    }
    // Timeout, or an endless loop; all wait at the same time.
    tokio::join!(
        refuses::<Connect>(a, "loop", ALL),
        refuses::<ExternalAuth>(a, "loop", ALL),
        refuses::<PreLogin>(a, "loop", ALL),
        refuses::<CheckPassword>(a, "loop", ALL),
        refuses::<KeyboardInteractive>(a, "loop", ALL),
        refuses::<PreAction>(a, "loop", ALL),
    );
    // Answers that are none.
    for what in ["garbage", "endless"] {
        refuses::<ExternalAuth>(a, what, LEGACY).await;
        refuses::<PreLogin>(a, what, LEGACY).await;
        refuses::<CheckPassword>(a, what, LEGACY).await;
        refuses::<KeyboardInteractive>(a, what, LEGACY).await;
    }
    refuses::<CheckPassword>(a, "empty", LEGACY).await;
    refuses::<KeyboardInteractive>(a, "mismatch", LEGACY).await;
    refuses::<KeyboardInteractive>(a, "silent", &["program"]).await;
    // Empty answers that mean something.
    check_decided::<ExternalAuth>(a, "empty", "reject").await;
    check_decided::<PreLogin>(a, "empty", "unchanged").await;
    // A client that does not answer is no technical failure.
    check_decided::<KeyboardInteractive>(a, "gone", "reject").await;
    // Nor is one whose conversation is used after it closed.
    check_decided::<KeyboardInteractive>(a, "never-stops", "reject").await;
}

async fn check_decided<E: GateEvent + About>(adapters: &Adapters, what: &str, expected: &str)
where
    ProgramHook: Hook<E>,
    HttpHook: Hook<E>,
    PluginHook: Hook<E>,
{
    for (adapter, hook) in adapters.all::<E>().unwrap() {
        if LEGACY.contains(&adapter) {
            assert_eq!(decided(hook, &mut E::about(what).unwrap()).await, expected, "{adapter}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_refuses() {
    // B17-01
    let adapters = adapters().await;
    let script = adapters.directory().join("hook.sh");
    let program = Arc::new(adapters.program(HookKind::Connect).unwrap());
    std::fs::remove_file(script).unwrap();
    assert_eq!(decided::<Connect>(program, &mut Connect::about("allow").unwrap()).await, "refused");
    let plugin = adapters.plugin();
    std::fs::remove_file(adapters.directory().join("plugins/contract.wasm")).unwrap();
    adapters.plugins.refresh().await;
    assert_eq!(decided::<Connect>(plugin, &mut Connect::about("allow").unwrap()).await, "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_arrive_unchanged() {
    // A11-03
    let adapters = adapters().await;
    for name in ["$(id)", "a b;rm -rf /", "quote\"'`", "äöü", "-n", "*"] {
        for (adapter, hook) in adapters.all::<ExternalAuth>().unwrap() {
            if adapter == "program" && name.contains('"') {
                continue; // the sample script does not quote what it prints
            }
            let verdict = hook.call(&Call::default(), &ExternalAuth::about(name).unwrap()).await;
            let ExternalAuthVerdict::Accept(Some(draft)) = verdict.unwrap() else {
                panic!("{name} through {adapter}");
            };
            assert_eq!(draft.username(), name, "{adapter}");
        }
    }
    // C1-05: what no variable can hold is refused by its name, and before the program is started.
    let (program, http) =
        (adapters.program(HookKind::ExternalAuth).unwrap(), adapters.http(HookKind::ExternalAuth).unwrap());
    for (password, expected) in [("a\0b".to_owned(), "NUL"), ("x".repeat(128 << 10), "an HTTP or a wasm hook")] {
        let event = ExternalAuth(attempt_with("accept", Credential::Password(Secret::new(password))).unwrap());
        let error = Hook::<ExternalAuth>::call(&program, &Call::default(), &event).await.unwrap_err().to_string();
        assert!(error.contains("SFTPGO_AUTHD_PASSWORD") && error.contains(expected), "{error}");
        // A web server has no such limits.
        assert!(Hook::<ExternalAuth>::call(&http, &Call::default(), &event).await.is_ok());
    }
}

/// B9-04, H-07: what groups give is in the account that a component sees, and not in its copy, which would be stored.
#[tokio::test(flavor = "multi_thread")]
async fn components_see_the_account_in_force() {
    let Value::Object(document) = json!({"user_settings": {"home_dir": "/srv/team", "quota_files": 7}}) else {
        panic!("no object");
    };
    let (name, write) = ("team".to_owned(), Write::Add(document));
    let store = MemoryStore::default();
    store.commit(vec![Change { collection: &GROUPS, name, write, announce: false, audit: None }]).await.unwrap();
    let document = r#"{"username":"grouped","status":1,"home_dir":"/srv/own","permissions":{"/":["*"]},
        "groups":[{"name":"team","type":1}]}"#;
    let user = AccountDraft::from_json(document).unwrap().validate(CredentialRule::Optional).unwrap().account;
    let stored = Some(Arc::new(in_force(&store, user).await.unwrap()));
    let attempt = LoginAttempt { stored, ..(*attempt("grouped").unwrap()).clone() };
    let adapters = adapters().await;
    let verdict = Hook::call(&*adapters.plugin(), &Call::default(), &PreLogin::new(Arc::new(attempt))).await.unwrap();
    assert_eq!(PreLogin::label(&verdict), ("deny", "/srv/team 7 true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn components_see_who_acts_as_whom_and_how_often_a_client_tries() {
    // D-06, D-13
    let adapters = adapters().await;
    let attempt = LoginAttempt { number: 3, ..(*attempt("numbered").unwrap()).clone() };
    let verdict = Hook::call(&*adapters.plugin(), &Call::default(), &LoginPre(Arc::new(attempt))).await.unwrap();
    assert_eq!(LoginPre::label(&verdict), ("deny", "attempt 3"));
    let check = async |web: Option<WebVisit>, expected: &str| {
        let session = session_of("visited", web.map(Box::new)).unwrap();
        let verdict = Hook::call(&*adapters.plugin(), &Call::default(), &SessionCreate(session)).await.unwrap();
        assert_eq!(SessionCreate::label(&verdict), ("deny", expected));
    };
    let visit = WebVisit::default;
    check(None, "None None").await;
    check(Some(visit()), "None None").await;
    check(Some(WebVisit { impersonator: "root".to_owned(), ..visit() }), "Some(\"root\") None").await;
    check(Some(WebVisit { login_key: "door".to_owned(), ..visit() }), "None Some(\"door\")").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_recorded_without_secrets() {
    let adapters = adapters().await;
    for (adapter, hook) in adapters.all::<ExternalAuth>().unwrap() {
        let call = Call::default();
        hook.call(&call, &ExternalAuth::about("accept").unwrap()).await.unwrap();
        let exchange = call.finish();
        let all = format!("{exchange:?}");
        assert!(!all.contains("typed") && !all.contains("$1$saltsalt"), "{adapter}: {all}");
        match adapter {
            "program" => {
                assert!(exchange.sent.contains("SFTPGO_AUTHD_PASSWORD=[redacted]"), "{all}");
                assert_eq!(exchange.standard_error.trim(), "the contract was asked about accept");
                assert!(exchange.received.contains("/srv/contract"), "{all}");
            }
            "http" => assert!(exchange.sent.starts_with("POST ") && exchange.received.starts_with("200"), "{all}"),
            _ => assert!(exchange.version.is_some() && exchange.memory > Some(0), "{all}"),
        }
    }
}

#[tokio::test]
async fn secrets_and_values_belong_to_the_plugin() {
    // G-05
    let adapters = adapters().await;
    let hook = adapters.plugin();
    let ask = async |what: &str| {
        let verdict = Hook::<ExternalAuth>::call(&*hook, &Call::default(), &ExternalAuth::about(what).unwrap()).await;
        format!("{:?}", verdict.unwrap())
    };
    // A secret is shown to the plugin alone.
    assert_eq!(ask("secret").await, "VerifyStored(Some([redacted]))");
    assert!(ask("count").await.contains("login 1"));
    assert!(ask("count").await.contains("login 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_may_be_made_ahead_or_kept() {
    // H-10
    for instances in ["session", "fresh", "prepared", "warm"] {
        let settings = format!("[limits]\ninstances = \"{instances}\"\nready = 4\ncpu_ms = 200\n");
        let adapters = Adapters::new(&component("contract"), &settings, Duration::from_secs(3)).await.unwrap();
        for round in 0..5 {
            for (what, expected) in [("allow", "allow"), ("deny", "deny"), ("trap", "error"), ("loop", "error")] {
                let event = LoginPre::about(what).unwrap();
                let outcome = Hook::call(&*adapters.plugin(), &Call::default(), &event).await;
                let outcome = outcome.map_or("error", |verdict| LoginPre::label(&verdict).0);
                assert_eq!(outcome, expected, "{instances}, round {round}");
            }
        }
        let calls: Vec<_> = (0..64)
            .map(|_| {
                let plugin = adapters.plugin();
                tokio::spawn(async move {
                    Hook::call(&*plugin, &Call::default(), &LoginPre::about("deny").unwrap()).await.is_ok()
                })
            })
            .collect();
        for call in calls {
            assert!(call.await.unwrap(), "{instances}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_meets_its_own_instance_and_no_other() {
    // H-10
    let ask = async |adapters: &Adapters, connection: &str, what: &str| {
        let event = PreAction(action_on(connection, what).unwrap());
        match Hook::call(&*adapters.plugin(), &Call::default(), &event).await {
            Ok(verdict) => PreAction::label(&verdict).1.to_owned(),
            Err(error) => error.kind().to_owned(),
        }
    };
    let settings = "[limits]\ncpu_ms = 200\n";
    let adapters = Adapters::new(&component("contract"), settings, Duration::from_secs(3)).await.unwrap();
    assert_eq!(ask(&adapters, "a", "count").await, "call 1");
    assert_eq!(ask(&adapters, "a", "count").await, "call 2");
    assert_eq!(ask(&adapters, "b", "count").await, "call 1");
    assert_eq!(ask(&adapters, "a", "count").await, "call 3");
    // A trap ends it, and a refusal does not.
    assert_eq!(ask(&adapters, "a", "trap").await, "failed");
    assert_eq!(ask(&adapters, "a", "count").await, "call 1");
    assert_eq!(ask(&adapters, "b", "count").await, "call 2");
    let fresh = format!("{settings}instances = \"fresh\"\n");
    let adapters = Adapters::new(&component("contract"), &fresh, Duration::from_secs(3)).await.unwrap();
    assert_eq!(ask(&adapters, "a", "count").await, "call 1");
    assert_eq!(ask(&adapters, "a", "count").await, "call 1");
}

/// What is kept ready goes with the plugin: otherwise the fifth of these would find no place.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_replaced_leaves_no_instances() {
    let settings = |cpu_ms: u32| format!("[limits]\ninstances = \"prepared\"\nready = 64\ncpu_ms = {cpu_ms}\n");
    let adapters = Adapters::new(&component("older"), &settings(200), Duration::from_secs(3)).await.unwrap();
    for round in 0..8 {
        let event = ExternalAuth::about("alice").unwrap();
        Hook::call(&*adapters.plugin(), &Call::default(), &event).await.unwrap();
        std::fs::write(adapters.directory().join("plugins/contract.toml"), settings(201 + round)).unwrap();
        adapters.plugins.refresh().await;
        let problem = adapters.plugins.plugins().into_iter().find_map(|plugin| plugin.error);
        assert_eq!(problem, None, "round {round}");
    }
}

#[tokio::test]
async fn a_component_for_an_older_contract_goes_on_working() {
    let adapters = Adapters::new(&component("older"), "", Duration::from_secs(3)).await.unwrap();
    let event = ExternalAuth::about("alice").unwrap();
    let verdict = Hook::call(&*adapters.plugin(), &Call::default(), &event).await.unwrap();
    assert_eq!(ExternalAuth::label(&verdict), ("reject", "alice is not known to the older hook"));
}

/// What the component makes of that account's bandwidth, up and down, in the units of the document: 1000 bytes.
async fn bandwidth(guest: &str, username: &str) -> [Option<i64>; 2] {
    let adapters = Adapters::new(&component(guest), "", Duration::from_secs(3)).await.unwrap();
    let event = ExternalAuth::about(username).unwrap();
    let verdict = Hook::<ExternalAuth>::call(&*adapters.plugin(), &Call::default(), &event).await.unwrap();
    let ExternalAuthVerdict::Accept(Some(draft)) = verdict else { panic!("{verdict:?}") };
    let (document, _) = draft.into_parts();
    ["upload_bandwidth", "download_bandwidth"].map(|field| document.get(field).and_then(Value::as_i64))
}

#[tokio::test]
async fn a_component_for_the_contract_before_this_one_has_the_values_it_had() {
    // 1000 KiB and 1 KiB.
    assert_eq!(bandwidth("former", "alice").await, [Some(1024), Some(1)]);
    // 1000 times and once 1000 bytes.
    assert_eq!(bandwidth("contract", "limited").await, [Some(1000), Some(1)]);
}

#[tokio::test]
async fn a_pinned_file_is_the_only_one_that_loads() {
    let settings = format!("sha256 = \"{}\"\n", "0".repeat(64));
    let error = Adapters::new(&component("older"), &settings, Duration::from_secs(3)).await.err().unwrap();
    assert!(error.to_string().contains("the settings allow only 0000"), "{error}");
}
