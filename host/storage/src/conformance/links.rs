//! Symbolic links: where they lead, and that none leads out of the tree.

use tidegate_core::ports::storage::{Canonical, FileKind, SetAttributes};

use super::*;

/// A tree with links of all kinds.
async fn with_links(storage: &dyn Storage) {
    for directory in ["/a", "/a/b"] {
        storage.create_directory(&path(directory), None).await.unwrap();
    }
    put(storage, "/a/f", "inside").await;
    for (text, link) in [
        ("a", "/relative"),
        ("/a", "/absolute"),
        ("/relative/b/../f", "/long"),
        ("../a/b", "/a/up"),
        ("../../outside", "/a/out"),
        ("..", "/above"),
        ("loop", "/loop"),
        ("missing", "/dangling"),
        ("none/missing", "/dangling-far"),
        ("a/f/..", "/over-file"),
        ("a/f", "/file"),
    ] {
        storage.create_symlink(text.as_bytes(), &path(link)).await.unwrap();
    }
}

#[tokio::test]
async fn paths_lead_where_their_links_do() {
    // A5-03
    for Subject { name, storage, .. } in storages().await {
        with_links(&*storage).await;
        let check = async |from: &str, follow: bool, expected: Result<(&str, bool), StorageErrorKind>| {
            let found = storage.canonical(&path(from), follow).await;
            let expected = expected.map(|(to, lacks_parent)| Canonical { path: path(to), lacks_parent });
            assert_eq!(found.map_err(|error| error.kind), expected, "{name}: {from}");
        };
        check("/", true, Ok(("/", false))).await;
        check("/a/f", true, Ok(("/a/f", false))).await;
        check("/a/new", true, Ok(("/a/new", false))).await;
        check("/none/new", true, Ok(("/none/new", true))).await;
        check("/relative/f", true, Ok(("/a/f", false))).await;
        check("/relative/none/x/y", true, Ok(("/a/none/x/y", true))).await;
        check("/relative", true, Ok(("/a", false))).await;
        check("/relative", false, Ok(("/relative", false))).await;
        check("/relative/up", false, Ok(("/a/up", false))).await;
        check("/absolute/up", true, Ok(("/a/b", false))).await;
        check("/long", true, Ok(("/a/f", false))).await;
        check("/dangling", true, Ok(("/missing", false))).await;
        check("/dangling-far", true, Ok(("/none/missing", true))).await;
        check("/dangling/x", true, Ok(("/missing/x", true))).await;
        check("/a/out", true, Err(StorageErrorKind::CrossDevice)).await;
        check("/above", true, Err(StorageErrorKind::CrossDevice)).await;
        check("/above/a", true, Err(StorageErrorKind::CrossDevice)).await;
        check("/loop", true, Err(StorageErrorKind::Loop)).await;
        check("/loop", false, Ok(("/loop", false))).await;
        check("/over-file", true, Err(StorageErrorKind::NotADirectory)).await;
        check("/a/f/x", true, Err(StorageErrorKind::NotADirectory)).await;
    }
}

