//! A part of an object that is on its way: what has arrived of it can be read while the rest follows.
//!
//! The HTTP client receives each chunk into a buffer of its own, which may be several times as large. Large chunks are kept
//! as they are; small ones are gathered, so that a window has little more memory than it has taken from the budget.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use opendal::Reader;
use tidegate_core::ports::storage::{StorageError, StorageErrorKind};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::budget::Taken;
use crate::errors::{changed_while_read, failed};
use crate::patience::progress;

/// Chunks of so many bytes are kept as they are.
const LARGE: usize = 32 << 10;
/// As many bytes are gathered.
const BLOCK: usize = 64 << 10;

/// A part of an object. Dropped, it is not asked for any more.
pub struct Window {
    start: u64,
    length: usize,
    arriving: Arc<Arriving>,
    _task: AbortOnDropHandle<()>,
}

/// What the task that receives shares with the reader. The memory comes back when both are gone.
struct Arriving {
    state: Mutex<Arrived>,
    /// As much has arrived as the reader waits for, or no more comes.
    enough: Notify,
    _taken: Taken,
}

/// The bytes that have arrived.
struct Arrived {
    chunks: Vec<Bytes>,
    /// Small chunks, behind the others.
    gathered: BytesMut,
    length: usize,
    /// How many bytes there must be before the reader is woken.
    wanted: usize,
    end: Option<End>,
}

/// Why no more comes.
enum End {
    /// The store has sent all that it wanted to send.
    Complete,
    Failed(opendal::Error),
    TooMuch,
    /// The task has ended before.
    CutOff,
}

impl Window {
    /// Asks for a part of an object. `taken`: the memory for it.
    pub fn begin(reader: Reader, start: u64, length: usize, taken: Taken) -> Self {
        let arrived =
            Arrived { chunks: Vec::new(), gathered: BytesMut::new(), length: 0, wanted: usize::MAX, end: None };
        let arriving = Arc::new(Arriving { state: Mutex::new(arrived), enough: Notify::new(), _taken: taken });
        let task = tokio::spawn(receive(reader, start, length, Receiving(arriving.clone())));
        Self { start, length, arriving, _task: AbortOnDropHandle::new(task) }
    }

    /// Where it begins in the object.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// How many bytes it has when all have arrived.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Where it ends in the object.
    pub fn end(&self) -> u64 {
        self.start + self.length as u64
    }

    /// Appends up to `count` bytes from `offset` in the object, as many as the window has, when they have arrived. A
    /// call that is cancelled changes nothing.
    ///
    /// # Errors
    /// The store failed before it had sent them.
    pub async fn read(&self, offset: u64, count: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        let from = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX).min(self.length);
        let end = from.saturating_add(count).min(self.length);
        loop {
            if self.arriving.has(end)? {
                self.arriving.lock().copy(from, end - from, buffer);
                return Ok(end - from);
            }
            self.arriving.enough.notified().await;
        }
    }
}

impl Arriving {
    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the first `length` bytes are there; if not, the reader is woken when they are.
    fn has(&self, length: usize) -> Result<bool, StorageError> {
        let mut state = self.lock();
        if state.length >= length {
            return Ok(true);
        }
        match &state.end {
            None => {
                state.wanted = length;
                Ok(false)
            }
            Some(End::Failed(error)) => Err(changed_while_read(error)),
            Some(End::Complete | End::TooMuch) => Err(another_number()),
            Some(End::CutOff) => Err(failed(StorageErrorKind::Other, "reading ahead was cut off")),
        }
    }
}

/// The error of an answer that has fewer or more bytes than were asked for.
pub fn another_number() -> StorageError {
    failed(StorageErrorKind::Other, "the object store has sent another number of bytes than it was asked for")
}

impl Arrived {
    fn push(&mut self, mut bytes: Bytes) {
        self.length += bytes.len();
        if bytes.len() >= LARGE {
            self.close_block();
            return self.chunks.push(bytes);
        }
        while !bytes.is_empty() {
            if self.gathered.is_empty() {
                self.gathered.reserve(BLOCK);
            }
            let now = bytes.split_to(bytes.len().min(BLOCK.saturating_sub(self.gathered.len())));
            self.gathered.extend_from_slice(&now);
            if self.gathered.len() >= BLOCK {
                self.close_block();
            }
        }
    }

