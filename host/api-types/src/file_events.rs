//! What sessions did to files most recently.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Filters of the list; an event has to match all that are set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFileEvents {
    /// Only events with a smaller number; none: from the newest on.
    #[serde(default)]
    pub before: Option<i64>,
    /// Only events of that time or later, in milliseconds since 1970.
    #[serde(default)]
    pub since: Option<i64>,
    /// Only events of an earlier time.
    #[serde(default)]
    pub until: Option<i64>,
    #[serde(default)]
    pub username: Option<String>,
    /// The client's address.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// The connection, or one of its channels.
    #[serde(default)]
    pub connection: Option<String>,
    /// The operations, such as `upload`; empty: all.
    #[serde(default)]
    pub actions: Vec<String>,
    /// What the path, or its target, begins with.
    #[serde(default)]
    pub path: Option<String>,
    /// The most events to give, 500 at most.
    pub limit: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileEvents {
    /// The events, the newest first.
    pub events: Vec<FileEvent>,
}

/// An operation on a file that was done, or a transfer that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileEvent {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// The operation, such as `upload` or `rename`.
    pub action: String,
    pub username: String,
    /// The client's address.
    pub address: String,
    /// The channel of the connection.
    pub connection: String,
    pub protocol: String,
    /// The path on the host.
    pub path: String,
    /// The other path of a rename, a copy or a link.
    pub target: Option<String>,
    pub ssh_command: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// How long a transfer took, in milliseconds.
    pub elapsed_ms: Option<u64>,
    /// Why a transfer failed.
    pub error: Option<String>,
}
