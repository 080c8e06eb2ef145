//! Uploads: small and large, out of order, continued, broken off, and without memory.

use tidegate_core::ports::storage::SetAttributes;

use super::*;
use crate::MemoryLimits;

#[tokio::test]
async fn a_small_file_is_one_request() {
    let (store, storage) = started().await;
    for length in [0, 1, 8 * MIB] {
        let data = bytes(length);
        store.requests();
        let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
        for (number, portion) in data.chunks(MIB).enumerate() {
            upload.write_at((number * MIB) as u64, portion).await.unwrap();
        }
        assert_eq!(upload.metadata().await.unwrap().size, length as u64);
        finish(&*upload).await.unwrap();
        assert_eq!(store.requests(), ["head", "put"], "{length}");
        assert!(store.data("home/f").unwrap() == data, "{length}");
    }
}

#[tokio::test]
async fn an_upload_is_not_the_file_that_it_replaces() {
    // A10-06: a count of files leaves uploads out, and must not leave out what has their names.
    let (_store, storage) = started().await;
    put(&storage, "/f", b"old").await;
    let (one, other) = (
        storage.begin_upload(&path("/f"), PUT).await.unwrap(),
        storage.begin_upload(&path("/f"), OpenOptions { truncate: false, ..PUT }).await.unwrap(),
    );
    let named = storage.metadata(&path("/f")).await.unwrap().id;
    let (one, other) = (one.metadata().await.unwrap().id, other.metadata().await.unwrap().id);
    assert!(one != named && other != named && one != other);
}

#[tokio::test]
async fn a_large_file_is_sent_in_parts() {
    let (store, storage) = started().await;
    put(&storage, "/f", b"old").await;
    for length in [8 * MIB + 1, 33 * MIB + 77] {
        let data = bytes(length);
        let before = store.data("home/f");
        let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
        for (number, portion) in data.chunks(100_000).enumerate() {
            upload.write_at((number * 100_000) as u64, portion).await.unwrap();
        }
        // The old file stays until the new one is complete.
        assert!(store.data("home/f") == before);
        finish(&*upload).await.unwrap();
        assert!(store.data("home/f").unwrap() == data, "{length}");
        assert_eq!(store.unfinished(), 0);
    }
}

