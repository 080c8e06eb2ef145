//! What is read ahead of a client that reads on.
//!
//! A read by itself is one request for what it asks. Of one that goes on where the last one ended, twice as much is asked
//! for ahead as was read in a row, in windows that are on their way at once, until the reader has its share of the memory.
//! So a file that is not read to its end costs little, and a long one has as much under way as its link holds.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::TryStreamExt;
use opendal::Reader;
use tidegate_core::ports::storage::StorageError;

use crate::errors::changed_while_read;
use crate::patience::progress;
use crate::read_budget::{ReadBudget, ReaderShare};
use crate::window::{Window, another_number};

/// The smallest and the largest window, in bytes.
const SMALLEST: usize = 256 << 10;
const LARGEST: usize = 4 << 20;
/// The most windows of a reader at once.
const WINDOWS: usize = 8;
/// A reader whose share is small has as many windows all the same, so that one of them is always on its way.
const WINDOWS_OF_A_SHARE: usize = 4;
/// A read this far behind the others, in bytes, is a late one of a client that sends several at once: it is no reason to
/// begin anew.
const LATE: u64 = 2 << 20;

/// An object of which parts are read.
pub struct Object<'a> {
    /// Reads one version of it.
    pub reader: &'a Reader,
    /// Its size in bytes.
    pub size: u64,
    /// The memory for what is read ahead.
    pub budget: &'a Arc<ReadBudget>,
}

/// What was read ahead of one reader.
#[derive(Default)]
pub struct Ahead {
    /// In the order of the file, without gaps.
    windows: VecDeque<Window>,
    /// Where a client that reads on reads next.
    next: u64,
    /// How many bytes were read in a row.
    run: u64,
    /// Where a late read has ended.
    late: Option<u64>,
    /// The reader's share of the memory; None: nothing is read ahead.
    share: Option<ReaderShare>,
}

impl Object<'_> {
    /// Reads a part with one request.
    ///
    /// # Errors
    /// The store failed, or has another version by now; the buffer may have a part of the bytes.
    pub async fn read(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        let (range, mut left) = (offset..offset + length as u64, length);
        let stream = progress(self.reader.clone().into_stream(range)).await;
        let mut stream = stream.map_err(|error| changed_while_read(&error))?;
        while let Some(data) = progress(stream.try_next()).await.map_err(|error| changed_while_read(&error))? {
            left = left.checked_sub(data.len()).ok_or_else(another_number)?;
            data.for_each(|bytes| buffer.extend_from_slice(&bytes));
        }
        if left > 0 { Err(another_number()) } else { Ok(length) }
    }
}

impl Ahead {
    /// Appends `length` bytes from `offset`, all of which are in the object.
    ///
    /// # Errors
    /// The store failed, or has another version by now; nothing is read ahead any more.
    pub async fn read(
        &mut self,
        object: &Object<'_>,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<usize, StorageError> {
        let outcome = if self.reads_on(object, offset, length) {
            self.read_on(object, offset, length, buffer).await
        } else if self.is_late(offset) {
            self.late = Some(offset + length as u64);
            return object.read(offset, length, buffer).await;
        } else {
            *self = Self::default();
            object.read(offset, length, buffer).await
        };
        match &outcome {
            Ok(count) => {
                self.next = offset + *count as u64;
                self.run = self.run.saturating_add(*count as u64);
                self.late = None;
                self.leave_at_the_end(object.size);
            }
            Err(_) => *self = Self::default(),
        }
        outcome
    }

    /// Whether a client reads on, or reads what is here. A small file is read as a whole from its beginning on.
    fn reads_on(&self, object: &Object<'_>, offset: u64, length: usize) -> bool {
        let is_held = self.windows.front().is_some_and(|window| window.start() <= offset) && offset < self.end(offset);
        let is_small_file = offset == 0 && self.run == 0 && object.size <= SMALLEST as u64;
        is_held || (self.run > 0 && offset == self.next) || (is_small_file && (length as u64) < object.size)
    }

    /// Whether a read that is not the next one came too late for what was read ahead. A client that reads on from there
    /// has gone back.
    fn is_late(&self, offset: u64) -> bool {
        let is_near = self.next.checked_sub(offset).is_some_and(|distance| distance <= LATE);
        !self.windows.is_empty() && is_near && self.late != Some(offset)
    }

    /// The end of what is read ahead; `offset` if that is nothing.
    fn end(&self, offset: u64) -> u64 {
        self.windows.back().map_or(offset, Window::end)
    }

    /// Reads from windows, one after the other: a client that gets less than it asked for would ask for less from then on.
    /// Where there is no memory for a window, the rest is read by itself.
    async fn read_on(
        &mut self,
        object: &Object<'_>,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<usize, StorageError> {
        let mut count = 0;
        while count < length {
            let at = offset + count as u64;
            while self.windows.front().is_some_and(|window| window.end() <= at) {
                self.windows.pop_front();
            }
            self.extend(object, at, length as u64);
            count += match self.windows.front() {
                Some(window) => window.read(at, length - count, buffer).await?,
                None => object.read(at, length - count, buffer).await?,
            };
        }
        Ok(count)
    }

    /// Begins as many windows as the reader may have. `asked`: the bytes of the read that is under way.
    fn extend(&mut self, object: &Object<'_>, at: u64, asked: u64) {
        let share = self.share.get_or_insert_with(|| object.budget.join());
        let limit = share.size();
        let in_a_row = usize::try_from(self.run.saturating_add(asked)).unwrap_or(usize::MAX);
        let wanted = in_a_row.saturating_mul(2).max(SMALLEST).min(limit) as u64;
        let size = in_a_row.clamp(SMALLEST, LARGEST).min((limit / WINDOWS_OF_A_SHARE).max(SMALLEST));
        let mut held: usize = self.windows.iter().map(Window::length).sum();
        while self.windows.len() < WINDOWS {
            let start = self.windows.back().map_or(at, Window::end);
            let length = size.min(usize::try_from(object.size.saturating_sub(start)).unwrap_or(size));
            let is_first = self.windows.is_empty();
            let is_enough = start.saturating_sub(at) >= wanted || held.saturating_add(length) > limit;
            if length == 0 || (is_enough && !is_first) {
                return;
            }
            let Some(taken) = share.take(length, is_first) else { return };
            self.windows.push_back(Window::begin(object.reader.clone(), start, length, taken));
            held += length;
        }
    }

    /// A reader that has all of the file needs no memory, and counts no more.
    fn leave_at_the_end(&mut self, size: u64) {
        if self.next >= size {
            self.windows.clear();
            self.share = None;
        }
    }
}
