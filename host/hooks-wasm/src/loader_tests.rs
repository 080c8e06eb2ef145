//! What is refused because of files that wait for the compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use async_trait::async_trait;
use tidegate_core::memory::MemoryStore;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::Passwords;
use tidegate_core::secret::Secret;
use tidegate_core::turns::Waiter;
use tokio::sync::oneshot;

use crate::claimed_gates::all_gates;
use crate::loader::{PluginDirectory, PluginPorts};
use crate::loading::COMPILERS;
use crate::served_gates::ServedGates;
use crate::signature::TrustedKeys;

struct NoPasswords;

#[async_trait]
impl Passwords for NoPasswords {
    async fn matches(&self, _: Waiter<'_>, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
        Ok(false)
    }

    async fn hash(&self, _: Waiter<'_>, _: &Secret) -> Result<PasswordHash, PasswordError> {
        Err(PasswordError::PoolClosed)
    }
}

fn plugin_directory(path: &Path) -> Arc<PluginDirectory> {
    let ports = PluginPorts {
        passwords: Arc::new(NoPasswords),
        store: Arc::new(MemoryStore::default()),
        authorities: Vec::new(),
        trusted_keys: TrustedKeys::default(),
    };
    let (configured, served) = (BTreeMap::new(), ServedGates::default());
    PluginDirectory::new(path.to_owned(), configured, ports, served, Box::new(|_| {})).unwrap()
}

/// A component that exports an empty instance for each of up to three hooks. It can be compiled, and no more.
fn component(hooks: &[&str]) -> Vec<u8> {
    let mut section = vec![u8::try_from(hooks.len()).unwrap()];
    for hook in hooks {
        let export = format!("tidegate:hooks/{hook}@0.1.0");
        section.extend_from_slice(&[0, u8::try_from(export.len()).unwrap()]);
        section.extend_from_slice(export.as_bytes());
        section.extend_from_slice(&[5, 0, 0]);
    }
    let mut component = b"\0asm\x0d\0\x01\0\x05\x03\x01\x01\0\x0b".to_vec();
    component.push(u8::try_from(section.len()).unwrap());
    component.extend(section);
    component
}

/// Puts a file into the directory in one step.
fn put(directory: &Path, name: &str, content: &[u8]) {
    let beside = directory.join("part");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(beside, directory.join(name)).unwrap();
}

/// Takes all places of the compiler, until what is returned is dropped.
async fn occupy_compilers(plugins: &PluginDirectory) -> Vec<Sender<()>> {
    let mut held = Vec::new();
    for _ in 0..COMPILERS {
        let (release, wait) = channel();
        let (begins, begun) = oneshot::channel();
        let compilers = plugins.loading.compilers.clone();
        let work = move || {
            let _ = begins.send(());
            let _ = wait.recv();
        };
        tokio::spawn(async move { compilers.run(work).await });
        begun.await.unwrap();
        held.push(release);
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_of_files_refuse_while_they_wait_for_the_compiler() {
    // G-01
    let directory = tempfile::tempdir().unwrap();
    let (path, plugins) = (directory.path(), plugin_directory(directory.path()));
    plugins.refresh().await;
    let held = occupy_compilers(&plugins).await;
    let closed = |name: &str| {
        let found = plugins.plugins().into_iter().find(|plugin| plugin.name == name);
        found.map(|plugin| plugin.closed_gates).unwrap_or_default()
    };
    let check = |name: &str, expected: &[&str]| assert_eq!(closed(name), expected, "{name}");
    let every_gate: Vec<_> = all_gates().iter().map(|kind| kind.as_str()).collect();
    // Several at once. Observers decide nothing, and other files are no plugins.
    put(path, "auth.wasm", &component(&["external-auth"]));
    put(path, "policy.wasm", &component(&["pre-action", "post-action"]));
    put(path, "observer.wasm", &component(&["post-login"]));
    put(path, ".hidden.wasm", &component(&["connect"]));
    put(path, "other.wasm.part", &component(&["connect"]));
    let mut tasks = plugins.look().await;
    check("auth", &["external-auth"]);
    check("policy", &["pre-action"]);
    check("observer", &[]);
    let names: BTreeSet<_> = plugins.plugins().into_iter().map(|plugin| plugin.name).collect();
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ["auth", "observer", "policy"]);
    // Another file comes while the first one still waits for the compiler.
    put(path, "auth.wasm", &component(&["connect", "external-auth"]));
    tasks.extend(plugins.look().await);
    check("auth", &["connect", "external-auth"]);
    // One that is half-copied.
    let whole = component(&["connect", "check-password"]);
    put(path, "auth.wasm", &whole[..whole.len() / 2]);
    tasks.extend(plugins.look().await);
    check("auth", &every_gate);
    check("policy", &["pre-action"]);
    // One that was never in service leaves nothing behind.
    std::fs::remove_file(path.join("policy.wasm")).unwrap();
    tasks.extend(plugins.look().await);
    check("policy", &[]);
    put(path, "auth.wasm", &whole);
    tasks.extend(plugins.look().await);
    assert!(closed("auth").contains(&"connect") && closed("auth").contains(&"check-password"), "{:?}", closed("auth"));
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    // It cannot be loaded, and claims what the last file exports.
    check("auth", &["connect", "check-password"]);
    check("policy", &[]);
    check("observer", &[]);
    // The same file again makes no difference.
    put(path, "auth.wasm", &whole);
    plugins.refresh().await;
    check("auth", &["connect", "check-password"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn names_that_were_read_earlier_replace_no_later_ones() {
    // G-07
    let directory = tempfile::tempdir().unwrap();
    let plugins = plugin_directory(directory.path());
    let mut looks = tokio::task::JoinSet::new();
    for task in 0..4 {
        let (path, plugins) = (directory.path().to_owned(), plugins.clone());
        looks.spawn(async move {
            for round in 0..8 {
                let name = format!("plugin-{task}-{round}");
                std::fs::write(path.join(format!("{name}.wasm")), "no component").unwrap();
                plugins.look().await;
                assert!(plugins.lock().is_present(&name), "{name}");
            }
        });
    }
    while let Some(ended) = looks.join_next().await {
        ended.unwrap();
    }
}
