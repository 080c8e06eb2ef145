//! One transaction on one connection.

use async_trait::async_trait;
use deadpool::managed::{Object, Pool};
use tidegate_core::ports::{Collection, StoreError};
use tokio::time::{Instant, timeout_at};

use super::executor::end;
use super::{Connector, Driver, Fate, Trouble, given_up, of_commit};
use crate::sql::{Cell, Deadline, Dialect, Failure, Row, Transaction};

const COMMIT: &str = "COMMIT";

/// A transaction; if it is dropped before its end, its connection is closed, which rolls it back.
pub struct RemoteTransaction<D: Driver> {
    pool: Pool<Connector<D>>,
    connection: Option<Object<Connector<D>>>,
    deadline: Deadline,
    /// The number of the last change, if older ones are to be forgotten.
    forget_before: Option<i64>,
    /// Whether the transaction may fail without harm.
    is_spare: bool,
}

impl<D: Driver> RemoteTransaction<D> {
    pub fn new(pool: Pool<Connector<D>>, connection: Object<Connector<D>>, deadline: Deadline) -> Self {
        Self { pool, connection: Some(connection), deadline, forget_before: None, is_spare: false }
    }

    /// Also the server gives up at the deadline, and lets go of a transaction whose program is gone.
    pub async fn begin(&mut self) -> Result<(), Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let sql = self.driver().begin(self.connection()?, left);
        self.batch(&sql).await
    }

    fn driver(&self) -> &D {
        &self.pool.manager().driver
    }

    /// How the database writes SQL.
    pub fn dialect(&self) -> &dyn Dialect {
        self.driver().dialect()
    }

    /// The connection, while the transaction is open.
    pub fn connection(&self) -> Result<&D::Connection, Failure> {
        self.connection.as_ref().map(|connected| &connected.connection).ok_or_else(ended)
    }

    /// As [`Transaction::execute`]; the failure tells more.
    pub async fn try_execute(&mut self, sql: &str, values: Vec<Cell>) -> Result<u64, Trouble> {
        let sql = self.dialect().render(sql);
        let Some(connected) = &mut self.connection else { return Err(Trouble::from(ended().error)) };
        let (driver, host) = (&self.pool.manager().driver, connected.host.clone());
        let answer = driver.execute(&mut connected.connection, &host, &sql, &values);
        let outcome = timeout_at(self.deadline, answer).await.unwrap_or_else(|_| Err(given_up(&host)));
        outcome.map_err(|trouble| self.end_if_lost(trouble))
    }

    /// Runs statements without values, and keeps the connection only if they are done.
    async fn batch(&mut self, sql: &str) -> Result<(), Failure> {
        let connected = self.connection.as_mut().ok_or_else(ended)?;
        let (driver, host) = (&self.pool.manager().driver, connected.host.clone());
        let answer = timeout_at(self.deadline, driver.batch(&mut connected.connection, &host, sql)).await;
        let Err(trouble) = answer.unwrap_or_else(|_| Err(given_up(&host))) else { return Ok(()) };
        let trouble = if sql == COMMIT { of_commit(trouble) } else { trouble };
        Err(self.end_if_lost(trouble).failure)
    }

    fn end_if_lost(&mut self, mut trouble: Trouble) -> Trouble {
        if self.is_spare && trouble.fate == Fate::AllBroken {
            trouble.fate = Fate::Broken;
        }
        if trouble.fate != Fate::Usable
            && let Some(connection) = self.connection.take()
        {
            let (fate, is_answer, is_duplicate) = (trouble.fate, trouble.is_answer, trouble.is_duplicate);
            trouble = Trouble { failure: end(connection, trouble), fate, is_answer, is_duplicate };
        }
        trouble
    }

    /// Removes old changes, after a transaction that is stored. A failure costs this connection only: the others are not
    /// at fault where the time of that transaction runs out here.
    async fn forget(&mut self, last: i64) -> Result<(), Failure> {
        self.is_spare = true;
        self.begin().await?;
        D::forget(self, last).await?;
        self.batch(COMMIT).await
    }

    /// Gives the connection back to the pool: no transaction is open on it.
    fn give_back(&mut self) {
        drop(self.connection.take());
    }
}

#[async_trait]
impl<D: Driver> Transaction for RemoteTransaction<D> {
    async fn query(&mut self, sql: &str, values: Vec<Cell>) -> Result<Vec<Row>, Failure> {
        let sql = self.dialect().render(sql);
        let connected = self.connection.as_mut().ok_or_else(ended)?;
        let (driver, host) = (&self.pool.manager().driver, connected.host.clone());
        let answer = driver.query(&mut connected.connection, &host, &sql, &values);
        let outcome = timeout_at(self.deadline, answer).await.unwrap_or_else(|_| Err(given_up(&host)));
        outcome.map_err(|trouble| self.end_if_lost(trouble).failure)
    }

    async fn execute(&mut self, sql: &str, values: Vec<Cell>) -> Result<u64, Failure> {
        self.try_execute(sql, values).await.map_err(|trouble| trouble.failure)
    }

    async fn add(
        &mut self,
        collection: &'static Collection,
        insert: &str,
        values: Vec<Cell>,
        names: &[&str],
    ) -> Result<Vec<i64>, Failure> {
        D::add(self, collection, insert, values, names).await
    }

    async fn announce(&mut self, objects: Vec<(&'static str, String)>) -> Result<(), Failure> {
        self.forget_before = D::announce(self, &objects).await?;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Failure> {
        self.batch(COMMIT).await?;
        if let Some(last) = self.forget_before.take()
            && let Err(failure) = self.forget(last).await
        {
            // Another commit will do it.
            tracing::debug!(sender = "data_provider", message = format!("old changes stay: {}", failure.error));
            return Ok(());
        }
        self.give_back();
        Ok(())
    }

    async fn roll_back(mut self: Box<Self>) {
        if self.batch("ROLLBACK").await.is_ok() {
            self.give_back();
        }
    }
}

impl<D: Driver> Drop for RemoteTransaction<D> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

fn ended() -> Failure {
    StoreError::Failed("the transaction has ended already".to_owned()).into()
}
