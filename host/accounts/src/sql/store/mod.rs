//! The stores, written once over a [`Database`].

mod audit;
mod batches;
mod directory;
mod hook_runs;
mod last_logins;
mod plugin_values;
mod usages;
mod writing;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use tidegate_core::ports::{Clock, Collection, StoreError, SystemClock};

use super::logins::PendingLogins;
use super::{Cell, Database, Failure, Patience, Row, Transaction};

/// All stores of a server in one database.
pub struct SqlStore<D: Database> {
    database: Arc<D>,
    /// The times of logins that are not stored yet.
    logins: Arc<PendingLogins>,
    /// Says when plugins' values expire.
    clock: Arc<dyn Clock>,
    /// Counts the looks for changes: with some of them, the version of the tables is looked at.
    looks: AtomicU32,
    /// The version of the tables, once a newer release has changed them while this server runs; otherwise 0.
    newer: AtomicI64,
}

/// With one in so many looks for changes, the version of the tables is looked at.
const LOOKS_BETWEEN: u32 = 10;

impl<D: Database> SqlStore<D> {
    /// The stores in a database whose tables are up to date.
    pub fn new(database: D) -> Self {
        let clock = Arc::new(SystemClock);
        let (looks, newer) = (AtomicU32::new(0), AtomicI64::new(0));
        Self { database: Arc::new(database), logins: Arc::default(), clock, looks, newer }
    }

    /// Looks at the version of the tables from time to time. A newer release has taken the database over where it is
    /// greater than the one that this server knows: it must not decide about logins any more.
    async fn look_at_version(&self) -> Result<(), StoreError> {
        let is_newer = self.newer.load(Ordering::Relaxed) != 0;
        if self.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOKS_BETWEEN) || is_newer {
            let sql = "SELECT COALESCE(MAX(version), 0) FROM {tidegate_version}";
            let rows = self.database.query(Patience::Short, sql, Vec::new()).await?;
            let version = first(rows, |mut row| row.integer(0))?.unwrap_or(0);
            let newer = if version > self.database.dialect().known_version() { version } else { 0 };
            self.newer.store(newer, Ordering::Relaxed);
            if let (false, Err(error)) = (is_newer, self.check_version()) {
                tracing::error!(sender = "data_provider", message = error.to_string());
            }
        }
        self.check_version()
    }

    /// # Errors
    /// `Unavailable`: the tables were found to be those of a newer release.
    fn check_version(&self) -> Result<(), StoreError> {
        match self.newer.load(Ordering::Relaxed) {
            0 => Ok(()),
            newer => Err(StoreError::Unavailable(format!(
                "a newer release has brought the database to version {newer}, and this server knows versions up to {}: \
                 update it; until then it refuses logins",
                self.database.dialect().known_version()
            ))),
        }
    }

    /// Lets plugins' values expire by `clock`, and not by that of the host.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl<D: Database> Drop for SqlStore<D> {
    fn drop(&mut self) {
        // No further login can arrive.
        last_logins::store_at_the_end(&*self.database, &self.logins);
    }
}

/// The table of a collection, as statements have it before they are rendered.
fn table(collection: &Collection) -> String {
    format!("{{{}}}", collection.table)
}

/// Takes a lock that other servers respect as well, until the end of the transaction.
async fn lock(transaction: &mut dyn Transaction, dialect: &dyn super::Dialect, name: &str) -> Result<(), Failure> {
    let look = "SELECT name FROM {locks} WHERE name = ? FOR UPDATE";
    if transaction.query(look, vec![name.into()]).await?.is_empty() {
        let insert = dialect.leaving_out_existing("INSERT INTO {locks} (name) VALUES (?)", "name");
        transaction.execute(&insert, vec![name.into()]).await?;
        transaction.query(look, vec![name.into()]).await?;
    }
    Ok(())
}

fn first<T>(rows: Vec<Row>, read: impl FnOnce(Row) -> Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    rows.into_iter().next().map(read).transpose()
}

fn limit(number: u32) -> Cell {
    Cell::Integer(number.into())
}
