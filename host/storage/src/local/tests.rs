//! What a tree must never do: lead out, or lose the old file.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_core::files::Protocol;
use tidegate_core::ports::storage::OpenOptions;

use super::*;

pub(super) struct Tree {
    pub directory: tempfile::TempDir,
    pub storage: LocalStorage,
}

pub(super) fn tree(overwrite: OverwriteMode) -> Tree {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("outside"), "secret").unwrap();
    let home = directory.path().join("home");
    let leftovers = Arc::new(Leftovers::in_directory(directory.path().join("uploads")).unwrap());
    let settings = LocalStorageSettings { overwrite, leftovers, ..LocalStorageSettings::default() };
    let storage = LocalStorage::open(&find(&home).unwrap(), settings, Owner::default(), true).unwrap();
    Tree { directory, storage }
}

impl Tree {
    pub fn home(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join("home").join(name)
    }

    pub fn content(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.home(name)).ok()
    }
}

pub(super) fn path(text: &str) -> VirtualPath {
    VirtualPath::resolve(&VirtualPath::root(), text.as_bytes()).unwrap()
}

pub(super) use crate::conformance::{PUT, finish, write};

#[tokio::test]
async fn links_do_not_lead_out() {
    // A5-03
    let tree = tree(OverwriteMode::Standard);
    symlink("../outside", tree.home("relative")).unwrap();
    symlink("/etc/passwd", tree.home("absolute")).unwrap();
    symlink("..", tree.home("up")).unwrap();
    symlink("/proc/self/root", tree.home("magic")).unwrap();
    for name in ["/relative", "/absolute", "/up/outside", "/magic/etc/passwd"] {
        assert!(tree.storage.open(&path(name)).await.is_err(), "read {name}");
        assert!(write(&tree.storage, name, PUT).await.is_err(), "write {name}");
        assert!(tree.storage.metadata(&path(name)).await.is_err(), "stat {name}");
        assert!(
            tree.storage
                .set_attributes(&path(name), &SetAttributes { mode: Some(0o777), ..Default::default() }, true)
                .await
                .is_err()
        );
    }
    assert_eq!(tree.storage.read_link(&path("/absolute")).await.unwrap(), b"/etc/passwd");
    // The text of a relative link is the client's own, wherever it leads.
    assert_eq!(tree.storage.read_link(&path("/relative")).await.unwrap(), b"../outside");
    assert!(tree.storage.rename(&path("/up/outside"), &path("/mine"), true).await.is_err());
    assert!(tree.storage.hard_link(&path("/up/outside"), &path("/mine")).await.is_err());
    // A hard link to a symbolic link is a symbolic link, and gains nothing.
    tree.storage.hard_link(&path("/absolute"), &path("/copy")).await.unwrap();
    assert!(tree.storage.open(&path("/copy")).await.is_err());
    assert_eq!(std::fs::read_to_string(tree.directory.path().join("outside")).unwrap(), "secret");
}

#[tokio::test]
async fn absolute_links_mean_the_tree() {
    // A5-03
    let tree = tree(OverwriteMode::Standard);
    std::fs::create_dir(tree.home("d")).unwrap();
    std::fs::write(tree.home("target"), "inside").unwrap();
    tree.storage.create_symlink(b"/target", &path("/d/link")).await.unwrap();
    let file = tree.storage.open(&path("/d/link")).await.unwrap();
    let mut data = Vec::new();
    file.read_at(0, 100, &mut data).await.unwrap();
    assert_eq!(data, b"inside");

    // By other names of the root on the host (`/home` may be a link to `/srv/home`).
    symlink(".", tree.directory.path().join("alias")).unwrap();
    symlink("alias/home", tree.directory.path().join("other")).unwrap();
    let check = async |text: &str, expected: Option<&str>| {
        let (text, link) = (tree.directory.path().join(text), tree.home("by-alias"));
        symlink(&text, &link).unwrap();
        let found = tree.storage.canonical(&path("/by-alias"), true).await.ok().map(|found| found.path);
        assert_eq!(found, expected.map(path), "{}", text.display());
        let shown = tree.storage.read_link(&path("/by-alias")).await.unwrap();
        if let Some(expected) = expected {
            assert_eq!(String::from_utf8_lossy(&shown), expected, "{}", text.display());
        }
        assert_eq!(tree.storage.open(&path("/by-alias")).await.is_ok(), expected.is_some(), "{}", text.display());
        std::fs::remove_file(link).unwrap();
    };
    check("alias/home/target", Some("/target")).await;
    check("other/target", Some("/target")).await;
    check("alias/alias/other/d", Some("/d")).await;
    check("alias/home", Some("/")).await;
    check("alias/outside", None).await;
    check("alias/home/../outside", None).await;
    check("other/../outside", None).await;
    check("alias/homeless", None).await;
}

