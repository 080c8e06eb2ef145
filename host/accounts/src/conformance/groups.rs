//! Groups of accounts (B9-04).

use serde_json::{Map, Value, json};
use tidegate_core::account::in_force;
use tidegate_core::ports::{Change, ChangedObjects, GROUPS, Version, Write};

use super::{Adapter, author, user};

fn change(write: Write) -> Change {
    Change { collection: &GROUPS, name: "staff".to_owned(), write, announce: true, audit: None }
}

fn group(sessions: i64) -> Map<String, Value> {
    let document = json!({
        "description": "People",
        "user_settings": {"max_sessions": sessions, "filters": {"denied_ip": ["192.0.2.0/24"]}},
        "virtual_folders": [],
        "created_at": 5,
    });
    document.as_object().cloned().unwrap()
}

pub async fn groups_are_kept_and_give_what_they_have(adapter: Adapter) {
    let (accounts, store) = (adapter.accounts(), adapter.open());
    let begin = store.changes(None).await.unwrap().next;
    let versions = store.commit(vec![change(Write::Add(group(3)))]).await.unwrap();
    let stored = adapter.open().find(&GROUPS, "staff").await.unwrap().unwrap();
    for (field, value) in &group(3) {
        assert_eq!(stored.document.get(field), Some(value), "{field}");
    }
    let changes = store.changes(Some(&begin)).await.unwrap();
    assert_eq!(changes.objects, ChangedObjects::Named(vec![("group".to_owned(), "staff".to_owned())]));

    let mut draft = tidegate_core::account::AccountDraft::of(&user("alice"));
    draft.set("max_sessions", json!(0));
    draft.set("groups", json!([{"name": "staff", "type": 1}]));
    let alice = accounts.add(draft, &author()).await.unwrap();
    let sessions = async || in_force(&*store, alice.clone()).await.unwrap().max_sessions;
    assert_eq!(sessions().await, 3);
    let expected = versions[0];
    let replaced = Write::Replace { document: group(4), expected, reset: Vec::new() };
    let versions = store.commit(vec![change(replaced)]).await.unwrap();
    assert_eq!(versions, [Version { id: expected.id, revision: expected.revision + 1 }]);
    assert_eq!(sessions().await, 4);
    store.commit(vec![change(Write::Delete { expected: Some(versions[0]) })]).await.unwrap();
    // The group might have restricted the account.
    let error = in_force(&*store, alice.clone()).await.unwrap_err();
    assert!(error.to_string().contains("\"staff\" is not there"), "{error}");
}
