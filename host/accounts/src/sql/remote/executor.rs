//! The executor: a pool of connections to the host that can be written.

use async_trait::async_trait;
use deadpool::managed::{Object, Pool, PoolError};
use tidegate_core::ports::{ChangeToken, Changes, StoreError};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant, timeout_at};

use super::{Connector, Driver, Fate, RemoteTransaction, Trouble, given_up, stalled};
use crate::sql::{Cell, Database, Deadline, Dialect, Failure, Patience, Row, Transaction};

/// The time for work on many rows.
const WORK_LIMIT: Duration = Duration::from_secs(60);
/// How often a question is asked again after a failure that may pass.
const REPETITIONS: u32 = 3;

/// The executor for databases that are reached over a connection.
pub struct Remote<D: Driver> {
    pool: Pool<Connector<D>>,
    /// Notified when something was changed through this database.
    committed: Notify,
}

/// Runs work to its end on a thread and a runtime of its own: the caller's runtime, if it has one, is not
/// reentered.
pub fn apart<T: Send>(work: impl Future<Output = Result<T, StoreError>> + Send) -> Result<T, StoreError> {
    let failed = |problem: &str| StoreError::Failed(format!("the database cannot be used: {problem}"));
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| failed(&error.to_string()))?.block_on(work)
        });
        thread.join().unwrap_or_else(|_| Err(failed("its thread ended")))
    })
}

impl<D: Driver> Remote<D> {
    /// A database whose tables are up to date. Connections are made later, on the runtime of the callers.
    pub fn new(connector: Connector<D>) -> Result<Self, StoreError> {
        let size = connector.settings().pool_limit();
        let pool = Pool::builder(connector).max_size(size).build();
        let pool = pool.map_err(|error| StoreError::Failed(format!("the database cannot be used: {error}")))?;
        Ok(Self { pool, committed: Notify::new() })
    }

    pub fn connector(&self) -> &Connector<D> {
        self.pool.manager()
    }

    async fn connection(&self, deadline: Deadline) -> Result<Object<Connector<D>>, StoreError> {
        match timeout_at(deadline, self.pool.get()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(PoolError::Backend(error))) => Err(error),
            Ok(Err(error)) => Err(StoreError::Failed(format!("the database cannot be used: {error}"))),
            Err(_) => {
                let (hosts, status) = (self.connector().hosts(), self.pool.status());
                if status.size < status.max_size {
                    return Err(stalled(&hosts));
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
        let mut connected = self.connection(deadline).await?;
        let (driver, host) = (&self.connector().driver, connected.host.clone());
        let answer = timeout_at(deadline, driver.query(&mut connected.connection, &host, sql, values)).await;
        answer.unwrap_or_else(|_| Err(given_up(&host))).map_err(|trouble| end(connected, trouble))
    }
}

/// Keeps a broken connection out of the pool.
pub fn end<D: Driver>(connection: Object<Connector<D>>, trouble: Trouble) -> Failure {
    match trouble.fate {
        Fate::Usable => return trouble.failure,
        Fate::Broken => {}
        Fate::AllBroken => {
            if let Some(pool) = Object::pool(&connection) {
                pool.manager().give_up(&connection);
            }
        }
    }
    drop(Object::take(connection));
    trouble.failure
}

#[async_trait]
impl<D: Driver> Database for Remote<D> {
    fn dialect(&self) -> &dyn Dialect {
        self.connector().driver.dialect()
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
        let (deadline, sql) = (self.deadline(patience), self.dialect().render(sql));
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
        let mut transaction = RemoteTransaction::new(self.pool.clone(), connection, deadline);
        transaction.begin().await?;
        Ok(Box::new(transaction))
    }

    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        D::changes(self, since).await
    }

    fn leave_host(&self) {
        if self.connector().settings().only_writable {
            self.connector().give_up_all();
        }
    }

    fn committed(&self) -> &Notify {
        &self.committed
    }

    fn at_the_end(&self, sql: &str, values: Vec<Vec<Cell>>) {
        let sql = self.dialect().render(sql);
        let (connector, limit) = (self.connector(), self.connector().settings().answer_timeout);
        let work = async {
            let work = async {
                let mut connected = connector.connect().await?;
                for values in &values {
                    let done = connector.driver.execute(&mut connected.connection, &connected.host, &sql, values).await;
                    done.map_err(|trouble| trouble.failure.error)?;
                }
                Ok(())
            };
            tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(stalled(&connector.hosts())))
        };
        if let Err(error) = apart(work) {
            tracing::warn!(sender = "login", message = format!("the times of logins could not be stored: {error}"));
        }
    }
}
