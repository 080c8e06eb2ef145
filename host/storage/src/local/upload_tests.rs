//! How uploads end: what watchers of the directory see, what a replaced file passes on to its
//! successor, and what the next start does after `kill -9`.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use rustix::fs::XattrFlags;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tidegate_core::ports::storage::{Discard, Finished, TEMPORARY_PREFIX, Writing};

use super::tests::{PUT, Tree, finish, path, tree, write};
use super::*;

const MODES: [OverwriteMode; 3] = [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume];
const PROVISIONAL: OpenOptions = OpenOptions { provisional: true, ..PUT };
const CONTINUED: OpenOptions = OpenOptions { truncate: false, ..PROVISIONAL };

impl Tree {
    fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path().join(directory)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn notes(&self) -> usize {
        self.names("uploads").len()
    }

    /// Cleans up as the next server does at its start.
    fn clean(&self) -> Cleaned {
        Leftovers::in_directory(self.directory.path().join("uploads")).unwrap().clean().unwrap()
    }

    async fn put(&self, name: &str, options: OpenOptions, data: &str) -> Writing {
        let file = write(&self.storage, name, options).await.unwrap();
        let offset = if options.truncate { 0 } else { file.file().metadata().await.unwrap().size };
        file.write_at(offset, data.as_bytes()).await.unwrap();
        file
    }
}

/// The path by which programs of the host find an upload that has no name yet.
async fn place_of(file: &Writing) -> Option<PathBuf> {
    Some(file.as_upload()?.show().await.unwrap().host_path.into())
}

/// Names in events that say that a file is complete.
fn completed(watch: &OwnedFd) -> HashSet<String> {
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(watch, &mut buffer);
    let mut names = HashSet::new();
    while let Ok(event) = reader.next() {
        names.extend(event.file_name().map(|name| name.to_str().unwrap().to_owned()));
    }
    names
}

#[tokio::test]
async fn watchers_hear_of_complete_files_by_their_names() {
    for mode in MODES {
        let tree = tree(mode);
        std::fs::write(tree.home("old"), "old").unwrap();
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&watch, tree.home(""), WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO).unwrap();
        for name in ["new", "old"] {
            let file = tree.put(name, PUT, "content").await;
            assert!(!completed(&watch).contains(name), "{mode:?} {name}");
            finish(&file).await.unwrap();
            drop(file);
            assert!(completed(&watch).contains(name), "{mode:?} {name}");
        }
    }
}

#[tokio::test]
async fn a_replacement_keeps_what_belongs_to_the_file() {
    // A3-16, A5-10: owner, mode, access list and attributes, but no rights of a program.
    let entry =
        |tag: u16, rights: u16, id: u32| [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat();
    let list = [
        2_u32.to_le_bytes().to_vec(),
        entry(1, 6, u32::MAX),
        entry(2, 6, 4321),
        entry(4, 4, u32::MAX),
        entry(16, 6, u32::MAX),
        entry(32, 2, u32::MAX),
    ]
    .concat();
    for mode in MODES {
        let tree = tree(mode);
        let (plain, listed) = (tree.home("plain"), tree.home("listed"));
        for file in [&plain, &listed] {
            std::fs::write(file, "old").unwrap();
            fs::setxattr(file, "user.note", b"kept", XattrFlags::empty()).unwrap();
        }
        fs::setxattr(&listed, "system.posix_acl_access", &list, XattrFlags::empty()).unwrap();
        if tree.storage.settings.set_owner {
            std::os::unix::fs::chown(&plain, Some(1234), Some(2345)).unwrap();
        }
        std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o4641)).unwrap();
        let before = plain.metadata().unwrap();
        for name in ["plain", "listed"] {
            let file = tree.put(name, PUT, "new").await;
            finish(&file).await.unwrap();
            assert_eq!(tree.content(name).as_deref(), Some("new"));
            let mut value = [0; 10];
            let length = fs::getxattr(tree.home(name), "user.note", &mut value).unwrap();
            assert_eq!(&value[..length], b"kept", "{mode:?} {name}");
        }
        let after = plain.metadata().unwrap();
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()), "{mode:?}");
        assert_eq!(after.mode() & 0o777, 0o641, "{mode:?}");
        if mode != OverwriteMode::Standard {
            assert_eq!(after.mode() & 0o7000, 0, "{mode:?}");
        }
        let mut value = [0; 100];
        let length = fs::getxattr(&listed, "system.posix_acl_access", &mut value).unwrap();
        assert_eq!(value[..length], list, "{mode:?}");
        assert!(fs::getxattr(&plain, "system.posix_acl_access", &mut value).is_err(), "{mode:?}");
    }
}

