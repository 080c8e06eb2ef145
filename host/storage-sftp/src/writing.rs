//! Writing a file: requests are under way while the next bytes come. The first one that fails fails the file.

use std::collections::VecDeque;

use tidegate_core::ports::storage::StorageError;
use tokio::sync::OwnedSemaphorePermit;

use crate::errors::{Fault, is_over};
use crate::handle::RemoteHandle;
use crate::packet::fxp;
use crate::reply::Reply;
use crate::session::Pending;

/// Writes that the other server has not answered yet.
#[derive(Default)]
pub struct Writer {
    under_way: VecDeque<Portion>,
    bytes: usize,
    /// The offset of the first bytes that were not written, and the error.
    failed: Option<(u64, StorageError)>,
    /// The end of the bytes that were written from the first on, without those elsewhere.
    in_sequence: u64,
    /// A call that wrote was cancelled, so that bytes may be missing.
    pub is_cut_off: bool,
}

struct Portion {
    offset: u64,
    length: usize,
    pending: Pending,
    /// Its part of what a session writes ahead.
    _room: Option<OwnedSemaphorePermit>,
}

impl Writer {
    /// Writes all of `data` at `offset`. The other server may still refuse it: [`flush`](Self::flush) tells.
    ///
    /// # Errors
    /// This or an earlier write failed.
    pub async fn write(
        &mut self,
        handle: &RemoteHandle,
        mut offset: u64,
        data: &[u8],
        window: usize,
    ) -> Result<(), StorageError> {
        // What is sent behind missing bytes would make a file that seems to have them.
        self.outcome()?;
        let session = handle.session();
        let size = usize::try_from(session.portions.1).unwrap_or(usize::MAX).max(1);
        for portion in data.chunks(size) {
            let permits = u32::try_from(portion.len()).unwrap_or(u32::MAX);
            let room = session.ahead.clone().try_acquire_many_owned(permits).ok();
            // Without room nothing is written ahead.
            let window = if room.is_some() { window } else { 0 };
            let pending = handle.request(fxp::WRITE, |packet| packet.u64(offset).text(portion));
            self.under_way.push_back(Portion { offset, length: portion.len(), pending, _room: room });
            self.bytes += portion.len();
            if offset == self.in_sequence {
                self.in_sequence += portion.len() as u64;
            }
            offset += portion.len() as u64;
            self.wait_for(window).await;
            if self.failed.is_some() {
                break;
            }
        }
        self.take_answers();
        self.outcome()
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// A write failed, or was cut off.
    pub async fn flush(&mut self) -> Result<(), StorageError> {
        self.wait_for(0).await;
        self.outcome()
    }

    /// Waits for all answers. Gives the place of the first bytes that were not written.
    pub async fn settle(&mut self) -> Option<u64> {
        self.wait_for(0).await;
        self.gap()
    }

    /// The place of the first bytes that are known not to be written, in a file that was written from its beginning.
    pub fn gap(&mut self) -> Option<u64> {
        self.take_answers();
        // Bytes that were written behind others that never came are no reason to make the file as long.
        self.failed.as_ref().map(|(offset, _)| self.in_sequence.min(*offset))
    }

    /// Whether everything that was written is answered.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.failed.is_none() && !self.is_cut_off
    }

    fn outcome(&self) -> Result<(), StorageError> {
        match &self.failed {
            Some((_, error)) => Err(error.clone()),
            None if self.is_cut_off => Err(is_over()),
            None => Ok(()),
        }
    }

    /// Waits until no more bytes than these are under way. A call that is cancelled loses no answer.
    async fn wait_for(&mut self, window: usize) {
        while self.bytes > window {
            let Some(portion) = self.under_way.front_mut() else { break };
            let answer = portion.pending.arrives().await;
            self.answered(answer);
        }
    }

    /// Notes the answers that are there.
    fn take_answers(&mut self) {
        while let Some(portion) = self.under_way.front_mut() {
            let Some(answer) = portion.pending.is_there() else { break };
            self.answered(answer);
        }
    }

    /// Notes the answer to the first request that is under way.
    fn answered(&mut self, answer: Result<Reply, Fault>) {
        let Some(portion) = self.under_way.pop_front() else { return };
        self.bytes -= portion.length;
        let fault = match answer {
            Ok(Reply::Done) => return,
            Ok(_) => Fault::odd("a write with another answer"),
            Err(fault) => fault,
        };
        match &mut self.failed {
            Some((offset, _)) => *offset = portion.offset.min(*offset),
            None => self.failed = Some((portion.offset, fault.into())),
        }
    }
}
