//! Connections to PostgreSQL, and statements on them.

use async_trait::async_trait;
use tidegate_core::ports::{ChangeToken, Changes, Collection, StoreError};
use tokio::time::Duration;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config};

use super::dialect::PostgresqlDialect;
use super::tls::Tls;
use super::{adding, cells, changes, errors};
use crate::sql::remote::{DatabaseServerSettings, Driver, Remote, RemoteTransaction, TlsMode, Trouble, is_path};
use crate::sql::{Cell, Dialect, Failure, Row};

/// Speaks with PostgreSQL.
pub struct Postgresql {
    pub dialect: PostgresqlDialect,
    tls: Tls,
}

impl Postgresql {
    pub fn new(settings: &DatabaseServerSettings) -> Result<Self, StoreError> {
        Ok(Self { dialect: PostgresqlDialect(settings.tables.clone()), tls: Tls::new(settings)? })
    }
}

#[async_trait]
impl Driver for Postgresql {
    type Connection = Client;

    fn dialect(&self) -> &dyn Dialect {
        &self.dialect
    }

    fn shown(&self, host: &str, port: u16) -> String {
        if is_path(host) { format!("{host}/.s.PGSQL.{port}") } else { format!("{host}:{port}") }
    }

    async fn connect(
        &self,
        settings: &DatabaseServerSettings,
        (host, port): (&str, u16),
        password: Option<&str>,
    ) -> Result<Client, StoreError> {
        let connected = config(settings, host, port, password).connect(self.tls.clone()).await;
        let (client, connection) = connected.map_err(|error| errors::of_connecting(&error, &self.shown(host, port)))?;
        // It ends with the client; its errors are those of the statements.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(client)
    }

    fn columns(&self) -> (&'static str, Vec<Cell>) {
        let sql = "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 \
                   AND NOT attisdropped AND has_column_privilege(attrelid, attnum, 'SELECT')";
        (sql, vec![self.dialect.table("users").into()])
    }

    fn by_bytes(&self, column: &str) -> String {
        format!("{column} COLLATE \"C\"")
    }

    fn is_closed(&self, client: &Client) -> bool {
        client.is_closed()
    }

    fn begin(&self, _: &Client, left: Duration) -> String {
        // The server's clock starts later than the client's: its answer has to come before the client gives up.
        let left = (left.as_millis() * 3 / 4).max(1);
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {left}; SET LOCAL lock_timeout = {left}; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            left.saturating_mul(2)
        )
    }

    async fn batch(&self, client: &mut Client, host: &str, sql: &str) -> Result<(), Trouble> {
        client.batch_execute(sql).await.map_err(|error| errors::of_statement(&error, host))
    }

    async fn query(&self, client: &mut Client, host: &str, sql: &str, values: &[Cell]) -> Result<Vec<Row>, Trouble> {
        let rows = client.query_typed(sql, &parameters(values)).await;
        let rows = rows.and_then(|rows| rows.iter().map(cells::row).collect());
        rows.map_err(|error| errors::of_statement(&error, host))
    }

    async fn execute(&self, client: &mut Client, host: &str, sql: &str, values: &[Cell]) -> Result<u64, Trouble> {
        let done = client.execute_typed(sql, &parameters(values)).await;
        done.map_err(|error| errors::of_statement(&error, host))
    }

    async fn add(
        transaction: &mut RemoteTransaction<Self>,
        collection: &'static Collection,
        insert: &str,
        values: Vec<Cell>,
        names: &[&str],
    ) -> Result<Vec<i64>, Failure> {
        adding::add(transaction, collection, insert, values, names).await
    }

    async fn announce(
        transaction: &mut RemoteTransaction<Self>,
        objects: &[(&'static str, String)],
    ) -> Result<Option<i64>, Failure> {
        changes::announce(transaction, objects).await
    }

    async fn forget(transaction: &mut RemoteTransaction<Self>, last: i64) -> Result<(), Failure> {
        changes::forget(transaction, last).await
    }

    async fn changes(database: &Remote<Self>, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        changes::since(database, since).await
    }
}

/// Values with the types as which they are sent.
fn parameters(values: &[Cell]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    values.iter().map(|cell| (cell as &(dyn ToSql + Sync), cells::type_of(cell))).collect()
}

fn config(settings: &DatabaseServerSettings, host: &str, port: u16, password: Option<&str>) -> Config {
    let mut config = Config::new();
    config.host(host).port(port).user(&settings.username).dbname(&settings.database);
    config.application_name("tidegate").connect_timeout(settings.connect_limit());
    // Data that stays unacknowledged means that the host is gone.
    config.tcp_user_timeout(settings.answer_timeout * 5);
    if let Some(password) = password {
        config.password(password);
    }
    config.ssl_mode(match settings.tls {
        _ if is_path(host) => SslMode::Disable,
        TlsMode::Disable => SslMode::Disable,
        TlsMode::Prefer => SslMode::Prefer,
        TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
    });
    if settings.only_writable {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    config
}
