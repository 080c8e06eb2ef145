//! Whether the file is still as it was (`PRAGMA data_version`), whichever connection of whichever program writes to it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tidegate_core::ports::Stamp;

/// A connection of which nothing but the version of its data is asked: other connections count differently, and it sees the
/// changes of those of this server because it makes none itself.
pub struct Stamps(Mutex<Connection>);

impl Stamps {
    /// # Errors
    /// The connection cannot be told not to wait.
    pub fn new(connection: Connection) -> Result<Self, rusqlite::Error> {
        connection.busy_timeout(Duration::ZERO)?;
        Ok(Self(Mutex::new(connection)))
    }

    /// None: the file cannot be looked at without waiting.
    pub fn current(&self) -> Option<Stamp> {
        // A look takes some microseconds; those who come meanwhile wait for it.
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare_cached("PRAGMA data_version").ok()?;
        statement.query_row([], |row| row.get(0)).ok().map(Stamp)
    }
}
