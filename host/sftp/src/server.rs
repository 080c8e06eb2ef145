//! Packets out of the stream, in order, and replies back.

use std::sync::Arc;

use tidegate_core::files::FileService;
use tokio::time::Instant;

use crate::fields::Handle;
use crate::footprint::{Footprint, Opened, Surroundings};
use crate::handles::Handles;
use crate::operations::{Cost, Operation, Packet, Request, listed_extensions};
use crate::packet::{Reader, Reply, fill_length, put_string, put_u32};
use crate::protocol::{MAX_PACKET, VERSION, fxp};
use crate::throttle::{PutOff, Throttle};

/// One SFTP channel.
pub struct SftpServer {
    pub(crate) files: Arc<FileService>,
    pub(crate) handles: Handles,
    initialised: bool,
    /// Input that is not yet answered: part of a packet, or packets put off because the
    /// output was full.
    carry: Vec<u8>,
    carry_start: usize,
    throttle: Throttle,
    /// The bandwidth limits, up and down in bytes a second, with which the times of waiting replies were
    /// computed.
    limits: (u64, u64),
    /// Why no further packet can be read; given to the caller when everything before is answered.
    broken: Option<ProtocolError>,
}

/// Whether the caller has time for requests that take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// No: the connection stands still until its requests are answered.
    Short,
    /// Yes: the engine has a task of its own.
    Long,
}

/// Why the server looks at no further packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// All complete packets are answered, except those that wait until [`SftpServer::next_due`].
    NoPacket,
    /// There are packets left; the output is as long as it may be.
    OutputFull,
    /// The next packet needs [`Patience::Long`].
    TakesLong,
    /// So much is held back by bandwidth limits that no further packet is taken before
    /// [`SftpServer::next_due`].
    Throttled,
}

/// The stream cannot be followed any further; the channel must be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A packet announces more bytes than the server accepts; its length.
    #[error("a packet of {0} bytes is larger than the limit of {MAX_PACKET}")]
    PacketTooLarge(u32),
    /// The length field is 0.
    #[error("a packet without a type")]
    EmptyPacket,
    /// The client did not begin with INIT (draft §4); the type of its packet.
    #[error("the first packet was of type {0}, not INIT")]
    NotInitialised(u8),
    /// INIT has no version.
    #[error("the INIT packet is malformed")]
    MalformedInit,
    /// The packet is too short for a request id, so it cannot be answered; its type.
    #[error("a packet of type {0} without a request id")]
    NoRequestId(u8),
}

impl SftpServer {
    /// The server of a channel on which the client has sent nothing yet.
    pub fn new(files: Arc<FileService>) -> Self {
        let handles = Handles::new(files.session().clone());
        Self {
            files,
            handles,
            initialised: false,
            carry: Vec::new(),
            carry_start: 0,
            throttle: Throttle::default(),
            limits: (0, 0),
            broken: None,
        }
    }

    /// Whether a bandwidth limit is in force.
    pub fn is_throttled(&self) -> bool {
        self.files.session().live.is_throttled()
    }

    /// When [`receive`](Self::receive) has more replies without further input (A5-17).
    pub fn next_due(&self) -> Option<Instant> {
        self.throttle.next_due()
    }

    /// Input that waits to be answered, in bytes.
    pub fn waiting(&self) -> usize {
        self.carry.len().saturating_sub(self.carry_start)
    }

    /// Answers the packets of `input` into `output` until `budget` bytes are there. Packets
    /// are decoded where they lie; only a part of one is copied, to wait for its rest.
    ///
    /// # Errors
    /// If the stream cannot be followed any further; only after everything that was sent before is answered.
    pub async fn receive(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        budget: usize,
        patience: Patience,
    ) -> Result<Stop, ProtocolError> {
        self.answer_due(output, budget).await;
        let mut stop = Stop::NoPacket;
        if self.broken.is_none() {
            match self.answer_input(input, output, Limits { budget, patience }).await {
                Ok(reason) => stop = reason,
                Err(error) => self.broken = Some(error),
            }
        }
        match &self.broken {
            Some(error) if self.throttle.is_empty() => Err(error.clone()),
            Some(_) | None => Ok(stop),
        }
    }

    async fn answer_input(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        limits: Limits,
    ) -> Result<Stop, ProtocolError> {
        let mut input = input;
        while self.waiting() > 0 {
            input = self.complete_first_packet(input)?;
            let stop = self.answer_carry(output, limits).await?;
            if stop != Stop::NoPacket {
                self.carry.extend_from_slice(input);
                return Ok(stop);
            }
            if input.is_empty() {
                return Ok(Stop::NoPacket);
            }
        }
        let (rest, stop) = self.answer_all(input, output, limits).await?;
        self.carry.extend_from_slice(rest);
        Ok(stop)
    }

    /// Moves as many bytes of `input` behind the carried ones as the first carried packet lacks; gives back
    /// the rest.
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

    async fn answer_carry(&mut self, output: &mut Vec<u8>, limits: Limits) -> Result<Stop, ProtocolError> {
        let carry = std::mem::take(&mut self.carry);
        let outcome = self.answer_all(&carry, output, limits).await;
        let left = outcome.as_ref().map_or(0, |(rest, _)| rest.len());
        let stop = outcome.map(|(_, stop)| stop);
        self.carry_start = carry.len() - left;
        self.carry = carry;
        if left == 0 {
            self.carry.clear();
            self.carry_start = 0;
        }
        stop
    }

