//! Servers that lack extensions, are away, are silent, or break off; and how requests are counted.

use tidegate_core::admin::{StepOutcome, check_storage};
use tidegate_core::metrics::{Metrics, SftpRequest};
use tidegate_core::ports::storage::Uploads;
use tidegate_core::secret::Secret;

use super::fake::Instead;
use super::*;
use crate::errors::fx;
use crate::packet::fxp;

#[tokio::test]
async fn a_server_that_cannot_replace_a_file_has_it_written_in_place() {
    let fake = Fake::new(&["fsync@openssh.com"]);
    fake.file("/f", b"old", 0);
    fake.file("/g", b"other", 0);
    let storage = opened(&fake, true);
    // It is not known before the first connection.
    assert_eq!(storage.capabilities(&path("/f")).uploads, Uploads::AnyOrder);
    let refused = storage.begin_upload(&path("/f"), PUT).await;
    assert_eq!(kind(refused), Err(StorageErrorKind::Unsupported));
    assert_eq!(storage.capabilities(&path("/f")).uploads, Uploads::None);
    let file = storage.open_in_place(&path("/f"), PUT).await.unwrap();
    file.write_at(0, b"new").await.unwrap();
    file.complete().await.unwrap();
    assert_eq!(fake.data("/f").unwrap(), b"new");
    // Renames replace nothing, and lose nothing.
    let rename = async |to: &str, replace| kind(storage.rename(&path("/f"), &path(to), replace).await);
    assert_eq!(rename("/g", true).await, Err(StorageErrorKind::Unsupported));
    assert_eq!(rename("/g", false).await, Err(StorageErrorKind::AlreadyExists));
    assert_eq!(rename("/h", true).await, Ok(()));
    assert_eq!(fake.paths(), ["/g", "/h"]);
    assert_eq!(fake.data("/g").unwrap(), b"other");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_left_alone_for_a_moment_and_used_again() {
    let fake = Fake::new(ALL);
    let storage = opened_as(&fake, SftpSettings { pause: Duration::from_secs(2), ..settings() });
    fake.content().is_away = true;
    for _ in 0..5 {
        assert_eq!(kind(storage.metadata(&path("/f")).await), Err(StorageErrorKind::Other));
    }
    assert_eq!(fake.content().dialled, 1);
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(kind(storage.metadata(&path("/f")).await), Err(StorageErrorKind::Other));
    assert_eq!(fake.content().dialled, 2);
    fake.content().is_away = false;
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(kind(storage.metadata(&path("/f")).await), Err(StorageErrorKind::NotFound));
}

#[tokio::test]
async fn sessions_have_one_connection_where_all_that_opens_it_is_the_same() {
    let fake = Fake::new(ALL);
    let systems = SftpFileSystems::by(Arc::new(fake.clone()), settings(), Arc::default());
    let place = SftpLocation { endpoint: "h".into(), username: "u".into(), ..SftpLocation::default() };
    let mut used = Vec::new();
    let mut use_as = async |change: fn(&mut SftpLocation)| {
        let mut place = place.clone();
        change(&mut place);
        let location = Location::Sftp(Box::new(place));
        let storage = systems.open(&FileSystem { location, ..file_system() }).unwrap();
        let _ = storage.metadata(&path("/f")).await;
        // It is kept as long as a session has it.
        used.push(storage);
        fake.content().dialled
    };
    assert_eq!(use_as(|_| {}).await, 1);
    assert_eq!(use_as(|_| {}).await, 1);
    assert_eq!(use_as(|place| place.prefix = "/d".into()).await, 1);
    assert_eq!(use_as(|place| (place.buffer_size, place.one_read_at_a_time) = (4, true)).await, 1);
    let others: [fn(&mut SftpLocation); 6] = [
        |place| place.endpoint = "h:2022".into(),
        |place| place.username = "v".into(),
        |place| place.password = Secret::new("x"),
        |place| place.private_key = Secret::new("x"),
        |place| place.key_passphrase = Secret::new("x"),
        |place| place.fingerprints = vec!["SHA256:x".into()],
    ];
    for (number, change) in others.into_iter().enumerate() {
        assert_eq!(use_as(change).await, number + 2);
        assert_eq!(use_as(change).await, number + 2);
    }
}

#[tokio::test]
async fn what_breaks_off_in_the_middle_is_an_error_and_the_next_call_connects_anew() {
    let fake = Fake::new(ALL);
    fake.file("/f", &[7; 100 << 10], 0);
    fake.directory("/d");
    let storage = opened(&fake, false);
    let read = async {
        let file = storage.open(&path("/f")).await?;
        let mut bytes = Vec::new();
        while file.read_at(bytes.len() as u64, 10 << 10, &mut bytes).await? > 0 {}
        Ok::<_, StorageError>(bytes.len())
    };
    fake.rule(fxp::READ, 2, Instead::BreakOff);
    assert_eq!(kind(read.await), Err(StorageErrorKind::Other));
    fake.rule(fxp::READDIR, 0, Instead::BreakOff);
    let mut directory = storage.read_directory(&path("/")).await.unwrap();
    directory.next_entries(9).await.unwrap();
    assert_eq!(kind(directory.next_entries(9).await), Err(StorageErrorKind::Other));
    // A change may have been done, so that it is not made again.
    for packet in [fxp::REMOVE, fxp::MKDIR, fxp::SETSTAT, fxp::RENAME] {
        fake.rule(packet, 0, Instead::BreakOff);
        let before = fake.content().packets.len();
        let outcome = match packet {
            fxp::REMOVE => kind(storage.remove_file(&path("/f")).await),
            fxp::MKDIR => kind(storage.create_directory(&path("/new"), None).await),
            fxp::SETSTAT => {
                let mode = tidegate_core::ports::storage::SetAttributes { mode: Some(0o600), ..Default::default() };
                kind(storage.set_attributes(&path("/f"), &mode, true).await)
            }
            _ => kind(storage.rename(&path("/f"), &path("/g"), false).await),
        };
        assert_eq!(outcome, Err(StorageErrorKind::Other), "{packet}");
        let made = fake.content().packets[before..].iter().filter(|made| **made == packet).count();
        assert_eq!(made, 1, "{packet}");
    }
    // A look is.
    fake.rule(fxp::LSTAT, 0, Instead::BreakOff);
    assert_eq!(storage.metadata(&path("/f")).await.unwrap().size, 100 << 10);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_in_the_middle_of_a_file_is_left() {
    let fake = Fake::new(ALL);
    fake.file("/f", &[7; 100 << 10], 0);
    let storage = opened(&fake, false);
    let file = storage.open(&path("/f")).await.unwrap();
    file.read_at(0, 1000, &mut Vec::new()).await.unwrap();
    fake.rule(fxp::READ, 0, Instead::Silence);
    let begun = tokio::time::Instant::now();
    let mut buffer = Vec::new();
    let error = file.read_at(50_000, 1000, &mut buffer).await.unwrap_err();
    assert!(error.kind == StorageErrorKind::Other && buffer.is_empty(), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_what_they_are_for_and_whether_they_failed() {
    // A20-06
    let fake = Fake::new(ALL);
    let metrics = Arc::new(Metrics::default());
    let storage = SftpFileSystems::by(Arc::new(fake.clone()), settings(), metrics.clone());
    let storage = storage.open(&file_system()).unwrap();
    let counted = || {
        let counts = SftpRequest::ALL.into_iter().zip(metrics.counts().sftp_requests);
        let line = counts.filter(|(_, requests)| requests.all > 0);
        let line = line.map(|(kind, requests)| format!("{} {}/{}", kind.as_str(), requests.failed, requests.all));
        line.collect::<Vec<_>>().join(", ")
    };
    // That there is no such file is an answer.
    assert_eq!(kind(storage.metadata(&path("/f")).await), Err(StorageErrorKind::NotFound));
    assert_eq!(counted(), "stat 0/2");
    let file = storage.open_in_place(&path("/f"), PUT).await.unwrap();
    file.write_at(0, &[7; 70 << 10]).await.unwrap();
    file.complete().await.unwrap();
    assert_eq!(counted(), "open 0/1, close 0/1, write 0/3, stat 0/4");
    fake.rule(fxp::REMOVE, 0, Instead::Refuse(fx::PERMISSION_DENIED, ""));
    assert_eq!(kind(storage.remove_file(&path("/f")).await), Err(StorageErrorKind::PermissionDenied));
    fake.rule(fxp::LSTAT, 0, Instead::BreakOff);
    storage.metadata(&path("/f")).await.unwrap();
    assert_eq!(counted(), "open 0/1, close 0/1, write 0/3, stat 1/7, change 1/1");
    // What is not answered because nothing uses the connection any more has not failed.
    let file = storage.open(&path("/f")).await.unwrap();
    drop((file, storage));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(counted(), "open 0/2, close 0/2, write 0/3, stat 1/8, change 1/1");
}

#[tokio::test]
async fn a_server_that_takes_no_copies_is_used_without_them() {
    let check = async |extensions: &'static [&'static str], atomic: bool, rename: &str| {
        let fake = Fake::new(extensions);
        let storage = opened(&fake, atomic);
        let steps = check_storage(&storage).await.into_iter().map(|checked| {
            let outcome = match checked.outcome {
                StepOutcome::Done => "done".to_owned(),
                StepOutcome::Skipped => "skipped".to_owned(),
                StepOutcome::Failed(problem) => problem,
            };
            format!("{} {outcome}", checked.step.as_str())
        });
        let expected = format!("list done, put done, get done, rename {rename}, delete done");
        assert_eq!(steps.collect::<Vec<_>>().join(", "), expected, "{extensions:?} {atomic}");
        assert!(fake.paths().is_empty(), "{extensions:?} {atomic}");
    };
    for atomic in [false, true] {
        check(ALL, atomic, "done").await;
        check(&["fsync@openssh.com"], atomic, "skipped").await;
    }
}
