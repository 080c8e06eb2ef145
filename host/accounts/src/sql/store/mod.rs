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
use std::sync::atomic::{AtomicU32, Ordering};

use tidegate_core::ports::{Clock, Collection, StoreError, SystemClock};

use super::logins::PendingLogins;
use super::tables_version::TablesVersion;
use super::{Cell, Database, Failure, Patience, Row, Transaction};

/// All stores of a server in one database.
pub struct SqlStore<D: Database> {
    database: Arc<D>,
    /// The times of logins that are not stored yet.
    logins: Arc<PendingLogins>,
    /// Says when plugins' values expire.
    clock: Arc<dyn Clock>,
    /// Counts the looks for changes: with some of them, the database itself is looked at.
    looks: AtomicU32,
    version: TablesVersion,
}

/// With one in so many looks for changes, the version of the tables and the host are looked at.
const LOOKS_BETWEEN: u32 = 10;

impl<D: Database> SqlStore<D> {
    /// The stores in a database whose tables are up to date.
    pub fn new(database: D) -> Self {
        let clock = Arc::new(SystemClock);
        let version = TablesVersion::new(database.dialect().known_version());
        Self { database: Arc::new(database), logins: Arc::default(), clock, looks: AtomicU32::new(0), version }
    }

    /// Looks from time to time at the version of the tables, and whether the host still takes writes. A newer release has
    /// taken the database over where the version is greater than the one that this server knows; what is changed on a new
    /// primary is not seen on the old one. Neither must decide about logins any more.
    async fn look_at_database(&self) -> Result<(), StoreError> {
        let is_time = self.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOKS_BETWEEN);
        if is_time || self.version.is_newer() {
            let refuses_writes = self.database.dialect().refuses_writes();
            let sql = format!("SELECT COALESCE(MAX(version), 0), {refuses_writes} FROM {{tidegate_version}}");
            let rows = self.database.query(Patience::Short, &sql, Vec::new()).await?;
            let seen = first(rows, |mut row| Ok((row.integer(0)?, row.integer(1)?)))?;
            let (version, refuses_writes) = seen.unwrap_or_default();
            if refuses_writes != 0 {
                self.database.leave_host();
            }
            self.version.note(version);
        }
        self.version.check()
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
