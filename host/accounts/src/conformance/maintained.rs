//! Fields that the server maintains, changed in one step: the uses of API keys (D-09), and the steps of one-time
//! codes (RFC 6238 section 5.2).

use serde_json::{Map, Value, json};
use tidegate_core::ports::{ADMINS, API_KEYS, Change, Collection, MaintainedChange, Stores, TOKENS, Version, Write};
use tokio::task::JoinSet;

use super::Adapter;

async fn add(store: &dyn Stores, collection: &'static Collection, name: &str, document: Value) -> Version {
    let document: Map<String, Value> = document.as_object().cloned().unwrap();
    let change =
        Change { collection, name: name.to_owned(), write: Write::Add(document), announce: false, audit: None };
    store.commit(vec![change]).await.unwrap()[0]
}

async fn number(store: &dyn Stores, collection: &'static Collection, name: &str, field: &str) -> i64 {
    store.find(collection, name).await.unwrap().unwrap().document[field].as_i64().unwrap()
}

fn use_of(name: &str, id: i64, limit: i64) -> MaintainedChange {
    MaintainedChange {
        collection: &API_KEYS,
        name: name.to_owned(),
        id,
        guard: ("uses", limit),
        set: vec![("last_use_at", 5)],
        add: vec![("uses", 1)],
    }
}

pub async fn administrators_keys_and_tokens_are_kept(adapter: Adapter) {
    let store = adapter.open();
    let document = json!({"password": "$1$a$b", "status": 1, "permissions": ["*"], "filters": {"allow_list": ["::1"]}});
    add(&*store, &ADMINS, "ann", document.clone()).await;
    add(&*store, &API_KEYS, "k", json!({"digest": "d", "name": "n", "allow": []})).await;
    add(&*store, &TOKENS, "t", json!({"admin": "ann", "expires_at": 7, "credential": "c"})).await;
    let stored = adapter.open().find(&ADMINS, "ann").await.unwrap().unwrap();
    for (field, value) in document.as_object().unwrap() {
        assert_eq!(stored.document.get(field), Some(value), "{field}");
    }
    assert_eq!((stored.document["last_login"].as_i64(), stored.problem), (Some(0), None));
    assert_eq!(number(&*store, &TOKENS, "t", "expires_at").await, 7);
    assert_eq!(store.find(&API_KEYS, "k").await.unwrap().unwrap().document["digest"], "d");
}

pub async fn uses_are_counted_exactly_in_a_race(adapter: Adapter) {
    let store = adapter.open();
    let version = add(&*store, &API_KEYS, "k", json!({"digest": "d"})).await;
    let servers: Vec<_> = (0..4).map(|_| adapter.open()).collect();
    let mut uses = JoinSet::new();
    for server in servers.iter().cycle().take(64) {
        let store = server.clone();
        uses.spawn(async move { store.change_maintained(use_of("k", version.id, 10)).await.unwrap() });
    }
    let granted = uses.join_all().await.into_iter().filter(|granted| *granted).count();
    assert_eq!((granted, number(&*store, &API_KEYS, "k", "uses").await), (10, 10));
    assert_eq!(number(&*store, &API_KEYS, "k", "last_use_at").await, 5);
    // The revision stays: a use is no change of the document.
    assert_eq!(store.find(&API_KEYS, "k").await.unwrap().unwrap().version, version);
}

pub async fn only_the_object_that_was_meant_is_changed(adapter: Adapter) {
    let store = adapter.open();
    let version = add(&*store, &API_KEYS, "k", json!({"digest": "d"})).await;
    assert!(!store.change_maintained(use_of("none", version.id, 10)).await.unwrap());
    assert!(!store.change_maintained(use_of("k", version.id + 1, 10)).await.unwrap());
    assert!(store.change_maintained(use_of("k", version.id, 1)).await.unwrap());
    assert!(!store.change_maintained(use_of("k", version.id, 1)).await.unwrap());
    let document = json!({"digest": "e"}).as_object().cloned().unwrap();
    let replace = Write::Replace { document, expected: version, reset: vec!["uses"] };
    let change = Change { collection: &API_KEYS, name: "k".into(), write: replace, announce: false, audit: None };
    store.commit(vec![change]).await.unwrap();
    assert_eq!(number(&*store, &API_KEYS, "k", "uses").await, 0);
    assert_eq!(number(&*store, &API_KEYS, "k", "last_use_at").await, 5);
}
