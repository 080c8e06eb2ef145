//! Hooks with selectors for directories: no spelling of a path avoids them, and no other hook is asked.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::files::{CopyRange, FileError, Protocol};
use tidegate_core::hook::events::ActionKind;
use tidegate_core::hook::observation::PostAction;
use tidegate_core::hook::review::{PreAction, Review};
use tidegate_core::hook::{
    Call, Chain, Denial, Hook, HookDescription, HookError, Link, LinkSettings, OnError, Selector,
};
use tidegate_core::ports::storage::SetAttributes;

use super::*;

const SFTP: Protocol = Protocol::Sftp;

/// A hook that records what it is asked, and denies. As an observer it records what it is told.
#[derive(Default)]
struct Watcher(Mutex<Vec<String>>);

impl Watcher {
    fn description() -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl Hook<PreAction> for Watcher {
    fn name(&self) -> &str {
        "watcher"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        Self::description()
    }
    async fn call(&self, _: &Call, event: &PreAction) -> Result<Review, HookError> {
        self.0.lock().unwrap().push(format!("asked {}", event.0.kind.as_str()));
        Ok(Review::Deny(Denial::new("watched")))
    }
}

#[async_trait]
impl Hook<PostAction> for Watcher {
    fn name(&self) -> &str {
        "watcher"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        Self::description()
    }
    async fn call(&self, _: &Call, event: &PostAction) -> Result<(), HookError> {
        self.0.lock().unwrap().push(format!("told {}", event.0.kind.as_str()));
        Err(HookError::Failed("watched".into()))
    }
}

fn link<E: tidegate_core::hook::HookEvent>(hook: &Arc<Watcher>, paths: &[&str]) -> Arc<Link<E>>
where
    Watcher: Hook<E>,
{
    Arc::new(Link::new(hook.clone(), link_settings(paths)))
}

fn link_settings(paths: &[&str]) -> LinkSettings {
    let selector = Selector { paths: paths.iter().map(|text| path(text)).collect(), ..Selector::default() };
    LinkSettings { selector, on_error: OnError::Deny, ..LinkSettings::default() }
}

/// What a client does to `name`, and the action as which hooks see it.
#[derive(Debug, Clone, Copy)]
enum Doing {
    Download,
    Upload,
    Resize,
    Delete,
    RenameAway,
    RenameHere,
    LinkAway,
    LinkHere,
    Symlink,
    SymlinkTo,
    Mkdir,
    Rmdir,
    CopyAway,
    Command,
}

impl Doing {
    const ALL: [(Self, ActionKind); 14] = [
        (Self::Download, ActionKind::Download),
        (Self::Upload, ActionKind::Upload),
        (Self::Resize, ActionKind::Upload),
        (Self::Delete, ActionKind::Delete),
        (Self::RenameAway, ActionKind::Rename),
        (Self::RenameHere, ActionKind::Rename),
        (Self::LinkAway, ActionKind::Copy),
        (Self::LinkHere, ActionKind::Copy),
        (Self::Symlink, ActionKind::Copy),
        (Self::SymlinkTo, ActionKind::Copy),
        (Self::Mkdir, ActionKind::Mkdir),
        (Self::Rmdir, ActionKind::Rmdir),
        (Self::CopyAway, ActionKind::Copy),
        (Self::Command, ActionKind::SshCommand),
    ];

