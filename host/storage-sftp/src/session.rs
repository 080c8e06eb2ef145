//! One SFTP session: requests go out in the order in which they are made, and each finds its answer by its id.
//!
//! Reading never waits for writing, so that the two cannot block each other. What the other server sends is bounded: a
//! packet has a longest length, and an answer that belongs to no request ends the session.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tidegate_core::metrics::{Metrics, SftpRequest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::counted::{is_failure, kind_of, kind_of_extension};
use crate::errors::Fault;
use crate::packet::{Attributes, Fields, Malformed, Packet, fxp};
use crate::reply::{self, Reply};

/// The version of the protocol.
const VERSION: u32 = 3;
/// The longest packet that is taken, in bytes.
const LONGEST_PACKET: usize = (256 << 10) + 1024;
/// The size of reads and writes of servers that do not say what they take, and the largest that is used, in bytes.
const PORTIONS: (u32, u32) = (32 << 10, 64 << 10);
/// The bytes of all transfers of a session that are read or written ahead.
const AHEAD: usize = 64 << 20;
/// What is written at once, in bytes.
const OUTPUT: usize = 64 << 10;
/// For how long a session that is not used any more waits for the answers to its last requests.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// What the other server can do beside version 3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offers {
    pub posix_rename: bool,
    pub statvfs: bool,
    pub hard_link: bool,
    pub fsync: bool,
    pub lsetstat: bool,
    pub limits: bool,
}

/// A session under way.
pub struct Session {
    out: mpsc::UnboundedSender<Bytes>,
    shared: Arc<Shared>,
    patience: Duration,
    /// What the other server can do.
    pub offers: Offers,
    /// The bytes of a READ and of a WRITE.
    pub portions: (u32, u32),
    /// What is left of the bytes that may be read or written ahead.
    pub ahead: Arc<Semaphore>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    /// Told when there is an answer to each request.
    all_answered: Notify,
    end: CancellationToken,
    metrics: Arc<Metrics>,
}

struct Waiting {
    next_id: u32,
    answers: HashMap<u32, Asked>,
    /// Why the session has ended.
    ended: Option<String>,
    /// When something came last.
    heard: Instant,
}

/// A request that is not answered yet.
struct Asked {
    kind: SftpRequest,
    sender: oneshot::Sender<Result<Reply, Fault>>,
}

/// An answer that may still be on its way.
pub struct Pending {
    receiver: oneshot::Receiver<Result<Reply, Fault>>,
    shared: Arc<Shared>,
    patience: Duration,
}

impl Session {
    /// Begins a session. `guard` is dropped when it has ended. `patience`: how long an answer may take. `metrics`: counts
    /// requests.
    ///
    /// # Errors
    /// The other server speaks another protocol.
    pub async fn begin(
        reader: impl AsyncRead + Unpin + Send + 'static,
        writer: impl AsyncWrite + Unpin + Send + 'static,
        guard: impl Any + Send,
        patience: Duration,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Fault> {
        let (out, packets) = mpsc::unbounded_channel();
        let waiting = Waiting { next_id: 0, answers: HashMap::new(), ended: None, heard: Instant::now() };
        let (waiting, end) = (Mutex::new(waiting), CancellationToken::new());
        let shared = Arc::new(Shared { waiting, all_answered: Notify::new(), end, metrics });
        let (said, version) = oneshot::channel();
        tokio::spawn(write(writer, packets, shared.clone(), guard));
        tokio::spawn(read(reader, out.downgrade(), shared.clone(), said));
        // There is no other packet before it.
        let _ = out.send(Packet::new(fxp::INIT, VERSION).finish());
        let offers = match tokio::time::timeout(patience, version).await {
            Ok(Ok(offers)) => offers,
            Ok(Err(_)) => return Err(shared.gone()),
            Err(_) => return Err(Fault::Gone("the server did not begin the protocol in time".to_owned())),
        };
        let (least, most) = PORTIONS;
        let ahead = Arc::new(Semaphore::new(AHEAD));
        let mut session = Self { out, shared, patience, offers, portions: (least, least), ahead };
        if offers.limits
            && let Ok(Reply::Extended(limits)) = session.extended(b"limits@openssh.com", |packet| packet).answer().await
        {
            let mut fields = Fields(&limits);
            let mut next = || u32::try_from(fields.u64().unwrap_or(0)).unwrap_or(u32::MAX);
            let (_, read, write) = (next(), next(), next());
            // 0 says that there is no limit.
            let portion = |limit: u32| if limit == 0 { least } else { limit.clamp(1024, most) };
            session.portions = (portion(read), portion(write));
        }
        Ok(session)
    }

    /// Whether the session has ended.
    pub fn has_ended(&self) -> bool {
        self.shared.lock().ended.is_some()
    }

    /// Makes a request; it is sent whether or not its answer is waited for.
    pub fn request(&self, kind: u8, fields: impl FnOnce(Packet) -> Packet) -> Pending {
        self.make(kind_of(kind), kind, fields)
    }

    /// The answer to a request that is not made, for this reason.
    pub fn refused(&self, fault: Fault) -> Pending {
        let (sender, receiver) = oneshot::channel();
        let _ = sender.send(Err(fault));
        Pending { receiver, shared: self.shared.clone(), patience: self.patience }
    }

    fn make(&self, counted: SftpRequest, kind: u8, fields: impl FnOnce(Packet) -> Packet) -> Pending {
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.shared.lock();
            if waiting.ended.is_none() {
                let id = waiting.next_id;
                waiting.next_id = id.wrapping_add(1);
                waiting.answers.insert(id, Asked { kind: counted, sender });
                // Sent under the lock, so that requests go out in the order of their ids. It does not wait.
                let _ = self.out.send(fields(Packet::new(kind, id)).finish());
            }
        }
        Pending { receiver, shared: self.shared.clone(), patience: self.patience }
    }

