//! Renames between file systems of every kind, and how they count.

use std::pin::Pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::files::{FileError, Protocol};
use tidegate_core::hook::observation::PostAction;
use tidegate_core::hook::{Call, Hook, HookDescription, HookError, Link, LinkSettings};
use tidegate_core::ports::FOLDERS;
use tidegate_core::ports::storage::{FileSystem, Location, SetAttributes};

use super::*;
use crate::mounted::{FileSystems, Mount, MountedStorage};
use crate::{LocalStorageFactory, LocalStorageSettings};

const SFTP: Protocol = Protocol::Sftp;
const MIB: usize = 1 << 20;
/// A file system on the host, one in memory, and one that takes files from the first byte to the last.
const KINDS: [&str; 3] = ["local", "memory", "in sequence"];
/// The quota of the folder: its own, its own without limits, or the account's.
const OWN: &str = r#""quota_size":0,"quota_files":0"#;
const SMALL: &str = r#""quota_size":50,"quota_files":2"#;
const OF_ACCOUNT: &str = r#""quota_size":-1,"quota_files":-1"#;

struct Tree {
    on: Fixture,
    _directories: Vec<tempfile::TempDir>,
}

async fn storage(kind: &str, overwrite: OverwriteMode, directories: &mut Vec<tempfile::TempDir>) -> Arc<dyn Storage> {
    let random_writes = kind != "in sequence";
    let settings = MemoryStorageSettings { overwrite, random_writes, ..MemoryStorageSettings::default() };
    if kind != "local" {
        return Arc::new(MemoryStorage::new(settings));
    }
    let directory = tempfile::tempdir().unwrap();
    let location = Location::Directory(directory.path().display().to_string());
    directories.push(directory);
    let settings = LocalStorageSettings { overwrite, ..LocalStorageSettings::default() };
    let factory = LocalStorageFactory { settings, check: None };
    factory.open_one(&FileSystem { location, account: "u".into(), owner: (0, 0), make_missing: true }).await.unwrap()
}

/// A home of the first kind with a folder of the second one at `/m`, and a quota of 100 bytes and four files.
async fn tree(kinds: (&str, &str), overwrite: OverwriteMode, quota: &str, hooks: FileHooks) -> Tree {
    tree_of(kinds, overwrite, 100, quota, hooks).await
}

async fn tree_of(
    (home, folder): (&str, &str),
    overwrite: OverwriteMode,
    bytes: usize,
    quota: &str,
    hooks: FileHooks,
) -> Tree {
    let mut directories = Vec::new();
    let home = storage(home, overwrite, &mut directories).await;
    let mounts = vec![Mount { at: path("/m"), storage: storage(folder, overwrite, &mut directories).await }];
    let fields = format!(
        r#""permissions":{{"/":["*"]}},"quota_size":{bytes},"quota_files":4,
        "virtual_folders":[{{"name":"f","virtual_path":"/m","mapped_path":"/f",{quota}}}]"#
    );
    let on = fixture_of(&fields, Arc::new(MountedStorage::new(home, mounts)), hooks).await;
    let document = [("mapped_path".to_owned(), "/f".into())].into_iter().collect();
    let (collection, name, write) = (&FOLDERS, "f".to_owned(), Write::Add(document));
    on.store.commit(vec![Change { collection, name, write, announce: false, audit: None }]).await.unwrap();
    on.store.replace_usage(&Scope::Folder("f".into()), UsedQuota::default(), 1).await.unwrap();
    Tree { on, _directories: directories }
}

impl Tree {
    async fn put(&self, name: &str, content: &[u8]) -> Result<(), FileError> {
        let mut file = self.on.files.open_write(&path(name), PUT, SFTP).await?;
        file.write_at(0, content).await?;
        file.close().await
    }

    async fn rename(&self, from: &str, to: &str, replace: bool) -> Result<(), FileError> {
        self.on.files.rename(&path(from), &path(to), replace, SFTP).await
    }

