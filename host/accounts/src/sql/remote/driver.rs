//! What is a database's own.

use async_trait::async_trait;
use tidegate_core::ports::{ChangeToken, Changes, Collection, StoreError};
use tokio::time::Duration;

use super::{DatabaseServerSettings, Remote, RemoteTransaction, Trouble};
use crate::sql::{Cell, Dialect, Failure, Row};

/// Speaks with one kind of database. `host` is the name for messages.
#[async_trait]
pub trait Driver: Send + Sync + Sized + 'static {
    /// One connection.
    type Connection: Send + Sync + 'static;

    /// How the database writes SQL.
    fn dialect(&self) -> &dyn Dialect;

    /// A host as messages name it.
    fn shown(&self, host: &str, port: u16) -> String;

    /// Connects to one host; the caller limits the time.
    async fn connect(
        &self,
        settings: &DatabaseServerSettings,
        place: (&str, u16),
        password: Option<&str>,
    ) -> Result<Self::Connection, StoreError>;

    /// Whether it is known that the connection has ended.
    fn is_closed(&self, connection: &Self::Connection) -> bool;

    /// The statements that begin a transaction; the server gives up before `left` is over, when the caller does.
    fn begin(&self, connection: &Self::Connection, left: Duration) -> String;

    /// Runs statements without values.
    async fn batch(&self, connection: &mut Self::Connection, host: &str, sql: &str) -> Result<(), Trouble>;

    /// Executes a rendered statement and gives its rows.
    async fn query(
        &self,
        connection: &mut Self::Connection,
        host: &str,
        sql: &str,
        values: &[Cell],
    ) -> Result<Vec<Row>, Trouble>;

    /// Executes a rendered statement and gives the number of rows that it found to change.
    async fn execute(
        &self,
        connection: &mut Self::Connection,
        host: &str,
        sql: &str,
        values: &[Cell],
    ) -> Result<u64, Trouble>;

    /// As [`Transaction::add`](crate::sql::Transaction::add).
    async fn add(
        transaction: &mut RemoteTransaction<Self>,
        collection: &'static Collection,
        insert: &str,
        values: Vec<Cell>,
        names: &[&str],
    ) -> Result<Vec<i64>, Failure>;

    /// Announces changes; gives the number of the last one where it is time to [`forget`](Self::forget) older ones.
    async fn announce(
        transaction: &mut RemoteTransaction<Self>,
        objects: &[(&'static str, String)],
    ) -> Result<Option<i64>, Failure>;

    /// Forgets announcements that are older than the last ones, in a transaction of its own.
    async fn forget(transaction: &mut RemoteTransaction<Self>, last: i64) -> Result<(), Failure>;

    /// A statement, with its values, that gives the names of the columns of the table of accounts that may be read.
    fn columns(&self) -> (&'static str, Vec<Cell>);

    /// A column of texts as an expression that is ordered byte by byte.
    fn by_bytes(&self, column: &str) -> String;

    /// As [`Database::changes`](crate::sql::Database::changes).
    async fn changes(database: &Remote<Self>, since: Option<&ChangeToken>) -> Result<Changes, StoreError>;
}
