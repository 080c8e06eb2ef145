//! Lost passwords of users: who may set a new one, and which.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::admin_document::Administrator;
use super::administrators::credential_of;
use super::password_reset_tests::{House, client, house_with, request};
use super::user_tests::map;
use super::*;
use crate::account::ObjectKind;
use crate::hook::review::{LoginPre, Review};
use crate::hook::{Call, Chain, Denial, Hook, HookDescription, HookError, Link, LinkSettings};
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{AuditOutcome, AuditQuery, Door, USERS};
use crate::secret::Secret;
use crate::turns::Waiter;

/// Makes hashes that show the password. Comparisons wait for as many as meet there.
struct Meeting(Barrier);

#[async_trait]
impl Passwords for Meeting {
    async fn matches(&self, _: Waiter<'_>, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError> {
        self.0.wait().await;
        Ok(hash.expose().ends_with(&format!("${}", clear.expose())))
    }

    async fn hash(&self, _: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        PasswordHash::recognise(&format!("$1$salt${}", clear.expose())).ok_or(PasswordError::PoolClosed)
    }
}

fn house() -> House {
    house_with(Arc::new(Meeting(Barrier::new(1))), None)
}

impl House {
    async fn user(&self, name: &str, more: Value) {
        let mut document = map(
            json!({"username": name, "password": "pw", "status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]}}),
        );
        document.extend(map(more));
        self.resets.users.add(&self.root, document, None).await.unwrap();
    }

    async fn change(&self, name: &str, patch: Value) {
        let change = DocumentChange::Fields { patches: vec![map(patch)], replaced: Vec::new() };
        self.resets.users.update(&self.root, name, change, None).await.unwrap();
    }

    async fn code_of_user(&self, name: &str) -> Result<String, AdminError> {
        let code = self.resets.hand_out(&self.root, PasswordOwner::User, name).await?;
        Ok(code.text.expose().to_owned())
    }

    async fn set(&self, name: &str, code: &str, new: &str) -> Result<(), ResetError> {
        // Each from another address, so that none asks too often.
        let number = self.clock.0.fetch_add(1, Ordering::Relaxed) % 250;
        let client = client(&format!("198.51.100.{number}"));
        self.resets.redeem(PasswordOwner::User, &client, name, code, Secret::new(new)).await
    }

    async fn filter(&self, name: &str, field: &str) -> Value {
        let stored = self.store.find(&USERS, name).await.unwrap().unwrap();
        stored.document["filters"][field].clone()
    }
}

#[tokio::test]
async fn a_user_who_may_not_log_in_sets_no_password() {
    // D-10
    let house = house();
    let day = 24 * 60 * 60_000;
    let yesterday = house.clock.0.load(Ordering::Relaxed) - day;
    let windows: Vec<_> = (0..7).map(|day| json!({"day_of_week": day, "from": "00:00", "to": "00:01"})).collect();
    for (number, patch) in [
        json!({}),
        json!({"status": 0}),
        json!({"expiration_date": yesterday}),
        json!({"filters": {"access_time": windows}}),
        json!({"filters": {"denied_ip": ["198.51.100.0/24"]}}),
        json!({"filters": {"allowed_ip": ["192.0.2.0/24"]}}),
        json!({"filters": {"denied_protocols": ["HTTP"]}}),
        json!({"filters": {"denied_login_methods": ["password"]}}),
        json!({"filters": {"web_client": ["password-reset-disabled"]}}),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("u{number}");
        house.user(&name, json!({})).await;
        let code = house.code_of_user(&name).await.unwrap();
        house.change(&name, patch.clone()).await;
        let expected = if number == 0 { Ok(()) } else { Err(ResetError::Denied) };
        assert_eq!(house.set(&name, &code, "new").await, expected, "{patch}");
        // The code is not used up by a refusal, and ends with an account that is disabled.
        if number > 0 {
            house.change(&name, json!({"status": 1, "expiration_date": 0})).await;
            let restored = json!({"filters": {"access_time": [], "denied_ip": [], "allowed_ip": [], "denied_protocols": [],
                                              "denied_login_methods": [], "web_client": []}});
            house.change(&name, restored).await;
            let expected = if patch.get("status").is_some() { Err(ResetError::Denied) } else { Ok(()) };
            assert_eq!(house.set(&name, &code, "new").await, expected, "{patch}");
        }
    }
}

#[tokio::test]
async fn a_password_that_no_login_uses_is_not_reset() {
    // D-10
    for (hook, switch) in [
        ("external-auth", "external_auth_disabled"),
        ("pre-login", "pre_login_disabled"),
        ("check-password", "check_password_disabled"),
    ] {
        let house = house_with(Arc::new(Meeting(Barrier::new(1))), Some(hook));
        house.user("decided", json!({})).await;
        house.user("stored", json!({"filters": {"hooks": {switch: true}}})).await;
        let refused = house.code_of_user("decided").await.unwrap_err();
        assert!(refused.to_string().contains("a hook decides"), "{refused}");
        let code = house.code_of_user("stored").await.unwrap();
        assert_eq!(house.set("stored", &code, "new").await, Ok(()), "{hook}");
        let code = house.code_of_user("stored").await.unwrap();
        house.change("stored", json!({"filters": {"hooks": {switch: false}}})).await;
        assert_eq!(house.set("stored", &code, "newer").await, Err(ResetError::Denied), "{hook}");
    }
    let house = house();
    house.user("kept", json!({"filters": {"web_client": ["password-reset-disabled"]}})).await;
    assert!(house.code_of_user("kept").await.unwrap_err().to_string().contains("password-reset-disabled"));
}

#[tokio::test]
async fn requests_are_answered_alike_and_recorded_with_what_stands_in_the_way() {
    // D-10
    let house = house();
    house.user("may", json!({})).await;
    house.user("may-not", json!({"status": 0})).await;
    for name in ["may", "may-not", "none"] {
        assert_eq!(house.lose(PasswordOwner::User, &client("192.0.2.2"), request(name)).await, Ok(()));
    }
    let query = AuditQuery { actions: vec!["lost-password".to_owned()], limit: 100, ..AuditQuery::default() };
    let mut records = house.audit.list(&house.root, query).await.unwrap();
    records.sort_by(|one, other| one.record.name.cmp(&other.record.name));
    let expected = [
        ("may", AuditOutcome::Done, ""),
        ("may-not", AuditOutcome::Refused, "may not be used now"),
        ("none", AuditOutcome::Refused, "there is no"),
    ];
    assert_eq!(records.len(), expected.len());
    for (stored, (name, outcome, detail)) in records.iter().zip(expected) {
        let record = &stored.record;
        assert_eq!((record.name.as_str(), record.outcome), (name, outcome));
        assert!(record.detail.contains(detail) && record.detail.is_empty() == detail.is_empty(), "{record:?}");
    }
}

/// Denies log-ins of `denied`.
struct Guarding;

#[async_trait]
impl Hook<LoginPre> for Guarding {
    fn name(&self) -> &str {
        "guarding"
    }

    fn adapter(&self) -> &'static str {
        "test"
    }

    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }

