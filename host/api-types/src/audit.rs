//! Audit records: which actor changed what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Filters of the list; a record has to match all that are set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListAudit {
    /// Only records with a smaller number; none: from the newest on.
    #[serde(default)]
    pub before: Option<i64>,
    #[serde(default)]
    pub actor: Option<String>,
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    pub limit: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntries {
    /// The records, the newest first.
    pub entries: Vec<AuditEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub actor: String,
    /// The door of the change: `cli`, `socket`, `hook`, `system`, …
    pub door: String,
    pub address: Option<String>,
    /// The action, such as `update`.
    pub action: String,
    /// The kind of the object, such as `user`.
    pub kind: String,
    pub name: String,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// Details, without secrets.
    pub detail: String,
    /// The object's revision after the change.
    pub revision: Option<i64>,
}
