//! Stamps: what a store gives again only if nothing has changed.

use tidegate_core::ports::{AccountKey, MaintainedChange, NodeName, Stamp, Stores, USERS, Version, Write};
use tidegate_core::quota::{Scope, UsedQuota};

use super::{Adapter, add, commit, document, find};

/// The stamp, once the store has one: it has none while times of logins wait to be stored.
async fn stamp(store: &dyn Stores) -> Stamp {
    loop {
        match store.stamp() {
            Some(stamp) => return stamp,
            // They are stored on another thread, and no event says when: it is looked again, and each look gives way.
            None => tokio::task::spawn_blocking(|| ()).await.unwrap(),
        }
    }
}

pub async fn a_stamp_is_given_again_only_where_nothing_has_changed(adapter: Adapter) {
    let (store, other) = (adapter.open(), adapter.open());
    let alice = add(&*store, "alice").await;
    if store.stamp().is_none() {
        // Such a store never has one.
        add(&*other, "bob").await;
        assert_eq!((store.stamp(), other.stamp()), (None, None));
        return;
    }
    let key = AccountKey { username: "alice".to_owned(), id: alice.id };
    let replace = |revision: i64| {
        let expected = Version { revision, ..alice };
        Write::Replace { document: document("/srv/new"), expected, reset: Vec::new() }
    };
    for step in 0..7 {
        let before = [stamp(&*store).await, stamp(&*other).await];
        let seen = find(&*store, "alice").await;
        assert_eq!(find(&*other, "alice").await, seen, "step {step}");
        assert_eq!([stamp(&*store).await, stamp(&*other).await], before, "step {step}: it was only read");
        match step {
            0 => assert!(commit(&*store, "alice", replace(0)).await.is_ok()),
            1 => assert!(commit(&*other, "alice", replace(1)).await.is_ok()),
            2 => {
                let (set, guard) = (vec![("last_login", 7)], ("last_login", 7));
                let (collection, name, id) = (&USERS, "alice".to_owned(), alice.id);
                let change = MaintainedChange { collection, name, id, guard, set, add: Vec::new() };
                assert!(other.change_maintained(change).await.unwrap());
            }
            3 => store.record_login(&key, 9).await.unwrap(),
            4 => other.record_login(&key, 10).await.unwrap(),
            5 => assert!(other.record_first_transfer(&key, true, 11).await.unwrap()),
            _ => {
                let scope = Scope::Account("alice".to_owned());
                other.open_usage(&scope, &NodeName("here".to_owned())).await.unwrap();
                other.replace_usage(&scope, UsedQuota { size: 5, files: 1 }, 12).await.unwrap();
            }
        }
        // Other servers learn of a login when it is stored.
        let _ = (stamp(&*store).await, stamp(&*other).await);
        let after = [stamp(&*store).await, stamp(&*other).await];
        assert!(after[0] != before[0] && after[1] != before[1], "step {step}: {before:?}, {after:?}");
        assert_ne!(find(&*store, "alice").await, seen, "step {step}");
    }
    let before = stamp(&*store).await;
    assert!(commit(&*other, "alice", Write::Delete { expected: None }).await.is_ok());
    assert_ne!(stamp(&*store).await, before);
}
