//! The adapter against a store that runs elsewhere, as `tests/storage/garage` starts it.

use tidegate_core::ports::storage::FileKind;

use super::*;

/// The store that the environment names, and a prefix that is free.
fn storage() -> S3Storage {
    let named = std::env::var("TIDEGATE_TEST_STORE").expect("TIDEGATE_TEST_STORE names a store");
    let [address, bucket, region, key, secret] = named.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let location = S3Location {
        bucket: bucket.into(),
        region: region.into(),
        endpoint: format!("http://{address}"),
        access_key: key.into(),
        access_secret: Secret::new(secret),
        key_prefix: format!("units/{}", since.as_nanos()),
        path_style: true,
        ..S3Location::default()
    };
    open(location, S3Settings { rename_limit: 100, ..S3Settings::default() }).unwrap()
}

#[tokio::test]
#[ignore = "needs a store: tests/storage/garage starts one"]
async fn a_real_store_keeps_files() {
    let storage = storage();
    for length in [0, 1, 8 * MIB, 8 * MIB + 1, 70 * MIB + 3] {
        let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
        for (number, portion) in bytes(length).chunks(MIB).enumerate() {
            upload.write_at((number * MIB) as u64, portion).await.unwrap();
        }
        finish(&*upload).await.unwrap();
        assert!(content(&storage, "/f").await.unwrap() == bytes(length), "{length}");
        let file = storage.open(&path("/f")).await.unwrap();
        let (at, mut part) = (length / 2, Vec::new());
        file.read_at(at as u64, 1000, &mut part).await.unwrap();
        assert!(part == bytes(length)[at..length.min(at + 1000)], "{length}");
    }
    // Continued, from a size that is copied in parts and from one that is not.
    for length in [100, 6 * MIB] {
        put(&storage, "/g", &bytes(length)).await;
        let options = OpenOptions { append: true, truncate: false, ..PUT };
        let upload = storage.begin_upload(&path("/g"), options).await.unwrap();
        upload.write_at(length as u64, b"more").await.unwrap();
        finish(&*upload).await.unwrap();
        assert!(content(&storage, "/g").await.unwrap() == [bytes(length), b"more".to_vec()].concat(), "{length}");
    }
}

#[tokio::test]
#[ignore = "needs a store: tests/storage/garage starts one"]
async fn a_real_store_keeps_names() {
    let storage = storage();
    let mut expected: Vec<String> = (0..1100).map(|number| format!("{number:04}")).collect();
    for name in &expected {
        put(&storage, &format!("/many/{name}"), b"").await;
    }
    assert_eq!(names(&storage, "/many").await, expected);
    expected.clear();
    for name in ["a b", "ä", "+", "%41", "?#&=", "'\"", "\\", " front"] {
        put(&storage, &format!("/odd/{name}"), name.as_bytes()).await;
        assert_eq!(content(&storage, &format!("/odd/{name}")).await.unwrap(), name.as_bytes());
        expected.push(name.to_owned());
    }
    expected.sort();
    assert_eq!(names(&storage, "/odd").await, expected);
    storage.create_directory(&path("/empty"), None).await.unwrap();
    assert_eq!(kind(storage.create_directory(&path("/empty"), None).await), Err(StorageErrorKind::AlreadyExists));
    assert_eq!(storage.metadata(&path("/empty")).await.unwrap().kind, FileKind::Directory);
    assert_eq!(kind(storage.remove_directory(&path("/odd")).await), Err(StorageErrorKind::NotEmpty));
    storage.remove_directory(&path("/empty")).await.unwrap();
    storage.rename(&path("/odd"), &path("/moved"), false).await.unwrap();
    assert_eq!(names(&storage, "/moved").await, expected);
    assert_eq!(kind(storage.metadata(&path("/odd")).await), Err(StorageErrorKind::NotFound));
    let exclusive = OpenOptions { exclusive: true, ..PUT };
    let again = storage.begin_upload(&path("/moved/ä"), exclusive).await;
    assert_eq!(kind(again), Err(StorageErrorKind::AlreadyExists));
}

#[tokio::test]
#[ignore = "needs a store: tests/storage/garage starts one"]
async fn a_real_store_is_swept() {
    let storage = storage();
    let begun = storage.begin_upload(&path("/f"), PUT).await.unwrap();
    for number in 0..20 {
        begun.write_at((number * MIB) as u64, &bytes(MIB)).await.unwrap();
    }
    assert_eq!(storage.sweep(0).await.unwrap().left, 1);
    assert_eq!(storage.sweep(i64::MAX).await.unwrap().aborted, 1);
    assert_eq!(storage.sweep(i64::MAX).await.unwrap(), Default::default());
    assert!(begun.finish().await.is_err());
}