    async fn call(&self, _: &Call, event: &LoginPre) -> Result<Review, HookError> {
        match event.0.username.as_str() {
            "denied" => Ok(Review::Deny(Denial::new("no"))),
            "broken" => Err(HookError::Failed("broken".into())),
            _ => Ok(Review::Allow),
        }
    }
}

#[tokio::test]
async fn login_pre_hooks_hold_for_lost_passwords() {
    // D-05, D-10
    let mut house = house();
    for name in ["alice", "denied", "broken"] {
        house.user(name, json!({})).await;
    }
    let link = Arc::new(Link::new(Arc::new(Guarding), LinkSettings::default()));
    house.resets.before.hooks = Some(Arc::new(Chain::new(Arc::default(), vec![link])));
    for (name, expected) in [("alice", Ok(())), ("denied", Err(ResetError::Denied)), ("broken", Err(ResetError::Hook))]
    {
        let code = house.code_of_user(name).await.unwrap();
        assert_eq!(house.set(name, &code, "new").await, expected, "{name}");
        assert_eq!(house.lose(PasswordOwner::User, &client("192.0.2.2"), request(name)).await, Ok(()));
    }
    let query = AuditQuery { actions: vec!["lost-password".to_owned()], limit: 100, ..AuditQuery::default() };
    let records = house.audit.list(&house.root, query).await.unwrap();
    assert_eq!(records.iter().map(|stored| stored.record.name.as_str()).collect::<Vec<_>>(), ["alice"]);
    // What is denied scores.
    let guesser = client("192.0.2.7");
    for _ in 0..8 {
        let asked = house.resets.redeem(PasswordOwner::User, &guesser, "denied", "x", Secret::new("new"));
        assert_eq!(asked.await, Err(ResetError::Denied));
        house.clock.0.fetch_add(13_000, Ordering::Relaxed);
    }
    assert!(house.defender.refuses("192.0.2.7".parse().unwrap()));
}

