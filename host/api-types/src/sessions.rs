//! Open sessions. Times are in milliseconds since 1970.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSessions {}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sessions {
    /// The oldest first.
    pub sessions: Vec<Session>,
}

/// A session, as the older server shows it (A18-03).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    pub username: String,
    pub connection_id: String,
    pub client_version: String,
    pub remote_address: String,
    pub connection_time: i64,
    pub last_activity: i64,
    /// `SFTP`, `SCP` or `SSH`.
    pub protocol: String,
    pub active_transfers: Vec<Transfer>,
    pub ssh_command: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transfer {
    /// `upload` or `download`.
    pub operation_type: String,
    /// The path, as the client sees it.
    pub path: String,
    pub start_time: i64,
    /// Bytes transferred so far.
    pub size: u64,
    pub last_activity: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseSession {
    pub connection_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedSession {
    pub closed: String,
}
