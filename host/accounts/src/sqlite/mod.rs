//! A store in SQLite: a file in write-ahead mode.

mod account_lists;
mod audit;
mod batches;
mod changes;
mod directory;
mod hook_runs;
mod last_logins;
mod migrations;
mod plugin_values;
mod reader;
mod rows;
mod stamps;
mod usages;

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use last_logins::LastLogins;
use reader::SqliteReader;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use stamps::Stamps;
use tidegate_core::ports::{Clock, StoreError, Stores, SystemClock};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use crate::read_only::ReadOnlyAccounts;
use crate::sql::tables_version::TablesVersion;
use crate::sql::{Patience, TableNames};

/// How long a statement waits for another program's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a change waits for those before it and for another program's lock together, where a client waits for it.
const SHORT_WAIT: Duration = Duration::from_secs(2);
const BUSY: &str = "the database is in use by another program and did not become free in time";
const CACHED_STATEMENTS: usize = 32;
/// The most connections for reads on callers' threads.
const MOST_INLINE: usize = 8;

/// A database with its connections. Accounts are written with a full sync, so that an acknowledged change survives
/// a power cut. The times of logins and plugins' values do not need that, and go through a connection of their own.
pub struct SqliteDatabase {
    reader: Arc<Mutex<Connection>>,
    writer: Arc<Mutex<Connection>>,
    /// Changes take it one after the other, so that a wait for the writer can end.
    turn: Arc<Semaphore>,
    background: Arc<Mutex<Connection>>,
    /// Read single rows from the page cache on the caller's thread, and never wait: one for each thread that may look at
    /// the same time.
    inline: Box<[Mutex<Connection>]>,
    stamps: Stamps,
    last_logins: Arc<LastLogins>,
    /// Notified when something was changed through this database.
    committed: Notify,
    /// Says when plugins' values expire.
    clock: Arc<dyn Clock>,
    version: TablesVersion,
}

/// Stores that take accounts from a table or view in a file, which is only read, and keep everything else in `own`.
/// `names`: what the table is called. Blocks the thread.
///
/// # Errors
/// `Failed` if the file cannot be read, `Refused` if the table lacks what accounts need.
pub fn read_only_sqlite(path: &Path, names: TableNames, own: Arc<dyn Stores>) -> Result<Arc<dyn Stores>, StoreError> {
    Ok(Arc::new(ReadOnlyAccounts::new(SqliteReader::open(path, names)?, own)))
}

/// Why a database could not be opened, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database {path} could not be opened: {problem}; check data_provider.name and the permissions of the directory", path = path.display())]
    Unusable { path: PathBuf, problem: String },
    #[error("{path} is not an SQLite database; choose another file with data_provider.name, or restore a backup", path = path.display())]
    NotADatabase { path: PathBuf },
    #[error("the database {path} is in use by another program and did not become free within {BUSY_TIMEOUT:?}; stop that program", path = path.display())]
    Busy { path: PathBuf },
    #[error("the database {path} cannot be written; give this user write permission to the file and its directory", path = path.display())]
    ReadOnly { path: PathBuf },
    #[error("the database {path} is of version {found}, made by a newer release; this one knows up to {known}: install that release, or restore a backup", path = path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the database {path} {advice}", path = path.display(), advice = crate::older::ADVICE)]
    Later { path: PathBuf },
    #[error("there is no space left for the database {path}; free some and start again", path = path.display())]
    Full { path: PathBuf },
}

/// Which server has made the database in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqliteOrigin {
    /// There is none yet.
    Empty,
    /// This server's.
    Ours,
    /// That of the older server's first era, with a table `users`: it becomes ours when it is opened.
    FirstEra,
}

