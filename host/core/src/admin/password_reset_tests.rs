//! Lost passwords, on a store in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::admin_document::Administrator;
use super::use_case_tests::Inventory;
use super::user_tests::{PaperPasswords, map};
use super::*;
use crate::connection::WebVisit;
use crate::guard::{Defender, DefenderSettings};
use crate::hook::review::{PasswordResetPre, Review, WebRequest};
use crate::hook::{Call, Chain, Denial, Hook, HookDescription, HookError, Link, LinkSettings};
use crate::memory::MemoryStore;
use crate::ports::{ADMINS, AuditQuery, Change, Clock, Door, PageRequest, USERS, Write};
use crate::secret::Secret;

pub(super) struct SetClock(pub AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Denies requests about `denied`, and fails for `broken`.
struct Guarding;

#[async_trait]
impl Hook<PasswordResetPre> for Guarding {
    fn name(&self) -> &str {
        "guarding"
    }

    fn adapter(&self) -> &'static str {
        "test"
    }

    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }

    async fn call(&self, _: &Call, event: &PasswordResetPre) -> Result<Review, HookError> {
        match event.0.username.as_str() {
            "denied" => Ok(Review::Deny(Denial::new("no"))),
            "broken" => Err(HookError::Failed("broken".into())),
            _ => Ok(Review::Allow),
        }
    }
}

pub(super) fn request(username: &str) -> WebRequest {
    WebRequest {
        username: username.to_owned(),
        address: "192.0.2.2".parse().unwrap(),
        referer: String::new(),
        user_agent: String::new(),
        session_id: String::new(),
    }
}

pub(super) struct House {
    pub store: Arc<MemoryStore>,
    pub admins: Administrators,
    pub resets: PasswordResets,
    pub audit: Audit,
    pub clock: Arc<SetClock>,
    pub defender: Arc<Defender>,
    pub root: Actor,
}

fn house() -> House {
    house_with(Arc::new(PaperPasswords), None)
}

/// A server with a hook of that point.
pub(super) fn house_with(passwords: Arc<dyn Passwords>, hook: Option<&'static str>) -> House {
    let store = Arc::new(MemoryStore::default());
    let clock = Arc::new(SetClock(AtomicI64::new(1_800_000_000_000)));
    let accounts = Arc::new(Accounts::new(store.clone(), passwords.clone(), None));
    let audit = Audit::new(store.clone(), clock.clone());
    let settings = DefenderSettings { enabled: true, ..DefenderSettings::default() };
    let defender = Arc::new(Defender::new(settings, Arc::default(), clock.clone()));
    let policy = UserPolicy {
        accounts: accounts.clone(),
        inventory: Arc::new(Inventory(hook)),
        passwords: passwords.clone(),
        address_rule: AddressRule::default(),
        clock: clock.clone(),
    };
    let scope = LoginPreScope::Logins;
    let before = BeforeLogins { hooks: None, scope, defender: defender.clone(), audit: audit.clone() };
    let admins = Administrators {
        directory: store.clone(),
        passwords,
        accounts: accounts.clone(),
        audit: audit.clone(),
        clock: clock.clone(),
        defender: defender.clone(),
        tries: Arc::default(),
    };
    let resets = PasswordResets {
        directory: store.clone(),
        admins: admins.clone(),
        users: Arc::new(UserAdministration { accounts, audit: audit.clone() }),
        policy: Arc::new(policy),
        hooks: None,
        before,
        audit: audit.clone(),
        clock: clock.clone(),
        requests: Requests::default(),
    };
    House { store, admins, resets, audit, clock, defender, root: Actor::local("root", Door::Socket) }
}

impl House {
    /// A request, with all that is done about it.
    pub(super) async fn lose(
        &self,
        owner: PasswordOwner,
        client: &DoorClient,
        request: WebRequest,
    ) -> Result<(), ResetError> {
        let taken = self.resets.request(owner, client, request)?;
        self.resets.follow_up(taken).await;
        Ok(())
    }
}

