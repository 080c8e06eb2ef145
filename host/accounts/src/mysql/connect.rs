//! Connections to MySQL and MariaDB, and statements on them.

use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, Opts, SslOpts};
use tidegate_core::ports::{ChangeToken, Changes, Collection, StoreError};
use tokio::time::Duration;

use super::dialect::MysqlDialect;
use super::{adding, cells, changes, errors, options};
use crate::sql::remote::{
    DatabaseServerSettings, Driver, Remote, RemoteTransaction, TlsMode, Trouble, is_path, unreachable,
};
use crate::sql::{Cell, Dialect, Failure, Row};

/// How long a connection that is not used is kept by the server longer than by the pool.
const SPARE_TIME: Duration = Duration::from_secs(60);

/// Speaks with MySQL and MariaDB.
pub struct Mysql {
    pub dialect: MysqlDialect,
    options: Opts,
}

/// One connection.
pub struct Connection {
    pub conn: Conn,
    /// Whether it is MariaDB, which can end transactions whose program is gone.
    pub is_mariadb: bool,
}

impl Mysql {
    pub fn new(settings: &DatabaseServerSettings) -> Result<Self, StoreError> {
        Ok(Self { dialect: MysqlDialect(settings.tables.clone()), options: options::common(settings)? })
    }

    async fn conn(
        &self,
        settings: &DatabaseServerSettings,
        place: (&str, u16),
        password: Option<&str>,
    ) -> Result<Conn, Error> {
        let options = options::of_host(&self.options, place, password);
        match Conn::new(options.clone()).await {
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) if settings.tls == TlsMode::Prefer => {
                Conn::new(options.ssl_opts(None::<SslOpts>)).await
            }
            outcome => outcome,
        }
    }
}

#[async_trait]
impl Driver for Mysql {
    type Connection = Connection;

    fn dialect(&self) -> &dyn Dialect {
        &self.dialect
    }

    fn shown(&self, host: &str, port: u16) -> String {
        if is_path(host) { options::socket(host) } else { format!("{host}:{port}") }
    }

    async fn connect(
        &self,
        settings: &DatabaseServerSettings,
        (host, port): (&str, u16),
        password: Option<&str>,
    ) -> Result<Connection, StoreError> {
        let shown = self.shown(host, port);
        let failed = |error: Error| errors::of_connecting(&error, &shown);
        let mut conn = self.conn(settings, (host, port), password).await.map_err(failed)?;
        let asked = conn.query_first("SELECT VERSION(), CAST(@@GLOBAL.read_only AS CHAR)").await.map_err(failed)?;
        let (version, read_only): (String, String) = asked.unwrap_or_default();
        if settings.only_writable && !["0", "OFF"].contains(&read_only.as_str()) {
            return Err(unreachable(
                &shown,
                &"it does not allow writes (its read_only is on)",
                "name the primary in data_provider.host",
            ));
        }
        let is_mariadb = version.contains("MariaDB");
        let idle = settings.max_age.max(Duration::from_secs(1)).saturating_add(SPARE_TIME);
        conn.query_drop(session(is_mariadb, idle)).await.map_err(failed)?;
        Ok(Connection { conn, is_mariadb })
    }

    fn columns(&self) -> (&'static str, Vec<Cell>) {
        let sql =
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?";
        (sql, vec![self.dialect.table("users").trim_matches('`').into()])
    }

    fn by_bytes(&self, column: &str) -> String {
        // Names are compared with parameters in UTF-8, whatever the table of another program has.
        format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY)")
    }

    fn is_closed(&self, connection: &Connection) -> bool {
        connection.conn.is_disconnected()
    }

    fn begin(&self, connection: &Connection, left: Duration) -> String {
        // The server's clock starts later than the client's: its answer has to come before the client gives up.
        let seconds = (left * 3 / 4).as_secs().max(1);
        let idle = if connection.is_mariadb {
            format!(", idle_transaction_timeout = {}", seconds.saturating_mul(2))
        } else {
            String::new()
        };
        format!(
            "SET SESSION innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}{idle}; START TRANSACTION READ WRITE"
        )
    }

    async fn batch(&self, connection: &mut Connection, host: &str, sql: &str) -> Result<(), Trouble> {
        connection.conn.query_drop(sql).await.map_err(|error| errors::of_statement(&error, host))
    }

    async fn query(
        &self,
        connection: &mut Connection,
        host: &str,
        sql: &str,
        values: &[Cell],
    ) -> Result<Vec<Row>, Trouble> {
        let rows = connection.conn.exec_map(sql, cells::parameters(values), cells::row).await;
        rows.map_err(|error| errors::of_statement(&error, host))
    }

    async fn execute(
        &self,
        connection: &mut Connection,
        host: &str,
        sql: &str,
        values: &[Cell],
    ) -> Result<u64, Trouble> {
        let done = connection.conn.exec_drop(sql, cells::parameters(values)).await;
        done.map_err(|error| errors::of_statement(&error, host))?;
        Ok(connection.conn.affected_rows())
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

/// The first statements of a connection: nothing depends on how the server is configured. `idle`: when the server may end
/// a connection that is not used.
fn session(is_mariadb: bool, idle: Duration) -> String {
    let status = if is_mariadb { "information_schema.global_status" } else { "performance_schema.global_status" };
    format!(
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin; \
         SET SESSION autocommit = 1, time_zone = '+00:00', wait_timeout = {}, \
         sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SET @tidegate_origin = (SELECT CONCAT(@@hostname, ' ', @@port, ' ', UNIX_TIMESTAMP() - CAST(variable_value AS SIGNED)) \
         FROM {status} WHERE LOWER(variable_name) = 'uptime')",
        idle.as_secs()
    )
}

/// The id that the last statement made or named.
pub fn last_id(connection: &Connection) -> i64 {
    connection.conn.last_insert_id().and_then(|id| i64::try_from(id).ok()).unwrap_or_default()
}
