//! Audit records: which actor changed what.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Filters of the list; a record has to match all that are set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
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
    /// The action, such as `update`.
    #[serde(default)]
    pub action: Option<String>,
    #[serde(default)]
    pub outcome: Option<AuditOutcome>,
    /// The address of the author.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// Only records of that time or later, in milliseconds since 1970.
    #[serde(default)]
    pub since: Option<i64>,
    /// Only records of an earlier time.
    #[serde(default)]
    pub until: Option<i64>,
    /// The most records to give, 500 at most.
    pub limit: u32,
}

/// How a request for a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditOutcome {
    Done,
    Refused,
    Failed,
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
