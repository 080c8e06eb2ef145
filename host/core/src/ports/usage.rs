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
    /// Rises with each batch of the writer, also over restarts.
    pub number: u64,
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
    /// A store that cannot always tell whether it has added them remembers the last `batch` of each writer, and adds
    /// it once. So the caller sends a batch that was not confirmed again, as it is, before the writer's next.
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
