//! Documents as rows, as their collection's description says: the texts of statements, and the cells. Parameters
//! are written `?`.

use serde_json::{Map, Value, json};
use tidegate_core::ports::{Collection, Column, ColumnKind, MaintainedChange, PageRequest, StoredDocument, Version};

use super::text::end_of;
use super::{Cell, Row, placeholders};

/// Position of the name among the [columns]; before it come `id` and `revision`.
pub const NAME: usize = 2;
/// Position of the fields without a column.
pub const OTHER: usize = 3;
/// Number of the columns before the collection's own: `id`, `revision`, the name and `other`.
const LEADING: usize = 4;

/// The columns in which a row is read.
pub fn columns(collection: &Collection) -> String {
    let mut list = String::with_capacity(1_024);
    list.push_str("id, revision, ");
    list.push_str(collection.name_field);
    list.push_str(", other");
    for column in collection.columns {
        list.push_str(", ");
        list.push_str(column.field);
    }
    list
}

/// Reads the rows for which `condition` holds.
pub fn select(table: &str, collection: &Collection, condition: &str) -> String {
    format!("SELECT {} FROM {table} WHERE {condition}", columns(collection))
}

/// The condition, with its order and its cells, of a page of rows. `name`: the column of the names.
pub fn page(name: &str, page: &PageRequest) -> (String, Vec<Cell>) {
    let prefix = page.prefix.as_deref().unwrap_or_default();
    let after = page.after.as_deref().filter(|after| *after >= prefix);
    let (from, begin) = after.map_or((">=", prefix), |after| (">", after));
    let mut condition = format!("{name} {from} ?");
    let mut cells = vec![Cell::from(begin)];
    if let Some(end) = end_of(prefix) {
        condition.push_str(&format!(" AND {name} < ?"));
        cells.push(end.into());
    }
    condition.push_str(&format!(" ORDER BY {name} LIMIT ?"));
    cells.push(Cell::Integer(page.limit.into()));
    (condition, cells)
}

/// The document of a row that was read in these [columns].
pub fn read(collection: &Collection, mut row: Row) -> StoredDocument {
    let mut number = |index| match row.take(index) {
        Cell::Integer(number) => number,
        Cell::Null | Cell::Real(_) | Cell::Text(_) | Cell::Bytes(_) => 0,
    };
    let version = Version { id: number(0), revision: number(1) };
    let name = row.take(NAME).into_json().and_then(text_of);
    let cell = |index| Ok::<Option<Value>, std::convert::Infallible>(row.take(index).into_json());
    let Ok(stored) = assemble(collection, version, name, cell);
    stored
}

/// Adds this number of rows; each has the cells of [`inserted`].
pub fn insert(table: &str, collection: &Collection, rows: usize) -> String {
    let mut sql = format!("INSERT INTO {table} ({}, other", collection.name_field);
    for column in collection.columns {
        sql.push_str(", ");
        sql.push_str(column.field);
    }
    sql.push_str(") VALUES ");
    sql.push_str(&placeholders(rows, collection.columns.len() + 2));
    sql
}

/// The cells of a new row.
pub fn inserted<'a>(
    collection: &'a Collection,
    name: &'a str,
    document: &'a Map<String, Value>,
) -> impl Iterator<Item = Cell> + 'a {
    let cells = collection.columns.iter().map(|column| match column.is_maintained {
        true => Cell::Integer(0),
        false => to_cell(column, document),
    });
    [Cell::from(name), other(collection, document)].into_iter().chain(cells)
}

/// Replaces a row, if it is of the expected version; with the cells of [`replaced`].
pub fn update(table: &str, collection: &Collection, reset: &[&str]) -> String {
    let mut sets: Vec<String> = given(collection).map(|column| format!("{} = ?", column.field)).collect();
    sets.extend(reset.iter().map(|field| format!("{field} = 0")));
    format!(
        "UPDATE {table} SET other = ?, {}, revision = revision + 1 WHERE {} = ? AND id = ? AND revision = ?",
        sets.join(", "),
        collection.name_field
    )
}