#[tokio::test]
async fn a_new_password_is_another_one_and_hard_enough_to_guess() {
    // C3-01
    let house = house();
    house.user("alice", json!({"filters": {"password_strength": 50, "require_password_change": true}})).await;
    let code = house.code_of_user("alice").await.unwrap();
    for (new, expected) in [("", "is empty"), ("short", "too easy"), ("alice1234567890", "too easy")] {
        let refused = house.set("alice", &code, new).await.unwrap_err();
        assert!(refused.to_string().contains(expected), "{new}: {refused}");
    }
    assert_eq!(house.filter("alice", "require_password_change").await, true);
    assert_eq!(house.set("alice", &code, "kR7!vq2-Zp0x").await, Ok(()));
    assert_eq!(house.filter("alice", "require_password_change").await, false);
    house.user("bob", json!({"filters": {"require_password_change": true}})).await;
    let code = house.code_of_user("bob").await.unwrap();
    let refused = house.set("bob", &code, "pw").await.unwrap_err();
    assert!(refused.to_string().contains("is the one that the account has"), "{refused}");
    assert_eq!(house.filter("bob", "require_password_change").await, true);
    assert_eq!(house.set("bob", &code, "other").await, Ok(()));
}

#[tokio::test]
async fn a_reset_leaves_the_second_factor_as_it_is() {
    // D-10
    let house = house();
    let secret = json!({"status": "Plain", "payload": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"});
    let codes = json!({"enabled": true, "protocols": ["SSH", "HTTP"], "secret": secret});
    house.user("alice", json!({"filters": {"totp_config": codes.clone()}})).await;
    let code = house.code_of_user("alice").await.unwrap();
    assert_eq!(house.set("alice", &code, "new").await, Ok(()));
    assert_eq!(house.filter("alice", "totp_config").await, codes);
}

#[tokio::test]
async fn of_two_with_one_code_the_slower_is_told_so() {
    let house = house_with(Arc::new(Meeting(Barrier::new(2))), None);
    house.user("alice", json!({})).await;
    let code = house.code_of_user("alice").await.unwrap();
    let (one, other) = tokio::join!(house.set("alice", &code, "one"), house.set("alice", &code, "other"));
    let outcomes = [one, other];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.contains(&Err(ResetError::Overtaken)), "{outcomes:?}");
    // What comes later finds no code.
    assert_eq!(house.set("alice", &code, "third").await, Err(ResetError::Denied));
    let record = house.audit.list(&house.root, AuditQuery { limit: 1, ..AuditQuery::default() }).await.unwrap();
    assert_eq!((record[0].record.kind.as_str(), record[0].record.author.door), ("user", Door::Rest));
}

#[tokio::test]
async fn the_code_of_an_administrator_with_a_role_ends_where_the_account_is_of_another() {
    // D-10
    for (is_admin, role, expected) in [
        (true, "sales", true),
        (true, "", true),
        (true, "service", false),
        (false, "service", false),
        (false, "", false),
    ] {
        let house = house();
        let UserAdministration { accounts, audit } = &*house.resets.users;
        let (accounts, audit) = (accounts.clone(), audit.clone());
        let objects = ObjectAdministration { directory: house.store.clone(), accounts, audit };
        for name in ["sales", "service"] {
            objects.add(&house.root, ObjectKind::Role, &map(json!({ "name": name }))).await.unwrap();
        }
        let ann = json!({"username": "ann", "password": "pw", "permissions": ["*"], "role": "sales"});
        house.admins.add(&house.root, &map(ann), None).await.unwrap();
        house.user("alice", json!({"role": "sales"})).await;
        let ann = Administrator::of_stored(&house.admins.stored("ann").await.unwrap()).unwrap();
        let (credential, admin) = (credential_of(&ann), (ann.username, ann.version.id));
        let identity = Identity::Administrator { admin, credential, by_token: true };
        let actor = Actor { identity, role: ann.role, ..Actor::local("ann", Door::Rest) };
        let code = house.resets.hand_out(&actor, PasswordOwner::User, "alice").await.unwrap().text;
        if is_admin {
            let patch = DocumentChange::Fields { patches: vec![map(json!({ "role": role }))], replaced: Vec::new() };
            house.admins.update(&house.root, "ann", &patch, None).await.unwrap();
        } else {
            house.change("alice", json!({ "role": role })).await;
        }
        assert_eq!(house.set("alice", code.expose(), "new").await.is_ok(), expected, "{is_admin} {role}");
    }
}
