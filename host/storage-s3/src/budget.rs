//! The memory that uploads of a server share, beside that of its downloads.
//!
//! Uploads take it part by part. An upload waits only for its first part, when it holds none, and once more for
//! its second, which is taken from another half: uploads that need two parts cannot starve each other with
//! first ones. From then on it uses its own parts again; it has more than two only while there is memory to spare.

use std::sync::Arc;
use std::time::Duration;

use tidegate_core::ports::storage::{StorageError, StorageErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::read_budget::ReadBudget;

/// The unit of the budgets, in bytes.
pub const UNIT: usize = 1024;

/// How much memory there is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// For parts of uploads.
    pub uploads: usize,
    /// For what is read ahead of downloads.
    pub downloads: usize,
    /// How long an upload waits for memory.
    pub patience: Duration,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { uploads: 512 << 20, downloads: 128 << 20, patience: Duration::from_secs(300) }
    }
}

/// The memory that all object storages of a server share.
#[derive(Debug)]
pub struct MemoryBudget {
    first: Arc<Semaphore>,
    more: Arc<Semaphore>,
    downloads: Arc<ReadBudget>,
    limits: MemoryLimits,
}

/// Memory that is taken from a budget until it is dropped.
#[derive(Debug)]
pub struct Taken {
    bytes: usize,
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Taken {
    /// How much it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl MemoryBudget {
    /// A budget of this size.
    pub fn new(limits: MemoryLimits) -> Self {
        let of = |bytes: usize| Arc::new(Semaphore::new(bytes / UNIT));
        let downloads = Arc::new(ReadBudget::new(limits.downloads));
        Self { first: of(limits.uploads / 2), more: of(limits.uploads / 2), downloads, limits }
    }

    /// The largest part that an upload may have: an eighth of the budget, so that several uploads go on.
    pub fn largest_part(&self) -> usize {
        self.limits.uploads / 8
    }

    /// Takes memory for the first part of an upload.
    ///
    /// # Errors
    /// `NoSpace`: there was none for a long time.
    pub async fn first(&self, bytes: usize) -> Result<Taken, StorageError> {
        self.wait(&self.first, bytes).await
    }

    /// Takes memory for the second part of an upload.
    ///
    /// # Errors
    /// `NoSpace`: there was none for a long time.
    pub async fn second(&self, bytes: usize) -> Result<Taken, StorageError> {
        self.wait(&self.more, bytes).await
    }

    /// Takes memory for another part, if there is some to spare: half of it is kept for second parts.
    pub fn another(&self, bytes: usize) -> Option<Taken> {
        let kept = self.limits.uploads / 4 / UNIT;
        let is_spare = self.more.available_permits() >= kept.saturating_add(bytes.div_ceil(UNIT));
        if is_spare { take_now(&self.more, bytes) } else { None }
    }

    /// The memory for what is read ahead of downloads.
    pub fn downloads(&self) -> &Arc<ReadBudget> {
        &self.downloads
    }

    /// Adds to memory that was taken, if there is some now.
    pub fn enlarge(&self, taken: &mut Taken, bytes: usize) {
        if let Some(more) = self.another(bytes.saturating_sub(taken.bytes)) {
            taken.bytes += more.bytes;
            taken._permits.extend(more._permits);
        }
    }

    async fn wait(&self, budget: &Arc<Semaphore>, bytes: usize) -> Result<Taken, StorageError> {
        let waited = tokio::time::timeout(self.limits.patience, budget.clone().acquire_many_owned(units(bytes))).await;
        match waited {
            Ok(Ok(permit)) => Ok(Taken { bytes, _permits: vec![permit] }),
            Ok(Err(_)) | Err(_) => {
                let text = "the server has no memory for another upload to object storage; try again later";
                Err(StorageError::new(StorageErrorKind::NoSpace, text))
            }
        }
    }
}

/// Takes memory, if there is so much now.
pub fn take_now(budget: &Arc<Semaphore>, bytes: usize) -> Option<Taken> {
    let permit = budget.clone().try_acquire_many_owned(units(bytes)).ok()?;
    Some(Taken { bytes, _permits: vec![permit] })
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn budget() -> MemoryBudget {
        MemoryBudget::new(MemoryLimits { uploads: 4 * MIB, downloads: MIB, patience: Duration::from_secs(9) })
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_taken_than_there_is() {
        let budget = budget();
        let mut first = budget.first(MIB).await.unwrap();
        let second = budget.first(MIB).await.unwrap();
        let refused = budget.first(MIB).await.unwrap_err();
        assert_eq!(refused.kind, StorageErrorKind::NoSpace);
        drop(second);
        assert!(budget.first(MIB).await.is_ok());
        // The other half is untouched by first parts.
        let more = budget.second(MIB).await.unwrap();
        // One is kept.
        assert!(budget.another(1).is_none());
        drop(more);
        assert!(budget.another(MIB).is_some_and(|taken| taken.bytes() == MIB) && budget.another(2 * MIB).is_none());
        budget.enlarge(&mut first, 2 * MIB);
        assert_eq!(first.bytes(), 2 * MIB);
        budget.enlarge(&mut first, 3 * MIB);
        assert_eq!((first.bytes(), budget.another(1).is_none()), (2 * MIB, true));
        drop(first);
        assert!(budget.another(MIB).is_some());
    }
}
