//! A file with a table or a view of accounts that is only read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use tidegate_core::ports::StoreError;

use super::{BUSY_TIMEOUT, classify, classify_open, on};
use crate::read_only::{AccountTable, Reader};
use crate::sql::remote::apart;
use crate::sql::{Cell, Patience, Row, TableNames};

/// A file that is opened to be read.
pub struct SqliteReader {
    connection: Arc<Mutex<Connection>>,
    path: PathBuf,
    names: TableNames,
}

impl SqliteReader {
    /// Looks at the table or view in a file, and changes nothing.
    pub fn open(path: &Path, names: TableNames) -> Result<AccountTable<Self>, StoreError> {
        let unusable = |error: rusqlite::Error| StoreError::Failed(classify_open(&error, path).to_string());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(unusable)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
        // Opening does not read the file.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(unusable)?;
        let reader = Self { connection: Arc::new(Mutex::new(connection)), path: path.to_owned(), names };
        apart(AccountTable::open(reader))
    }
}

#[async_trait]
impl Reader for SqliteReader {
    async fn columns(&self) -> Result<Vec<String>, StoreError> {
        let table = format!("{}{}", self.names.prefix, self.names.users);
        let sql = "SELECT name FROM pragma_table_info(?)";
        let rows = self.query(Patience::Long, sql, vec![table.into()]).await?;
        rows.into_iter().map(|mut row| row.text(0)).collect()
    }

    async fn query(&self, _: Patience, sql: &str, values: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let sql = sql.replace("{users}", &self.names.quoted("users", '"'));
        on(&self.connection, move |connection| {
            let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
            let width = statement.column_count();
            let mut rows = statement.query(params_from_iter(values)).map_err(classify)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().map_err(classify)? {
                let cells = (0..width).map(|index| row.get_ref(index).map(cell));
                found.push(Row(cells.collect::<Result<_, _>>().map_err(classify)?));
            }
            Ok(found)
        })
        .await
    }

    fn by_bytes(&self, column: &str) -> String {
        // Whatever collation the column of another program has.
        format!("{column} COLLATE BINARY")
    }

    fn place(&self) -> String {
        format!("table or view \"{}{}\" in {}", self.names.prefix, self.names.users, self.path.display())
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    }
}