#[tokio::test]
async fn a_killed_server_leaves_no_hidden_names_after_the_next_start() {
    // A5-10, A5-11. The server is killed while it needs the hidden name: from the beginning, or only at the end.
    let check = async |mode, unnamed: bool, at_the_end: bool, new: Option<&str>, old: &str| {
        let mut tree = tree(mode);
        tree.storage.settings.unnamed_uploads = unnamed;
        std::fs::write(tree.home("old"), "older content").unwrap();
        std::fs::create_dir(tree.home("before")).unwrap();
        for name in ["new", "old", "before/moved"] {
            let file = tree.put(name, PUT, "part").await;
            if at_the_end {
                let shown = file.as_upload().unwrap().show().await.unwrap();
                assert_eq!(std::fs::read_to_string(shown.host_path).unwrap(), "part");
            }
            std::mem::forget(file);
        }
        // The note follows the rename.
        tree.storage.rename(&path("/before"), &path("/after"), false).await.unwrap();
        let case = format!("{mode:?} {unnamed} {at_the_end}");
        assert_eq!(tree.content("old").as_deref(), Some("older content"), "{case}");
        let cleaned = tree.clean();
        assert_eq!(cleaned.left, 0, "{case}");
        assert_eq!(tree.names("home").iter().filter(|name| name.starts_with('.')).count(), 0, "{case}");
        assert_eq!(tree.names("home/after"), Vec::<String>::new(), "{case}");
        assert_eq!(tree.content("new").as_deref(), new, "{case}");
        assert_eq!(tree.content("old").as_deref(), Some(old), "{case}");
        assert_eq!(tree.notes(), 0, "{case}");
        assert_eq!(tree.clean(), Cleaned::default());
    };
    for (unnamed, at_the_end) in [(true, true), (false, false), (false, true)] {
        check(OverwriteMode::Atomic, unnamed, at_the_end, None, "older content").await;
        check(OverwriteMode::AtomicWithResume, unnamed, at_the_end, None, "part").await;
    }
    check(OverwriteMode::AtomicWithResume, true, false, None, "part").await;
}

#[tokio::test]
async fn only_names_of_the_killed_server_are_cleaned_up() {
    let tree = tree(OverwriteMode::Atomic);
    let file = tree.put("new", PUT, "part").await;
    file.as_upload().unwrap().show().await.unwrap();
    // A hidden name of another server that shares the directory, and a file of a user.
    let other = format!("{}.0.other", String::from_utf8_lossy(TEMPORARY_PREFIX));
    std::fs::write(tree.home(&other), "other").unwrap();
    // Notes that this server does not make.
    std::fs::write(tree.home("kept"), "kept").unwrap();
    for name in ["forged", "partial.x.1", "trial.x.1.5", "trial.x.1.1.all", ".."] {
        let _ = symlink(tree.home("kept"), tree.directory.path().join("uploads").join(name));
    }
    // Nothing is cleaned up for a server that runs.
    assert_eq!(tree.storage.settings.leftovers.clean().unwrap(), Cleaned::default());
    finish(&file).await.unwrap();
    drop(file);
    assert_eq!(tree.clean(), Cleaned::default());
    assert_eq!(tree.content(&other).as_deref(), Some("other"));
    assert_eq!((tree.content("kept").as_deref(), tree.content("new").as_deref()), (Some("kept"), Some("part")));
}

#[tokio::test]
async fn notes_are_few_and_go_with_the_upload() {
    let tree = tree(OverwriteMode::Atomic);
    for number in 0..300 {
        std::fs::create_dir(tree.home(&format!("{number}"))).unwrap();
        for name in ["a", "b"] {
            finish(&tree.put(&format!("{number}/{name}"), PUT, "x").await).await.unwrap();
        }
    }
    assert!(tree.notes() <= 257, "{}", tree.notes());
    let trial = self::tree(OverwriteMode::Standard);
    finish(&trial.put("a", PROVISIONAL, "x").await).await.unwrap();
    assert_eq!(trial.notes(), 0);
}

/// How an upload that a hook decides about ends before the verdict.
#[derive(Debug, Clone, Copy)]
enum End {
    Dropped,
    Killed,
    Refused,
}

