//! Web sessions, login links and acting as a user, on a store in memory.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::use_case_tests::Inventory;
use super::user_tests::map;
use super::*;
use crate::account::ObjectKind;
use crate::connection::WebVisit;
use crate::guard::{Defender, DefenderSettings};
use crate::hook::observation::SessionDestroy;
use crate::hook::review::{LoginPre, Review, SessionCreate};
use crate::hook::{Call, Denial, Hook, HookDescription, HookError, Link, LinkSettings};
use crate::memory::MemoryStore;
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{AuditQuery, Clock, Door, PageRequest, TOKENS};
use crate::secret::Secret;
use crate::turns::Waiter;

struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes hashes that show the password.
struct PaperPasswords;

#[async_trait]
impl Passwords for PaperPasswords {
    async fn matches(&self, _: Waiter<'_>, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError> {
        Ok(hash.expose().ends_with(&format!("${}", clear.expose())))
    }

    async fn hash(&self, _: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        PasswordHash::recognise(&format!("$1$salt${}", clear.expose())).ok_or(PasswordError::PoolClosed)
    }
}

/// Notes what it is asked about and told of; denies sessions of `mallory`, and passwords that are `no`.
#[derive(Default)]
pub(super) struct Witness(pub(super) Mutex<Vec<String>>);

macro_rules! witness {
    ($event:ty, $verdict:ty, |$this:ident, $about:ident| $body:expr) => {
        #[async_trait]
        impl Hook<$event> for Witness {
            fn name(&self) -> &str {
                "witness"
            }
            fn adapter(&self) -> &'static str {
                "test"
            }
            fn needs_password(&self) -> bool {
                true
            }
            fn description(&self) -> HookDescription {
                HookDescription::new("", Duration::ZERO, "ready")
            }
            async fn call(&self, _: &Call, $about: &$event) -> Result<$verdict, HookError> {
                let $this = self;
                Ok($body)
            }
        }
    };
}

fn about(session: &crate::session::Session) -> String {
    let web = session.connection.web.as_ref().unwrap();
    let password = session.password.get().map(|password| password.expose().to_owned()).unwrap_or_default();
    format!("{} {} {}|{} {password}", session.id, session.connection.origin(), web.impersonator, session.username)
        + &format!(" {}", web.login_key)
}

witness!(SessionCreate, Review, |this, event| {
    this.0.lock().unwrap().push(format!("create {}", about(&event.0)));
    if event.0.username == "mallory" { Review::Deny(Denial::new("no")) } else { Review::Allow }
});
witness!(SessionDestroy, (), |this, event| {
    this.0.lock().unwrap().push(format!("destroy {} {}", about(&event.session), event.reason.as_str()));
});
witness!(LoginPre, Review, |this, event| {
    let (attempt, connection) = (&event.0, &event.0.connection);
    let (referer, software) =
        (&connection.web.as_ref().unwrap().referer, connection.client_software().unwrap_or_default());
    let about = format!("{} {referer} {} {} {software}", attempt.username, attempt.method().as_str(), attempt.number);
    this.0.lock().unwrap().push(format!("login-pre {about}"));
    let is_no = event.0.username == "none-may" || event.0.password().is_some_and(|password| password.expose() == "no");
    if is_no { Review::Deny(Denial::new("no")) } else { Review::Allow }
});

pub(super) struct House {
    store: Arc<MemoryStore>,
    clock: Arc<SetClock>,
    pub(super) witness: Arc<Witness>,
    pub(super) admins: Administrators,
    pub(super) users: Arc<UserAdministration>,
    pub(super) tokens: Arc<Tokens>,
    sessions: Arc<WebSessions>,
    pub(super) user_sessions: Arc<UserSessions>,
    pub(super) links: LoginLinks,
    pub(super) authentication: Authentication,
    pub(super) defender: Arc<Defender>,
    pub(super) audit: Audit,
    pub(super) root: Actor,
    pub(super) keys: ApiKeys,
}

/// A server on this store.
fn house(store: &Arc<MemoryStore>) -> House {
    house_asking(store, LoginPreScope::Logins)
}

