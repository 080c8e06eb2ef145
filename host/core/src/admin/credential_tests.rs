//! Hooks are told of API keys.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::user_tests::{PaperPasswords, map};
use super::*;
use crate::hook::observers::ObserverWork;
use crate::hook::{Call, Hook, HookDescription, HookError, Link, LinkSettings};
use crate::memory::MemoryStore;
use crate::ports::{Door, SystemClock};

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
