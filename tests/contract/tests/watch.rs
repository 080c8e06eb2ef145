//! The watch on the plugin directory, where our own work fails, and what refuses because of new files.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_contract::adapters::plugin_directory;
use tidegate_core::hook::{Family, HookKind};
use tidegate_hooks_wasm::{PluginDirectory, PluginInfo};
use tidegate_tests::tools;
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
            let is_read = |plugin: &PluginInfo| {
                plugin.name == name && plugin.error.as_ref().is_some_and(|error| error.contains("not WebAssembly"))
            };
            while !plugins.plugins().iter().any(is_read) {
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
        // Long enough for others to come meanwhile.
        (0..20).for_each(|_| drop(std::fs::metadata("/")));
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

/// What was known of the plugin `new` at each change. The first comes before the file is loaded.
type Told = Arc<Mutex<Vec<PluginInfo>>>;

fn new_plugin(directory: &PluginDirectory) -> Option<PluginInfo> {
    directory.plugins().into_iter().find(|plugin| plugin.name == "new")
}

fn followed(path: &Path) -> (Arc<PluginDirectory>, Told) {
    let told = Told::default();
    let all = told.clone();
    let on_change = move |directory: &PluginDirectory| all.lock().unwrap().extend(new_plugin(directory));
    (plugin_directory(path.to_owned(), Box::new(on_change)).unwrap(), told)
}

fn first(told: &Told) -> PluginInfo {
    told.lock().unwrap().first().cloned().unwrap()
}

/// Puts a file into the directory in one step.
fn put(directory: &Path, name: &str, content: &[u8]) {
    let beside = directory.join("part");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(beside, directory.join(name)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gates_of_a_new_file_refuse_until_it_is_in_service() {
    // G-01
    let guest = |name: &str| std::fs::read(tools::guest(name)).unwrap();
    let (gate, observer) = (guest("json-users"), guest("audit-syslog"));
    let gates = HookKind::ALL.into_iter().filter(|kind| kind.family() == Family::Gate);
    let every_gate: Vec<_> = gates.map(HookKind::as_str).collect();
    let none: &[&'static str] = &[];
    for (what, content, meanwhile, at_last) in [
        ("a gate", &gate[..], &["external-auth"][..], none),
        ("an observer", &observer, none, none),
        ("half a file", &gate[..gate.len() / 2], &every_gate, &every_gate),
        ("an empty file", b"", &every_gate, &every_gate),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (plugins, told) = followed(directory.path());
        plugins.refresh().await;
        put(directory.path(), "new.wasm", content);
        plugins.refresh().await;
        let set = |gates: &[&'static str]| gates.iter().copied().collect::<BTreeSet<_>>();
        let (before, after) = (first(&told), new_plugin(&plugins).unwrap());
        assert!(before.digest.is_none() && set(&before.closed_gates) == set(meanwhile), "{what}: {before:?}");
        assert_eq!(set(&after.closed_gates), set(at_last), "{what}: {after:?}");
        // At no time before it was in service was the gate open.
        let is_open = |plugin: &PluginInfo| plugin.digest.is_none() && set(&plugin.closed_gates) != set(meanwhile);
        assert!(!told.lock().unwrap().iter().any(is_open), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_in_service_goes_on_while_a_newer_one_is_loaded() {
    // G-01, G-07: the gate of the newer one is not asked before it is in service.
    let directory = tempfile::tempdir().unwrap();
    let guest = |name: &str| std::fs::read(tools::guest(name)).unwrap();
    let (plugins, told) = followed(directory.path());
    put(directory.path(), "new.wasm", &guest("upload-policy"));
    plugins.refresh().await;
    let older = new_plugin(&plugins).unwrap();
    assert!(older.digest.is_some() && older.closed_gates.is_empty(), "{older:?}");
    told.lock().unwrap().clear();
    put(directory.path(), "new.wasm", &guest("json-users"));
    plugins.refresh().await;
    assert_eq!(first(&told), older);
    let newer = new_plugin(&plugins).unwrap();
    assert_eq!((&newer.hooks[..], &newer.closed_gates[..]), (&["external-auth"][..], &["pre-action"][..]));
}
