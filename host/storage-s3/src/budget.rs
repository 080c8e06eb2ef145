//! The memory that uploads of a server share, beside that of its downloads.
//!
//! An upload begins with little memory, which grows with what was written. When that is more than a small file, it waits for
//! a whole part, and once more for its second, which is taken from another half: uploads that need two parts cannot starve
//! each other with first ones. From then on it uses its own parts again; it has more than two only while there is memory to
//! spare. Each half is a [`Pool`], in which no account gets so much that nothing is left for others. What an upload has is
//! waited for in one order only: beginnings, first parts, second ones. So uploads cannot wait for each other in a circle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidegate_core::ports::storage::{StorageError, StorageErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::pool::{Pool, Portion};
use crate::read_budget::ReadBudget;

/// The unit of the budget of downloads, in bytes.
pub const UNIT: usize = 1024;
/// The smallest part that stores take, in bytes. Where memory is scarce, parts are no larger.
pub const SMALLEST_PART: usize = 5 << 20;
/// The least memory that an upload has, in bytes.
const LEAST: usize = 4 << 10;
/// The least by which a part is enlarged, in bytes.
const LEAST_ADDED: usize = 1 << 20;
/// An upload that has parts waits so many times shorter for larger ones: two that wait for each other go on with smaller ones.
const SHARE_OF_PATIENCE: u32 = 10;
/// An upload waits so many times shorter where others of its session have parts: while it waits, the session reads no
/// further request, so that those others may not come to their ends.
const SHARE_BESIDE_OTHERS: u32 = 30;
/// The most memory of an upload that has no whole part, in bytes.
const MOST_OF_A_BEGINNING: usize = 1 << 20;

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
    /// An eighth: for beginnings, and for what waits for bytes before it.
    beginnings: Arc<Pool>,
    first: Arc<Pool>,
    more: Arc<Pool>,
    downloads: Arc<ReadBudget>,
    limits: MemoryLimits,
}

/// The budget, as a session of an account uses it.
#[derive(Debug, Clone)]
pub struct AccountBudget {
    budget: Arc<MemoryBudget>,
    account: Arc<str>,
    /// How many whole parts the uploads of the session have waited for and not given back.
    parts: Arc<AtomicUsize>,
}

/// Counts a whole part of a session until it is dropped.
#[derive(Debug)]
struct CountedPart(Arc<AtomicUsize>);

impl CountedPart {
    fn new(parts: &Arc<AtomicUsize>) -> Self {
        parts.fetch_add(1, Ordering::Relaxed);
        Self(parts.clone())
    }
}

impl Drop for CountedPart {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Memory that is taken from the budget of uploads until it is dropped.
#[derive(Debug)]
pub struct PartMemory {
    first: Portion,
    added: Vec<Portion>,
    _counted: Option<CountedPart>,
}

impl PartMemory {
    fn new(first: Portion) -> Self {
        Self { first, added: Vec::new(), _counted: None }
    }

    /// How much it is, in bytes.
    pub fn bytes(&self) -> usize {
        self.added.iter().map(Portion::bytes).fold(self.first.bytes(), usize::saturating_add)
    }
}

impl MemoryBudget {
    /// A budget of this size.
    pub fn new(limits: MemoryLimits) -> Self {
        let beginnings = limits.uploads / 8;
        let half = limits.uploads.saturating_sub(beginnings) / 2;
        let downloads = Arc::new(ReadBudget::new(limits.downloads));
        Self { beginnings: Pool::new(beginnings), first: Pool::new(half), more: Pool::new(half), downloads, limits }
    }
}

impl AccountBudget {
    /// The share of an account in a budget, for one of its sessions.
    pub fn new(budget: Arc<MemoryBudget>, account: &str) -> Self {
        Self { budget, account: Arc::from(account), parts: Arc::default() }
    }

    /// The largest part that an upload may have: an eighth of the budget, so that several uploads go on.
    pub fn largest_part(&self) -> usize {
        self.budget.limits.uploads / 8
    }

    /// Takes memory for the beginning of an upload, of which so many bytes were written. None: they are more than a
    /// beginning, or there is no memory for more beginnings.
    pub fn beginning(&self, bytes: usize) -> Option<PartMemory> {
        let bytes = of_beginning(bytes)?;
        Some(PartMemory::new(self.budget.beginnings.take_spare(&self.account, bytes, 0)?))
    }

    /// Adds to the memory of a beginning, of which so many bytes were written. False: as [`beginning`](Self::beginning).
    pub fn grow_beginning(&self, taken: &mut PartMemory, bytes: usize) -> bool {
        let Some(bytes) = of_beginning(bytes) else { return false };
        let more = bytes.saturating_sub(taken.bytes());
        let Some(portion) = self.budget.beginnings.take_spare(&self.account, more, 0) else { return false };
        taken.added.push(portion);
        true
    }