#[tokio::test]
async fn a_file_is_made_where_a_link_leads_by_any_flags() {
    let check = async |overwrite: OverwriteMode, options: OpenOptions, name: &str, made: &str| {
        let tree = tree(overwrite);
        symlink("made", tree.home("dangling")).unwrap();
        let files = crate::file_service_tests::files_on(Arc::new(tree.storage)).await;
        let opened = files.open(&path(name), options, Protocol::Sftp).await;
        assert!(opened.is_ok(), "{overwrite:?} {options:?}: {:?}", opened.err());
        drop(opened);
        let made = tree.directory.path().join("home").join(made);
        assert!(made.is_file(), "{overwrite:?} {options:?}");
    };
    let read = OpenOptions { read: true, create: true, ..OpenOptions::default() };
    for overwrite in [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        for truncate in [false, true] {
            check(overwrite, OpenOptions { truncate, ..read }, "/dangling", "made").await;
            check(overwrite, OpenOptions { truncate, ..read }, "/new", "new").await;
        }
    }
}

#[tokio::test]
async fn paths_without_links_stay_so() {
    // Where a path leads, and that a link that replaces a part of it later is not followed (A5-03).
    let tree = tree(OverwriteMode::Standard);
    std::fs::create_dir_all(tree.home("a/b")).unwrap();
    std::fs::write(tree.home("a/f"), "inside").unwrap();
    for (text, link) in [
        ("a", "relative"),
        ("../a/b", "a/up"),
        ("../../outside", "a/out"),
        ("loop", "loop"),
        ("missing", "dangling"),
        ("a/f/..", "over-file"),
    ] {
        symlink(text, tree.home(link)).unwrap();
    }
    symlink(tree.home("a"), tree.home("absolute")).unwrap();
    symlink(tree.home("relative/b/../f"), tree.home("long")).unwrap();
    symlink(tree.directory.path().join("homeless"), tree.home("beside")).unwrap();
    let check = async |from: &str, follow: bool, expected: Result<(&str, bool), StorageErrorKind>| {
        let found = tree.storage.canonical(&path(from), follow).await;
        let expected = expected.map(|(to, lacks_parent)| Canonical { path: path(to), lacks_parent });
        assert_eq!(found.map_err(|error| error.kind), expected, "{from}");
    };
    check("/", true, Ok(("/", false))).await;
    check("/a/f", true, Ok(("/a/f", false))).await;
    check("/a/new", true, Ok(("/a/new", false))).await;
    check("/none/new", true, Ok(("/none/new", true))).await;
    check("/relative/f", true, Ok(("/a/f", false))).await;
    check("/relative/none/x/y", true, Ok(("/a/none/x/y", true))).await;
    check("/relative", false, Ok(("/relative", false))).await;
    check("/relative/up", false, Ok(("/a/up", false))).await;
    check("/absolute/up", true, Ok(("/a/b", false))).await;
    check("/long", true, Ok(("/a/f", false))).await;
    check("/dangling", true, Ok(("/missing", false))).await;
    check("/a/out", true, Err(StorageErrorKind::CrossDevice)).await;
    check("/beside", true, Err(StorageErrorKind::CrossDevice)).await;
    check("/loop", true, Err(StorageErrorKind::Loop)).await;
    check("/over-file", true, Err(StorageErrorKind::NotADirectory)).await;
    check("/a/f/x", true, Err(StorageErrorKind::NotADirectory)).await;

    let strict = tree.storage.without_links().unwrap();
    assert!(strict.metadata(&path("/a/f")).await.is_ok());
    assert!(strict.symlink_metadata(&path("/relative")).await.is_ok());
    for linked in ["/relative/f", "/absolute/f", "/long", "/dangling"] {
        assert!(strict.metadata(&path(linked)).await.is_err(), "{linked}");
        assert!(write(&*strict, linked, PUT).await.is_err(), "{linked}");
    }
    assert!(strict.symlink_metadata(&path("/relative/f")).await.is_err());
    assert!(strict.rename(&path("/relative/f"), &path("/f"), true).await.is_err());
    assert_eq!(tree.content("a/f").as_deref(), Some("inside"));
    assert!(!tree.home("missing").exists());
}

