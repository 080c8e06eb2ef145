//! How parts grow, and what they take from the budget.

use tidegate_core::ports::storage::{FileSystem, Location, S3Location};
use tidegate_core::secret::Secret;

use super::*;
use crate::{S3FileSystems, S3Settings};

#[test]
fn copies_are_small_and_leave_parts_for_what_follows() {
    let check = |bytes: u64, parts: u64, expected: u64, requests: u64| {
        let length = copy_length(bytes, parts);
        assert_eq!((length, bytes.div_ceil(length.max(1))), (expected, requests), "{bytes} {parts}");
    };
    check(0, 0, 0, 0);
    check(1, 0, 1, 1);
    check(COPY, 0, COPY, 1);
    // Two halves, and not a whole one with a byte behind it.
    check(COPY + 1, 0, COPY / 2 + 1, 2);
    check(5 << 30, 0, COPY, 20);
    check(1 << 40, 0, COPY, 4096);
    check(5 << 40, 0, 1_099_511_628, 5000);
    check(1 << 40, 9_000, 2_199_023_256, 500);
    check(20 << 30, 9_996, 5 << 30, 4);
    check(5 << 30, MAX_PARTS, 5 << 30, 1);
}

#[test]
fn parts_grow_so_that_files_fit_of_the_sizes_that_are_documented() {
    // The page of `common.upload_memory` and ADR 23 name them.
    for (memory, fits) in [(512_usize << 20, 550_u64 << 30), (6144 << 20, 5 << 40)] {
        let sizes = (0..MAX_PARTS).map(|parts| part_size(8 << 20, memory / 8, parts));
        assert!(sizes.clone().is_sorted() && sizes.clone().all(|size| size <= 5 << 30), "{memory}");
        assert!(sizes.map(|size| size as u64).sum::<u64>() >= fits, "{memory}");
    }
}

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
