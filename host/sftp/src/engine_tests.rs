//! The state machine, with bytes, a window and a clock.

use std::cell::Cell;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::hook::review::{PreAction, Review};
use tidegate_core::hook::{Call, Chain, Hook, HookDescription, HookError, Link, LinkSettings};
use tokio::time::Instant;

use super::*;
use crate::client_for_tests::{Client, Field, INIT, files, files_with, packet, remote_files, replies, sent};
use crate::protocol::{MAX_DATA, fxf, fxp};

struct TestWindow {
    room: Cell<usize>,
    is_known: Cell<bool>,
    has_queued: Cell<bool>,
}

impl TestWindow {
    fn new(room: usize) -> Self {
        Self { room: Cell::new(room), is_known: Cell::new(true), has_queued: Cell::new(false) }
    }
}

impl Window for TestWindow {
    fn take(&self, wanted: usize) -> usize {
        let taken = wanted.min(self.room.get());
        self.room.set(self.room.get() - taken);
        taken
    }

    fn is_known(&self) -> bool {
        self.is_known.get()
    }

    fn has_queued(&self) -> bool {
        self.has_queued.get()
    }
}

fn stat(id: u32) -> Vec<u8> {
    packet(fxp::STAT, id, &[Field::Text(b"/")])
}

fn read(id: u32, handle: u32, offset: u64) -> Vec<u8> {
    packet(fxp::READ, id, &[Field::Handle(handle), Field::U64(offset), Field::U32(u32::MAX)])
}

fn write(id: u32, handle: u32, data: &[u8]) -> Vec<u8> {
    packet(fxp::WRITE, id, &[Field::Handle(handle), Field::U64(0), Field::Text(data)])
}

fn ids(bytes: &[u8]) -> Vec<u32> {
    replies(bytes).iter().map(|reply| reply.id).collect()
}

#[tokio::test]
async fn it_does_not_matter_where_the_stream_is_cut() {
    let stream = [&INIT[..], &stat(7), &stat(8)].concat();
    let mut whole = Engine::new(files(""));
    assert_eq!(whole.receive_inline(&stream).await, Ok(State::Idle));
    let expected = sent(&mut whole);
    for first in 0..stream.len() {
        for second in [first, first + 1, (first + stream.len()) / 2] {
            let mut engine = Engine::new(files(""));
            for part in [&stream[..first], &stream[first..second], &stream[second..]] {
                assert_eq!(engine.receive_inline(part).await, Ok(State::Idle));
            }
            let found = sent(&mut engine);
            // The times of the root differ.
            assert_eq!((found.len(), &found[..200]), (expected.len(), &expected[..200]), "{first}, {second}");
        }
    }
}

#[tokio::test]
async fn replies_wait_for_a_window_that_is_known() {
    let mut engine = Client::new(files("")).await.engine;
    let state = engine.receive_inline(&stat(1)).await.unwrap();
    let window = TestWindow::new(10);
    assert!(!engine.stays_inline(State::OutputFull, &window));
    assert_eq!(engine.take_within(&window).map(|portion| portion.len()), Some(10));
    assert_eq!(engine.take_within(&window), None);
    assert!(engine.has_unsent() && engine.stays_inline(state, &window) && engine.takes_data_inline(&window));
    window.is_known.set(false);
    assert!(!engine.stays_inline(state, &window), "an assumed window may never have room");
    window.room.set(1000);
    let rest = engine.take_within(&window).unwrap();
    assert!(rest.len() > 10 && !engine.has_unsent() && engine.stays_inline(state, &window));
    window.has_queued.set(true);
    assert!(!engine.takes_data_inline(&window), "what is queued goes first");
}

