//! Records of sessions, from which hooks are told of their end if the process is killed.

use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::connection::ConnectionId;

/// What is kept of a session; no password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The id of the session and its connection.
    pub id: String,
    /// The username that the client sent.
    pub username: String,
    /// The name of the account.
    pub account: String,
    /// The client's address.
    pub remote: SocketAddr,
    /// The server's address that the client connected to.
    pub local: SocketAddr,
    /// The client's identification string; empty: it had not arrived.
    pub client: String,
    /// The [name](crate::connection::LoginMethod::as_str) of the method that completed the login.
    pub method: String,
    /// When the connection was opened, in milliseconds since 1970.
    pub connected_at: i64,
    /// When the session began, in milliseconds since 1970.
    pub opened_at: i64,
    /// The hooks that were told of its end, each as often as it was. They are noted one by one.
    #[serde(skip)]
    pub told: Vec<String>,
}

/// Keeps records of the sessions over SSH whose end hooks have to get (D-04). They are of this server alone.
/// Nothing waits longer than for a small file.
pub trait SessionRecords: fmt::Debug + Send + Sync {
    /// The records that an earlier process has left: at the start, all that there are.
    fn left(&self) -> Vec<SessionRecord>;

    /// Keeps one more, safe from a kill of the process.
    ///
    /// # Errors
    /// It cannot be kept; a sentence.
    fn keep(&self, record: &SessionRecord) -> Result<(), String>;

    /// Notes in the record of this session, if it is still kept, that this hook was told of its end.
    fn told(&self, id: &ConnectionId, hook: &str);

    /// Keeps the record of this session no longer.
    fn remove(&self, id: &ConnectionId);
}

/// Keeps none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSessionRecords;

impl SessionRecords for NoSessionRecords {
    fn left(&self) -> Vec<SessionRecord> {
        Vec::new()
    }

    fn keep(&self, _: &SessionRecord) -> Result<(), String> {
        Ok(())
    }

    fn told(&self, _: &ConnectionId, _: &str) {}

    fn remove(&self, _: &ConnectionId) {}
}