    /// The files, each with its content.
    async fn files(&self) -> String {
        let mut found = snapshot(&*self.on.storage).await;
        found.retain(|(_, content)| content != "directory");
        let line = |(name, content): &(String, String)| format!("{}={content}", name.split(' ').next().unwrap());
        found.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    /// Bytes and files of the account and of the folder; the ledgers, the store and scans must agree.
    async fn used(&self) -> [(i64, i64); 2] {
        let mut used = [(0, 0); 2];
        for (used, (scope, at)) in
            used.iter_mut().zip([(Scope::Account("u".into()), "/"), (Scope::Folder("f".into()), "/m")])
        {
            self.on.keeper.finish().await;
            let stored = self.on.store.find(scope.collection(), scope.name()).await.unwrap().unwrap();
            let number = |field: &str| stored.document.get(field).and_then(|number| number.as_i64()).unwrap_or(0);
            *used = (number("used_quota_size"), number("used_quota_files"));
            let tree = ScanTree::around(&self.on.files.account(), self.on.storage.clone(), &path(at));
            let found = self.on.keeper.scan(&scope, tree).await.unwrap().found;
            if at == "/" || !self.folder_is_of_account() {
                assert_eq!(*used, (found.size, found.files), "stored, and found by a scan of {scope}");
            }
        }
        used
    }

    fn folder_is_of_account(&self) -> bool {
        tidegate_core::quota::limits_of(&self.on.files.account(), &path("/m")).size.most() == Some(100)
    }
}

fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.into_iter().flat_map(|home| KINDS.into_iter().map(move |folder| (home, folder)))
}

/// Checks what `scenario` leaves behind between each pair of kinds, in each mode. `used`: by the account and by the
/// folder.
async fn check(quota: &str, scenario: impl AsyncFn(&Tree), files: &str, used: [(i64, i64); 2]) {
    for kinds in pairs() {
        for overwrite in [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
            let tree = tree(kinds, overwrite, quota, no_hooks()).await;
            scenario(&tree).await;
            assert_eq!(tree.files().await, files, "{kinds:?} {overwrite:?}");
            assert_eq!(tree.used().await, used, "{kinds:?} {overwrite:?}");
        }
    }
}

#[tokio::test]
async fn a_file_moves_and_counts_where_it_is() {
    // C5-03, A10-05
    let out = async |tree: &Tree| {
        tree.put("/a", b"12345").await.unwrap();
        tree.rename("/a", "/m/b", false).await.unwrap();
    };
    check(OWN, out, "/m/b=12345", [(0, 0), (5, 1)]).await;
    check(OF_ACCOUNT, out, "/m/b=12345", [(5, 1), (0, 0)]).await;
    let back = async |tree: &Tree| {
        tree.put("/m/a", b"12345").await.unwrap();
        tree.rename("/m/a", "/b", false).await.unwrap();
    };
    check(OWN, back, "/b=12345", [(5, 1), (0, 0)]).await;
    check(OF_ACCOUNT, back, "/b=12345", [(5, 1), (0, 0)]).await;
}

#[tokio::test]
async fn what_has_the_name_is_replaced_or_refuses() {
    // C5-03
    let two = async |tree: &Tree| {
        tree.put("/a", b"12345").await.unwrap();
        tree.put("/m/b", b"old").await.unwrap();
    };
    let replacing = async |tree: &Tree| {
        two(tree).await;
        tree.rename("/a", "/m/b", true).await.unwrap();
    };
    check(OWN, replacing, "/m/b=12345", [(0, 0), (5, 1)]).await;
    check(OF_ACCOUNT, replacing, "/m/b=12345", [(5, 1), (0, 0)]).await;
    let refused = async |tree: &Tree| {
        two(tree).await;
        tree.rename("/a", "/m/b", false).await.unwrap_err();
        tree.rename("/none", "/m/c", false).await.unwrap_err();
        tree.rename("/a", "/m/none/c", false).await.unwrap_err();
        tree.rename("/a", "/m", true).await.unwrap_err();
    };
    check(OWN, refused, "/a=12345 /m/b=old", [(5, 1), (3, 1)]).await;
}

