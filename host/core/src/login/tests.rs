//! The login use case, on fake ports.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::account::AccountDraft;
use crate::connection::ConnectionId;
use crate::files::{FileHooks, SetAttributesPolicy};
use crate::guard::DefenderSettings;
use crate::hook::external_auth::{ExternalAuth, ExternalAuthVerdict, Scope as MethodScope};
use crate::hook::{Call, Denial, Hook, HookDescription, HookError, Link, LinkSettings, Observers};
use crate::memory::MemoryStore;
use crate::memory::outage::Outage;
use crate::metrics::Metrics;
use crate::password::PasswordError;
use crate::ports::storage::{Storage, StorageError, StorageErrorKind, TreeDescription};
use crate::ports::{NoFileLog, NodeName, SystemClock, UsageStore};
use crate::public_key::PublicKey;
use crate::quota::{QuotaKeeper, Scope, Tracking, UsedQuota};
use crate::turns::Waiter;
use tokio_util::sync::CancellationToken;

/// A pool that counts key derivations, and whose hash is the password with a prefix.
#[derive(Default)]
pub(super) struct PaperPasswords(pub(super) AtomicUsize);

#[async_trait]
impl Passwords for PaperPasswords {
    async fn matches(&self, _: Waiter<'_>, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(hash.expose() == format!("$1${}", clear.expose()))
    }
    async fn hash(&self, _: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(PasswordHash::recognise(&format!("$1${}", clear.expose())).unwrap())
    }
}

struct NoStorage;

#[async_trait]
impl StorageFactory for NoStorage {
    async fn open(&self, _: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "there is none"))
    }
}

/// How long the hook's denials are remembered.
pub(super) const DENIAL_TIME: Duration = Duration::from_secs(60);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> i64 {
        1_000_000
    }
}

/// A hook that answers with a user document, as a program does; with an empty one it defers.
pub(super) struct PaperHook {
    answer: Mutex<Result<ExternalAuthVerdict, HookError>>,
    pub(super) calls: AtomicUsize,
    /// Whether it is a hook of the older server (B8-02).
    pub(super) is_old: AtomicBool,
}

#[async_trait]
impl Hook<ExternalAuth> for PaperHook {
    fn name(&self) -> &str {
        "paper"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "")
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn relies_on_last_login(&self) -> bool {
        self.is_old.load(Ordering::Relaxed)
    }
    async fn call(&self, _: &Call, _: &ExternalAuth) -> Result<ExternalAuthVerdict, HookError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.answer.lock().unwrap().clone()
    }
}

pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    /// Between the logins and `store`.
    pub(super) outage: Arc<Outage>,
    pub(super) passwords: Arc<PaperPasswords>,
    pub(super) hook: Arc<PaperHook>,
    pub(super) hooks: LoginHooks,
    pub(super) service: Arc<LoginService>,
}

pub(super) fn world(answer: Option<Result<ExternalAuthVerdict, HookError>>) -> World {
    world_with(answer, MethodScope::default())
}

/// `scope`: the methods that the hook is asked about.
pub(super) fn world_with(answer: Option<Result<ExternalAuthVerdict, HookError>>, scope: MethodScope) -> World {
    world_of(answer, scope, |accounts| accounts)
}

/// `change`: makes other accounts of the usual ones.
pub(super) fn world_of(
    answer: Option<Result<ExternalAuthVerdict, HookError>>,
    scope: MethodScope,
    change: fn(Accounts) -> Accounts,
) -> World {
    let store = Arc::new(MemoryStore::default());
    let outage = Outage::of(store.clone());
    let passwords = Arc::new(PaperPasswords::default());
    let has_hook = answer.is_some();
    let answer = Mutex::new(answer.unwrap_or(Ok(ExternalAuthVerdict::Defer)));
    let hook = Arc::new(PaperHook { answer, calls: AtomicUsize::new(0), is_old: AtomicBool::new(false) });
    let mut hooks = LoginHooks::new(Arc::default());
    hooks.external_auth_scope = scope;
    if has_hook {
        hooks.external_auth.replace(vec![Arc::new(Link::new(hook.clone(), LinkSettings::default()))]);
    }
    let accounts = change(Accounts::new(outage.clone(), passwords.clone(), None));
    let service = service(accounts, &store, passwords.clone(), &hooks);
    World { store, outage, passwords, hook, hooks, service }
}

