//! Puts writes in order that arrive out of order, as long as they are close to each other.

use std::collections::BTreeMap;

use tidegate_core::ports::storage::{StorageError, StorageErrorKind};

use crate::errors::failed;

/// The most bytes of an upload that wait for others before them.
const WINDOW: usize = 2 << 20;

/// The bytes of an upload that wait for those before them.
#[derive(Debug, Default)]
pub struct Sequence {
    waiting: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
}

impl Sequence {
    /// Keeps bytes for later. `next`: the end of what was written in order.
    ///
    /// # Errors
    /// `Unsupported`: they are too far away, or were written before.
    pub fn keep(&mut self, next: u64, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        let distance = offset.checked_sub(next).ok_or_else(random)?;
        let is_near = distance <= WINDOW as u64 && self.bytes.saturating_add(data.len()) <= WINDOW;
        let end = offset.saturating_add(data.len() as u64);
        let overlaps = self.waiting.range(..end).next_back().is_some_and(|(at, kept)| at + kept.len() as u64 > offset);
        if !is_near || overlaps {
            return Err(random());
        }
        self.bytes += data.len();
        self.waiting.insert(offset, data.to_vec());
        Ok(())
    }

    /// The bytes that follow at `next`, if they have arrived.
    pub fn take(&mut self, next: u64) -> Option<Vec<u8>> {
        let data = self.waiting.remove(&next)?;
        self.bytes = self.bytes.saturating_sub(data.len());
        Some(data)
    }

    /// Whether no bytes wait.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

fn random() -> StorageError {
    let text = "object storage takes files from their first byte to their last; this write is elsewhere";
    failed(StorageErrorKind::Unsupported, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_writes_are_put_in_order() {
        let mut sequence = Sequence::default();
        let kept = |sequence: &mut Sequence, next, offset, length| {
            sequence.keep(next, offset, &vec![1; length]).map_err(|error| error.kind)
        };
        let refused = Err(StorageErrorKind::Unsupported);
        assert_eq!(kept(&mut sequence, 0, 20, 10), Ok(()));
        assert_eq!(kept(&mut sequence, 0, 10, 10), Ok(()));
        // Twice, and over what waits.
        assert_eq!(kept(&mut sequence, 0, 10, 10), refused);
        assert_eq!(kept(&mut sequence, 0, 25, 10), refused);
        assert_eq!(kept(&mut sequence, 0, 5, 6), refused);
        // Before what was written, too far away, and too much.
        assert_eq!(kept(&mut sequence, 40, 39, 1), refused);
        assert_eq!(kept(&mut sequence, 0, WINDOW as u64 + 1, 1), refused);
        assert_eq!(kept(&mut sequence, 0, 30, WINDOW), refused);
        assert_eq!(sequence.take(0), None);
        assert_eq!(sequence.take(10).map(|data| data.len()), Some(10));
        assert!(!sequence.is_empty());
        assert_eq!(sequence.take(20).map(|data| data.len()), Some(10));
        assert!(sequence.is_empty());
        assert_eq!(kept(&mut sequence, 30, 31, WINDOW), Ok(()));
    }
}
