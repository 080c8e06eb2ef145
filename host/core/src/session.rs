//! Sessions, and their registry: who is logged in, how many, and the switch that ends one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::account::Account;
use crate::connection::{Connection, ConnectionId, LoginMethod};
use crate::hook::Subject;
use crate::secret::Secret;

/// An account that logged in, and the connection it did so on.
#[derive(Debug)]
pub struct Session {
    /// That of its connection: there is one session a connection (D-02).
    pub id: ConnectionId,
    pub connection: Arc<Connection>,
    pub account: Arc<Account>,
    /// As the client sent it; the account's name may be another (A11-25).
    pub username: String,
    pub method: LoginMethod,
    /// What the client logged in with, for hooks that are granted it (D-15).
    pub password: Option<Secret>,
    /// Milliseconds since 1970.
    pub opened_at: i64,
    pub traffic: Traffic,
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
    pub fn of(account: &Account) -> Self {
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

/// All sessions of the server. Counting and admitting happen under one lock, so that
/// `max_sessions` holds under a race (A4-10).
#[derive(Default)]
pub struct SessionRegistry {
    sessions: Mutex<HashMap<ConnectionId, Entry>>,
}

struct Entry {
    username: String,
    close: Arc<Notify>,
}

/// A place in the registry, given back when dropped.
pub struct SessionSlot {
    registry: Arc<SessionRegistry>,
    connection: ConnectionId,
}

impl SessionRegistry {
    /// A place for one more session of `username`, or none if it has `max` already (0: no
    /// limit). `close` is notified when the session is to end.
    pub fn admit(
        self: &Arc<Self>,
        connection: &ConnectionId,
        username: &str,
        max: u32,
        close: Arc<Notify>,
    ) -> Option<SessionSlot> {
        let mut sessions = self.lock();
        let active = sessions.values().filter(|entry| entry.username == username).count();
        if max > 0 && active >= max as usize {
            return None;
        }
        sessions.insert(connection.clone(), Entry { username: username.to_owned(), close });
        Some(SessionSlot { registry: self.clone(), connection: connection.clone() })
    }

    /// Ends the sessions of one account; says how many.
    pub fn close_sessions_of(&self, username: &str) -> usize {
        let sessions = self.lock();
        let closing = sessions.values().filter(|entry| entry.username == username);
        closing.map(|entry| entry.close.notify_one()).count()
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A panic elsewhere cannot leave the map half changed: every change is one call.
    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_per_account_and_places_come_back() {
        let registry = Arc::new(SessionRegistry::default());
        let admit = |connection: &str, user: &str, max| {
            registry.admit(&ConnectionId::new(connection), user, max, Arc::new(Notify::new()))
        };
        let first = admit("1", "alice", 1);
        assert!(first.is_some());
        assert!(admit("2", "alice", 1).is_none());
        let _bob = admit("3", "bob", 1).unwrap();
        drop(first);
        assert!(admit("4", "alice", 1).is_some());
    }

    #[test]
    fn the_limit_holds_under_a_race() {
        // A4-10
        let registry = Arc::new(SessionRegistry::default());
        let slots: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..32)
                .map(|number| {
                    let registry = registry.clone();
                    scope.spawn(move || {
                        registry.admit(&ConnectionId::new(number.to_string()), "alice", 5, Arc::new(Notify::new()))
                    })
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(slots.len(), 5);
    }
}