/// The logins of one server.
pub(super) fn service(
    accounts: Accounts,
    store: &Arc<MemoryStore>,
    passwords: Arc<PaperPasswords>,
    hooks: &LoginHooks,
) -> Arc<LoginService> {
    let metrics = Arc::new(Metrics::default());
    let defender = DefenderSettings { enabled: true, ..DefenderSettings::default() };
    let cache = ExternalAuthCache::new(DENIAL_TIME, metrics.clone(), Arc::new(Noon));
    let service = LoginService::new(LoginPorts {
        accounts: Arc::new(accounts),
        passwords,
        hooks: hooks.clone(),
        files: Arc::new(FileContext {
            policy: SetAttributesPolicy::Apply,
            rename_limit: 0,
            held_names: Arc::default(),
            metrics: metrics.clone(),
            log: Arc::new(NoFileLog),
            quotas: QuotaKeeper::new(store.clone(), NodeName(String::new()), Arc::new(SystemClock), Tracking::Never),
            hooks: Arc::new(FileHooks {
                before: Arc::default(),
                after: Observers::new(Arc::default()),
                synchronous: Vec::new(),
                first: None,
            }),
        }),
        address_rule: AddressRule::default(),
        sessions: Arc::new(SessionRegistry::default()),
        defender: Arc::new(Defender::new(defender, metrics.clone(), Arc::new(Noon))),
        external_auth_cache: Arc::new(cache.unwrap()),
        storage: Arc::new(NoStorage),
        metrics,
        clock: Arc::new(Noon),
    });
    Arc::new(service)
}

pub(super) const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

fn document(more: &str) -> String {
    format!(r#"{{"username":"alice","status":1,"home_dir":"/a","permissions":{{"/":["*"]}}{more}}}"#)
}

pub(super) fn draft(more: &str) -> AccountDraft {
    AccountDraft::from_json(&document(more)).unwrap()
}

impl World {
    pub(super) async fn stored(&self, more: &str) {
        let account = draft(more).validate(crate::account::CredentialRule::Optional).unwrap().account;
        self.store.put(&account);
        let used = UsedQuota { size: account.usage.used_quota_size, files: account.usage.used_quota_files };
        self.store.replace_usage(&Scope::Account("alice".into()), used, 1).await.unwrap();
    }

    pub(super) fn login(&self) -> Login {
        let connection = Connection {
            id: ConnectionId::new("c"),
            remote: "192.0.2.7:1".parse().unwrap(),
            local: "192.0.2.1:22".parse().unwrap(),
            client: Default::default(),
            opened_at: 0,
            web: None,
        };
        Login::new(self.service.clone(), Arc::new(connection), CancellationToken::new())
    }

    pub(super) async fn password(&self, password: &str) -> &'static str {
        name(self.login().password("alice", Secret::new(password)).await)
    }
}

pub(super) fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted(_) => "accepted",
        Outcome::NextStep(_) => "next step",
        Outcome::Refused => "refused",
        Outcome::Unavailable => "unavailable",
    }
}

pub(super) fn key() -> PublicKey {
    PublicKey::parse(KEY).unwrap()
}

