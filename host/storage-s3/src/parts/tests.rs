//! How parts grow, and what they take from the budget.

use tidegate_core::ports::storage::{FileSystem, Location, S3Location};
use tidegate_core::secret::Secret;

use super::*;
use crate::{S3FileSystems, S3Settings};

#[tokio::test]
async fn an_upload_has_no_more_parts_than_stores_take() {
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
    let key = storage.bucket.prefix.key(&tidegate_core::path::VirtualPath::root()).unwrap();
    let mut written = Written::new(storage.bucket.clone(), key, false);
    written.widen().await.unwrap();
    for (parts, expected) in [(0, 8 << 20), (499, 8 << 20), (500, 16 << 20), (9_999, 64 << 20)] {
        written.parts = parts;
        let (taken, _) = written.new_part(1).await.unwrap();
        assert_eq!(taken.bytes(), expected, "{parts}");
        written.sender.send(taken).unwrap();
    }
    written.parts = MAX_PARTS;
    let refused = written.write(Some(0), b"x").await.unwrap_err();
    assert_eq!((refused.kind, refused.message.contains("larger")), (StorageErrorKind::NoSpace, true));
    // Nothing of it can have a name.
    assert_eq!(written.finish().await.unwrap_err().kind, StorageErrorKind::NoSpace);
}
