//! SQLite files. A copy is read, so that nothing at the source is touched: SQLite itself would make files beside it.

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::database::{Names, read_tables};
use super::tables::{Row, Tables};
use crate::{MigrateError, Moved};

/// From this version on, which is a date, a file is this server's own.
const OUR_FIRST: i64 = 20_200_131;

struct Sqlite<'a> {
    connection: Connection,
    path: &'a Path,
}

/// Reads an SQLite file of the older server.
///
/// # Errors
/// The file cannot be read, or is no such database.
pub fn read_sqlite(path: &Path, names: &Names) -> Result<Moved, MigrateError> {
    with_copy(path, |connection| read_tables(&Sqlite { connection, path }, path, names))
}

/// Whether the file is a database of this server, whatever it was before.
///
/// # Errors
/// The file cannot be read.
pub fn is_ours(path: &Path) -> Result<bool, MigrateError> {
    with_copy(path, |connection| {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
        version.map(|version| version >= OUR_FIRST).map_err(|error| MigrateError::unusable(path, error))
    })
}

/// The file with the changes that are not in it yet, in a directory that is removed afterwards.
fn with_copy<T>(path: &Path, read: impl FnOnce(Connection) -> Result<T, MigrateError>) -> Result<T, MigrateError> {
    let unusable =
        |error: &dyn std::fmt::Display| MigrateError::unusable(path, format!("it could not be copied: {error}"));
    let place = tempfile::Builder::new().prefix("tidegate-migrate").tempdir().map_err(|error| unusable(&error))?;
    let copy = place.path().join("copy.db");
    if !path.metadata().map_err(|error| unreadable(path, error))?.is_file() {
        return Err(MigrateError::unusable(path, "it is not a file"));
    }
    std::fs::copy(path, &copy).map_err(|error| unreadable(path, error))?;
    for ending in ["-wal", "-journal"] {
        let beside = beside(path, ending);
        if beside.is_file() {
            std::fs::copy(&beside, self::beside(&copy, ending)).map_err(|error| unreadable(&beside, error))?;
        }
    }
    // A hot journal is rolled back, which writes into the copy.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&copy, mode).map_err(|error| unusable(&error))?;
    read(Connection::open_with_flags(&copy, flags).map_err(|error| MigrateError::unusable(path, error))?)
}

fn unreadable(path: &Path, error: std::io::Error) -> MigrateError {
    MigrateError::Unreadable { path: path.to_owned(), error }
}

/// The file of that name with this ending.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

impl Sqlite<'_> {
    fn failed(&self, error: rusqlite::Error) -> MigrateError {
        MigrateError::unusable(self.path, format!("it cannot be read as an SQLite database: {error}"))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Tables for Sqlite<'_> {
    fn names(&self) -> Result<Vec<String>, MigrateError> {
        let sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name";
        let mut statement = self.connection.prepare(sql).map_err(|error| self.failed(error))?;
        let names = statement.query_map([], |row| row.get::<_, String>(0)).map_err(|error| self.failed(error))?;
        names.collect::<Result<_, _>>().map_err(|error| self.failed(error))
    }

    fn columns(&self, table: &str) -> Result<Vec<String>, MigrateError> {
        let sql = format!("SELECT * FROM {} LIMIT 0", quoted(table));
        let statement = self.connection.prepare(&sql).map_err(|error| self.failed(error))?;
        Ok(statement.column_names().map(str::to_ascii_lowercase).collect())
    }

    fn rows(&self, table: &str) -> Result<Vec<Row>, MigrateError> {
        let columns = self.columns(table)?;
        let order = if columns.iter().any(|column| column == "id") { "ORDER BY id" } else { "" };
        let sql = format!("SELECT * FROM {} {order}", quoted(table));
        let mut statement = self.connection.prepare(&sql).map_err(|error| self.failed(error))?;
        let rows = statement.query_map([], |row| {
            let cell = |(index, column): (usize, &String)| Ok((column.clone(), cell(row.get_ref(index)?)));
            columns.iter().enumerate().map(cell).collect::<Result<Row, rusqlite::Error>>()
        });
        let rows = rows.map_err(|error| self.failed(error))?;
        rows.collect::<Result<_, _>>().map_err(|error| self.failed(error))
    }

    fn count(&self, table: &str) -> Result<usize, MigrateError> {
        let sql = format!("SELECT count(*) FROM {}", quoted(table));
        let count = self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
        Ok(usize::try_from(count.map_err(|error| self.failed(error))?).unwrap_or(0))
    }
}

/// Programs in Go store texts of JSON as blobs.
fn cell(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => json!(String::from_utf8_lossy(bytes)),
    }
}
