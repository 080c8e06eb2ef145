//! Clients that leave while the store has not answered a request of theirs.

use super::*;
use crate::MemoryLimits;
use crate::tests::store::Held;

/// Polls a call until the store has the request that it holds, and drops it then.
async fn leave<T: std::fmt::Debug>(held: &mut Held, call: impl Future<Output = T>) {
    let meanwhile = async {
        tokio::select! {
            () = held.arrived() => {}
            outcome = call => panic!("it ended: {outcome:?}"),
        }
    };
    tokio::time::timeout(Duration::from_secs(30), meanwhile).await.unwrap();
}

#[tokio::test]
async fn an_upload_whose_client_leaves_during_a_write_is_aborted() {
    let store = Store::start().await;
    // Parts of 5 MiB, and two first ones of an account at most: what was not given back would be missed.
    let memory = MemoryLimits { uploads: 40 * MIB, downloads: MIB, patience: Duration::from_secs(5) };
    let storage = open(location(&store), S3Settings { memory, ..quick() }).unwrap();
    let data = bytes(20 * MIB);
    for kind_of_request in ["begin", "part"] {
        for _ in 0..3 {
            let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
            let mut held = store.hold(kind_of_request);
            leave(&mut held, upload.write_at(0, &data)).await;
            assert_eq!(store.unfinished(), 1, "{kind_of_request}");
            held.answer();
            store.is_clean().await;
            assert_eq!(kind(upload.write_at(0, b"x").await), Err(StorageErrorKind::Other));
            assert!(upload.abandon().await.is_none() && store.keys().is_empty(), "{kind_of_request}");
        }
    }
    put(&storage, "/f", &data).await;
    assert!(store.data("home/f").unwrap() == data);
}

#[tokio::test]
async fn an_upload_that_continues_a_file_is_aborted_when_its_client_leaves() {
    let (store, storage) = started().await;
    put(&storage, "/f", &bytes(6 * MIB)).await;
    // Parts are copied beside the call.
    let mut held = store.hold("begin");
    let options = OpenOptions { truncate: false, ..PUT };
    let upload = storage.begin_upload(&path("/f"), options).await.unwrap();
    leave(&mut held, upload.write_at(6 * MIB as u64, b"x")).await;
    held.answer();
    store.is_clean().await;
    assert_eq!(store.data("home/f").unwrap().len(), 6 * MIB);
}

#[tokio::test]
async fn a_rename_whose_client_leaves_during_a_copy_is_given_up() {
    // A16-04
    let (store, storage) = started().await;
    let data = bytes(65 * MIB);
    store.put("home/f", &data);
    for held_kind in ["begin", "copy part"] {
        let mut held = store.hold(held_kind);
        let (from, to) = (path("/f"), path("/g"));
        leave(&mut held, storage.rename(&from, &to, false)).await;
        assert_eq!(store.unfinished(), 1, "{held_kind}");
        held.answer();
        store.is_clean().await;
        assert_eq!(store.keys(), ["home/f"], "{held_kind}");
    }
    storage.rename(&path("/f"), &path("/g"), false).await.unwrap();
    assert!(store.keys() == ["home/g"] && store.data("home/g").unwrap() == data);
}

#[tokio::test]
async fn a_close_goes_on_without_its_client_and_says_later_what_became_of_it() {
    for (length, last, refused) in [
        (3, "put", false),
        (3, "put", true),
        (20 * MIB, "complete", false),
        (20 * MIB, "complete", true),
        (20 * MIB, "head", false),
    ] {
        let (store, storage) = started().await;
        store.put("home/f", b"old");
        let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
        upload.write_at(0, &bytes(length)).await.unwrap();
        if refused {
            store.content.lock().unwrap().failing = Some((last, 403));
        }
        let mut held = store.hold(last);
        leave(&mut held, upload.finish()).await;
        held.answer();
        // The quota asks for both.
        let replaced = upload.replaces().await;
        let kept = upload.abandon().await;
        let expected = if refused { (None, None) } else { (Some(3), Some(length as u64)) };
        assert_eq!((replaced.map(|old| old.size), kept.map(|kept| kept.size)), expected, "{last} {refused}");
        let expected = if refused { b"old".to_vec() } else { bytes(length) };
        assert!(store.data("home/f").unwrap() == expected, "{last} {refused}");
        store.is_clean().await;
    }
}
