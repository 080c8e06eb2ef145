//! Trying the file systems of accounts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckStorage {
    pub username: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageReport {
    pub username: String,
    /// The home first, then the folders.
    pub file_systems: Vec<CheckedFileSystem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedFileSystem {
    /// Where the account sees it: `/` or the path of a folder.
    pub path: String,
    /// `local` or `s3`.
    pub kind: String,
    /// A path of the host, or a URL.
    pub location: String,
    /// Whether no step failed.
    pub usable: bool,
    /// In the order in which they were tried: `open`, `list`, `put`, `get`, `rename`, `delete`.
    pub steps: Vec<StorageStep>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageStep {
    pub step: String,
    pub outcome: StepOutcome,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    Done,
    Failed,
    /// Not tried: an earlier step failed, or the file system is used without it.
    Skipped,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepStorage {
    /// Only the file systems of this account.
    #[serde(default)]
    pub username: Option<String>,
    /// Only uploads that were begun more than so many seconds ago.
    pub older_than_seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweptStorage {
    /// Those in object storage, each once.
    pub file_systems: Vec<SweptFileSystem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweptFileSystem {
    /// An account that has it.
    pub username: String,
    /// A URL; empty: the account is not valid.
    pub location: String,
    /// Unfinished uploads that were removed.
    pub aborted: u64,
    /// Those that are too young, or whose beginning is not known.
    pub left: u64,
    /// Why they could not be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
