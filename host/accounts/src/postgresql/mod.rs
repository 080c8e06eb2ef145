//! Stores in PostgreSQL, for one server or several that share it (ADR 22).
//!
//! Statements are sent unnamed, and nothing of a session is relied on between two transactions, so that a pooler
//! such as PgBouncer may stand between.

mod adding;
mod cells;
mod changes;
mod connect;
mod dialect;
mod errors;
mod migrations;
mod tls;

use std::sync::Arc;

use tidegate_core::ports::{StoreError, Stores};

use connect::Postgresql;
pub use migrations::MIGRATIONS;

use crate::older::Decrypt;
use crate::read_only::ReadOnlyAccounts;
use crate::sql::remote::{Connector, DatabaseServerSettings, ForeignTable, Remote, apart, read_foreign, read_only};
use crate::sql::store::SqlStore;

/// All stores in PostgreSQL.
pub type PostgresqlDatabase = SqlStore<Remote<Postgresql>>;

impl PostgresqlDatabase {
    /// Connects, and brings the tables up to date. Blocks the thread; the connections of the store are made later,
    /// on the runtime of its callers.
    ///
    /// # Errors
    /// `Unavailable` if no host can be used, `Refused` if the tables are those of a newer program.
    pub fn open(settings: DatabaseServerSettings) -> Result<Self, StoreError> {
        Self::open_older(settings, |_| None)
    }

    /// As [`open`](Self::open); tables of the older server's first era become ours, with the secrets of file systems
    /// decrypted.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn open_older(settings: DatabaseServerSettings, decrypt: Decrypt) -> Result<Self, StoreError> {
        let connector = Connector::new(Postgresql::new(&settings)?, settings);
        apart(migrations::apply(&connector, decrypt))?;
        Ok(Self::new(Remote::new(connector)?))
    }

    /// Looks at the database, and changes nothing in it. Blocks the thread.
    ///
    /// # Errors
    /// `Refused` if [`open`](Self::open) would refuse the tables, `Unavailable` if no host can be used.
    pub fn look(settings: DatabaseServerSettings) -> Result<(), StoreError> {
        let connector = Connector::new(Postgresql::new(&settings)?, settings);
        apart(migrations::look(&connector))
    }
}

/// Reads the tables of another program's database, and changes nothing in it. `is_wanted`: whether the rows of a table
/// are read; of other tables, only the rows are counted.
///
/// # Errors
/// `Unavailable` if no host can be used; the tables cannot be read.
pub fn read_postgresql_tables(
    settings: DatabaseServerSettings,
    is_wanted: impl Fn(&str) -> bool + Sync,
) -> Result<Vec<ForeignTable>, StoreError> {
    read_foreign(Postgresql::new(&settings)?, settings, "current_schema()", '"', is_wanted)
}

/// Stores that take accounts from a table or view in PostgreSQL, which is only read, and keep everything else in `own`.
/// Blocks the thread, as opening does.
///
/// # Errors
/// `Unavailable` if no host can be used, `Refused` if the table lacks what accounts need.
pub fn read_only_postgresql(
    settings: DatabaseServerSettings,
    own: Arc<dyn Stores>,
) -> Result<Arc<dyn Stores>, StoreError> {
    let accounts = read_only(|| Ok(Connector::new(Postgresql::new(&settings)?, settings.clone())))?;
    Ok(Arc::new(ReadOnlyAccounts::new(accounts, own)))
}

#[cfg(test)]
mod failover_tests;
#[cfg(test)]
pub mod test_server;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
