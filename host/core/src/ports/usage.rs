//! The stored usages of accounts and folders.

use async_trait::async_trait;

use super::{AccountKey, StoreError};
use crate::quota::{Scope, Transferred, UsedQuota};

/// The name of one server among those that share a store; it stays the same over restarts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(pub String);

/// Names a batch of changes, so that a store knows one that comes again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BatchName {
    /// The server, and what it counts; the same over restarts.
    pub writer: String,
    /// Rises by one with each batch of a process. The next process begins with a number that no earlier one has come to,
    /// unless the clock of the host was set back.
    pub number: u64,
}

/// The batches of one writer that a store has added, as far as they can come again: those of its last process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddedBatches {
    /// The number of the process's first batch.
    pub first: u64,
    /// The number of its last batch.
    pub last: u64,
}

impl AddedBatches {
    /// What a store that has `before` remembers when a batch comes. None: it has added the batch before, also where the writer
    /// has gone on since.
    pub fn with(before: Option<Self>, number: u64) -> Option<Self> {
        match before {
            Some(Self { first, last }) if (first..=last).contains(&number) => None,
            Some(Self { first, last }) if last.checked_add(1) == Some(number) => Some(Self { first, last: number }),
            // The first of a process. Lower numbers than those of earlier ones are as new, or all would be lost after the
            // clock was set back.
            Some(_) | None => Some(Self { first: number, last: number }),
        }
    }
}

/// The usages and transferred volumes that a store keeps, and the marks of usages in change (ADR 9).
///
/// # Errors
/// As those of [`Directory`](super::Directory).
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Reads a usage and marks it as in change by `node`. The mark survives the process; it takes the place
    /// of another node's mark.
    ///
    /// # Errors
    /// `NotFound`
    async fn open_usage(&self, scope: &Scope, node: &NodeName) -> Result<StoredUsage, StoreError>;

    /// Removes the node's mark: the stored usage is right. Another node's mark stays.
    async fn close_usage(&self, scope: &Scope, node: &NodeName) -> Result<(), StoreError>;

    /// Adds changes to usages, all or none; `at`: milliseconds since 1970. Scopes that no longer exist are
    /// left out, and a usage that was never counted stays uncounted. A usage never falls below 0.
    ///
    /// In the same transaction the store remembers `batch` as one of [`AddedBatches`], and adds it once: what had no answer, or
    /// whose caller has left, may have been done, or be done later. So the caller sends a batch that was not confirmed again, as
    /// it is, before the writer's next.
    async fn add_usage(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(Scope, UsedQuota)>,
        at: i64,
    ) -> Result<(), StoreError>;

    /// Stores a usage that was just counted; `at`: milliseconds since 1970.
    ///
    /// # Errors
    /// `NotFound`
    async fn replace_usage(&self, scope: &Scope, used: UsedQuota, at: i64) -> Result<(), StoreError>;

    /// Whether the usage was counted since the account or folder was added, or since its files moved to
    /// another place.
    async fn is_counted(&self, scope: &Scope) -> Result<bool, StoreError>;

    /// Adds bytes to the transferred volumes of accounts, all or none; accounts that no longer exist are left
    /// out. `batch`: as of [`add_usage`](Self::add_usage).
    async fn add_transferred(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(AccountKey, Transferred)>,
    ) -> Result<(), StoreError>;

    /// The scopes with a mark of this node, or with a mark without a node (of versions before marks had one).
    async fn unsettled_usages(&self, node: &NodeName) -> Result<Vec<Scope>, StoreError>;
}

/// A usage as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredUsage {
    /// The stored bytes and files.
    pub used: UsedQuota,
    /// Whether the usage had a mark already or was never counted: the files have to be counted.
    pub is_unsettled: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_batch_is_new_once() {
        let check = |numbers: &[u64], new: &[u64]| {
            let (mut added, mut found) = (None, Vec::new());
            for number in numbers {
                if let Some(now) = AddedBatches::with(added, *number) {
                    added = Some(now);
                    found.push(*number);
                }
            }
            assert_eq!(found, new, "{numbers:?}");
        };
        check(&[7, 8, 9], &[7, 8, 9]);
        check(&[7, 7, 8, 8, 7, 9, 8], &[7, 8, 9]);
        // The next process, also after the clock was set back, and one that no batch follows.
        check(&[7, 8, 5_000, 5_000, 5_001, 5_000], &[7, 8, 5_000, 5_001]);
        check(&[5_000, 5_001, 7, 7, 8, 7], &[5_000, 5_001, 7, 8]);
        check(&[u64::MAX, u64::MAX, 0, 0, 1], &[u64::MAX, 0, 1]);
    }
}
