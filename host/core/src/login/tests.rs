//! The login use case with ports of paper.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::account::AccountDraft;
use crate::connection::ConnectionId;
use crate::files::storage::{Storage, StorageError, StorageErrorKind};
use crate::hook::external_auth::ExternalAuthVerdict;
use crate::hook::keyboard_interactive::{KeyboardInteractiveVerdict, Prompt, Round};
use crate::hook::{Call, Denial, Hook, HookDescription, HookError, HookEvent, Link, LinkSettings};
use crate::ports::{AccountStore, StoreError};

#[derive(Default)]
struct PaperStore(Mutex<BTreeMap<String, Account>>);

#[async_trait]
impl AccountStore for PaperStore {
    async fn find(&self, username: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.0.lock().unwrap().get(username).cloned())
    }
    async fn list(&self, _: Option<&str>, _: u32) -> Result<Vec<Account>, StoreError> {
        Ok(self.0.lock().unwrap().values().cloned().collect())
    }
    async fn insert(&self, account: &Account) -> Result<Account, StoreError> {
        let mut accounts = self.0.lock().unwrap();
        if accounts.contains_key(&account.username) {
            return Err(StoreError::Exists(account.username.clone()));
        }
        accounts.insert(account.username.clone(), account.clone());
        Ok(account.clone())
    }
    async fn update(&self, account: &Account) -> Result<Account, StoreError> {
        self.0.lock().unwrap().insert(account.username.clone(), account.clone());
        Ok(account.clone())
    }
    async fn delete(&self, username: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().remove(username);
        Ok(())
    }
    async fn record_login(&self, _: i64, _: i64) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Counts key derivations; a hash is the password with a prefix.
#[derive(Default)]
struct PaperPasswords(AtomicUsize);

#[async_trait]
impl Passwords for PaperPasswords {
    async fn matches(&self, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(hash.expose() == format!("$1${}", clear.expose()))
    }
    async fn hash(&self, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(PasswordHash::recognise(&format!("$1${}", clear.expose())).unwrap())
    }
}

struct NoStorage;

impl StorageFactory for NoStorage {
    fn open(&self, _: &Account) -> Result<Arc<dyn Storage>, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "there is none"))
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> i64 {
        1_000_000
    }
}

/// Answers with a user document, like a program; an empty one defers.
struct PaperHook {
    answer: Mutex<Result<ExternalAuthVerdict, HookError>>,
    calls: AtomicUsize,
}

/// A hook made of a function.
struct Says<E: HookEvent>(Function<E>);

type Function<E> = Box<dyn Fn(&E) -> <E as HookEvent>::Verdict + Send + Sync>;

#[async_trait]
impl<E: HookEvent> Hook<E> for Says<E> {
    fn name(&self) -> &str {
        "says"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "")
    }
    async fn call(&self, _: &Call, event: &E) -> Result<E::Verdict, HookError> {
        Ok((self.0)(event))
    }
}

fn says<E: HookEvent>(chain: &Chain<E>, answer: impl Fn(&E) -> E::Verdict + Send + Sync + 'static) {
    chain.replace(vec![Arc::new(Link::new(Arc::new(Says(Box::new(answer))), LinkSettings::default()))]);
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
    async fn call(&self, _: &Call, _: &ExternalAuth) -> Result<ExternalAuthVerdict, HookError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.answer.lock().unwrap().clone()
    }
}

struct World {
    store: Arc<PaperStore>,
    passwords: Arc<PaperPasswords>,
    hook: Arc<PaperHook>,
    hooks: LoginHooks,
    service: Arc<LoginService>,
}

