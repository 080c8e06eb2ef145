//! What accounts and folders use.

use async_trait::async_trait;

use super::{AccountKey, StoreError};
use crate::quota::{Scope, Transferred, UsedQuota};

/// A server among those that share a store; the same over its restarts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(pub String);

#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Reads a usage and marks it as in change by `node`; the mark survives the process, and takes the
    /// place of another node's.
    ///
    /// # Errors
    /// `NotFound`
    async fn open_usage(&self, scope: &Scope, node: &NodeName) -> Result<StoredUsage, StoreError>;

    /// The usage is settled: takes the node's mark away.
    async fn close_usage(&self, scope: &Scope, node: &NodeName) -> Result<(), StoreError>;

    /// Adds changes, all or none; `at`: milliseconds since 1970. Scopes that are gone are passed over, and
    /// one that was never counted stays so. A usage is never less than nothing.
    async fn add_usage(&self, changes: Vec<(Scope, UsedQuota)>, at: i64) -> Result<(), StoreError>;

    /// # Errors
    /// `NotFound`
    async fn replace_usage(&self, scope: &Scope, used: UsedQuota, at: i64) -> Result<(), StoreError>;

    /// Whether the usage was ever counted since the account or folder was made, or its place was
    /// changed.
    async fn is_counted(&self, scope: &Scope) -> Result<bool, StoreError>;

    /// Adds to what accounts have transferred, all or none; those that are gone are passed over.
    async fn add_transferred(&self, changes: Vec<(AccountKey, Transferred)>) -> Result<(), StoreError>;

    /// Those with a mark of the node, or of none: of servers before marks had names.
    async fn unsettled_usages(&self, node: &NodeName) -> Result<Vec<Scope>, StoreError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredUsage {
    pub used: UsedQuota,
    /// It had a mark already, or was never counted: not to be believed.
    pub is_unsettled: bool,
}
