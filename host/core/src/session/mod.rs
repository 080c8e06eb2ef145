//! Sessions, and their registry: which accounts are logged in, what their sessions do, and the signal that
//! ends a session.

mod kept_password;
mod live;
mod recent_bytes;
mod registry;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use kept_password::KeptPassword;
pub use live::{ActiveTransfer, LiveSession, TransferView};
pub use registry::{SessionRegistry, SessionSlot};
pub use watch::SessionWatch;
pub(crate) use watch::{DELETED, NOT_VALID, connected_users, why_it_ends};

use crate::account::{EffectiveAccount, Factors, LoginFacts};
use crate::connection::{Connection, ConnectionId, LoginMethod};
use crate::hook::Subject;

/// A logged-in account on its connection.
#[derive(Debug)]
pub struct Session {
    /// The id of the connection: there is one session a connection (D-02).
    pub id: ConnectionId,
    /// The connection of the login.
    pub connection: Arc<Connection>,
    /// The account as it was at the login; [`LiveSession::account`] is as it is now.
    pub account: Arc<EffectiveAccount>,
    /// The username that the client sent; the account's name may be another (A11-25).
    pub username: String,
    /// The method that completed the login.
    pub method: LoginMethod,
    /// The factors that the login proved.
    pub factors: Factors,
    /// The password that the client logged in with, for as long as a hook is to be given it (D-15).
    pub password: KeptPassword,
    /// Milliseconds since 1970.
    pub opened_at: i64,
    /// Counts the bytes of files that were moved.
    pub traffic: Traffic,
    /// The part that changes while the session lasts.
    pub live: LiveSession,
}

/// Bytes of files moved by a session, and whether each direction had a transfer.
#[derive(Debug, Default)]
pub struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    downloaded: AtomicBool,
    uploaded: AtomicBool,
}

impl Traffic {
    /// The traffic of a new session: no bytes yet, but the account's earlier transfers are known.
    pub fn of(account: &EffectiveAccount) -> Self {
        let before = |at: i64| AtomicBool::new(at > 0);
        let (downloaded, uploaded) = (before(account.usage.first_download), before(account.usage.first_upload));
        Self { downloaded, uploaded, ..Self::default() }
    }

    fn moved(&self, upload: bool) -> &AtomicBool {
        if upload { &self.uploaded } else { &self.downloaded }
    }

    /// Whether the account is not known to have completed a transfer in this direction.
    pub fn may_be_first(&self, upload: bool) -> bool {
        !self.moved(upload).load(Ordering::Relaxed)
    }

    /// Notes a transfer in this direction; true if it may be the account's first.
    pub fn take_first(&self, upload: bool) -> bool {
        !self.moved(upload).swap(true, Ordering::Relaxed)
    }

    /// Counts bytes received from, and sent to, the client.
    pub fn add(&self, received: u64, sent: u64) {
        self.received.fetch_add(received, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
    }

    /// Bytes received from the client.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes sent to the client.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Session {
    /// What the rules of the account are checked against.
    pub fn facts(&self) -> LoginFacts<'_> {
        LoginFacts { address: self.connection.remote.ip(), method: self.method, factors: &self.factors }
    }

    /// Hooks were told of the end of the session, or need not be: its record, if there is one, is removed.
    pub(crate) fn is_settled(&self) {
        if let Some(records) = self.live.records() {
            records.remove(&self.id);
        }
    }

    /// The hook of that name was told of the end of the session, and others are still to be: this is on record as well.
    pub(crate) fn end_was_told(&self, hook: &str) {
        if let Some(records) = self.live.records() {
            records.told(&self.id, hook);
        }
    }

    /// What selectors of hooks are checked against.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            connection: Some(&self.connection),
            username: Some(&self.account.username),
            account: Some(&self.account),
            method: Some(self.method),
            decision: Some(self.live.file_decision()),
            ..Subject::default()
        }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndReason {
    /// The client left, or the connection broke.
    #[default]
    Logout,
    /// Nothing happened for longer than the idle timeout (A4-13).
    Idle,
    /// The time of a web session is over.
    Expired,
    /// An administrator ended the session, or a rule of its account.
    AdminClosed,
    /// The server is stopping, or was killed.
    ServerStop,
    /// The session could not begin: a hook denied it or failed.
    Error,
}

impl EndReason {
    const ALL: [Self; 6] = [Self::Logout, Self::Idle, Self::Expired, Self::AdminClosed, Self::ServerStop, Self::Error];

    /// The reason with this [name](Self::as_str).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// The name in hooks and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::AdminClosed => "admin-closed",
            Self::ServerStop => "server-stop",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EndReason;

    #[test]
    fn reasons_have_the_names_that_hooks_know() {
        // D-03: written out, so that none is spelled in another way.
        let names = ["logout", "idle", "expired", "admin-closed", "server-stop", "error"];
        assert_eq!(EndReason::ALL.map(EndReason::as_str), names);
        assert_eq!(names.map(EndReason::from_name), EndReason::ALL.map(Some));
        assert_eq!(EndReason::from_name("closed"), None);
    }
}
