//! The memory that downloads of a server share for what is read ahead of them.
//!
//! Each reader may hold as much as its share, which shrinks as readers come: those that hold more begin nothing new until
//! they have less. Since memory in use is not taken back, a quarter is kept for readers that hold nothing yet, so that
//! some that have stopped in the middle leave something for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::budget::{Taken, UNIT, take_now};

/// The most memory of one reader, in bytes: more makes no link faster.
const MOST: usize = 32 << 20;

/// The memory of all downloads.
#[derive(Debug)]
pub struct ReadBudget {
    free: Arc<Semaphore>,
    /// In bytes.
    size: usize,
    readers: AtomicUsize,
}

/// One reader that is read ahead of; it counts until it is dropped.
#[derive(Debug)]
pub struct ReaderShare(Arc<ReadBudget>);

impl ReadBudget {
    /// A budget of so many bytes.
    pub fn new(size: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(size / UNIT)), size, readers: AtomicUsize::new(0) }
    }

    /// Counts one more reader.
    pub fn join(self: &Arc<Self>) -> ReaderShare {
        self.readers.fetch_add(1, Ordering::Relaxed);
        ReaderShare(self.clone())
    }

    /// How many bytes are in use.
    #[cfg(test)]
    pub fn in_use(&self) -> usize {
        (self.size / UNIT - self.free.available_permits()) * UNIT
    }

    /// Returns when nothing is in use.
    #[cfg(test)]
    pub async fn all_is_back(&self) {
        drop(self.free.acquire_many(u32::try_from(self.size / UNIT).unwrap()).await);
    }

    /// How many readers are read ahead of.
    #[cfg(test)]
    pub fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }
}

impl ReaderShare {
    /// How many bytes the reader may hold now.
    pub fn size(&self) -> usize {
        let readers = self.0.readers.load(Ordering::Relaxed).max(1);
        (self.0.size / readers).min(self.0.size / 4).min(MOST)
    }

    /// Takes memory, if there is some now. `is_first`: the reader holds none.
    pub fn take(&self, bytes: usize, is_first: bool) -> Option<Taken> {
        let kept = if is_first { 0 } else { self.0.size / 4 / UNIT };
        let is_spare = self.0.free.available_permits() >= kept.saturating_add(bytes.div_ceil(UNIT));
        if is_spare { take_now(&self.0.free, bytes) } else { None }
    }
}

impl Drop for ReaderShare {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn shares_shrink_as_readers_come_and_grow_as_they_go() {
        let check = |size: usize, readers: usize, expected: usize| {
            let budget = Arc::new(ReadBudget::new(size));
            let mut shares: Vec<_> = (0..readers).map(|_| budget.join()).collect();
            assert_eq!(shares[0].size(), expected, "{size} {readers}");
            shares.truncate(1);
            assert_eq!(shares[0].size(), (size / 4).min(MOST), "{size} {readers}");
        };
        check(128 * MIB, 1, 32 * MIB);
        check(128 * MIB, 4, 32 * MIB);
        check(128 * MIB, 8, 16 * MIB);
        check(128 * MIB, 64, 2 * MIB);
        check(1024 * MIB, 1, MOST);
        check(8 * MIB, 1, 2 * MIB);
        check(0, 3, 0);
    }

    #[test]
    fn a_quarter_is_kept_for_readers_that_hold_nothing() {
        let budget = Arc::new(ReadBudget::new(8 * MIB));
        let (one, other) = (budget.join(), budget.join());
        let held: Vec<_> = std::iter::from_fn(|| one.take(MIB, false)).collect();
        assert_eq!((held.len(), budget.in_use()), (6, 6 * MIB));
        let first = other.take(2 * MIB, true).unwrap();
        assert!(other.take(UNIT, true).is_none());
        drop((held, first, one, other));
        assert_eq!((budget.in_use(), budget.readers()), (0, 0));
    }
}
