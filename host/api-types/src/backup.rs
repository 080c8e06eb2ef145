//! Dumps: all accounts, folders, groups and roles as one document, with their secrets.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::ObjectKind;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DumpUsers {
    /// Only the account of this name, on a single page.
    #[serde(default)]
    pub username: Option<String>,
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

#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadDump {
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub users: Vec<Map<String, Value>>,
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub folders: Vec<Map<String, Value>>,
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub groups: Vec<Map<String, Value>>,
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub roles: Vec<Map<String, Value>>,
    /// Administrators of another server whose place this one takes, with hashes of their passwords; those that are
    /// here already stay as they are.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub admins: Vec<Map<String, Value>>,
    /// Whether only to report what would change.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether the documents are those of another server whose place this one takes: new accounts and folders keep
    /// the usages and dates in them, and file systems that are not served are stored, though logins are refused.
    #[serde(default)]
    pub moves_in: bool,
    /// Whether the documents are those of a dump of this server: accounts need no credential, and file systems that are
    /// not served are stored, though logins are refused.
    #[serde(default)]
    pub restores: bool,
    /// Whether documents that are not valid stay behind, with what refers to them, and the others are stored; else
    /// nothing is.
    #[serde(default)]
    pub skips_invalid: bool,
}

impl std::fmt::Debug for LoadDump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoadDump({} accounts, dry_run: {})", self.users.len(), self.dry_run)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadReport {
    /// New accounts.
    pub added: usize,
    /// Existing accounts that change.
    pub updated: usize,
    /// Existing accounts that stay as they are.
    #[serde(default)]
    pub unchanged: usize,
    /// Accounts, folders, groups and roles that cannot be loaded.
    pub failed: usize,
    /// Whether the store was changed: not by a dry run, and not if one failed, unless the others were asked for.
    pub applied: bool,
    /// The accounts, in the order of the dump.
    pub accounts: Vec<LoadedAccount>,
    /// The folders, groups and roles, in the order of the dump.
    #[serde(default)]
    pub objects: Vec<LoadedObject>,
    /// The administrators, in the order of the dump.
    #[serde(default)]
    pub admins: Vec<LoadedAccount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadedObject {
    pub kind: ObjectKind,
    pub name: String,
    pub outcome: AccountOutcome,
    /// Changed fields of an existing object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Why it cannot be loaded, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
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
