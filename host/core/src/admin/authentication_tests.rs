//! Administrators, tokens and API keys, on a store in memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use totp_rs::{Algorithm, Secret as Base32, TOTP};

use super::user_tests::map;
use super::*;
use crate::connection::WebVisit;
use crate::guard::{Defender, DefenderSettings};
use crate::memory::MemoryStore;
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{AuditOutcome, AuditQuery, Clock, Door, PageRequest, StoreError};
use crate::secret::Secret;
use crate::turns::Waiter;

/// Makes hashes that show the password, and counts comparisons.
#[derive(Default)]
struct PaperPasswords(AtomicUsize);

#[async_trait]
impl Passwords for PaperPasswords {
    async fn matches(&self, _: Waiter<'_>, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(hash.expose() == format!("$1$salt${}", clear.expose()))
    }

    async fn hash(&self, _: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        PasswordHash::recognise(&format!("$1$salt${}", clear.expose())).ok_or(PasswordError::PoolClosed)
    }
}

/// Milliseconds since 1970, as the test sets it.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) const NOW: i64 = 1_800_000_000_000;

pub(super) struct House {
    defender: Arc<Defender>,
    pub(super) admins: Administrators,
    pub(super) keys: ApiKeys,
    pub(super) tokens: Arc<Tokens>,
    pub(super) authentication: Authentication,
    passwords: Arc<PaperPasswords>,
    clock: Arc<SetClock>,
    audit: Audit,
    pub(super) root: Actor,
}

fn house() -> House {
    house_on(Arc::new(MemoryStore::default()))
}

pub(super) fn house_on(store: Arc<MemoryStore>) -> House {
    let (passwords, clock) = (Arc::new(PaperPasswords::default()), Arc::new(SetClock(AtomicI64::new(NOW))));
    let accounts = Arc::new(Accounts::new(store.clone(), passwords.clone(), None));
    let audit = Audit::new(store.clone(), clock.clone());
    let sessions = Arc::new(WebSessions::new(store.clone(), accounts.clone(), clock.clone(), None));
    let tokens = Arc::new(Tokens::new(store.clone(), audit.clone(), clock.clone(), sessions.clone()));
    let settings = DefenderSettings { enabled: true, ..DefenderSettings::default() };
    let defender = Arc::new(Defender::new(settings, Arc::default(), clock.clone()));
    let admins = Administrators {
        directory: store.clone(),
        passwords: passwords.clone(),
        accounts: accounts.clone(),
        audit: audit.clone(),
        clock: clock.clone(),
        defender: defender.clone(),
        tries: Arc::default(),
    };
    let keys =
        ApiKeys { directory: store.clone(), accounts, audit: audit.clone(), observers: None, clock: clock.clone() };
    let scope = LoginPreScope::Logins;
    let before = BeforeLogins { hooks: None, scope, defender: defender.clone(), audit: audit.clone() };
    let authentication = Authentication::new(store, passwords.clone(), tokens.clone(), before, clock.clone());
    House {
        defender,
        admins,
        keys,
        tokens,
        authentication,
        passwords,
        clock,
        audit,
        root: Actor::local("root", Door::Socket),
    }
}

pub(super) fn client(address: &str) -> DoorClient {
    DoorClient { door: Door::Rest, address: address.parse().ok(), visit: WebVisit::default() }
}

impl House {
    pub(super) async fn add(&self, actor: &Actor, name: &str, more: Value) -> Result<ShownObject, AdminErrorKind> {
        let mut document = map(json!({"username": name, "password": "pw", "permissions": ["*"]}));
        document.extend(map(more));
        self.admins.add(actor, &document, None).await.map_err(|error| error.kind())
    }

    pub(super) async fn update(&self, actor: &Actor, name: &str, patch: Value) -> Result<(), AdminErrorKind> {
        let change = DocumentChange::Fields { patches: vec![map(patch)], replaced: Vec::new() };
        self.admins.update(actor, name, &change, None).await.map(drop).map_err(|error| error.kind())
    }

    pub(super) async fn basic(
        &self,
        name: &str,
        password: &str,
        code: Option<&str>,
    ) -> Result<Actor, AuthenticationError> {
        self.authentication.basic(name, &Secret::new(password), code, &client("192.0.2.1")).await
    }

