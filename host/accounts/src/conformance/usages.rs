//! Usages, and the marks of those that are being changed.

use futures_util::FutureExt;
use tidegate_core::ports::{AccountKey, BatchName, NodeName, StoreError, StoredUsage, Stores, USERS, Write};
use tidegate_core::quota::{Scope, Transferred, UsedQuota};

use super::{Adapter, add, commit, find};

fn scope(name: &str) -> Scope {
    Scope::Account(name.to_owned())
}

fn used(size: i64, files: i64) -> UsedQuota {
    UsedQuota { size, files }
}

pub async fn usages_are_added_up(adapter: Adapter) {
    let (store, other, node) = (adapter.open(), adapter.open(), NodeName("n".into()));
    add(&*store, "alice").await;
    add(&*store, "bob").await;
    let alice = scope("alice");
    assert!(!store.is_counted(&alice).await.unwrap());
    // Adding to a usage that was never counted does not make it counted.
    store.add_usage(None, vec![(alice.clone(), used(5, 1))], 7).await.unwrap();
    assert!(!store.is_counted(&alice).await.unwrap());
    store.replace_usage(&alice, used(100, 3), 0).await.unwrap();
    assert!(other.is_counted(&alice).await.unwrap());
    let changes = vec![(alice.clone(), used(-30, 1)), (scope("gone"), used(1, 1)), (scope("bob"), used(-5, -5))];
    other.add_usage(None, changes, 9).await.unwrap();
    assert_eq!(store.open_usage(&alice, &node).await.unwrap(), StoredUsage { used: used(70, 4), is_unsettled: false });
    assert_eq!(store.open_usage(&scope("bob"), &node).await.unwrap().used, used(0, 0), "never less than nothing");
    let missing = StoreError::NotFound(USERS.object("gone"));
    assert_eq!(store.open_usage(&scope("gone"), &node).await, Err(missing.clone()));
    assert_eq!(store.replace_usage(&scope("gone"), used(1, 1), 1).await, Err(missing));
    assert!(!store.is_counted(&scope("gone")).await.unwrap());
    // What several servers add at once is all counted.
    let adding: Vec<_> = (0..4)
        .map(|_| {
            let (store, alice) = (adapter.open(), alice.clone());
            tokio::spawn(async move {
                for _ in 0..25 {
                    store.add_usage(None, vec![(alice.clone(), used(1, 1))], 10).await.unwrap();
                }
            })
        })
        .collect();
    for task in adding {
        task.await.unwrap();
    }
    assert_eq!(store.open_usage(&alice, &node).await.unwrap().used, used(170, 104));
}

pub async fn no_usage_is_too_large_to_be_added_to(adapter: Adapter) {
    // A10-09, A9-06: a usage that came from elsewhere may be anything, and keeps no other from being stored.
    let (store, node) = (adapter.open(), NodeName("n".into()));
    let (alice, bob) = (add(&*store, "alice").await, scope("bob"));
    add(&*store, "bob").await;
    store.replace_usage(&scope("alice"), used(i64::MAX - 1, i64::MAX), 1).await.unwrap();
    store.add_usage(None, vec![(scope("alice"), used(5, 5)), (bob.clone(), used(3, 2))], 2).await.unwrap();
    assert_eq!(store.open_usage(&scope("alice"), &node).await.unwrap().used, used(i64::MAX, i64::MAX));
    assert_eq!(store.open_usage(&bob, &node).await.unwrap().used, used(3, 2));
    store.add_usage(None, vec![(scope("alice"), used(-5, i64::MIN))], 3).await.unwrap();
    assert_eq!(store.open_usage(&scope("alice"), &node).await.unwrap().used, used(i64::MAX - 5, 0));
    let key = AccountKey { username: "alice".into(), id: alice.id };
    for (moved, expected) in [(7, 7), (u64::MAX, i64::MAX), (1, i64::MAX)] {
        let by = Transferred { up: moved, down: 0 };
        store.add_transferred(None, vec![(key.clone(), by)]).await.unwrap();
        assert_eq!(find(&*store, "alice").await.document["used_upload_data_transfer"], expected, "{moved}");
    }
}

