//! Quotas: exact usages of accounts and folders, and their limits (A10).
//!
//! A [`Ledger`] counts for one account or folder. While the server runs its count is the truth, and the store
//! follows within milliseconds. Before the first change the store marks the usage as in change; if the
//! process dies meanwhile, the files are counted again. See `host/adr/0009`.

mod doubt;
mod keeper;
mod ledger;
mod limit;
mod namespace;
mod program;
mod scan;
mod scans;
mod sending;
mod unanswered;
mod upload;
mod volume;

use serde::{Deserialize, Serialize};

pub use keeper::{AccountFiles, BegunScan, NewUsage, QuotaKeeper, QuotaPorts, RunningScan, ScanError, ScanReport};
pub use ledger::Ledger;
pub use limit::Limit;
pub use namespace::NamespaceGuard;
pub use program::{Moved, ProgramQuota};
pub use scan::{ScanProgress, ScanTree, Survey, survey};
pub use scans::{QuotaScans, StartedScan};
pub use unanswered::Unanswered;
pub use upload::UploadQuota;
pub use volume::{Transferred, Volume, VolumeLimits, Volumes};

use crate::account::{EffectiveAccount, FolderQuota};
use crate::path::VirtualPath;
use crate::ports::{Collection, FOLDERS, ObjectName, StoreError, USERS};

/// The account or folder that a usage belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "name")]
pub enum Scope {
    /// An account, by name.
    Account(String),
    /// A folder, by name.
    Folder(String),
}

impl Scope {
    /// The collection in which the account or folder is stored.
    pub fn collection(&self) -> &'static Collection {
        match self {
            Self::Account(_) => &USERS,
            Self::Folder(_) => &FOLDERS,
        }
    }

    /// The name of the account or folder.
    pub fn name(&self) -> &str {
        match self {
            Self::Account(name) | Self::Folder(name) => name,
        }
    }

    /// The account or folder, for messages.
    pub fn object(&self) -> ObjectName {
        self.collection().object(self.name())
    }
}

/// A usage, or a change of one. Only changes can be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UsedQuota {
    /// The size of the regular files, in bytes.
    pub size: i64,
    /// The number of regular files.
    pub files: i64,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Account(name) => write!(f, "the account \"{name}\""),
            Self::Folder(name) => write!(f, "the folder \"{name}\""),
        }
    }
}

impl UsedQuota {
    /// Whether both numbers are 0.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl std::ops::Add for UsedQuota {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { size: self.size.saturating_add(other.size), files: self.files.saturating_add(other.files) }
    }
}

impl std::ops::Neg for UsedQuota {
    type Output = Self;

    fn neg(self) -> Self {
        Self { size: self.size.saturating_neg(), files: self.files.saturating_neg() }
    }
}

/// The most bytes that are counted at once, 1 EiB: no storage has a file as large. Usages have to stay numbers that stores
/// can add up, so that a write far behind the end of a file is refused before it is counted, whatever the limits are.
const MOST_AT_ONCE: i64 = 1 << 60;

/// The limits of a usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuotaLimits {
    /// The most bytes.
    pub size: Limit,
    /// The most files.
    pub files: Limit,
}

impl QuotaLimits {
    /// The limits of an account or a folder, as it is stored.
    pub fn stored(size: i64, files: i64) -> Self {
        Self { size: Limit::stored(size), files: Limit::stored(files) }
    }

    /// Whether there is no limit at all.
    pub fn is_unlimited(self) -> bool {
        self == Self::default()
    }

    /// Whether `by` more may be used. `credit`: bytes that the operation will free later.
    fn check(self, used: UsedQuota, by: UsedQuota, credit: i64) -> Result<(), QuotaError> {
        let exceeds = |limit: Limit, used: i64, by: i64, credit: i64| {
            by > 0 && limit.is_exceeded(natural(used.saturating_add(by).saturating_sub(credit)))
        };
        let size = exceeds(self.size, used.size, by.size, credit);
        let is_no_usage = by.size > MOST_AT_ONCE || used.size.checked_add(by.size).is_none();
        if is_no_usage || size || exceeds(self.files, used.files, by.files, 0) {
            return Err(QuotaError::Exceeded);
        }
        Ok(())
    }
}

/// What is used, which is never less than nothing.
pub(crate) fn natural(used: i64) -> u64 {
    u64::try_from(used).unwrap_or(0)
}

/// By how many bytes a file grows from one size to another.
fn difference(to: u64, from: u64) -> i64 {
    let signed = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    signed(to).saturating_sub(signed(from))
}

/// Which usages are counted (`track_quota`, A10-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tracking {
    /// None, and no limit is enforced (`track_quota = 0`).
    Never,
    /// Those of all accounts and folders.
    Always,
    /// Those of accounts that have a limit, and of folders.
    #[default]
    WhereLimited,
}

/// Why bytes or files were not counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// The limit of bytes or files would be exceeded.
    #[error("the quota is exceeded")]
    Exceeded,
    /// The limit of the transferred volume would be exceeded (A10-09).
    #[error("the data transfer limit is used up")]
    VolumeExceeded,
    /// The stored usage could not be read or written.
    #[error("the quota could not be read: {0}")]
    Store(#[from] StoreError),
    /// The files could not be counted; the reason.
    #[error("the files could not be counted: {0}")]
    Scan(String),
}

/// The limits for files at `path`.
pub fn limits_of(account: &EffectiveAccount, path: &VirtualPath) -> QuotaLimits {
    match account.folders.at(path).map(|folder| folder.quota) {
        Some(FolderQuota::Own { size, files }) => QuotaLimits::stored(size, files),
        Some(FolderQuota::OfAccount) | None => QuotaLimits::stored(account.quota_size, account.quota_files),
    }
}

/// The account or folder whose usage `path` counts for, and its limits; none: the usage is not counted.
pub fn scope_of(account: &EffectiveAccount, path: &VirtualPath, tracking: Tracking) -> Option<(Scope, QuotaLimits)> {
    if tracking == Tracking::Never {
        return None;
    }
    let limits = limits_of(account, path);
    if let Some(folder) = account.folders.at(path)
        && folder.quota != FolderQuota::OfAccount
    {
        return Some((Scope::Folder(folder.name.clone()), limits));
    }
    let tracked = tracking == Tracking::Always || !limits.is_unlimited();
    tracked.then(|| (Scope::Account(account.username.clone()), limits))
}

#[cfg(test)]
mod cancelled_tests;
#[cfg(test)]
pub(crate) mod outage_tests;
#[cfg(test)]
mod tests;
