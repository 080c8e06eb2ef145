//! The content and attributes of files.

use tidegate_core::ports::storage::{FileKind, SetAttributes};

use super::*;

#[tokio::test]
async fn what_is_written_is_read() {
    for Subject { name, storage, .. } in storages().await {
        let file = write(&*storage, "/f", OpenOptions { read: true, ..PUT }).await.unwrap();
        file.write_at(4, b"later").await.unwrap();
        file.write_at(0, b"soon").await.unwrap();
        let mut bytes = b"kept ".to_vec();
        assert_eq!(file.file().read_at(2, 5, &mut bytes).await.unwrap(), 5, "{name}");
        assert_eq!(bytes, b"kept onlat", "{name}");
        assert_eq!(file.file().read_at(9, 5, &mut bytes).await.unwrap(), 0, "{name}");
        assert_eq!(file.file().metadata().await.unwrap().size, 9, "{name}");
        assert_eq!(kind(file.write_at(u64::MAX, b"x").await), Err(StorageErrorKind::Invalid), "{name}");
        for (offset, expected) in [(1 << 60, Ok(0)), (1 << 63, Err(StorageErrorKind::Invalid))] {
            let read = file.file().read_at(offset, 5, &mut bytes).await.map_err(|error| error.kind);
            assert_eq!(read, expected, "{name} {offset}");
        }
        assert_eq!(bytes, b"kept onlat", "{name}");
        file.file().sync().await.unwrap();
        finish(&file).await.unwrap();
        drop(file);
        assert_eq!(content(&*storage, "/f").await.as_deref(), Some("soonlater"), "{name}");

        let more = write(&*storage, "/f", OpenOptions { truncate: false, append: true, ..PUT }).await.unwrap();
        // A5-12: whatever the offset is.
        for (offset, data) in [(0, b"!"), (3, b"?"), (u64::MAX, b".")] {
            more.write_at(offset, data).await.unwrap();
        }
        finish(&more).await.unwrap();
        drop(more);
        assert_eq!(content(&*storage, "/f").await.as_deref(), Some("soonlater!?."), "{name}");

        let middle = write(&*storage, "/f", OpenOptions { truncate: false, ..PUT }).await.unwrap();
        middle.write_at(4, b"er").await.unwrap();
        middle.file().set_attributes(&SetAttributes { size: Some(6), ..Default::default() }).await.unwrap();
        finish(&middle).await.unwrap();
        drop(middle);
        assert_eq!(content(&*storage, "/f").await.as_deref(), Some("sooner"), "{name}");
        assert_eq!(storage.metadata(&path("/f")).await.unwrap().size, 6, "{name}");
    }
}

#[tokio::test]
async fn files_are_opened_as_the_flags_say() {
    for Subject { name, storage, .. } in storages().await {
        let storage = &*storage;
        storage.create_directory(&path("/d"), None).await.unwrap();
        put(storage, "/f", "content").await;
        let check = async |at: &str, options: OpenOptions, expected: Result<(), StorageErrorKind>| {
            let outcome = match write(storage, at, options).await {
                Ok(file) => finish(&file).await,
                Err(error) => Err(error),
            };
            assert_eq!(kind(outcome), expected, "{name} {at} {options:?}");
        };
        let read = async |at: &str, expected: Result<(), StorageErrorKind>| {
            assert_eq!(kind(storage.open(&path(at)).await), expected, "{name} {at}");
        };
        let (missing, exists) = (Err(StorageErrorKind::NotFound), Err(StorageErrorKind::AlreadyExists));
        let (not_directory, is_directory) = (Err(StorageErrorKind::NotADirectory), Err(StorageErrorKind::IsADirectory));
        read("/f", Ok(())).await;
        read("/none", missing).await;
        read("/none/f", missing).await;
        check("/none/f", PUT, missing).await;
        read("/f/x", not_directory).await;
        check("/f/x", PUT, not_directory).await;
        check("/none", OpenOptions { create: false, ..PUT }, missing).await;
        check("/f", OpenOptions { exclusive: true, ..PUT }, exists).await;
        check("/d", PUT, is_directory).await;
        check("/d", OpenOptions { create: false, ..PUT }, is_directory).await;
        check("/d", OpenOptions { create: false, truncate: false, ..PUT }, is_directory).await;
        check("/", PUT, is_directory).await;
        check(&format!("/{}", "x".repeat(300)), PUT, Err(StorageErrorKind::NameTooLong)).await;
        assert_eq!(content(storage, "/f").await.as_deref(), Some("content"), "{name}");
        check("/f", OpenOptions { truncate: false, ..PUT }, Ok(())).await;
        assert_eq!(content(storage, "/f").await.as_deref(), Some("content"), "{name}");
        check("/f", OpenOptions { create: false, ..PUT }, Ok(())).await;
        assert_eq!(content(storage, "/f").await.as_deref(), Some(""), "{name}");
        check("/new", OpenOptions { exclusive: true, truncate: false, ..PUT }, Ok(())).await;
        assert_eq!(content(storage, "/new").await.as_deref(), Some(""), "{name}");
    }
}