pub(super) fn house_asking(store: &Arc<MemoryStore>, scope: LoginPreScope) -> House {
    let (store, clock) = (store.clone(), Arc::new(SetClock(AtomicI64::new(1_800_000_000_000))));
    let accounts = Arc::new(Accounts::new(store.clone(), Arc::new(PaperPasswords), None));
    let audit = Audit::new(store.clone(), clock.clone());
    let (witness, settings) = (Arc::new(Witness::default()), LinkSettings::default);
    let create = Chain::<SessionCreate>::new(Arc::default(), vec![Arc::new(Link::new(witness.clone(), settings()))]);
    let login_pre = Chain::<LoginPre>::new(Arc::default(), vec![Arc::new(Link::new(witness.clone(), settings()))]);
    let destroy = Observers::<SessionDestroy>::new(Arc::default());
    let link = Link::new(witness.clone() as Arc<dyn Hook<SessionDestroy>>, settings());
    destroy.chain().replace(vec![Arc::new(link)]);
    let hooks = SessionHooks { create: Arc::new(create), destroy };
    let sessions = Arc::new(WebSessions::new(store.clone(), accounts.clone(), clock.clone(), Some(hooks)));
    let tokens = Arc::new(Tokens::new(store.clone(), audit.clone(), clock.clone(), sessions.clone()));
    let users = Arc::new(UserAdministration { accounts: accounts.clone(), audit: audit.clone() });
    let defence = DefenderSettings { enabled: true, ..DefenderSettings::default() };
    let defender = Arc::new(Defender::new(defence, Arc::default(), clock.clone()));
    let before =
        BeforeLogins { hooks: Some(Arc::new(login_pre)), scope, defender: defender.clone(), audit: audit.clone() };
    let policy = Arc::new(UserPolicy {
        accounts: accounts.clone(),
        inventory: Arc::new(Inventory(None)),
        passwords: Arc::new(PaperPasswords),
        address_rule: AddressRule::default(),
        clock: clock.clone(),
    });
    let user_sessions = Arc::new(UserSessions {
        directory: store.clone(),
        users: users.clone(),
        policy,
        tokens: tokens.clone(),
        sessions: sessions.clone(),
        before: before.clone(),
        observers: None,
        audit: audit.clone(),
        clock: clock.clone(),
    });
    let links = LoginLinks {
        directory: store.clone(),
        users: users.clone(),
        sessions: user_sessions.clone(),
        codes: Arc::new(UserCodes::new(accounts.clone(), Arc::default(), clock.clone())),
        before: before.clone(),
        audit: audit.clone(),
        observers: None,
        one_click: None,
        clock: clock.clone(),
    };
    let (passwords, directory) = (Arc::new(PaperPasswords), store.clone());
    let keys = ApiKeys {
        directory: directory.clone(),
        accounts: accounts.clone(),
        audit: audit.clone(),
        observers: None,
        clock: clock.clone(),
    };
    let admins = Administrators {
        directory: directory.clone(),
        passwords: passwords.clone(),
        accounts,
        audit: audit.clone(),
        clock: clock.clone(),
        defender: defender.clone(),
        tries: Arc::default(),
    };
    let authentication = Authentication::new(directory, passwords, tokens.clone(), before, clock.clone());
    let root = Actor::local("root", Door::Socket);
    House {
        store,
        clock,
        witness,
        admins,
        users,
        tokens,
        sessions,
        user_sessions,
        links,
        authentication,
        defender,
        audit,
        root,
        keys,
    }
}

pub(super) fn client(door: Door) -> DoorClient {
    let visit = WebVisit { referer: "https://portal/".into(), user_agent: "Firefox".into(), ..WebVisit::default() };
    DoorClient { door, address: "192.0.2.2".parse().ok(), visit }
}

impl House {
    pub(super) fn new() -> Self {
        house(&Arc::default())
    }

    pub(super) async fn admin(&self, name: &str) {
        let document = json!({"username": name, "password": "pw", "permissions": ["*"]});
        self.admins.add(&self.root, &map(document), None).await.unwrap();
    }