#[tokio::test]
async fn too_many_replies_put_off_what_follows() {
    let mut client = Client::new(files("")).await;
    client.put("large", &vec![7; MAX_DATA]).await;
    let handle = client.open("large", fxf::READ).await.handle();
    let mut engine = client.engine;
    let requests: Vec<u8> = (0..20).flat_map(|id| read(id, handle, 0)).collect();
    assert_eq!(engine.receive_inline(&requests).await, Ok(State::OutputFull));
    let window = TestWindow::new(0);
    assert!(!engine.takes_data_inline(&window), "more than MAX_UNSENT waits");
    let mut answered = ids(&sent(&mut engine));
    assert_eq!(answered.len(), 9, "up to the first reply beyond OUTPUT_INLINE");
    let mut rounds = 0;
    while engine.receive_aside(&[]).await != Ok(State::Idle) {
        answered.extend(ids(&sent(&mut engine)));
        rounds += 1;
    }
    answered.extend(ids(&sent(&mut engine)));
    assert_eq!((answered, rounds), ((0..20).collect(), 10), "one reply is more than OUTPUT_ASIDE");
}

#[tokio::test]
async fn long_work_waits_for_a_task_and_keeps_its_place() {
    let mut client = Client::new(files("")).await;
    client.put("f", b"hello").await;
    let mut engine = client.engine;
    let name = Field::Text(b"check-file-name");
    let question = [name, Field::Text(b"f"), Field::Text(b"md5"), Field::U64(0), Field::U64(0), Field::U32(0)];
    let requests = [stat(1), packet(fxp::EXTENDED, 2, &question), stat(3)].concat();
    assert_eq!(engine.receive_inline(&requests).await, Ok(State::TakesLong));
    assert_eq!(ids(&sent(&mut engine)), [1]);
    assert_eq!(engine.receive_inline(&stat(4)).await, Ok(State::TakesLong), "what came later waits as well");
    assert!(!engine.has_unsent());
    assert_eq!(engine.receive_aside(&[]).await, Ok(State::Idle));
    assert_eq!(ids(&sent(&mut engine)), [2, 3, 4]);
}

#[tokio::test]
async fn the_connection_does_not_wait_for_another_host() {
    let mut engine = Engine::new(remote_files());
    assert_eq!(engine.receive_inline(&[&INIT[..], &stat(1)].concat()).await, Ok(State::TakesLong));
    assert_eq!(ids(&sent(&mut engine)), [3], "the version alone");
    assert_eq!(engine.receive_aside(&[]).await, Ok(State::Idle));
    assert_eq!(ids(&sent(&mut engine)), [1]);
}

#[tokio::test]
async fn the_connection_does_not_wait_until_a_file_is_on_the_disk() {
    let mut client = Client::new(files("")).await;
    let handle = client.open("f", fxf::WRITE | fxf::CREAT).await.handle();
    let mut engine = client.engine;
    let sync = packet(fxp::EXTENDED, 2, &[Field::Text(b"fsync@openssh.com"), Field::Handle(handle)]);
    assert_eq!(engine.receive_inline(&[stat(1), sync, stat(3)].concat()).await, Ok(State::TakesLong));
    assert_eq!(ids(&sent(&mut engine)), [1]);
    assert_eq!(engine.receive_aside(&[]).await, Ok(State::Idle));
    assert_eq!(ids(&sent(&mut engine)), [2, 3]);
}

/// Stands for a hook that is a program.
struct Program;

#[async_trait]
impl Hook<PreAction> for Program {
    fn name(&self) -> &str {
        "program"
    }
    fn adapter(&self) -> &'static str {
        "program"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    async fn call(&self, _: &Call, _: &PreAction) -> Result<Review, HookError> {
        Ok(Review::Allow)
    }
}

