//! SQLite files. A copy is read, so that nothing at the source is touched: SQLite itself would make files beside it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::database::{Names, read_tables};
use super::tables::{NOT_UTF8, Row, Tables};
use crate::{MigrateError, Moved};

/// From this version on, which is a date, a file is this server's own.
const OUR_FIRST: i64 = 20_200_131;
/// Bytes that are compared at once.
const PART: u64 = 1 << 20;

struct Sqlite<'a> {
    connection: Connection,
    path: &'a Path,
}

/// Reads an SQLite file of the older server.
///
/// # Errors
/// The file cannot be read, or is no such database.
pub fn read_sqlite(path: &Path, names: &Names) -> Result<Moved, MigrateError> {
    with_copy(path, |connection| {
        check_whole(&connection, path)?;
        read_tables(&Sqlite { connection, path }, path, names)
    })
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
pub(super) fn with_copy<T>(
    path: &Path,
    read: impl FnOnce(Connection) -> Result<T, MigrateError>,
) -> Result<T, MigrateError> {
    // SQLite has its journals beside the file to which a symbolic link leads.
    let path = followed(path);
    let path = path.as_path();
    let unusable =
        |error: &dyn std::fmt::Display| MigrateError::unusable(path, format!("it could not be copied: {error}"));
    let place = tempfile::Builder::new().prefix("tidegate-migrate").tempdir().map_err(|error| unusable(&error))?;
    let copy = place.path().join("copy.db");
    if !path.metadata().map_err(|error| unreadable(path, error))?.is_file() {
        return Err(MigrateError::unusable(path, "it is not a file"));
    }
    let parts = ["", "-wal", "-journal"].map(|ending| (beside(path, ending), beside(&copy, ending)));
    for (part, copy) in &parts {
        match std::fs::copy(part, copy) {
            Err(error) if part.as_path() == path || error.kind() != ErrorKind::NotFound => {
                return Err(unreadable(part, error));
            }
            Ok(_) | Err(_) => {}
        }
    }
    // A copy that was made while a program wrote has some pages of before and some of after.
    for (part, copy) in &parts {
        if !is_same(part, copy).map_err(|error| unreadable(part, error))? {
            let problem = "a program writes it; stop the older server first";
            return Err(MigrateError::unusable(path, problem));
        }
    }
    // A hot journal is rolled back, which writes into the copy.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&copy, mode).map_err(|error| unusable(&error))?;
    read(Connection::open_with_flags(&copy, flags).map_err(|error| MigrateError::unusable(path, error))?)
}

/// Whether both have the same bytes, or neither is there.
fn is_same(one: &Path, other: &Path) -> std::io::Result<bool> {
    let open = |path: &Path| match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let (mut one, mut other) = match (open(one)?, open(other)?) {
        (Some(one), Some(other)) => (one, other),
        (None, None) => return Ok(true),
        (Some(_), None) | (None, Some(_)) => return Ok(false),
    };
    let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
    loop {
        of_one.clear();
        of_other.clear();
        (&mut one).take(PART).read_to_end(&mut of_one)?;
        (&mut other).take(PART).read_to_end(&mut of_other)?;
        if of_one != of_other {
            return Ok(false);
        }
        if of_one.is_empty() {
            return Ok(true);
        }
    }
}

/// A damaged database may give fewer rows than it has, without an error.
fn check_whole(connection: &Connection, path: &Path) -> Result<(), MigrateError> {
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    let found = found.map_err(|error| failed(path, error))?;
    if found == "ok" {
        return Ok(());
    }
    let problem = format!(
        "it is damaged ({}); repair it first, with the command .recover of sqlite3",
        crate::account::printable(&found)
    );
    Err(MigrateError::unusable(path, problem))
}

pub(super) fn failed(path: &Path, error: rusqlite::Error) -> MigrateError {
    MigrateError::unusable(path, format!("it cannot be read as an SQLite database: {error}"))
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

/// The file itself where the path is a symbolic link to one.
pub(crate) fn followed(path: &Path) -> PathBuf {
    let target = if path.is_symlink() { path.canonicalize().ok() } else { None };
    target.unwrap_or_else(|| path.to_owned())
}

impl Sqlite<'_> {
    fn failed(&self, error: rusqlite::Error) -> MigrateError {
        failed(self.path, error)
    }

    fn texts(&self, sql: &str) -> Result<Vec<String>, MigrateError> {
        let mut statement = self.connection.prepare(sql).map_err(|error| self.failed(error))?;
        let texts = statement.query_map([], |row| row.get::<_, String>(0)).map_err(|error| self.failed(error))?;
        texts.collect::<Result<_, _>>().map_err(|error| self.failed(error))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Tables for Sqlite<'_> {
    fn names(&self) -> Result<Vec<String>, MigrateError> {
        self.texts("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
    }

    fn views(&self) -> Result<Vec<String>, MigrateError> {
        self.texts("SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY name")
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
            let (mut cells, mut broken) = (Row::new(), Vec::new());
            for (index, column) in columns.iter().enumerate() {
                let value = row.get_ref(index)?;
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = value
                    && std::str::from_utf8(bytes).is_err()
                {
                    broken.push(column.clone());
                }
                cells.insert(column.clone(), cell(value));
            }
            if !broken.is_empty() {
                cells.insert(NOT_UTF8.to_owned(), json!(broken));
            }
            Ok(cells)
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
