//! One transaction on one connection.

use async_trait::async_trait;
use deadpool::managed::Object;
use tidegate_core::ports::StoreError;
use tokio::time::{Instant, timeout_at};

use super::connect::Connector;
use super::dialect::PostgresqlDialect;
use super::errors::{self, Trouble};
use super::{cells, changes, parameters};
use crate::sql::{Cell, Deadline, Dialect, Failure, Row, Transaction};

const COMMIT: &str = "COMMIT";

/// A transaction; if it is dropped before its end, its connection is closed, which rolls it back.
pub struct PostgresqlTransaction {
    connection: Option<Object<Connector>>,
    deadline: Deadline,
    dialect: PostgresqlDialect,
    /// The number of the last change, if older ones are to be forgotten.
    forget_before: Option<i64>,
}

impl PostgresqlTransaction {
    pub fn new(connection: Object<Connector>, deadline: Deadline, dialect: PostgresqlDialect) -> Self {
        Self { connection: Some(connection), deadline, dialect, forget_before: None }
    }

    /// Also the server gives up at the deadline, and lets go of a transaction whose program is gone.
    pub async fn begin(&mut self) -> Result<(), Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now()).as_millis().max(1);
        self.batch(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {left}; SET LOCAL lock_timeout = {left}; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            left.saturating_mul(2)
        ))
        .await
    }

    /// Runs statements without values, and keeps the connection only if they are done.
    async fn batch(&mut self, sql: &str) -> Result<(), Failure> {
        let connection = self.connection.as_ref().ok_or_else(ended)?;
        let answer = timeout_at(self.deadline, connection.client.batch_execute(sql)).await;
        let trouble = match answer {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if sql == COMMIT => errors::of_commit(&error, &connection.host),
            Ok(Err(error)) => errors::of_statement(&error, &connection.host),
            Err(_) => errors::given_up(&connection.host),
        };
        Err(self.end_if_lost(trouble))
    }

    fn end_if_lost(&mut self, trouble: Trouble) -> Failure {
        if trouble.is_lost
            && let Some(connection) = self.connection.take()
        {
            if let Some(pool) = Object::pool(&connection) {
                pool.manager().give_up(&connection);
            }
            drop(Object::take(connection));
        }
        trouble.failure
    }

    async fn forget(&mut self, last: i64) -> Result<(), Failure> {
        self.begin().await?;
        changes::forget(self, last).await?;
        self.batch(COMMIT).await
    }
}

#[async_trait]
impl Transaction for PostgresqlTransaction {
    async fn query(&mut self, sql: &str, values: Vec<Cell>) -> Result<Vec<Row>, Failure> {
        let connection = self.connection.as_ref().ok_or_else(ended)?;
        let (sql, parameters) = (self.dialect.render(sql), parameters(&values));
        let answer = timeout_at(self.deadline, connection.client.query_typed(&sql, &parameters)).await;
        let trouble = match answer {
            Ok(answer) => match answer.and_then(|rows| rows.iter().map(cells::row).collect()) {
                Ok(rows) => return Ok(rows),
                Err(error) => errors::of_statement(&error, &connection.host),
            },
            Err(_) => errors::given_up(&connection.host),
        };
        Err(self.end_if_lost(trouble))
    }

    async fn execute(&mut self, sql: &str, values: Vec<Cell>) -> Result<u64, Failure> {
        let connection = self.connection.as_ref().ok_or_else(ended)?;
        let (sql, parameters) = (self.dialect.render(sql), parameters(&values));
        let answer = timeout_at(self.deadline, connection.client.execute_typed(&sql, &parameters)).await;
        let trouble = match answer {
            Ok(Ok(number)) => return Ok(number),
            Ok(Err(error)) => errors::of_statement(&error, &connection.host),
            Err(_) => errors::given_up(&connection.host),
        };
        Err(self.end_if_lost(trouble))
    }

    async fn announce(&mut self, objects: Vec<(&'static str, String)>) -> Result<(), Failure> {
        self.forget_before = changes::announce(self, &objects).await?;
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

impl PostgresqlTransaction {
    /// Gives the connection back to the pool: no transaction is open on it.
    fn give_back(&mut self) {
        drop(self.connection.take());
    }
}

impl Drop for PostgresqlTransaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

fn ended() -> Failure {
    StoreError::Failed("the transaction has ended already".to_owned()).into()
}