#[tokio::test]
async fn no_code_is_handed_out_where_accounts_are_only_read() {
    // A8-17
    let House { store, resets, root, .. } = house();
    let document = json!({"username": "alice", "status": 1, "home_dir": "/srv/a", "permissions": {"/": ["*"]}});
    let write = Write::Add(map(document));
    let change = Change { collection: &USERS, name: "alice".into(), write, announce: false, audit: None };
    store.commit(vec![change]).await.unwrap();
    resets.hand_out(&root, PasswordOwner::User, "alice").await.unwrap();
    let accounts = Arc::new(Accounts::new(store, Arc::new(PaperPasswords), None).only_read());
    let users = Arc::new(UserAdministration { accounts: accounts.clone(), audit: resets.audit.clone() });
    let UserPolicy { inventory, passwords, address_rule, clock, .. } = Arc::into_inner(resets.policy).unwrap();
    let policy = Arc::new(UserPolicy { accounts, inventory, passwords, address_rule, clock });
    let refused = PasswordResets { users, policy, ..resets }.hand_out(&root, PasswordOwner::User, "alice").await;
    assert!(refused.is_err_and(|error| error.to_string().contains("manage_users")));
}

pub(super) fn client(address: &str) -> DoorClient {
    DoorClient { door: Door::Rest, address: address.parse().ok(), visit: WebVisit::default() }
}

impl House {
    async fn add(&self, name: &str, permissions: &[&str]) {
        let document = json!({"username": name, "password": "pw", "permissions": permissions});
        self.admins.add(&self.root, &map(document), None).await.unwrap();
    }

    async fn code(&self, name: &str) -> String {
        let code = self.resets.hand_out(&self.root, PasswordOwner::Administrator, name).await.unwrap();
        code.text.expose().to_owned()
    }

    async fn redeem(&self, name: &str, code: &str) -> Result<(), ResetError> {
        // Each from another address, so that none asks too often.
        let number = self.clock.0.fetch_add(1, Ordering::Relaxed) % 250;
        let client = client(&format!("198.51.100.{number}"));
        self.resets.redeem(PasswordOwner::Administrator, &client, name, code, Secret::new("new")).await
    }

