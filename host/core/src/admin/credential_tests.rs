//! Hooks are told of API keys, and tokens do not change what protects their administrators.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::password_reset_tests::SetClock;
use super::user_tests::{PaperPasswords, map};
use super::*;
use crate::guard::{Defender, DefenderSettings};
use crate::hook::observers::ObserverWork;
use crate::hook::{Call, Hook, HookDescription, HookError, Link, LinkSettings};
use crate::memory::MemoryStore;
use crate::ports::{Door, SystemClock};
use crate::secret::Secret;

struct Noting(mpsc::UnboundedSender<CredentialChanged>);

#[async_trait]
impl Hook<CredentialChanged> for Noting {
    fn name(&self) -> &str {
        "noting"
    }

    fn adapter(&self) -> &'static str {
        "test"
    }

    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }

    async fn call(&self, _: &Call, event: &CredentialChanged) -> Result<(), HookError> {
        self.0.send(event.clone()).map_err(|_| HookError::Failed("the test has ended".into()))
    }
}

#[tokio::test]
async fn hooks_are_told_of_keys_that_are_made_or_get_a_new_text() {
    let (told, mut events) = mpsc::unbounded_channel();
    let observers = Observers::new(Arc::default());
    observers.chain().replace(vec![Arc::new(Link::new(Arc::new(Noting(told)), LinkSettings::default()))]);
    let mut work = JoinSet::new();
    let working = observers.clone();
    work.spawn(async move { working.work().await });
    let store = Arc::new(MemoryStore::default());
    let clock = Arc::new(SystemClock);
    let keys = ApiKeys {
        directory: store.clone(),
        accounts: Arc::new(Accounts::new(store.clone(), Arc::new(PaperPasswords), None)),
        audit: Audit::new(store, clock.clone()),
        observers: Some(observers.clone()),
        clock,
    };
    let root = Actor::local("root", Door::Socket);
    let document = json!({
        "name": "nightly", "allow": ["user.*"], "deny": ["user.add"], "ips": ["192.0.2.0/24"],
        "expires_at": 4_000_000_000_001_i64, "max_uses": 5,
    });
    keys.add(&root, &map(document)).await.unwrap();
    keys.rotate(&root, "nightly").await.unwrap();
    // Of a key that is revoked the panel's hooks hear nothing.
    keys.delete(&root, "nightly").await.unwrap();
    for modifying in [false, true] {
        let event = events.recv().await.unwrap();
        assert_eq!((event.name.as_str(), event.modifying, event.is_login_url), ("nightly", modifying, false));
        assert_eq!((event.expires_at, event.max_uses, event.username.as_str()), (4_000_000_001, 5, ""));
        assert_eq!((event.allow, event.deny), (vec!["user.*".to_owned()], vec!["user.add".to_owned()]));
        assert_eq!(event.ips, ["192.0.2.0/24"]);
    }
    observers.close();
    while let Some(ended) = work.join_next().await {
        ended.unwrap();
    }
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn a_token_alone_changes_none_of_its_administrators_own_protection() {
    let store = Arc::new(MemoryStore::default());
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    let settings = DefenderSettings { enabled: true, ..DefenderSettings::default() };
    let defender = Arc::new(Defender::new(settings, Arc::default(), Arc::new(SystemClock)));
    let admins = Administrators {
        directory: store.clone(),
        passwords: Arc::new(PaperPasswords),
        accounts: Arc::new(Accounts::new(store.clone(), Arc::new(PaperPasswords), None)),
        audit,
        clock: Arc::new(SystemClock),
        defender: defender.clone(),
        tries: Arc::default(),
    };
    let root = Actor::local("root", Door::Socket);
    let filters = json!({"allow_list": ["192.0.2.0/24"]});
    let mut ids = Vec::new();
    for name in ["ann", "bob"] {
        let document = json!({"username": name, "password": "pw", "permissions": ["*"], "filters": filters.clone()});
        admins.add(&root, &map(document), None).await.unwrap();
        ids.push(admins.stored(name).await.unwrap().version.id);
    }
    let ann = |by_token| {
        let identity =
            Identity::Administrator { admin: ("ann".to_owned(), ids[0]), credential: String::new(), by_token };
        Actor { identity, ..Actor::local("ann", Door::Rest) }
    };
    let check = async |by_token: bool, name: &str, patch: serde_json::Value, expected: bool| {
        let change = DocumentChange::Fields { patches: vec![map(patch.clone())], replaced: Vec::new() };
        let changed = admins.update(&ann(by_token), name, &change, None).await;
        assert_eq!(changed.is_ok(), expected, "{name} {patch}: {changed:?}");
        if !expected {
            assert_eq!(changed.unwrap_err().kind(), AdminErrorKind::Forbidden);
        }
    };
    check(true, "ann", json!({"description": "x"}), true).await;
    check(true, "ann", json!({"filters": filters.clone()}), true).await;
    for patch in [
        json!({"password": "other"}),
        json!({"filters": {"allow_list": []}}),
        json!({"filters": {"require_two_factor": true}}),
    ] {
        check(true, "ann", patch.clone(), false).await;
        check(true, "bob", patch.clone(), true).await;
        check(false, "ann", patch, true).await;
    }
    assert!(admins.make_codes(&ann(true), "ann").await.is_err());
    assert!(admins.remove_codes(&ann(true), "ann").await.is_err());
    assert!(admins.remove_codes(&ann(true), "bob").await.is_ok());
    let stored = admins.stored("ann").await.unwrap();
    let change = DocumentChange::Document { document: stored.document, revision: stored.version.revision };
    let refused = admins.update(&ann(true), "ann", &change, Some(Secret::new("other"))).await.unwrap_err();
    assert_eq!(refused.kind(), AdminErrorKind::Forbidden);
    // The current password is not found by trying; `PaperPasswords` match none.
    for number in 0..7 {
        let tried =
            admins.change_own_password(&ann(true), &Secret::new("guess"), Secret::new("new")).await.unwrap_err();
        assert_eq!(tried.to_string().contains("too often"), number >= 5, "{number}: {tried}");
    }
    // Of two that are based on one version, one comes too late.
    let based = Some(admins.stored("bob").await.unwrap().version);
    let change = DocumentChange::Fields { patches: vec![map(json!({"description": "y"}))], replaced: Vec::new() };
    assert!(admins.update_version(&root, "bob", &change, None, based).await.is_ok());
    let late = admins.update_version(&root, "bob", &change, None, based).await.unwrap_err();
    assert_eq!(late.kind(), AdminErrorKind::Conflict);
    assert!(admins.delete_version(&root, "bob", based).await.is_err());
}

#[tokio::test]
async fn a_key_says_when_it_was_changed_last() {
    // D-09
    let store = Arc::new(MemoryStore::default());
    let clock = Arc::new(SetClock(AtomicI64::new(1_800_000_000_000)));
    let keys = ApiKeys {
        directory: store.clone(),
        accounts: Arc::new(Accounts::new(store.clone(), Arc::new(PaperPasswords), None)),
        audit: Audit::new(store, clock.clone()),
        observers: None,
        clock: clock.clone(),
    };
    let root = Actor::local("root", Door::Socket);
    let check = |key: &ShownObject, expected: [i64; 2]| {
        let times = ["created_at", "updated_at"].map(|field| key.document[field].as_i64().unwrap() - 1_800_000_000_000);
        assert_eq!(times, expected, "{:?}", key.document);
    };
    check(&keys.add(&root, &map(json!({"name": "nightly"}))).await.unwrap().key, [0, 0]);
    clock.0.fetch_add(1000, Ordering::Relaxed);
    let document = map(json!({"name": "nightly", "description": "x"}));
    check(&keys.replace(&root, "nightly", &document, None).await.unwrap(), [0, 1000]);
    clock.0.fetch_add(1000, Ordering::Relaxed);
    check(&keys.rotate(&root, "nightly").await.unwrap().key, [0, 2000]);
}