pub async fn marks_have_an_owner(adapter: Adapter) {
    let (here, there) = (NodeName("here".into()), NodeName("there".into()));
    let store = adapter.open();
    for name in ["alice", "bob"] {
        add(&*store, name).await;
        store.replace_usage(&scope(name), used(1, 1), 1).await.unwrap();
    }
    assert!(!store.open_usage(&scope("alice"), &here).await.unwrap().is_unsettled);
    assert!(!store.open_usage(&scope("bob"), &there).await.unwrap().is_unsettled);
    // A server that starts counts the usages with its own marks again, and no others.
    assert_eq!(adapter.open().unsettled_usages(&here).await.unwrap(), [scope("alice")]);
    assert_eq!(adapter.open().unsettled_usages(&there).await.unwrap(), [scope("bob")]);
    // A server that finds a mark does not trust the usage, and takes the mark over.
    assert!(store.open_usage(&scope("bob"), &here).await.unwrap().is_unsettled);
    store.close_usage(&scope("bob"), &there).await.unwrap();
    assert_eq!(store.unsettled_usages(&here).await.unwrap(), [scope("alice"), scope("bob")]);
    store.close_usage(&scope("bob"), &here).await.unwrap();
    assert_eq!(store.unsettled_usages(&here).await.unwrap(), [scope("alice")]);
    // The mark is removed with the account.
    commit(&*store, "alice", Write::Delete { expected: None }).await.unwrap();
    assert_eq!(store.unsettled_usages(&here).await.unwrap(), []);
    // A mark without a name belongs to every server: older servers made marks without names.
    store.open_usage(&scope("bob"), &NodeName(String::new())).await.unwrap();
    assert_eq!(store.unsettled_usages(&there).await.unwrap(), [scope("bob")]);
}

pub async fn transfers_belong_to_one_account(adapter: Adapter) {
    // A10-09
    let store = adapter.open();
    let before = add(&*store, "alice").await;
    commit(&*store, "alice", Write::Delete { expected: None }).await.unwrap();
    let now = add(&*store, "alice").await;
    let key = |id| AccountKey { username: "alice".into(), id };
    let moved = |up, down| Transferred { up, down };
    store.add_transferred(None, vec![(key(now.id), moved(5, 6)), (key(before.id), moved(9, 9))]).await.unwrap();
    store.add_transferred(None, vec![(key(now.id), moved(1, 0))]).await.unwrap();
    let document = find(&*store, "alice").await.document;
    assert_eq!(document["used_upload_data_transfer"], 6);
    assert_eq!(document["used_download_data_transfer"], 6);
}

/// Sends a batch of each kind for alice, with one byte and one file.
async fn send(store: &dyn Stores, id: i64, writer: &str, number: u64) {
    let batch = |what: &str| BatchName { writer: format!("{what} of {writer}"), number };
    store.add_usage(Some(&batch("usages")), vec![(scope("alice"), used(1, 1))], 2).await.unwrap();
    let moved = vec![(AccountKey { username: "alice".into(), id }, Transferred { up: 1, down: 1 })];
    store.add_transferred(Some(&batch("volumes")), moved).await.unwrap();
}

/// Checks how many batches of each kind have been added to alice.
async fn check_added(store: &dyn Stores, expected: i64, after: &str) {
    let document = find(store, "alice").await.document;
    for field in ["used_quota_size", "used_quota_files", "used_upload_data_transfer", "used_download_data_transfer"] {
        assert_eq!(document[field], expected, "{field} after {after}");
    }
}

pub async fn a_batch_is_added_once(adapter: Adapter) {
    // ADR 9
    let store = adapter.open();
    let id = add(&*store, "alice").await.id;
    let mut added = 0;
    // In the order in which they come: the numbers, and how many of them are new.
    let cases: [(&[u64], i64); 5] = [
        (&[7, 7], 1),
        (&[8, 8, 9, 9], 2),
        // One that comes late, when its writer has gone on.
        (&[8, 7, 9, 10, 7], 1),
        // The next process, and the one after it, when the clock was set back.
        (&[5_000, 5_000, 5_001, 5_000, 5_001], 2),
        (&[20, 20, 21, 20], 2),
    ];
    for (numbers, new) in cases {
        for number in numbers {
            // Two servers with the same numbers, which take turns.
            for writer in ["here", "there"] {
                send(&*store, id, writer, *number).await;
            }
        }
        added += 2 * new;
        check_added(&*store, added, &format!("{numbers:?}")).await;
        // As after a restart.
        let again = adapter.open();
        send(&*again, id, "here", *numbers.last().unwrap()).await;
        check_added(&*again, added, &format!("{numbers:?} and a restart")).await;
    }
    // A batch without a name is always new.
    for _ in 0..2 {
        store.add_usage(None, vec![(scope("bob"), used(1, 1)), (scope("alice"), used(1, 1))], 3).await.unwrap();
    }
    assert_eq!(find(&*store, "alice").await.document["used_quota_size"], added + 2);
}

pub async fn what_its_caller_has_left_is_added_once(adapter: Adapter) {
    // ADR 9: the work may be done all the same, also after what is sent later.
    const BATCHES: u64 = 30;
    let store = adapter.open();
    let id = add(&*store, "alice").await.id;
    for number in 1..=BATCHES {
        for _ in 0..3 {
            let _ = send(&*store, id, "here", number).now_or_never();
        }
        send(&*store, id, "here", number).await;
    }
    check_added(&*store, BATCHES.cast_signed(), "all").await;
}