#[tokio::test]
async fn the_quota_of_the_target_decides() {
    // A10-02
    let exceeded = |outcome: Result<(), FileError>| assert!(matches!(outcome, Err(FileError::QuotaExceeded(_))));
    let too_large = async |tree: &Tree| {
        tree.put("/a", &[b'x'; 51]).await.unwrap();
        exceeded(tree.rename("/a", "/m/a", false).await);
    };
    check(SMALL, too_large, &format!("/a={}", "x".repeat(51)), [(51, 1), (0, 0)]).await;
    let too_many = async |tree: &Tree| {
        for name in ["/a", "/m/b", "/m/c"] {
            tree.put(name, b"1").await.unwrap();
        }
        exceeded(tree.rename("/a", "/m/a", false).await);
        tree.rename("/a", "/m/b", true).await.unwrap();
    };
    check(SMALL, too_many, "/m/b=1 /m/c=1", [(0, 0), (2, 2)]).await;
    // Within one quota no second file has to fit.
    let within = async |tree: &Tree| {
        tree.put("/a", &[b'x'; 90]).await.unwrap();
        tree.rename("/a", "/m/a", false).await.unwrap();
    };
    check(OF_ACCOUNT, within, &format!("/m/a={}", "x".repeat(90)), [(90, 1), (0, 0)]).await;
}

#[tokio::test]
async fn directories_move_as_the_setting_says() {
    // A16-04
    for (kinds, limit) in pairs().flat_map(|kinds| [0, 3, 4].map(|limit| (kinds, limit))) {
        let mut tree = tree(kinds, OverwriteMode::Standard, OWN, no_hooks()).await;
        tree.on.files = with_limit(&tree.on, limit);
        for directory in ["/d", "/d/e", "/empty"] {
            tree.on.files.create_directory(&path(directory), None, SFTP).await.unwrap();
        }
        tree.put("/d/a", b"12").await.unwrap();
        tree.put("/d/e/b", b"345").await.unwrap();
        tree.rename("/empty", "/m/empty", false).await.unwrap();
        let moved = tree.rename("/d", "/m/d", false).await;
        // The directory `e` counts as well.
        match kinds == ("local", "local") || limit >= 3 {
            true => {
                moved.unwrap();
                assert_eq!(tree.files().await, "/m/d/a=12 /m/d/e/b=345", "{kinds:?} {limit}");
                assert!(tree.on.storage.metadata(&path("/d")).await.is_err(), "{kinds:?} {limit}");
                assert_eq!(tree.used().await, [(0, 0), (5, 2)], "{kinds:?} {limit}");
            }
            false => {
                assert!(matches!(&moved, Err(FileError::Unsupported(_))), "{kinds:?} {limit}: {moved:?}");
                assert_eq!(tree.files().await, "/d/a=12 /d/e/b=345", "{kinds:?} {limit}");
                assert_eq!(tree.used().await, [(5, 2), (0, 0)], "{kinds:?} {limit}");
            }
        }
    }
}

fn with_limit(on: &Fixture, rename_limit: usize) -> Arc<FileService> {
    let context = FileContext {
        policy: SetAttributesPolicy::Apply,
        rename_limit,
        hooks: Arc::new(no_hooks()),
        quotas: on.keeper.clone(),
        held_names: Arc::default(),
        metrics: Arc::new(Metrics::default()),
        log: Arc::new(NoFileLog),
    };
    FileService::for_tests(on.files.session().clone(), on.storage.clone(), Arc::new(context))
}

