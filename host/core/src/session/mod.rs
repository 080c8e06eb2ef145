//! Sessions, and their registry: who is logged in, what is under way, and the switch that
//! ends one.

mod close_signal;
mod kept_password;
mod live;
mod registry;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use close_signal::CloseSignal;
pub use kept_password::KeptPassword;
pub use live::{ActiveTransfer, LiveSession, TransferView};
pub use registry::{SessionRegistry, SessionSlot};
pub use watch::SessionWatch;

use crate::account::{EffectiveAccount, Factors, LoginFacts};
use crate::connection::{Connection, ConnectionId, LoginMethod};
use crate::hook::Subject;

/// An account that logged in, and the connection it did so on.
#[derive(Debug)]
pub struct Session {
    /// That of its connection: there is one session a connection (D-02).
    pub id: ConnectionId,
    pub connection: Arc<Connection>,
    /// As it was at the login; [`LiveSession::account`] is as it is now.
    pub account: Arc<EffectiveAccount>,
    /// As the client sent it; the account's name may be another (A11-25).
    pub username: String,
    pub method: LoginMethod,
    /// What was proved for it.
    pub factors: Factors,
    /// What the client logged in with, while a hook is to be given it (D-15).
    pub password: KeptPassword,
    /// Milliseconds since 1970.
    pub opened_at: i64,
    pub traffic: Traffic,
    /// What may change while it lasts.
    pub live: LiveSession,
}

/// Bytes of files moved so far.
#[derive(Debug, Default)]
pub struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    downloaded: AtomicBool,
    uploaded: AtomicBool,
}

impl Traffic {
    /// Of a session whose account may have moved files before.
    pub fn of(account: &EffectiveAccount) -> Self {
        let before = |at: i64| AtomicBool::new(at > 0);
        let (downloaded, uploaded) = (before(account.usage.first_download), before(account.usage.first_upload));
        Self { downloaded, uploaded, ..Self::default() }
    }

    fn moved(&self, upload: bool) -> &AtomicBool {
        if upload { &self.uploaded } else { &self.downloaded }
    }

    /// Whether no file is known to have moved that way.
    pub fn may_be_first(&self, upload: bool) -> bool {
        !self.moved(upload).load(Ordering::Relaxed)
    }

    /// True for the first caller.
    pub fn take_first(&self, upload: bool) -> bool {
        !self.moved(upload).swap(true, Ordering::Relaxed)
    }

    pub fn add(&self, received: u64, sent: u64) {
        self.received.fetch_add(received, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
    }

    /// From the client.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// To the client.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Session {
    /// What the rules of its account are about.
    pub fn facts(&self) -> LoginFacts<'_> {
        LoginFacts { address: self.connection.remote.ip(), method: self.method, factors: &self.factors }
    }

    pub fn subject(&self) -> Subject<'_> {
        Subject {
            connection: Some(&self.connection),
            username: Some(&self.account.username),
            account: Some(&self.account),
            method: Some(self.method),
            ..Subject::default()
        }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndReason {
    #[default]
    Logout,
    Idle,
    AdminClosed,
    ServerStop,
    Error,
}

impl EndReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Idle => "idle",
            Self::AdminClosed => "admin-closed",
            Self::ServerStop => "server-stop",
            Self::Error => "error",
        }
    }
}