    /// Makes a request about a path.
    pub fn about(&self, kind: u8, path: &[u8]) -> Pending {
        self.request(kind, |packet| packet.text(path))
    }

    /// Makes a request of an extension.
    pub fn extended(&self, name: &[u8], fields: impl FnOnce(Packet) -> Packet) -> Pending {
        self.make(kind_of_extension(name), fxp::EXTENDED, |packet| fields(packet.text(name)))
    }
}

impl Pending {
    /// Waits for the answer.
    ///
    /// # Errors
    /// The other server refused, the session has ended, or nothing came in time.
    pub async fn answer(mut self) -> Result<Reply, Fault> {
        self.arrives().await
    }

    /// As [`answer`](Self::answer), once; a call that is cancelled loses nothing.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub async fn arrives(&mut self) -> Result<Reply, Fault> {
        let begun = Instant::now();
        match tokio::time::timeout(self.patience, &mut self.receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(self.shared.gone()),
            Err(_) => {
                let reason = format!("there was no answer in {} seconds", self.patience.as_secs());
                if self.shared.lock().heard < begun {
                    self.shared.end(&reason);
                }
                Err(Fault::Gone(reason))
            }
        }
    }

    /// The answer if it is there; None: it is on its way.
    pub fn is_there(&mut self) -> Option<Result<Reply, Fault>> {
        match self.receiver.try_recv() {
            Ok(answer) => Some(answer),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(self.shared.gone())),
        }
    }

    /// Waits for an answer that has nothing to say.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub async fn done(self) -> Result<(), Fault> {
        match self.answer().await? {
            Reply::Done => Ok(()),
            _ => Err(Fault::odd("an answer of the wrong type")),
        }
    }

    /// Waits for attributes.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub async fn attributes(self) -> Result<Attributes, Fault> {
        match self.answer().await? {
            Reply::Attributes(attributes) => Ok(attributes),
            _ => Err(Fault::odd("an answer of the wrong type")),
        }
    }

    /// Waits for one name.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub async fn name(self) -> Result<Vec<u8>, Fault> {
        match self.answer().await? {
            Reply::Names(names) => match <[_; 1]>::try_from(names) {
                Ok([one]) => Ok(one.name),
                Err(_) => Err(Fault::odd("an answer with several names")),
            },
            _ => Err(Fault::odd("an answer of the wrong type")),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone(&self) -> Fault {
        Fault::Gone(self.lock().ended.clone().unwrap_or_else(|| "the connection was closed".to_owned()))
    }

    /// Ends the session: all that wait learn why.
    fn end(&self, reason: &str) {
        let mut waiting = self.lock();
        waiting.ended.get_or_insert_with(|| reason.to_owned());
        let unanswered = std::mem::take(&mut waiting.answers);
        drop(waiting);
        for asked in unanswered.into_values() {
            self.metrics.sftp_request(asked.kind, true);
        }
        self.end.cancel();
    }

    /// Ends a session that is not used any more: what is not answered yet, such as the end of the last file, has not failed.
    fn is_left(&self) {
        for asked in std::mem::take(&mut self.lock().answers).into_values() {
            self.metrics.sftp_request(asked.kind, false);
        }
        self.end("the connection is not used any more");
    }

    /// Waits until there is an answer to each request, of a session that makes no more of them.
    async fn is_answered(&self) {
        while !self.lock().answers.is_empty() {
            self.all_answered.notified().await;
        }
    }

    /// Gives an answer to the request that waits for it. An opened handle that is not waited for any more is closed.
    fn answered(&self, packet: &Bytes, out: &mpsc::WeakUnboundedSender<Bytes>) -> Result<(), Malformed> {
        let id = reply::id_of(packet)?;
        let mut waiting = self.lock();
        waiting.heard = Instant::now();
        let asked = waiting.answers.remove(&id).ok_or(Malformed)?;
        if waiting.answers.is_empty() {
            self.all_answered.notify_one();
        }
        drop(waiting);
        let answer = reply::read(packet)?;
        self.metrics.sftp_request(asked.kind, is_failure(&answer));
        if let Err(Ok(Reply::Handle(handle))) = asked.sender.send(answer)
            && let Some(out) = out.upgrade()
        {
            let mut waiting = self.lock();
            let id = waiting.next_id;
            waiting.next_id = id.wrapping_add(1);
            waiting.answers.insert(id, Asked { kind: SftpRequest::Close, sender: oneshot::channel().0 });
            let _ = out.send(Packet::new(fxp::CLOSE, id).text(&handle).finish());
        }
        Ok(())
    }
}