#[tokio::test]
async fn an_overwritten_file_changes_as_the_mode_says() {
    // A3-16, A5-10, A5-11
    let check = async |mode, during: &str, broken_off: &str| {
        let tree = tree(mode);
        std::fs::write(tree.home("file"), "older content").unwrap();
        let file = write(&tree.storage, "/file", PUT).await.unwrap();
        file.write_at(0, b"new con").await.unwrap();
        assert_eq!(tree.content("file").as_deref(), Some(during), "{mode:?}");
        drop(file);
        assert_eq!(tree.content("file").as_deref(), Some(broken_off), "{mode:?}");

        let file = write(&tree.storage, "/file", PUT).await.unwrap();
        file.write_at(0, b"new content").await.unwrap();
        finish(&file).await.unwrap();
        drop(file);
        assert_eq!(tree.content("file").as_deref(), Some("new content"), "{mode:?}");
        assert_eq!(std::fs::read_dir(tree.home("")).unwrap().count(), 1, "{mode:?}");
    };
    check(OverwriteMode::Standard, "new con", "new con").await;
    check(OverwriteMode::Atomic, "older content", "older content").await;
    check(OverwriteMode::AtomicWithResume, "older content", "new con").await;
}

#[tokio::test]
async fn in_place_other_names_and_handles_mean_the_same_file() {
    // A3-16
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let tree = tree(OverwriteMode::Standard);
    std::fs::write(tree.home("file"), "older content").unwrap();
    std::fs::set_permissions(tree.home("file"), std::fs::Permissions::from_mode(0o642)).unwrap();
    std::fs::hard_link(tree.home("file"), tree.home("second")).unwrap();
    let before = tree.home("file").metadata().unwrap();
    let one = write(&tree.storage, "/file", PUT).await.unwrap();
    let two = write(&tree.storage, "/file", OpenOptions { truncate: false, ..PUT }).await.unwrap();
    one.write_at(0, b"one").await.unwrap();
    two.write_at(3, b"two").await.unwrap();
    tree.storage.rename(&path("/file"), &path("/moved"), true).await.unwrap();
    one.write_at(6, b"end").await.unwrap();
    finish(&one).await.unwrap();
    finish(&two).await.unwrap();
    for name in ["moved", "second"] {
        assert_eq!(tree.content(name).as_deref(), Some("onetwoend"));
    }
    let after = tree.home("moved").metadata().unwrap();
    assert_eq!((after.ino(), after.mode(), after.nlink()), (before.ino(), before.mode(), 2));
    assert!(!tree.home("file").exists());
}

#[tokio::test]
async fn new_files_appear_as_the_mode_says() {
    let check = async |mode, during: Option<&str>, after: Option<&str>| {
        let tree = tree(mode);
        let file = write(&tree.storage, "/new", PUT).await.unwrap();
        file.write_at(0, b"part").await.unwrap();
        assert_eq!(tree.content("new").as_deref(), during, "{mode:?}");
        drop(file);
        assert_eq!(tree.content("new").as_deref(), after, "{mode:?}");
    };
    // A5-10, A5-11
    check(OverwriteMode::Standard, Some("part"), Some("part")).await;
    check(OverwriteMode::Atomic, None, None).await;
    check(OverwriteMode::AtomicWithResume, None, Some("part")).await;
}

