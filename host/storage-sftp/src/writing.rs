//! Writing a file: requests are under way while the next bytes come. The first one that fails fails the file.

use std::collections::VecDeque;

use tidegate_core::ports::storage::StorageError;
use tokio::sync::OwnedSemaphorePermit;

use crate::errors::Fault;
use crate::handle::RemoteHandle;
use crate::packet::fxp;
use crate::reply::Reply;
use crate::session::Pending;

/// What is written and not answered yet. A call takes it and puts it back: a call that is cancelled loses the answers,
/// and with them the file.
#[derive(Default)]
pub struct Writer {
    under_way: VecDeque<(usize, Pending, Option<OwnedSemaphorePermit>)>,
    bytes: usize,
    /// Why a write failed.
    failed: Option<StorageError>,
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
        let session = handle.session();
        let size = usize::try_from(session.portions.1).unwrap_or(usize::MAX).max(1);
        for portion in data.chunks(size) {
            let permits = u32::try_from(portion.len()).unwrap_or(u32::MAX);
            let room = session.ahead.clone().try_acquire_many_owned(permits).ok();
            // Without room nothing is written ahead.
            let window = if room.is_some() { window } else { 0 };
            let pending = handle.request(fxp::WRITE, |packet| packet.u64(offset).text(portion));
            self.under_way.push_back((portion.len(), pending, room));
            self.bytes += portion.len();
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
    /// A write failed.
    pub async fn flush(&mut self) -> Result<(), StorageError> {
        self.wait_for(0).await;
        self.outcome()
    }

    /// Whether everything that was written is answered.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.failed.is_none()
    }

    fn outcome(&self) -> Result<(), StorageError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Waits until no more bytes than these are under way.
    async fn wait_for(&mut self, window: usize) {
        while self.bytes > window {
            let Some((length, pending, _)) = self.under_way.pop_front() else { break };
            self.bytes -= length;
            let answer = pending.answer().await;
            self.note(answer);
        }
    }

    /// Notes the answers that are there.
    fn take_answers(&mut self) {
        while let Some((length, pending, _)) = self.under_way.front_mut() {
            let Some(answer) = pending.is_there() else { break };
            self.bytes -= *length;
            self.under_way.pop_front();
            self.note(answer);
        }
    }

    fn note(&mut self, answer: Result<Reply, Fault>) {
        let fault = match answer {
            Ok(Reply::Done) => return,
            Ok(_) => Fault::odd("a write with another answer"),
            Err(fault) => fault,
        };
        self.failed.get_or_insert_with(|| fault.into());
    }
}
