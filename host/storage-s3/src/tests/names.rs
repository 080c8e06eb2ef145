//! Directories, listings, renames, and what object storage cannot do.

use std::collections::BTreeSet;

use tidegate_core::ports::storage::{FileKind, SetAttributes};
use tidegate_core::quota::{ScanTree, survey};

use super::*;

#[tokio::test]
async fn a_prefix_is_the_root() {
    // A16-01
    let (store, storage) = started().await;
    store.put("other/f", b"secret");
    store.put("homework", b"secret");
    assert!(names(&storage, "/").await.is_empty());
    assert_eq!(storage.metadata(&path("/")).await.unwrap().kind, FileKind::Directory);
    put(&storage, "/a/f", b"x").await;
    assert_eq!(store.keys(), ["home/a/f", "homework", "other/f"]);
    assert_eq!(names(&storage, "/").await, ["a"]);
    assert_eq!(content(&storage, "/../other/f").await, Err(StorageErrorKind::NotFound));
    assert_eq!(storage.host_path(&path("/a/f")), "s3://bucket/home/a/f");
    let metadata = storage.metadata(&path("/a/f")).await.unwrap();
    assert_eq!((metadata.uid, metadata.gid, metadata.mode, metadata.links), (7, 8, 0o100_644, 1));
    assert_eq!(metadata.modified, 1_445_412_480);
}

#[tokio::test]
async fn directories_are_markers_or_prefixes() {
    let (store, storage) = started().await;
    storage.create_directory(&path("/d"), None).await.unwrap();
    assert_eq!(store.keys(), ["home/d/"]);
    store.put("home/implicit/f", b"x");
    assert_eq!(names(&storage, "/").await, ["d", "implicit"]);
    assert!(names(&storage, "/d").await.is_empty());
    assert_eq!(names(&storage, "/implicit").await, ["f"]);
    for directory in ["/d", "/implicit"] {
        assert_eq!(storage.metadata(&path(directory)).await.unwrap().kind, FileKind::Directory);
        assert_eq!(kind(storage.create_directory(&path(directory), None).await), Err(StorageErrorKind::AlreadyExists));
    }
    let remove = async |at: &str| kind(storage.remove_directory(&path(at)).await);
    assert_eq!(remove("/implicit").await, Err(StorageErrorKind::NotEmpty));
    assert_eq!(remove("/implicit/f").await, Err(StorageErrorKind::NotADirectory));
    assert_eq!(remove("/none").await, Err(StorageErrorKind::NotFound));
    assert_eq!(remove("/").await, Err(StorageErrorKind::Invalid));
    assert_eq!(remove("/d").await, Ok(()));
    let list = async |at: &str| kind(storage.read_directory(&path(at)).await);
    assert_eq!(list("/d").await, Err(StorageErrorKind::NotFound));
    assert_eq!(list("/implicit/f").await, Err(StorageErrorKind::NotADirectory));
    assert_eq!(kind(storage.remove_file(&path("/implicit")).await), Err(StorageErrorKind::IsADirectory));
    assert_eq!(kind(storage.remove_file(&path("/none")).await), Err(StorageErrorKind::NotFound));
    let file = storage.open(&path("/implicit")).await.unwrap();
    assert_eq!(kind(file.read_at(0, 9, &mut Vec::new()).await), Err(StorageErrorKind::IsADirectory));
    assert_eq!(storage.remove_file(&path("/implicit/f")).await.unwrap().size, 1);
}

#[tokio::test]
async fn it_is_looked_once_whether_directories_are_kept() {
    let (store, storage) = started().await;
    storage.create_directory(&path("/a"), None).await.unwrap();
    let first = store.requests().len();
    storage.create_directory(&path("/b"), None).await.unwrap();
    assert_eq!(store.requests().len(), first - 1);
    assert_eq!(store.keys(), ["home/a/", "home/b/"]);
}