    /// Answers complete packets; gives back the rest.
    async fn answer_all<'a>(
        &mut self,
        input: &'a [u8],
        output: &mut Vec<u8>,
        limits: Limits,
    ) -> Result<(&'a [u8], Stop), ProtocolError> {
        let mut rest = input;
        loop {
            let Some(size) = packet_size(rest)? else {
                return Ok((rest, Stop::NoPacket));
            };
            let Some((packet, tail)) = rest.split_at_checked(size) else {
                return Ok((rest, Stop::NoPacket));
            };
            if output.len() >= limits.budget {
                return Ok((rest, Stop::OutputFull));
            }
            if self.throttle.is_full() {
                return Ok((rest, Stop::Throttled));
            }
            let packet = packet.get(4..).unwrap_or_default();
            if !self.initialised {
                self.initialise(packet, output)?;
            } else {
                let request = Packet::new(packet)?;
                if limits.patience == Patience::Short && self.takes_long(&request) {
                    return Ok((rest, Stop::TakesLong));
                }
                self.answer_packet(request, size, output).await;
            }
            rest = tail;
        }
    }

    /// Whether the connection would stand still for too long.
    fn takes_long(&self, request: &Packet<'_>) -> bool {
        let is_long = match request.cost() {
            Cost::Long => true,
            Cost::Names => self.files.may_copy_to_rename(),
            Cost::Little | Cost::Bandwidth => false,
        };
        is_long || self.files.is_remote() || (request.asks_hooks() && self.files.may_wait_for_hooks())
    }

    /// `size`: of the packet, in bytes. The request may have to wait for its turn.
    async fn answer_packet(&mut self, packet: Packet<'_>, size: usize, output: &mut Vec<u8>) {
        let id = packet.id;
        match packet.decode() {
            Ok((operation, request)) => match self.must_follow(operation, &request) {
                Some(footprint) => {
                    let request = request.into_owned();
                    self.throttle.put_off(PutOff { id, operation, request }, size, footprint);
                }
                None => self.answer(id, operation, request, output).await,
            },
            Err(status) => {
                let mut reply = Reply::new(output, id);
                reply.status(&status);
                reply.finish();
            }
        }
    }

    /// Writes replies whose time has come, and answers requests that had to wait for them.
    async fn answer_due(&mut self, output: &mut Vec<u8>, budget: usize) {
        if self.throttle.is_empty() {
            return;
        }
        // A4-13: a client that waits for a limit is not idle.
        self.files.session().live.moves();
        self.follow_limits();
        while output.len() < budget {
            if let Some(PutOff { id, operation, request }) = self.throttle.take_request() {
                self.answer(id, operation, request, output).await;
            } else if let Some(reply) = self.throttle.take_reply(Instant::now()) {
                output.extend_from_slice(&reply);
            } else {
                break;
            }
        }
    }

    /// Applies changed limits to what waits already.
    fn follow_limits(&mut self) {
        let limits = self.files.session().live.rates();
        if limits != self.limits {
            self.limits = limits;
            let handles = &mut self.handles;
            self.throttle.reschedule(|handle| handles.file(handle).ok().and_then(|file| file.due()));
        }
    }

    /// The footprint of a request that has to wait for something earlier; none: it need not wait.
    fn must_follow(&self, operation: &Operation, request: &Request<'_>) -> Option<Footprint> {
        if self.throttle.is_empty() {
            return None;
        }
        let start_directory = self.files.start_directory();
        let opened = |handle: Handle| {
            let file = self.handles.opened_file(handle)?;
            Some(Opened { path: file.path()?.clone(), for_writing: file.is_upload() })
        };
        let surroundings = Surroundings { opened: &opened, start_directory: &start_directory };
        let footprint = Footprint::of(operation, request, &surroundings);
        self.throttle.is_in_the_way_of(&footprint).then_some(footprint)
    }

    async fn answer(&mut self, id: u32, operation: &Operation, request: Request<'_>, output: &mut Vec<u8>) {
        let start = output.len();
        let paced = if operation.cost == Cost::Bandwidth { request.handle() } else { None };
        let mut reply = Reply::new(output, id);
        if let Err(status) = self.execute(request, &mut reply).await {
            reply.status(&status);
        }
        reply.finish();
        if let Some(handle) = paced
            && self.is_throttled()
        {
            self.hold_if_early(handle, output, start);
        }
    }

    /// Takes the reply at `start`, to a request for `handle`, out of the output until its time.
    fn hold_if_early(&mut self, handle: Handle, output: &mut Vec<u8>, start: usize) {
        let due = self.handles.file(handle).ok().and_then(|file| file.due());
        if let Some(due) = due {
            self.throttle.hold(handle, due, output.split_off(start));
        }
    }

    fn initialise(&mut self, packet: &[u8], output: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let (&kind, version) = packet.split_first().ok_or(ProtocolError::EmptyPacket)?;
        if kind != fxp::INIT {
            return Err(ProtocolError::NotInitialised(kind));
        }
        Reader::new(version).u32().map_err(|_| ProtocolError::MalformedInit)?;
        self.initialised = true;
        let start = output.len();
        output.extend_from_slice(&[0; 4]);
        output.push(fxp::VERSION);
        put_u32(output, VERSION);
        for (name, data) in listed_extensions() {
            put_string(output, name.as_bytes());
            put_string(output, data.as_bytes());
        }
        fill_length(output, start);
        Ok(())
    }
}

/// Where answering stops.
#[derive(Clone, Copy)]
struct Limits {
    /// Bytes of output.
    budget: usize,
    patience: Patience,
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
