//! What was written: no error of it is lost, and no byte that was said to be there.

use tidegate_core::ports::storage::{Discard, Writing};

use super::fake::Instead;
use super::*;
use crate::errors::fx;
use crate::packet::fxp;

/// The size of the requests to a server that names none.
const PORTION: usize = 32 << 10;

const FULL: Instead = Instead::Refuse(fx::FAILURE, "No space left on device");

/// Opens a file as the core does.
async fn begin(storage: &SftpStorage, atomic: bool) -> Writing {
    match atomic {
        true => Writing::Upload(storage.begin_upload(&path("/f"), PUT).await.unwrap()),
        false => Writing::InPlace(storage.open_in_place(&path("/f"), PUT).await.unwrap()),
    }
}

/// What the close of a client waits for.
async fn close(file: &Writing) -> Result<(), StorageError> {
    match file {
        Writing::Upload(upload) => upload.finish().await.map(drop),
        Writing::InPlace(file) => file.complete().await,
    }
}

/// A request about the server, before whose answer all earlier requests were done.
async fn settled(storage: &SftpStorage) {
    let _ = storage.metadata(&path("/")).await;
    let _ = storage.metadata(&path("/")).await;
}

#[tokio::test]
async fn an_error_of_the_other_server_reaches_the_client_at_the_close() {
    // C4-01
    for atomic in [false, true] {
        for (packet, after, instead, expected) in [
            (fxp::WRITE, 0, FULL, StorageErrorKind::NoSpace),
            (fxp::WRITE, 2, FULL, StorageErrorKind::NoSpace),
            (fxp::WRITE, 3, Instead::BreakOff, StorageErrorKind::Other),
            (fxp::CLOSE, 0, FULL, StorageErrorKind::NoSpace),
            (fxp::CLOSE, 0, Instead::BreakOff, StorageErrorKind::Other),
        ] {
            let fake = Fake::new(ALL);
            fake.file("/f", b"old", 0);
            let storage = opened(&fake, atomic);
            let file = begin(&storage, atomic).await;
            fake.rule(packet, after, instead);
            let context = format!("{atomic} {packet} {after}");
            // It is under way: the server has not answered.
            file.write_at(0, &[7; 4 * PORTION]).await.unwrap();
            assert_eq!(close(&file).await.map_err(|error| error.kind), Err(expected), "{context}");
            if packet == fxp::WRITE {
                // And with each call that follows.
                assert!(file.write_at(4 * PORTION as u64, b"x").await.is_err(), "{context}");
                assert!(file.file().sync().await.is_err() && file.file().metadata().await.is_err(), "{context}");
            }
            drop(file);
            settled(&storage).await;
            if atomic {
                assert_eq!(fake.data("/f").unwrap(), b"old", "{context}");
            }
            if !matches!(instead, Instead::BreakOff) {
                assert_eq!(fake.paths(), ["/f"], "{context}");
            }
        }
    }
}

