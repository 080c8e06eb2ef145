//! The values that plugins keep.

use std::time::Duration;

use tidegate_core::ports::{Clock, MAX_KEY_LENGTH, MAX_VALUE_LENGTH, PluginStoreError};

use super::Adapter;

pub async fn plugins_keep_values(adapter: Adapter) {
    adapter.clock.advance(1_000);
    let store = adapter.open();
    store.set("p", "k", b"v\0\xff", None).await.unwrap();
    assert_eq!(adapter.open().get("p", "k").await.unwrap().as_deref(), Some(&b"v\0\xff"[..]));
    assert_eq!(store.get("q", "k").await.unwrap(), None);
    assert_eq!(store.get("p", "K").await.unwrap(), None);
    assert_eq!(store.increment("p", "n", 2, None).await, Ok(2));
    assert_eq!(store.increment("p", "n", -5, None).await, Ok(-3));
    assert_eq!(store.increment("p", "k", 1, None).await, Err(PluginStoreError::NotACounter));
    assert_eq!(store.compare_and_set("p", "k", Some(b"x"), b"y", None).await, Ok(false));
    assert_eq!(store.compare_and_set("p", "k", Some(b"v\0\xff"), b"y", None).await, Ok(true));
    assert_eq!(store.compare_and_set("p", "k", None, b"z", None).await, Ok(false));
    assert_eq!(store.compare_and_set("p", "new", None, b"1", None).await, Ok(true));
    assert_eq!(store.list_keys("p", "", None, 10).await.unwrap(), ["k", "n", "new"]);
    assert_eq!(store.list_keys("p", "", None, 2).await.unwrap(), ["k", "n"]);
    assert_eq!(store.list_keys("p", "n", Some("n"), 10).await.unwrap(), ["new"]);
    store.set("p", "gone", b"v", Some(Duration::ZERO)).await.unwrap();
    assert_eq!(store.get("p", "gone").await.unwrap(), None);
    assert_eq!(store.list_keys("p", "gone", None, 10).await.unwrap(), [""; 0]);
    let facts = store.list_values("p", 10).await.unwrap();
    let sizes: Vec<_> = facts.iter().map(|facts| (facts.key.as_str(), facts.size)).collect();
    assert_eq!(sizes, [("k", 1), ("n", 2), ("new", 1)]);
    let now = adapter.clock.now();
    assert!(facts.iter().all(|facts| facts.stored_at == Some(now)), "{facts:?}");
    assert_eq!(
        (store.list_values("p", 2).await.unwrap(), store.list_values("q", 9).await.unwrap()),
        (facts[..2].to_vec(), vec![])
    );
    assert_eq!(store.increment("p", "gone", 4, None).await, Ok(4));
    store.remove("p", "k").await.unwrap();
    assert_eq!(store.get("p", "k").await.unwrap(), None);
    let long = "k".repeat(MAX_KEY_LENGTH + 1);
    assert_eq!(store.set("p", &long, b"", None).await, Err(PluginStoreError::TooLarge));
    assert_eq!(store.set("p", "v", &vec![0; MAX_VALUE_LENGTH + 1], None).await, Err(PluginStoreError::TooLarge));
    let large = vec![0; MAX_VALUE_LENGTH];
    let mut outcome = Ok(());
    for number in 0..300 {
        outcome = store.set("flood", &number.to_string(), &large, None).await;
        if outcome.is_err() {
            break;
        }
    }
    assert_eq!(outcome, Err(PluginStoreError::Full));
    // A full space of one plugin does not affect another plugin.
    assert_eq!(store.set("p", "v", &large, None).await, Ok(()));
}

pub async fn values_expire_at_their_time(adapter: Adapter) {
    let (store, ttl) = (adapter.open(), Some(Duration::from_secs(10)));
    store.set("p", "k", b"v", ttl).await.unwrap();
    assert_eq!(store.increment("p", "n", 1, ttl).await, Ok(1));
    adapter.clock.advance(9_999);
    assert_eq!(store.get("p", "k").await.unwrap().as_deref(), Some(&b"v"[..]));
    // A counter keeps the time that it was given first.
    assert_eq!(store.increment("p", "n", 1, ttl).await, Ok(2));
    assert_eq!(store.list_keys("p", "", None, 10).await.unwrap(), ["k", "n"]);
    adapter.clock.advance(1);
    assert_eq!(store.get("p", "k").await.unwrap(), None);
    assert_eq!(store.list_keys("p", "", None, 10).await.unwrap(), [""; 0]);
    assert_eq!(store.increment("p", "n", 1, ttl).await, Ok(1));
    assert_eq!(store.compare_and_set("p", "k", Some(b"v"), b"w", None).await, Ok(false));
    assert_eq!(store.compare_and_set("p", "k", None, b"w", None).await, Ok(true));
}

pub async fn counters_lose_nothing(adapter: Adapter) {
    let counting: Vec<_> = (0..4)
        .map(|_| {
            let store = adapter.open();
            tokio::spawn(async move {
                for _ in 0..25 {
                    store.increment("p", "n", 1, None).await.unwrap();
                }
            })
        })
        .collect();
    for task in counting {
        task.await.unwrap();
    }
    assert_eq!(adapter.open().get("p", "n").await.unwrap().as_deref(), Some(&b"100"[..]));
}
