//! How servers that share a store learn of each other's changes.

use std::collections::BTreeSet;

use tidegate_core::ports::{ChangeToken, ChangedObjects, Changes, USERS, Write};

use super::{Adapter, add, change, commit, document};

const WRITERS: usize = 4;
const CHANGES: usize = 60;

fn names(changes: &Changes) -> Vec<String> {
    match &changes.objects {
        ChangedObjects::Named(objects) => {
            assert!(objects.iter().all(|(kind, _)| kind == USERS.kind), "{objects:?}");
            objects.iter().map(|(_, name)| name.clone()).collect()
        }
        ChangedObjects::All => panic!("not all of them"),
    }
}

pub async fn each_change_is_announced(adapter: Adapter) {
    let (store, other) = (adapter.open(), adapter.open());
    add(&*store, "before").await;
    let begin = other.changes(None).await.unwrap().next;
    assert_eq!(names(&other.changes(Some(&begin)).await.unwrap()), [""; 0]);
    let alice = add(&*store, "alice").await;
    let first = other.changes(Some(&begin)).await.unwrap();
    assert_eq!(names(&first), ["alice"]);
    let replace = Write::Replace { document: document("/srv/new"), expected: alice, reset: Vec::new() };
    commit(&*store, "alice", replace).await.unwrap();
    add(&*store, "bob").await;
    commit(&*store, "bob", Write::Delete { expected: None }).await.unwrap();
    assert_eq!(names(&other.changes(Some(&first.next)).await.unwrap()), ["alice", "bob"]);
    // A look can be repeated.
    assert_eq!(names(&other.changes(Some(&begin)).await.unwrap()), ["alice", "bob"]);
    let silent = tidegate_core::ports::Change { announce: false, ..change("carol", Write::Add(document("/c"))) };
    let begin = other.changes(None).await.unwrap().next;
    store.commit(vec![silent]).await.unwrap();
    assert!(other.changes(Some(&begin)).await.unwrap().is_empty());
    // A waiting server is told of a change; one that waits from an earlier token is told at once.
    let waiting = tokio::spawn({
        let (other, begin) = (adapter.open(), begin.clone());
        async move { other.wait_for_changes(&begin).await.unwrap() }
    });
    add(&*store, "dave").await;
    assert_eq!(names(&waiting.await.unwrap()), ["dave"]);
    assert_eq!(names(&other.wait_for_changes(&begin).await.unwrap()), ["dave"]);
}

pub async fn no_change_of_several_writers_is_passed_over(adapter: Adapter) {
    let reader = adapter.open();
    let mut seen = reader.changes(None).await.unwrap().next;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = adapter.open();
            tokio::spawn(async move {
                for number in 0..CHANGES {
                    add(&*store, &format!("{writer}-{number}")).await;
                }
            })
        })
        .collect();
    let mut found = BTreeSet::new();
    while found.len() < WRITERS * CHANGES {
        let changes = reader.wait_for_changes(&seen).await.unwrap();
        // An object that is announced can be read already.
        for name in names(&changes) {
            assert!(reader.find(&USERS, &name).await.unwrap().is_some(), "{name}");
            found.insert(name);
        }
        seen = changes.next;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(reader.changes(Some(&seen)).await.unwrap().is_empty());
}

pub async fn a_token_from_elsewhere_means_everything(adapter: Adapter) {
    let store = adapter.open();
    add(&*store, "alice").await;
    for token in ["99999", "nonsense"] {
        let changes = store.changes(Some(&ChangeToken(token.to_owned()))).await.unwrap();
        assert_eq!(changes.objects, ChangedObjects::All, "{token}");
        assert!(store.changes(Some(&changes.next)).await.unwrap().is_empty());
    }
}
