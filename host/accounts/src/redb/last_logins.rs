//! Times of logins that wait to be stored: a transaction for each would take longer than the rest of a login.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use redb::WriteTransaction;
use tidegate_core::ports::{AccountKey, USERS};

use super::engine::Engine;
use super::failure::Failure;
use super::rows;

/// How long to wait for more times before they are stored.
const GATHERING_TIME: Duration = Duration::from_millis(20);
/// How long to wait after the database could not be written.
const PAUSE: Duration = Duration::from_secs(5);

type Times = HashMap<i64, (String, i64)>;

pub struct LastLogins {
    /// Usernames and milliseconds since 1970, by the account's ID.
    pending: Mutex<Times>,
    engine: Arc<Engine>,
}

impl LastLogins {
    pub fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { pending: Mutex::default(), engine })
    }

    pub fn record(self: &Arc<Self>, account: &AccountKey, at: i64) {
        let mut pending = self.pending();
        let is_first = pending.is_empty();
        pending.insert(account.id, (account.username.clone(), at));
        drop(pending);
        if is_first {
            tokio::spawn(store_until_none_is_left(Arc::downgrade(self)));
        }
    }

    /// A login time that is not stored yet, which readers use instead of the stored one.
    pub fn pending_of(&self, id: i64) -> Option<i64> {
        self.pending().get(&id).map(|(_, at)| *at)
    }

    /// Whether there are times that are not stored yet.
    pub fn are_waiting(&self) -> bool {
        !self.pending().is_empty()
    }

    /// Stores the waiting times on the caller's thread.
    pub fn store_at_end(&self) {
        let times = self.pending().clone();
        if !times.is_empty() {
            self.settle(&times, self.engine.write_now(|transaction| store(transaction, &times)));
        }
    }

    /// Stores the waiting times. Returns when to store those that are left.
    async fn store(&self) -> Option<Duration> {
        let times = Arc::new(self.pending().clone());
        let stored = times.clone();
        let outcome = self.engine.note(move |transaction| store(transaction, &stored)).await;
        self.settle(&times, outcome)
    }

    /// Forgets the times that are stored, which readers find in the store by now; those that could not be stored go on
    /// waiting. Returns when to store those that are left.
    fn settle(&self, times: &Times, outcome: Result<(), impl std::fmt::Display>) -> Option<Duration> {
        if let Err(error) = outcome {
            tracing::warn!(sender = "login", message = format!("the times of logins wait to be stored: {error}"));
            return Some(PAUSE);
        }
        let mut pending = self.pending();
        pending.retain(|id, time| times.get(id) != Some(time));
        (!pending.is_empty()).then_some(GATHERING_TIME)
    }

    fn pending(&self) -> MutexGuard<'_, Times> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn store_until_none_is_left(logins: Weak<LastLogins>) {
    let mut pause = GATHERING_TIME;
    loop {
        tokio::time::sleep(pause).await;
        // A database that was dropped has stored its times.
        let Some(logins) = logins.upgrade() else { return };
        let Some(next) = logins.store().await else { return };
        pause = next;
    }
}

fn store(transaction: &WriteTransaction, times: &Times) -> Result<(), Failure> {
    let mut accounts = rows::Maintained::open(transaction, &USERS)?;
    for (id, (username, at)) in times {
        accounts.update(username, Some(*id), |fields| fields.insert("last_login".to_owned(), *at))?;
    }
    Ok(())
}
