//! When an upload is visible, what it replaces, and what stays of an unfinished one.

use tidegate_core::ports::storage::Discard;

use super::*;

/// Checks what has the name `new` while its upload is under way, and after the upload was dropped.
#[tokio::test]
async fn uploads_are_seen_as_the_mode_says() {
    // A3-16, A5-10, A5-11
    for subject in storages().await {
        let Subject { name, overwrite, storage, .. } = &subject;
        for old in [None, Some("older content")] {
            let (during, broken_off) = match overwrite {
                OverwriteMode::Standard => (Some("new con"), Some("new con")),
                OverwriteMode::Atomic => (old, old),
                OverwriteMode::AtomicWithResume => (old, Some("new con")),
            };
            let at = if old.is_some() { "/old" } else { "/new" };
            if let Some(old) = old {
                put(&**storage, at, old).await;
            }
            let file = write(&**storage, at, PUT).await.unwrap();
            file.write_at(0, b"new con").await.unwrap();
            assert_eq!(file.as_upload().is_some(), subject.is_atomic(), "{name}");
            assert_eq!(content(&**storage, at).await.as_deref(), during, "{name} {old:?}");
            drop(file);
            assert_eq!(content(&**storage, at).await.as_deref(), broken_off, "{name} {old:?}");
            put(&**storage, at, "new content").await;
            assert_eq!(content(&**storage, at).await.as_deref(), Some("new content"), "{name} {old:?}");
        }
        // No name is left over.
        assert_eq!(names(&**storage, "/").await, ["new", "old"], "{name}");
    }
}

#[tokio::test]
async fn copies_have_no_name_before_they_are_complete() {
    // C5-03
    for Subject { name, storage, .. } in storages().await {
        put(&*storage, "/old", "older content").await;
        for (at, replaces) in [("/old", true), ("/new", false)] {
            let before = content(&*storage, at).await;
            for is_complete in [false, true] {
                let copy = storage.begin_copy(&path(at), Some(0o640), replaces).await.unwrap();
                copy.write_at(0, b"copied").await.unwrap();
                assert_eq!(content(&*storage, at).await, before, "{name} {at}");
                if is_complete {
                    copy.finish().await.unwrap();
                }
                drop(copy);
                let expected = if is_complete { Some("copied".to_owned()) } else { before.clone() };
                assert_eq!(content(&*storage, at).await, expected, "{name} {at}");
            }
            let again = storage.begin_copy(&path(at), None, false).await.map(drop);
            assert_eq!(kind(again), Err(StorageErrorKind::AlreadyExists), "{name} {at}");
        }
        assert_eq!(names(&*storage, "/").await, ["new", "old"], "{name}");
    }
}

