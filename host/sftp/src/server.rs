//! Packets out of the stream, in order, and replies back.

use std::sync::Arc;

use tidegate_core::files::FileService;
use tokio::time::Instant;

use crate::extensions;
use crate::footprint::{Footprint, Opened, Surroundings};
use crate::handles::Handles;
use crate::packet::{Reader, Reply, Status, fill_length, put_string, put_u32};
use crate::protocol::{MAX_PACKET, StatusCode, VERSION, kind};
use crate::throttle::Throttle;

/// One SFTP channel.
pub struct SftpServer {
    pub(crate) files: Arc<FileService>,
    pub(crate) handles: Handles,
    initialised: bool,
    /// Input that is not yet answered: part of a packet, or packets put off because the
    /// output was full.
    carry: Vec<u8>,
    carry_start: usize,
    patience: Patience,
    throttle: Throttle,
    /// Bytes a second, up and down, for which it was reckoned what waits how long.
    limits: (u64, u64),
    /// What comes after it cannot be understood.
    broken: Option<ProtocolError>,
}

/// Whether the caller has time for requests that read or write a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patience {
    /// The connection stands still until `receive` returns.
    #[default]
    Short,
    Long,
}

/// Why [`SftpServer::receive`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All complete packets are answered, but those for which [`SftpServer::next_due`] says when.
    NeedsInput,
    /// There may be more to answer once the output has been sent.
    OutputFull,
    /// The next request needs [`Patience::Long`].
    TakesLong,
    /// Too much waits for the time that [`SftpServer::next_due`] says.
    Throttled,
}

/// The stream cannot be followed any further; the channel must be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("a packet of {0} bytes is larger than the limit of {MAX_PACKET}")]
    PacketTooLarge(u32),
    #[error("a packet without a type")]
    EmptyPacket,
    #[error("the first packet was of type {0}, not INIT")]
    NotInitialised(u8),
    #[error("the INIT packet is malformed")]
    MalformedInit,
    #[error("a packet of type {0} without a request id")]
    NoRequestId(u8),
}

impl SftpServer {
    pub fn new(files: FileService) -> Self {
        let handles = Handles::new(files.session().clone());
        Self {
            files: Arc::new(files),
            handles,
            initialised: false,
            carry: Vec::new(),
            carry_start: 0,
            patience: Patience::default(),
            throttle: Throttle::default(),
            limits: (0, 0),
            broken: None,
        }
    }

    pub fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Whether transfers wait for their time.
    pub fn is_throttled(&self) -> bool {
        self.files.session().live.is_throttled()
    }

    /// When [`receive`](Self::receive) has more to say without more input (A5-17).
    pub fn next_due(&self) -> Option<Instant> {
        self.throttle.next_due()
    }

    /// Input that waits to be answered, in bytes.
    pub fn waiting(&self) -> usize {
        self.carry.len().saturating_sub(self.carry_start)
    }

    /// Answers the packets of `input` into `output` until `budget` bytes are there. Packets
    /// are decoded where they lie; only a part of one is copied, to wait for its rest. An error
    /// comes when all that was sent before it is answered.
    pub async fn receive(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        budget: usize,
    ) -> Result<Progress, ProtocolError> {
        self.answer_due(output, budget).await?;
        if self.broken.is_none() {
            match self.answer_input(input, output, budget).await {
                Ok(progress) => return Ok(progress),
                Err(error) => self.broken = Some(error),
            }
        }
        if self.throttle.is_empty()
            && let Some(error) = self.broken.take()
        {
            return Err(error);
        }
        Ok(Progress::NeedsInput)
    }

    async fn answer_input(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        budget: usize,
    ) -> Result<Progress, ProtocolError> {
        let mut input = input;
        while self.waiting() > 0 {
            input = self.complete_first_packet(input)?;
            let progress = self.answer_carry(output, budget).await?;
            if progress != Progress::NeedsInput {
                self.carry.extend_from_slice(input);
                return Ok(progress);
            }
            if input.is_empty() {
                return Ok(Progress::NeedsInput);
            }
        }
        let (rest, progress) = self.answer_all(input, output, budget).await?;
        self.carry.extend_from_slice(rest);
        Ok(progress)
    }