#[tokio::test]
async fn without_a_verdict_nothing_stays_of_an_upload() {
    // B10-08
    let check = async |mode, options, end, new: Option<&str>, old: Option<&str>| {
        let tree = tree(mode);
        std::fs::write(tree.home("old"), "older content").unwrap();
        std::fs::hard_link(tree.home("old"), tree.home("second name")).unwrap();
        for name in ["new", "old"] {
            let file = tree.put(name, options, " bad").await;
            if name == "new" && mode != OverwriteMode::Standard {
                assert_eq!(tree.content("new"), None);
            }
            match end {
                End::Dropped => drop(file),
                End::Killed => std::mem::forget(file),
                End::Refused => file.discard(Discard::Everything),
            }
        }
        if matches!(end, End::Killed) {
            tree.clean();
        }
        let case = format!("{mode:?} {end:?} {options:?}");
        assert_eq!(tree.content("new").as_deref(), new, "{case}");
        assert_eq!(tree.content("old").as_deref(), old, "{case}");
        let other = tree.content("second name").unwrap();
        assert!(!other.contains("bad"), "{case}: {other}");
        assert_eq!(tree.names("home").len(), 1 + usize::from(old.is_some()), "{case}");
    };
    let kept = Some("older content");
    for end in [End::Dropped, End::Killed, End::Refused] {
        check(OverwriteMode::Standard, PROVISIONAL, end, None, None).await;
        check(OverwriteMode::Atomic, PROVISIONAL, end, None, kept).await;
        check(OverwriteMode::AtomicWithResume, PROVISIONAL, end, None, kept).await;
    }
    // What a continued file had before stays, unless the hook denies the whole file.
    for mode in MODES {
        for end in [End::Dropped, End::Killed] {
            check(mode, CONTINUED, end, None, kept).await;
        }
        check(mode, CONTINUED, End::Refused, None, None).await;
    }
}

#[tokio::test]
async fn a_file_without_a_verdict_is_found_under_every_name() {
    // B10-08: renamed, linked and moved with its directory before the server is killed.
    for killed in [false, true] {
        let tree = tree(OverwriteMode::Standard);
        std::fs::create_dir(tree.home("d")).unwrap();
        let file = tree.put("d/file", PROVISIONAL, "bad").await;
        tree.storage.rename(&path("/d/file"), &path("/d/other"), false).await.unwrap();
        tree.storage.hard_link(&path("/d/other"), &path("/linked")).await.unwrap();
        tree.storage.rename(&path("/d"), &path("/e"), false).await.unwrap();
        if killed {
            std::mem::forget(file);
            tree.clean();
        } else {
            drop(file);
        }
        assert_eq!(tree.names("home/e"), Vec::<String>::new(), "{killed}");
        assert_eq!(tree.content("linked").unwrap_or_default(), "", "{killed}");
    }
}

#[tokio::test]
async fn a_file_that_a_program_has_moved_away_is_its_own() {
    // For instance into a scanner's quarantine, or a directory from which it passes files on.
    for mode in MODES {
        let tree = tree(mode);
        let quarantine = tree.directory.path().join("quarantine");
        let file = tree.put("new", PROVISIONAL, "bad").await;
        let place = place_of(&file).await.unwrap_or(tree.home("new"));
        std::fs::rename(place, &quarantine).unwrap();
        file.discard(Discard::Everything);
        drop(file);
        assert_eq!(std::fs::read_to_string(&quarantine).unwrap(), "bad", "{mode:?}");
        assert_eq!(tree.names("home"), Vec::<String>::new(), "{mode:?}");

        let file = tree.put("new", PROVISIONAL, "good").await;
        let place = place_of(&file).await.unwrap_or(tree.home("new"));
        std::fs::rename(place, &quarantine).unwrap();
        match &file {
            Writing::InPlace(file) => file.approve(),
            Writing::Upload(upload) => assert_eq!(upload.finish().await.unwrap(), Finished::TakenAway, "{mode:?}"),
        }
        drop(file);
        assert_eq!(std::fs::read_to_string(&quarantine).unwrap(), "good", "{mode:?}");
    }
}

#[tokio::test]
async fn what_others_wrote_stays_when_an_upload_that_wrote_nothing_ends() {
    let tree = tree(OverwriteMode::Standard);
    std::fs::write(tree.home("file"), "old").unwrap();
    let idle = write(&tree.storage, "/file", CONTINUED).await.unwrap();
    finish(&tree.put("file", PROVISIONAL, "approved by a hook").await).await.unwrap();
    drop(idle);
    assert_eq!(tree.content("file").as_deref(), Some("approved by a hook"));
    // The sizes do not show a change in the middle.
    let file = write(&tree.storage, "/file", CONTINUED).await.unwrap();
    file.write_at(30, b"end").await.unwrap();
    file.write_at(3, b"bad").await.unwrap();
    drop(file);
    assert_eq!(tree.content("file"), None);
}

#[tokio::test]
async fn what_is_shown_can_be_read() {
    for mode in [OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        let tree = tree(mode);
        let file = tree.put("new", PUT, "content").await;
        let shown = file.as_upload().unwrap().show().await.unwrap();
        let mut data = Vec::new();
        shown.file.as_ref().unwrap().read_at(0, 100, &mut data).await.unwrap();
        assert_eq!(data, b"content");
        drop(shown);
        assert_eq!(tree.content("new"), None);
        finish(&file).await.unwrap();
        assert!(tree.storage.open(&path("/new")).await.is_ok());
    }
}
