//! Files that are written again without being emptied first, as OpenSSH's `scp` does it.

use tidegate_core::ports::storage::SetAttributes;

use super::*;

const KEEPING: OpenOptions = OpenOptions { truncate: false, ..PUT };

fn size(size: usize) -> SetAttributes {
    SetAttributes { size: Some(size as u64), ..SetAttributes::default() }
}

/// Other bytes than those of [`bytes`].
fn new(length: usize) -> Vec<u8> {
    patterned(length, 0x80)
}

#[tokio::test]
async fn what_is_behind_the_last_byte_stays_unless_the_size_is_set() {
    // A16-08
    let (store, storage) = started().await;
    for old in [3, 6 * MIB, 20 * MIB] {
        for length in [1, 5, 5 * MIB, 9 * MIB] {
            for is_cut in [false, true] {
                store.put("home/f", &bytes(old));
                let upload = storage.begin_upload(&path("/f"), KEEPING).await.unwrap();
                let data = new(length);
                for (number, portion) in data.chunks(MIB).enumerate() {
                    upload.write_at((number * MIB) as u64, portion).await.unwrap();
                }
                assert_eq!(upload.metadata().await.unwrap().size, old.max(length) as u64);
                if is_cut {
                    upload.set_attributes(&size(length)).await.unwrap();
                    assert_eq!(upload.metadata().await.unwrap().size, length as u64);
                }
                assert!(store.data("home/f").unwrap() == bytes(old), "the old one stays until the end");
                let finished = upload.finish().await.unwrap();
                assert!(
                    matches!(finished, Finished::Named { replaced: Some(replaced) } if replaced.size == old as u64)
                );
                let rest = if is_cut { Vec::new() } else { bytes(old).split_off(length.min(old)) };
                assert!(store.data("home/f").unwrap() == [data, rest].concat(), "{old} {length} {is_cut}");
                assert_eq!(store.unfinished(), 0);
            }
        }
    }
}

#[tokio::test]
async fn what_is_kept_is_copied_inside_the_store() {
    // A16-08
    let (store, storage) = started().await;
    store.put("home/f", &bytes(20 * MIB));
    let upload = storage.begin_upload(&path("/f"), KEEPING).await.unwrap();
    upload.write_at(0, &new(6 * MIB)).await.unwrap();
    store.requests();
    finish(&*upload).await.unwrap();
    let requests = store.requests();
    let count = |kind: &str| requests.iter().filter(|request| *request == kind).count();
    assert_eq!((count("get"), count("copy part")), (0, 1), "{requests:?}");
}

#[tokio::test]
async fn a_file_that_is_cut_to_nothing_and_written_has_what_was_written() {
    // A16-08
    let (store, storage) = started().await;
    store.put("home/f", b"older content");
    let upload = storage.begin_upload(&path("/f"), KEEPING).await.unwrap();
    upload.set_attributes(&size(0)).await.unwrap();
    upload.write_at(0, b"new").await.unwrap();
    finish(&*upload).await.unwrap();
    assert_eq!(store.data("home/f").unwrap(), b"new");
}