#[tokio::test]
async fn links_are_followed_inside_only() {
    // A5-03
    for Subject { name, storage, .. } in storages().await {
        let storage = &*storage;
        with_links(storage).await;
        for linked in ["/relative/f", "/absolute/f", "/long", "/file"] {
            assert_eq!(content(storage, linked).await.as_deref(), Some("inside"), "{name}: {linked}");
            assert_eq!(storage.metadata(&path(linked)).await.unwrap().kind, FileKind::File, "{name}: {linked}");
        }
        assert_eq!(storage.symlink_metadata(&path("/file")).await.unwrap().kind, FileKind::Symlink, "{name}");
        for out in ["/a/out", "/above/outside"] {
            assert!(storage.open(&path(out)).await.is_err(), "{name}: {out}");
            assert!(write(storage, out, PUT).await.is_err(), "{name}: {out}");
            assert!(storage.metadata(&path(out)).await.is_err(), "{name}: {out}");
            let mode = SetAttributes { mode: Some(0o777), ..Default::default() };
            assert!(storage.set_attributes(&path(out), &mode, true).await.is_err(), "{name}: {out}");
        }
        assert!(storage.rename(&path("/above/outside"), &path("/mine"), true).await.is_err(), "{name}");
        assert!(storage.hard_link(&path("/above/outside"), &path("/mine")).await.is_err(), "{name}");
        assert_eq!(kind(storage.metadata(&path("/loop")).await), Err(StorageErrorKind::Loop), "{name}");
        assert_eq!(kind(storage.metadata(&path("/dangling")).await), Err(StorageErrorKind::NotFound), "{name}");

        // Writing through a link changes the file that it leads to; the link stays.
        put(storage, "/long", "changed").await;
        assert_eq!(content(storage, "/a/f").await.as_deref(), Some("changed"), "{name}");
        put(storage, "/dangling", "made").await;
        assert_eq!(content(storage, "/missing").await.as_deref(), Some("made"), "{name}");
        assert_eq!(storage.symlink_metadata(&path("/dangling")).await.unwrap().kind, FileKind::Symlink, "{name}");
        let exclusive = OpenOptions { exclusive: true, ..PUT };
        for link in ["/loop", "/dangling-far", "/file"] {
            let outcome = kind(write(storage, link, exclusive).await);
            assert_eq!(outcome, Err(StorageErrorKind::AlreadyExists), "{name}: {link}");
        }
        let changed = SetAttributes { times: Some((1, 2)), ..Default::default() };
        storage.set_attributes(&path("/file"), &changed, false).await.unwrap();
        assert_eq!(storage.symlink_metadata(&path("/file")).await.unwrap().modified, 2, "{name}");
        assert_ne!(storage.metadata(&path("/file")).await.unwrap().modified, 2, "{name}");
    }
}

#[tokio::test]
async fn paths_without_links_stay_so() {
    // A link that replaces a part of a path later is not followed (A5-03).
    for Subject { name, storage, .. } in storages().await {
        with_links(&*storage).await;
        let strict = storage.without_links().unwrap();
        assert!(strict.metadata(&path("/a/f")).await.is_ok(), "{name}");
        assert!(strict.symlink_metadata(&path("/relative")).await.is_ok(), "{name}");
        for linked in ["/relative/f", "/absolute/f", "/long", "/dangling"] {
            assert!(strict.metadata(&path(linked)).await.is_err(), "{name}: {linked}");
            assert!(strict.open(&path(linked)).await.is_err(), "{name}: {linked}");
            assert!(write(&*strict, linked, PUT).await.is_err(), "{name}: {linked}");
        }
        assert!(strict.symlink_metadata(&path("/relative/f")).await.is_err(), "{name}");
        assert!(strict.rename(&path("/relative/f"), &path("/f"), true).await.is_err(), "{name}");
        assert!(strict.remove_file(&path("/relative/f")).await.is_err(), "{name}");
        assert!(strict.create_directory(&path("/relative/d"), None).await.is_err(), "{name}");
        // Resolving a path works as before.
        assert_eq!(strict.canonical(&path("/relative/f"), true).await.unwrap().path, path("/a/f"), "{name}");
        assert_eq!(content(&*storage, "/a/f").await.as_deref(), Some("inside"), "{name}");
    }
}

#[tokio::test]
async fn the_text_of_a_link_comes_back() {
    // A5-20
    for Subject { name, storage, .. } in storages().await {
        put(&*storage, "/f", "x").await;
        for (number, text) in ["f", "./f", "d//f", "../../out", "/", "/d/../x//", "/none"].iter().enumerate() {
            let link = path(&format!("/link{number}"));
            storage.create_symlink(text.as_bytes(), &link).await.unwrap();
            let read = storage.read_link(&link).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&read), *text, "{name}");
        }
        let make = async |text: &[u8], at: &str| kind(storage.create_symlink(text, &path(at)).await);
        assert_eq!(make(b"x", "/f").await, Err(StorageErrorKind::AlreadyExists), "{name}");
        assert_eq!(make(b"x", "/none/l").await, Err(StorageErrorKind::NotFound), "{name}");
        assert_eq!(make(b"a\0b", "/l").await, Err(StorageErrorKind::Invalid), "{name}");
        assert_eq!(kind(storage.read_link(&path("/f")).await), Err(StorageErrorKind::Invalid), "{name}");
        assert_eq!(kind(storage.read_link(&path("/none")).await), Err(StorageErrorKind::NotFound), "{name}");
    }
}