    pub(super) async fn user(&self, name: &str, more: serde_json::Value) {
        let mut document = map(
            json!({"username": name, "status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]}, "password": "pw"}),
        );
        document.extend(map(more));
        self.users.add(&self.root, document, None).await.unwrap();
    }

    pub(super) fn pass(&self, milliseconds: i64) {
        self.clock.0.fetch_add(milliseconds, Ordering::Relaxed);
    }

    pub(super) async fn role(&self, name: &str) {
        let (directory, accounts) = (self.store.clone(), self.users.accounts.clone());
        let objects = ObjectAdministration { directory, accounts, audit: self.audit.clone() };
        objects.add(&self.root, ObjectKind::Role, &map(json!({ "name": name }))).await.unwrap();
    }

    pub(super) async fn log_in(&self, name: &str) -> Result<Secret, AuthenticationError> {
        let (web, password) = (client(Door::Web), Secret::new("pw"));
        let actor = self.authentication.basic(name, &password, None, &web).await?;
        Ok(self.authentication.begin_session(&actor, &web, password).await?.text)
    }

    /// What the hooks saw, without the ids of sessions, which are checked to be pairs.
    pub(super) async fn seen(&self) -> Vec<String> {
        self.sessions.settle().await.unwrap();
        let seen = std::mem::take(&mut *self.witness.0.lock().unwrap());
        seen.into_iter().filter(|line| !line.starts_with("login-pre")).collect()
    }

    pub(super) async fn link(&self, wish: LinkWish) -> Secret {
        self.links.add(&self.root, "alice", wish).await.unwrap().text
    }

    pub(super) async fn redeem(&self, text: &Secret) -> Result<Secret, AuthenticationError> {
        Ok(self.links.redeem(text.expose(), None, &client(Door::Rest)).await?.text)
    }
}

/// The words of a line but for the id.
fn without_id(line: &str) -> String {
    let mut words: Vec<_> = line.split(' ').collect();
    words.remove(1);
    words.join(" ")
}

fn id(line: &str) -> &str {
    line.split(' ').nth(1).unwrap()
}

#[tokio::test]
async fn hooks_get_the_beginning_and_the_end_of_a_web_session_once() {
    // D-02, D-03, D-04, D-15
    let house = House::new();
    house.admin("ann").await;
    let check = async |end: &str, reason: &str, password: &str| {
        let token = house.log_in("ann").await.unwrap();
        assert!(house.authentication.token(token.expose(), &client(Door::Web)).await.is_ok());
        let begun = house.seen().await;
        assert_eq!(begun.len(), 1, "{end}: {begun:?}");
        assert_eq!(without_id(&begun[0]), "create web |ann pw ", "{end}");
        match end {
            "log-out" => house.authentication.revoke(token.expose()).await.unwrap(),
            "revocation" => {
                let id = house.authentication.token_id(token.expose());
                house.tokens.revoke_by_id(&house.root, &id).await.unwrap();
            }
            "expiry" => drop(house.clock.0.fetch_add(20 * 60_000, Ordering::Relaxed)),
            _ => {
                let patch = json!({"password": "pw", "description": end});
                let change = DocumentChange::Fields { patches: vec![map(patch)], replaced: Vec::new() };
                house.admins.update(&house.root, "ann", &change, Some(Secret::new("pw2"))).await.unwrap();
            }
        }
        assert!(house.authentication.token(token.expose(), &client(Door::Web)).await.is_err(), "{end}");
        let ended = house.seen().await;
        assert_eq!(ended.len(), 1, "{end}: {ended:?}");
        assert_eq!(without_id(&ended[0]), format!("destroy web |ann {password}  {reason}"), "{end}");
        assert_eq!(id(&ended[0]), id(&begun[0]), "{end}");
        assert!(house.seen().await.is_empty(), "{end}");
        assert!(
            house.store.list(&TOKENS, PageRequest { limit: 9, ..PageRequest::default() }).await.unwrap().is_empty()
        );
    };
    check("log-out", "logout", "pw").await;
    check("revocation", "admin-closed", "pw").await;
    check("expiry", "expired", "pw").await;
    check("password", "admin-closed", "pw").await;
}

#[tokio::test]
async fn tokens_of_programs_are_no_sessions() {
    // D-02
    let house = House::new();
    house.admin("ann").await;
    let rest = client(Door::Rest);
    let actor = house.authentication.basic("ann", &Secret::new("pw"), None, &rest).await.unwrap();
    let token = house.authentication.issue_token(&actor).await.unwrap().text;
    house.authentication.token(token.expose(), &rest).await.unwrap();
    house.authentication.revoke(token.expose()).await.unwrap();
    assert!(house.seen().await.is_empty());
}

#[tokio::test]
async fn a_session_that_a_hook_refuses_does_not_begin() {
    // D-01
    let house = House::new();
    house.admin("mallory").await;
    assert_eq!(house.log_in("mallory").await, Err(AuthenticationError::Denied));
    let seen = house.seen().await;
    assert_eq!(seen.iter().map(|line| without_id(line)).collect::<Vec<_>>(), ["create web |mallory pw "]);
    assert!(!house.defender.refuses("192.0.2.2".parse().unwrap()));
}

#[tokio::test]
async fn pairs_are_exact_though_servers_are_killed() {
    // D-03, D-04
    let store = Arc::default();
    let first = house(&store);
    first.admin("ann").await;
    let token = first.log_in("ann").await.unwrap();
    let begun = first.seen().await;
    // The first server is gone after the end was noted, and before hooks were told.
    first.authentication.revoke(token.expose()).await.unwrap();
    let (second, third) = (house(&store), house(&store));
    let both = tokio::join!(second.seen(), third.seen());
    let told: Vec<_> = both.0.into_iter().chain(both.1).collect();
    assert_eq!(told.iter().map(|line| without_id(line)).collect::<Vec<_>>(), ["destroy web |ann   logout"]);
    assert_eq!(id(&told[0]), id(&begun[0]));
    assert!(first.seen().await.is_empty());
    // A server that was killed while hooks were asked: the session may have been created.
    let begins = json!({"username": "ann", "state": "begins"});
    let document = map(json!({"created_at": second.clock.now(), "expires_at": 0, "session": begins}));
    let write = crate::ports::Write::Add(document);
    let change =
        crate::ports::Change { collection: &TOKENS, name: "0".repeat(64), write, announce: false, audit: None };
    second.store.commit(vec![change]).await.unwrap();
    assert!(second.seen().await.is_empty());
    second.clock.0.fetch_add(180_000, Ordering::Relaxed);
    let told = second.seen().await;
    assert_eq!(told.iter().map(|line| without_id(line)).collect::<Vec<_>>(), ["destroy web |ann   error"]);
}

#[tokio::test]
async fn a_login_link_is_good_as_often_as_it_says() {
    // D-08
    let house = Arc::new(House::new());
    house.user("alice", json!({"password": "pw"})).await;
    let wish = LinkWish { name: "for alice".into(), ..LinkWish::default() };
    let once = house.link(wish).await;
    let race = futures_util::future::join_all((0..64).map(|_| house.redeem(&once))).await;
    let good: Vec<_> = race.into_iter().filter_map(Result::ok).collect();
    assert_eq!(good.len(), 1);
    let seen = house.seen().await;
    assert_eq!(seen.iter().map(|line| without_id(line)).collect::<Vec<_>>(), ["create web |alice  for alice"]);
    let user = house.user_sessions.of_token(good[0].expose(), &client(Door::Rest)).await.unwrap();
    assert_eq!((user.account.username.as_str(), user.impersonator.as_str()), ("alice", ""));
    // A token of a user is none of an administrator, nor the code of a link one of either.
    assert!(house.authentication.token(good[0].expose(), &client(Door::Rest)).await.is_err());
    house.user_sessions.log_out(good[0].expose()).await.unwrap();
    assert!(house.user_sessions.of_token(good[0].expose(), &client(Door::Rest)).await.is_err());
    let seen = house.seen().await;
    assert_eq!(seen.iter().map(|line| without_id(line)).collect::<Vec<_>>(), ["destroy web |alice  for alice logout"]);
    let thrice = house.link(LinkWish { max_uses: Some(3), ..LinkWish::default() }).await;
    let race = futures_util::future::join_all((0..64).map(|_| house.redeem(&thrice))).await;
    assert_eq!(race.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    assert!(house.links.list(&house.root, "alice").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_login_link_is_of_no_use_otherwise() {
    // D-08
    let house = House::new();
    house.user("alice", json!({"password": "pw", "role": ""})).await;
    let good = LinkWish::default;
    let late = house.link(LinkWish { expires_at: Some(house.clock.now() + 5), ..good() }).await;
    let elsewhere = house.link(LinkWish { ips: vec!["198.51.100.0/24".into()], ..good() }).await;
    let here = house.link(LinkWish { ips: vec!["192.0.2.0/24".into()], ..good() }).await;
    let (revoked, for_gone) = (house.link(good()).await, house.link(good()).await);
    assert_eq!(house.links.list(&house.root, "alice").await.unwrap().len(), 5);
    house.links.delete(&house.root, &house.authentication.token_id(revoked.expose())).await.unwrap();
    house.clock.0.fetch_add(5, Ordering::Relaxed);
    assert!(house.redeem(&here).await.is_ok());
    for text in [&late, &elsewhere, &here, &revoked, &Secret::new("tgt_x"), &Secret::default()] {
        assert_eq!(house.redeem(text).await, Err(AuthenticationError::Denied));
    }
    // Another account of that name is another user.
    house.users.delete(&house.root, "alice").await.unwrap();
    house.user("alice", json!({})).await;
    assert_eq!(house.redeem(&for_gone).await, Err(AuthenticationError::Denied));
    for wish in [
        LinkWish { max_uses: Some(0), ..good() },
        LinkWish { expires_at: Some(1), ..good() },
        LinkWish { expires_at: Some(i64::MAX), ..good() },
        LinkWish { ips: vec!["x".into()], ..good() },
        LinkWish { name: "a\nb".into(), ..good() },
        LinkWish { name: "a\u{202e}b".into(), ..good() },
    ] {
        let refused = house.links.add(&house.root, "alice", wish.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), AdminErrorKind::Invalid, "{wish:?}");
    }
    let disabled = house.link(good()).await;
    let patch = DocumentChange::Fields { patches: vec![map(json!({"status": 0}))], replaced: Vec::new() };
    house.users.update(&house.root, "alice", patch, None).await.unwrap();
    assert_eq!(house.redeem(&disabled).await, Err(AuthenticationError::Denied));
}

#[tokio::test]
async fn a_session_of_a_user_ends_for_good() {
    // D-08
    let house = House::new();
    let rest = client(Door::Rest);
    let codes = json!({"filters": {"totp_config": {"enabled": true, "protocols": ["SSH"],
        "secret": {"status": "Plain", "payload": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}}}});
    for (number, (change, back)) in [
        (json!({"status": 0}), json!({"status": 1})),
        (json!({"password": "other"}), json!({})),
        (codes, json!({})),
        (json!({"filters": {"denied_protocols": ["HTTP"]}}), json!({})),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("u{number}");
        house.user(&name, json!({})).await;
        let link = house.links.add(&house.root, &name, LinkWish { max_uses: Some(2), ..LinkWish::default() }).await;
        let link = link.unwrap().text;
        let token = house.redeem(&link).await.unwrap();
        assert!(house.user_sessions.of_token(token.expose(), &rest).await.is_ok(), "{change}");
        // No request comes between a change and the next one.
        for patch in [change.clone(), back] {
            let change = DocumentChange::Fields { patches: vec![map(patch)], replaced: Vec::new() };
            house.users.update(&house.root, &name, change, None).await.unwrap();
        }
        assert!(house.user_sessions.of_token(token.expose(), &rest).await.is_err(), "{change}");
        if number == 0 {
            assert!(house.redeem(&link).await.is_err(), "links end with the account that was disabled");
        }
    }
    // A change of something else ends nothing.
    house.user("alice", json!({})).await;
    let token = house.redeem(&house.link(LinkWish::default()).await).await.unwrap();
    let patch = DocumentChange::Fields { patches: vec![map(json!({"description": "x"}))], replaced: Vec::new() };
    house.users.update(&house.root, "alice", patch, None).await.unwrap();
    assert!(house.user_sessions.of_token(token.expose(), &rest).await.is_ok());
}

#[tokio::test]
async fn an_administrator_acts_as_a_user_with_both_names() {
    // D-13
    let house = House::new();
    house.user("alice", json!({"password": "pw"})).await;
    house.user("mallory", json!({})).await;
    let ann = Actor { author: crate::ports::Author::new("ann", Door::Rest), ..house.root.clone() };
    let rest = client(Door::Rest);
    let token = house.user_sessions.impersonate(&ann, "alice", &rest).await.unwrap().text;
    let user = house.user_sessions.of_token(token.expose(), &rest).await.unwrap();
    assert_eq!((user.account.username.as_str(), user.impersonator.as_str()), ("alice", "ann"));
    let seen = house.seen().await;
    assert_eq!(seen.iter().map(|line| without_id(line)).collect::<Vec<_>>(), ["create web ann|alice  "]);
    let query = AuditQuery { limit: 1, ..AuditQuery::default() };
    let record = &house.audit.list(&house.root, query).await.unwrap()[0].record;
    let said = (record.author.name.as_str(), record.action.as_str(), record.name.as_str(), record.detail.as_str());
    assert_eq!(said, ("ann", "impersonate", "alice", "\"ann\" acts as \"alice\""));
    // Accounts of another role, and sessions that a hook refuses.
    let in_role = Actor { role: Some("sales".into()), ..ann.clone() };
    let kind = async |actor: &Actor, name: &str| {
        house.user_sessions.impersonate(actor, name, &rest).await.map(drop).map_err(|error| error.kind())
    };
    assert_eq!(kind(&in_role, "alice").await, Err(AdminErrorKind::NotFound));
    assert_eq!(kind(&ann, "none").await, Err(AdminErrorKind::NotFound));
    assert_eq!(kind(&ann, "mallory").await, Err(AdminErrorKind::Refused));
    let refused = house.links.add(&in_role, "alice", LinkWish::default()).await.unwrap_err();
    assert_eq!(refused.kind(), AdminErrorKind::NotFound);
    let made = house.links.add(&ann, "alice", LinkWish::default()).await.unwrap();
    assert_eq!(house.links.delete(&in_role, &made.link.id).await.unwrap_err().kind(), AdminErrorKind::NotFound);
}