#[tokio::test]
async fn of_two_uploads_of_a_new_file_the_last_one_stays() {
    // A5-10
    for subject in storages().await.into_iter().filter(Subject::is_atomic) {
        let Subject { name, storage, .. } = subject;
        let first = write(&*storage, "/new", PUT).await.unwrap();
        let second = write(&*storage, "/new", PUT).await.unwrap();
        first.write_at(0, b"first").await.unwrap();
        second.write_at(0, b"second").await.unwrap();
        assert!(second.as_upload().unwrap().replaces().await.is_none(), "{name}");
        finish(&first).await.unwrap();
        assert_eq!(second.as_upload().unwrap().replaces().await.unwrap().size, 5, "{name}");
        let finished = second.as_upload().unwrap().finish().await.unwrap();
        assert!(matches!(finished, Finished::Named { replaced: Some(old) } if old.size == 5), "{name}: {finished:?}");
        assert_eq!(content(&*storage, "/new").await.as_deref(), Some("second"), "{name}");
        // If the file must be new, or nothing is to be emptied, a file that another program wrote stays.
        for options in [OpenOptions { exclusive: true, ..PUT }, OpenOptions { truncate: false, ..PUT }] {
            let third = write(&*storage, "/other", options).await.unwrap();
            put(&*storage, "/other", "of others").await;
            assert_eq!(kind(finish(&third).await), Err(StorageErrorKind::AlreadyExists), "{name}");
            drop(third);
            assert_eq!(content(&*storage, "/other").await.as_deref(), Some("of others"), "{name}");
            storage.remove_file(&path("/other")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_upload_follows_its_directory() {
    for Subject { name, storage, knows_files, .. } in storages().await {
        if !knows_files {
            continue;
        }
        storage.create_directory(&path("/before"), None).await.unwrap();
        put(&*storage, "/before/old", "old").await;
        for file_name in ["old", "new"] {
            let file = write(&*storage, &format!("/before/{file_name}"), PUT).await.unwrap();
            file.write_at(0, b"content").await.unwrap();
            storage.rename(&path("/before"), &path("/after"), false).await.unwrap();
            finish(&file).await.unwrap();
            assert_eq!(content(&*storage, &format!("/after/{file_name}")).await.as_deref(), Some("content"), "{name}");
            storage.rename(&path("/after"), &path("/before"), false).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_replacement_keeps_the_mode() {
    for Subject { name, storage, .. } in storages().await {
        put(&*storage, "/f", "old").await;
        let mode = tidegate_core::ports::storage::SetAttributes { mode: Some(0o642), ..Default::default() };
        storage.set_attributes(&path("/f"), &mode, true).await.unwrap();
        put(&*storage, "/f", "new").await;
        assert_eq!(storage.metadata(&path("/f")).await.unwrap().mode, 0o100642, "{name}");
        // Unless another one is set while it is written.
        let file = write(&*storage, "/f", PUT).await.unwrap();
        assert_eq!(file.file().metadata().await.unwrap().mode, 0o100642, "{name}");
        let private = tidegate_core::ports::storage::SetAttributes { mode: Some(0o600), ..Default::default() };
        file.file().set_attributes(&private).await.unwrap();
        assert_eq!(file.file().metadata().await.unwrap().mode, 0o100600, "{name}");
        finish(&file).await.unwrap();
        assert_eq!(storage.metadata(&path("/f")).await.unwrap().mode, 0o100600, "{name}");
    }
}

#[tokio::test]
async fn an_upload_that_empties_nothing_is_a_copy_of_the_old_file_at_first() {
    // A5-10
    let keeping = OpenOptions { read: true, truncate: false, ..PUT };
    for Subject { name, storage, knows_files, .. } in storages().await {
        if !storage.capabilities(&path("/f")).keeps_old {
            continue;
        }
        put(&*storage, "/f", "older content").await;
        for is_complete in [false, true] {
            let upload = storage.begin_upload(&path("/f"), keeping).await.unwrap();
            upload.write_at(0, b"half").await.unwrap();
            let mut begun = Vec::new();
            upload.read_at(0, 100, &mut begun).await.unwrap();
            assert_eq!(begun, b"halfr content", "{name}");
            assert_eq!(content(&*storage, "/f").await.as_deref(), Some("older content"), "{name}");
            if is_complete {
                upload.finish().await.unwrap();
            } else {
                assert!(upload.abandon().await.is_none(), "{name}");
            }
            drop(upload);
            let expected = if is_complete { "halfr content" } else { "older content" };
            assert_eq!(content(&*storage, "/f").await.as_deref(), Some(expected), "{name}");
        }
        // Of two that begin with the same content the second would take away what the first has written.
        if knows_files {
            let [first, second] = [
                storage.begin_upload(&path("/f"), keeping).await.unwrap(),
                storage.begin_upload(&path("/f"), keeping).await.unwrap(),
            ];
            first.write_at(0, b"first").await.unwrap();
            second.write_at(8, b"second").await.unwrap();
            first.finish().await.unwrap();
            assert_eq!(kind(second.finish().await), Err(StorageErrorKind::AlreadyExists), "{name}");
            drop((first, second));
            assert_eq!(content(&*storage, "/f").await.as_deref(), Some("first content"), "{name}");
        }
        // Nothing had the name when it was looked for: the file of another program stays.
        let refused = storage.begin_upload(&path("/f"), OpenOptions { is_new: true, ..keeping }).await.map(drop);
        assert_eq!(kind(refused), Err(StorageErrorKind::AlreadyExists), "{name}");
    }
}

#[tokio::test]
async fn without_a_verdict_nothing_stays_of_an_upload() {
    // B10-08
    let emptied = OpenOptions { provisional: true, ..PUT };
    let continued = OpenOptions { truncate: false, ..emptied };
    // The file before, how it is opened, the offset that is written to, and the content afterwards
    // in the mode `Standard`.
    let cases: [(Option<&str>, OpenOptions, u64, Option<&str>); 6] = [
        (None, emptied, 0, None),
        (Some("old"), emptied, 0, None),
        (None, continued, 0, None),
        (Some("old"), continued, 3, Some("old")),
        (Some("old"), continued, 5, Some("old")),
        // A part of the old content is gone, so the rest is removed as well.
        (Some("old"), continued, 1, None),
    ];
    for (old, options, offset, in_place) in cases {
        for end in [End::Dropped, End::Discarded(Discard::Written), End::Discarded(Discard::Everything)] {
            for subject in storages().await {
                let Subject { name, storage, .. } = &subject;
                if let Some(old) = old {
                    put(&**storage, "/f", old).await;
                }
                let file = write(&**storage, "/f", options).await.unwrap();
                let is_unnamed = file.as_upload().is_some();
                file.write_at(offset, b"new").await.unwrap();
                if let End::Discarded(what) = end {
                    file.discard(what);
                }
                drop(file);
                let expected = match end {
                    _ if is_unnamed => old,
                    End::Discarded(Discard::Everything) => None,
                    End::Dropped | End::Discarded(Discard::Written) => in_place,
                };
                let context = format!("{name}: {old:?} {options:?} at {offset}, {end:?}");
                assert_eq!(content(&**storage, "/f").await.as_deref(), expected, "{context}");
            }
        }
    }
    for Subject { name, storage, .. } in storages().await {
        put(&*storage, "/f", "old").await;
        // Nothing was written, so nothing is taken back.
        drop(write(&*storage, "/f", continued).await.unwrap());
        assert_eq!(content(&*storage, "/f").await.as_deref(), Some("old"), "{name}");
        let file = write(&*storage, "/f", emptied).await.unwrap();
        file.write_at(0, b"approved").await.unwrap();
        finish(&file).await.unwrap();
        drop(file);
        assert_eq!(content(&*storage, "/f").await.as_deref(), Some("approved"), "{name}");
    }
}

#[derive(Debug, Clone, Copy)]
enum End {
    Dropped,
    Discarded(Discard),
}

#[tokio::test]
async fn an_upload_is_given_up_as_asked() {
    // A5-11
    for subject in storages().await.into_iter().filter(Subject::is_atomic) {
        let Subject { name, overwrite, storage, .. } = subject;
        for discard in [false, true] {
            let file = write(&*storage, "/f", PUT).await.unwrap();
            file.write_at(0, b"part").await.unwrap();
            let upload = file.as_upload().unwrap();
            let kept = match discard {
                true => {
                    upload.discard();
                    None
                }
                false => upload.abandon().await,
            };
            let is_kept = overwrite == OverwriteMode::AtomicWithResume && !discard;
            assert_eq!(kept.map(|kept| kept.size), is_kept.then_some(4), "{name}");
            assert_eq!(content(&*storage, "/f").await.is_some(), is_kept, "{name}");
            drop(file);
            let _ = storage.remove_file(&path("/f")).await;
        }
    }
}

#[tokio::test]
async fn what_is_shown_can_be_read() {
    for subject in storages().await {
        let is_atomic = subject.is_atomic();
        let Subject { name, storage, .. } = subject;
        let file = write(&*storage, "/f", PUT).await.unwrap();
        file.write_at(0, b"content").await.unwrap();
        assert_eq!(file.as_upload().is_some(), is_atomic, "{name}");
        if let Some(upload) = file.as_upload() {
            let shown = upload.show().await.unwrap();
            let mut bytes = Vec::new();
            shown.file.unwrap().read_at(0, 100, &mut bytes).await.unwrap();
            assert_eq!(bytes, b"content", "{name}");
            assert!(content(&*storage, "/f").await.is_none(), "{name}");
        }
        finish(&file).await.unwrap();
        assert_eq!(content(&*storage, "/f").await.as_deref(), Some("content"), "{name}");
    }
}

/// As object stores do it: bytes are accepted from the first to the last only.
#[tokio::test]
async fn without_random_writes_files_are_uploaded_in_sequence() {
    let settings = MemoryStorageSettings {
        overwrite: OverwriteMode::Atomic,
        random_writes: false,
        ..MemoryStorageSettings::default()
    };
    let storage = crate::MemoryStorage::new(settings);
    let capabilities = storage.capabilities(&path("/f"));
    assert_eq!((capabilities.in_place, capabilities.uploads), (false, Uploads::Sequential));
    let file = write(&storage, "/f", PUT).await.unwrap();
    file.write_at(0, b"first ").await.unwrap();
    assert_eq!(kind(file.write_at(10, b"x").await), Err(StorageErrorKind::Unsupported));
    assert_eq!(kind(file.write_at(0, b"x").await), Err(StorageErrorKind::Unsupported));
    file.write_at(6, b"last").await.unwrap();
    finish(&file).await.unwrap();
    assert_eq!(content(&storage, "/f").await.as_deref(), Some("first last"));
    let patched = write(&storage, "/f", OpenOptions { truncate: false, ..PUT }).await;
    assert_eq!(kind(patched), Err(StorageErrorKind::Unsupported));
    // An upload that empties nothing goes on where the file ends.
    let more = storage.begin_upload(&path("/f"), OpenOptions { truncate: false, ..PUT }).await.unwrap();
    assert_eq!(kind(more.write_at(0, b"x").await), Err(StorageErrorKind::Unsupported));
    more.write_at(10, b", and more").await.unwrap();
    assert_eq!(content(&storage, "/f").await.as_deref(), Some("first last"));
    more.finish().await.unwrap();
    assert_eq!(content(&storage, "/f").await.as_deref(), Some("first last, and more"));
}
