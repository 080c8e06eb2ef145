//! Times of logins that wait to be stored: a transaction for each would take longer than the rest of a login.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::sql::logins::PendingLogins;

/// How long to wait for more times before they are stored.
const GATHERING_TIME: Duration = Duration::from_millis(20);
/// How long to wait after the database could not be written.
const PAUSE: Duration = Duration::from_secs(5);

pub struct LastLogins {
    pending: PendingLogins,
    connection: Arc<Mutex<Connection>>,
}

impl LastLogins {
    pub fn new(connection: Arc<Mutex<Connection>>) -> Arc<Self> {
        Arc::new(Self { pending: PendingLogins::default(), connection })
    }

    pub fn record(self: &Arc<Self>, id: i64, at: i64) {
        if self.pending.add(id, at) {
            tokio::spawn(store_until_none_is_left(Arc::downgrade(self)));
        }
    }

    /// A login time that is not stored yet, which readers use instead of the stored one.
    pub fn pending_of(&self, id: i64) -> Option<i64> {
        self.pending.of(id)
    }

    /// Whether there are times that are not stored yet.
    pub fn are_waiting(&self) -> bool {
        self.pending.are_waiting()
    }

    /// Stores the waiting times; those that cannot be stored go on waiting. Returns when to store those that are left.
    pub fn store(&self) -> Option<Duration> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let times = self.pending.all();
        if let Err(error) = store(&mut connection, &times) {
            tracing::warn!(sender = "login", message = format!("the times of logins wait to be stored: {error}"));
            return Some(PAUSE);
        }
        self.pending.remove(&times).then_some(GATHERING_TIME)
    }
}

async fn store_until_none_is_left(logins: Weak<LastLogins>) {
    let mut pause = GATHERING_TIME;
    loop {
        tokio::time::sleep(pause).await;
        // A database that was dropped has stored its times.
        let Some(logins) = logins.upgrade() else { return };
        match tokio::task::spawn_blocking(move || logins.store()).await {
            Ok(Some(next)) => pause = next,
            Ok(None) | Err(_) => return,
        }
    }
}

fn store(connection: &mut Connection, times: &HashMap<i64, i64>) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    for (id, at) in times {
        let mut statement = transaction.prepare_cached("UPDATE users SET last_login = ?1 WHERE id = ?2")?;
        statement.execute(params![at, id])?;
    }
    transaction.commit()
}
