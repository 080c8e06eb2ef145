//! Documents as rows, as their collection's description says.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ffi, params_from_iter};
use serde_json::{Map, Value, json};
use tidegate_core::account::ObjectKind;
use tidegate_core::ports::{Collection, GROUPS, PageRequest, StoreError, StoredDocument, USERS, Version};

use super::classify;
use crate::sql::Cell;
use crate::sql::documents::{self, NAME, assemble, text_of};
use crate::sql::text::end_of;

impl ToSql for Cell {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>, rusqlite::Error> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

pub fn find(
    connection: &Connection,
    collection: &'static Collection,
    name: &str,
) -> Result<Option<StoredDocument>, StoreError> {
    let (table, field) = (collection.table, collection.name_field);
    let sql = documents::select(table, collection, &format!("{field} = ?1"));
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    let found = statement.query_row([name], |row| read(row, collection)).optional().map_err(classify)?;
    let Some(id) = number_of(name).filter(|_| found.is_none()) else { return Ok(found) };
    let sql = documents::select(table, collection, &format!("id = ?1 AND {}", unnamed(collection)));
    let mut statement = connection.prepare(&sql).map_err(classify)?;
    statement.query_row([id], |row| read(row, collection)).optional().map_err(classify)
}

pub fn find_by_id(
    connection: &Connection,
    collection: &'static Collection,
    id: i64,
) -> Result<Option<StoredDocument>, StoreError> {
    let sql = documents::select(collection.table, collection, "id = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    statement.query_row([id], |row| read(row, collection)).optional().map_err(classify)
}

/// Whether there is no document, valid or not.
pub fn is_empty(connection: &Connection, collection: &Collection) -> Result<bool, StoreError> {
    let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", collection.table);
    connection.query_row(&sql, [], |row| row.get(0)).map_err(classify)
}

/// Selects rows whose name is not text, so that no request can name them. They are addressed by their number.
fn unnamed(collection: &Collection) -> String {
    format!("typeof({}) <> 'text'", collection.name_field)
}

fn number_of(name: &str) -> Option<i64> {
    name.strip_prefix('#')?.parse().ok()
}

pub fn list(
    connection: &Connection,
    collection: &'static Collection,
    page: &PageRequest,
) -> Result<Vec<StoredDocument>, StoreError> {
    let (table, name) = (collection.table, collection.name_field);
    let prefix = page.prefix.as_deref().unwrap_or_default();
    let after = page.after.as_deref().filter(|after| *after >= prefix);
    let (from, begin) = after.map_or((">=", prefix), |after| (">", after));
    let mut found = Vec::new();
    if page.after.is_none() && prefix.is_empty() {
        // Rows without a name come first, before all pages. The index finds them: SQLite orders
        // numbers before all text, and blobs after it.
        let sql = documents::select(table, collection, &format!("{name} >= x'' OR {name} < ''"));
        let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
        let rows = statement.query_map([], |row| read(row, collection)).map_err(classify)?;
        found = rows.collect::<Result<_, _>>().map_err(classify)?;
    }
    let range = format!("{name} {from} ?1 AND {name} < coalesce(?2, x'') ORDER BY {name}");
    let sql = documents::select(table, collection, &range);
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    let mut rows = statement.query((begin, end_of(prefix))).map_err(classify)?;
    let limit = found.len().saturating_add(usize::try_from(page.limit).unwrap_or(usize::MAX));
    while found.len() < limit
        && let Some(row) = rows.next().map_err(classify)?
    {
        // A name that is not UTF-8 is skipped: a page that ends with it would be followed by the same page.
        let is_name = row.get_ref(NAME).map_err(classify)?.as_str().is_ok();
        if is_name {
            found.push(read(row, collection).map_err(classify)?);
        }
    }
    Ok(found)
}

/// Whether an account or a group refers to the object.
pub fn refers_to(connection: &Connection, kind: ObjectKind, name: &str) -> Result<bool, StoreError> {
    for collection in [&USERS, &GROUPS] {
        let sql = documents::select(collection.table, collection, "TRUE");
        let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
        let mut rows = statement.query([]).map_err(classify)?;
        while let Some(row) = rows.next().map_err(classify)? {
            if kind.is_referred_to(&read(row, collection).map_err(classify)?.document, name) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

pub fn texts(
    connection: &Connection,
    collection: &'static Collection,
    field: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let sql = format!("SELECT {}, {field} FROM {}", collection.name_field, collection.table);
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    let rows = statement.query_map([], |row| {
        let text = |index| Ok::<_, rusqlite::Error>(cell(row.get_ref(index)?).and_then(text_of).unwrap_or_default());
        Ok((text(0)?, text(1)?))
    });
    rows.map_err(classify)?.collect::<Result<_, _>>().map_err(classify)
}

/// Reads a row whatever it holds, since SQLite's columns take values of any type.
pub fn read(row: &Row<'_>, collection: &'static Collection) -> Result<StoredDocument, rusqlite::Error> {
    let number =
        |index| Ok::<_, rusqlite::Error>(cell(row.get_ref(index)?).and_then(|value| value.as_i64()).unwrap_or(0));
    let version = Version { id: number(0)?, revision: number(1)? };
    let name = match row.get_ref(NAME)? {
        ValueRef::Text(name) => Some(String::from_utf8_lossy(name).into_owned()),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    };
    assemble(collection, version, name, |index| Ok(cell(row.get_ref(index)?)))
}

fn cell(value: ValueRef<'_>) -> Option<Value> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(json!(number)),
        ValueRef::Real(number) => Some(json!(number)),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(json!(String::from_utf8_lossy(bytes))),
    }
}

/// Adds a row; returns its ID.
pub fn insert(
    connection: &Connection,
    collection: &'static Collection,
    name: &str,
    document: &Map<String, Value>,
) -> Result<i64, StoreError> {
    let sql = documents::insert(collection.table, collection, 1);
    let cells = documents::inserted(collection, name, document);
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    match statement.execute(params_from_iter(cells)) {
        Ok(_) => Ok(connection.last_insert_rowid()),
        Err(rusqlite::Error::SqliteFailure(failure, _)) if failure.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE => {
            Err(StoreError::Exists(collection.object(name)))
        }
        Err(error) => Err(classify(error)),
    }
}

/// Replaces a row; returns whether there was such a row.
pub fn replace(
    connection: &Connection,
    collection: &'static Collection,
    name: &str,
    document: &Map<String, Value>,
    expected: Version,
    reset: &[&str],
) -> Result<bool, StoreError> {
    let sql = documents::update(collection.table, collection, reset);
    let cells = documents::replaced(collection, name, document, expected);
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    Ok(statement.execute(params_from_iter(cells)).map_err(classify)? > 0)
}

/// `None` if there is no such row.
pub fn version(
    connection: &Connection,
    collection: &'static Collection,
    name: &str,
) -> Result<Option<Version>, StoreError> {
    let (table, field) = (collection.table, collection.name_field);
    let version = |row: &Row<'_>| Ok(Version { id: row.get(0)?, revision: row.get(1)? });
    let sql = format!("SELECT id, revision FROM {table} WHERE {field} = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    let found = statement.query_row([name], version).optional().map_err(classify)?;
    let Some(id) = number_of(name).filter(|_| found.is_none()) else { return Ok(found) };
    let sql = format!("SELECT id, revision FROM {table} WHERE id = ?1 AND {}", unnamed(collection));
    let mut statement = connection.prepare(&sql).map_err(classify)?;
    statement.query_row([id], version).optional().map_err(classify)
}
