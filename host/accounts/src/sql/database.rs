//! What a database does for the stores: single statements and transactions, each with a deadline.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tidegate_core::ports::{ChangeToken, Changes, Collection, StoreError};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Cell, Dialect, Row};

/// How often a transaction is begun anew after a failure that may pass.
const REPETITIONS: u32 = 3;

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// As long as a client waits for its login or a transfer.
    Short,
    /// As long as work on many rows takes.
    Long,
}

/// A commit of more changes than this is a load, for which no client waits.
const FEW_CHANGES: usize = 16;

impl Patience {
    /// What a commit of so many changes is given.
    pub fn for_changes(count: usize) -> Self {
        if count > FEW_CHANGES { Self::Long } else { Self::Short }
    }
}

/// When an attempt is given up.
pub type Deadline = Instant;

/// Why a statement or a transaction failed.
#[derive(Debug)]
pub struct Failure {
    /// The error as callers of the store get it.
    pub error: StoreError,
    /// The transaction was not made, and may succeed if it is made again.
    pub may_be_repeated: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, may_be_repeated: false }
    }
}

/// An executor for one database. Statements are written as [`Dialect::render`] takes them.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    /// How the database writes SQL.
    fn dialect(&self) -> &dyn Dialect;

    /// The deadline of an attempt that begins now.
    fn deadline(&self, patience: Patience) -> Deadline;

    /// Reads rows with one statement.
    async fn query(&self, patience: Patience, sql: &str, values: Vec<Cell>) -> Result<Vec<Row>, StoreError>;

    /// Begins a transaction that writes.
    async fn begin(&self, deadline: Deadline) -> Result<Box<dyn Transaction>, Failure>;

    /// The changes that were announced by [`Transaction::announce`]; see
    /// [`Directory::changes`](tidegate_core::ports::Directory::changes).
    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError>;

    /// Leaves the host, which refuses writes, for another one, unless the settings take any host.
    fn leave_host(&self);

    /// Notified when a change was committed through this database.
    fn committed(&self) -> &Notify;

    /// Runs work that ends before this call returns, on a runtime of its own: for the end of a store, where no
    /// future can be waited for.
    fn at_the_end(&self, sql: &str, values: Vec<Vec<Cell>>);
}

/// A transaction. One that is dropped is rolled back.
#[async_trait]
pub trait Transaction: Send {
    /// Executes one statement and gives its rows.
    async fn query(&mut self, sql: &str, values: Vec<Cell>) -> Result<Vec<Row>, Failure>;

    /// Executes one statement and gives the number of rows that it changed.
    async fn execute(&mut self, sql: &str, values: Vec<Cell>) -> Result<u64, Failure>;

    /// Adds rows to a collection's table: `insert` is an `INSERT … VALUES …` for as many rows as there are names.
    /// Gives the id of each in the order of the names. `Exists` if there is a row of one of the names.
    async fn add(
        &mut self,
        collection: &'static Collection,
        insert: &str,
        values: Vec<Cell>,
        names: &[&str],
    ) -> Result<Vec<i64>, Failure>;

    /// Announces changes of objects: the kind of the collection, and the name.
    async fn announce(&mut self, objects: Vec<(&'static str, String)>) -> Result<(), Failure>;

    /// Makes everything of it visible to others.
    async fn commit(self: Box<Self>) -> Result<(), Failure>;

    /// Undoes everything of it.
    async fn roll_back(self: Box<Self>);
}

/// Does work in a transaction, and does it again where that may help; `work` may be called several times.
pub async fn transact<T: Send>(
    database: &dyn Database,
    patience: Patience,
    work: impl for<'t> Fn(&'t mut dyn Transaction) -> BoxFuture<'t, Result<T, Failure>> + Send + Sync,
) -> Result<T, StoreError> {
    let deadline = database.deadline(patience);
    let mut repetitions = REPETITIONS;
    loop {
        let failure = match attempt(database, deadline, &work).await {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        if !failure.may_be_repeated || repetitions == 0 || Instant::now() >= deadline {
            return Err(failure.error);
        }
        repetitions -= 1;
    }
}

async fn attempt<T: Send>(
    database: &dyn Database,
    deadline: Deadline,
    work: &(impl for<'t> Fn(&'t mut dyn Transaction) -> BoxFuture<'t, Result<T, Failure>> + Send + Sync),
) -> Result<T, Failure> {
    let mut transaction = database.begin(deadline).await?;
    match work(&mut *transaction).await {
        Ok(done) => {
            transaction.commit().await?;
            Ok(done)
        }
        Err(failure) => {
            transaction.roll_back().await;
            Err(failure)
        }
    }
}
