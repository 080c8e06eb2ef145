//! What the core needs from the outer rings. Ring 2 implements these traits; only the
//! binary knows the concrete types.

mod audit;
pub mod storage;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub use audit::{AuditOutcome, AuditQuery, AuditRecord, AuditStore, Author, Door, StoredAudit};

use crate::account::{Audience, EffectiveAccount, Occupied, User};
use crate::hook::HookRun;
use crate::password::{PasswordError, PasswordHash};
use crate::quota::{Scope, Transferred, UsedQuota};
use crate::secret::Secret;
use crate::turns::Waiter;
use storage::{Storage, StorageError};

/// Where accounts live.
#[async_trait]
pub trait AccountStore: Send + Sync {
    async fn find(&self, username: &str) -> Result<Option<User>, StoreError>;

    /// Where the folders of its accounts are; none: it keeps none.
    fn folders(&self) -> Option<&dyn FolderStore> {
        None
    }

    /// The homes of all accounts but one, and the directories that accounts share.
    async fn occupied(&self, except: &str) -> Result<Vec<Occupied>, StoreError> {
        let page = self.list(None, u32::MAX).await?;
        let accounts = page.accounts.into_iter().filter(|account| account.username != except);
        let occupied = |account: User| Occupied {
            path: account.home_dir.clone(),
            by: format!("the account \"{}\"", account.username),
        };
        Ok(accounts.map(occupied).collect())
    }

    /// In the order of their names, after `after`.
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<AccountPage, StoreError>;

    /// The account's document, valid or not: to change it, or to keep it elsewhere.
    async fn stored(&self, username: &str) -> Result<Option<StoredDocument>, StoreError> {
        let found = self.find(username).await?;
        Ok(found.map(|account| StoredDocument::of(&account)))
    }

    /// Adds a new account with zero usage; the answer has its id.
    async fn insert(&self, account: &User) -> Result<User, StoreError>;

    /// Replaces the account of that name and revision, but for what only the server maintains.
    async fn update(&self, account: &User) -> Result<User, StoreError>;

    async fn delete(&self, username: &str) -> Result<(), StoreError>;

    /// Servers that have sessions of the account are to look at it again.
    async fn announce_change(&self, username: &str) -> Result<(), StoreError>;

    /// What was announced since `cursor`, and the cursor for the next look; the first look has
    /// none and only gets a cursor.
    async fn changes(&self, cursor: Option<i64>) -> Result<(i64, AccountChanges), StoreError>;

    /// `at`: milliseconds since 1970.
    async fn record_login(&self, id: i64, at: i64) -> Result<(), StoreError>;

    /// An upload, or a download, was done. Says whether it was the account's first; `at` is
    /// kept for that one only.
    async fn record_first_transfer(&self, id: i64, upload: bool, at: i64) -> Result<bool, StoreError>;
}

/// Some accounts in the order of their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccountPage {
    pub accounts: Vec<User>,
    /// Those that cannot be used: they are in the way of no other.
    pub invalid: Vec<InvalidStored>,
    /// After this name there may be more; none: these were the last.
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct InvalidStored {
    pub username: String,
    pub problem: String,
    pub document: Map<String, Value>,
}

/// What is stored of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDocument {
    /// Counts the changes; a change of an older revision is refused.
    pub revision: i64,
    pub document: Map<String, Value>,
}

impl StoredDocument {
    pub fn of(account: &User) -> Self {
        Self { revision: account.revision, document: account.to_document(Audience::Trusted) }
    }
}

/// Directories that accounts share.
#[async_trait]
pub trait FolderStore: Send + Sync {
    /// An absolute path of the host.
    async fn mapped_path(&self, name: &str) -> Result<Option<String>, StoreError>;

    async fn folder_names(&self) -> Result<Vec<String>, StoreError>;
}

/// What accounts and folders use.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Reads a usage and marks it as in change; the mark survives the process.
    async fn open_usage(&self, scope: &Scope) -> Result<StoredUsage, StoreError>;

    /// The usage is settled: takes the mark away.
    async fn close_usage(&self, scope: &Scope) -> Result<(), StoreError>;

    /// Adds changes; `at`: milliseconds since 1970. Scopes that are gone are passed over, and one
    /// that was never counted stays so.
    async fn add_usage(&self, changes: Vec<(Scope, UsedQuota)>, at: i64) -> Result<(), StoreError>;

    async fn replace_usage(&self, scope: &Scope, used: UsedQuota, at: i64) -> Result<(), StoreError>;

    /// Whether the usage was ever counted since the account or folder was made, or its place was
    /// changed.
    async fn is_counted(&self, scope: &Scope) -> Result<bool, StoreError>;

    /// Adds to what accounts have transferred, by name and id; those that are gone are passed over.
    async fn add_transferred(&self, changes: Vec<(String, i64, Transferred)>) -> Result<(), StoreError>;

    /// Those with the mark.
    async fn unsettled_usages(&self) -> Result<Vec<Scope>, StoreError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredUsage {
    pub used: UsedQuota,
    /// It had the mark already, or was never counted: not to be believed.
    pub is_unsettled: bool,
}

