//! A hook that decides about an upload decides about the file that was written, whatever the client does
//! to names before it closes the file (B10-08).

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::files::{FileError, Protocol};
use tidegate_core::hook::events::ActionKind;
use tidegate_core::hook::observation::PostAction;
use tidegate_core::hook::observers::ObserverWork;
use tidegate_core::hook::{Call, Hook, HookDescription, HookError, Link, LinkSettings};
use tidegate_core::ports::StorageFactory;
use tidegate_core::ports::storage::{FileSystem, Location, SetAttributes, TreeDescription};

use super::*;
use crate::{LocalStorageFactory, LocalStorageSettings};

const SFTP: Protocol = Protocol::Sftp;

/// A hook that allows every upload, or none.
#[derive(Default)]
struct Trusting {
    asked: AtomicUsize,
    refuses: AtomicBool,
    /// What is done to names while the hook decides about an upload, and the session that does it.
    meanwhile: Mutex<Option<(Arc<FileService>, &'static str)>>,
}

#[async_trait]
impl Hook<PostAction> for Trusting {
    fn name(&self) -> &str {
        "trusting"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    async fn call(&self, _: &Call, event: &PostAction) -> Result<(), HookError> {
        if event.0.kind == ActionKind::Upload {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some((files, names)) = meanwhile {
            for act in acts(names) {
                assert!(perform(&files, &act).await.is_err(), "{names}");
            }
        }
        match self.refuses.load(Ordering::Relaxed) {
            true => Err(HookError::Failed("not this".into())),
            false => Ok(()),
        }
    }
}

async fn put(files: &Arc<FileService>, name: &str, content: &[u8]) -> Result<(), FileError> {
    let mut file = files.open_write(&path(name), PUT, SFTP).await?;
    file.write_at(0, content).await?;
    file.close().await
}

fn acts(names: &str) -> Vec<Vec<&str>> {
    let acts = names.split(';').filter(|act| !act.is_empty());
    acts.map(|act| act.split_whitespace().collect()).collect()
}

async fn perform(files: &Arc<FileService>, act: &[&str]) -> Result<(), FileError> {
    match *act {
        ["rename", from, to] => files.rename(&path(from), &path(to), true, SFTP).await,
        ["link", from, to] => files.hard_link(&path(from), &path(to), SFTP).await,
        ["remove", name] => files.remove_file(&path(name), SFTP).await,
        ["rmdir", name] => files.remove_directory(&path(name), SFTP).await,
        ["symlink", target, link] => files.create_symlink(target.as_bytes(), &path(link), SFTP).await,
        ["mkdir", name] => files.create_directory(&path(name), None, SFTP).await,
        ["put", name] => put(files, name, b"good").await,
        _ => panic!("{act:?}"),
    }
}

/// A session of an account whose uploads `trusting` decides about, with a file `/d/a`.
async fn fixture_asking(trusting: &Arc<Trusting>, overwrite: OverwriteMode) -> Fixture {
    let hooks = FileHooks { synchronous: vec![ActionKind::Upload], ..no_hooks() };
    hooks.after.chain().replace(vec![Arc::new(Link::new(trusting.clone(), LinkSettings::default()))]);
    let on = fixture_with(r#""permissions":{"/":["*"]}"#, overwrite, hooks).await;
    on.files.create_directory(&path("/d"), None, SFTP).await.unwrap();
    put(&on.files, "/d/a", b"old").await.unwrap();
    trusting.asked.store(0, Ordering::Relaxed);
    on
}

/// Does `names` while an upload to `opened`, which leads to `/d/a`, is open: acts that begin with `!` have to
/// be refused. `kept`: whether the hook is asked about the upload, and the upload stays.
async fn check_at(opened: &str, names: &str, kept: bool) {
    let trusting = Arc::new(Trusting::default());
    let on = fixture_asking(&trusting, OverwriteMode::Standard).await;
    for (target, link) in [("/d", "/to"), ("/d/a", "/file")] {
        on.files.create_symlink(target.as_bytes(), &path(link), SFTP).await.unwrap();
    }
    put(&on.files, "/c", b"good").await.unwrap();
    let mut file = on.files.open_write(&path(opened), PUT, SFTP).await.unwrap();
    file.write_at(0, b"bad").await.unwrap();
    for act in acts(names) {
        let outcome = match act.as_slice() {
            ["!", act @ ..] => perform(&on.files, act).await.map_or(Ok(()), |()| Err(FileError::Denied)),
            act => perform(&on.files, act).await,
        };
        assert_eq!(outcome, Ok(()), "{act:?} of {names}");
    }
    trusting.asked.store(0, Ordering::Relaxed);
    assert_eq!(file.close().await.is_ok(), kept, "{names}");
    assert_eq!(trusting.asked.load(Ordering::Relaxed), usize::from(kept), "{names}");
    let left = snapshot(&*on.storage).await;
    assert_eq!(left.iter().any(|(_, content)| content.contains("bad")), kept, "{names}: {left:?}");
}

async fn check(names: &str, kept: bool) {
    check_at("/d/a", names, kept).await;
}

#[tokio::test]
async fn a_hook_decides_about_no_other_file_than_the_one_that_was_written() {
    // B10-08
    check("", true).await;
    check("put /d/b", true).await;
    check("! link /d/a /b", true).await;
    check("! rename /d/a /b; ! rename /c /d/a", true).await;
    check("! rename /d /e", true).await;
    check("remove /d/a", false).await;
    check("remove /d/a; put /d/a", false).await;
    check("remove /d/a; ! rename /c /d/a; put /d/a", false).await;
    // Opened by a link that the client then points elsewhere: the hook decides about the file that was opened.
    check_at("/file", "", true).await;
    check_at("/file", "remove /file; put /file", true).await;
    check_at("/file", "! rename /d/a /b", true).await;
    check_at("/to/a", "", true).await;
    check_at("/to/a", "mkdir /e; put /e/a; remove /to; symlink /e /to", true).await;
    check_at("/to/a", "! rename /d /e", true).await;
}

#[tokio::test]
async fn refused_content_is_left_under_no_other_name() {
    // B10-08
    for overwrite in [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        for truncate in [false, true] {
            let trusting = Arc::new(Trusting::default());
            let on = fixture_asking(&trusting, overwrite).await;
            on.files.hard_link(&path("/d/a"), &path("/b"), SFTP).await.unwrap();
            let options = OpenOptions { truncate, ..PUT };
            let mut file = on.files.open_write(&path("/d/a"), options, SFTP).await.unwrap();
            file.write_at(0, b"bad").await.unwrap();
            // An upload without a name is another file than the one that has the name.
            let is_named = overwrite == OverwriteMode::Standard;
            for act in acts("rename /d/a /z; remove /d/a; link /d/a /x").iter().filter(|_| is_named) {
                assert!(perform(&on.files, act).await.is_err(), "{act:?}");
            }
            assert!(perform(&on.files, &["rename", "/d", "/e"]).await.is_err(), "{overwrite:?}");
            // The other name is not the upload's.
            on.files.rename(&path("/b"), &path("/y"), false, SFTP).await.unwrap();
            trusting.refuses.store(true, Ordering::Relaxed);
            file.close().await.unwrap_err();
            let left = snapshot(&*on.storage).await;
            assert!(!left.iter().any(|(_, content)| content.contains("bad")), "{overwrite:?} {truncate}: {left:?}");
        }
    }
}

#[tokio::test]
async fn the_atomic_modes_keep_the_old_file_when_a_hook_refuses() {
    // B10-08, A3-16
    let append = OpenOptions { append: true, create: false, truncate: false, ..PUT };
    let inside = OpenOptions { append: false, ..append };
    for overwrite in [OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        for (options, at, expected) in [(append, 0, "old+"), (inside, 1, "o+d"), (PUT, 0, "+")] {
            let trusting = Arc::new(Trusting::default());
            let on = fixture_asking(&trusting, overwrite).await;
            let content = async || {
                let mut bytes = Vec::new();
                let file = on.storage.open(&path("/d/a")).await.unwrap();
                file.read_at(0, 100, &mut bytes).await.unwrap();
                String::from_utf8(bytes).unwrap()
            };
            let written = async || {
                let mut file = on.files.open_write(&path("/d/a"), options, SFTP).await.unwrap();
                file.write_at(at, b"+").await.unwrap();
                assert_eq!(content().await, "old", "{overwrite:?} {options:?}, before the verdict");
                file
            };
            trusting.refuses.store(true, Ordering::Relaxed);
            written().await.close().await.unwrap_err();
            let size = SetAttributes { size: Some(1), ..SetAttributes::default() };
            on.files.set_attributes(&path("/d/a"), &size, true, SFTP).await.unwrap_err();
            assert_eq!(content().await, "old", "{overwrite:?} {options:?}, refused");
            // The client vanishes.
            drop(written().await);
            assert_eq!(content().await, "old", "{overwrite:?} {options:?}, given up");
            trusting.refuses.store(false, Ordering::Relaxed);
            written().await.close().await.unwrap();
            assert_eq!(content().await, expected, "{overwrite:?} {options:?}, accepted");
        }
    }
}

#[tokio::test]
async fn names_on_the_way_to_an_upload_hold_while_a_hook_looks_at_it() {
    // B10-08
    let check = async |overwrite: OverwriteMode, name: &str, meanwhile: &'static str| {
        let trusting = Arc::new(Trusting::default());
        let on = fixture_asking(&trusting, overwrite).await;
        put(&on.files, "/c", b"good").await.unwrap();
        on.files.create_directory(&path("/d/empty"), None, SFTP).await.unwrap();
        *trusting.meanwhile.lock().unwrap() = Some((on.files.clone(), meanwhile));
        put(&on.files, name, b"bad").await.unwrap();
        assert!(trusting.meanwhile.lock().unwrap().is_none());
        let left = snapshot(&*on.storage).await;
        let kept = left.iter().any(|(file, content)| file.starts_with(name) && content == "bad");
        assert!(kept, "{overwrite:?} {name} {meanwhile}: {left:?}");
        // Afterwards the names are free again.
        on.files.rename(&path("/d"), &path("/e"), false, SFTP).await.unwrap();
    };
    check(OverwriteMode::Standard, "/d/a", "rename /d/a /b").await;
    check(OverwriteMode::Standard, "/d/a", "rename /c /d/a; link /d/a /x; rename /d /e").await;
    for overwrite in [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        check(overwrite, "/d/new", "rename /d /e").await;
        check(overwrite, "/d/empty/new", "rmdir /d/empty; rename /d/empty /e; rename /d /e").await;
    }
}

#[tokio::test]
async fn an_upload_is_named_where_its_hook_was_told() {
    // B10-08
    let trusting = Arc::new(Trusting::default());
    let on = fixture_asking(&trusting, OverwriteMode::Atomic).await;
    let mut file = on.files.open_write(&path("/d/b"), PUT, SFTP).await.unwrap();
    file.write_at(0, b"bad").await.unwrap();
    // By a program of the host.
    on.storage.rename(&path("/d"), &path("/e"), false).await.unwrap();
    on.storage.create_directory(&path("/d"), None).await.unwrap();
    assert_eq!(file.close().await, Err(FileError::Denied));
    assert_eq!(trusting.asked.load(Ordering::Relaxed), 0);
    let left = snapshot(&*on.storage).await;
    assert!(!left.iter().any(|(_, content)| content == "bad"), "{left:?}");
}

/// Moves every upload out of the account's files, as a program of the host does.
struct Quarantine(PathBuf);

#[async_trait]
impl Hook<PostAction> for Quarantine {
    fn name(&self) -> &str {
        "quarantine"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    async fn call(&self, _: &Call, event: &PostAction) -> Result<(), HookError> {
        std::fs::rename(&event.0.storage_path, &self.0).map_err(|error| HookError::Failed(error.to_string()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_takes_away_does_not_count() {
    // A10-04
    for overwrite in [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        let directory = tempfile::tempdir().unwrap();
        let home = Location::Directory(directory.path().join("home").display().to_string());
        let root = FileSystem { location: home, account: "u".into(), owner: (0, 0), make_missing: true };
        let settings = LocalStorageSettings { overwrite, ..LocalStorageSettings::default() };
        let description = TreeDescription { root, mounts: Vec::new() };
        let storage = LocalStorageFactory { settings, check: None }.open(&description).await.unwrap();
        let hooks = FileHooks { synchronous: vec![ActionKind::Upload], ..no_hooks() };
        let quarantine = Arc::new(Quarantine(directory.path().join("quarantined")));
        hooks.after.chain().replace(vec![Arc::new(Link::new(quarantine, LinkSettings::default()))]);
        let on = fixture_of(r#""permissions":{"/":["*"]},"quota_files":3"#, storage, hooks).await;
        let keeper = on.keeper.clone();
        let work = tokio::spawn(async move { keeper.work().await });
        for _ in 0..6 {
            put(&on.files, "/f", b"content").await.unwrap();
            // The files are counted a moment later.
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        on.keeper.close();
        work.await.unwrap();
        assert_eq!(on.stored().await, (0, 0), "{overwrite:?}");
    }
}
