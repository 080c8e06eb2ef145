//! What is stored when the process dies between any two steps of a change, in a database that is reached over a
//! connection.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tidegate_core::account::{AccountDraft, Accounts, OnConflict};
use tidegate_core::ports::{AuditQuery, Author, ChangeToken, Changes, Collection, Door, StoreError, USERS};
use tokio::sync::Notify;

use super::DatabaseServerSettings;
use super::test_cases::TestServer;
use crate::conformance::{NoPasswords, author, user};
use crate::sql::{Cell, Database, Deadline, Dialect, Failure, Patience, Row, Transaction};

/// How many more steps of transactions a process makes.
#[derive(Default)]
pub struct Life {
    left: AtomicUsize,
    /// Notified when a step was to be made and none was left.
    died: Notify,
}

impl Life {
    /// Waits for ever before a step that the process does not make.
    async fn step(&self) {
        let one_less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err() {
            self.died.notify_one();
            pending::<()>().await;
        }
    }
}

/// A database of a process that dies.
pub struct Mortal<D> {
    database: D,
    life: Arc<Life>,
}

impl<D: Database> Mortal<D> {
    pub fn new(database: D, life: Arc<Life>) -> Self {
        Self { database, life }
    }
}

#[async_trait]
impl<D: Database> Database for Mortal<D> {
    fn dialect(&self) -> &dyn Dialect {
        self.database.dialect()
    }

    fn deadline(&self, patience: Patience) -> Deadline {
        self.database.deadline(patience)
    }

    async fn query(&self, patience: Patience, sql: &str, values: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        self.database.query(patience, sql, values).await
    }

    async fn begin(&self, deadline: Deadline) -> Result<Box<dyn Transaction>, Failure> {
        let transaction = self.database.begin(deadline).await?;
        Ok(Box::new(MortalTransaction { transaction, life: self.life.clone() }))
    }

    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        self.database.changes(since).await
    }

    fn leave_host(&self) {
        self.database.leave_host();
    }

    fn committed(&self) -> &Notify {
        self.database.committed()
    }

    fn at_the_end(&self, sql: &str, values: Vec<Vec<Cell>>) {
        self.database.at_the_end(sql, values);
    }
}

struct MortalTransaction {
    transaction: Box<dyn Transaction>,
    life: Arc<Life>,
}

#[async_trait]
impl Transaction for MortalTransaction {
    async fn query(&mut self, sql: &str, values: Vec<Cell>) -> Result<Vec<Row>, Failure> {
        self.life.step().await;
        self.transaction.query(sql, values).await
    }

    async fn execute(&mut self, sql: &str, values: Vec<Cell>) -> Result<u64, Failure> {
        self.life.step().await;
        self.transaction.execute(sql, values).await
    }

    async fn add(
        &mut self,
        collection: &'static Collection,
        insert: &str,
        values: Vec<Cell>,
        names: &[&str],
    ) -> Result<Vec<i64>, Failure> {
        self.life.step().await;
        self.transaction.add(collection, insert, values, names).await
    }

    async fn announce(&mut self, objects: Vec<(&'static str, String)>) -> Result<(), Failure> {
        self.life.step().await;
        self.transaction.announce(objects).await
    }

    async fn commit(self: Box<Self>) -> Result<(), Failure> {
        let Self { transaction, life } = *self;
        life.step().await;
        transaction.commit().await
    }

    async fn roll_back(self: Box<Self>) {
        self.transaction.roll_back().await;
    }
}

pub async fn a_crash_between_two_steps_leaves_all_or_nothing<S: TestServer>() {
    // A9-06
    let server = S::start();
    let (life, store) = (Arc::new(Life::default()), server.store());
    // The database takes its time to see that the process is gone, and undoes its transaction then.
    let settings = DatabaseServerSettings { answer_timeout: Duration::from_secs(60), ..server.settings() };
    let accounts = Accounts::new(S::mortal(settings, life.clone()), Arc::new(NoPasswords), None);
    let set_quota = async |quota: i64, by: Author| {
        let mut draft = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
        draft.set("quota_size", json!(quota));
        accounts.update(draft, OnConflict::Merge, &by).await.unwrap();
    };
    let make = async |number: usize| match number {
        0 => drop(accounts.add(AccountDraft::of(&user("alice")), &author()).await.unwrap()),
        1 => set_quota(5, author()).await,
        // A hook's change is not announced.
        2 => set_quota(7, Author::new("alice", Door::Hook)).await,
        _ => accounts.delete("alice", &author()).await.unwrap(),
    };
    // Quota and records after each change, and whether it is announced.
    let whole = [(Some(0), 1, true), (Some(5), 2, true), (Some(7), 3, false), (None, 4, true)];
    let (mut before, mut deaths) = ((None, 0), 0);
    for (number, after) in whole.into_iter().enumerate() {
        let begin = store.changes(None).await.unwrap().next;
        for steps in 0.. {
            life.left.store(steps, Ordering::Relaxed);
            let is_made = tokio::select! {
                () = make(number) => true,
                () = life.died.notified() => false,
            };
            let found = store.find(&USERS, "alice").await.unwrap();
            let quota = found.map(|stored| stored.document["quota_size"].as_i64().unwrap());
            let records = store.audit(AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap().len();
            let is_announced = !store.changes(Some(&begin)).await.unwrap().is_empty();
            let expected = if is_made { after } else { (before.0, before.1, false) };
            assert_eq!((quota, records, is_announced), expected, "change {number}, {steps} steps");
            if is_made {
                break;
            }
            deaths += 1;
        }
        before = (after.0, after.1);
    }
    assert!(deaths >= 12, "{deaths}");
}