    async fn run(self, files: &Arc<FileService>, directory: &str) -> Result<(), FileError> {
        let at = |name: &str| path(&format!("{directory}/{name}"));
        let free = |name: &str| path(&format!("/free/{name}"));
        match self {
            Self::Download => files.open_read(&at("f"), SFTP).await.map(drop),
            Self::Upload => files.open_write(&at("f"), PUT, SFTP).await?.close().await,
            Self::Resize => {
                let size = SetAttributes { size: Some(1), ..SetAttributes::default() };
                files.set_attributes(&at("f"), &size, true, SFTP).await
            }
            Self::Delete => files.remove_file(&at("f"), SFTP).await,
            Self::RenameAway => files.rename(&at("f"), &free("new"), false, SFTP).await,
            Self::RenameHere => files.rename(&free("f"), &at("new"), false, SFTP).await,
            Self::LinkAway => files.hard_link(&at("f"), &free("new"), SFTP).await,
            Self::LinkHere => files.hard_link(&free("f"), &at("new"), SFTP).await,
            Self::Symlink => files.create_symlink(b"x", &at("new"), SFTP).await,
            Self::SymlinkTo => files.create_symlink(at("f").as_bytes(), &free("new"), SFTP).await,
            Self::Mkdir => files.create_directory(&at("new"), None, SFTP).await,
            Self::Rmdir => files.remove_directory(&at("d"), SFTP).await,
            Self::CopyAway => {
                let mut source = files.open_read(&at("f"), SFTP).await?;
                let mut target = files.open_write(&free("new"), PUT, SFTP).await?;
                let all = CopyRange { from: 0, length: 0, to: 0 };
                files.copy(&mut source, &mut target, all, SFTP).await.map(drop)
            }
            Self::Command => files.review_ssh_command("md5sum", &at("f"), None).await,
        }
    }
}

async fn with_watched(storage: &dyn Storage) {
    for directory in ["/watched", "/watched/d", "/free", "/free/d"] {
        storage.create_directory(&path(directory), None).await.unwrap();
    }
    for file in ["/watched/f", "/free/f"] {
        storage.open_in_place(&path(file), PUT).await.unwrap();
    }
    for (text, link) in [("watched", "/alias"), ("../alias/.", "/free/far"), ("free", "/other")] {
        storage.create_symlink(text.as_bytes(), &path(link)).await.unwrap();
    }
}

const RULES: [&str; 2] = [r#""permissions":{"/":["*"]}"#, r#""permissions":{"/":["*"],"/elsewhere":["list"]}"#];

#[tokio::test]
async fn no_link_leads_around_a_hook_that_is_asked() {
    // B10-13
    let check = async |watched: &str, written: &str, is_asked: bool| {
        for rules in RULES {
            for (doing, kind) in Doing::ALL {
                let watcher = Arc::new(Watcher::default());
                let before = Arc::new(Chain::new(Arc::default(), vec![link::<PreAction>(&watcher, &[watched])]));
                let on = fixture_with(rules, OverwriteMode::Standard, FileHooks { before, ..no_hooks() }).await;
                with_watched(&*on.storage).await;
                let outcome = doing.run(&on.files, written).await;
                let context = format!("{doing:?} in {written} with {watched} watched, {rules}: {outcome:?}");
                let asked = watcher.take();
                match is_asked {
                    // A copy asks about its download first.
                    true if matches!(doing, Doing::CopyAway) => assert_eq!(asked, ["asked download"], "{context}"),
                    true => assert_eq!(asked, [format!("asked {}", kind.as_str())], "{context}"),
                    false => assert!(asked.is_empty(), "{context}"),
                }
                assert_eq!(outcome.is_err(), is_asked, "{context}");
            }
        }
    };
    for written in ["/watched", "/alias", "/free/far", "/free/../alias"] {
        check("/watched", written, true).await;
    }
    check("/watched", "/free", false).await;
    check("/watched", "/other", false).await;
    // The link itself is watched, whatever it leads to.
    check("/alias", "/alias", true).await;
    check("/alias", "/watched", false).await;
}

#[tokio::test]
async fn no_link_leads_around_a_hook_that_decides_at_the_end() {
    // B10-08, B10-13
    for rules in RULES {
        for written in ["/watched/new", "/alias/new", "/free/far/new"] {
            let watcher = Arc::new(Watcher::default());
            let hooks = FileHooks { synchronous: vec![ActionKind::Upload], ..no_hooks() };
            hooks.after.chain().replace(vec![link::<PostAction>(&watcher, &["/watched"])]);
            let on = fixture_with(rules, OverwriteMode::Standard, hooks).await;
            with_watched(&*on.storage).await;
            let upload = async || {
                let mut file = on.files.open_write(&path(written), PUT, SFTP).await?;
                file.write_at(0, b"bad").await?;
                file.close().await
            };
            assert!(upload().await.is_err(), "{written}");
            assert_eq!(watcher.take(), ["told upload"], "{written}");
            assert!(on.storage.metadata(&path("/watched/new")).await.is_err(), "{written}");
            // A size that is set without a handle.
            let size = SetAttributes { size: Some(1), ..SetAttributes::default() };
            on.files.set_attributes(&path("/watched/f"), &size, true, SFTP).await.unwrap_err();
            assert_eq!(watcher.take(), ["told upload"], "{written}");
        }
    }
}

#[tokio::test]
async fn no_open_upload_is_carried_into_a_watched_directory() {
    // B10-08, B10-13
    for overwrite in [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        for options in [PUT, OpenOptions { truncate: false, ..PUT }] {
            let watcher = Arc::new(Watcher::default());
            let hooks = FileHooks { synchronous: vec![ActionKind::Upload], ..no_hooks() };
            hooks.after.chain().replace(vec![link::<PostAction>(&watcher, &["/watched"])]);
            let on = fixture_with(RULES[0], overwrite, hooks).await;
            with_watched(&*on.storage).await;
            let mut file = on.files.open_write(&path("/free/d/f"), options, SFTP).await.unwrap();
            file.write_at(0, b"bad").await.unwrap();
            for (from, to) in [("/free/d", "/watched/new"), ("/free/d/f", "/watched/new"), ("/free", "/watched/new")] {
                on.files.rename(&path(from), &path(to), false, SFTP).await.unwrap_err();
            }
            file.close().await.unwrap();
            // Complete, the file may be moved: hooks of renames get it.
            on.files.rename(&path("/free/d/f"), &path("/watched/new"), false, SFTP).await.unwrap();
        }
    }
}

#[tokio::test]
async fn no_second_name_leads_around_a_hook() {
    // B10-13
    let check = async |decides: bool, asked: &str, existing: &str, new: &str, is_allowed: bool| {
        let watcher = Arc::new(Watcher::default());
        let mut hooks = no_hooks();
        if decides {
            hooks.synchronous = vec![ActionKind::Upload];
            hooks.after.chain().replace(vec![link::<PostAction>(&watcher, &["/watched"])]);
        } else {
            let mut settings = link_settings(&["/watched"]);
            settings.selector.actions = vec![asked.to_owned()];
            hooks.before = Arc::new(Chain::new(Arc::default(), vec![Arc::new(Link::new(watcher.clone(), settings))]));
        }
        let on = fixture_with(RULES[0], OverwriteMode::Standard, hooks).await;
        with_watched(&*on.storage).await;
        let linked = on.files.hard_link(&path(existing), &path(new), SFTP).await;
        assert_eq!(linked.is_ok(), is_allowed, "{asked} {existing} {new}: {linked:?}");
    };
    for (existing, new, is_same) in [
        ("/watched/f", "/watched/d/new", true),
        ("/free/f", "/free/d/new", true),
        ("/watched/f", "/free/new", false),
        ("/free/f", "/watched/new", false),
        ("/free/f", "/alias/new", false),
    ] {
        check(false, "upload", existing, new, is_same).await;
        check(false, "download", existing, new, is_same).await;
        check(false, "mkdir", existing, new, true).await;
        // One of the names could be moved away later, alone or with its directory.
        check(true, "", existing, new, false).await;
    }
}

#[tokio::test]
async fn a_program_is_refused_by_either_spelling() {
    // B10-14
    let watcher = Arc::new(Watcher::default());
    let before = Arc::new(Chain::new(Arc::default(), vec![link::<PreAction>(&watcher, &["/watched"])]));
    let on = fixture_with(RULES[0], OverwriteMode::Standard, FileHooks { before, ..no_hooks() }).await;
    assert!(on.files.require_unasked_writes("rsync", &path("/watched/d")).is_err());
    assert!(on.files.require_unasked_writes("rsync", &path("/free")).is_ok());
    assert!(on.files.require_unasked_reads("rsync", &path("/watched/d")).is_err());
    assert!(on.files.require_unasked_reads("rsync", &path("/free")).is_ok());
    // The command's path leads elsewhere than it is spelled.
    let outcome = on.files.review_ssh_command("rsync", &path("/free"), Some(&path("/watched"))).await;
    assert_eq!((outcome.is_err(), watcher.take()), (true, vec!["asked ssh_cmd".to_owned()]));
}

#[tokio::test]
async fn programs_do_only_what_no_hook_is_asked_about() {
    // B10-14
    let check = async |action: &str, programs: bool, reads: bool, writes: bool| {
        let mut settings = link_settings(&["/watched"]);
        settings.selector.actions = vec![action.to_owned()];
        settings.programs_go_unasked = programs;
        let link = Arc::new(Link::<PreAction>::new(Arc::new(Watcher::default()), settings));
        let hooks = FileHooks { before: Arc::new(Chain::new(Arc::default(), vec![link])), ..no_hooks() };
        let on = fixture_with(RULES[0], OverwriteMode::Standard, hooks).await;
        // A directory is read with everything below it.
        for place in ["/", "/watched", "/watched/d"] {
            let found = (
                on.files.require_unasked_reads("rsync", &path(place)).is_ok(),
                on.files.require_unasked_writes("rsync", &path(place)).is_ok(),
            );
            assert_eq!(found, (reads, writes), "{action} {programs} {place}");
        }
    };
    check("download", false, false, true).await;
    check("upload", false, true, false).await;
    check("delete", false, true, false).await;
    check("ssh_cmd", false, true, true).await;
    check("download", true, true, true).await;
    check("upload", true, true, true).await;
}

#[tokio::test]
async fn paths_are_resolved_only_for_those_who_select_by_them() {
    let count = async |paths: &[&str]| {
        let watcher = Arc::new(Watcher::default());
        let before = Arc::new(Chain::new(Arc::default(), vec![link::<PreAction>(&watcher, paths)]));
        let storage = Arc::new(MemoryStorage::new(MemoryStorageSettings::default()));
        with_watched(&*storage).await;
        let on = fixture_of(RULES[0], storage.clone(), FileHooks { before, ..no_hooks() }).await;
        for (doing, _) in Doing::ALL {
            let _ = doing.run(&on.files, "/free").await;
        }
        let mode = SetAttributes { mode: Some(0o600), ..Default::default() };
        on.files.set_attributes(&path("/free"), &mode, true, SFTP).await.unwrap();
        storage.resolved_paths()
    };
    assert_eq!(count(&[]).await, 0);
    assert!(count(&["/watched"]).await > 0);
}
