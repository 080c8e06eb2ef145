//! Times of logins on their way to the database: a transaction for each would take longer than
//! the rest of a login.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, params};

/// Before they are stored, more may come.
const GATHERING_TIME: Duration = Duration::from_millis(20);

pub struct LastLogins {
    /// Account's id → milliseconds since 1970.
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

    /// What is not stored yet is as good as stored.
    pub fn pending_of(&self, id: i64) -> Option<i64> {
        self.pending().get(&id).copied()
    }

    /// Says whether others came meanwhile.
    pub fn store(&self) -> bool {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let times = self.pending().clone();
        if let Err(error) = store(&mut connection, &times) {
            tracing::warn!(sender = "login", message = format!("the times of logins could not be stored: {error}"));
        }
        // Only now: until then readers find them here.
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