impl SqliteDatabase {
    /// Looks at the file, and changes nothing in it.
    ///
    /// # Errors
    /// It cannot be read, or [`open`](Self::open) would refuse it.
    pub fn origin(path: &Path) -> Result<SqliteOrigin, OpenError> {
        if !path.exists() {
            return Ok(SqliteOrigin::Empty);
        }
        let classify = |error: rusqlite::Error| classify_open(&error, path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(classify)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(classify)?;
        migrations::origin(&connection, path)
    }

    /// Opens the file, made with mode 0600 if it is missing, and brings its tables up to date. A file of
    /// [`SqliteOrigin::FirstEra`] has to be kept elsewhere before.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let unusable =
            |error: std::io::Error| OpenError::Unusable { path: path.to_owned(), problem: error.to_string() };
        if !path.exists() {
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
                // Another process was first.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => drop(made.map_err(unusable)?),
            }
        }
        // A connection that writes changes the header of the file at once.
        Self::origin(path)?;
        let classify = |error: rusqlite::Error| classify_open(&error, path);
        let mut writer = connect(path, "FULL").map_err(classify)?;
        migrations::apply(&mut writer, path)?;
        let background = connect(path, "NORMAL").map_err(classify)?;
        let reader = connect(path, "NORMAL").map_err(classify)?;
        let inline = || {
            let connection = connect(path, "NORMAL")?;
            connection.busy_timeout(Duration::ZERO)?;
            Ok::<_, rusqlite::Error>(Mutex::new(connection))
        };
        let inline: Result<Box<[_]>, _> = (0..inline_connections()).map(|_| inline()).collect();
        let inline = inline.map_err(classify)?;
        let stamps = Stamps::new(connect(path, "NORMAL").map_err(classify)?).map_err(classify)?;
        let shared = |connection| Arc::new(Mutex::new(connection));
        Ok(Self::of(shared(reader), shared(writer), shared(background), inline, stamps))
    }

    fn of(
        reader: Arc<Mutex<Connection>>,
        writer: Arc<Mutex<Connection>>,
        background: Arc<Mutex<Connection>>,
        inline: Box<[Mutex<Connection>]>,
        stamps: Stamps,
    ) -> Self {
        let last_logins = LastLogins::new(background.clone());
        let (turn, clock) = (Arc::new(Semaphore::new(1)), Arc::new(SystemClock));
        let version = TablesVersion::new(migrations::known_version());
        Self { reader, writer, turn, background, inline, stamps, last_logins, committed: Notify::new(), clock, version }
    }

    /// Lets plugins' values expire by `clock`, and not by that of the host.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// `None`: all connections are in use, or the work would have to wait.
    fn at_once<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Option<Result<T, StoreError>> {
        let inline = self.inline.iter().find_map(|connection| connection.try_lock().ok())?;
        match work(&inline) {
            Err(StoreError::Busy(_)) => None,
            outcome => Some(outcome),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        on(&self.reader, work).await
    }

    /// A change for which a client may wait; it gives up soon.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_with(Patience::Short, work).await
    }

    async fn write_with<T: Send + 'static>(
        &self,
        patience: Patience,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (began, turn) = (Instant::now(), self.turn.clone().acquire_owned());
        let (turn, left) = match patience {
            Patience::Short => {
                let turn = timeout(SHORT_WAIT, turn).await.map_err(|_| StoreError::Busy(BUSY.to_owned()))?;
                (turn, SHORT_WAIT.saturating_sub(began.elapsed()))
            }
            Patience::Long => (turn.await, BUSY_TIMEOUT),
        };
        on(&self.writer, move |connection| {
            // Held until the work has ended, also where its caller has left.
            let _turn = turn;
            connection.busy_timeout(left).map_err(classify)?;
            work(connection)
        })
        .await
    }

    async fn note<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        on(&self.background, work).await
    }
}

impl Drop for SqliteDatabase {
    fn drop(&mut self) {
        // No further login can arrive.
        let _ = self.last_logins.store();
    }
}

/// Database work may wait for a lock or a disk, so it leaves the runtime's threads.
async fn on<T: Send + 'static>(
    connection: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let connection = connection.clone();
    let done = tokio::task::spawn_blocking(move || {
        // A panic in earlier work rolled its transaction back when it unwound.
        work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
    });
    done.await.map_err(|error| StoreError::Failed(format!("the database failed: {error}")))?
}

/// As many as the runtime has threads; a further one would never be used.
fn inline_connections() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get().min(MOST_INLINE))
}

fn connect(path: &Path, synchronous: &str) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    write_ahead(&connection)?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    Ok(connection)
}

/// Sets the mode of the file. Of several that do so for the first time at once, SQLite refuses all but one without a wait.
fn write_ahead(connection: &Connection) -> Result<(), rusqlite::Error> {
    let began = Instant::now();
    loop {
        let set = connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()));
        let is_busy = |error: &rusqlite::Error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        if !set.as_ref().is_err_and(is_busy) || began.elapsed() > BUSY_TIMEOUT {
            return set;
        }
        // This one waits for the others.
        connection.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
    }
}

fn classify_open(error: &rusqlite::Error, path: &Path) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::NotADatabase { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Busy { path },
        Some(ErrorCode::ReadOnly) => OpenError::ReadOnly { path },
        Some(ErrorCode::DiskFull) => OpenError::Full { path },
        _ => OpenError::Unusable { path, problem: error.to_string() },
    }
}

fn classify(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(BUSY.to_owned()),
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly(format!("the database cannot be written: {error}")),
        Some(ErrorCode::DiskFull) => StoreError::Full(format!("the database is full: {error}")),
        _ => StoreError::Failed(format!("the database failed: {error}")),
    }
}

#[cfg(test)]
mod step_tests;
#[cfg(test)]
mod tests;
