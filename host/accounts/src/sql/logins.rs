//! Times of logins that wait to be stored: a transaction for each would take longer than the rest of a login.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The times, in milliseconds since 1970, by the accounts' ids.
#[derive(Default)]
pub struct PendingLogins(Mutex<HashMap<i64, i64>>);

impl PendingLogins {
    /// Adds a time. Returns whether no other was waiting.
    pub fn add(&self, id: i64, at: i64) -> bool {
        let mut pending = self.pending();
        let is_first = pending.is_empty();
        pending.insert(id, at);
        is_first
    }

    /// A time that is not stored yet, which readers use instead of the stored one.
    pub fn of(&self, id: i64) -> Option<i64> {
        self.pending().get(&id).copied()
    }

    /// Whether there are any.
    pub fn are_waiting(&self) -> bool {
        !self.pending().is_empty()
    }

    /// All times that wait.
    pub fn all(&self) -> HashMap<i64, i64> {
        self.pending().clone()
    }

    /// Removes times that are stored now; until then readers find them here. Returns whether others arrived
    /// meanwhile.
    pub fn remove(&self, stored: &HashMap<i64, i64>) -> bool {
        let mut pending = self.pending();
        pending.retain(|id, at| stored.get(id) != Some(at));
        !pending.is_empty()
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<i64, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
