//! Buckets that are not there.

use super::*;

fn systems(makes_buckets: bool) -> S3FileSystems {
    S3FileSystems::new(S3Settings { makes_buckets, ..quick() }, Arc::default())
}

async fn stored(storage: &S3Storage) -> Result<(), StorageErrorKind> {
    let upload = storage.begin_upload(&path("/f"), OpenOptions { is_new: true, ..PUT }).await.unwrap();
    upload.write_at(0, b"content").await.unwrap();
    kind(finish(&*upload).await)
}

#[tokio::test]
async fn a_missing_bucket_is_made_where_that_is_wanted() {
    // A16-02
    let both: &[&str] = &["head bucket", "make bucket"];
    for (makes_buckets, make_missing, is_missing, expected) in [
        (true, true, true, both),
        (true, true, false, &["head bucket"]),
        (true, false, true, &[]),
        (false, true, true, &[]),
    ] {
        let store = Store::start().await;
        store.content.lock().unwrap().lacks_bucket = is_missing;
        let systems = systems(makes_buckets);
        let place = Location::S3(Box::new(location(&store)));
        let file_system = FileSystem { make_missing, ..of_account("u", place) };
        let storage = systems.open_or_make(&file_system).await.unwrap();
        assert_eq!(store.requests(), expected, "{makes_buckets} {make_missing}");
        // It is looked for once.
        systems.open_or_make(&file_system).await.unwrap();
        assert!(store.requests().is_empty(), "{makes_buckets} {make_missing}");
        let is_there = !is_missing || expected == both;
        let outcome = if is_there { Ok(()) } else { Err(StorageErrorKind::Other) };
        assert_eq!(stored(&storage).await, outcome, "{makes_buckets} {make_missing}");
    }
}

#[tokio::test]
async fn a_bucket_that_cannot_be_made_is_an_error_when_it_is_used() {
    let store = Store::start().await;
    let file_system = of_account("u", Location::S3(Box::new(location(&store))));
    for failing in ["head bucket", "make bucket"] {
        let systems = systems(true);
        {
            let mut content = store.content.lock().unwrap();
            (content.lacks_bucket, content.failing) = (true, Some((failing, 403)));
        }
        let storage = systems.open_or_make(&file_system).await.unwrap();
        assert_eq!(stored(&storage).await, Err(StorageErrorKind::Other), "{failing}");
        // The next session tries again.
        store.content.lock().unwrap().failing = None;
        let storage = systems.open_or_make(&file_system).await.unwrap();
        assert_eq!(stored(&storage).await, Ok(()), "{failing}");
        storage.remove_file(&path("/f")).await.unwrap();
    }
}