#[tokio::test]
async fn stored_accounts_are_checked_in_order() {
    // A4-07, A4-12, B1-03
    for (more, password, expected) in [
        (r#","password":"$1$pw""#, "pw", "accepted"),
        (r#","password":"$1$pw""#, "no", "refused"),
        (r#","password":"$1$pw","status":0"#, "pw", "refused"),
        (r#","password":"$1$pw","expiration_date":999999"#, "pw", "refused"),
        (r#","password":"$1$pw","expiration_date":1000001"#, "pw", "accepted"),
        (r#","password":"$1$pw","filters":{"denied_ip":["192.0.2.0/24"]}"#, "pw", "refused"),
        (r#","password":"$1$pw","filters":{"allowed_ip":["192.0.2.0/24"]}"#, "pw", "accepted"),
        (r#","password":"$1$pw","filters":{"denied_login_methods":["password"]}"#, "pw", "refused"),
        (r#","password":"$1$pw","filters":{"denied_protocols":["SSH"]}"#, "pw", "refused"),
        // No password matches an account without one, not even the empty one.
        ("", "", "refused"),
        (r#","password":"$1$""#, "", "refused"),
    ] {
        let world = world(None);
        world.stored(more).await;
        assert_eq!(world.password(password).await, expected, "{more}");
        let last_login = world.store.user("alice").await.unwrap().last_login;
        assert_eq!(last_login, if expected == "accepted" { 1_000_000 } else { 0 }, "{more}");
    }
}

#[tokio::test]
async fn the_time_of_the_last_login_is_stored_after_any_method() {
    // A4-12
    for (method, expected, at) in [
        ("password", "accepted", 1_000_000),
        ("key", "accepted", 1_000_000),
        ("answers", "accepted", 1_000_000),
        ("an offer", "next step", 0),
        ("a wrong password", "refused", 0),
    ] {
        let world = world(None);
        world.stored(&format!(r#","password":"$1$pw","public_keys":["{KEY}"]"#)).await;
        let mut login = world.login();
        let outcome = match method {
            "password" => name(login.password("alice", Secret::new("pw")).await),
            "key" => name(login.public_key_verified("alice", &key()).await),
            "answers" => super::hook_tests::converse(&mut login, &["pw"]).await.1,
            "an offer" => {
                assert_eq!(login.public_key_offered("alice", &key()).await, Offer::Acceptable);
                "next step"
            }
            _ => name(login.password("alice", Secret::new("no")).await),
        };
        assert_eq!(outcome, expected, "{method}");
        assert_eq!(world.store.user("alice").await.unwrap().last_login, at, "{method}");
    }
    // The first of two steps is no login.
    let world = world(None);
    let denied = r#""denied_login_methods":["publickey","password","keyboard-interactive"]"#;
    world.stored(&format!(r#","password":"$1$pw","public_keys":["{KEY}"],"filters":{{{denied}}}"#)).await;
    let mut login = world.login();
    for (step, expected, at) in [("key", "next step", 0), ("password", "accepted", 1_000_000)] {
        let outcome = match step {
            "key" => login.public_key_verified("alice", &key()).await,
            _ => login.password("alice", Secret::new("pw")).await,
        };
        assert_eq!(name(outcome), expected);
        assert_eq!(world.store.user("alice").await.unwrap().last_login, at, "{step}");
    }
}

#[tokio::test]
async fn an_unknown_user_costs_as_much_as_a_wrong_password() {
    let world = world(None);
    assert_eq!(world.password("pw").await, "refused");
    assert_eq!(world.passwords.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_hook_decides_before_the_store() {
    // A11-23
    let accept = |more: &str| Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft(more)))));
    let reject = || Ok(ExternalAuthVerdict::Reject(Denial::new("no")));
    for (answer, expected) in [
        (accept(""), "accepted"),
        // B1-01: the checks hold for what the hook returned.
        (accept(r#","status":0"#), "refused"),
        (accept(r#","filters":{"denied_ip":["0.0.0.0/0"]}"#), "refused"),
        (accept(r#","expiration_date":999999"#), "refused"),
        (accept(r#","uid":-1"#), "refused"),
        (reject(), "refused"),
        (Err(HookError::Failed("broken".into())), "refused"),
        (Ok(ExternalAuthVerdict::Accept(None)), "accepted"),
        (Ok(ExternalAuthVerdict::Defer), "accepted"),
        (Ok(ExternalAuthVerdict::VerifyStored(None)), "accepted"),
        (Ok(ExternalAuthVerdict::VerifyStored(Some(Secret::new("other")))), "refused"),
    ] {
        let world = world(Some(answer.clone()));
        world.stored(r#","password":"$1$pw""#).await;
        assert_eq!(world.password("pw").await, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn the_sessions_of_an_answer_hold_for_this_very_login() {
    // B1-01, A11-24
    let answer = draft(r#","max_sessions":1"#);
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(answer))))));
    world.stored("").await;
    let first = world.login().password("alice", Secret::new("pw")).await;
    assert!(matches!(first, Outcome::Accepted(_)));
    assert_eq!(world.password("pw").await, "refused");
    drop(first);
    assert_eq!(world.password("pw").await, "accepted");
}

#[tokio::test]
async fn what_was_presented_is_stored_whatever_the_answer_has() {
    // A11-22, A8-18
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHE+kC5XFCbR0go1J4PXNqJpFH0cWSlhbUnOep0ZIJC";
    let with = |more: &str| world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft(more)))))));
    for answered in ["", r#","password":"other""#, r#","password":"$1$other""#] {
        // One that looks like a hash is a password all the same.
        for typed in ["pw", "$6$salt$hash"] {
            let by_password = with(answered);
            assert_eq!(by_password.password(typed).await, "accepted", "{answered} {typed}");
            let stored = by_password.store.user("alice").await.unwrap();
            let stored = stored.password.as_ref().unwrap().expose();
            assert_eq!(stored, format!("$1${typed}"), "{answered} {typed}");
        }
    }
    for (answered, expected) in [
        (String::new(), 1),
        (format!(r#","public_keys":["{KEY} of hers"]"#), 1),
        (format!(r#","public_keys":["{OTHER}"]"#), 2),
    ] {
        let by_key = with(&answered);
        assert_eq!(name(by_key.login().public_key_verified("alice", &key()).await), "accepted");
        let stored = by_key.store.user("alice").await.unwrap();
        let keys = &stored.public_keys;
        assert!(keys.contains(&key()) && keys.len() == expected, "{answered}: {keys:?}");
    }
}

#[tokio::test]
async fn per_user_switches_keep_the_hook_out() {
    // B2-07, B9-01, B9-02
    let world = world(Some(Ok(ExternalAuthVerdict::Reject(Denial::new("no")))));
    world.stored(r#","password":"$1$pw","filters":{"hooks":{"external_auth_disabled":true}}"#).await;
    assert_eq!(world.password("pw").await, "accepted");
    assert_eq!(world.hook.calls.load(Ordering::Relaxed), 0);
    // A user who is not stored has no switches.
    assert_eq!(name(world.login().password("bob", Secret::new("pw")).await), "refused");
    assert_eq!(world.hook.calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_password_is_hashed_when_it_is_another_one() {
    // B2-08: the presented password is stored, and not compared again.
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft("")))))));
    let derived = async |password: &str| {
        assert_eq!(world.password(password).await, "accepted");
        world.passwords.0.swap(0, Ordering::Relaxed)
    };
    assert_eq!(derived("pw").await, 1);
    // The password of the last login is known without another derivation.
    assert_eq!(derived("pw").await, 0);
    assert_eq!(derived("pw").await, 0);
    // Another one is compared and hashed.
    assert_eq!(derived("new").await, 2);
    assert_eq!(derived("new").await, 0);
    assert_eq!(world.store.user("alice").await.unwrap().password.as_ref().unwrap().expose(), "$1$new");
}

#[tokio::test]
async fn a_link_that_stores_no_passwords_needs_no_derivation() {
    // A11-22
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft("")))))));
    let settings = LinkSettings { stores_passwords: false, ..LinkSettings::default() };
    world.hooks.external_auth.replace(vec![Arc::new(Link::new(world.hook.clone(), settings))]);
    for password in ["pw", "pw", "new"] {
        assert_eq!(world.password(password).await, "accepted");
    }
    assert_eq!(world.passwords.0.load(Ordering::Relaxed), 0);
    assert_eq!(world.store.user("alice").await.unwrap().password, None);
}

#[tokio::test]
async fn what_an_answer_omits_is_reset() {
    // A11-21, C6-02
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft("")))))));
    world.stored(r#","max_sessions":5,"email":"a@b","used_quota_size":77"#).await;
    let before = world.store.user("alice").await.unwrap();
    assert_eq!(world.password("pw").await, "accepted");
    let account = world.store.user("alice").await.unwrap();
    assert_eq!(account.id, before.id);
    assert_eq!(account.usage.last_quota_update, before.usage.last_quota_update);
    assert_eq!(account.last_login, 1_000_000, "this login's");
    assert_eq!((account.max_sessions, account.usage.used_quota_size), (0, 77));
    assert_eq!(account.other.keys().collect::<Vec<_>>(), ["last_password_change"]);
}

#[tokio::test]
async fn a_key_commits_nothing_before_it_is_verified() {
    // A4-15, A11-22, C6-09, J-14
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft("")))))));
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    super::hook_tests::says(world.hooks.post_login.chain(), move |_: &PostLogin| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let attempts = || world.service.ports.metrics.counts().logins.attempts;
    let mut login = world.login();
    for _ in 0..3 {
        assert_eq!(login.public_key_offered("alice", &key()).await, Offer::Acceptable);
    }
    assert!(world.store.user("alice").await.is_none());
    assert_eq!(attempts(), 0, "an offer is no attempt");
    assert_eq!(name(login.public_key_verified("alice", &key()).await), "accepted");
    assert_eq!(attempts(), 1);
    crate::hook::observers::ObserverWork::close(&*world.hooks.post_login);
    crate::hook::observers::ObserverWork::work(&*world.hooks.post_login).await;
    assert_eq!(told.load(Ordering::Relaxed), 1, "only the login is told of");
    assert_eq!(world.store.user("alice").await.unwrap().public_keys, [key()]);
    assert_eq!(world.hook.calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_verified_key_can_be_the_first_of_two_steps() {
    // B12-03
    let world = world(None);
    let denied = r#""denied_login_methods":["publickey","password","keyboard-interactive"]"#;
    world.stored(&format!(r#","password":"$1$pw","public_keys":["{KEY}"],"filters":{{{denied}}}"#)).await;
    let mut login = world.login();
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "refused");
    assert_eq!(login.public_key_offered("alice", &key()).await, Offer::Acceptable);
    // A key that was only offered is not a first step.
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "refused");
    assert_eq!(name(login.public_key_verified("alice", &key()).await), "next step");
    assert_eq!(name(login.password("bob", Secret::new("pw")).await), "refused");
    assert_eq!(name(login.password("alice", Secret::new("no")).await), "refused");
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "accepted");
}

#[tokio::test]
async fn an_answer_may_name_another_account() {
    // A11-25
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft("")))))));
    match world.login().password("alias", Secret::new("pw")).await {
        Outcome::Accepted(authenticated) => {
            // The session keeps the name that was typed beside that of the account.
            let names = (authenticated.account().username.as_str(), authenticated.session().username.as_str());
            assert_eq!(names, ("alice", "alias"));
        }
        other => panic!("{}", name(other)),
    }
}
