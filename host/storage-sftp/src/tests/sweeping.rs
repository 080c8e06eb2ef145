//! What killed servers have left.

use tidegate_core::ports::storage::{Swept, TEMPORARY_PREFIX};

use super::fake::Instead;
use super::*;
use crate::errors::fx;
use crate::packet::fxp;

fn left(name: &str) -> String {
    let storage = opened(&Fake::new(ALL), true);
    format!("{}{name}", String::from_utf8_lossy(&storage.tree.temporary))
}

#[tokio::test]
async fn old_files_with_temporary_names_are_removed_in_all_directories() {
    let fake = Fake::new(ALL);
    fake.directory("/home");
    fake.directory("/home/d");
    fake.directory(&format!("/home/{}", left("directory")));
    let (old, deep, new) =
        (format!("/home/{}", left("old")), format!("/home/d/{}", left("deep")), format!("/home/d/{}", left("new")));
    fake.file(&old, b"x", 100);
    fake.file(&deep, b"x", 100);
    fake.file(&new, b"x", 200);
    fake.file("/home/kept", b"x", 100);
    // Neither beside the directory, nor where a link leads.
    fake.directory("/other");
    fake.file(&format!("/other/{}", left("other")), b"x", 100);
    fake.link("/home/link", "/other");
    fake.link(&format!("/home/{}", left("link")), "/other");
    // Of a server of ours there, and of one that has this one between itself and the files.
    fake.file(&format!("/home/{}left", String::from_utf8_lossy(TEMPORARY_PREFIX)), b"x", 100);
    fake.file("/home/.tidegate-transfer.0123456789abcdef.left", b"x", 100);
    let mut place = file_system();
    if let Location::Sftp(place) = &mut place.location {
        place.prefix = "/home".into();
    }
    let storage = SftpFileSystems::by(Arc::new(fake.clone()), settings(), Arc::default()).open(&place).unwrap();
    let before = fake.paths();
    assert_eq!(storage.sweep(100_000).await.unwrap(), Swept { aborted: 0, left: 3 });
    assert_eq!(fake.paths(), before);
    assert_eq!(storage.sweep(200_000).await.unwrap(), Swept { aborted: 2, left: 1 });
    let expected: Vec<_> = before.into_iter().filter(|path| *path != old && *path != deep).collect();
    assert_eq!(fake.paths(), expected);
    // What the server refuses is said.
    fake.rule(fxp::REMOVE, 0, Instead::Refuse(fx::PERMISSION_DENIED, "no"));
    assert_eq!(kind(storage.sweep(i64::MAX).await), Err(StorageErrorKind::PermissionDenied));
    assert_eq!(storage.sweep(i64::MAX).await.unwrap().aborted, 1);
}

#[tokio::test]
async fn what_cannot_be_swept_is_said_and_keeps_nothing_else() {
    for (packet, after, code, removed, expected) in [
        (fxp::OPENDIR, 1, fx::PERMISSION_DENIED, 2, Err(StorageErrorKind::PermissionDenied)),
        (fxp::OPENDIR, 2, fx::PERMISSION_DENIED, 2, Err(StorageErrorKind::PermissionDenied)),
        (fxp::READDIR, 2, fx::PERMISSION_DENIED, 2, Err(StorageErrorKind::PermissionDenied)),
        (fxp::REMOVE, 0, fx::PERMISSION_DENIED, 2, Err(StorageErrorKind::PermissionDenied)),
        // It has vanished meanwhile.
        (fxp::OPENDIR, 1, fx::NO_SUCH_FILE, 2, Ok(())),
        (fxp::REMOVE, 1, fx::NO_SUCH_FILE, 2, Ok(())),
    ] {
        let fake = Fake::new(ALL);
        for directory in ["/a", "/b", "/c"] {
            fake.directory(directory);
            fake.file(&format!("{directory}/{}", left("old")), b"x", 100);
        }
        let storage = opened(&fake, true);
        fake.rule(packet, after, Instead::Refuse(code, "no"));
        let outcome = storage.sweep(i64::MAX).await;
        if let Err(error) = &outcome {
            assert!(error.message.contains("2 unfinished uploads were removed, and 1 "), "{error:?}");
        }
        assert_eq!((kind(outcome), 3 - fake.paths().len()), (expected, removed), "{packet} {after} {code}");
    }
}

#[tokio::test]
async fn temporary_names_are_those_of_uploads() {
    let fake = Fake::new(ALL);
    let storage = opened(&fake, true);
    let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
    let there = fake.paths();
    let [name] = there.as_slice() else { panic!("{there:?}") };
    let name = name.trim_start_matches('/').as_bytes();
    assert!(storage.is_unfinished(&path("/"), name), "{there:?}");
    // To another server of ours, they are names as any other.
    assert!(!name.starts_with(TEMPORARY_PREFIX), "{there:?}");
    for (name, expected) in
        [(".tidegate-upload.1", true), (".tidegate-transfer.0123456789abcdef.left", false), ("f", false)]
    {
        assert_eq!(storage.is_unfinished(&path("/"), name.as_bytes()), expected, "{name}");
    }
    upload.finish().await.unwrap();
    assert_eq!(fake.paths(), ["/f"]);
}

#[tokio::test]
async fn an_upload_whose_server_was_gone_is_swept() {
    let fake = Fake::new(ALL);
    let storage = opened(&fake, true);
    let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
    fake.rule(fxp::WRITE, 1, Instead::BreakOff);
    upload.write_at(0, &[7; 100 << 10]).await.unwrap();
    assert!(upload.finish().await.is_err());
    drop(upload);
    assert_eq!(fake.paths().len(), 1);
    assert_eq!(storage.sweep(i64::MAX).await.unwrap().aborted, 1);
    assert!(fake.paths().is_empty());
}