#[tokio::test]
async fn a_file_does_not_seem_to_have_bytes_that_are_missing() {
    // Clients go on by the size of what is there.
    for (keep, after, expected) in [(false, 1, PORTION), (true, 1, PORTION), (true, 0, 0), (true, 3, 3 * PORTION)] {
        for closes in [true, false] {
            let fake = Fake::new(ALL);
            let storage = opened_as(&fake, SftpSettings { atomic: keep, keep_partial: keep, ..settings() });
            let file = begin(&storage, keep).await;
            fake.rule(fxp::WRITE, after, FULL);
            file.write_at(0, &[7; 4 * PORTION]).await.unwrap();
            match &file {
                Writing::Upload(upload) if closes => {
                    assert_eq!(upload.abandon().await.unwrap().size, expected as u64, "{after}");
                }
                // Broken off while the answers are on their way.
                Writing::Upload(_) => {}
                Writing::InPlace(file) => assert!(file.complete().await.is_err()),
            }
            drop(file);
            settled(&storage).await;
            assert_eq!(fake.data("/f").map(|data| data.len()), Some(expected), "{keep} {after} {closes}");
            assert_eq!(fake.paths(), ["/f"]);
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_cut_off_in_a_write_is_kept_without_what_was_not_sent() {
    let fake = Fake::new(ALL);
    let settings = SftpSettings { atomic: true, keep_partial: true, ..settings() };
    let storage = opened_as(&fake, settings);
    let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
    // The write is larger than what may be under way.
    let data = vec![7; 5 << 20];
    tokio::select! {
        biased;
        outcome = upload.write_at(0, &data) => panic!("it did not wait: {outcome:?}"),
        () = std::future::ready(()) => {}
    }
    // It is not known what the file lacks.
    assert!(upload.write_at(5 << 20, b"x").await.is_err());
    let kept = upload.abandon().await.unwrap().size;
    assert!((2 << 20..5 << 20).contains(&kept), "{kept}");
    let found = fake.data("/f").unwrap();
    assert!(found.len() as u64 == kept && found.iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn an_end_that_is_not_waited_for_goes_on() {
    // The other server may have been asked for the name already: what comes of it has to be known, or the file would
    // not count.
    for (keep, finishes) in [(false, true), (true, true), (true, false)] {
        for refused in [false, true] {
            let fake = Fake::new(ALL);
            fake.file("/f", b"old", 0);
            let storage = opened_as(&fake, SftpSettings { atomic: true, keep_partial: keep, ..settings() });
            let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
            upload.write_at(0, b"longer").await.unwrap();
            if refused {
                fake.rule(fxp::EXTENDED, 0, Instead::Refuse(fx::PERMISSION_DENIED, "no"));
            }
            let gone = async {
                match finishes {
                    true => drop(upload.finish().await),
                    false => drop(upload.abandon().await),
                }
            };
            tokio::select! {
                biased;
                () = gone => panic!("it did not wait"),
                () = std::future::ready(()) => {}
            }
            let context = format!("{keep} {finishes} {refused}");
            upload.discard();
            assert_eq!(upload.replaces().await.map(|old| old.size), (!refused).then_some(3), "{context}");
            assert_eq!(upload.abandon().await.map(|kept| kept.size), (!refused).then_some(6), "{context}");
            drop(upload);
            settled(&storage).await;
            assert_eq!(fake.data("/f").unwrap(), if refused { &b"old"[..] } else { b"longer" }, "{context}");
            assert_eq!(fake.paths(), ["/f"], "{context}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn closing_and_synchronizing_wait_for_what_is_under_way() {
    // C4-01
    for atomic in [false, true] {
        let fake = Fake::new(ALL);
        let storage = opened(&fake, atomic);
        let file = begin(&storage, atomic).await;
        fake.rule(fxp::WRITE, 1, Instead::Silence);
        let begun = tokio::time::Instant::now();
        file.write_at(0, &[7; 4 * PORTION]).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let synced = file.file().sync().await.unwrap_err();
        assert!(begun.elapsed() >= Duration::from_secs(60) && synced.kind == StorageErrorKind::Other);
        assert!(close(&file).await.is_err());
        drop(file);
        settled(&storage).await;
        assert!(!atomic || fake.paths().is_empty(), "{:?}", fake.paths());
    }
}

#[tokio::test]
async fn a_handle_that_is_closed_is_not_used() {
    // The server has given its number to the next file.
    let fake = Fake::new(ALL);
    let storage = opened(&fake, false);
    let first = storage.open_in_place(&path("/first"), PUT).await.unwrap();
    first.write_at(0, b"first").await.unwrap();
    first.complete().await.unwrap();
    let second = storage.open_in_place(&path("/second"), PUT).await.unwrap();
    second.write_at(0, b"second").await.unwrap();
    second.complete().await.unwrap();
    let third = storage.open_in_place(&path("/third"), PUT).await.unwrap();
    assert_eq!(first.metadata().await.unwrap().size, 5);
    assert!(first.write_at(0, b"x").await.is_err() && first.sync().await.is_err());
    first.discard(Discard::Everything);
    assert_eq!(first.metadata().await.unwrap().links, 0);
    third.write_at(0, b"third").await.unwrap();
    third.complete().await.unwrap();
    drop((first, second, third));
    settled(&storage).await;
    assert_eq!(fake.paths(), ["/second", "/third"]);
    assert_eq!(fake.data("/third").unwrap(), b"third");
}

#[tokio::test]
async fn a_file_on_trial_stays_open_until_the_hook_has_decided() {
    for approved in [true, false] {
        let fake = Fake::new(ALL);
        fake.file("/f", b"old", 0);
        let storage = opened(&fake, false);
        let options = OpenOptions { truncate: false, provisional: true, ..PUT };
        let file = storage.open_in_place(&path("/f"), options).await.unwrap();
        file.write_at(3, b"new").await.unwrap();
        file.complete().await.unwrap();
        assert_eq!(fake.data("/f").unwrap(), b"oldnew");
        if approved {
            file.approve();
        }
        drop(file);
        settled(&storage).await;
        assert_eq!(fake.data("/f").unwrap(), if approved { &b"oldnew"[..] } else { b"old" });
    }
}
