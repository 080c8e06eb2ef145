//! Accounts that another program keeps, and everything else in stores of the server's own (A8-17).

mod directory;
mod own;
mod reader;
mod table;
mod token;

use std::sync::Arc;

use tidegate_core::ports::Stores;
use tokio::time::Instant;

pub use reader::Reader;
pub use table::AccountTable;

/// Accounts of a table or a view that is only read. Everything else is kept in the server's own stores: folders,
/// groups and roles, audit records, records of hook calls, values of plugins.
pub struct ReadOnlyAccounts<R: Reader> {
    accounts: AccountTable<R>,
    own: Arc<dyn Stores>,
    /// Times in tokens are counted from here.
    started: Instant,
}

impl<R: Reader> ReadOnlyAccounts<R> {
    /// The accounts of `accounts`, with all other stores in `own`.
    pub fn new(accounts: AccountTable<R>, own: Arc<dyn Stores>) -> Self {
        Self { accounts, own, started: Instant::now() }
    }
}

#[cfg(test)]
mod tests;