#[tokio::test]
async fn of_two_uploads_of_a_new_file_the_last_one_stays() {
    // A5-10
    for mode in [OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        let tree = tree(mode);
        let (first, second) = (write(&tree.storage, "/new", PUT).await, write(&tree.storage, "/new", PUT).await);
        let (first, second) = (first.unwrap(), second.unwrap());
        first.write_at(0, b"first").await.unwrap();
        second.write_at(0, b"second").await.unwrap();
        finish(&first).await.unwrap();
        assert_eq!(second.as_upload().unwrap().replaces().await.unwrap().size, 5);
        finish(&second).await.unwrap();
        assert_eq!(tree.content("new").as_deref(), Some("second"), "{mode:?}");
        assert_eq!(std::fs::read_dir(tree.home("")).unwrap().count(), 1, "{mode:?}");
        // If the file must be new, or nothing is to be emptied, a file that another program wrote stays.
        for options in [OpenOptions { exclusive: true, ..PUT }, OpenOptions { truncate: false, ..PUT }] {
            let third = write(&tree.storage, "/other", options).await.unwrap();
            std::fs::write(tree.home("other"), "of others").unwrap();
            assert!(finish(&third).await.is_err());
            assert_eq!(tree.content("other").as_deref(), Some("of others"));
            std::fs::remove_file(tree.home("other")).unwrap();
        }
    }
}

#[tokio::test]
async fn an_upload_follows_its_directory() {
    for mode in [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        let tree = tree(mode);
        std::fs::create_dir(tree.home("before")).unwrap();
        std::fs::write(tree.home("before/old"), "old").unwrap();
        for name in ["old", "new"] {
            let file = write(&tree.storage, &format!("/before/{name}"), PUT).await.unwrap();
            file.write_at(0, b"content").await.unwrap();
            std::fs::rename(tree.home("before"), tree.home("after")).unwrap();
            finish(&file).await.unwrap();
            assert_eq!(tree.content(&format!("after/{name}")).as_deref(), Some("content"), "{mode:?}");
            std::fs::rename(tree.home("after"), tree.home("before")).unwrap();
        }
    }
}