    /// Puts gathered bytes behind the others; those of a block that is not full into memory of their size.
    fn close_block(&mut self) {
        if self.gathered.len() >= BLOCK {
            self.chunks.push(std::mem::take(&mut self.gathered).freeze());
        } else if !self.gathered.is_empty() {
            self.chunks.push(Bytes::copy_from_slice(&self.gathered));
            self.gathered.clear();
        }
    }

    fn copy(&self, from: usize, count: usize, buffer: &mut Vec<u8>) {
        let (mut skipped, mut left) = (from, count);
        for part in self.chunks.iter().map(|chunk| &**chunk).chain([&*self.gathered]) {
            let Some(part) = part.get(skipped..) else {
                skipped -= part.len();
                continue;
            };
            let part = part.get(..left).unwrap_or(part);
            buffer.extend_from_slice(part);
            (skipped, left) = (0, left - part.len());
            if left == 0 {
                return;
            }
        }
    }
}

/// The end of a task that receives; without another one it was cut off, so that no reader waits for ever.
struct Receiving(Arc<Arriving>);

impl Receiving {
    fn push(&self, bytes: Bytes) {
        let mut state = self.0.lock();
        state.push(bytes);
        let is_enough = state.length >= state.wanted;
        if is_enough {
            state.wanted = usize::MAX;
        }
        drop(state);
        if is_enough {
            self.0.enough.notify_one();
        }
    }

    fn end(&self, end: End) {
        self.0.lock().end.get_or_insert(end);
        self.0.enough.notify_one();
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.end(End::CutOff);
    }
}

async fn receive(reader: Reader, start: u64, length: usize, receiving: Receiving) {
    let mut left = length;
    let range = start..start + length as u64;
    let mut stream = match progress(reader.into_stream(range)).await {
        Ok(stream) => stream,
        Err(error) => return receiving.end(End::Failed(error)),
    };
    loop {
        match progress(stream.try_next()).await {
            Ok(None) => return receiving.end(End::Complete),
            Ok(Some(data)) if data.len() > left => return receiving.end(End::TooMuch),
            Ok(Some(data)) => {
                left -= data.len();
                data.for_each(|bytes| receiving.push(bytes));
            }
            Err(error) => return receiving.end(End::Failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_all_sizes_are_read_back() {
        let data: Vec<u8> = (0..400_000_usize).map(|at| u8::try_from((at * 7 + at / 251) % 251).unwrap()).collect();
        for sizes in [&[1][..], &[1448], &[LARGE - 1], &[LARGE], &[100_000], &[1448, LARGE, 3, 100_000, 8192]] {
            let mut arrived =
                Arrived { chunks: Vec::new(), gathered: BytesMut::new(), length: 0, wanted: 0, end: None };
            let (mut rest, mut sizes) = (&data[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let (chunk, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                arrived.push(Bytes::copy_from_slice(chunk));
                rest = later;
            }
            assert_eq!(arrived.length, data.len());
            for (from, count) in [(0, data.len()), (0, 1), (31, 70_000), (data.len() - 5, 5), (65_536, 65_536)] {
                let mut read = b"kept".to_vec();
                arrived.copy(from, count, &mut read);
                assert!(read == [b"kept", &data[from..from + count]].concat(), "{from} {count}");
            }
        }
    }

    #[test]
    fn small_chunks_do_not_keep_the_buffers_in_which_they_came() {
        let mut arrived = Arrived { chunks: Vec::new(), gathered: BytesMut::new(), length: 0, wanted: 0, end: None };
        for _ in 0..1000 {
            let mut received = BytesMut::with_capacity(LARGE);
            received.extend_from_slice(&[1; 1448]);
            arrived.push(received.freeze());
        }
        assert!(arrived.chunks.iter().all(|chunk| chunk.len() == BLOCK), "blocks are filled");
        assert_eq!(arrived.chunks.len(), 1_448_000 / BLOCK);
    }
}