    async fn password(&self, name: &str) -> String {
        let stored = self.store.find(&ADMINS, name).await.unwrap().unwrap();
        stored.document["password"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_code_is_good_once_for_its_name_and_its_hour() {
    let house = house();
    for name in ["ann", "bob"] {
        house.add(name, &["*"]).await;
    }
    let (code, other) = (house.code("ann").await, house.code("ann").await);
    for (name, code) in [("bob", code.as_str()), ("none", &code), ("ann", ""), ("ann", "tgt_x_y")] {
        assert_eq!(house.redeem(name, code).await, Err(ResetError::Denied), "{name} {code}");
    }
    let client = client("192.0.2.9");
    let of_user = house.resets.redeem(PasswordOwner::User, &client, "ann", &code, Secret::new("new")).await;
    assert_eq!(of_user, Err(ResetError::Denied));
    let before = house.password("ann").await;
    assert_eq!(house.redeem("ann", &code).await, Ok(()));
    assert_ne!(house.password("ann").await, before);
    // The second code was for the password of before.
    for code in [&code, &other] {
        assert_eq!(house.redeem("ann", code).await, Err(ResetError::Denied));
    }
    let late = house.code("bob").await;
    house.clock.0.fetch_add(60 * 60_000, Ordering::Relaxed);
    assert_eq!(house.redeem("bob", &late).await, Err(ResetError::Denied));
}

#[tokio::test]
async fn an_actor_hands_out_no_code_for_more_than_it_has() {
    let house = house();
    house.add("root", &["*"]).await;
    house.add("helper", &["manage_admins"]).await;
    let permissions = Permissions::Only([AdminPermission::ManageAdmins].into());
    let helper = Actor { permissions, ..Actor::local("helper", Door::Rest) };
    let ask = async |name: &str| {
        let code = house.resets.hand_out(&helper, PasswordOwner::Administrator, name).await;
        code.map(drop).map_err(|error| error.kind())
    };
    assert_eq!(ask("helper").await, Ok(()));
    assert_eq!(ask("root").await, Err(AdminErrorKind::Forbidden));
    assert_eq!(ask("none").await, Err(AdminErrorKind::NotFound));
}

#[tokio::test]
async fn a_code_ends_with_what_ends_the_tokens_of_its_maker() {
    // A18-17, D-10
    for (patch, expected) in [
        (json!({"description": "x"}), true),
        (json!({"status": 0}), false),
        (json!({"password": "other"}), false),
        (json!({"permissions": ["view_users"]}), false),
        (json!(null), false),
    ] {
        let house = house();
        for name in ["ann", "helper"] {
            house.add(name, &["*"]).await;
        }
        let helper = Administrator::of_stored(&house.admins.stored("helper").await.unwrap()).unwrap();
        let credential = super::administrators::credential_of(&helper);
        let admin = (helper.username, helper.version.id);
        let identity = Identity::Administrator { admin, credential, by_token: true };
        let actor = Actor { identity, ..Actor::local("helper", Door::Rest) };
        let code = house.resets.hand_out(&actor, PasswordOwner::Administrator, "ann").await.unwrap().text;
        match patch.as_object() {
            Some(patch) => {
                let change = DocumentChange::Fields { patches: vec![patch.clone()], replaced: Vec::new() };
                house.admins.update(&house.root, "helper", &change, None).await.unwrap();
            }
            None => house.admins.delete(&house.root, "helper").await.unwrap(),
        }
        assert_eq!(house.redeem("ann", code.expose()).await.is_ok(), expected, "{patch}");
    }
}

#[tokio::test]
async fn guesses_score_and_requests_are_recorded() {
    let house = house();
    let guesser = client("192.0.2.1");
    for _ in 0..8 {
        let guess = house.resets.redeem(PasswordOwner::User, &guesser, "ann", "tgt_x_y", Secret::new("new"));
        assert_eq!(guess.await, Err(ResetError::Denied));
        house.clock.0.fetch_add(13_000, Ordering::Relaxed);
    }
    assert!(house.defender.refuses("192.0.2.1".parse().unwrap()));
    let asking = client("192.0.2.2");
    for number in 0..7 {
        let asked = house.lose(PasswordOwner::User, &asking, request("ann")).await;
        assert_eq!(asked, if number < 5 { Ok(()) } else { Err(ResetError::TooMany) }, "{number}");
    }
    house.clock.0.fetch_add(60_000, Ordering::Relaxed);
    assert_eq!(house.lose(PasswordOwner::User, &asking, request("ann")).await, Ok(()));
    let query = AuditQuery { actions: vec!["lost-password".to_owned()], limit: 100, ..AuditQuery::default() };
    // Nothing is done about a name that was asked for three times within the hour.
    assert_eq!(house.audit.list(&house.root, query.clone()).await.unwrap().len(), 1);
    house.clock.0.fetch_add(60 * 60_000, Ordering::Relaxed);
    assert_eq!(house.lose(PasswordOwner::User, &asking, request("ann")).await, Ok(()));
    let records = house.audit.list(&house.root, query).await.unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].record.kind.as_str(), records[0].record.name.as_str()), ("user", "ann"));
}

#[tokio::test]
async fn a_hook_that_denies_ends_the_request_and_the_answer_is_the_same() {
    // D-10
    let mut house = house();
    let link = Arc::new(Link::new(Arc::new(Guarding), LinkSettings::default()));
    house.resets.hooks = Some(Arc::new(Chain::new(Arc::default(), vec![link])));
    for name in ["ann", "denied", "broken"] {
        let asked = house.lose(PasswordOwner::User, &client("192.0.2.2"), request(name)).await;
        assert_eq!(asked, Ok(()), "{name}");
    }
    let query = AuditQuery { actions: vec!["lost-password".to_owned()], limit: 100, ..AuditQuery::default() };
    let records = house.audit.list(&house.root, query).await.unwrap();
    let names: Vec<_> = records.iter().map(|stored| stored.record.name.as_str()).collect();
    assert_eq!(names, ["ann"]);
}

