//! All sessions of the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{EndReason, Session};
use crate::connection::ConnectionId;
use tokio_util::sync::CancellationToken;

/// The sessions by connection. Counting and admitting happen under one lock, so that `max_sessions` holds
/// under a race (A4-10).
#[derive(Default)]
pub struct SessionRegistry {
    sessions: Mutex<HashMap<ConnectionId, Entry>>,
    /// Accounts that were changed lately: a login under way may have read the earlier document.
    changed: Mutex<HashMap<String, Instant>>,
    /// When what any account may have was changed last, such as a group; None: not yet.
    all_changed: Mutex<Option<Instant>>,
}

/// Longer than a login may take.
const LONGEST_LOGIN: Duration = Duration::from_secs(180);

struct Entry {
    username: String,
    close: CancellationToken,
    /// None until the login is complete.
    session: Option<Arc<Session>>,
}

/// A connection's place in the registry; free again when this is dropped.
pub struct SessionSlot {
    registry: Arc<SessionRegistry>,
    connection: ConnectionId,
}

impl SessionSlot {
    /// The login is complete: [`SessionRegistry::sessions`] shows the session from now on.
    pub fn begin(&self, session: Arc<Session>) {
        if let Some(entry) = self.registry.lock().get_mut(&self.connection) {
            entry.session = Some(session);
        }
    }
}

impl SessionRegistry {
    /// A place for one more session of `username`; none if the account has `max` already (0: no limit).
    /// `close` is triggered when the session is to end.
    pub fn admit(
        self: &Arc<Self>,
        connection: &ConnectionId,
        username: &str,
        max: u32,
        close: CancellationToken,
    ) -> Option<SessionSlot> {
        let mut sessions = self.lock();
        let active = sessions.values().filter(|entry| entry.username == username).count();
        if max > 0 && active >= max as usize {
            return None;
        }
        sessions.insert(connection.clone(), Entry { username: username.to_owned(), close, session: None });
        Some(SessionSlot { registry: self.clone(), connection: connection.clone() })
    }

    /// Notes that an account was changed, for [`changed_since`](Self::changed_since).
    pub fn note_change(&self, username: &str) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.retain(|_, at| at.elapsed() < LONGEST_LOGIN);
        changed.insert(username.to_owned(), Instant::now());
    }

    /// Notes that something was changed that any account may have, such as a group: who is about to log in with it is
    /// not known.
    pub fn note_change_of_all(&self) {
        *self.all_changed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a change was noted after `read_at`, so that an account read then may be out of date.
    pub fn changed_since(&self, username: &str, read_at: Instant) -> bool {
        let all_changed = *self.all_changed.lock().unwrap_or_else(PoisonError::into_inner);
        if all_changed.is_some_and(|noted| noted >= read_at) {
            return true;
        }
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.get(username).is_some_and(|noted| *noted >= read_at)
    }

    /// Orders the session of a connection to end; false if there is none.
    pub fn close(&self, connection: &ConnectionId, reason: EndReason) -> bool {
        let sessions = self.lock();
        let Some(entry) = sessions.get(connection) else {
            return false;
        };
        if let Some(session) = &entry.session {
            session.live.ends_because(reason);
        }
        entry.close.cancel();
        true
    }

    /// The sessions whose login is complete, the oldest first.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        let mut sessions: Vec<_> = self.lock().values().filter_map(|entry| entry.session.clone()).collect();
        sessions.sort_by(|a, b| (a.opened_at, &a.id).cmp(&(b.opened_at, &b.id)));
        sessions
    }

    /// The sessions of one account whose login is complete.
    pub fn sessions_of(&self, username: &str) -> Vec<Arc<Session>> {
        let sessions = self.lock();
        let of_user = sessions.values().filter(|entry| entry.username == username);
        of_user.filter_map(|entry| entry.session.clone()).collect()
    }

    /// The number of places taken, also by logins that are not complete.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no place is taken.
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
        // A4-10
        let registry = Arc::new(SessionRegistry::default());
        let admit = |connection: &str, user: &str, max| {
            registry.admit(&ConnectionId::new(connection), user, max, CancellationToken::new())
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
                        registry.admit(&ConnectionId::new(number.to_string()), "alice", 5, CancellationToken::new())
                    })
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(slots.len(), 5);
    }
}
