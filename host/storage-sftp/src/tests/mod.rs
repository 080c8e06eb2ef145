//! The client against servers that do not keep to the protocol, are silent, or break off.

mod fake;
mod over_ssh;
mod remote;
mod sweeping;
mod writing;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{
    FileSystem, Location, OpenOptions, SftpLocation, Storage, StorageError, StorageErrorKind,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::oneshot::error::TryRecvError;

use self::fake::Fake;
use crate::packet::fxp;
use crate::session::Session;
use crate::{Dial, SftpFileSystems, SftpSettings, SftpStorage, Streams};

/// All extensions of OpenSSH that change what is done here.
const ALL: &[&str] = &["posix-rename@openssh.com", "fsync@openssh.com"];

/// The options with which most clients upload.
const PUT: OpenOptions = OpenOptions {
    read: false,
    write: true,
    append: false,
    create: true,
    truncate: true,
    exclusive: false,
    is_new: false,
    provisional: false,
    mode: None,
};

fn settings() -> SftpSettings {
    SftpSettings { pause: Duration::ZERO, ..SftpSettings::default() }
}

fn file_system() -> FileSystem {
    let place = SftpLocation { endpoint: "h".into(), username: "u".into(), ..SftpLocation::default() };
    let location = Location::Sftp(Box::new(place));
    FileSystem { location, account: "u".into(), owner: (0, 0), make_missing: true }
}

fn opened(fake: &Fake, atomic: bool) -> SftpStorage {
    opened_as(fake, SftpSettings { atomic, ..settings() })
}

fn opened_as(fake: &Fake, settings: SftpSettings) -> SftpStorage {
    SftpFileSystems::by(Arc::new(fake.clone()), settings, Arc::default()).open(&file_system()).unwrap()
}

fn kind<T>(outcome: Result<T, StorageError>) -> Result<(), StorageErrorKind> {
    outcome.map(drop).map_err(|error| error.kind)
}

/// A server in the same process: what it answers to each packet, without the lengths; None: it breaks off.
type Answers = fn(usize, &[u8]) -> Option<Vec<Vec<u8>>>;

struct Server {
    answers: Answers,
    /// The connections so far.
    dialled: AtomicUsize,
}

#[async_trait]
impl Dial for Server {
    async fn dial(&self, _place: &SftpLocation) -> Result<Streams, StorageError> {
        let number = self.dialled.fetch_add(1, Ordering::Relaxed);
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(serve(theirs, number, self.answers));
        let (reader, writer) = tokio::io::split(ours);
        Ok(Streams { reader: Box::new(reader), writer: Box::new(writer), guard: Box::new(()) })
    }
}

async fn serve(mut stream: DuplexStream, number: usize, answers: Answers) {
    while let Ok(length) = stream.read_u32().await {
        let mut packet = vec![0; length as usize];
        stream.read_exact(&mut packet).await.unwrap();
        let Some(replies) = answers(number, &packet) else { return };
        for reply in replies {
            stream.write_u32(reply.len() as u32).await.unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    }
}

fn started(answers: Answers) -> (Arc<Server>, SftpStorage) {
    let server = Arc::new(Server { answers, dialled: AtomicUsize::new(0) });
    let storage = SftpFileSystems::by(server.clone(), settings(), Arc::default()).open(&file_system()).unwrap();
    (server, storage)
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::resolve(&VirtualPath::root(), text.as_bytes()).unwrap()
}

const VERSION: &[u8] = &[2, 0, 0, 0, 3];

/// A reply to a packet, with its id.
fn reply(kind: u8, packet: &[u8], rest: &[u8]) -> Option<Vec<Vec<u8>>> {
    Some(vec![[&[kind], &packet[1..5], rest].concat()])
}

/// The attributes of a directory.
const DIRECTORY: &[u8] = &[0, 0, 0, 4, 0, 0, 0o100, 0];

async fn check(answers: Answers, expected: &str) {
    let (_, storage) = started(answers);
    let error = storage.metadata(&path("/f")).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Other, "{error:?}");
    assert!(error.detail.as_deref().is_some_and(|detail| detail.contains(expected)), "{error:?}");
}

#[tokio::test]
async fn what_is_not_the_protocol_ends_the_session() {
    check(|_, _| Some(vec![vec![1, 0, 0, 0, 3]]), "cannot be read").await;
    check(|_, _| Some(vec![vec![2, 0, 0, 0, 2]]), "cannot be read").await;
    check(|_, _| Some(vec![vec![7; 300 << 10]]), "impossible length").await;
    check(|_, _| Some(vec![vec![]]), "impossible length").await;
    check(|_, _| None, "closed the connection").await;
    // An answer to nothing, and answers that end too early or are of no type.
    for answers in [
        (|_, packet| match packet[0] {
            1 => Some(vec![VERSION.to_vec()]),
            _ => Some(vec![vec![101, 9, 9, 9, 9, 0, 0, 0, 0]]),
        }) as Answers,
        |_, packet| if packet[0] == 1 { Some(vec![VERSION.to_vec()]) } else { reply(105, packet, &[0, 0, 0, 1]) },
        |_, packet| if packet[0] == 1 { Some(vec![VERSION.to_vec()]) } else { reply(99, packet, &[]) },
    ] {
        check(answers, "cannot be read").await;
    }
    check(
        |_, packet| if packet[0] == 1 { Some(vec![VERSION.to_vec()]) } else { reply(102, packet, &[0, 0, 0, 1, 7]) },
        "wrong type",
    )
    .await;
}

#[tokio::test]
async fn what_changes_nothing_is_tried_once_more() {
    let (server, storage) = started(|number, packet| match (number, packet[0]) {
        (_, 1) => Some(vec![VERSION.to_vec()]),
        (0, _) => None,
        _ => reply(105, packet, DIRECTORY),
    });
    assert_eq!(storage.metadata(&path("/d")).await.unwrap().mode, 0o040000);
    assert_eq!(server.dialled.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_directory_without_an_end_is_read_in_portions() {
    // Each READDIR has two names more, one of which is none.
    let (_, storage) = started(|_, packet| match packet[0] {
        1 => Some(vec![VERSION.to_vec()]),
        11 => reply(102, packet, &[0, 0, 0, 1, 7]),
        12 => {
            let entry = |name: &[u8]| [&(name.len() as u32).to_be_bytes()[..], name, &[0; 4], DIRECTORY].concat();
            reply(104, packet, &[&[0, 0, 0, 2][..], &entry(b"a"), &entry(b"../b")].concat())
        }
        4 => reply(101, packet, &[0; 4]),
        _ => reply(105, packet, DIRECTORY),
    });
    let mut reader = storage.read_directory(&path("/d")).await.unwrap();
    assert_eq!(reader.next_entries(10).await.unwrap().len(), 2);
    for _ in 0..100 {
        let entries = reader.next_entries(10).await.unwrap();
        assert!(entries.len() == 10 && entries.iter().all(|entry| entry.name == b"a"));
    }
    assert!(reader.passed_over().is_none() && reader.nameless() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_left() {
    let (_, storage) = started(|_, packet| match packet[0] {
        1 => Some(vec![VERSION.to_vec()]),
        _ => Some(Vec::new()),
    });
    let error = storage.metadata(&path("/f")).await.unwrap_err();
    assert!(error.detail.is_some_and(|detail| detail.contains("no answer in 60 seconds")));
}

#[tokio::test]
async fn the_last_requests_are_answered_before_the_connection_ends() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 10);
    let (guard, mut is_dropped) = tokio::sync::oneshot::channel::<()>();
    let (reader, writer) = tokio::io::split(ours);
    let serve = async {
        let mut packets = Vec::new();
        for answer in [Some(VERSION.to_vec()), None, None] {
            let mut packet = vec![0; theirs.read_u32().await.unwrap() as usize];
            theirs.read_exact(&mut packet).await.unwrap();
            if let Some(answer) = answer {
                theirs.write_u32(answer.len() as u32).await.unwrap();
                theirs.write_all(&answer).await.unwrap();
            }
            packets.push(packet);
        }
        packets
    };
    let uses = async {
        let session = Session::begin(reader, writer, guard, Duration::from_secs(60), Arc::default()).await.unwrap();
        drop(session.about(fxp::REMOVE, b"/a"));
        drop(session.about(fxp::REMOVE, b"/b"));
    };
    let (packets, ()) = tokio::join!(serve, uses);
    // SSH_FXP_STATUS with SSH_FX_OK and two empty texts.
    for packet in &packets[1..] {
        assert_eq!(is_dropped.try_recv(), Err(TryRecvError::Empty));
        let answer = [&[101][..], &packet[1..5], &[0; 12]].concat();
        theirs.write_u32(answer.len() as u32).await.unwrap();
        theirs.write_all(&answer).await.unwrap();
    }
    assert!(is_dropped.await.is_err());
}
