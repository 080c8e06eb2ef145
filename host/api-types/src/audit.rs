//! What was changed by whom.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Each that is set has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListAudit {
    /// Only entries with a smaller number; none: from the newest.
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
    /// The newest first.
    pub entries: Vec<AuditEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub actor: String,
    /// `cli`, `socket`, `hook`, `system`, …
    pub door: String,
    pub address: Option<String>,
    /// Such as `update`.
    pub action: String,
    /// Of the object, such as `user`.
    pub kind: String,
    pub name: String,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// Without secrets.
    pub detail: String,
    /// Of the object, after the change.
    pub revision: Option<i64>,
}
