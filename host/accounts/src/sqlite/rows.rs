//! Documents as rows, as their collection's description says.

use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ffi, params_from_iter};
use serde_json::{Map, Value, json};
use tidegate_core::ports::{Collection, Column, ColumnKind, PageRequest, StoreError, StoredDocument, Version};

use super::classify;

/// Number of the columns before the collection's own: `id`, `revision`, the name and `other`.
const LEADING: usize = 4;
const NAME: usize = 2;

fn columns(collection: &Collection) -> String {
    let mut list = format!("id, revision, {}, other", collection.name_field);
    for column in collection.columns {
        list.push_str(", ");
        list.push_str(column.field);
    }
    list
}

pub fn find(
    connection: &Connection,
    collection: &'static Collection,
    name: &str,
) -> Result<Option<StoredDocument>, StoreError> {
    let (table, field) = (collection.table, collection.name_field);
    let sql = format!("SELECT {} FROM {table} WHERE {field} = ?1", columns(collection));
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    let found = statement.query_row([name], |row| read(row, collection)).optional().map_err(classify)?;
    let Some(id) = number_of(name).filter(|_| found.is_none()) else { return Ok(found) };
    let sql = format!("SELECT {} FROM {table} WHERE id = ?1 AND {}", columns(collection), unnamed(collection));
    let mut statement = connection.prepare(&sql).map_err(classify)?;
    statement.query_row([id], |row| read(row, collection)).optional().map_err(classify)
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
        let sql = format!("SELECT {} FROM {table} WHERE {name} >= x'' OR {name} < ''", columns(collection));
        let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
        let rows = statement.query_map([], |row| read(row, collection)).map_err(classify)?;
        found = rows.collect::<Result<_, _>>().map_err(classify)?;
    }
    let sql = format!(
        "SELECT {} FROM {table} WHERE {name} {from} ?1 AND {name} < coalesce(?2, x'') ORDER BY {name}",
        columns(collection)
    );
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

/// The first text after all texts that begin with `prefix`; `None` if there is none.
fn end_of(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // The code points between these two are surrogates, not characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
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
fn read(row: &Row<'_>, collection: &'static Collection) -> Result<StoredDocument, rusqlite::Error> {
    let number =
        |index| Ok::<_, rusqlite::Error>(cell(row.get_ref(index)?).and_then(|value| value.as_i64()).unwrap_or(0));
    let version = Version { id: number(0)?, revision: number(1)? };
    let (mut document, mut problem) = (Map::new(), None);
    let name = match row.get_ref(NAME)? {
        ValueRef::Text(name) => String::from_utf8_lossy(name).into_owned(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => {
            problem = Some(format!("column {}: it is no text", collection.name_field));
            format!("#{}", version.id)
        }
    };
    document.insert("id".to_owned(), json!(version.id));
    document.insert(collection.name_field.to_owned(), json!(name));
    for (index, column) in collection.columns.iter().enumerate() {
        let field = column.field;
        let value = match (column.kind, cell(row.get_ref(LEADING + index)?)) {
            (ColumnKind::Integer, value) => Some(value.unwrap_or_else(|| json!(0))),
            (ColumnKind::Text, value) => value,
            (ColumnKind::Json, None) => None,
            (ColumnKind::Json, Some(value)) => {
                let value = parsed(value).unwrap_or_else(|(text, error)| {
                    problem.get_or_insert(format!("column {field}: {error}"));
                    text
                });
                Some(value).filter(|value| !value.is_null())
            }
        };
        document.extend(value.map(|value| (field.to_owned(), value)));
    }
    match cell(row.get_ref(3)?).map(parsed) {
        None | Some(Ok(Value::Null)) => {}
        Some(Ok(Value::Object(other))) => document.extend(other),
        Some(Ok(_)) => drop(problem.get_or_insert("column other: it is no JSON object".to_owned())),
        Some(Err((_, error))) => drop(problem.get_or_insert(format!("column other: {error}"))),
    }
    Ok(StoredDocument { name, version, document, problem })
}

fn cell(value: ValueRef<'_>) -> Option<Value> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(json!(number)),
        ValueRef::Real(number) => Some(json!(number)),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(json!(String::from_utf8_lossy(bytes))),
    }
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The document in a column, null if the column is empty; or the text, and what is wrong with it.
fn parsed(value: Value) -> Result<Value, (Value, String)> {
    match value.as_str() {
        Some("") => Ok(Value::Null),
        Some(text) => serde_json::from_str(text).map_err(|error| (value.clone(), error.to_string())),
        None => Err((value, "it is no text".to_owned())),
    }
}

/// Adds a row; returns its ID.
pub fn insert(
    connection: &Connection,
    collection: &'static Collection,
    name: &str,
    document: &Map<String, Value>,
) -> Result<i64, StoreError> {
    let fields: Vec<&str> = collection.columns.iter().map(|column| column.field).collect();
    let places = vec!["?"; fields.len() + 2].join(", ");
    let sql = format!(
        "INSERT INTO {} ({}, other, {}) VALUES ({places})",
        collection.table,
        collection.name_field,
        fields.join(", ")
    );
    let cells = collection.columns.iter().map(|column| match column.is_maintained {
        true => Cell::Integer(0),
        false => to_cell(column, document),
    });
    let cells = [Cell::Text(name.to_owned()), other(collection, document)].into_iter().chain(cells);
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
    let given = || collection.columns.iter().filter(|column| !column.is_maintained);
    let mut sets: Vec<String> = given().map(|column| format!("{} = ?", column.field)).collect();
    sets.extend(reset.iter().map(|field| format!("{field} = 0")));
    let sql = format!(
        "UPDATE {} SET other = ?, {}, revision = revision + 1 WHERE {} = ? AND id = ? AND revision = ?",
        collection.table,
        sets.join(", "),
        collection.name_field
    );
    let cells = [other(collection, document)].into_iter().chain(given().map(|column| to_cell(column, document)));
    let which = [Cell::Text(name.to_owned()), Cell::Integer(expected.id), Cell::Integer(expected.revision)];
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    Ok(statement.execute(params_from_iter(cells.chain(which))).map_err(classify)? > 0)
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

fn to_cell(column: &Column, document: &Map<String, Value>) -> Cell {
    let value = document.get(column.field);
    match (column.kind, value) {
        (ColumnKind::Integer, value) => Cell::Integer(value.and_then(Value::as_i64).unwrap_or(0)),
        (ColumnKind::Text | ColumnKind::Json, None | Some(Value::Null)) => Cell::Null,
        (ColumnKind::Text, Some(value)) => Cell::Text(value.as_str().unwrap_or_default().to_owned()),
        (ColumnKind::Json, Some(value)) => Cell::Text(value.to_string()),
    }
}

/// The fields that have no column of their own.
fn other(collection: &'static Collection, document: &Map<String, Value>) -> Cell {
    let is_other = |field: &str| field != "id" && field != collection.name_field && collection.column(field).is_none();
    let other = document.iter().filter(|(field, _)| is_other(field));
    let other: Map<String, Value> = other.map(|(field, value)| (field.clone(), value.clone())).collect();
    Cell::Text(Value::Object(other).to_string())
}
