//! How often the store is asked before a file is stored, and that nothing is lost where it is not asked.

use tidegate_core::ports::storage::{FileKind, Metadata, SetAttributes};

use super::*;

/// What the server does for `OPEN`: it looks what has the name, and begins.
async fn opened(storage: &S3Storage, at: &str) -> Box<dyn Upload> {
    let before = before(storage, at).await;
    let options = OpenOptions { is_new: before.is_none(), ..PUT };
    let upload = storage.begin_upload(&path(at), options).await.unwrap();
    upload.write_at(0, at.as_bytes()).await.unwrap();
    upload
}

async fn before(storage: &S3Storage, at: &str) -> Option<Metadata> {
    storage.metadata_for_upload(&path(at)).await.ok()
}

async fn missing(storage: &S3Storage, at: &str) {
    assert_eq!(kind(storage.metadata(&path(at)).await), Err(StorageErrorKind::NotFound), "{at}");
}

#[tokio::test]
async fn a_new_file_is_looked_for_once() {
    let (store, storage) = started().await;
    // As OpenSSH's client does.
    missing(&storage, "/f").await;
    finish(&*opened(&storage, "/f").await).await.unwrap();
    assert_eq!(store.requests(), ["head", "list", "put"]);
    assert_eq!(content(&storage, "/f").await.unwrap(), b"/f");
    store.requests();
    // One that is there.
    assert_eq!(storage.metadata(&path("/f")).await.unwrap().size, 2);
    let upload = opened(&storage, "/f").await;
    assert_eq!(store.requests(), ["head", "head"]);
    assert!(matches!(upload.finish().await.unwrap(), Finished::Named { replaced: Some(old) } if old.size == 2));
    assert_eq!(store.requests(), ["head", "put"]);
    // Without a lookup before.
    finish(&*opened(&storage, "/g").await).await.unwrap();
    assert_eq!(store.requests(), ["head", "list", "put"]);
}

#[tokio::test]
async fn only_uploads_use_what_a_lookup_has_found_and_each_once() {
    let (store, storage) = started().await;
    store.put("home/kept", b"x");
    for _ in 0..2 {
        missing(&storage, "/f").await;
        assert_eq!(store.requests(), ["head", "list"]);
        // Storages with other settings see at once what other programs make.
        storage.metadata(&path("/kept")).await.unwrap();
        store.requests();
    }
    store.put("home/f", b"of others");
    assert_eq!(storage.metadata(&path("/f")).await.unwrap().size, 9);
    storage.remove_file(&path("/f")).await.unwrap();
    missing(&storage, "/f").await;
    store.requests();
    let first = opened(&storage, "/f").await;
    assert!(store.requests().is_empty());
    let second = opened(&storage, "/f").await;
    assert!(!store.requests().is_empty());
    drop((first, second));
}

#[tokio::test]
async fn what_the_server_makes_is_seen() {
    let (_store, storage) = started().await;
    let check = async |at: &str, expected: Option<FileKind>| {
        assert_eq!(before(&storage, at).await.map(|metadata| metadata.kind), expected, "{at}");
    };
    for name in ["/made", "/d", "/moved"] {
        missing(&storage, name).await;
    }
    storage.create_directory(&path("/made"), None).await.unwrap();
    check("/made", Some(FileKind::Directory)).await;
    put(&storage, "/d/f", b"x").await;
    check("/d", Some(FileKind::Directory)).await;
    storage.rename(&path("/d/f"), &path("/moved"), false).await.unwrap();
    check("/moved", Some(FileKind::File)).await;
    missing(&storage, "/below/deep").await;
    storage.rename(&path("/made"), &path("/below"), false).await.unwrap();
    check("/below/deep", None).await;
    check("/below", Some(FileKind::Directory)).await;
    check("/new", None).await;
}

#[tokio::test]
async fn a_rename_into_another_part_of_the_bucket_is_seen_there() {
    let (store, storage) = started().await;
    let beside = S3Location { key_prefix: "beside".into(), ..location(&store) };
    let beside = Arc::new(open(beside, quick()).unwrap());
    put(&storage, "/f", b"x").await;
    missing(&beside, "/f").await;
    let target: Arc<dyn Storage> = beside.clone();
    storage.rename_into(&path("/f"), &target, &path("/f"), false).await.unwrap();
    assert!(before(&beside, "/f").await.is_some());
}

#[tokio::test]
async fn of_two_sessions_that_make_a_name_at_once_the_last_one_stays() {
    let (store, storage) = started().await;
    let other = open(location(&store), quick()).unwrap();
    for other in [&storage, &other] {
        for storage in [&storage, other] {
            missing(storage, "/f").await;
        }
        let (first, second) = (opened(&storage, "/f").await, opened(other, "/f").await);
        assert!(matches!(first.finish().await.unwrap(), Finished::Named { replaced: None }));
        assert!(matches!(second.finish().await.unwrap(), Finished::Named { replaced: Some(old) } if old.size == 2));
        storage.remove_file(&path("/f")).await.unwrap();
    }
}