#[tokio::test]
async fn so_many_requests_are_under_way_at_a_time() {
    // D-10: whether there is such a name, or a hook takes its time, is not known before the answer.
    let house = house();
    let ask = |number: usize, name: &str| {
        let address = format!("10.0.{}.{}", number / 250, number % 250);
        house.resets.request(PasswordOwner::User, &client(&address), request(name))
    };
    let mut taken: Vec<_> = (0..256).map(|number| ask(number, "none").unwrap()).collect();
    assert_eq!(ask(300, "none").map(drop), Err(ResetError::TooMany));
    house.resets.follow_up(taken.pop().unwrap()).await;
    let next = ask(301, "none").unwrap();
    assert_eq!(ask(302, "none").map(drop), Err(ResetError::TooMany));
    drop((taken, next));
    assert!(ask(303, "none").is_ok());
}

#[tokio::test]
async fn a_full_table_does_not_refuse_other_clients() {
    let house = house();
    let ask = async |address: &str| {
        let asked = house.lose(PasswordOwner::User, &client(address), request("ann")).await;
        asked != Err(ResetError::TooMany)
    };
    for number in 0..10_001_u32 {
        assert!(ask(&format!("10.0.{}.{}", number / 250, number % 250)).await, "{number}");
    }
    // Addresses of one IPv6 network are one client.
    for (number, expected) in [true, true, true, true, true, false].into_iter().enumerate() {
        assert_eq!(ask(&format!("2001:db8::{number}")).await, expected, "{number}");
    }
    assert!(ask("2001:db8:0:1::1").await);
}

#[tokio::test]
async fn a_code_of_an_administrator_is_good_where_it_may_log_in() {
    let house = house();
    let add = async |name: &str, more: serde_json::Value| {
        let mut document = map(json!({"username": name, "password": "pw", "permissions": ["*"]}));
        document.extend(map(more));
        house.admins.add(&house.root, &document, None).await.unwrap();
    };
    add("open", json!({})).await;
    add("near", json!({"filters": {"allow_list": ["198.51.100.0/24"]}})).await;
    add("far", json!({"filters": {"allow_list": ["192.0.2.0/24"]}})).await;
    add("off", json!({"status": 0})).await;
    for (name, expected) in [("open", true), ("near", true), ("far", false), ("off", false)] {
        let code = house.code(name).await;
        assert_eq!(house.redeem(name, &code).await.is_ok(), expected, "{name}");
    }
    // Nor does it come back with an administrator that was disabled meanwhile.
    let code = house.code("open").await;
    for status in [0, 1] {
        let patch = DocumentChange::Fields { patches: vec![map(json!({ "status": status }))], replaced: Vec::new() };
        house.admins.update(&house.root, "open", &patch, None).await.unwrap();
    }
    assert_eq!(house.redeem("open", &code).await, Err(ResetError::Denied));
}

#[tokio::test]
async fn names_that_no_program_can_be_given_are_refused() {
    // A11-03
    let house = house();
    for name in ["ann\0", &*"x".repeat(1 << 17)] {
        match house.lose(PasswordOwner::User, &client("192.0.2.2"), request(name)).await {
            Err(ResetError::Admin(error)) => assert_eq!(error.kind(), AdminErrorKind::Invalid, "{name:.9?}"),
            outcome => panic!("{name:.9?}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn codes_are_neither_listed_nor_ended_as_tokens() {
    // A18-17, D-10
    let house = house();
    house.add("ann", &["*"]).await;
    let code = house.code("ann").await;
    let accounts = house.resets.users.accounts.clone();
    let sessions = Arc::new(WebSessions::new(house.store.clone(), accounts, house.clock.clone(), None));
    let tokens = Tokens::new(house.store.clone(), house.audit.clone(), house.clock.clone(), sessions);
    let all = PageRequest { limit: 100, ..PageRequest::default() };
    assert!(tokens.list(&house.root, all).await.unwrap().is_empty());
    let refused = tokens.revoke_by_id(&house.root, &super::tokens::id_of(&code)).await.unwrap_err();
    assert_eq!(refused.kind(), AdminErrorKind::NotFound);
    assert_eq!(house.redeem("ann", &code).await, Ok(()));
}
