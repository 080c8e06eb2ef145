//! SQLite: a file in write-ahead mode, or memory for portable servers and tests.

mod accounts;
mod folders;
mod hook_runs;
mod last_logins;
mod migrations;
mod plugin_values;
mod rows;
mod usages;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use last_logins::LastLogins;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tidegate_core::ports::StoreError;

/// How long a statement waits for another program's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const CACHED_STATEMENTS: usize = 32;

/// A database with its connections. Accounts are written with a full sync: what is
/// acknowledged survives a power cut. The time of a login and plugins' values are not worth
/// one and go through a connection of their own.
pub struct SqliteDatabase {
    reader: Arc<Mutex<Connection>>,
    writer: Arc<Mutex<Connection>>,
    clerk: Arc<Mutex<Connection>>,
    /// For one row out of the page cache, without a hop to another thread; never waits.
    finder: Arc<Mutex<Connection>>,
    last_logins: Arc<LastLogins>,
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
    #[error("there is no space left for the database {path}; free some and start again", path = path.display())]
    Full { path: PathBuf },
}

impl SqliteDatabase {
    /// Opens the file, made with mode 0600 if it is missing, and brings its tables up to date.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let unusable =
            |error: std::io::Error| OpenError::Unusable { path: path.to_owned(), problem: error.to_string() };
        if !path.exists() {
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(unusable)?;
        }
        let classify = |error: rusqlite::Error| classify_open(&error, path);
        let mut writer = connect(path, "FULL").map_err(classify)?;
        migrations::apply(&mut writer, path)?;
        let clerk = connect(path, "NORMAL").map_err(classify)?;
        let reader = connect(path, "NORMAL").map_err(classify)?;
        let finder = connect(path, "NORMAL").map_err(classify)?;
        finder.busy_timeout(Duration::ZERO).map_err(classify)?;
        let shared = |connection| Arc::new(Mutex::new(connection));
        Ok(Self::of(shared(reader), shared(writer), shared(clerk), shared(finder)))
    }

    /// Lost when dropped.
    pub fn in_memory() -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let mut connection = Connection::open_in_memory().map_err(|error| classify_open(&error, path))?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        migrations::apply(&mut connection, path)?;
        let shared = Arc::new(Mutex::new(connection));
        Ok(Self::of(shared.clone(), shared.clone(), shared.clone(), shared))
    }

    fn of(
        reader: Arc<Mutex<Connection>>,
        writer: Arc<Mutex<Connection>>,
        clerk: Arc<Mutex<Connection>>,
        finder: Arc<Mutex<Connection>>,
    ) -> Self {
        let last_logins = LastLogins::new(clerk.clone());
        Self { reader, writer, clerk, finder, last_logins }
    }

    /// None: somebody else is at it, or there is something to wait for.
    fn at_once<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Option<Result<T, StoreError>> {
        let finder = self.finder.try_lock().ok()?;
        match work(&finder) {
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

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        on(&self.writer, work).await
    }

    async fn note<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        on(&self.clerk, work).await
    }
}

impl Drop for SqliteDatabase {
    fn drop(&mut self) {
        // What comes after this has nobody to come from.
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
    done.await.map_err(|error| StoreError::Failed(error.to_string()))?
}

fn connect(path: &Path, synchronous: &str) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    Ok(connection)
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
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(BUSY_TIMEOUT),
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly(error.to_string()),
        Some(ErrorCode::DiskFull) => StoreError::Full(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