    /// Moves so much of `input` behind the carried bytes as the first carried packet lacks;
    /// all of it when several packets wait there.
    fn complete_first_packet<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        self.carry.drain(..self.carry_start);
        self.carry_start = 0;
        let mut input = input;
        if self.carry.len() < 4 {
            let (head, tail) = input.split_at(input.len().min(4 - self.carry.len()));
            self.carry.extend_from_slice(head);
            input = tail;
        }
        if let Some(size) = packet_size(&self.carry)? {
            let missing = size.saturating_sub(self.carry.len());
            let (head, tail) = input.split_at(input.len().min(missing));
            self.carry.extend_from_slice(head);
            input = tail;
        }
        Ok(input)
    }

    async fn answer_carry(&mut self, output: &mut Vec<u8>, budget: usize) -> Result<Progress, ProtocolError> {
        let carry = std::mem::take(&mut self.carry);
        let outcome = self.answer_all(&carry, output, budget).await;
        let left = outcome.as_ref().map_or(0, |(rest, _)| rest.len());
        let progress = outcome.map(|(_, progress)| progress);
        self.carry_start = carry.len() - left;
        self.carry = carry;
        if left == 0 {
            self.carry.clear();
            self.carry_start = 0;
        }
        progress
    }

    /// Answers complete packets; gives back the rest.
    async fn answer_all<'a>(
        &mut self,
        input: &'a [u8],
        output: &mut Vec<u8>,
        budget: usize,
    ) -> Result<(&'a [u8], Progress), ProtocolError> {
        let mut rest = input;
        loop {
            let Some(size) = packet_size(rest)? else {
                return Ok((rest, Progress::NeedsInput));
            };
            let Some((packet, tail)) = rest.split_at_checked(size) else {
                return Ok((rest, Progress::NeedsInput));
            };
            if output.len() >= budget {
                return Ok((rest, Progress::OutputFull));
            }
            if self.throttle.is_full() {
                return Ok((rest, Progress::Throttled));
            }
            let packet = packet.get(4..).unwrap_or_default();
            if self.patience == Patience::Short && extensions::takes_long(packet) {
                return Ok((rest, Progress::TakesLong));
            }
            if !self.put_off(packet) {
                self.answer(packet, output).await?;
            }
            rest = tail;
        }
    }

    /// Gives out replies whose time has come, and answers what had to come after them.
    async fn answer_due(&mut self, output: &mut Vec<u8>, budget: usize) -> Result<(), ProtocolError> {
        if self.throttle.is_empty() {
            return Ok(());
        }
        // A4-13: who waits for a limit is not idle.
        self.files.session().live.moves();
        self.follow_limits();
        while output.len() < budget {
            if let Some(request) = self.throttle.take_request() {
                self.answer(&request, output).await?;
            } else if let Some(reply) = self.throttle.take_reply(Instant::now()) {
                output.extend_from_slice(&reply);
            } else {
                break;
            }
        }
        Ok(())
    }

    /// New limits apply to what waits, too.
    fn follow_limits(&mut self) {
        let limits = self.files.session().live.rates();
        if limits != self.limits {
            self.limits = limits;
            let handles = &mut self.handles;
            self.throttle.reschedule(|handle| handles.file(handle).ok().and_then(|file| file.due()));
        }
    }

    /// Lets a request wait if it has to come after something that waits.
    fn put_off(&mut self, packet: &[u8]) -> bool {
        if self.throttle.is_empty() {
            return false;
        }
        let start_directory = self.files.start_directory();
        let opened = |handle: &[u8]| {
            let file = self.handles.opened_file(handle)?;
            Some(Opened { path: file.path()?.clone(), for_writing: file.is_upload() })
        };
        let surroundings = Surroundings { opened: &opened, start_directory: &start_directory };
        let footprint = Footprint::of(packet, &surroundings);
        let waits = self.throttle.is_in_the_way_of(&footprint);
        if waits {
            self.throttle.put_off(packet, footprint);
        }
        waits
    }

    async fn answer(&mut self, packet: &[u8], output: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let (&kind, body) = packet.split_first().ok_or(ProtocolError::EmptyPacket)?;
        let mut body = Reader::new(body);
        if !self.initialised {
            return self.initialise(kind, &mut body, output);
        }
        let id = body.u32().map_err(|_| ProtocolError::NoRequestId(kind))?;
        let start = output.len();
        let mut reply = Reply::new(output, id);
        match self.dispatch(kind, body, &mut reply).await {
            Ok(()) => {}
            Err(status) => reply.status(&status),
        }
        reply.finish();
        if matches!(kind, kind::READ | kind::WRITE) && self.is_throttled() {
            self.hold_if_early(body, output, start);
        }
        Ok(())
    }

    /// Keeps the reply at `start`, to a request for the handle in `body`, until its time.
    fn hold_if_early(&mut self, mut body: Reader<'_>, output: &mut Vec<u8>, start: usize) {
        let Ok(wire) = body.string() else { return };
        let due = self.handles.file(wire).ok().and_then(|file| file.due());
        if let Some(due) = due {
            self.throttle.hold(wire, due, output.split_off(start));
        }
    }

    fn initialise(&mut self, kind: u8, body: &mut Reader<'_>, output: &mut Vec<u8>) -> Result<(), ProtocolError> {
        if kind != kind::INIT {
            return Err(ProtocolError::NotInitialised(kind));
        }
        body.u32().map_err(|_| ProtocolError::MalformedInit)?;
        self.initialised = true;
        let start = output.len();
        output.extend_from_slice(&[0; 4]);
        output.push(kind::VERSION);
        put_u32(output, VERSION);
        for (name, version) in extensions::ADVERTISED {
            put_string(output, name.as_bytes());
            put_string(output, version.as_bytes());
        }
        fill_length(output, start);
        Ok(())
    }

    /// The table of operations. Those that are not asked for all the time are on the heap: an
    /// idle session has room for the largest that is not.
    async fn dispatch(&mut self, kind: u8, body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        match kind {
            kind::OPEN => Box::pin(self.open(body, reply)).await,
            kind::CLOSE => Box::pin(self.close(body, reply)).await,
            kind::READ => self.read(body, reply).await,
            kind::WRITE => self.write(body, reply).await,
            kind::LSTAT => self.lstat(body, reply).await,
            kind::FSTAT => self.fstat(body, reply).await,
            kind::SETSTAT => Box::pin(self.setstat(body, reply, true)).await,
            kind::FSETSTAT => Box::pin(self.fsetstat(body, reply)).await,
            kind::OPENDIR => Box::pin(self.opendir(body, reply)).await,
            kind::READDIR => self.readdir(body, reply).await,
            kind::REMOVE => Box::pin(self.remove(body, reply)).await,
            kind::MKDIR => Box::pin(self.mkdir(body, reply)).await,
            kind::RMDIR => Box::pin(self.rmdir(body, reply)).await,
            kind::REALPATH => Box::pin(self.realpath(body, reply)).await,
            kind::STAT => self.stat(body, reply).await,
            kind::RENAME => Box::pin(self.rename(body, reply, false)).await,
            kind::READLINK => Box::pin(self.readlink(body, reply)).await,
            kind::SYMLINK => Box::pin(self.symlink(body, reply)).await,
            kind::EXTENDED => Box::pin(self.extended(body, reply)).await,
            other => Err(Status::new(StatusCode::OpUnsupported, format!("packets of type {other} are not supported"))),
        }
    }
}

/// The size of the packet at the front, with its length field; none if that is not there yet.
fn packet_size(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
    let Some(length) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length);
    match usize::try_from(length) {
        Ok(0) => Err(ProtocolError::EmptyPacket),
        Ok(size) if size <= MAX_PACKET => Ok(Some(size + 4)),
        _ => Err(ProtocolError::PacketTooLarge(length)),
    }
}
