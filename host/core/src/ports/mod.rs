//! The traits through which the core uses the outer rings. Ring 2 implements them; only the binary knows the
//! concrete types.

mod account_filter;
mod audit;
mod clock;
mod collections;
mod descriptors;
mod directory;
mod error;
mod exemptions;
mod file_log;
mod passwords;
mod plugins;
mod runs;
mod sealing;
mod session_records;
mod spool;
pub mod storage;
mod unmarked_usages;
mod usage;

use async_trait::async_trait;

pub use account_filter::{AccountFilter, AccountReference, account_keys, account_references, is_found_by_references};
pub use audit::{
    AUDIT_KEPT, AuditOutcome, AuditQuery, AuditRecord, AuditStore, Author, DETAIL_SEPARATOR, Door, StoredAudit,
    detail_part,
};
pub use clock::{Clock, SystemClock};
pub use collections::{ADMINS, API_KEYS, Collection, Column, ColumnKind, FOLDERS, GROUPS, ROLES, TOKENS, USERS};
pub use descriptors::{DescriptorUse, Descriptors, UnlimitedDescriptors};
pub use directory::{
    AccountKey, Change, ChangeParts, ChangeToken, ChangedObjects, Changes, Directory, MaintainedChange, PageRequest,
    Stamp, StoredDocument, Version, Write,
};
pub use error::{ObjectName, StoreError};
pub use exemptions::{Exemptions, ExemptionsInMemory};
pub use file_log::{FileEvent, FileEventKind, FileLog, NoFileLog, TransferEnd};
pub use passwords::Passwords;
pub use plugins::{
    MAX_KEY_LENGTH, MAX_KEYS, MAX_VALUE_BYTES, MAX_VALUE_LENGTH, PluginStore, PluginStoreError, PluginValueFacts,
    counted,
};
pub use runs::{DURATION_BOUNDS, HookCounter, HookRunStore, RUNS_KEPT, RunFilter, StoredRun};
pub use sealing::{Sealing, SealingError};
pub use session_records::{NoSessionRecords, SessionRecord, SessionRecords};
pub use spool::{Spool, SpooledText, Spools, SpoolsInMemory, TextInMemory};
pub use storage::StorageFactory;
pub use unmarked_usages::{UnmarkedUsages, UnmarkedUsagesInMemory};
pub use usage::{AddedBatches, BatchName, NodeName, StoredUsage, UsageStore};

/// All the stores of a server, as one adapter implements them.
pub trait Stores: Directory + UsageStore + PluginStore + HookRunStore + AuditStore {}

impl<T: Directory + UsageStore + PluginStore + HookRunStore + AuditStore> Stores for T {}

/// Resolves paths of the host.
#[async_trait]
pub trait HostPaths: Send + Sync {
    /// Resolves symbolic links, `.` and `..` in each of these absolute paths; the answers are in the same
    /// order. Components that do not exist yet are taken as they are written. An error says why a path cannot
    /// be resolved.
    async fn resolve(&self, paths: Vec<String>) -> Vec<Result<String, String>>;
}