fn world(answer: Option<Result<ExternalAuthVerdict, HookError>>) -> World {
    let store = Arc::new(PaperStore::default());
    let passwords = Arc::new(PaperPasswords::default());
    let has_hook = answer.is_some();
    let answer = Mutex::new(answer.unwrap_or(Ok(ExternalAuthVerdict::Defer)));
    let hook = Arc::new(PaperHook { answer, calls: AtomicUsize::new(0) });
    let hooks = LoginHooks::new(Arc::default());
    if has_hook {
        hooks.external_auth.replace(vec![Arc::new(Link::new(hook.clone(), LinkSettings::default()))]);
    }
    let service = LoginService::new(LoginPorts {
        accounts: Arc::new(Accounts::new(store.clone(), passwords.clone(), None)),
        passwords: passwords.clone(),
        hooks: hooks.clone(),
        file_hooks: Arc::new(FileHooks {
            before: Arc::default(),
            after: Observers::new(Arc::default()),
            synchronous: Vec::new(),
        }),
        address_rule: AddressRule::default(),
        sessions: Arc::new(SessionRegistry::default()),
        storage: Arc::new(NoStorage),
        set_attributes: SetAttributesPolicy::Apply,
        clock: Arc::new(Noon),
    });
    World { store, passwords, hook, hooks, service: Arc::new(service.unwrap()) }
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

fn document(more: &str) -> String {
    format!(r#"{{"username":"alice","status":1,"home_dir":"/a","permissions":{{"/":["*"]}}{more}}}"#)
}

fn draft(more: &str) -> AccountDraft {
    AccountDraft::from_json(&document(more)).unwrap()
}

impl World {
    async fn stored(&self, more: &str) {
        let account = draft(more).validate(crate::account::CredentialRule::Optional).unwrap().account;
        self.store.insert(&account).await.unwrap();
    }

    fn login(&self) -> Login {
        let connection = Connection {
            id: ConnectionId::new("c"),
            remote: "192.0.2.7:1".parse().unwrap(),
            local: "192.0.2.1:22".parse().unwrap(),
            client: Default::default(),
            opened_at: 0,
        };
        Login::new(self.service.clone(), Arc::new(connection), Arc::new(Notify::new()))
    }

    async fn password(&self, password: &str) -> &'static str {
        name(self.login().password("alice", Secret::new(password)).await)
    }
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted(_) => "accepted",
        Outcome::NextStep(_) => "next step",
        Outcome::Refused => "refused",
    }
}

fn key() -> PublicKey {
    PublicKey::parse(KEY).unwrap()
}

#[tokio::test]
async fn stored_accounts_are_checked_in_order() {
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
        // Without a password, none matches: not even the empty one.
        ("", "", "refused"),
        (r#","password":"$1$""#, "", "refused"),
    ] {
        let world = world(None);
        world.stored(more).await;
        assert_eq!(world.password(password).await, expected, "{more}");
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
    let accept = |more: &str| Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft(more)))));
    let reject = || Ok(ExternalAuthVerdict::Reject(Denial::new("no")));
    for (answer, expected) in [
        (accept(""), "accepted"),
        // B1-01: the checks hold for what the hook returned.
        (accept(r#","status":0"#), "refused"),
        (accept(r#","filters":{"denied_ip":["0.0.0.0/0"]}"#), "refused"),
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
async fn an_empty_password_reaches_no_hook() {
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft("")))))));
    assert_eq!(world.password("").await, "refused");
    assert_eq!(world.hook.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn per_user_switches_keep_the_hook_out() {
    // B9-01
    let world = world(Some(Ok(ExternalAuthVerdict::Reject(Denial::new("no")))));
    world.stored(r#","password":"$1$pw","filters":{"hooks":{"external_auth_disabled":true}}"#).await;
    assert_eq!(world.password("pw").await, "accepted");
    assert_eq!(world.hook.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_login_derives_one_key() {
    // B2-08: the presented password is stored, and known to match.
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft("")))))));
    for login in 1..=3 {
        assert_eq!(world.password("pw").await, "accepted");
        assert_eq!(world.passwords.0.load(Ordering::Relaxed), login);
    }
    assert!(world.store.find("alice").await.unwrap().unwrap().password.is_some());
}

#[tokio::test]
async fn what_an_answer_omits_is_reset() {
    // A11-21, C6-02
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft("")))))));
    world.stored(r#","max_sessions":5,"email":"a@b","used_quota_size":77"#).await;
    assert_eq!(world.password("pw").await, "accepted");
    let account = world.store.find("alice").await.unwrap().unwrap();
    assert_eq!((account.max_sessions, account.other.len(), account.usage.used_quota_size), (0, 0, 77));
}

#[tokio::test]
async fn a_key_commits_nothing_before_it_is_verified() {
    // J-14, A11-22, C6-09
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft("")))))));
    let mut login = world.login();
    for _ in 0..3 {
        assert!(login.public_key_offered("alice", &key()).await);
    }
    assert!(world.store.find("alice").await.unwrap().is_none());
    assert_eq!(name(login.public_key_verified("alice", &key()).await), "accepted");
    assert_eq!(world.store.find("alice").await.unwrap().unwrap().public_keys, [key()]);
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
    assert!(login.public_key_offered("alice", &key()).await);
    // Offered is not verified.
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
        Outcome::Accepted(authenticated) => assert_eq!(authenticated.account().username, "alice"),
        other => panic!("{}", name(other)),
    }
}

