//! Directories, removals, renames and hard links.

use super::*;

#[tokio::test]
async fn directories_are_made_read_and_removed() {
    for Subject { name, storage, .. } in storages().await {
        let storage = &*storage;
        let make = async |at: &str| kind(storage.create_directory(&path(at), None).await);
        let remove = async |at: &str| kind(storage.remove_directory(&path(at)).await);
        assert_eq!(make("/d").await, Ok(()), "{name}");
        assert_eq!(make("/d/e").await, Ok(()), "{name}");
        put(storage, "/d/f", "x").await;
        assert_eq!(make("/d").await, Err(StorageErrorKind::AlreadyExists), "{name}");
        assert_eq!(make("/d/f").await, Err(StorageErrorKind::AlreadyExists), "{name}");
        assert_eq!(make("/").await, Err(StorageErrorKind::AlreadyExists), "{name}");
        assert_eq!(make("/none/e").await, Err(StorageErrorKind::NotFound), "{name}");
        assert_eq!(make("/d/f/e").await, Err(StorageErrorKind::NotADirectory), "{name}");
        assert_eq!(names(storage, "/").await, ["d"], "{name}");
        assert_eq!(names(storage, "/d").await, ["e", "f"], "{name}");
        assert!(names(storage, "/d/e").await.is_empty(), "{name}");
        assert_eq!(kind(storage.read_directory(&path("/none")).await), Err(StorageErrorKind::NotFound), "{name}");
        assert_eq!(kind(storage.read_directory(&path("/d/f")).await), Err(StorageErrorKind::NotADirectory), "{name}");
        assert_eq!(remove("/d").await, Err(StorageErrorKind::NotEmpty), "{name}");
        assert_eq!(remove("/d/f").await, Err(StorageErrorKind::NotADirectory), "{name}");
        assert_eq!(remove("/none").await, Err(StorageErrorKind::NotFound), "{name}");
        assert!(remove("/").await.is_err(), "{name}");
        assert_eq!(remove("/d/e").await, Ok(()), "{name}");
        assert_eq!(kind(storage.remove_file(&path("/d")).await), Err(StorageErrorKind::IsADirectory), "{name}");
        assert_eq!(kind(storage.remove_file(&path("/none")).await), Err(StorageErrorKind::NotFound), "{name}");
        storage.remove_file(&path("/d/f")).await.unwrap();
        assert_eq!(remove("/d").await, Ok(()), "{name}");
        assert!(names(storage, "/").await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn the_parent_of_the_root_is_the_root() {
    for Subject { name, storage, .. } in storages().await {
        storage.create_directory(&path("/d"), None).await.unwrap();
        let ids = async |at: &str| {
            let entries = storage.read_directory(&path(at)).await.unwrap().next_entries(10).await.unwrap();
            let of = |name: &[u8]| entries.iter().find(|entry| entry.name == name).unwrap().metadata.id;
            (of(b"."), of(b".."))
        };
        let ((root, above), (_, parent)) = (ids("/").await, ids("/d").await);
        assert!(root == above && root == parent, "{name}");
    }
}

#[tokio::test]
async fn names_are_moved_as_the_kernel_does() {
    let check = async |from: &str, to: &str, replace: bool, expected: Result<(), Option<StorageErrorKind>>| {
        for Subject { name, storage, knows_files, .. } in storages().await {
            let storage = &*storage;
            for directory in ["/empty", "/full", "/full/inner"] {
                storage.create_directory(&path(directory), None).await.unwrap();
            }
            put(storage, "/f", "one").await;
            put(storage, "/g", "other").await;
            storage.hard_link(&path("/f"), &path("/same")).await.unwrap();
            storage.create_symlink(b"none", &path("/dangling")).await.unwrap();
            let before = storage.symlink_metadata(&path(from)).await.ok();
            let outcome = kind(storage.rename(&path(from), &path(to), replace).await);
            let context = format!("{name}: {from} to {to}, replace {replace}: {outcome:?}");
            match expected {
                Ok(()) => {
                    assert_eq!(outcome, Ok(()), "{context}");
                    let (before, after) = (before.unwrap(), storage.symlink_metadata(&path(to)).await.unwrap());
                    assert_eq!((after.kind, after.size), (before.kind, before.size), "{context}");
                    assert!(after.id == before.id || !knows_files, "{context}");
                }
                Err(wanted) => {
                    assert!(outcome.is_err_and(|found| wanted.is_none_or(|wanted| wanted == found)), "{context}");
                    assert_eq!(content(storage, "/f").await.as_deref(), Some("one"), "{context}");
                    assert_eq!(content(storage, "/g").await.as_deref(), Some("other"), "{context}");
                    assert_eq!(
                        storage.symlink_metadata(&path(from)).await.ok().map(|now| now.id),
                        before.map(|before| before.id)
                    );
                }
            }
        }
    };
    use StorageErrorKind::{AlreadyExists, Invalid, IsADirectory, NotADirectory, NotEmpty, NotFound};
    let error = |kind| Err(Some(kind));
    check("/f", "/new", false, Ok(())).await;
    check("/f", "/full/inner/new", true, Ok(())).await;
    check("/dangling", "/moved", false, Ok(())).await;
    check("/full", "/moved", false, Ok(())).await;
    check("/none", "/new", true, error(NotFound)).await;
    check("/f", "/none/new", true, error(NotFound)).await;
    check("/f", "/g/new", true, error(NotADirectory)).await;
    check("/f", "/g", true, Ok(())).await;
    check("/f", "/dangling", true, Ok(())).await;
    for taken in ["/g", "/empty", "/full", "/dangling"] {
        check("/f", taken, false, error(AlreadyExists)).await;
    }
    check("/f", "/empty", true, error(IsADirectory)).await;
    check("/full", "/f", true, error(NotADirectory)).await;
    check("/empty", "/full", true, error(NotEmpty)).await;
    check("/full", "/empty", true, Ok(())).await;
    check("/full", "/full/inner/new", true, error(Invalid)).await;
    check("/full", "/full/inner", true, Err(None)).await;
    check("/", "/new", true, Err(None)).await;
    check("/empty", "/", true, Err(None)).await;
    // Two names of one file: the rename does nothing.
    check("/f", "/same", true, Ok(())).await;
    check("/f", "/f", true, Ok(())).await;
}

#[tokio::test]
async fn a_directory_takes_along_what_is_in_it() {
    for Subject { name, storage, knows_files, .. } in storages().await {
        storage.create_directory(&path("/a"), None).await.unwrap();
        storage.create_directory(&path("/b"), None).await.unwrap();
        put(&*storage, "/a/f", "content").await;
        storage.rename(&path("/a"), &path("/b/c"), false).await.unwrap();
        assert_eq!(content(&*storage, "/b/c/f").await.as_deref(), Some("content"), "{name}");
        assert_eq!(names(&*storage, "/").await, ["b"], "{name}");
        assert_eq!(storage.metadata(&path("/b")).await.unwrap().links, if knows_files { 3 } else { 1 }, "{name}");
        let above = storage.read_directory(&path("/b/c")).await.unwrap().next_entries(9).await.unwrap();
        let above = above.iter().find(|entry| entry.name == b"..").unwrap().metadata.id;
        assert_eq!(above, storage.metadata(&path("/b")).await.unwrap().id, "{name}");
    }
}

#[tokio::test]
async fn hard_links_are_the_same_file() {
    for Subject { name, storage, knows_files, .. } in storages().await {
        let storage = &*storage;
        storage.create_directory(&path("/d"), None).await.unwrap();
        put(storage, "/f", "old").await;
        storage.create_symlink(b"f", &path("/link")).await.unwrap();
        let link = async |from: &str, to: &str| kind(storage.hard_link(&path(from), &path(to)).await);
        assert_eq!(link("/f", "/d/g").await, Ok(()), "{name}");
        assert_eq!(link("/none", "/x").await, Err(StorageErrorKind::NotFound), "{name}");
        assert_eq!(link("/f", "/d").await, Err(StorageErrorKind::AlreadyExists), "{name}");
        assert_eq!(link("/f", "/f").await, Err(StorageErrorKind::AlreadyExists), "{name}");
        assert_eq!(link("/f", "/none/x").await, Err(StorageErrorKind::NotFound), "{name}");
        assert_eq!(link("/d", "/x").await, Err(StorageErrorKind::PermissionDenied), "{name}");
        // A hard link to a symbolic link is a symbolic link.
        assert_eq!(link("/link", "/link2").await, Ok(()), "{name}");
        assert_eq!(storage.read_link(&path("/link2")).await.unwrap(), b"f", "{name}");
        let [f, g] = [storage.metadata(&path("/f")).await.unwrap(), storage.metadata(&path("/d/g")).await.unwrap()];
        assert!(!knows_files || (f.id, f.links) == (g.id, 2), "{name}");
        let writer = write(storage, "/f", OpenOptions { truncate: false, ..PUT }).await.unwrap();
        writer.write_at(0, b"new").await.unwrap();
        finish(&writer).await.unwrap();
        drop(writer);
        assert_eq!(content(storage, "/d/g").await.as_deref(), Some("new"), "{name}");
        let removed = storage.remove_file(&path("/f")).await.unwrap();
        assert_eq!(removed.links, if knows_files { 2 } else { 1 }, "{name}");
        assert_eq!(storage.metadata(&path("/d/g")).await.unwrap().links, 1, "{name}");
        assert_eq!(content(storage, "/d/g").await.as_deref(), Some("new"), "{name}");
    }
}
