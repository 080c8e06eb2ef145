//! Downloads: read ahead, in any order, of one version.

use super::*;

#[tokio::test]
async fn what_is_stored_is_read() {
    let (store, storage) = started().await;
    for length in [0, 1, 300_000, 20 * MIB + 3] {
        let data = bytes(length);
        let file = opened(&store, &storage, &data).await;
        assert_eq!(file.metadata().await.unwrap().size, length as u64);
        assert!(read(&*file, 32 << 10).await.unwrap() == data, "{length}");
        assert_eq!(kind(file.read_at(u64::MAX, 1, &mut Vec::new()).await), Err(StorageErrorKind::Invalid));
        assert_eq!(file.read_at(length as u64, 9, &mut Vec::new()).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_reader_is_read_ahead_of() {
    let (store, storage) = started().await;
    store.put("home/f", &bytes(20 * MIB));
    store.requests();
    let file = storage.open(&path("/f")).await.unwrap();
    file.read_at(0, 32 << 10, &mut Vec::new()).await.unwrap();
    // The first byte takes two requests.
    assert_eq!(store.requests(), ["head", "get"]);
    read(&*file, 32 << 10).await.unwrap();
    let requests = store.requests();
    assert!(requests.len() <= 20 && requests.iter().all(|request| request == "get"), "{requests:?}");
}

#[tokio::test]
async fn a_random_read_is_one_request() {
    let (store, storage) = started().await;
    let data = bytes(20 * MIB);
    let file = opened(&store, &storage, &data).await;
    store.requests();
    for offset in [19 * MIB, 5 * MIB, 11 * MIB, 3, 20 * MIB - 10] {
        let mut buffer = b"kept".to_vec();
        let count = file.read_at(offset as u64, 1000, &mut buffer).await.unwrap();
        assert_eq!(count, 1000.min(data.len() - offset));
        assert!(buffer == [b"kept", &data[offset..offset + count]].concat(), "{offset}");
    }
    assert_eq!(store.requests(), ["get"; 5]);
}

#[tokio::test]
async fn a_reader_gets_one_version() {
    let (store, storage) = started().await;
    for replaced in [true, false] {
        let file = opened(&store, &storage, &bytes(20 * MIB)).await;
        file.read_at(0, 1000, &mut Vec::new()).await.unwrap();
        match replaced {
            true => store.put("home/f", &vec![1; 20 * MIB]),
            false => drop(storage.remove_file(&path("/f")).await.unwrap()),
        }
        let error = read(&*file, 100_000).await.unwrap_err();
        let expected = if replaced { "replaced" } else { "removed" };
        assert!(error.kind == StorageErrorKind::Other && error.message.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn without_memory_nothing_is_read_ahead() {
    let (store, storage) = limited(1024).await;
    let data = bytes(MIB);
    store.put("home/f", &data);
    assert!(content(&storage, "/f").await.unwrap() == data);
}

#[tokio::test]
async fn errors_of_the_store_are_told_apart() {
    let (store, storage) = started().await;
    store.put("home/f", b"x");
    for (status, expected) in
        [(403, StorageErrorKind::PermissionDenied), (500, StorageErrorKind::Other), (503, StorageErrorKind::Other)]
    {
        for failing in ["head", "list"] {
            store.content.lock().unwrap().failing = Some((failing, status));
            let outcome = match failing {
                "head" => kind(storage.metadata(&path("/f")).await),
                _ => kind(storage.read_directory(&path("/")).await),
            };
            assert_eq!(outcome, Err(expected), "{failing} {status}");
        }
    }
    store.content.lock().unwrap().failing = None;
    // A store that is away.
    let away = S3Location { endpoint: "http://127.0.0.1:1".into(), ..location(&store) };
    let away = open(away, quick()).unwrap();
    assert_eq!(kind(away.metadata(&path("/f")).await), Err(StorageErrorKind::Other));
    assert_eq!(
        kind(away.begin_upload(&path("/f"), OpenOptions { truncate: false, ..PUT }).await),
        Err(StorageErrorKind::Other)
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_asked_once_after_the_first_request() {
    let away = S3Location {
        bucket: "bucket".into(),
        endpoint: "http://127.0.0.1:1".into(),
        access_key: "key".into(),
        access_secret: Secret::new("secret"),
        path_style: true,
        ..S3Location::default()
    };
    let metrics = Arc::new(Metrics::default());
    let away = open_counted(Location::S3(Box::new(away)), S3Settings::default(), metrics.clone()).unwrap();
    let asked = async || {
        let (before, begun) = (metrics.counts().object_requests[0].all, tokio::time::Instant::now());
        assert_eq!(kind(away.metadata(&path("/f")).await), Err(StorageErrorKind::Other));
        (metrics.counts().object_requests[0].all - before, begun.elapsed().as_secs())
    };
    let (requests, seconds) = asked().await;
    assert!((3..7).contains(&requests) && (3..8).contains(&seconds), "{requests} {seconds}");
    for _ in 0..3 {
        assert_eq!(asked().await, (1, 0));
    }
}