/// The text of each round, and how it ended.
async fn converse(login: &mut Login, answers: &[&str]) -> (Vec<String>, &'static str) {
    let mut step = login.keyboard_interactive("alice").await;
    let (mut asked, mut answers) = (Vec::new(), answers.iter());
    loop {
        match step {
            Step::Done(outcome) => return (asked, name(outcome)),
            Step::Ask(round) => {
                asked.push(round.prompts.iter().map(|prompt| prompt.text.as_str()).collect());
                let count = round.prompts.len();
                let given = answers.by_ref().take(count).map(|answer| Secret::new(*answer)).collect();
                step = login.answers(given).await;
            }
        }
    }
}

#[tokio::test]
async fn without_a_hook_the_password_is_asked_for() {
    // B4-02
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let asked = vec!["Password: ".to_owned()];
    assert_eq!(converse(&mut world.login(), &["pw"]).await, (asked.clone(), "accepted"));
    assert_eq!(converse(&mut world.login(), &["no"]).await, (asked.clone(), "refused"));
    // One question, no answer.
    assert_eq!(converse(&mut world.login(), &[]).await, (asked, "refused"));
}

const CODES: &str =
    r#""totp_config":{"enabled":true,"protocols":["SSH"],"secret":{"status":"Plain","payload":"GEZDGNBVGY3TQOJQ"}}"#;