async fn write(
    mut writer: impl AsyncWrite + Unpin + Send,
    mut packets: mpsc::UnboundedReceiver<Bytes>,
    shared: Arc<Shared>,
    guard: impl Any + Send,
) {
    let mut bytes = BytesMut::new();
    loop {
        let packet = tokio::select! {
            packet = packets.recv() => packet,
            () = shared.end.cancelled() => None,
        };
        let Some(packet) = packet else {
            // A connection that ends can take with it what was asked for last, such as the removal of a file.
            tokio::select! {
                _ = tokio::time::timeout(LAST_ANSWERS, shared.is_answered()) => {}
                () = shared.end.cancelled() => {}
            }
            break;
        };
        bytes.extend_from_slice(&packet);
        while bytes.len() < OUTPUT {
            let Ok(packet) = packets.try_recv() else { break };
            bytes.extend_from_slice(&packet);
        }
        let written = tokio::select! {
            written = writer.write_all(&bytes) => written,
            () = shared.end.cancelled() => break,
        };
        if let Err(error) = written {
            shared.end(&error.to_string());
            break;
        }
        let _ = writer.flush().await;
        bytes.clear();
    }
    shared.is_left();
    drop(guard);
}

async fn read(
    mut reader: impl AsyncRead + Unpin + Send,
    out: mpsc::WeakUnboundedSender<Bytes>,
    shared: Arc<Shared>,
    said: oneshot::Sender<Offers>,
) {
    let outcome = tokio::select! {
        outcome = read_packets(&mut reader, &out, &shared, said) => outcome,
        () = shared.end.cancelled() => return,
    };
    shared.end(&outcome);
}

/// Reads packets to the end, and says why it is the end.
async fn read_packets(
    reader: &mut (impl AsyncRead + Unpin + Send),
    out: &mpsc::WeakUnboundedSender<Bytes>,
    shared: &Shared,
    said: oneshot::Sender<Offers>,
) -> String {
    let mut said = Some(said);
    let mut bytes = BytesMut::with_capacity(LONGEST_PACKET);
    loop {
        while let Some(length) = bytes.first_chunk().map(|length| u32::from_be_bytes(*length)) {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if !(5..=LONGEST_PACKET).contains(&length) {
                return "the server does not keep to the protocol: a packet of an impossible length".to_owned();
            }
            if bytes.len() < length + 4 {
                break;
            }
            bytes.advance(4);
            let packet = bytes.split_to(length).freeze();
            let outcome = match said.take() {
                Some(said) => version(&packet).map(|offers| {
                    // The caller may have given up meanwhile.
                    let _ = said.send(offers);
                }),
                None => shared.answered(&packet, out),
            };
            if outcome.is_err() {
                return "the server does not keep to the protocol: a packet that cannot be read".to_owned();
            }
        }
        match reader.read_buf(&mut bytes).await {
            Ok(0) => return "the server closed the connection".to_owned(),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
}

/// Reads the other server's first packet.
fn version(packet: &Bytes) -> Result<Offers, Malformed> {
    let mut fields = Fields(packet);
    if fields.u8()? != fxp::VERSION || fields.u32()? < VERSION {
        return Err(Malformed);
    }
    let mut offers = Offers::default();
    while !fields.is_empty() {
        let (name, version) = (fields.text()?, fields.text()?);
        let offer = match name {
            b"posix-rename@openssh.com" => &mut offers.posix_rename,
            b"statvfs@openssh.com" => &mut offers.statvfs,
            b"hardlink@openssh.com" => &mut offers.hard_link,
            b"fsync@openssh.com" => &mut offers.fsync,
            b"lsetstat@openssh.com" => &mut offers.lsetstat,
            b"limits@openssh.com" => &mut offers.limits,
            _ => continue,
        };
        *offer = !version.is_empty();
    }
    Ok(offers)
}