/// Accounts that were changed, by whomever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountChanges {
    Named(Vec<String>),
    /// More than are remembered.
    All,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("there is already an account named \"{0}\"")]
    Exists(String),
    #[error("there is no account named \"{0}\"")]
    NotFound(String),
    #[error(
        "the account \"{username}\" in the database is not valid: {problem}; change or delete it with \"tidegate user\""
    )]
    Invalid { username: String, problem: String },
    #[error("the account \"{0}\" was changed at the same time; try again")]
    Conflict(String),
    #[error("the database is in use by another program and did not become free within {0:?}")]
    Busy(Duration),
    #[error("the database cannot be written: {0}")]
    ReadOnly(String),
    #[error("the database is full: {0}")]
    Full(String),
    #[error("user management is disabled (data_provider.manage_users = 0)")]
    Disabled,
    /// What is asked for contradicts what is stored.
    #[error("{0}")]
    Refused(String),
    #[error("the database failed: {0}")]
    Failed(String),
}

/// Password hashing on a bounded pool, off the runtime's threads. Those who wait take turns.
#[async_trait]
pub trait Passwords: Send + Sync {
    async fn matches(&self, waiter: Waiter<'_>, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError>;

    /// With a hash that a plugin gave, which is not to cost more than
    /// [`for_plugins`](PasswordHash::is_for_plugins) allows: the server's own comparisons do not
    /// wait behind these.
    async fn matches_for_plugin(
        &self,
        waiter: Waiter<'_>,
        hash: &PasswordHash,
        clear: &Secret,
    ) -> Result<bool, PasswordError> {
        self.matches(waiter, hash, clear).await
    }

    async fn hash(&self, waiter: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError>;
}

/// Where paths of the host lead.
#[async_trait]
pub trait HostPaths: Send + Sync {
    /// Each of the absolute paths without links, `.` and `..`; what is not there yet is taken as it
    /// is written. An error says why that cannot be told.
    async fn resolve(&self, paths: Vec<String>) -> Vec<Result<String, String>>;
}

/// Opens the file tree of an account.
pub trait StorageFactory: Send + Sync {
    /// Makes the home directory if it is missing (A4-11).
    fn open(&self, account: &EffectiveAccount) -> Result<Arc<dyn Storage>, StorageError>;

    /// A directory that accounts share.
    fn open_directory(&self, path: &str) -> Result<Arc<dyn Storage>, StorageError>;
}

/// A plugin's own small store, kept over restarts.
#[async_trait]
pub trait PluginStore: Send + Sync {
    async fn get(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, PluginStoreError>;

    async fn set(&self, plugin: &str, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), PluginStoreError>;

    async fn remove(&self, plugin: &str, key: &str) -> Result<(), PluginStoreError>;

    async fn list_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, PluginStoreError>;

    /// Adds to a counter in one step; the time to live is set when the key is made.
    async fn increment(
        &self,
        plugin: &str,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PluginStoreError>;

    /// Stores `new` if the value is still `expected`; says whether it did.
    async fn compare_and_set(
        &self,
        plugin: &str,
        key: &str,
        expected: Option<&[u8]>,
        new: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, PluginStoreError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginStoreError {
    #[error("the plugin's quota of keys or bytes is used up")]
    Full,
    #[error("the key or value is longer than the limit")]
    TooLarge,
    #[error("the value under this key is not a counter")]
    NotACounter,
    #[error("{0}")]
    Unavailable(String),
}

/// Bounds of the histogram of durations, in microseconds; what is longer is in one more.
pub const DURATION_BOUNDS: [u64; 11] =
    [50, 100, 200, 500, 1_000, 5_000, 20_000, 100_000, 500_000, 2_000_000, 10_000_000];

/// The records of hook calls: the last ones, and counts of all.
#[async_trait]
pub trait HookRunStore: Send + Sync {
    async fn append(&self, runs: Vec<HookRun>) -> Result<(), StoreError>;

    /// The newest that match, oldest first.
    async fn runs(&self, filter: RunFilter) -> Result<Vec<StoredRun>, StoreError>;

    async fn run(&self, id: i64) -> Result<Option<StoredRun>, StoreError>;

    async fn counters(&self) -> Result<Vec<HookCounter>, StoreError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    pub username: Option<String>,
    pub hook: Option<String>,
    pub outcome: Option<String>,
    /// Only newer ones.
    pub after: i64,
    pub limit: u32,
}

/// As in [`HookRun`], after it was stored.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoredRun {
    pub id: i64,
    pub at: i64,
    pub kind: String,
    pub hook: String,
    pub adapter: String,
    pub version: Option<String>,
    pub connection: Option<String>,
    pub username: Option<String>,
    pub address: Option<String>,
    pub about: Option<String>,
    pub outcome: String,
    pub detail: String,
    pub is_error: bool,
    pub decided: bool,
    pub duration_us: i64,
    pub sent: String,
    pub received: String,
    pub standard_error: String,
    pub cpu_us: Option<i64>,
    pub memory: Option<i64>,
}

/// Calls of one hook in one version with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HookCounter {
    pub kind: String,
    pub hook: String,
    pub version: String,
    pub outcome: String,
    pub is_error: bool,
    pub calls: i64,
    pub total_us: i64,
    pub max_us: i64,
    pub cpu_us: i64,
    pub max_memory: i64,
    /// By [`DURATION_BOUNDS`].
    pub histogram: Vec<i64>,
}

/// Time as a parameter.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now(&self) -> i64;

    /// What to add at `at` for the zone that access times are meant in, in milliseconds.
    fn zone_offset(&self, _at: i64) -> i64 {
        0
    }
}

/// The clock on the wall.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