#[tokio::test]
async fn what_another_program_makes_after_the_lookup_is_not_lost_unseen() {
    let (store, storage) = started().await;
    missing(&storage, "/f").await;
    store.put("home/f", b"of others");
    // The quota gets what was replaced.
    let upload = opened(&storage, "/f").await;
    assert!(matches!(upload.finish().await.unwrap(), Finished::Named { replaced: Some(old) } if old.size == 9));
    storage.remove_file(&path("/f")).await.unwrap();
    // A file that must be new is refused.
    for options in [OpenOptions { exclusive: true, ..PUT }, OpenOptions { truncate: false, ..PUT }] {
        missing(&storage, "/f").await;
        assert!(before(&storage, "/f").await.is_none());
        store.put("home/f", b"of others");
        let options = OpenOptions { is_new: true, ..options };
        let upload = storage.begin_upload(&path("/f"), options).await.unwrap();
        upload.write_at(0, b"mine").await.unwrap();
        assert_eq!(kind(upload.finish().await), Err(StorageErrorKind::AlreadyExists));
        assert_eq!(store.data("home/f").unwrap(), b"of others");
        storage.remove_file(&path("/f")).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_remembered_where_the_store_cannot_tell() {
    let (store, storage) = started().await;
    store.content.lock().unwrap().refuses_conditions = true;
    for name in ["/a", "/b"] {
        missing(&storage, name).await;
    }
    finish(&*opened(&storage, "/a").await).await.unwrap();
    assert!(before(&storage, "/kept").await.is_none());
    store.requests();
    store.put("home/b", b"of others");
    assert_eq!(before(&storage, "/b").await.map(|found| found.size), Some(9));
    assert_eq!(content(&storage, "/a").await.unwrap(), b"/a");
}

#[tokio::test]
async fn after_names_that_are_missing_one_listing_is_enough() {
    let (store, storage) = started().await;
    let both: &[&str] = &["head", "list", "put"];
    for (name, expected) in [("/a", both), ("/b", both), ("/c", &["list", "put"]), ("/d", &["list", "put"])] {
        missing(&storage, name).await;
        finish(&*opened(&storage, name).await).await.unwrap();
        assert_eq!(store.requests(), expected, "{name}");
    }
    // A directory, among names that begin alike.
    for key in ["home/e-", "home/e/x", "home/e0"] {
        store.put(key, b"x");
    }
    assert_eq!(storage.metadata(&path("/e")).await.unwrap().kind, FileKind::Directory);
    assert_eq!(store.requests(), ["list"]);
    // The time of a file is kept.
    let upload = opened(&storage, "/e1").await;
    let times = SetAttributes { times: Some((5, 86_400)), ..Default::default() };
    upload.set_attributes(&times).await.unwrap();
    finish(&*upload).await.unwrap();
    missing(&storage, "/x").await;
    store.requests();
    for expected in [&["list", "head"][..], &["head"]] {
        assert_eq!(storage.metadata(&path("/e1")).await.unwrap().modified, 86_400);
        assert_eq!(store.requests(), expected);
    }
}

#[tokio::test]
async fn a_listing_that_says_too_little_is_not_asked_for_again() {
    for is_failing in [false, true] {
        let (store, storage) = started().await;
        for number in 0..150 {
            store.put(&format!("home/m{number}"), b"x");
        }
        missing(&storage, "/a").await;
        missing(&storage, "/b").await;
        store.requests();
        if is_failing {
            store.content.lock().unwrap().failing = Some(("list", 400));
            assert_eq!(kind(storage.metadata(&path("/c")).await), Err(StorageErrorKind::Other));
            store.content.lock().unwrap().failing = None;
        } else {
            missing(&storage, "/m").await;
        }
        assert_eq!(store.requests(), ["list", "head", "list"], "{is_failing}");
        missing(&storage, "/d").await;
        assert_eq!(store.requests(), ["head", "list"], "{is_failing}");
    }
}

#[tokio::test]
async fn a_directory_is_found_where_the_store_fails_for_its_object() {
    let (store, storage) = started().await;
    for key in ["home/d-", "home/d/x", "home/d0", "home/empty/", "home/f"] {
        store.put(key, b"x");
    }
    for number in 0..150 {
        store.put(&format!("home/m-{number}"), b"x");
    }
    store.put("home/m/x", b"x");
    store.content.lock().unwrap().failing = Some(("head", 500));
    // Of the last one, more names begin alike than a listing shows.
    for (name, most) in [("/d", 2), ("/empty", 2), ("/m", 4)] {
        store.requests();
        assert_eq!(storage.metadata(&path(name)).await.unwrap().kind, FileKind::Directory, "{name}");
        let requests = store.requests();
        assert!(requests.len() <= most && requests.iter().filter(|kind| *kind == "head").count() == 1, "{requests:?}");
    }
    assert_eq!(names(&storage, "/d").await, ["x"]);
    assert_eq!(kind(storage.remove_directory(&path("/d")).await), Err(StorageErrorKind::NotEmpty));
    storage.remove_directory(&path("/empty")).await.unwrap();
    // What the listing shows to be a file is not decided by it.
    for name in ["/f", "/d-"] {
        assert_eq!(kind(storage.metadata(&path(name)).await), Err(StorageErrorKind::Other), "{name}");
    }
    // What it does not show is not there.
    store.requests();
    missing(&storage, "/none").await;
    let requests = store.requests();
    assert_eq!(requests.iter().filter(|kind| *kind == "head").count(), 2, "{requests:?}");
    store.content.lock().unwrap().failing = None;
    put(&storage, "/none/f", b"x").await;
    assert_eq!(names(&storage, "/none").await, ["f"]);
}

#[tokio::test]
async fn a_file_is_found_that_the_store_fails_for_once() {
    let (store, storage) = started().await;
    store.put("home/f", b"xy");
    store.put("home/f/below", b"x");
    store.content.lock().unwrap().lost_answer = Some("head");
    let found = storage.metadata(&path("/f")).await.unwrap();
    assert_eq!((found.kind, found.size), (FileKind::File, 2));
    assert_eq!(store.requests(), ["head", "list", "head"]);
    store.content.lock().unwrap().lost_answer = Some("head");
    missing(&storage, "/missing").await;
}