#[tokio::test]
async fn what_breaks_off_or_is_in_the_way_loses_nothing() {
    // C5-03
    let content = vec![b'x'; MIB];
    for act in ["drop", "name taken", "file shrinks", "file is replaced", "file is rewritten", "nothing"] {
        let kinds = ("local", "memory");
        let tree = tree_of(kinds, OverwriteMode::AtomicWithResume, 4 * MIB, OWN, no_hooks()).await;
        tree.put("/a", &content).await.unwrap();
        let (files, from, to) = (tree.on.files.clone(), path("/a"), path("/m/b"));
        let mut rename = Box::pin(async move { files.rename(&from, &to, false, SFTP).await });
        for _ in 0..2 {
            assert!(is_pending(&mut rename).await, "{act}");
        }
        assert!(tree.on.storage.metadata(&path("/m/b")).await.is_err(), "{act}");
        let size = MIB as i64;
        let storage = tree.on.storage.clone();
        let written = async |name: &str, content: &[u8]| {
            let file = storage.open_in_place(&path(name), PUT).await.unwrap();
            file.write_at(0, content).await.unwrap();
        };
        let used = match act {
            "drop" => [(size, 1), (0, 0)],
            "name taken" => {
                tree.put("/m/b", b"other").await.unwrap();
                [(size, 1), (5, 1)]
            }
            "file shrinks" => {
                let shorter = SetAttributes { size: Some(7), ..Default::default() };
                tree.on.files.set_attributes(&path("/a"), &shorter, true, SFTP).await.unwrap();
                [(7, 1), (0, 0)]
            }
            "file is replaced" => {
                storage.remove_file(&path("/a")).await.unwrap();
                written("/a", b"other").await;
                [(5, 1), (0, 0)]
            }
            // It has its size, and its time in seconds.
            "file is rewritten" => {
                let before = storage.metadata(&path("/a")).await.unwrap();
                written("/a", &vec![b'y'; MIB]).await;
                let times = Some((before.accessed, before.modified));
                let times = SetAttributes { times, ..Default::default() };
                storage.set_attributes(&path("/a"), &times, true).await.unwrap();
                [(size, 1), (0, 0)]
            }
            _ => [(0, 0), (size, 1)],
        };
        match act {
            "drop" => drop(rename),
            "nothing" => rename.await.unwrap(),
            _ => drop(rename.await.unwrap_err()),
        }
        let is_there = async |name: &str| tree.on.storage.metadata(&path(name)).await.is_ok();
        assert_eq!(is_there("/a").await, act != "nothing", "{act}");
        assert_eq!(is_there("/m/b").await, ["name taken", "nothing"].contains(&act), "{act}");
        if act == "file is replaced" {
            // Something other than the server has replaced it.
            continue;
        }
        assert_eq!(tree.used().await, used, "{act}");
    }
}

async fn is_pending<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context).is_pending())).await
}

#[tokio::test]
async fn a_file_that_is_written_stays() {
    // C5-03
    for quota in [OWN, OF_ACCOUNT] {
        let tree = tree(("local", "memory"), OverwriteMode::Standard, quota, no_hooks()).await;
        let mut file = tree.on.files.open_write(&path("/a"), PUT, SFTP).await.unwrap();
        file.write_at(0, b"12").await.unwrap();
        tree.rename("/a", "/m/a", false).await.unwrap_err();
        file.write_at(2, b"345").await.unwrap();
        file.close().await.unwrap();
        tree.rename("/a", "/m/a", false).await.unwrap();
        assert_eq!(tree.files().await, "/m/a=12345", "{quota}");
    }
}

/// Records what it is told.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

#[async_trait]
impl Hook<PostAction> for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    async fn call(&self, _: &Call, event: &PostAction) -> Result<(), HookError> {
        let action = &event.0;
        let target = action.target.as_ref().map(|path| path.display().into_owned());
        let line = format!("{} {} {}", action.kind.as_str(), action.path.display(), target.unwrap_or_default());
        self.0.lock().unwrap().push(line);
        Ok(())
    }
}

#[tokio::test]
async fn hooks_see_one_rename() {
    // C5-03
    use tidegate_core::hook::events::ActionKind;
    for kinds in pairs() {
        let recorder = Arc::new(Recorder::default());
        let synchronous = vec![ActionKind::Upload, ActionKind::Rename, ActionKind::Delete, ActionKind::Copy];
        let hooks = FileHooks { synchronous, ..no_hooks() };
        hooks.after.chain().replace(vec![Arc::new(Link::new(recorder.clone(), LinkSettings::default()))]);
        let tree = tree(kinds, OverwriteMode::Atomic, OWN, hooks).await;
        tree.put("/a", b"12345").await.unwrap();
        tree.rename("/a", "/m/b", false).await.unwrap();
        let told = std::mem::take(&mut *recorder.0.lock().unwrap());
        assert_eq!(told, ["upload /a ", "rename /a /m/b"], "{kinds:?}");
    }
}
