//! The engine of one SFTP channel: a state machine that is given bytes, a window and a clock, and
//! does no input or output itself (ADR 2).
//!
//! It runs in one of two places. *Inline* it is in the task of the connection, which stands still
//! meanwhile; *aside* it has a task of its own, which may wait. After each portion of input it
//! says its [`State`]:
//!
//! ```text
//!                      ┌───────────────── INLINE ─────────────────┐
//!            data      │                                          │  window
//!          ┌──────────▶│  answers ──▶ Idle, all is sent           │◀─────────┐
//!          │           │     │                                    │          │
//!          │           │     └──────▶ Idle, some replies wait ────┼──────────┘
//!          │           │              for a window that is known  │
//!          │           └────┬─────────────────────────────────────┘
//!          │                │ OutputFull, TakesLong, Paced, Full; the window is not known or
//!          │                │ has not taken MAX_UNSENT; a bandwidth limit is in force
//!          │                ▼
//!          │           ┌─────────────────── ASIDE ────────────────┐
//!          │           │  sends, as the window allows             │
//!          │           │     │                                    │
//!          │           │     └──▶ answers ──┬──▶ OutputFull ──────┼──▶ sends, and so on
//!          │           │                    ├──▶ Paced(time) ─────┼──▶ waits for data or the time
//!          │           │                    ├──▶ Full(time) ──────┼──▶ waits for the time
//!          └───────────┼──── no data ◀── Idle                     │
//!                      └──────────────────────────────────────────┘
//! ```
//!
//! From any of them a [`ProtocolError`] ends the channel, once everything that came before it is
//! answered and sent.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_core::files::FileService;
use tidegate_core::pace::next_look;
use tokio::time::Instant;

use crate::server::{Patience, ProtocolError, SftpServer, Stop};

/// Replies made inline for one portion of input before the rest of it is put off, in bytes.
const OUTPUT_INLINE: usize = 2 << 20;
/// Replies made aside before they are sent, in bytes.
const OUTPUT_ASIDE: usize = 128 << 10;
/// Replies that may wait for the client's window before the engine steps aside, in bytes.
const MAX_UNSENT: usize = 2 << 20;

/// The client's window of a channel: how many bytes it still takes (RFC 4254 §5.2).
pub trait Window {
    /// How many of `wanted` bytes may be sent now; they count as sent.
    fn take(&self, wanted: usize) -> usize;

    /// Whether the client has stated its window; before that, a size is assumed.
    fn is_known(&self) -> bool;

    /// Whether bytes that were taken are still on their way into the connection's output.
    fn has_queued(&self) -> bool;
}

/// What the engine waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// For data: all complete packets are answered.
    Idle,
    /// For data, or for this time, when a reply is due that a bandwidth limit holds back. The time is early
    /// enough to notice that the limit was changed.
    Paced(Instant),
    /// For this time: so much is held back by bandwidth limits that no further packet is looked at.
    Full(Instant),
    /// For its replies to be taken: there are packets left to answer.
    OutputFull,
    /// For a call of [`Engine::receive_aside`]: the next packet takes long, or may wait for another host.
    TakesLong,
}

/// One SFTP channel.
pub struct Engine {
    server: SftpServer,
    unsent: Unsent,
}

/// Replies that are not sent yet.
#[derive(Default)]
struct Unsent {
    portions: VecDeque<Bytes>,
    length: usize,
}

impl Engine {
    /// The engine of a channel on which the client has sent nothing yet.
    pub fn new(files: impl Into<Arc<FileService>>) -> Self {
        Self { server: SftpServer::new(files.into()), unsent: Unsent::default() }
    }

    /// Whether data may be answered inline.
    pub fn takes_data_inline(&self, window: &impl Window) -> bool {
        // Bytes that a task has left in the queue go first: they may end within a reply.
        !self.server.is_throttled() && self.unsent.length <= MAX_UNSENT && !window.has_queued()
    }

    /// Answers packets on the task of the connection.
    ///
    /// # Errors
    /// If the client broke the protocol; everything that it sent before is answered.
    pub async fn receive_inline(&mut self, data: &[u8]) -> Result<State, ProtocolError> {
        self.receive(data, OUTPUT_INLINE, Patience::Short).await
    }

    /// Answers packets on a task of its own.
    ///
    /// # Errors
    /// As [`receive_inline`](Self::receive_inline).
    pub async fn receive_aside(&mut self, data: &[u8]) -> Result<State, ProtocolError> {
        self.receive(data, OUTPUT_ASIDE, Patience::Long).await
    }

    /// Whether the engine may wait inline, having answered and sent what it could.
    pub fn stays_inline(&self, state: State, window: &impl Window) -> bool {
        state == State::Idle && (!self.has_unsent() || window.is_known())
    }

    /// Replies that are not sent yet, in bytes.
    pub fn unsent(&self) -> usize {
        self.unsent.length
    }

    /// Whether there are replies that are not sent yet.
    pub fn has_unsent(&self) -> bool {
        self.unsent() > 0
    }

    /// The next bytes of the replies, as many as the window has room for; none: no replies, or no room.
    pub fn take_within(&mut self, window: &impl Window) -> Option<Bytes> {
        self.unsent.take(|wanted| window.take(wanted))
    }

    /// The next bytes of the replies, for a caller that waits for the window itself; none: no replies.
    pub fn take(&mut self) -> Option<Bytes> {
        self.unsent.take(|wanted| wanted)
    }

    async fn receive(&mut self, data: &[u8], budget: usize, patience: Patience) -> Result<State, ProtocolError> {
        let mut output = Vec::new();
        let stop = self.server.receive(data, &mut output, budget, patience).await;
        self.unsent.push(output);
        let due = self.server.next_due().map(next_look);
        Ok(match (stop?, due) {
            (Stop::NoPacket, None) => State::Idle,
            (Stop::NoPacket, Some(due)) => State::Paced(due),
            (Stop::Throttled, due) => State::Full(due.unwrap_or_else(Instant::now)),
            (Stop::OutputFull, _) => State::OutputFull,
            (Stop::TakesLong, _) => State::TakesLong,
        })
    }
}

impl Unsent {
    fn push(&mut self, output: Vec<u8>) {
        if !output.is_empty() {
            self.length += output.len();
            self.portions.push_back(output.into());
        }
    }

    /// Takes from the first portion as many bytes as `room` grants of its length.
    fn take(&mut self, room: impl FnOnce(usize) -> usize) -> Option<Bytes> {
        let first = self.portions.front_mut()?;
        let portion = first.split_to(room(first.len()));
        if first.is_empty() {
            self.portions.pop_front();
        }
        self.length -= portion.len();
        Some(portion).filter(|portion| !portion.is_empty())
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