#[tokio::test]
async fn what_hooks_are_asked_about_waits_on_a_task() {
    let link = Arc::new(Link::new(Arc::new(Program), LinkSettings::default()));
    let before = Arc::new(Chain::new(Arc::default(), vec![link]));
    let mut engine = Client::new(files_with("", before)).await.engine;
    let open = packet(fxp::OPEN, 2, &[Field::Text(b"f"), Field::U32(fxf::WRITE | fxf::CREAT), Field::U32(0)]);
    let requests = [stat(1), open, stat(3)].concat();
    assert_eq!(engine.receive_inline(&requests).await, Ok(State::TakesLong));
    assert_eq!(ids(&sent(&mut engine)), [1]);
    assert_eq!(engine.receive_aside(&[]).await, Ok(State::Idle));
    assert_eq!(ids(&sent(&mut engine)), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn replies_of_transfers_wait_for_their_time_and_others_do_not() {
    // A4-13, A5-17
    let files = files(r#","upload_bandwidth":1"#);
    let session = files.session().clone();
    let mut client = Client::new(files).await;
    let handle = client.open("f", fxf::WRITE | fxf::CREAT).await.handle();
    let mut engine = client.engine;
    assert!(!engine.takes_data_inline(&TestWindow::new(1000)), "there is a limit");
    let started = Instant::now();
    let close = packet(fxp::CLOSE, 3, &[Field::Handle(handle)]);
    let requests = [write(1, handle, &[1; 3100]), stat(2), close].concat();
    let state = engine.receive_aside(&requests).await.unwrap();
    let State::Paced(time) = state else { panic!("{state:?}") };
    assert_eq!(ids(&sent(&mut engine)), [2]);
    assert_eq!(time - started, Duration::from_millis(500), "the limit is looked at again by then");
    assert!(!engine.stays_inline(state, &TestWindow::new(1000)));
    let mut state = Ok(state);
    while let Ok(State::Paced(time)) = state {
        assert!(!engine.has_unsent());
        session.live.active(0);
        tokio::time::sleep_until(time).await;
        state = engine.receive_aside(&[]).await;
        assert!(session.live.last_activity() > 0, "a session that waits for a limit is not idle");
    }
    assert_eq!((state, ids(&sent(&mut engine))), (Ok(State::Idle), vec![1, 3]));
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_taken_than_may_wait() {
    let mut client = Client::new(files(r#","upload_bandwidth":1000"#)).await;
    let handle = client.open("f", fxf::WRITE | fxf::CREAT).await.handle();
    let mut engine = client.engine;
    let requests: Vec<u8> = (0..20).flat_map(|id| write(id, handle, &[1; 200_000])).collect();
    let mut state = engine.receive_aside(&requests).await;
    assert!(matches!(state, Ok(State::Full(_))), "{state:?}");
    let started = Instant::now();
    loop {
        match state.unwrap() {
            State::Idle => break,
            State::Paced(time) | State::Full(time) => tokio::time::sleep_until(time).await,
            other @ (State::OutputFull | State::TakesLong) => panic!("{other:?}"),
        }
        state = engine.receive_aside(&[]).await;
    }
    assert_eq!(ids(&sent(&mut engine)), (0..20).collect::<Vec<_>>());
    // As fast as the limit lets it, less what an idle time before may make good.
    let expected = Duration::from_millis(3800)..Duration::from_millis(4100);
    assert!(expected.contains(&started.elapsed()), "4 MB at 1 MB/s: {:?}", started.elapsed());
}

#[tokio::test]
async fn a_broken_stream_is_answered_up_to_where_it_breaks() {
    /// After INIT and a STAT.
    async fn check(wrong: &[u8], expected: ProtocolError) {
        let mut engine = Client::new(files("")).await.engine;
        let stream = [&stat(1), wrong, &stat(2)].concat();
        assert_eq!(engine.receive_inline(&stream).await, Err(expected.clone()));
        assert_eq!(ids(&sent(&mut engine)), [1]);
        assert_eq!(engine.receive_inline(&stat(3)).await, Err(expected), "it stays broken");
        assert!(!engine.has_unsent());
    }
    check(&[0, 4, 0, 1], ProtocolError::PacketTooLarge(0x0004_0001)).await;
    check(&[0, 0, 0, 0], ProtocolError::EmptyPacket).await;
    check(&[0, 0, 0, 2, fxp::STAT, 0], ProtocolError::NoRequestId(fxp::STAT)).await;
    for (first, expected) in [
        (stat(1), ProtocolError::NotInitialised(fxp::STAT)),
        (vec![0, 0, 0, 2, fxp::INIT, 0], ProtocolError::MalformedInit),
    ] {
        assert_eq!(Engine::new(files("")).receive_inline(&first).await, Err(expected));
    }
}