#[tokio::test]
async fn names_come_back_as_they_were() {
    let (_store, storage) = started().await;
    let odd =
        [" leading", "%41", "a+b", "a b", "#?&=", "\"<>\\", "ä€😀", "[]{}|^`", "..x", "~", "'", "*", ":", "\u{200B}"];
    for name in odd {
        put(&storage, &format!("/{name}"), name.as_bytes()).await;
    }
    let expected: BTreeSet<_> = odd.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(names(&storage, "/").await.into_iter().collect::<BTreeSet<_>>(), expected);
    for name in odd {
        assert_eq!(content(&storage, &format!("/{name}")).await.as_deref(), Ok(name.as_bytes()));
    }
    for refused in ["/trailing ", "/tab\t", "/new\nline"] {
        assert_eq!(
            kind(storage.begin_upload(&path(refused), PUT).await),
            Err(StorageErrorKind::Invalid),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn the_longest_keys_are_files() {
    let (store, storage) = started().await;
    // With "home/" before it, and room for the "/" of a directory.
    let longest = format!("/{}/{}", "d".repeat(500), "ä".repeat(258));
    put(&storage, &format!("{longest}x"), b"content").await;
    assert_eq!(store.keys()[0].len(), 1023);
    assert_eq!(content(&storage, &format!("{longest}x")).await.unwrap(), b"content");
    storage.rename(&path(&format!("{longest}x")), &path(&format!("{longest}y")), false).await.unwrap();
    assert_eq!(names(&storage, &format!("/{}", "d".repeat(500))).await, [format!("{}y", "ä".repeat(258))]);
    let refused = storage.begin_upload(&path(&format!("{longest}xx")), PUT).await;
    assert_eq!(kind(refused), Err(StorageErrorKind::NameTooLong));
    let renamed = storage.rename(&path(&format!("{longest}y")), &path(&format!("{longest}yy")), false).await;
    assert_eq!(kind(renamed), Err(StorageErrorKind::NameTooLong));
    assert_eq!(store.keys().len(), 1);
}

#[tokio::test]
async fn keys_that_are_no_names_are_counted() {
    let (store, storage) = started().await;
    for key in ["home/f", "home/ends ", "home//double", "home/./dot", "home/d", "home/d/x"] {
        store.put(key, b"x");
    }
    let mut reader = storage.read_directory(&path("/")).await.unwrap();
    let mut found = Vec::new();
    loop {
        let entries = reader.next_entries(100).await.unwrap();
        if entries.is_empty() {
            break;
        }
        found.extend(entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()));
    }
    found.sort();
    assert_eq!(found, [".", "..", "d", "f"]);
    assert_eq!((reader.nameless(), reader.passed_over().is_none()), (3, true));
}

#[tokio::test]
async fn keys_that_are_no_names_count_for_no_quota() {
    // A10-06
    let (store, storage) = started().await;
    for key in ["home/f", "home/ends ", "home//double", "home/d/g", "home/d/g ", "home/d /h"] {
        store.put(key, b"12345");
    }
    let tree = ScanTree { storage: Arc::new(storage), roots: vec![VirtualPath::root()], skip: Vec::new() };
    let used = survey(&tree).await.unwrap().used;
    assert_eq!((used.files, used.size), (2, 10));
}

#[tokio::test]
async fn another_content_is_another_version() {
    let (store, storage) = started().await;
    let version = async || storage.metadata(&path("/f")).await.unwrap().version;
    store.put("home/f", b"one");
    let first = version().await;
    assert_eq!((first, first != 0), (version().await, true));
    store.put("home/f", b"two");
    assert_ne!(first, version().await);
}

#[tokio::test]
async fn listings_come_page_by_page() {
    let (store, storage) = started().await;
    store.content.lock().unwrap().page = 10;
    for number in 0..95 {
        store.put(&format!("home/f{number:03}"), b"x");
    }
    let mut reader = storage.read_directory(&path("/")).await.unwrap();
    reader.next_entries(10).await.unwrap();
    reader.next_entries(10).await.unwrap();
    // No more was asked for than was needed.
    assert!(store.requests().len() <= 2);
    assert_eq!(names(&storage, "/").await.len(), 95);
}

#[tokio::test]
async fn an_object_and_the_directory_of_its_name_are_listed_once() {
    let (store, storage) = started().await;
    // In the order of a list they are thousands of names apart.
    for key in ["home/d", "home/d/x"] {
        store.put(key, b"x");
    }
    for number in 0..3000 {
        store.put(&format!("home/d-{number}"), b"x");
    }
    let names = names(&storage, "/").await;
    assert_eq!((names.len(), names.iter().filter(|name| *name == "d").count()), (3001, 1));
}

#[tokio::test]
async fn files_are_renamed_by_copies() {
    // A16-04
    let (store, storage) = started().await;
    put(&storage, "/f", b"one").await;
    put(&storage, "/g", b"other").await;
    storage.create_directory(&path("/d"), None).await.unwrap();
    let rename = async |from: &str, to: &str, replace| kind(storage.rename(&path(from), &path(to), replace).await);
    assert_eq!(rename("/f", "/g", false).await, Err(StorageErrorKind::AlreadyExists));
    assert_eq!(rename("/f", "/d", true).await, Err(StorageErrorKind::IsADirectory));
    assert_eq!(rename("/d", "/f", true).await, Err(StorageErrorKind::NotADirectory));
    assert_eq!(rename("/none", "/x", true).await, Err(StorageErrorKind::NotFound));
    assert_eq!(rename("/", "/x", true).await, Err(StorageErrorKind::Other));
    assert_eq!(rename("/f", "/f", true).await, Ok(()));
    assert_eq!(rename("/f", "/g", true).await, Ok(()));
    assert_eq!(store.keys(), ["home/d/", "home/g"]);
    assert_eq!(store.data("home/g").unwrap(), b"one");
    // Empty directories move, others do not.
    assert_eq!(rename("/d", "/e", false).await, Ok(()));
    assert_eq!(store.keys(), ["home/e/", "home/g"]);
    put(&storage, "/e/f", b"x").await;
    assert_eq!(rename("/e", "/d", false).await, Err(StorageErrorKind::Unsupported));
    assert_eq!(rename("/e", "/e/below", false).await, Err(StorageErrorKind::Invalid));
    assert_eq!(store.keys(), ["home/e/", "home/e/f", "home/g"]);
}

#[tokio::test]
async fn large_files_are_copied_in_parts_of_one_version() {
    // A16-04
    let (store, storage) = started().await;
    let data = bytes(65 * MIB);
    store.put("home/f", &data);
    storage.rename(&path("/f"), &path("/g"), false).await.unwrap();
    let requests = store.requests();
    let count = |kind: &str| requests.iter().filter(|request| *request == kind).count();
    assert_eq!((count("copy part"), count("complete"), count("copy"), count("get")), (2, 1, 0, 0), "{requests:?}");
    assert_eq!((store.keys(), store.unfinished()), (vec!["home/g".to_owned()], 0));
    assert!(store.data("home/g").unwrap() == data);
    // One that is replaced meanwhile stays, and none is a mixture.
    let mut held = store.hold("copy part");
    let (from, to) = (path("/g"), path("/h"));
    let replace = async {
        held.arrived().await;
        store.put("home/g", b"newer");
        held.answer();
    };
    let (outcome, ()) = futures_util::future::join(storage.rename(&from, &to, false), replace).await;
    assert_eq!(kind(outcome), Err(StorageErrorKind::Other));
    assert_eq!(store.data("home/g").unwrap(), b"newer");
    assert!(store.data("home/h").is_none_or(|moved| moved == data));
    store.is_clean().await;
}

#[tokio::test]
async fn a_failed_copy_loses_nothing() {
    let (store, storage) = started().await;
    put(&storage, "/f", b"one").await;
    // A copy without a removal is no refusal: quotas are told apart by it whether anything was done.
    for (failing, status, expected) in [
        ("copy", 500, StorageErrorKind::Other),
        ("copy", 403, StorageErrorKind::PermissionDenied),
        ("delete", 500, StorageErrorKind::Other),
        ("delete", 403, StorageErrorKind::Other),
    ] {
        store.content.lock().unwrap().failing = Some((failing, status));
        let renamed = storage.rename(&path("/f"), &path("/g"), true).await;
        assert_eq!(kind(renamed), Err(expected), "{failing} {status}");
        assert_eq!(store.data("home/f").unwrap(), b"one", "{failing} {status}");
        store.content.lock().unwrap().failing = None;
    }
}

#[tokio::test]
async fn directories_are_renamed_where_they_may_be() {
    // A16-04
    let store = Store::start().await;
    let storage = open(location(&store), S3Settings { rename_limit: 3, ..quick() }).unwrap();
    storage.create_directory(&path("/d"), None).await.unwrap();
    for file in ["/d/a", "/d/e/b", "/d/e/c"] {
        put(&storage, file, file.as_bytes()).await;
    }
    storage.rename(&path("/d"), &path("/moved"), false).await.unwrap();
    assert_eq!(store.keys(), ["home/moved/", "home/moved/a", "home/moved/e/b", "home/moved/e/c"]);
    assert_eq!(store.data("home/moved/e/b").unwrap(), b"/d/e/b");
    put(&storage, "/moved/z", b"").await;
    let refused = storage.rename(&path("/moved"), &path("/d"), false).await;
    assert_eq!(kind(refused), Err(StorageErrorKind::Unsupported));
    assert_eq!(store.keys().len(), 5);
}

#[tokio::test]
async fn a_directory_with_keys_that_are_no_names_is_not_renamed() {
    // A16-04
    let store = Store::start().await;
    let storage = open(location(&store), S3Settings { rename_limit: 9, ..quick() }).unwrap();
    for nameless in ["home/d/a ", "home/d//x", "home/d/./x", "home/d/e/b ", "home/d/e /b"] {
        store.put("home/d/a", b"other");
        store.put(nameless, b"x");
        let before = store.keys();
        let refused = storage.rename(&path("/d"), &path("/moved"), false).await.unwrap_err();
        assert_eq!((refused.kind, store.keys()), (StorageErrorKind::Invalid, before), "{nameless:?}");
        assert!(refused.message.contains("1 objects"), "{nameless:?} {refused}");
        store.content.lock().unwrap().objects.clear();
    }
    // Nor is one whose files would have names that are too long.
    put(&storage, "/d/f", b"x").await;
    let long = format!("/{}", "d".repeat(1017));
    assert_eq!(kind(storage.rename(&path("/d"), &path(&long), false).await), Err(StorageErrorKind::NameTooLong));
    assert_eq!(store.keys(), ["home/d/f"]);
}

#[tokio::test]
async fn what_is_replaced_while_its_directory_is_renamed_stays() {
    // A16-04
    let store = Store::start().await;
    let storage = open(location(&store), S3Settings { rename_limit: 9, ..quick() }).unwrap();
    for replaced in ["home/d/a", "home/d/b"] {
        for file in ["/d/a", "/d/b", "/d/c"] {
            put(&storage, file, b"old").await;
        }
        let mut held = store.hold("copy");
        let (from, to) = (path("/d"), path("/moved"));
        let replace = async {
            held.arrived().await;
            store.put(replaced, b"newer");
            held.answer();
        };
        let (outcome, ()) = futures_util::future::join(storage.rename(&from, &to, false), replace).await;
        let keys = ["home/moved/a", "home/moved/b", "home/moved/c"];
        match replaced {
            // It was copied already.
            "home/d/a" => {
                assert!(outcome.unwrap_err().message.contains("1 files"));
                assert_eq!(store.keys(), [&[replaced][..], &keys[..]].concat());
                assert_eq!(store.data(replaced).unwrap(), b"newer");
            }
            _ => {
                assert_eq!(kind(outcome), Ok(()));
                assert_eq!(
                    (store.keys(), store.data("home/moved/b").unwrap()),
                    (keys.map(str::to_owned).to_vec(), b"newer".to_vec())
                );
            }
        }
        store.content.lock().unwrap().objects.clear();
        store.content.lock().unwrap().held = None;
    }
}

#[tokio::test]
async fn what_object_storage_lacks_is_refused() {
    // A16-03
    let (_store, storage) = started().await;
    put(&storage, "/f", b"x").await;
    let refused = Err(StorageErrorKind::Unsupported);
    assert_eq!(kind(storage.create_symlink(b"f", &path("/l")).await), refused);
    assert_eq!(kind(storage.hard_link(&path("/f"), &path("/l")).await), refused);
    assert_eq!(kind(storage.read_link(&path("/f")).await), Err(StorageErrorKind::Invalid));
    assert_eq!(kind(storage.open_in_place(&path("/f"), PUT).await), refused);
    let set = async |attributes| kind(storage.set_attributes(&path("/f"), &attributes, true).await);
    // What is not there has neither attributes nor space.
    for attributes in [
        SetAttributes { mode: Some(0o600), ..Default::default() },
        SetAttributes { times: Some((1, 1)), ..Default::default() },
        SetAttributes { size: Some(0), ..Default::default() },
    ] {
        let missing = kind(storage.set_attributes(&path("/none"), &attributes, true).await);
        assert_eq!(missing, Err(StorageErrorKind::NotFound), "{attributes:?}");
    }
    assert_eq!(kind(storage.space(&path("/none")).await), Err(StorageErrorKind::NotFound));
    for there in ["/", "/f"] {
        assert_eq!(kind(storage.space(&path(there)).await), Ok(()), "{there}");
    }
    assert_eq!(set(SetAttributes { size: Some(0), ..Default::default() }).await, refused);
    assert_eq!(
        set(SetAttributes { mode: Some(0o600), uid: Some(1), gid: Some(1), ..Default::default() }).await,
        Ok(())
    );
    assert_eq!(set(SetAttributes { times: Some((1, 1)), ..Default::default() }).await, Ok(()));
    let (one, other) = (storage.metadata(&path("/f")).await.unwrap(), storage.metadata(&path("/")).await.unwrap());
    assert_ne!(one.id, other.id);
}

#[tokio::test]
async fn wrong_descriptions_are_refused() {
    let store = Store::start().await;
    let check = |change: fn(&mut S3Location), expected: &str| {
        let mut location = location(&store);
        change(&mut location);
        let error = open(location, quick()).err().map(|error| error.message).unwrap_or_default();
        assert!(error.contains(expected) && error.is_empty() == expected.is_empty(), "{error}");
    };
    check(|_| {}, "");
    check(|location| location.bucket.clear(), "bucket");
    check(|location| location.access_secret = Secret::default(), "access_secret");
    check(|location| location.key_prefix = "a/../b".into(), "key prefix");
}

#[tokio::test]
async fn parts_of_one_bucket_are_renamed_inside_it() {
    // C5-03
    let (store, storage) = started().await;
    let other = |location: S3Location| Arc::new(open(location, quick()).unwrap()) as Arc<dyn Storage>;
    let beside = other(S3Location { key_prefix: "beside".into(), ..location(&store) });
    let another = other(S3Location { bucket: "another".into(), ..location(&store) });
    put(&storage, "/f", b"content").await;
    store.requests();
    storage.rename_into(&path("/f"), &beside, &path("/d/g"), false).await.unwrap();
    assert_eq!(store.keys(), ["beside/d/g"]);
    assert!(store.requests().contains(&"copy".to_owned()));
    put(&storage, "/f", b"content").await;
    let renamed = storage.rename_into(&path("/f"), &another, &path("/g"), false).await;
    assert_eq!(kind(renamed), Err(StorageErrorKind::CrossDevice));
    let same: Arc<dyn Storage> = Arc::new(open(location(&store), S3Settings::default()).unwrap());
    assert_eq!(kind(storage.rename_into(&path("/f"), &same, &path("/g"), false).await), Ok(()));
}
