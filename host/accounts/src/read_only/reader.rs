//! What a database has to do for accounts that are only read.

use async_trait::async_trait;
use tidegate_core::ports::StoreError;

use crate::sql::{Cell, Patience, Row};

/// A database of which one table, `{users}`, is read. Statements are written with `?` for a parameter.
#[async_trait]
pub trait Reader: Send + Sync + 'static {
    /// The names of the columns of `{users}`; none: there is no such table or view, or it cannot be seen.
    async fn columns(&self) -> Result<Vec<String>, StoreError>;

    /// Reads rows with one statement.
    async fn query(&self, patience: Patience, sql: &str, values: Vec<Cell>) -> Result<Vec<Row>, StoreError>;

    /// A column of texts as an expression that is ordered, and compared, byte by byte.
    fn by_bytes(&self, column: &str) -> String {
        column.to_owned()
    }

    /// The table as messages name it.
    fn place(&self) -> String;
}