#[tokio::test]
async fn nothing_stays_of_a_broken_upload() {
    let (store, storage) = started().await;
    for length in [10, 30 * MIB] {
        for end in 0..3 {
            let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
            upload.write_at(0, &bytes(length)).await.unwrap();
            assert_eq!(store.unfinished(), usize::from(length > MIB));
            match end {
                0 => assert!(upload.abandon().await.is_none()),
                1 => upload.discard(),
                _ => drop(upload),
            }
            store.is_clean().await;
            assert!(store.keys().is_empty(), "{length} {end}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_repeated_meets_its_own_file() {
    for (lost, length, exclusive) in [("put", 10, false), ("put", 10, true), ("complete", 9 * MIB, false)] {
        let (store, storage) = started().await;
        let options = OpenOptions { exclusive, ..PUT };
        let upload = storage.begin_upload(&path("/f"), options).await.unwrap();
        upload.write_at(0, &bytes(length)).await.unwrap();
        store.content.lock().unwrap().lost_answer = Some(lost);
        // The quota gets it as new.
        let finished = upload.finish().await.unwrap();
        assert!(matches!(finished, Finished::Named { replaced: None }), "{lost} {exclusive}");
        assert!(store.content.lock().unwrap().lost_answer.is_none());
        assert!(store.data("home/f").unwrap() == bytes(length));
        assert_eq!(store.unfinished(), 0);
        assert!(!store.content.lock().unwrap().refuses_conditions);
    }
}

#[tokio::test]
async fn writes_that_are_near_are_put_in_order() {
    let (store, storage) = started().await;
    let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
    upload.write_at(4, b"last").await.unwrap();
    upload.write_at(2, b"dd").await.unwrap();
    assert_eq!(upload.metadata().await.unwrap().size, 0);
    upload.write_at(0, b"mi").await.unwrap();
    let refused = Err(StorageErrorKind::Unsupported);
    assert_eq!(kind(upload.write_at(0, b"x").await), refused);
    assert_eq!(kind(upload.write_at(1 << 40, b"x").await), refused);
    assert_eq!(kind(upload.write_at(u64::MAX, b"x").await), Err(StorageErrorKind::Invalid));
    finish(&*upload).await.unwrap();
    assert_eq!(store.data("home/f").unwrap(), b"middlast");
    // A file with a hole has no name.
    let upload = storage.begin_upload(&path("/g"), PUT).await.unwrap();
    upload.write_at(4, b"last").await.unwrap();
    assert_eq!(kind(upload.finish().await), refused);
    assert_eq!(store.keys(), ["home/f"]);
}

#[tokio::test]
async fn uploads_continue_a_file() {
    // A5-12
    let (store, storage) = started().await;
    let more = bytes(9 * MIB);
    for length in [0, 3, 6 * MIB] {
        for append in [false, true] {
            let old = bytes(length);
            put(&storage, "/f", &old).await;
            store.requests();
            let options = OpenOptions { truncate: false, append, ..PUT };
            let upload = storage.begin_upload(&path("/f"), options).await.unwrap();
            assert_eq!(upload.metadata().await.unwrap().size, length as u64);
            let offset = if append { 0 } else { length as u64 };
            upload.write_at(offset, &more).await.unwrap();
            assert!(store.data("home/f").unwrap() == old);
            finish(&*upload).await.unwrap();
            assert!(store.data("home/f").unwrap() == [old, more.clone()].concat(), "{length} {append}");
            let downloads = store.requests().iter().filter(|request| *request == "get").count();
            assert_eq!(downloads, usize::from(length == 3), "{length} {append}");
        }
    }
    // Broken off, the old file stays.
    let upload = storage.begin_upload(&path("/f"), OpenOptions { truncate: false, ..PUT }).await.unwrap();
    upload.write_at(15 * MIB as u64, b"x").await.unwrap();
    drop(upload);
    store.is_clean().await;
    assert_eq!(store.data("home/f").unwrap().len(), 15 * MIB);
}

#[tokio::test]
async fn files_that_must_be_new_are() {
    let (store, storage) = started().await;
    let exclusive = OpenOptions { exclusive: true, ..PUT };
    put(&storage, "/f", b"old").await;
    assert_eq!(kind(storage.begin_upload(&path("/f"), exclusive).await), Err(StorageErrorKind::AlreadyExists));
    let missing = OpenOptions { create: false, ..PUT };
    assert_eq!(kind(storage.begin_upload(&path("/none"), missing).await), Err(StorageErrorKind::NotFound));
    assert_eq!(kind(storage.begin_upload(&path("/"), PUT).await), Err(StorageErrorKind::IsADirectory));
    for options in [exclusive, OpenOptions { truncate: false, ..PUT }] {
        for length in [3, 20 * MIB] {
            let upload = storage.begin_upload(&path("/new"), options).await.unwrap();
            upload.write_at(0, &bytes(length)).await.unwrap();
            // Asked before the other one has the name, so that only the store can know.
            assert!(upload.replaces().await.is_none());
            store.put("home/new", b"of others");
            assert_eq!(kind(upload.finish().await), Err(StorageErrorKind::AlreadyExists), "{options:?}");
            assert_eq!(store.data("home/new").unwrap(), b"of others");
            store.is_clean().await;
            storage.remove_file(&path("/new")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn of_two_uploads_the_last_one_stays() {
    let (_store, storage) = started().await;
    let first = storage.begin_upload(&path("/f"), PUT).await.unwrap();
    let second = storage.begin_upload(&path("/f"), PUT).await.unwrap();
    first.write_at(0, b"first").await.unwrap();
    second.write_at(0, b"second").await.unwrap();
    finish(&*first).await.unwrap();
    let finished = second.finish().await.unwrap();
    assert!(matches!(finished, Finished::Named { replaced: Some(old) } if old.size == 5));
    assert_eq!(content(&storage, "/f").await.unwrap(), b"second");
    assert_eq!(kind(second.write_at(6, b"x").await), Err(StorageErrorKind::Other));
}

#[tokio::test]
async fn a_time_that_costs_nothing_is_kept() {
    // A16-03
    let (_store, storage) = started().await;
    let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
    upload.write_at(0, b"x").await.unwrap();
    let times = SetAttributes { times: Some((5, 86_400)), mode: Some(0o600), ..Default::default() };
    upload.set_attributes(&times).await.unwrap();
    let cut = SetAttributes { size: Some(7), ..Default::default() };
    assert_eq!(kind(upload.set_attributes(&cut).await), Err(StorageErrorKind::Unsupported));
    upload.set_attributes(&SetAttributes { size: Some(1), ..Default::default() }).await.unwrap();
    finish(&*upload).await.unwrap();
    assert_eq!(storage.metadata(&path("/f")).await.unwrap().modified, 86_400);
}

#[tokio::test]
async fn new_objects_have_class_and_access_list() {
    let store = Store::start().await;
    let location =
        S3Location { storage_class: "STANDARD_IA".into(), acl: "bucket-owner-read".into(), ..location(&store) };
    let storage = open(location, quick()).unwrap();
    for length in [1, 20 * MIB] {
        put(&storage, "/f", &bytes(length)).await;
        let headers = store.content.lock().unwrap().objects["home/f"].headers.clone();
        assert_eq!(headers["x-amz-storage-class"], "STANDARD_IA", "{length}");
        assert_eq!(headers["x-amz-acl"], "bucket-owner-read", "{length}");
    }
}

#[tokio::test]
async fn a_failing_store_fails_the_upload() {
    let (store, storage) = started().await;
    for (failing, status, length) in [
        ("put", 500, 1),
        ("put", 403, 1),
        ("begin", 503, 20 * MIB),
        ("part", 500, 60 * MIB),
        ("complete", 403, 20 * MIB),
    ] {
        store.content.lock().unwrap().failing = Some((failing, status));
        let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
        let mut outcome = Ok(());
        for (number, portion) in bytes(length).chunks(MIB).enumerate() {
            outcome = outcome.and(upload.write_at((number * MIB) as u64, portion).await);
        }
        let outcome = outcome.and(finish(&*upload).await);
        let expected = if status == 403 { StorageErrorKind::PermissionDenied } else { StorageErrorKind::Other };
        assert_eq!(kind(outcome), Err(expected), "{failing} {status}");
        drop(upload);
        store.content.lock().unwrap().failing = None;
        store.is_clean().await;
        assert!(store.keys().is_empty());
    }
}

#[tokio::test]
async fn an_upload_that_the_store_has_lost_is_an_error() {
    for forgets_at in ["part", "complete"] {
        let (store, storage) = started().await;
        put(&storage, "/f", b"old").await;
        let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
        upload.write_at(0, &bytes(17 * MIB)).await.unwrap();
        if forgets_at == "part" {
            // As a rule of the bucket does, or its owner.
            store.content.lock().unwrap().uploads.clear();
        } else {
            store.content.lock().unwrap().failing = Some(("complete", 404));
        }
        let error = upload.finish().await.unwrap_err();
        assert!(error.kind == StorageErrorKind::Other && error.message.contains("meanwhile"), "{error}");
        assert_eq!(store.data("home/f").unwrap(), b"old");
    }
}

#[tokio::test]
async fn a_synchronized_file_would_be_one_that_is_stored() {
    // A16-03
    let (store, storage) = started().await;
    let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
    upload.write_at(0, b"x").await.unwrap();
    assert_eq!(kind(upload.sync().await), Err(StorageErrorKind::Unsupported));
    assert!(store.keys().is_empty());
    // The upload goes on.
    finish(&*upload).await.unwrap();
    assert_eq!(kind(storage.open(&path("/f")).await.unwrap().sync().await), Ok(()));
}

#[tokio::test]
async fn uploads_share_the_memory() {
    let store = Store::start().await;
    // In parts of 8 MiB, or 5 where memory is scarce: 28 MiB for first ones, and for others. An account gets 18 of them.
    let memory = MemoryLimits { uploads: 64 * MIB, downloads: MIB, patience: Duration::from_millis(50) };
    let file_systems = S3FileSystems::new(S3Settings { memory, ..quick() }, Arc::default());
    let open = |name| file_systems.open(&of_account(name, Location::S3(Box::new(location(&store))))).unwrap();
    let (storage, other) = (open("one"), open("other"));
    let data = bytes(40 * MIB);
    let mut uploads = Vec::new();
    for number in 0..3 {
        let upload = storage.begin_upload(&path(&format!("/{number}")), PUT).await.unwrap();
        upload.write_at(0, &data).await.unwrap();
        uploads.push(upload);
    }
    // The fourth has a beginning, and no part.
    let fourth = storage.begin_upload(&path("/fourth"), PUT).await.unwrap();
    fourth.write_at(0, &data[..MIB]).await.unwrap();
    let refused = fourth.write_at(MIB as u64, b"x").await.unwrap_err();
    assert_eq!((refused.kind, refused.message.contains("memory")), (StorageErrorKind::NoSpace, true));
    // Neither small files nor other accounts miss anything.
    put(&storage, "/small", &data[..MIB]).await;
    put(&other, "/large", &data).await;
    for upload in uploads {
        finish(&*upload).await.unwrap();
    }
    put(&storage, "/more", &data).await;
    for name in ["0", "1", "2", "large", "more"] {
        assert!(store.data(&format!("home/{name}")).unwrap() == data, "{name}");
    }
}

#[tokio::test]
async fn idle_uploads_of_a_few_bytes_delay_no_other() {
    let store = Store::start().await;
    let memory = MemoryLimits { uploads: 64 * MIB, downloads: MIB, patience: Duration::from_millis(50) };
    let storage = open(location(&store), S3Settings { memory, ..quick() }).unwrap();
    let mut uploads = Vec::new();
    for number in 0..500 {
        let upload = storage.begin_upload(&path(&format!("/{number}")), PUT).await.unwrap();
        upload.write_at(0, b"x").await.unwrap();
        uploads.push(upload);
    }
    put(&storage, "/large", &bytes(20 * MIB)).await;
    // Nor are bytes that wait for those before them, of which there are no more than fit.
    let (early, mut outcomes) = (bytes(MIB / 2), Vec::new());
    for upload in &uploads {
        outcomes.push(kind(upload.write_at(2, &early).await));
    }
    assert!(outcomes.contains(&Ok(())) && outcomes.contains(&Err(StorageErrorKind::NoSpace)));
    put(&storage, "/large", &bytes(20 * MIB)).await;
}

#[tokio::test]
async fn a_small_file_under_a_free_name_is_one_request() {
    let (store, storage) = started().await;
    let free = OpenOptions { is_new: true, ..PUT };
    let exclusive = OpenOptions { exclusive: true, ..free };
    let continued = OpenOptions { truncate: false, ..free };
    for (options, length, expected) in [
        (free, 3, vec!["put"]),
        (free, 0, vec!["put"]),
        (free, 9 * MIB, vec!["begin", "part", "head", "part", "complete"]),
        // Some stores do not know the condition by which the file must be new.
        (exclusive, 3, vec!["head", "put"]),
        (continued, 3, vec!["head", "put"]),
    ] {
        store.requests();
        let upload = storage.begin_upload(&path("/f"), options).await.unwrap();
        upload.write_at(0, &bytes(length)).await.unwrap();
        finish(&*upload).await.unwrap();
        let mut requests = store.requests();
        // Parts are sent while the server does other things.
        requests.sort();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(requests, expected, "{options:?} {length}");
        assert!(store.data("home/f").unwrap() == bytes(length));
        storage.remove_file(&path("/f")).await.unwrap();
    }
}

#[tokio::test]
async fn what_another_writer_stored_meanwhile_is_replaced_and_told() {
    let (store, storage) = started().await;
    let options = OpenOptions { is_new: true, ..PUT };
    for is_asked in [false, true] {
        let upload = storage.begin_upload(&path("/f"), options).await.unwrap();
        upload.write_at(0, b"mine").await.unwrap();
        if is_asked {
            assert!(upload.replaces().await.is_none());
        }
        store.put("home/f", b"of others");
        let finished = upload.finish().await.unwrap();
        assert!(matches!(finished, Finished::Named { replaced: Some(old) } if old.size == 9));
        assert_eq!(store.data("home/f").unwrap(), b"mine");
        storage.remove_file(&path("/f")).await.unwrap();
    }
}

#[tokio::test]
async fn hooks_are_shown_where_an_upload_will_be() {
    // B10-08
    let (store, storage) = started().await;
    let upload = storage.begin_upload(&path("/d/f"), PUT).await.unwrap();
    upload.write_at(0, b"x").await.unwrap();
    let shown = upload.show().await.unwrap();
    assert_eq!((shown.host_path.to_str(), shown.file.is_none()), (Some("s3://bucket/home/d/f"), true));
    assert_eq!(shown.host_path, storage.host_path(&path("/d/f")));
    assert!(store.keys().is_empty());
}

#[tokio::test]
async fn a_store_that_refuses_conditions_is_asked_before() {
    let (store, storage) = started().await;
    store.content.lock().unwrap().refuses_conditions = true;
    let options = OpenOptions { is_new: true, ..PUT };
    // The first upload shows what the store does.
    for (name, expected) in [("/f", vec!["put", "head", "put"]), ("/g", vec!["head", "put"])] {
        store.requests();
        let upload = storage.begin_upload(&path(name), options).await.unwrap();
        upload.write_at(0, b"x").await.unwrap();
        finish(&*upload).await.unwrap();
        assert_eq!(store.requests(), expected);
        assert_eq!(content(&storage, name).await.unwrap(), b"x");
    }
}
