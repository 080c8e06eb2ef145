//! Quota scans.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListScans {}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scans {
    pub scans: Vec<ScanProgress>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScanProgress {
    pub scope: ScanScope,
    /// Files counted so far.
    pub files: u64,
    pub directories: u64,
}

/// The scope whose files are counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", tag = "kind", content = "name")]
pub enum ScanScope {
    Account(String),
    Folder(String),
}

impl std::fmt::Display for ScanScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Account(name) => write!(f, "the account \"{name}\""),
            Self::Folder(name) => write!(f, "the folder \"{name}\""),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    pub scope: ScanScope,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetUsage {
    pub scope: ScanScope,
    pub usage: UsedQuota,
    /// Whether the usage is added to the stored one; negative numbers lower it, to 0 at least.
    #[serde(default)]
    pub is_added: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScanReport {
    pub scope: ScanScope,
    pub before: UsedQuota,
    pub found: UsedQuota,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsedQuota {
    /// The size of all files, in bytes.
    pub size: i64,
    pub files: i64,
}
