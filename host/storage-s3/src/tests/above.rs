//! Nothing is made below a file, and directories are not looked for again and again.

use super::*;

#[tokio::test]
async fn nothing_is_made_below_a_file() {
    // A16-07
    let store = Store::start().await;
    let storage = open(location(&store), S3Settings { rename_limit: 10, ..quick() }).unwrap();
    for key in ["home/a.txt", "home/f", "home/d/g"] {
        store.put(key, b"x");
    }
    let before = store.keys();
    let refused = Err(StorageErrorKind::NotADirectory);
    for below in ["/a.txt/b", "/a.txt/b/c", "/d/g/b"] {
        for options in [
            PUT,
            OpenOptions { is_new: true, ..PUT },
            OpenOptions { exclusive: true, ..PUT },
            OpenOptions { truncate: false, ..PUT },
        ] {
            assert_eq!(kind(storage.begin_upload(&path(below), options).await), refused, "{below} {options:?}");
        }
        assert_eq!(kind(storage.begin_copy(&path(below), None, false).await), refused, "{below}");
        assert_eq!(kind(storage.create_directory(&path(below), None).await), refused, "{below}");
        for from in ["/f", "/d", "/a.txt"] {
            let renamed = kind(storage.rename(&path(from), &path(below), true).await);
            assert!(renamed.is_err(), "{from} {below}");
        }
        assert_eq!(kind(storage.rename(&path("/f"), &path(below), false).await), refused, "{below}");
    }
    assert_eq!(store.keys(), before);
}

#[tokio::test]
async fn what_others_have_made_below_a_file_can_be_written_again() {
    // A16-07
    let (store, storage) = started().await;
    for key in ["home/a", "home/a/b"] {
        store.put(key, b"x");
    }
    put(&storage, "/a/b", b"again").await;
    assert_eq!(store.data("home/a/b").unwrap(), b"again");
}

#[tokio::test]
async fn a_directory_is_looked_for_once_in_a_while() {
    // A16-07
    let (store, storage) = started().await;
    let new = OpenOptions { is_new: true, ..PUT };
    for (at, expected) in [
        ("/a/b/f", vec!["head", "head", "put"]),
        ("/a/b/g", vec!["put"]),
        ("/a/c/f", vec!["head", "put"]),
        ("/f", vec!["put"]),
    ] {
        store.requests();
        let upload = storage.begin_upload(&path(at), new).await.unwrap();
        finish(&*upload).await.unwrap();
        assert_eq!(store.requests(), expected, "{at}");
    }
}

#[tokio::test]
async fn what_is_made_at_the_same_time_fits_into_one_tree() {
    // A16-07
    let (store, storage) = started().await;
    put(&storage, "/f", b"x").await;
    put(&storage, "/d/f", b"x").await;
    let under_way = storage.begin_upload(&path("/d/g"), PUT).await.unwrap();
    under_way.write_at(0, b"x").await.unwrap();
    storage.remove_file(&path("/d/f")).await.unwrap();
    // The directory of the upload is one, although the store knows nothing of it.
    let is_directory = Err(StorageErrorKind::IsADirectory);
    assert_eq!(kind(storage.begin_upload(&path("/d"), PUT).await), is_directory);
    assert_eq!(kind(storage.rename(&path("/f"), &path("/d"), true).await), is_directory);
    assert_eq!(kind(storage.create_directory(&path("/d/g"), None).await), Err(StorageErrorKind::AlreadyExists));
    let below = Err(StorageErrorKind::NotADirectory);
    assert_eq!(kind(storage.begin_upload(&path("/d/g/x"), PUT).await), below);
    assert_eq!(kind(storage.create_directory(&path("/d/g/x"), None).await), below);
    assert_eq!(kind(storage.rename(&path("/f"), &path("/d/g/x"), false).await), below);
    finish(&*under_way).await.unwrap();
    assert_eq!(store.keys(), ["home/d/g", "home/f"]);
    // Its end is known at once.
    assert_eq!(kind(storage.begin_upload(&path("/d/g/x"), PUT).await), below);
    storage.remove_file(&path("/d/g")).await.unwrap();
    storage.rename(&path("/f"), &path("/d"), false).await.unwrap();
    assert_eq!(kind(storage.begin_upload(&path("/d/g"), PUT).await), below);
    assert_eq!(store.keys(), ["home/d"]);
    for ends_by_drop in [true, false] {
        let given_up = storage.begin_upload(&path("/g"), PUT).await.unwrap();
        match ends_by_drop {
            true => drop(given_up),
            false => drop(given_up.abandon().await),
        }
        storage.create_directory(&path("/g"), None).await.unwrap();
        storage.remove_directory(&path("/g")).await.unwrap();
    }
}
