//! Lists that have no end.

use super::*;
use crate::tests::store::Endless;

/// All entries of a directory, or the error.
async fn listed(storage: &dyn Storage, at: &str) -> Result<usize, StorageError> {
    let mut reader = storage.read_directory(&path(at)).await?;
    let mut count = 0;
    loop {
        match reader.next_entries(100).await?.len() {
            0 => return Ok(count),
            more => count += more,
        }
    }
}

#[tokio::test]
async fn a_list_that_repeats_itself_is_an_error() {
    for endless in [Endless::Empty, Endless::Same, Endless::Renamed] {
        let store = Store::start().await;
        let storage = open(location(&store), S3Settings { rename_limit: 1000, ..quick() }).unwrap();
        for number in 0..7 {
            store.put(&format!("home/d/{number}"), b"x");
        }
        store.put("home/d/e/f", b"x");
        {
            let mut content = store.content.lock().unwrap();
            (content.page, content.endless) = (3, Some(endless));
        }
        for at in ["/d", "/"] {
            let refused = listed(&storage, at).await.unwrap_err();
            assert_eq!(refused.kind, StorageErrorKind::Other, "{endless:?} {at}");
            assert!(refused.message.contains("again and again"), "{endless:?} {at}: {}", refused.message);
        }
        // Pages without names may be many, so that only time is a limit of them if each is another one.
        if endless != Endless::Renamed {
            assert!(storage.rename(&path("/d"), &path("/g"), false).await.is_err(), "{endless:?}");
        }
        assert!(storage.remove_directory(&path("/d")).await.is_err(), "{endless:?}");
        assert_eq!(store.keys().len(), 8, "{endless:?}");
        assert!(store.requests().len() < 3000, "{endless:?}");
    }
}

#[tokio::test]
async fn a_list_of_unfinished_uploads_that_repeats_itself_is_an_error() {
    let (store, storage) = started().await;
    store.content.lock().unwrap().endless = Some(Endless::Same);
    let refused = storage.sweep(i64::MAX).await.unwrap_err();
    assert!(refused.message.contains("again and again"), "{}", refused.message);
}

#[tokio::test]
async fn a_list_of_many_pages_is_read_to_its_end() {
    let (store, storage) = started().await;
    store.content.lock().unwrap().page = 2;
    for number in 0..300 {
        store.put(&format!("home/d/{number}"), b"x");
        store.put(&format!("home/d/{number}.d/f"), b"x");
    }
    assert_eq!(names(&storage, "/d").await.len(), 600);
}
