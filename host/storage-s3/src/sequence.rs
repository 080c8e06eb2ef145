//! Puts writes in order that arrive out of order, as long as they are close to each other.

use std::collections::BTreeMap;

use tidegate_core::ports::storage::{StorageError, StorageErrorKind};

use crate::budget::AccountBudget;
use crate::errors::failed;
use crate::pool::Portion;

/// The most bytes of an upload that wait for others before them.
const WINDOW: usize = 2 << 20;
/// What a write that waits costs beside its bytes: many small ones are not kept for nothing.
const COST: usize = 256;

/// The bytes of an upload that wait for those before them.
#[derive(Debug, Default)]
pub struct Sequence {
    waiting: BTreeMap<u64, Early>,
    /// The memory of all of them.
    bytes: usize,
}

/// A write that came before the bytes in front of it.
#[derive(Debug)]
pub struct Early {
    /// The bytes of the write.
    pub data: Vec<u8>,
    _memory: Portion,
}

impl Sequence {
    /// Keeps bytes for later. `next`: the end of what was written in order.
    ///
    /// # Errors
    /// `Unsupported`: they are too far away, or were written before. `NoSpace`: there is no memory for them.
    pub fn keep(&mut self, next: u64, offset: u64, data: &[u8], budget: &AccountBudget) -> Result<(), StorageError> {
        let distance = offset.checked_sub(next).ok_or_else(random)?;
        let needed = data.len().saturating_add(COST);
        let is_near = distance <= WINDOW as u64 && self.bytes.saturating_add(needed) <= WINDOW;
        let end = offset.saturating_add(data.len() as u64);
        let before = self.waiting.range(..end).next_back();
        let overlaps = before.is_some_and(|(at, early)| at.saturating_add(early.data.len() as u64) > offset);
        if !is_near || overlaps {
            return Err(random());
        }
        let memory = budget.early(needed)?;
        self.bytes += needed;
        self.waiting.insert(offset, Early { data: data.to_vec(), _memory: memory });
        Ok(())
    }

    /// The bytes that follow at `next`, if they have arrived.
    pub fn take(&mut self, next: u64) -> Option<Early> {
        let early = self.waiting.remove(&next)?;
        self.bytes = self.bytes.saturating_sub(early.data.len().saturating_add(COST));
        Some(early)
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
    use std::sync::Arc;

    use super::*;
    use crate::budget::{MemoryBudget, MemoryLimits};

    fn budget(uploads: usize) -> AccountBudget {
        let limits = MemoryLimits { uploads, ..MemoryLimits::default() };
        AccountBudget::new(Arc::new(MemoryBudget::new(limits)), "a")
    }

    #[test]
    fn near_writes_are_put_in_order() {
        let mut sequence = Sequence::default();
        let budget = budget(64 << 20);
        let kept = |sequence: &mut Sequence, next, offset, length| {
            sequence.keep(next, offset, &vec![1; length], &budget).map_err(|error| error.kind)
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
        assert!(sequence.take(0).is_none());
        assert_eq!(sequence.take(10).map(|early| early.data.len()), Some(10));
        assert!(!sequence.is_empty());
        assert_eq!(sequence.take(20).map(|early| early.data.len()), Some(10));
        assert!(sequence.is_empty());
        assert_eq!(kept(&mut sequence, 30, 31, WINDOW - COST), Ok(()));
    }

    #[test]
    fn what_waits_is_in_the_budget_and_so_are_many_small_writes() {
        let mut sequence = Sequence::default();
        // The beginnings have an eighth of it.
        let large = budget(64 << 20);
        let kept = (0_u64..).take_while(|at| sequence.keep(0, at * 2 + 1, b"x", &large).is_ok()).count();
        assert_eq!(kept, WINDOW / (COST + 1));
        let small = budget(1 << 20);
        let mut others: Vec<_> = (0..200).map(|_| Sequence::default()).collect();
        let outcomes: Vec<_> = others.iter_mut().map(|other| other.keep(0, 1, &[1; 1000], &small)).collect();
        let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        assert!(refused.clone().all(|error| error.kind == StorageErrorKind::NoSpace));
        assert!((1..200).contains(&refused.count()));
        // What is taken, or given up, can be used again.
        assert!(others.iter_mut().all(|other| other.take(1).is_none() || other.is_empty()));
        assert!(others.iter_mut().all(|other| other.keep(0, 1, b"x", &small).is_ok()));
    }
}
