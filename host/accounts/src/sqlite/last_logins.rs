//! Times of logins that wait to be stored: a transaction for each would take longer than the rest of a login.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, params};

/// How long to wait for more times before they are stored.
const GATHERING_TIME: Duration = Duration::from_millis(20);

pub struct LastLogins {
    /// Milliseconds since 1970, by the account's ID.
    pending: Mutex<HashMap<i64, i64>>,
    connection: Arc<Mutex<Connection>>,
}

impl LastLogins {
    pub fn new(connection: Arc<Mutex<Connection>>) -> Arc<Self> {
        Arc::new(Self { pending: Mutex::default(), connection })
    }

    pub fn record(self: &Arc<Self>, id: i64, at: i64) {
        let mut pending = self.pending();
        let is_first = pending.is_empty();
        pending.insert(id, at);
        drop(pending);
        if is_first {
            tokio::spawn(store_until_none_is_left(self.clone()));
        }
    }

    /// A login time that is not stored yet, which readers use instead of the stored one.
    pub fn pending_of(&self, id: i64) -> Option<i64> {
        self.pending().get(&id).copied()
    }

    /// Stores the waiting times. Returns `true` if others arrived meanwhile.
    pub fn store(&self) -> bool {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let times = self.pending().clone();
        if let Err(error) = store(&mut connection, &times) {
            tracing::warn!(sender = "login", message = format!("the times of logins could not be stored: {error}"));
        }
        // Removed only now: until then readers find the times here.
        let mut pending = self.pending();
        pending.retain(|id, at| times.get(id) != Some(at));
        !pending.is_empty()
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<i64, i64>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn store_until_none_is_left(logins: Arc<LastLogins>) {
    loop {
        tokio::time::sleep(GATHERING_TIME).await;
        let this = logins.clone();
        if !tokio::task::spawn_blocking(move || this.store()).await.unwrap_or(false) {
            return;
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