#[tokio::test]
async fn what_was_not_written_stays_as_it_is() {
    // A16-08
    let (store, storage) = started().await;
    store.put("home/f", b"old");
    store.requests();
    let upload = storage.begin_upload(&path("/f"), KEEPING).await.unwrap();
    upload.write_at(2, b"").await.unwrap();
    upload.set_attributes(&size(3)).await.unwrap();
    assert!(matches!(upload.finish().await.unwrap(), Finished::Named { replaced: Some(old) } if old.size == 3));
    assert_eq!(store.requests(), ["head", "head"]);
    // One that another writer has replaced is counted by that one.
    let upload = storage.begin_upload(&path("/f"), KEEPING).await.unwrap();
    store.put("home/f", b"of others");
    assert_eq!(kind(upload.finish().await), Err(StorageErrorKind::Other));
    assert_eq!(store.data("home/f").unwrap(), b"of others");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_the_old_file_stays() {
    // A16-08
    let (store, storage) = started().await;
    store.put("home/f", b"older content");
    let refused = |outcome: Result<(), StorageError>| {
        let error = outcome.unwrap_err();
        assert!(error.kind == StorageErrorKind::Unsupported && error.message.contains("object storage"), "{error}");
    };
    let upload = storage.begin_upload(&path("/f"), KEEPING).await.unwrap();
    for offset in [1, 5, 12] {
        refused(upload.write_at(offset, b"x").await);
    }
    for wrong in [1, 12, 14] {
        refused(upload.set_attributes(&size(wrong)).await);
    }
    upload.write_at(0, b"new").await.unwrap();
    refused(upload.write_at(1, b"x").await);
    for wrong in [0, 2, 4, 14] {
        refused(upload.set_attributes(&size(wrong)).await);
    }
    // What has not arrived cannot be what was written.
    upload.write_at(5, b"x").await.unwrap();
    refused(upload.set_attributes(&size(3)).await);
    assert_eq!(kind(upload.finish().await), Err(StorageErrorKind::Unsupported));
    assert_eq!(store.data("home/f").unwrap(), b"older content");
    for length in [1, 9 * MIB] {
        for ends_by_drop in [true, false] {
            let upload = storage.begin_upload(&path("/f"), KEEPING).await.unwrap();
            upload.write_at(0, &new(length)).await.unwrap();
            match ends_by_drop {
                true => drop(upload),
                false => drop(upload.abandon().await),
            }
            store.is_clean().await;
            assert_eq!(store.data("home/f").unwrap(), b"older content");
        }
    }
}

#[tokio::test]
async fn two_versions_are_never_mixed() {
    // A16-08
    let (store, storage) = started().await;
    for (length, at) in [(1, 0), (6 * MIB, 0), (1, 20 * MIB)] {
        store.put("home/f", &bytes(20 * MIB));
        let upload = storage.begin_upload(&path("/f"), KEEPING).await.unwrap();
        let others = vec![1; 20 * MIB];
        if at > 0 {
            store.put("home/f", &others);
        }
        let written = upload.write_at(at as u64, &new(length)).await;
        if at == 0 {
            store.put("home/f", &others);
        }
        assert_eq!(kind(written.and(finish(&*upload).await)), Err(StorageErrorKind::Other), "{length} {at}");
        assert!(store.data("home/f").unwrap() == others, "{length} {at}");
        drop(upload);
        store.is_clean().await;
    }
}

#[tokio::test]
async fn what_goes_on_at_the_end_of_a_file_undoes_nothing() {
    // A5-12
    let (store, storage) = started().await;
    for old in [5, 6 * MIB] {
        let begun = async |byte: u8| {
            let upload = storage.begin_upload(&path("/f"), KEEPING).await.unwrap();
            upload.write_at(old as u64, &[byte]).await.unwrap();
            upload
        };
        let with = |byte: u8| [bytes(old), vec![byte]].concat();
        // The first one is kept, also where both end at once.
        store.put("home/f", &bytes(old));
        let (first, second) = (begun(b'a').await, begun(b'b').await);
        let ends = tokio::join!(finish(&*first), finish(&*second));
        let expected = match ends {
            (Ok(()), Err(error)) if error.kind == StorageErrorKind::Other => with(b'a'),
            (Err(error), Ok(())) if error.kind == StorageErrorKind::Other => with(b'b'),
            ends => panic!("{ends:?}"),
        };
        assert!(store.data("home/f").unwrap() == expected, "{old}");
        // One that was replaced stays so, and one that was removed stays away.
        store.put("home/f", &bytes(old));
        let upload = begun(b'a').await;
        put(&storage, "/f", b"another").await;
        assert_eq!(kind(finish(&*upload).await), Err(StorageErrorKind::Other));
        assert_eq!(store.data("home/f").unwrap(), b"another");
        store.put("home/f", &bytes(old));
        let upload = begun(b'a').await;
        storage.remove_file(&path("/f")).await.unwrap();
        assert_eq!(kind(finish(&*upload).await), Err(StorageErrorKind::Other));
        assert_eq!(store.data("home/f"), None);
        store.is_clean().await;
    }
}
