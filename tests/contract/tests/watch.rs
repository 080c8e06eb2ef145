//! The watch on the plugin directory, where our own work fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tidegate_contract::adapters::plugin_directory;
use tokio::sync::Notify;

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_goes_on_after_a_panic() {
    let directory = tempfile::tempdir().unwrap();
    // So many of the next changes end in a panic.
    let (panics, changed) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (left, told) = (panics.clone(), changed.clone());
    let on_change = move |_: &_| {
        told.notify_one();
        let is_left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        assert!(!is_left, "on purpose");
    };
    let plugins = plugin_directory(directory.path().to_owned(), Box::new(on_change)).unwrap();
    let watch = plugins.watch().unwrap();
    plugins.refresh().await;
    for (name, count) in [("first", 1), ("second", 2)] {
        panics.store(count, Ordering::SeqCst);
        std::fs::write(directory.path().join(format!("{name}.wasm")), "no component").unwrap();
        let noticed = async {
            while !plugins.plugins().iter().any(|plugin| plugin.name == name && plugin.error.is_some()) {
                changed.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), noticed).await.unwrap();
    }
    assert!(!watch.is_finished());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_are_followed_one_after_the_other() {
    // G-07: links that were made of an older look must not replace newer ones.
    let directory = tempfile::tempdir().unwrap();
    let (is_under_way, overlaps) = (AtomicBool::new(false), Arc::new(AtomicUsize::new(0)));
    let counted = overlaps.clone();
    let on_change = move |_: &_| {
        if is_under_way.swap(true, Ordering::SeqCst) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        (0..20).for_each(|_| std::thread::yield_now());
        is_under_way.store(false, Ordering::SeqCst);
    };
    let plugins = plugin_directory(directory.path().to_owned(), Box::new(on_change)).unwrap();
    let mut looks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let plugins = plugins.clone();
        looks.spawn(async move {
            for _ in 0..50 {
                plugins.refresh().await;
            }
        });
    }
    while let Some(ended) = looks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(overlaps.load(Ordering::SeqCst), 0);
}