    /// Takes memory for so many bytes that wait for others before them.
    ///
    /// # Errors
    /// `NoSpace`: there is none. No upload waits for it, since those that have it wait for parts.
    pub fn early(&self, bytes: usize) -> Result<Portion, StorageError> {
        self.budget.beginnings.take_spare(&self.account, bytes, 0).ok_or_else(|| {
            let text = "the server has no memory for writes that arrive out of order; send the file in order, or later";
            StorageError::new(StorageErrorKind::NoSpace, text)
        })
    }

    /// Takes memory for the first part of an upload: so many bytes, or less where memory is scarce.
    ///
    /// # Errors
    /// `NoSpace`: there was none for a long time.
    pub async fn first(&self, bytes: usize) -> Result<PartMemory, StorageError> {
        self.wait(&self.budget.first, bytes, 0).await
    }

    /// Takes memory for the second part of an upload: so many bytes, or less where memory is scarce.
    ///
    /// # Errors
    /// `NoSpace`: there was none for a long time.
    pub async fn second(&self, bytes: usize) -> Result<PartMemory, StorageError> {
        self.wait(&self.budget.more, bytes, 1).await
    }

    /// Takes memory for another part, if there is some to spare. Since it stays with the upload, most is kept for second
    /// parts, of which one account may want many.
    pub fn another(&self, bytes: usize) -> Option<PartMemory> {
        Some(PartMemory::new(self.spare(bytes, self.budget.more.size() / 8 * 5)?))
    }

    /// Adds to the memory of a part as much as there is to spare, until it is so many bytes. What was added earlier is given
    /// back where another upload waits for it.
    pub fn enlarge(&self, taken: &mut PartMemory, bytes: usize) {
        if taken.added.iter().any(Portion::is_wanted) {
            taken.added.clear();
        }
        let mut more = bytes.saturating_sub(taken.bytes());
        while more >= LEAST_ADDED {
            match self.spare(more, self.budget.more.size() / 2) {
                Some(portion) => {
                    taken.added.push(portion);
                    return;
                }
                None => more /= 2,
            }
        }
    }

    /// As [`enlarge`](Self::enlarge), and waits a while for what there is not.
    pub async fn enlarge_patiently(&self, taken: &mut PartMemory, bytes: usize) {
        self.enlarge(taken, bytes);
        let more = bytes.saturating_sub(taken.bytes());
        let patience = self.budget.limits.patience / SHARE_OF_PATIENCE;
        if more > 0
            && let Ok(portion) = tokio::time::timeout(patience, self.budget.more.take(&self.account, more)).await
        {
            taken.added.push(portion);
        }
    }

    /// The memory for what is read ahead of downloads.
    pub fn downloads(&self) -> &Arc<ReadBudget> {
        &self.budget.downloads
    }

    fn spare(&self, bytes: usize, kept: usize) -> Option<Portion> {
        self.budget.more.take_spare(&self.account, bytes, kept)
    }

    /// Waits for a part. `own`: how many parts the upload has already.
    async fn wait(&self, pool: &Arc<Pool>, bytes: usize, own: usize) -> Result<PartMemory, StorageError> {
        let is_scarce = pool.free() < pool.size() / 4 * 3;
        let bytes = if is_scarce { bytes.min(SMALLEST_PART) } else { bytes };
        let is_beside_others = self.parts.load(Ordering::Relaxed) > own;
        let patience = self.budget.limits.patience;
        let patience = if is_beside_others { patience / SHARE_BESIDE_OTHERS } else { patience };
        match tokio::time::timeout(patience, pool.take(&self.account, bytes)).await {
            Ok(portion) => Ok(PartMemory { _counted: Some(CountedPart::new(&self.parts)), ..PartMemory::new(portion) }),
            Err(_) => Err(StorageError::new(StorageErrorKind::NoSpace, no_memory(is_beside_others))),
        }
    }
}

fn no_memory(is_beside_others: bool) -> &'static str {
    if is_beside_others {
        "the server has no memory for so many uploads to object storage at a time; send fewer files at once"
    } else {
        "the server has no memory for another upload to object storage; try again later"
    }
}

/// The memory of a beginning of so many bytes; none: it is more than a beginning.
fn of_beginning(bytes: usize) -> Option<usize> {
    (bytes <= MOST_OF_A_BEGINNING).then(|| bytes.next_power_of_two().max(LEAST))
}

/// Memory that is taken from the budget of downloads until it is dropped.
#[derive(Debug)]
pub struct Taken {
    _permit: OwnedSemaphorePermit,
}