#[tokio::test]
async fn overwriting_through_a_link_keeps_the_link_and_the_mode() {
    use std::os::unix::fs::PermissionsExt;
    let tree = tree(OverwriteMode::Standard);
    std::fs::create_dir(tree.home("d")).unwrap();
    std::fs::write(tree.home("d/file"), "old").unwrap();
    std::fs::set_permissions(tree.home("d/file"), std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("d/file", tree.home("link")).unwrap();
    let file = write(&tree.storage, "/link", PUT).await.unwrap();
    file.write_at(0, b"new").await.unwrap();
    finish(&file).await.unwrap();
    assert_eq!(tree.content("d/file").as_deref(), Some("new"));
    assert!(tree.home("link").symlink_metadata().unwrap().is_symlink());
    assert_eq!(tree.home("d/file").metadata().unwrap().permissions().mode() & 0o777, 0o640);
}

#[tokio::test]
async fn errors_name_their_class() {
    let tree = tree(OverwriteMode::Standard);
    std::fs::create_dir_all(tree.home("d/e")).unwrap();
    std::fs::write(tree.home("f"), "x").unwrap();
    symlink("loop", tree.home("loop")).unwrap();
    let kind = |error: StorageError| error.kind;
    let long = format!("/{}", "x".repeat(300));
    assert_eq!(tree.storage.metadata(&path("/none")).await.map_err(kind), Err(StorageErrorKind::NotFound));
    assert_eq!(tree.storage.metadata(&path("/f/x")).await.map_err(kind), Err(StorageErrorKind::NotADirectory));
    assert_eq!(tree.storage.metadata(&path("/loop")).await.map_err(kind), Err(StorageErrorKind::Loop));
    assert_eq!(tree.storage.metadata(&path(&long)).await.map_err(kind), Err(StorageErrorKind::NameTooLong));
    assert_eq!(tree.storage.remove_directory(&path("/d")).await.map_err(kind), Err(StorageErrorKind::NotEmpty));
    assert_eq!(tree.storage.remove_directory(&path("/f")).await.map_err(kind), Err(StorageErrorKind::NotADirectory));
    assert!(tree.storage.remove_file(&path("/d")).await.is_err());
    assert_eq!(
        tree.storage.create_directory(&path("/d"), None).await.map_err(kind),
        Err(StorageErrorKind::AlreadyExists)
    );
    assert_eq!(
        tree.storage.rename(&path("/f"), &path("/d"), false).await.map_err(kind),
        Err(StorageErrorKind::AlreadyExists)
    );
}

#[tokio::test]
async fn the_roots_parent_is_the_root() {
    let tree = tree(OverwriteMode::Standard);
    let mut reader = tree.storage.read_directory(&path("/")).await.unwrap();
    let entries = reader.next_entries(10).await.unwrap();
    let of = |name: &[u8]| entries.iter().find(|entry| entry.name == name).unwrap().metadata;
    assert_eq!(of(b"."), of(b".."));
}

#[tokio::test]
async fn pipes_are_not_opened() {
    let tree = tree(OverwriteMode::Standard);
    let status = std::process::Command::new("mkfifo").arg(tree.home("pipe")).status().unwrap();
    assert!(status.success());
    assert!(tree.storage.open(&path("/pipe")).await.is_err());
}

#[tokio::test]
async fn a_file_is_made_at_once_only_where_nothing_is() {
    let tree = tree(OverwriteMode::Standard);
    std::fs::write(tree.home("file"), "old").unwrap();
    std::fs::create_dir(tree.home("directory")).unwrap();
    symlink("missing", tree.home("dangling")).unwrap();
    symlink("../outside", tree.home("out")).unwrap();
    let new = OpenOptions { exclusive: true, ..PUT };
    for (name, expected) in [
        ("/file", StorageErrorKind::AlreadyExists),
        ("/directory", StorageErrorKind::AlreadyExists),
        ("/dangling", StorageErrorKind::AlreadyExists),
        ("/out", StorageErrorKind::AlreadyExists),
        ("/", StorageErrorKind::IsADirectory),
    ] {
        let made = tree.storage.open_in_place(&path(name), new).await;
        assert_eq!(made.map(drop).map_err(|error| error.kind), Err(expected), "{name}");
    }
    assert_eq!(tree.content("file").as_deref(), Some("old"));
    assert!(tree.storage.open_in_place(&path("/new"), new).await.is_ok());
    assert!(tree.home("new").exists());
    let not_asked = OpenOptions { create: false, ..PUT };
    assert!(tree.storage.open_in_place(&path("/other"), not_asked).await.is_err());
}

/// Room while the flag is set.
#[derive(Debug)]
struct Room(AtomicBool);

impl Descriptors for Room {
    fn has_room(&self, wanted: DescriptorUse) -> bool {
        assert_eq!(wanted, DescriptorUse::Client);
        self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn without_room_for_a_descriptor_nothing_is_opened_made_or_emptied() {
    // A4-17
    for mode in [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        let mut tree = tree(mode);
        let room = Arc::new(Room(AtomicBool::new(true)));
        tree.storage.settings.descriptors = room.clone();
        std::fs::write(tree.home("file"), "content").unwrap();
        let open = tree.storage.open(&path("/file")).await.unwrap();
        room.0.store(false, Ordering::SeqCst);
        let storage = &tree.storage;
        for (what, outcome) in [
            ("open", storage.open(&path("/file")).await.map(drop)),
            ("overwrite", write(storage, "/file", PUT).await.map(drop)),
            ("write in place", storage.open_in_place(&path("/file"), PUT).await.map(drop)),
            ("make", write(storage, "/new", PUT).await.map(drop)),
            ("copy", storage.begin_copy(&path("/copy"), None, true).await.map(drop)),
            ("list", storage.read_directory(&path("/")).await.map(drop)),
        ] {
            let error = outcome.unwrap_err();
            assert!(error.message.contains("no descriptor left"), "{mode:?} {what}: {error}");
        }
        assert_eq!(std::fs::read_dir(tree.home("")).unwrap().count(), 1, "{mode:?}");
        assert_eq!(tree.content("file").as_deref(), Some("content"), "{mode:?}");
        // What needs one for a moment goes on, and what is open stays so.
        assert_eq!(storage.metadata(&path("/file")).await.unwrap().size, 7);
        storage.rename(&path("/file"), &path("/moved"), false).await.unwrap();
        assert_eq!(open.metadata().await.unwrap().size, 7);
        room.0.store(true, Ordering::SeqCst);
        assert!(storage.open(&path("/moved")).await.is_ok());
    }
}

#[tokio::test]
async fn names_of_the_host_come_in_the_order_of_their_numbers() {
    let storage = tree(OverwriteMode::Standard).storage;
    let numbers = vec![4_000_000_001, 0, 4_000_000_002];
    assert_eq!(storage.user_names(numbers.clone()).await, ["", "root", ""]);
    assert_eq!(storage.group_names(numbers).await, ["", "root", ""]);
    assert!(storage.user_names(Vec::new()).await.is_empty());
}