    pub(super) async fn key(&self, actor: &Actor, more: Value) -> Result<NewKey, AdminErrorKind> {
        let mut document = map(json!({"name": "nightly"}));
        document.extend(map(more));
        self.keys.add(actor, &document).await.map_err(|error| error.kind())
    }

    pub(super) async fn use_key(&self, key: &NewKey) -> Result<Actor, AuthenticationError> {
        self.authentication.api_key(key.text.expose(), &client("192.0.2.1")).await
    }

    async fn records(&self) -> Vec<String> {
        let query = AuditQuery { limit: 1000, ..AuditQuery::default() };
        let mut records = self.audit.list(&self.root, query).await.unwrap();
        records.reverse();
        let line = |record: &crate::ports::AuditRecord| {
            let refused = if record.outcome == AuditOutcome::Done { "" } else { " refused" };
            format!("{} {} {} {}{refused}", record.author.name, record.action, record.kind, record.name)
        };
        records.iter().map(|stored| line(&stored.record)).collect()
    }

    pub(super) fn pass(&self, milliseconds: i64) {
        self.clock.0.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

pub(super) const DENIED: AuthenticationError = AuthenticationError::Denied;

#[tokio::test]
async fn names_and_passwords_are_judged_in_the_same_way() {
    let house = house();
    house.add(&house.root, "ann", json!({"filters": {"allow_list": ["192.0.2.0/24"]}})).await.unwrap();
    house.add(&house.root, "far", json!({"filters": {"allow_list": ["10.0.0.0/8"]}})).await.unwrap();
    house.add(&house.root, "off", json!({"status": 0})).await.unwrap();
    assert_eq!(house.basic("ann", "pw", None).await.unwrap().permissions, Permissions::All);
    for (name, password) in [("ann", "wrong"), ("ann", ""), ("none", "pw"), ("", ""), ("far", "pw"), ("off", "pw")] {
        let before = house.passwords.0.load(Ordering::Relaxed);
        let error = house.basic(name, password, None).await.unwrap_err();
        assert!(error == DENIED && error.is_denial(), "{name} {password}");
        // One comparison, whether there is such a name or not.
        assert_eq!(house.passwords.0.load(Ordering::Relaxed), before + 1, "{name} {password}");
    }
    let records = house.records().await;
    assert!(records.contains(&" login admin ann refused".to_owned()), "{records:?}");
    assert!(!format!("{records:?}").contains("pw"), "{records:?}");
}

#[tokio::test]
async fn guesses_score_whether_the_name_exists_or_not() {
    // B14-03, B14-06
    let house = house();
    house.add(&house.root, "ann", json!({})).await.unwrap();
    let address = "192.0.2.1".parse().unwrap();
    for name in ["ann", "none"] {
        let mut tries = 0;
        while !house.defender.refuses(address) {
            assert_eq!(house.basic(name, "wrong", None).await, Err(DENIED));
            tries += 1;
        }
        assert_eq!(tries, 8, "{name}");
        house.defender.forgive(address);
    }
    for _ in 0..20 {
        assert!(house.basic("ann", "pw", None).await.is_ok());
        let client = client("192.0.2.1");
        assert_eq!(house.authentication.api_key("tgk_none", &client).await.map(drop), Err(DENIED));
        assert_eq!(house.authentication.token("tgt_none", &client).await.map(drop), Err(DENIED));
    }
    assert!(!house.defender.refuses(address));
}

#[tokio::test]
async fn codes_are_asked_for_and_good_once() {
    let store = Arc::new(MemoryStore::default());
    let house = house_on(store.clone());
    house.add(&house.root, "ann", json!({"filters": {"require_two_factor": true}})).await.unwrap();
    assert_eq!(house.basic("ann", "pw", None).await, Err(AuthenticationError::SecondFactorMissing));
    let made = house.admins.make_codes(&house.root, "ann").await.unwrap();
    assert_eq!(house.basic("ann", "pw", None).await, Err(AuthenticationError::SecondFactorNeeded));
    assert_eq!(house.basic("ann", "wrong", None).await, Err(DENIED));
    let secret = Base32::Encoded(made.secret.expose().to_owned()).to_bytes().unwrap();
    let totp = TOTP::new_unchecked(Algorithm::SHA1, 6, 0, 30, secret);
    let code = |at: i64| totp.generate(u64::try_from(at / 1000).unwrap());
    assert_eq!(house.basic("ann", "pw", Some("000000x")).await, Err(DENIED));
    assert!(house.basic("ann", "pw", Some(&code(NOW))).await.is_ok());
    assert_eq!(house.basic("ann", "pw", Some(&code(NOW))).await, Err(DENIED));
    // Not after a restart either, and on no other server (RFC 6238 section 5.2).
    let restarted = house_on(store);
    assert_eq!(restarted.basic("ann", "pw", Some(&code(NOW))).await, Err(DENIED));
    assert!(restarted.basic("ann", "pw", Some(&code(NOW + 30_000))).await.is_ok());
    let recovery = made.recovery_codes[3].expose();
    let other = house_on(Arc::new(MemoryStore::default()));
    assert_eq!(other.basic("ann", "pw", Some(recovery)).await, Err(DENIED));
    assert!(restarted.basic("ann", "pw", Some(recovery)).await.is_ok());
    assert_eq!(restarted.basic("ann", "pw", Some(recovery)).await, Err(DENIED));
    let shown = restarted.admins.show(&restarted.root, "ann").await.unwrap().document;
    assert_eq!(shown["filters"]["totp_config"], json!({"enabled": true}));
    assert_eq!(shown["filters"]["recovery_codes_left"], 11);
    assert!(!format!("{shown:?}").contains(made.secret.expose()) && !format!("{shown:?}").contains("$1$"));
    restarted.admins.remove_codes(&restarted.root, "ann").await.unwrap();
    assert_eq!(restarted.basic("ann", "pw", None).await, Err(AuthenticationError::SecondFactorMissing));
}

#[tokio::test]
async fn a_brake_on_codes_does_not_say_whether_a_password_is_right() {
    // B4-02
    let house = house();
    house.add(&house.root, "ann", json!({})).await.unwrap();
    let made = house.admins.make_codes(&house.root, "ann").await.unwrap();
    for _ in 0..5 {
        assert_eq!(house.basic("ann", "pw", Some("000000x")).await, Err(DENIED));
    }
    for (password, code) in
        [("pw", None), ("pw", Some("000000x")), ("wrong", None), ("wrong", Some("000000x")), ("", None)]
    {
        let paused = house.basic("ann", password, code).await;
        assert_eq!(paused, Err(AuthenticationError::Paused(30)), "{password} {code:?}");
    }
    // A recovery code is no guess.
    let recovery = made.recovery_codes[0].expose();
    assert_eq!(house.basic("ann", "wrong", Some(recovery)).await, Err(DENIED));
    assert!(house.basic("ann", "pw", Some(recovery)).await.is_ok());
    assert_eq!(house.basic("ann", "pw", Some(recovery)).await, Err(DENIED), "a good code has taken the brake off");
    assert_eq!(house.basic("ann", "wrong", None).await, Err(DENIED));
    assert_eq!(house.basic("ann", "pw", None).await, Err(AuthenticationError::SecondFactorNeeded));
}

#[tokio::test]
async fn tokens_end_by_time_revocation_and_what_becomes_of_their_administrator() {
    // A18-17
    let house = house();
    let token = async |name: &str| {
        let actor = house.basic(name, "pw", None).await.unwrap();
        house.authentication.issue_token(&actor).await.unwrap().text
    };
    let check = async |text: &Secret| house.authentication.token(text.expose(), &client("192.0.2.1")).await;
    for name in ["a", "b", "c", "d", "e"] {
        house.add(&house.root, name, json!({})).await.unwrap();
    }
    let tokens = [token("a").await, token("b").await, token("c").await, token("d").await, token("e").await];
    for text in &tokens {
        let actor = check(text).await.unwrap();
        // It cannot prolong itself.
        assert_eq!(house.authentication.issue_token(&actor).await.unwrap_err().kind(), AdminErrorKind::Forbidden);
    }
    house.authentication.revoke(tokens[0].expose()).await.unwrap();
    house.authentication.revoke(tokens[0].expose()).await.unwrap();
    house.update(&house.root, "b", json!({"password": "other"})).await.unwrap();
    house.update(&house.root, "c", json!({"status": 0})).await.unwrap();
    house.admins.delete(&house.root, "d").await.unwrap();
    house.add(&house.root, "d", json!({})).await.unwrap();
    for text in &tokens[..4] {
        assert_eq!(check(text).await, Err(DENIED));
    }
    let listed = house.tokens.list(&house.root, PageRequest { limit: 100, ..PageRequest::default() }).await.unwrap();
    assert_eq!(listed.iter().map(|token| token.admin.as_str()).collect::<Vec<_>>(), ["e"], "others have ended");
    assert!(!tokens[4].expose().contains(&listed[0].id) && listed[0].address == "192.0.2.1");
    house.pass(20 * 60_000 - 1);
    assert!(check(&tokens[4]).await.is_ok());
    house.pass(1);
    assert_eq!(check(&tokens[4]).await, Err(DENIED));
    // Those that have expired are not kept for ever.
    token("e").await;
    token("e").await;
    let listed = house.tokens.list(&house.root, PageRequest { limit: 100, ..PageRequest::default() }).await.unwrap();
    assert_eq!(listed.iter().filter(|token| token.expires_at <= house.clock.now()).count(), 0);
    house.tokens.revoke_by_id(&house.root, &listed[0].id).await.unwrap();
    for id in ["", "0", listed[0].id.as_str()] {
        let refused = house.tokens.revoke_by_id(&house.root, id).await.unwrap_err();
        assert_eq!(refused.kind(), AdminErrorKind::NotFound, "{id}");
    }
    for text in ["", "x", "tgt_x_y"] {
        assert_eq!(check(&Secret::new(text)).await, Err(DENIED));
    }
}

#[tokio::test]
async fn a_key_is_good_within_its_limits() {
    // D-09
    let house = house();
    let key = house.key(&house.root, json!({"allow": ["user.*"], "deny": ["user.delete"]})).await.unwrap();
    let actor = house.use_key(&key).await.unwrap();
    assert_eq!(actor.author.name, format!("key:{}", key.key.document["key_id"].as_str().unwrap()));
    let may = |case: UseCase| actor.require(case).is_ok();
    assert!(may(UseCase::AddUser) && !may(UseCase::DeleteUser) && !may(UseCase::ListFolders));
    let shown = format!(
        "{:?} {:?}",
        key.key,
        house.keys.list(&house.root, PageRequest { limit: 9, ..Default::default() }).await
    );
    assert!(!shown.contains(key.text.expose()) && !shown.contains("digest"), "{shown}");

    let near = house.key(&house.root, json!({"ips": ["192.0.2.1"]})).await.unwrap();
    assert!(house.use_key(&near).await.is_ok());
    assert_eq!(house.authentication.api_key(near.text.expose(), &client("192.0.2.2")).await, Err(DENIED));
    let short = house.key(&house.root, json!({"expires_at": NOW + 1000})).await.unwrap();
    assert!(house.use_key(&short).await.is_ok());
    house.pass(1000);
    assert_eq!(house.use_key(&short).await, Err(DENIED));
    let few = house.key(&house.root, json!({"max_uses": 2})).await.unwrap();
    assert_eq!([house.use_key(&few).await.is_ok(), house.use_key(&few).await.is_ok()], [true, true]);
    assert_eq!(house.use_key(&few).await, Err(DENIED));
    let again = house.keys.rotate(&house.root, few.key.document["key_id"].as_str().unwrap()).await.unwrap();
    assert_eq!(house.use_key(&few).await, Err(DENIED));
    assert!(house.use_key(&again).await.is_ok());
    house.keys.delete(&house.root, again.key.document["key_id"].as_str().unwrap()).await.unwrap();
    assert_eq!(house.use_key(&again).await, Err(DENIED));
    // Several have the name.
    assert_eq!(house.keys.delete(&house.root, "nightly").await.unwrap_err().kind(), AdminErrorKind::Conflict);
    for wrong in [
        json!({"name": ""}),
        json!({"name": "a\u{200b}"}),
        json!({"allow": ["user.fly"]}),
        json!({"ips": ["somewhere"]}),
        json!({"expires_at": NOW}),
        json!({"expires_at": i64::MAX}),
        json!({"max_uses": -1}),
        json!({"scope": 1}),
    ] {
        assert_eq!(house.key(&house.root, wrong.clone()).await.unwrap_err(), AdminErrorKind::Invalid, "{wrong}");
    }
}

#[tokio::test]
async fn a_key_is_never_more_than_its_administrator() {
    // D-09
    let house = house();
    house.add(&house.root, "ann", json!({"permissions": ["view_users", "manage_apikeys"]})).await.unwrap();
    house.add(&house.root, "boss", json!({})).await.unwrap();
    let ann = house.basic("ann", "pw", None).await.unwrap();
    assert_eq!(house.key(&ann, json!({"admin": "boss"})).await.unwrap_err(), AdminErrorKind::Forbidden);
    let key = house.key(&ann, json!({})).await.unwrap();
    assert_eq!(key.key.document["admin"], "ann");
    let actor = house.use_key(&key).await.unwrap();
    assert!(actor.require(UseCase::ListUsers).is_ok() && actor.require(UseCase::AddUser).is_err());
    // A key makes no keys.
    assert_eq!(house.key(&actor, json!({})).await.unwrap_err(), AdminErrorKind::Forbidden);
    let owners = house.key(&house.root, json!({})).await.unwrap();
    let owners = owners.key.document["key_id"].as_str().unwrap();
    assert_eq!(house.keys.rotate(&ann, owners).await.unwrap_err().kind(), AdminErrorKind::Forbidden);
    for change in [json!({"status": 0}), json!({"status": 1, "filters": {"allow_list": ["10.0.0.1"]}})] {
        house.update(&house.root, "ann", change).await.unwrap();
        assert_eq!(house.use_key(&key).await, Err(DENIED));
    }
    house.update(&house.root, "ann", json!({"filters": {"allow_list": []}})).await.unwrap();
    assert!(house.use_key(&key).await.is_ok());
    house.admins.delete(&house.root, "ann").await.unwrap();
    assert_eq!(house.use_key(&key).await, Err(DENIED));
    // Another administrator of the same name is not its owner.
    house.add(&house.root, "ann", json!({})).await.unwrap();
    assert_eq!(house.use_key(&key).await, Err(DENIED));
}

#[tokio::test]
async fn administrators_make_none_that_may_do_more_and_stay_what_they_are() {
    let house = house();
    house.add(&house.root, "boss", json!({})).await.unwrap();
    house.add(&house.root, "ann", json!({"permissions": ["manage_admins", "view_users"]})).await.unwrap();
    let (boss, ann) = (house.basic("boss", "pw", None).await.unwrap(), house.basic("ann", "pw", None).await.unwrap());
    let forbidden = Err(AdminErrorKind::Forbidden);
    assert_eq!(house.add(&ann, "new", json!({})).await.map(drop), forbidden);
    assert_eq!(house.add(&ann, "new", json!({"permissions": ["view_users"]})).await.map(drop), Ok(()));
    assert_eq!(house.update(&ann, "new", json!({"permissions": ["add_users"]})).await, forbidden);
    assert_eq!(house.update(&ann, "boss", json!({"password": "mine"})).await, forbidden);
    assert!(house.admins.make_codes(&ann, "boss").await.is_err());
    assert!(house.admins.delete(&ann, "boss").await.is_err());
    assert_eq!(house.update(&ann, "ann", json!({"permissions": ["*"]})).await, forbidden);
    for own in [json!({"status": 0}), json!({"permissions": ["view_users"]})] {
        assert_eq!(house.update(&boss, "boss", own).await, forbidden);
    }
    assert!(house.admins.delete(&boss, "boss").await.is_err());
    assert_eq!(house.update(&boss, "boss", json!({"email": "a@b"})).await, Ok(()));
    // A deleted administrator changes nothing, whatever its session says.
    house.admins.delete(&ann, "new").await.unwrap();
    house.admins.delete(&boss, "ann").await.unwrap();
    assert_eq!(house.add(&ann, "late", json!({"permissions": ["view_users"]})).await.map(drop), forbidden);
    let own =
        async |current: &str| house.admins.change_own_password(&boss, &Secret::new(current), Secret::new("n")).await;
    assert!(own("wrong").await.is_err());
    own("pw").await.unwrap();
    assert!(house.basic("boss", "n", None).await.is_ok() && house.basic("boss", "pw", None).await.is_err());
    let records = house.records().await;
    for expected in ["ann add admin new refused", "ann update admin boss refused", "boss delete admin ann"] {
        assert!(records.contains(&expected.to_owned()), "{expected}: {records:?}");
    }
}

#[tokio::test]
async fn of_two_that_delete_each_other_one_is_left() {
    for _ in 0..20 {
        let house = house();
        house.add(&house.root, "a", json!({})).await.unwrap();
        house.add(&house.root, "b", json!({})).await.unwrap();
        let (a, b) = (house.basic("a", "pw", None).await.unwrap(), house.basic("b", "pw", None).await.unwrap());
        let _ = tokio::join!(house.admins.delete(&a, "b"), house.admins.delete(&b, "a"));
        let left = house.admins.list(&house.root, PageRequest { limit: 9, ..PageRequest::default() }).await.unwrap();
        assert_eq!(left.len(), 1);
    }
}

#[tokio::test]
async fn documents_are_refused_where_they_are_wrong() {
    let house = house();
    for (wrong, field) in [
        (json!({"username": "a:b"}), "username"),
        (json!({"username": "a\u{200b}"}), "username"),
        (json!({"password": ""}), "password"),
        (json!({"password": "{CRYPT}x"}), "password"),
        (json!({"permissions": []}), "permissions"),
        (json!({"permissions": ["fly"]}), "permissions"),
        (json!({"status": 2}), "status"),
        (json!({"filters": {"allow_list": ["x"]}}), "filters.allow_list"),
        (json!({"filters": {"x": 1}}), "filters.x"),
        (json!({"surname": "x"}), "surname"),
    ] {
        let mut document = map(json!({"username": "ann", "password": "pw", "permissions": ["*"]}));
        document.extend(map(wrong.clone()));
        let error = house.admins.add(&house.root, &document, None).await.unwrap_err();
        assert_eq!((error.kind(), error.field()), (AdminErrorKind::Invalid, Some(field)), "{wrong}");
    }
    assert_eq!(house.add(&house.root, "ann", json!({"role": "none"})).await.map(drop), Err(AdminErrorKind::Invalid));
    house.add(&house.root, "ann", json!({})).await.unwrap();
    assert_eq!(house.add(&house.root, "ann", json!({})).await.map(drop), Err(AdminErrorKind::Exists));
    let rename = AdminErrorKind::Refused;
    assert_eq!(house.update(&house.root, "ann", json!({"username": "eve"})).await, Err(rename));
    // A whole document leaves the password where it names none.
    let document = map(json!({"username": "ann", "permissions": ["view_users"]}));
    let change = |revision| DocumentChange::Document { document: document.clone(), revision };
    let stale = house.admins.update(&house.root, "ann", &change(7), None).await.unwrap_err();
    assert_eq!(stale, AdminError::Store(StoreError::Conflict(crate::ports::ADMINS.object("ann"))));
    house.admins.update(&house.root, "ann", &change(0), None).await.unwrap();
    let viewer = Permissions::Only(BTreeSet::from([AdminPermission::ViewUsers]));
    assert_eq!(house.basic("ann", "pw", None).await.unwrap().permissions, viewer);
}

#[tokio::test]
async fn tokens_for_browsers_are_good_for_longer_while_they_are_used() {
    let house = house();
    house.add(&house.root, "ann", json!({})).await.unwrap();
    let web = DoorClient { door: Door::Web, ..client("192.0.2.1") };
    let password = Secret::new("pw");
    let actor = house.authentication.basic("ann", &password, None, &web).await.unwrap();
    let text = house.authentication.issue_token(&actor).await.unwrap().text;
    let check = async |client: &DoorClient| house.authentication.token(text.expose(), client).await;
    // A browser's token is refused to programs, and theirs to browsers.
    assert_eq!(check(&client("192.0.2.1")).await, Err(DENIED));
    let other = house.basic("ann", "pw", None).await.unwrap();
    let other = house.authentication.issue_token(&other).await.unwrap().text;
    assert_eq!(house.authentication.token(other.expose(), &web).await, Err(DENIED));
    let own = house.tokens.own(&actor).await.unwrap();
    let id = house.authentication.token_id(text.expose());
    assert!(own.len() == 2 && own.iter().any(|token| token.id == id && token.door == Door::Web));
    // For 12 hours, whatever is done, and no longer than 20 minutes after the last use.
    for _ in 0..71 {
        house.pass(10 * 60_000);
        assert!(check(&web).await.is_ok());
    }
    house.pass(10 * 60_000);
    assert_eq!(check(&web).await, Err(DENIED));
    let text = house.authentication.issue_token(&actor).await.unwrap().text;
    house.pass(20 * 60_000);
    assert_eq!(house.authentication.token(text.expose(), &web).await, Err(DENIED));
    let id = house.authentication.token_id(text.expose());
    assert_eq!(house.tokens.revoke_own(&house.root, &id).await.unwrap_err().kind(), AdminErrorKind::NotFound);
    let ids: Vec<_> = house.tokens.own(&actor).await.unwrap().into_iter().map(|token| token.id).collect();
    assert!(ids.is_empty(), "{ids:?}");
}
