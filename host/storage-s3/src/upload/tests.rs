//! What is left of an upload whose session has ended.

use futures_util::FutureExt;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileSystem, Location, S3Location};
use tidegate_core::secret::Secret;

use super::*;
use crate::object::Found;
use crate::{S3FileSystems, S3Settings};

/// What second parts have of the memory of a server that does not set it.
const OF_SECOND_PARTS: usize = 224 << 20;

/// An upload over the beginning of a larger object: its end needs the memory of a second part.
async fn upload_over_a_beginning() -> S3Upload {
    let location = S3Location {
        bucket: "b".into(),
        endpoint: "http://127.0.0.1:1".into(),
        access_key: "key".into(),
        access_secret: Secret::new("secret"),
        ..S3Location::default()
    };
    let location = Location::S3(Box::new(location));
    let file_system = FileSystem { location, account: "u".into(), owner: (0, 0), make_missing: true };
    let storage = S3FileSystems::new(S3Settings::default(), Arc::default()).open(&file_system).unwrap();
    let bucket = storage.bucket.clone();
    let key = bucket.key(&VirtualPath::resolve(&VirtualPath::root(), b"/a").unwrap()).unwrap();
    let mut written = Written::new(bucket.clone(), key.clone(), false);
    written.keep(Found { metadata: bucket.uploaded(&key, 1 << 20), etag: None, upload: None });
    written.write(Some(0), b"x").await.unwrap();
    S3Upload {
        claimed: Mutex::new(Some(bucket.claim(&key, Kind::File).unwrap())),
        id: bucket.id_of_upload(&key, ""),
        bucket,
        key,
        append: false,
        must_be_new: false,
        was_free: false,
        size: AtomicU64::new(1 << 20),
        written: Mutex::new(Some(Box::new(written))),
        replaces: Mutex::default(),
        ending: Mutex::default(),
    }
}

#[tokio::test]
async fn an_end_whose_client_is_gone_waits_for_no_memory() {
    let upload = upload_over_a_beginning().await;
    let budget = upload.bucket.budget.clone();
    let taken = budget.second(OF_SECOND_PARTS).await.unwrap();
    assert_eq!(taken.bytes(), OF_SECOND_PARTS);
    // The call is dropped, as with the task of a session that ends.
    assert!(upload.finish().now_or_never().is_none());
    // Nothing goes on without it.
    assert_eq!(upload.abandon().now_or_never().map(|left| left.is_none()), Some(true));
    drop(taken);
    assert!(budget.second(OF_SECOND_PARTS).now_or_never().is_some_and(|taken| taken.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn an_end_for_which_there_is_no_memory_is_refused() {
    let upload = upload_over_a_beginning().await;
    let budget = upload.bucket.budget.clone();
    let _taken = budget.second(OF_SECOND_PARTS).await.unwrap();
    let refused = upload.finish().await.map(drop).unwrap_err();
    assert_eq!(refused.kind, StorageErrorKind::NoSpace);
    assert!(upload.abandon().await.is_none() && upload.take_claim().is_none());
}