/// Takes memory of downloads, if there is so much now.
pub fn take_now(budget: &Arc<Semaphore>, bytes: usize) -> Option<Taken> {
    let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
    Some(Taken { _permit: budget.clone().try_acquire_many_owned(units).ok()? })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const MIB: usize = 1 << 20;

    /// The budget of two accounts: 8 MiB for beginnings, and twice 28 MiB for parts.
    fn budgets() -> (AccountBudget, AccountBudget) {
        let limits = MemoryLimits { uploads: 64 * MIB, downloads: MIB, patience: Duration::from_secs(9) };
        let budget = Arc::new(MemoryBudget::new(limits));
        (AccountBudget::new(budget.clone(), "a"), AccountBudget::new(budget, "b"))
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_taken_than_there_is() {
        let (one, other) = budgets();
        let mut first = Vec::new();
        // Smaller ones where memory is scarce.
        for expected in [8, 5, 5] {
            let taken = one.first(8 * MIB).await.unwrap();
            assert_eq!(taken.bytes(), expected * MIB);
            first.push(taken);
        }
        let refused = one.first(8 * MIB).await.unwrap_err();
        assert_eq!(refused.kind, StorageErrorKind::NoSpace);
        // There is some for another account, and the other half is untouched by first parts.
        assert_eq!(other.first(8 * MIB).await.unwrap().bytes(), 5 * MIB);
        let second = one.second(8 * MIB).await.unwrap();
        assert_eq!(second.bytes(), 8 * MIB);
        // Most of it is kept.
        assert!(one.another(3 * MIB).is_none());
        assert_eq!(one.another(2 * MIB).map(|taken| taken.bytes()), Some(2 * MIB));
        let enlarged = first.last_mut().unwrap();
        // Six are to spare, so that it gets half of twelve.
        one.enlarge(enlarged, 17 * MIB);
        assert_eq!(enlarged.bytes(), 11 * MIB);
        assert!(one.another(1).is_none());
        one.enlarge(enlarged, 17 * MIB);
        assert_eq!(enlarged.bytes(), 11 * MIB);
        // With patience it also gets what is kept for others, and nothing if that is not enough.
        one.enlarge_patiently(enlarged, 13 * MIB).await;
        assert_eq!(enlarged.bytes(), 13 * MIB);
        one.enlarge_patiently(enlarged, 64 * MIB).await;
        assert_eq!(enlarged.bytes(), 13 * MIB);
        drop(first);
        assert!(one.another(MIB).is_some() && one.first(8 * MIB).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_waits_shorter_where_others_of_its_session_have_parts() {
        // Three have all that an account may have.
        let refused_after = |session: AccountBudget, other: AccountBudget| async move {
            let (mut taken, began) = (Vec::new(), tokio::time::Instant::now());
            for _ in 0..3 {
                taken.push(session.first(8 * MIB).await.unwrap());
            }
            assert_eq!(other.first(8 * MIB).await.unwrap_err().kind, StorageErrorKind::NoSpace);
            drop(taken);
            assert_eq!(session.parts.load(Ordering::Relaxed), 0);
            began.elapsed()
        };
        let (one, _) = budgets();
        let other_session = AccountBudget::new(one.budget.clone(), "a");
        assert_eq!(refused_after(one.clone(), one.clone()).await, Duration::from_millis(300));
        assert_eq!(refused_after(one, other_session).await, Duration::from_secs(9));
    }

    #[tokio::test]
    async fn what_was_added_is_given_back_where_an_upload_waits() {
        let (one, other) = budgets();
        let mut large = one.first(8 * MIB).await.unwrap();
        one.enlarge(&mut large, 22 * MIB);
        let second = other.second(8 * MIB).await.unwrap();
        assert_eq!((large.bytes(), second.bytes()), (22 * MIB, 5 * MIB));
        let mut waiting = Box::pin(other.second(8 * MIB));
        assert!(waiting.as_mut().now_or_never().is_none());
        one.enlarge(&mut large, 22 * MIB);
        assert_eq!(large.bytes(), 8 * MIB);
        assert!(waiting.await.is_ok());
    }

    #[test]
    fn the_memory_of_a_beginning_grows_with_what_was_written() {
        let (one, other) = budgets();
        let check = |bytes: usize, expected: Option<usize>| {
            let taken = one.beginning(bytes).map(|taken| taken.bytes());
            assert_eq!(taken, expected, "{bytes}");
            let grown =
                one.beginning(1).and_then(|mut taken| one.grow_beginning(&mut taken, bytes).then_some(taken.bytes()));
            assert_eq!(grown, expected, "{bytes}");
        };
        check(1, Some(4 << 10));
        check(5 << 10, Some(8 << 10));
        check(100_000, Some(128 << 10));
        check(MIB, Some(MIB));
        check(MIB + 1, None);
        // One byte in each of many files is little, and one account does not get all of it.
        let files: Vec<_> = (0..1300).map_while(|_| one.beginning(1)).collect();
        assert_eq!(files.len(), 1300);
        let many: Vec<_> = std::iter::from_fn(|| one.early(MIB / 2).ok()).collect();
        assert!(many.len() < 8 && other.early(MIB).is_ok());
        assert_eq!(one.early(MIB).unwrap_err().kind, StorageErrorKind::NoSpace);
    }
}
