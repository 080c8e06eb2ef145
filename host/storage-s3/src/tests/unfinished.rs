//! What a killed server has left of uploads.

use super::*;
use crate::tests::store::Parts;

const NOON: &str = "2026-11-29T12:00:00.000Z";
/// Noon in milliseconds since 1970.
const AT_NOON: i64 = 1_795_953_600_000;

fn leave(store: &Store, uploads: &[(&str, &str)]) {
    let mut content = store.content.lock().unwrap();
    for (number, (key, initiated)) in uploads.iter().enumerate() {
        let parts = Parts { key: (*key).to_owned(), initiated: (*initiated).to_owned(), ..Parts::default() };
        content.uploads.insert(format!("id {number:03}"), parts);
    }
}

fn left(store: &Store) -> Vec<String> {
    let mut keys: Vec<_> = store.content.lock().unwrap().uploads.values().map(|parts| parts.key.clone()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn old_unfinished_uploads_below_the_prefix_are_aborted() {
    let (store, storage) = started().await;
    leave(
        &store,
        &[("home/a b+ä", NOON), ("home/a b+ä", NOON), ("home/d/e", NOON), ("homeless", NOON), ("other", NOON)],
    );
    leave(&store, &[]);
    assert_eq!(storage.sweep(AT_NOON).await.unwrap(), tidegate_core::ports::storage::Swept { aborted: 0, left: 3 });
    assert_eq!(store.unfinished(), 5);
    let swept = storage.sweep(AT_NOON + 1).await.unwrap();
    assert_eq!((swept.aborted, swept.left), (3, 0));
    assert_eq!(left(&store), ["homeless", "other"]);
}

#[tokio::test]
async fn those_of_an_unknown_time_are_left() {
    let (store, storage) = started().await;
    leave(&store, &[("home/f", ""), ("home/g", NOON)]);
    let swept = storage.sweep(i64::MAX).await.unwrap();
    assert_eq!((swept.aborted, swept.left, left(&store)), (1, 1, vec!["home/f".to_owned()]));
}

#[tokio::test]
async fn they_are_listed_page_by_page() {
    let (store, storage) = started().await;
    store.content.lock().unwrap().page = 2;
    let keys: Vec<_> = (0..7).map(|number| format!("home/{number}")).collect();
    leave(&store, &keys.iter().map(|key| (key.as_str(), NOON)).collect::<Vec<_>>());
    let swept = storage.sweep(AT_NOON + 1).await.unwrap();
    assert_eq!((swept.aborted, store.unfinished()), (7, 0));
}

#[tokio::test]
async fn what_the_store_refuses_is_said() {
    let (store, storage) = started().await;
    leave(&store, &[("home/f", NOON)]);
    for (failing, status, expected) in [
        ("unfinished", 403, StorageErrorKind::PermissionDenied),
        ("unfinished", 501, StorageErrorKind::Unsupported),
        ("abort", 500, StorageErrorKind::Other),
    ] {
        store.content.lock().unwrap().failing = Some((failing, status));
        let refused = storage.sweep(i64::MAX).await.unwrap_err();
        assert_eq!(refused.kind, expected, "{failing} {status}");
        assert_eq!(refused.message.contains("cannot list unfinished uploads"), status == 501, "{}", refused.message);
        assert_eq!(store.unfinished(), 1);
    }
    // It was completed or aborted meanwhile.
    store.content.lock().unwrap().failing = Some(("abort", 404));
    assert_eq!(storage.sweep(i64::MAX).await.unwrap().aborted, 1);
}
