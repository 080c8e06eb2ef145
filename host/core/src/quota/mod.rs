//! Quotas: what accounts and folders use, exactly (A10).
//!
//! A [`Ledger`] counts for one account or folder. While the server runs it is the truth; the
//! store follows within milliseconds. Before the first change the store is told that the
//! usage is in change, and a usage that was so when the process died is counted again from
//! the files themselves. See `host/adr/0009`.

mod doubt;
mod keeper;
mod ledger;
mod namespace;
mod program;
mod scan;
mod scans;
mod upload;
mod volume;

use serde::{Deserialize, Serialize};

pub use keeper::{AccountFiles, QuotaKeeper, QuotaPorts, ScanError, ScanReport};
pub use ledger::Ledger;
pub use namespace::NamespaceGuard;
pub use program::{Moved, ProgramQuota};
pub use scan::{ScanProgress, ScanTree};
pub use scans::QuotaScans;
pub use upload::UploadQuota;
pub use volume::{Transferred, Volume, VolumeLimits, Volumes};

use crate::account::{EffectiveAccount, FolderQuota};
use crate::path::VirtualPath;
use crate::ports::{Collection, FOLDERS, ObjectName, StoreError, USERS};

/// Whose usage it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "name")]
pub enum Scope {
    Account(String),
    Folder(String),
}

impl Scope {
    /// What the usage is of.
    pub fn collection(&self) -> &'static Collection {
        match self {
            Self::Account(_) => &USERS,
            Self::Folder(_) => &FOLDERS,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Account(name) | Self::Folder(name) => name,
        }
    }

    pub fn object(&self) -> ObjectName {
        self.collection().object(self.name())
    }
}

/// Bytes and files. Negative in changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UsedQuota {
    pub size: i64,
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

/// What may be used; 0: unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuotaLimits {
    pub size: i64,
    pub files: i64,
}

impl QuotaLimits {
    pub fn is_unlimited(self) -> bool {
        self == Self::default()
    }

    /// Whether more may be used. `credit`: bytes that will be given back for it.
    fn check(self, used: UsedQuota, by: UsedQuota, credit: i64) -> Result<(), QuotaError> {
        let exceeds = |used: i64, by: i64, limit: i64| limit > 0 && by > 0 && used.saturating_add(by) > limit;
        let size = exceeds(used.size, by.size, if self.size > 0 { self.size.saturating_add(credit) } else { 0 });
        if size || exceeds(used.files, by.files, self.files) {
            return Err(QuotaError::Exceeded);
        }
        Ok(())
    }
}

/// By how many bytes a file grows from one size to another.
fn difference(to: u64, from: u64) -> i64 {
    let signed = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    signed(to).saturating_sub(signed(from))
}

/// What is counted (`track_quota`, A10-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tracking {
    Never,
    Always,
    /// Accounts that have a limit, and folders.
    #[default]
    WhereLimited,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    #[error("the quota is exceeded")]
    Exceeded,
    #[error("the data transfer limit is used up")]
    VolumeExceeded,
    #[error("the quota could not be read: {0}")]
    Store(#[from] StoreError),
    #[error("the files could not be counted: {0}")]
    Scan(String),
}

/// How much may be stored where `path` is.
pub fn limits_of(account: &EffectiveAccount, path: &VirtualPath) -> QuotaLimits {
    match account.folders.at(path).map(|folder| folder.quota) {
        Some(FolderQuota::Own { size, files }) => QuotaLimits { size, files },
        Some(FolderQuota::OfAccount) | None => QuotaLimits { size: account.quota_size, files: account.quota_files },
    }
}

/// Whose usage a path counts for, and how much that may be; none: it is not counted.
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
mod tests;
