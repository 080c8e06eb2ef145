//! A table or a view of accounts that is only read. The role needs SELECT on it, and nothing else.

use async_trait::async_trait;
use tidegate_core::ports::StoreError;

use super::{Connector, Driver, Remote};
use crate::read_only::{AccountTable, Reader};
use crate::sql::remote::apart;
use crate::sql::{Cell, Database, Patience, Row};

/// Looks at the table of accounts, and changes nothing. `connector` makes connections to the database. Blocks the
/// thread; the connections of the table are made later, on the runtime of its callers.
pub fn read_only<D: Driver>(
    connector: impl Fn() -> Result<Connector<D>, StoreError>,
) -> Result<AccountTable<Remote<D>>, StoreError> {
    let table = apart(AccountTable::open(Remote::new(connector()?)?))?;
    Ok(table.through(Remote::new(connector()?)?))
}

#[async_trait]
impl<D: Driver> Reader for Remote<D> {
    async fn columns(&self) -> Result<Vec<String>, StoreError> {
        let (sql, values) = self.connector().driver.columns();
        let rows = Database::query(self, Patience::Long, sql, values).await?;
        rows.into_iter().map(|mut row| row.text(0)).collect()
    }

    async fn query(&self, patience: Patience, sql: &str, values: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        Database::query(self, patience, sql, values).await
    }

    fn by_bytes(&self, column: &str) -> String {
        self.connector().driver.by_bytes(column)
    }

    fn place(&self) -> String {
        let connector = self.connector();
        format!("table or view {} in the database at {}", connector.driver.dialect().table("users"), connector.hosts())
    }
}