#[tokio::test]
async fn attributes_are_kept() {
    for Subject { name, storage, knows_files, .. } in storages().await {
        let file = write(&*storage, "/f", OpenOptions { mode: Some(0o6777), ..PUT }).await.unwrap();
        file.write_at(0, b"12345").await.unwrap();
        finish(&file).await.unwrap();
        drop(file);
        storage.create_directory(&path("/d"), Some(0o770)).await.unwrap();
        let of = async |at: &str| storage.metadata(&path(at)).await.unwrap();
        assert_eq!((of("/f").await.mode, of("/f").await.size), (0o100755, 5), "{name}");
        assert_eq!((of("/d").await.mode, of("/d").await.kind), (0o040750, FileKind::Directory), "{name}");
        assert_eq!(of("/d").await.links, if knows_files { 2 } else { 1 }, "{name}");
        let set = async |at: &str, attributes: SetAttributes| {
            kind(storage.set_attributes(&path(at), &attributes, true).await)
        };
        set("/f", SetAttributes { mode: Some(0o4640), times: Some((7, 8)), ..Default::default() }).await.unwrap();
        let after = of("/f").await;
        // No set-user-id: the account has no user of its own.
        assert_eq!((after.mode, after.accessed, after.modified), (0o100640, 7, 8), "{name}");
        let size = |size| SetAttributes { size: Some(size), ..Default::default() };
        set("/f", size(2)).await.unwrap();
        set("/f", size(4)).await.unwrap();
        assert_eq!(content(&*storage, "/f").await.as_deref(), Some("12\0\0"), "{name}");
        assert_eq!(set("/d", size(2)).await, Err(StorageErrorKind::IsADirectory), "{name}");
        assert_eq!(set("/none", size(2)).await, Err(StorageErrorKind::NotFound), "{name}");
        // One of owner and group alone: the other one stays.
        for (uid, gid) in [(Some(7), Some(8)), (None, Some(9)), (Some(10), None)] {
            let before = of("/f").await;
            set("/f", SetAttributes { uid, gid, ..Default::default() }).await.unwrap();
            let after = of("/f").await;
            let expected = (uid.unwrap_or(before.uid), gid.unwrap_or(before.gid));
            assert_eq!((after.uid, after.gid), expected, "{name}: {uid:?} {gid:?}");
        }
        let invalid_owner = SetAttributes { uid: Some(u32::MAX), gid: Some(0), ..Default::default() };
        assert_eq!(set("/f", invalid_owner).await, Err(StorageErrorKind::Invalid), "{name}");
        // A5-02, A5-14: an attribute that cannot be set leaves no other one unset.
        for (at, attributes, expected, after) in [
            (
                "/f",
                SetAttributes { mode: Some(0o600), times: Some((3, 4)), ..invalid_owner },
                StorageErrorKind::Invalid,
                0o100600,
            ),
            (
                "/d",
                SetAttributes { mode: Some(0o700), times: Some((3, 4)), ..size(2) },
                StorageErrorKind::IsADirectory,
                0o040700,
            ),
        ] {
            assert_eq!(set(at, attributes).await, Err(expected), "{name} {at}");
            assert_eq!((of(at).await.mode, of(at).await.modified), (after, 4), "{name} {at}");
        }
        let (one, other) = (of("/f").await.id, of("/d").await.id);
        assert!(one != other && one == storage.symlink_metadata(&path("/f")).await.unwrap().id, "{name}");
        let space = storage.space(&path("/d")).await.unwrap();
        assert!(space.blocks >= space.blocks_available && space.block_size > 0 && space.name_max > 0, "{name}");
        assert_eq!(kind(storage.space(&path("/none")).await), Err(StorageErrorKind::NotFound), "{name}");
    }
}

#[tokio::test]
async fn a_file_without_a_name_lives_as_long_as_it_is_open() {
    for Subject { name, storage, knows_files, .. } in storages().await {
        put(&*storage, "/f", "content").await;
        let file = storage.open(&path("/f")).await.unwrap();
        assert_eq!(storage.remove_file(&path("/f")).await.unwrap().size, 7, "{name}");
        let mut bytes = Vec::new();
        assert_eq!(file.read_at(0, 100, &mut bytes).await.unwrap(), 7, "{name}");
        if !knows_files {
            continue;
        }
        assert_eq!(file.metadata().await.unwrap().links, 0, "{name}");
        put(&*storage, "/f", "another").await;
        assert_ne!(storage.metadata(&path("/f")).await.unwrap().id, file.metadata().await.unwrap().id, "{name}");
    }
}
