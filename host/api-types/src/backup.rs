//! Dumps: all accounts as one document, with their password hashes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DumpUsers {
    /// Only accounts whose name comes after this one.
    #[serde(default)]
    pub after: Option<String>,
    pub limit: u32,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dumped {
    /// The accounts' documents, whether valid or not.
    #[schema(value_type = Vec<Object>)]
    pub users: Vec<Map<String, Value>>,
    /// The accounts among them that are not valid.
    pub invalid: Vec<crate::InvalidUser>,
    /// The name after which the next page begins; none if this page is the last.
    pub next: Option<String>,
}

impl std::fmt::Debug for Dumped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dumped({} accounts)", self.users.len())
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LoadUsers {
    #[schema(value_type = Vec<Object>)]
    pub users: Vec<Map<String, Value>>,
    /// Whether only to report what would change.
    #[serde(default)]
    pub dry_run: bool,
}

impl std::fmt::Debug for LoadUsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoadUsers({} accounts, dry_run: {})", self.users.len(), self.dry_run)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadReport {
    pub added: usize,
    /// Existing accounts, including those that need no change.
    pub updated: usize,
    pub failed: usize,
    /// Whether the store was changed: not by a dry run, and not if an account failed.
    pub applied: bool,
    /// The accounts, in the order of the dump.
    pub accounts: Vec<LoadedAccount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadedAccount {
    pub username: String,
    pub outcome: AccountOutcome,
    /// Changed fields of an existing account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Why it cannot be loaded, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccountOutcome {
    Added,
    Updated,
    Unchanged,
    Failed,
}
