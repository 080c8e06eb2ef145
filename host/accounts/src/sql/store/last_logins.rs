//! Stores the times of logins a little later, many at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::ports::StoreError;

use crate::sql::logins::PendingLogins;
use crate::sql::{Cell, Database, Patience, placeholders, transact};

/// How long to wait for more times before they are stored.
const GATHERING_TIME: Duration = Duration::from_millis(20);
/// How long to wait after the database could not be written.
const PAUSE: Duration = Duration::from_secs(5);
/// The most times that one statement stores.
const ROWS_AT_ONCE: usize = 1_000;

/// Keeps a time for readers, and stores it soon.
pub fn record<D: Database>(database: &Arc<D>, logins: &Arc<PendingLogins>, id: i64, at: i64) {
    if logins.add(id, at) {
        tokio::spawn(store_until_none_is_left(database.clone(), logins.clone()));
    }
}

async fn store_until_none_is_left<D: Database>(database: Arc<D>, logins: Arc<PendingLogins>) {
    loop {
        tokio::time::sleep(GATHERING_TIME).await;
        let times = logins.all();
        if let Err(error) = store(&*database, &times).await {
            tracing::warn!(sender = "login", message = format!("the times of logins wait to be stored: {error}"));
            tokio::time::sleep(PAUSE).await;
        } else if !logins.remove(&times) {
            return;
        }
    }
}

async fn store<D: Database>(database: &D, times: &HashMap<i64, i64>) -> Result<(), StoreError> {
    let mut times: Vec<_> = times.iter().map(|(id, at)| (*id, *at)).collect();
    // Servers that store times at once take the rows in the same order, and do not wait for each other in a circle.
    times.sort_unstable();
    for some in times.chunks(ROWS_AT_ONCE) {
        let some = Arc::new(some.to_vec());
        transact(database, Patience::Short, move |transaction| {
            let some = some.clone();
            Box::pin(async move {
                let whens = "WHEN ? THEN ? ".repeat(some.len());
                let ids = placeholders(1, some.len());
                let sql = format!("UPDATE {{users}} SET last_login = CASE id {whens}END WHERE id IN {ids}");
                let whens = some.iter().flat_map(|(id, at)| [Cell::Integer(*id), Cell::Integer(*at)]);
                let ids = some.iter().map(|(id, _)| Cell::Integer(*id));
                transaction.execute(&sql, whens.chain(ids).collect()).await
            })
        })
        .await?;
    }
    Ok(())
}

/// Stores what still waits when the store is dropped.
pub fn store_at_the_end(database: &dyn Database, logins: &PendingLogins) {
    let times = logins.all();
    if !times.is_empty() {
        let rows = times.into_iter().map(|(id, at)| vec![Cell::Integer(at), Cell::Integer(id)]);
        database.at_the_end("UPDATE {users} SET last_login = ? WHERE id = ?", rows.collect());
    }
}
