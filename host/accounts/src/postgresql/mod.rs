//! Stores in PostgreSQL, for one server or several that share it (ADR 22).
//!
//! Statements are sent unnamed, and nothing of a session is relied on between two transactions, so that a pooler
//! such as PgBouncer may stand between.

mod cells;
mod changes;
mod connect;
mod dialect;
mod errors;
mod migrations;
mod settings;
mod tls;
mod transaction;

use async_trait::async_trait;
use deadpool::managed::{Object, Pool, PoolError};
use tidegate_core::ports::{ChangeToken, Changes, StoreError};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant, timeout_at};
use tokio_postgres::types::{ToSql, Type};

use connect::Connector;
use dialect::PostgresqlDialect;
use errors::Trouble;
pub use settings::{PostgresqlSettings, TlsMode};
use transaction::PostgresqlTransaction;

use crate::sql::store::SqlStore;
use crate::sql::{Cell, Database, Deadline, Dialect, Failure, Patience, Row, Transaction};

/// The time for work on many rows.
const WORK_LIMIT: Duration = Duration::from_secs(60);
/// How often a question is asked again after a failure that may pass.
const REPETITIONS: u32 = 3;

/// All stores in PostgreSQL.
pub type PostgresqlDatabase = SqlStore<Postgresql>;

/// The executor for PostgreSQL: a pool of connections to the host that can be written.
pub struct Postgresql {
    pool: Pool<Connector>,
    dialect: PostgresqlDialect,
    /// Notified when something was changed through this database.
    committed: Notify,
}

impl PostgresqlDatabase {
    /// Connects, and brings the tables up to date. Blocks the thread; the connections of the store are made later,
    /// on the runtime of its callers.
    ///
    /// # Errors
    /// `Unavailable` if no host can be used, `Refused` if the tables are those of a newer program.
    pub fn open(settings: PostgresqlSettings) -> Result<Self, StoreError> {
        let dialect = PostgresqlDialect(settings.tables.clone());
        let connector = Connector::new(settings)?;
        apart(migrations::apply(&connector, &dialect))?;
        let size = connector.settings().pool_limit();
        let pool = Pool::builder(connector).max_size(size).build();
        let pool = pool.map_err(|error| StoreError::Failed(format!("the database cannot be used: {error}")))?;
        Ok(Self::new(Postgresql { pool, dialect, committed: Notify::new() }))
    }
}

/// Runs work to its end on a thread and a runtime of its own: the caller's runtime, if it has one, is not
/// reentered.
fn apart<T: Send>(work: impl Future<Output = Result<T, StoreError>> + Send) -> Result<T, StoreError> {
    let failed = |problem: &str| StoreError::Failed(format!("the database cannot be used: {problem}"));
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| failed(&error.to_string()))?.block_on(work)
        });
        thread.join().unwrap_or_else(|_| Err(failed("its thread ended")))
    })
}

impl Postgresql {
    fn connector(&self) -> &Connector {
        self.pool.manager()
    }

    async fn connection(&self, deadline: Deadline) -> Result<Object<Connector>, StoreError> {
        match timeout_at(deadline, self.pool.get()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(PoolError::Backend(error))) => Err(error),
            Ok(Err(error)) => Err(StoreError::Failed(format!("the database cannot be used: {error}"))),
            Err(_) => {
                let (hosts, status) = (self.connector().hosts(), self.pool.status());
                if status.size < status.max_size {
                    return Err(errors::stalled(&hosts));
                }
                Err(StoreError::Unavailable(format!(
                    "the database at {hosts} is away or overloaded: all {} connections are in use; raise data_provider.pool_size if this goes on",
                    status.size
                )))
            }
        }
    }

    /// Asks once.
    async fn ask(&self, deadline: Deadline, sql: &str, values: &[Cell]) -> Result<Vec<Row>, Failure> {
        let connection = self.connection(deadline).await?;
        let parameters = parameters(values);
        let answer = timeout_at(deadline, connection.client.query_typed(sql, &parameters)).await;
        let answer = answer.map_err(|_| errors::given_up(&connection.host));
        let rows = answer.and_then(|answer| {
            let rows = answer.and_then(|rows| rows.iter().map(cells::row).collect());
            rows.map_err(|error| errors::of_statement(&error, &connection.host))
        });
        rows.map_err(|trouble| self.give_up_if_lost(connection, trouble))
    }

    /// Keeps a connection that is lost out of the pool.
    fn give_up_if_lost(&self, connection: Object<Connector>, trouble: Trouble) -> Failure {
        if trouble.is_lost {
            self.connector().give_up(&connection);
            drop(Object::take(connection));
        }
        trouble.failure
    }
}

/// Values with the types as which they are sent.
fn parameters(values: &[Cell]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    values.iter().map(|cell| (cell as &(dyn ToSql + Sync), cells::type_of(cell))).collect()
}

#[async_trait]
impl Database for Postgresql {
    fn dialect(&self) -> &dyn Dialect {
        &self.dialect
    }

    fn deadline(&self, patience: Patience) -> Deadline {
        let answer = self.connector().settings().answer_timeout;
        Instant::now()
            + match patience {
                Patience::Short => answer,
                Patience::Long => answer.max(WORK_LIMIT),
            }
    }

    async fn query(&self, patience: Patience, sql: &str, values: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let (deadline, sql) = (self.deadline(patience), self.dialect.render(sql));
        let mut repetitions = REPETITIONS;
        loop {
            match self.ask(deadline, &sql, &values).await {
                Ok(rows) => return Ok(rows),
                Err(failure) if failure.may_be_repeated && repetitions > 0 && Instant::now() < deadline => {
                    repetitions -= 1;
                }
                Err(failure) => return Err(failure.error),
            }
        }
    }

    async fn begin(&self, deadline: Deadline) -> Result<Box<dyn Transaction>, Failure> {
        let connection = self.connection(deadline).await?;
        let mut transaction = PostgresqlTransaction::new(connection, deadline, self.dialect.clone());
        transaction.begin().await?;
        Ok(Box::new(transaction))
    }

    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        changes::since(self, since).await
    }

    fn committed(&self) -> &Notify {
        &self.committed
    }

    fn at_the_end(&self, sql: &str, values: Vec<Vec<Cell>>) {
        let sql = self.dialect.render(sql);
        let limit = self.connector().settings().answer_timeout;
        let work = async {
            let work = async {
                let connection = self.connector().connect().await?;
                for values in &values {
                    let done = connection.client.execute_typed(&sql, &parameters(values)).await;
                    done.map_err(|error| errors::of_statement(&error, &connection.host).failure.error)?;
                }
                Ok(())
            };
            let done = tokio::time::timeout(limit, work).await;
            done.unwrap_or_else(|_| Err(errors::stalled(&self.connector().hosts())))
        };
        if let Err(error) = apart(work) {
            tracing::warn!(sender = "login", message = format!("the times of logins could not be stored: {error}"));
        }
    }
}

#[cfg(test)]
mod failover_tests;
#[cfg(test)]
pub mod test_server;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
