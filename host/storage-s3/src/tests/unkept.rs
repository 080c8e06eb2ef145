//! A store that keeps no directory without files.

use std::collections::BTreeSet;

use tidegate_core::ports::storage::FileKind;

use super::*;

/// Two sessions on a store that lists nothing of a directory without files, and fails for its name.
async fn two_sessions() -> (Store, S3Storage, S3Storage) {
    let store = Store::start().await;
    store.content.lock().unwrap().swallowed = Some(BTreeSet::new());
    let systems = S3FileSystems::new(quick(), Arc::default());
    let open = || systems.open(&of_account("u", Location::S3(Box::new(location(&store))))).unwrap();
    let (one, other) = (open(), open());
    (store, one, other)
}

async fn make(storage: &S3Storage, at: &str) -> Result<(), StorageErrorKind> {
    kind(storage.create_directory(&path(at), None).await)
}

async fn remove(storage: &S3Storage, at: &str) -> Result<(), StorageErrorKind> {
    kind(storage.remove_directory(&path(at)).await)
}

async fn kind_of(storage: &S3Storage, at: &str) -> Result<FileKind, StorageErrorKind> {
    storage.metadata(&path(at)).await.map(|metadata| metadata.kind).map_err(|error| error.kind)
}

#[tokio::test]
async fn a_directory_that_is_not_kept_is_there_until_it_is_removed() {
    let (store, storage, other) = two_sessions().await;
    for name in ["/a", "/a/b", "/e"] {
        assert_eq!(make(&storage, name).await, Ok(()), "{name}");
        assert_eq!(make(&other, name).await, Err(StorageErrorKind::AlreadyExists), "{name}");
    }
    // Nothing of them is left, which would be in the way.
    assert_eq!(store.content.lock().unwrap().swallowed, Some(BTreeSet::new()));
    for storage in [&storage, &other] {
        assert_eq!(names(storage, "/").await, ["a", "e"]);
        assert_eq!(names(storage, "/a").await, ["b"]);
        assert!(names(storage, "/a/b").await.is_empty());
        for name in ["/a", "/a/b", "/e"] {
            assert_eq!(kind_of(storage, name).await, Ok(FileKind::Directory), "{name}");
        }
        assert_eq!(kind_of(storage, "/f").await, Err(StorageErrorKind::NotFound));
    }
    put(&other, "/a/f", b"x").await;
    put(&other, "/a/b/g", b"y").await;
    assert_eq!(names(&storage, "/a").await, ["b", "f"]);
    assert_eq!(names(&storage, "/").await, ["a", "e"]);
    assert_eq!(remove(&storage, "/a/b").await, Err(StorageErrorKind::NotEmpty));
    storage.remove_file(&path("/a/b/g")).await.unwrap();
    assert_eq!(kind_of(&other, "/a/b").await, Ok(FileKind::Directory));
    assert_eq!(remove(&storage, "/a/b").await, Ok(()));
    assert_eq!(kind_of(&other, "/a/b").await, Err(StorageErrorKind::NotFound));
    assert_eq!(remove(&other, "/e").await, Ok(()));
    assert_eq!(remove(&other, "/e").await, Err(StorageErrorKind::NotFound));
    assert_eq!(names(&storage, "/").await, ["a"]);
    // Of a file that another program has stored under that name, clients see the file.
    assert_eq!(make(&storage, "/o").await, Ok(()));
    store.put("home/o", b"z");
    assert_eq!(kind_of(&storage, "/o").await, Ok(FileKind::File));
    assert_eq!(names(&storage, "/").await, ["a", "o"]);
}

#[tokio::test]
async fn a_directory_that_is_not_kept_is_renamed() {
    let (_store, storage, other) = two_sessions().await;
    for name in ["/a", "/a/b", "/e"] {
        assert_eq!(make(&storage, name).await, Ok(()), "{name}");
    }
    let rename = async |from: &str, to: &str, replace| kind(storage.rename(&path(from), &path(to), replace).await);
    assert_eq!(rename("/e", "/a", false).await, Err(StorageErrorKind::AlreadyExists));
    assert_eq!(rename("/e", "/a", true).await, Err(StorageErrorKind::NotEmpty));
    assert_eq!(rename("/a", "/a/b/c", false).await, Err(StorageErrorKind::Invalid));
    assert_eq!(remove(&storage, "/a").await, Err(StorageErrorKind::NotEmpty));
    assert_eq!(rename("/e", "/e2", false).await, Ok(()));
    assert_eq!(rename("/a", "/d", false).await, Ok(()));
    assert_eq!(names(&other, "/").await, ["d", "e2"]);
    assert_eq!(names(&other, "/d").await, ["b"]);
    assert_eq!(kind_of(&other, "/e").await, Err(StorageErrorKind::NotFound));
    put(&storage, "/e", b"x").await;
    assert_eq!(kind_of(&other, "/e").await, Ok(FileKind::File));
}

#[tokio::test]
async fn what_is_not_kept_takes_few_requests() {
    let (store, storage, _) = two_sessions().await;
    assert_eq!(make(&storage, "/a").await, Ok(()));
    // As where a server has made it that was ended before it was removed.
    store.content.lock().unwrap().swallowed = Some(BTreeSet::from(["home/a/".to_owned(), "home/b/".to_owned()]));
    store.requests();
    assert_eq!(kind_of(&storage, "/a").await, Ok(FileKind::Directory));
    assert_eq!(store.requests(), ["head"]);
    assert!(names(&storage, "/a").await.is_empty());
    assert_eq!(store.requests(), ["list", "head"]);
    assert_eq!(remove(&storage, "/a").await, Ok(()));
    assert_eq!(store.requests(), ["head", "list", "delete"]);
    // What another program has left is not in the way.
    assert_eq!(kind_of(&storage, "/b").await, Err(StorageErrorKind::NotFound));
    put(&storage, "/b/f", b"x").await;
    assert_eq!(names(&storage, "/b").await, ["f"]);
}