/// The cells of a row that is replaced.
pub fn replaced<'a>(
    collection: &'a Collection,
    name: &'a str,
    document: &'a Map<String, Value>,
    expected: Version,
) -> impl Iterator<Item = Cell> + 'a {
    let cells = given(collection).map(|column| to_cell(column, document));
    let which = [Cell::from(name), Cell::Integer(expected.id), Cell::Integer(expected.revision)];
    [other(collection, document)].into_iter().chain(cells).chain(which)
}

/// Changes fields that the server maintains, where the guard holds; with the cells of [`maintained_values`].
pub fn change_maintained(table: &str, change: &MaintainedChange) -> String {
    let set = change.set.iter().map(|(field, _)| format!("{field} = ?"));
    let add = change.add.iter().map(|(field, _)| format!("{field} = {field} + ?"));
    let sets: Vec<String> = set.chain(add).collect();
    let name = change.collection.name_field;
    format!("UPDATE {table} SET {} WHERE {name} = ? AND id = ? AND {} < ?", sets.join(", "), change.guard.0)
}

/// The cells of such a change.
pub fn maintained_values(change: &MaintainedChange) -> Vec<Cell> {
    let values = change.set.iter().chain(&change.add).map(|(_, value)| Cell::Integer(*value));
    let which = [Cell::from(change.name.as_str()), Cell::Integer(change.id), Cell::Integer(change.guard.1)];
    values.chain(which).collect()
}

fn given(collection: &Collection) -> impl Iterator<Item = &Column> {
    collection.columns.iter().filter(|column| !column.is_maintained)
}

fn to_cell(column: &Column, document: &Map<String, Value>) -> Cell {
    let value = document.get(column.field);
    match (column.kind, value) {
        (ColumnKind::Integer, value) => Cell::Integer(value.and_then(Value::as_i64).unwrap_or(0)),
        (ColumnKind::Text | ColumnKind::Json, None | Some(Value::Null)) => Cell::Null,
        (ColumnKind::Text, Some(value)) => Cell::from(value.as_str().unwrap_or_default()),
        (ColumnKind::Json, Some(value)) => Cell::Text(value.to_string()),
    }
}

/// The fields that have no column of their own.
fn other(collection: &Collection, document: &Map<String, Value>) -> Cell {
    let is_other = |field: &str| field != "id" && field != collection.name_field && collection.column(field).is_none();
    let other = document.iter().filter(|(field, _)| is_other(field));
    let other: Map<String, Value> = other.map(|(field, value)| (field.clone(), value.clone())).collect();
    Cell::Text(Value::Object(other).to_string())
}

/// The document of a row, whatever its columns hold. `name`: none if it is no text. `cell` reads one of the
/// [columns].
pub fn assemble<E>(
    collection: &Collection,
    version: Version,
    name: Option<String>,
    mut cell: impl FnMut(usize) -> Result<Option<Value>, E>,
) -> Result<StoredDocument, E> {
    // With room for the columns, a map that grows would hash its keys again and again.
    let (mut document, mut problem) = (Map::with_capacity(LEADING + collection.columns.len()), None);
    let name = name.unwrap_or_else(|| {
        problem = Some(format!("column {}: it is no text", collection.name_field));
        format!("#{}", version.id)
    });
    document.insert("id".to_owned(), json!(version.id));
    document.insert(collection.name_field.to_owned(), json!(name));
    for (index, column) in collection.columns.iter().enumerate() {
        let field = column.field;
        let value = match (column.kind, cell(LEADING + index)?) {
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
        if let Some(value) = value {
            document.insert(field.to_owned(), value);
        }
    }
    match cell(OTHER)?.map(parsed) {
        None | Some(Ok(Value::Null)) => {}
        Some(Ok(Value::Object(other))) => document.extend(other),
        Some(Ok(_)) => drop(problem.get_or_insert("column other: it is no JSON object".to_owned())),
        Some(Err((_, error))) => drop(problem.get_or_insert(format!("column other: {error}"))),
    }
    Ok(StoredDocument { name, version, document, problem })
}

/// The text in a value, if it is one.
pub fn text_of(value: Value) -> Option<String> {
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
