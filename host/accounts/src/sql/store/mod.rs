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

use tidegate_core::ports::{Clock, Collection, StoreError, SystemClock};

use super::logins::PendingLogins;
use super::{Cell, Database, Failure, Row, Transaction};

/// All stores of a server in one database.
pub struct SqlStore<D: Database> {
    database: Arc<D>,
    /// The times of logins that are not stored yet.
    logins: Arc<PendingLogins>,
    /// Says when plugins' values expire.
    clock: Arc<dyn Clock>,
}

impl<D: Database> SqlStore<D> {
    /// The stores in a database whose tables are up to date.
    pub fn new(database: D) -> Self {
        Self { database: Arc::new(database), logins: Arc::default(), clock: Arc::new(SystemClock) }
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
