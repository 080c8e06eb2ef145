//! Disks that are full, cannot be written or fail, and work again later.

use std::io::ErrorKind;

use tidegate_core::ports::{
    Directory, NodeName, PageRequest, PluginStore, PluginStoreError, StoreError, USERS, UsageStore, Write,
};
use tidegate_core::quota::Scope;

use super::test_disk::Disk;
use crate::conformance::{add, commit, document};

async fn check_full_disk(is_sparse: bool) {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    (disk.platter().space, disk.platter().is_sparse) = (Some(400_000), is_sparse);
    let mut acknowledged = Vec::new();
    let mut refused = None;
    for number in 0..2_000 {
        let (name, home) = (format!("user{number}"), format!("/srv/{}", "x".repeat(2_000)));
        match commit(&database, &name, Write::Add(document(&home))).await {
            Ok(_) => acknowledged.push(name),
            Err(error) => {
                refused = Some((name, error));
                break;
            }
        }
    }
    let (name, error) = refused.unwrap();
    assert!(matches!(&error, StoreError::Full(text) if text.contains("/disk/tidegate.db")), "{error:?}");
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    // Logins go on.
    for name in &acknowledged {
        assert!(database.find(&USERS, name).await.unwrap().is_some(), "{name}");
    }
    let still = commit(&database, &name, Write::Add(document(&"/x".repeat(20_000)))).await.unwrap_err();
    assert!(matches!(still, StoreError::Full(_)), "{still:?}");
    disk.platter().space = None;
    add(&database, &name).await;
    acknowledged.push(name);
    let page = PageRequest { limit: 5_000, ..PageRequest::default() };
    assert_eq!(database.list(&USERS, page).await.unwrap().len(), acknowledged.len());
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_survived() {
    check_full_disk(false).await;
    check_full_disk(true).await;
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_reported() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    add(&database, "alice").await;
    let (alice, node) = (Scope::Account("alice".into()), NodeName("n".into()));
    for (kind, expected) in [
        (ErrorKind::ReadOnlyFilesystem, "cannot be written; give this user write permission"),
        (ErrorKind::StorageFull, "no space left"),
        (ErrorKind::Other, "could not be"),
    ] {
        disk.platter().write_error = Some(kind);
        let error = commit(&database, "bob", Write::Add(document("/srv/b"))).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{kind}: {error}");
        match kind {
            ErrorKind::ReadOnlyFilesystem => assert!(matches!(error, StoreError::ReadOnly(_)), "{error:?}"),
            ErrorKind::StorageFull => assert!(matches!(error, StoreError::Full(_)), "{error:?}"),
            _ => assert!(matches!(error, StoreError::Failed(_)), "{error:?}"),
        }
        // Small changes, too.
        assert!(database.open_usage(&alice, &node).await.is_err());
        let refused = database.set("p", "k", b"v", None).await.unwrap_err();
        assert!(matches!(refused, PluginStoreError::Unavailable(_)), "{refused:?}");
        disk.platter().write_error = None;
        assert!(database.find(&USERS, "alice").await.unwrap().is_some());
        assert_eq!(database.find(&USERS, "bob").await.unwrap(), None, "{kind}");
        database.set("p", "k", b"v", None).await.unwrap();
    }
}

#[tokio::test]
async fn a_disk_that_cannot_be_read_is_reported() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    add(&database, "alice").await;
    // Pages that are in memory are not read again, so only an error that closes the file shows it.
    disk.platter().write_error = Some(ErrorKind::Other);
    disk.platter().read_error = Some(ErrorKind::Other);
    assert!(commit(&database, "bob", Write::Add(document("/srv/b"))).await.is_err());
    let error = database.find(&USERS, "alice").await.unwrap_err();
    assert!(error.to_string().contains("/disk/tidegate.db"), "{error}");
    (disk.platter().write_error, disk.platter().read_error) = (None, None);
    assert!(database.find(&USERS, "alice").await.unwrap().is_some());
}