#[tokio::test]
async fn an_account_with_one_time_codes_is_asked_for_one() {
    // B4-02
    let world = world(None);
    world.stored(&format!(r#","password":"$1$pw","filters":{{{CODES}}}"#)).await;
    let (asked, outcome) = converse(&mut world.login(), &["pw", "000000"]).await;
    assert_eq!((asked, outcome), (vec!["Password: ".to_owned(), "Authentication code: ".to_owned()], "refused"));
}

struct Asks;

#[async_trait]
impl Hook<KeyboardInteractive> for Asks {
    fn name(&self) -> &str {
        "asks"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "")
    }
    async fn call(&self, _: &Call, event: &KeyboardInteractive) -> Result<KeyboardInteractiveVerdict, HookError> {
        let prompt = |text: &str| Prompt { text: text.to_owned(), echo: true };
        let ask = async |texts: &[&str]| {
            let prompts = texts.iter().map(|text| prompt(text)).collect();
            let answers = event.conversation.ask(Round { instruction: "i".into(), prompts }).await;
            answers.map_err(|error| HookError::Failed(error.to_string()))
        };
        let first = ask(&["one", "two"]).await?;
        ask(&[]).await?;
        let second = ask(&["password"]).await?;
        let is_password = event.conversation.verify_password(&second[0]).await;
        if first.iter().map(Secret::expose).collect::<Vec<_>>() == ["1", "2"] && is_password {
            Ok(KeyboardInteractiveVerdict::Accept(None))
        } else {
            Ok(KeyboardInteractiveVerdict::Reject(Denial::new("wrong")))
        }
    }
}

#[tokio::test]
async fn a_hook_converses_in_rounds() {
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let link = || Arc::new(Link::new(Arc::new(Asks) as Arc<dyn Hook<KeyboardInteractive>>, LinkSettings::default()));
    world.hooks.keyboard_interactive.replace(vec![link()]);
    for (answers, expected) in [
        (&["1", "2", "pw"][..], "accepted"),
        (&["1", "3", "pw"], "refused"),
        (&["1", "2", "no"], "refused"),
        (&["1"], "refused"),
    ] {
        assert_eq!(converse(&mut world.login(), answers).await.1, expected, "{answers:?}");
    }
    // A12-09
    world.store.delete("alice").await.unwrap();
    world.stored(r#","password":"$1$pw","status":0"#).await;
    assert_eq!(converse(&mut world.login(), &["1", "2", "pw"]).await.1, "refused");
}

#[tokio::test]
async fn a_new_request_gives_the_conversation_up() {
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let mut login = world.login();
    assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
    assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
    assert!(matches!(login.answers(vec![Secret::new("pw")]).await, Step::Done(Outcome::Accepted(_))));
    assert!(matches!(login.answers(vec![Secret::new("pw")]).await, Step::Done(Outcome::Refused)));
}

#[tokio::test]
async fn pre_login_makes_and_changes_accounts() {
    // A13, B3, C6-03, C6-04
    use crate::hook::pre_login::PreLoginVerdict;
    let patch = |json: &'static str| {
        move |event: &PreLogin| {
            let mut draft = event.account.as_deref().map(AccountDraft::of).unwrap_or_default();
            draft.merge_json(json).unwrap();
            PreLoginVerdict::Replace(Box::new(draft))
        }
    };
    let world = world(None);
    says(&world.hooks.pre_login, |_: &PreLogin| PreLoginVerdict::Unchanged);
    assert_eq!(world.password("pw").await, "refused");
    says(
        &world.hooks.pre_login,
        patch(r#"{"username":"alice","status":1,"home_dir":"/a","permissions":{"/":["*"]},"password":"pw"}"#),
    );
    assert_eq!(world.password("pw").await, "accepted");
    says(&world.hooks.pre_login, patch(r#"{"status":0}"#));
    assert_eq!(world.password("pw").await, "refused");
    let stored = world.store.find("alice").await.unwrap().unwrap();
    assert!(!stored.enabled && stored.home_dir == "/a");
    says(&world.hooks.pre_login, patch(r#"{"status":1,"permissions":{"/in":["list"]}}"#));
    assert_eq!(world.password("pw").await, "accepted");
    assert_eq!(world.store.find("alice").await.unwrap().unwrap().permissions.entries().count(), 2);
    // C6-05, A13-06: what does not validate refuses.
    says(&world.hooks.pre_login, patch(r#"{"home_dir":"relative"}"#));
    assert_eq!(world.password("pw").await, "refused");
    says(&world.hooks.pre_login, |_: &PreLogin| PreLoginVerdict::Deny(Denial::new("no")));
    assert_eq!(world.password("pw").await, "refused");
}

#[tokio::test]
async fn password_checks_come_before_the_comparison() {
    // B5
    use crate::hook::check_password::CheckPasswordVerdict as Verdict;
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let check = async |verdict: Verdict, password: &str, expected: &str| {
        says(&world.hooks.check_password, move |_: &CheckPassword| verdict.clone());
        assert_eq!(world.password(password).await, expected);
    };
    check(Verdict::Defer, "pw", "accepted").await;
    check(Verdict::Defer, "no", "refused").await;
    check(Verdict::Accept, "no", "accepted").await;
    check(Verdict::Verify(Secret::new("pw")), "pw123456", "accepted").await;
    check(Verdict::Verify(Secret::new("no")), "pw", "refused").await;
    check(Verdict::Deny(Denial::new("no")), "pw", "refused").await;
}

#[tokio::test]
async fn reviews_refuse_before_and_after() {
    // D-01, D-05
    use crate::hook::review::Review;
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    says(&world.hooks.login_pre, |event: &LoginPre| match event.0.number {
        1 => Review::Deny(Denial::new("not yet")),
        _ => Review::Allow,
    });
    let mut login = world.login();
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "refused");
    assert_eq!(name(login.password("alice", Secret::new("pw")).await), "accepted");
    says(&world.hooks.login_pre, |_: &LoginPre| Review::Allow);
    says(&world.hooks.session_create, |_: &SessionCreate| Review::Deny(Denial::new("no")));
    assert_eq!(world.password("pw").await, "refused");
}

#[tokio::test]
async fn every_session_is_destroyed_once() {
    // D-04
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let destroyed = Arc::new(AtomicUsize::new(0));
    let count = destroyed.clone();
    says(world.hooks.session_destroy.chain(), move |_: &SessionDestroy| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    for password in ["pw", "no", "pw"] {
        world.password(password).await;
    }
    crate::hook::observers::ObserverWork::close(&*world.hooks.session_destroy);
    crate::hook::observers::ObserverWork::work(&*world.hooks.session_destroy).await;
    assert_eq!(destroyed.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn accepted_credentials_are_remembered_for_as_long_as_the_account_says() {
    // B8
    let answer = draft(r#","filters":{"external_auth_cache_time":60}"#);
    let world = world(Some(Ok(ExternalAuthVerdict::Accept(Some(Box::new(answer))))));
    for (password, calls) in [("pw", 1), ("pw", 1), ("other", 2), ("other", 2), ("pw", 2)] {
        assert_eq!(world.password(password).await, "accepted");
        assert_eq!(world.hook.calls.load(Ordering::Relaxed), calls, "{password}");
    }
}
