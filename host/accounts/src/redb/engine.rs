//! Runs work on the file off the runtime's threads: reads beside each other, changes one after the other, and small
//! ones that arrive together in one transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};
use tidegate_core::ports::{Stamp, StoreError};
use tokio::sync::{Notify, oneshot};

use super::failure::Failure;
use super::given_back;
use super::made_changes::MadeChanges;
use super::open::OpenError;

/// How long a failure to open the file again is the answer to all.
const REOPEN_INTERVAL: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(1) };

pub type Opener = Box<dyn Fn(&Path) -> Result<Database, OpenError> + Send + Sync>;

/// The open file.
pub struct Engine {
    path: PathBuf,
    open: Opener,
    handle: RwLock<Handle>,
    /// Set when the file or its disk has failed: the library then answers nothing until the file is opened again.
    is_broken: AtomicBool,
    /// Set when it failed because the disk was full.
    was_full: AtomicBool,
    changes: MadeChanges,
    queue: Mutex<Queue>,
}

struct Handle {
    database: Option<Database>,
    /// When the file could not be opened again, and why.
    failure: Option<(Instant, StoreError)>,
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Box<dyn Job>>,
    is_worked_on: bool,
}

/// A small change that shares its transaction with others. What it refuses, it refuses before it writes.
trait Job: Send {
    fn run(&mut self, transaction: &WriteTransaction) -> Result<(), Failure>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Note<T, W> {
    work: Option<W>,
    value: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, W: FnOnce(&WriteTransaction) -> Result<T, Failure> + Send> Job for Note<T, W> {
    fn run(&mut self, transaction: &WriteTransaction) -> Result<(), Failure> {
        let Some(work) = self.work.take() else { return Ok(()) };
        self.value = Some(match work(transaction) {
            Ok(value) => Ok(value),
            Err(Failure::Refused(error)) => Err(error),
            Err(failure) => return Err(failure),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let value = self.value.unwrap_or_else(|| Err(interrupted()));
        // A caller that has gone needs no answer.
        let _ = self.answer.send(outcome.and(value));
    }
}

impl Engine {
    pub fn new(path: &Path, open: Opener) -> Result<Self, OpenError> {
        let handle = Handle { database: Some(open(path)?), failure: None };
        Ok(Self {
            path: path.to_owned(),
            open,
            handle: RwLock::new(handle),
            is_broken: AtomicBool::new(false),
            was_full: AtomicBool::new(false),
            changes: MadeChanges::default(),
            queue: Mutex::default(),
        })
    }

    /// Waits for what is being done, and closes the file.
    pub fn close(&self) {
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        handle.database = None;
    }

    /// As of [`Directory`](tidegate_core::ports::Directory::stamp). None: a change is being made, or the file has to be opened
    /// again, which may bring back what was changed last.
    pub fn stamp(&self) -> Option<Stamp> {
        if self.is_broken() { None } else { self.changes.stamp() }
    }

    /// Reads on the caller's thread. `None`: the work would have to wait.
    pub fn read_at_once<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Failure>,
    ) -> Option<Result<T, StoreError>> {
        if self.is_broken() {
            return None;
        }
        let handle = self.handle.try_read().ok()?;
        let done = self.run(handle.database.as_ref()?, |database| work(&database.begin_read()?));
        // Opening the file again takes a while.
        Some(done).filter(|done| done.is_ok() || !self.is_broken())
    }

    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.blocking(move |engine| engine.with(|database| work(&database.begin_read()?))).await
    }

    /// Runs work in a transaction of its own, which is taken back if the work fails.
    pub async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.blocking(move |engine| engine.write_now(work)).await
    }

    /// As [`write`](Self::write). `told` is notified when the work has ended, also where its caller has left, and whatever it
    /// came to: the file may have what it gave an error for.
    pub async fn write_and_tell<T: Send + 'static>(
        self: &Arc<Self>,
        told: &Arc<Notify>,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let told = told.clone();
        let work = move |engine: &Self| {
            let done = engine.write_now(work);
            told.notify_waiters();
            done
        };
        self.blocking(work).await
    }

    /// As [`write`](Self::write), on the caller's thread.
    pub fn write_now<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T, Failure>) -> Result<T, StoreError> {
        self.with(|database| {
            // Ends after the commit, whatever becomes of that.
            let _change = self.changes.begin();
            let transaction = database.begin_write()?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    /// Runs a small change together with others that wait. Work that refuses something must not have written
    /// anything before.
    pub async fn note<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut queue = self.queue();
            queue.jobs.push(Box::new(Note { work: Some(work), value: None, answer }));
            !std::mem::replace(&mut queue.is_worked_on, true)
        };
        if begins {
            let engine = self.clone();
            tokio::task::spawn_blocking(move || engine.work_off());
        }
        answered.await.unwrap_or_else(|_| Err(interrupted()))
    }

    fn work_off(&self) {
        loop {
            let jobs = {
                let mut queue = self.queue();
                if queue.jobs.is_empty() {
                    queue.is_worked_on = false;
                    return;
                }
                std::mem::take(&mut queue.jobs)
            };
            // A panic drops the jobs, which tells their callers.
            let _ = catch_unwind(AssertUnwindSafe(|| self.write_together(jobs)));
        }
    }

    fn write_together(&self, mut jobs: Vec<Box<dyn Job>>) {
        let outcome = self.write_now(|transaction| jobs.iter_mut().try_for_each(|job| job.run(transaction)));
        jobs.into_iter().for_each(|job| job.answer(outcome.clone()));
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let engine = self.clone();
        tokio::task::spawn_blocking(move || work(&engine)).await.unwrap_or_else(|_| Err(interrupted()))
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, Failure>) -> Result<T, StoreError> {
        self.open_again_if_broken()?;
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        let database = handle.database.as_ref().ok_or_else(interrupted)?;
        self.run(database, work)
    }

    fn run<T>(&self, database: &Database, work: impl FnOnce(&Database) -> Result<T, Failure>) -> Result<T, StoreError> {
        work(database).map_err(|failure| {
            if failure.is_of_full_disk() {
                self.was_full.store(true, Ordering::Release);
            }
            if failure.ends_the_database() {
                self.is_broken.store(true, Ordering::Release);
            }
            failure.into_store_error(&self.path)
        })
    }

    fn open_again_if_broken(&self) -> Result<(), StoreError> {
        if !self.is_broken() {
            return Ok(());
        }
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if !self.is_broken() {
            return Ok(());
        }
        if let Some((at, error)) = &handle.failure
            && at.elapsed() < REOPEN_INTERVAL
        {
            return Err(error.clone());
        }
        let _change = self.changes.begin();
        // Closed first, since the file can be open only once.
        handle.database = None;
        self.give_back_space();
        match (self.open)(&self.path) {
            Ok(database) => {
                self.was_full.store(false, Ordering::Release);
                *handle = Handle { database: Some(database), failure: None };
                self.is_broken.store(false, Ordering::Release);
                let message = format!("the database {} was opened again after a failure", self.path.display());
                tracing::warn!(sender = "accounts", message);
                Ok(())
            }
            Err(error) => {
                let error = StoreError::from(error);
                handle.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// For a file that is closed.
    fn give_back_space(&self) {
        if !self.was_full.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = given_back::give_back(&self.path) {
            let message = format!("the database {} could not be made shorter again: {error}", self.path.display());
            tracing::warn!(sender = "accounts", message);
        }
    }

    fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn interrupted() -> StoreError {
    StoreError::Failed("the database failed: its work was interrupted; try again".to_owned())
}
