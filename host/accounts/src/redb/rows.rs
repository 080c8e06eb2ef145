//! Documents as values of a table, with the fields that the server maintains beside them.

use std::collections::BTreeMap;
use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use serde_json::{Map, Value, json};
use tidegate_core::account::ObjectKind;
use tidegate_core::ports::{
    Change, Collection, GROUPS, PageRequest, StoreError, StoredDocument, USERS, Version, Write,
};

use super::account_lists::refer;
use super::failure::Failure;
use super::tables::{LAST_IDS, MARKS, Row, documents, opened};

/// The fields that the server maintains; those that are missing are 0.
pub type Fields = BTreeMap<String, i64>;

pub fn find(
    transaction: &ReadTransaction,
    collection: &'static Collection,
    name: &str,
) -> Result<Option<StoredDocument>, Failure> {
    let Some(table) = opened(transaction, documents(collection))? else { return Ok(None) };
    let row = table.get(name.as_bytes())?;
    Ok(row.map(|row| stored(collection, name, row.value())))
}

pub fn find_all(
    transaction: &ReadTransaction,
    collection: &'static Collection,
    names: &[String],
) -> Result<Vec<StoredDocument>, Failure> {
    let Some(table) = opened(transaction, documents(collection))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for name in names {
        if let Some(row) = table.get(name.as_bytes())? {
            found.push(stored(collection, name, row.value()));
        }
    }
    Ok(found)
}

/// Where a page begins among the names.
pub fn begin(page: &PageRequest) -> Bound<&[u8]> {
    let prefix = page.prefix.as_deref().unwrap_or_default();
    match page.after.as_deref() {
        Some(after) if after >= prefix => Bound::Excluded(after.as_bytes()),
        Some(_) | None => Bound::Included(prefix.as_bytes()),
    }
}

pub fn list(
    transaction: &ReadTransaction,
    collection: &'static Collection,
    page: &PageRequest,
) -> Result<Vec<StoredDocument>, Failure> {
    let Some(table) = opened(transaction, documents(collection))? else { return Ok(Vec::new()) };
    let prefix = page.prefix.as_deref().unwrap_or_default();
    let begin = begin(page);
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for row in table.range::<&[u8]>((begin, Bound::Unbounded))? {
        let (name, row) = row?;
        if found.len() >= limit || !name.value().starts_with(prefix.as_bytes()) {
            break;
        }
        if let Ok(name) = str::from_utf8(name.value()) {
            found.push(stored(collection, name, row.value()));
        }
    }
    Ok(found)
}

pub fn texts(
    transaction: &ReadTransaction,
    collection: &'static Collection,
    field: &str,
) -> Result<Vec<(String, String)>, Failure> {
    let Some(table) = opened(transaction, documents(collection))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for row in table.range::<&[u8]>(..)? {
        let (name, row) = row?;
        let (_, _, _, text) = row.value();
        // A document that cannot be read has no text.
        let document: Map<String, Value> = serde_json::from_slice(text).unwrap_or_default();
        let text = document.get(field).and_then(Value::as_str).unwrap_or_default();
        found.push((String::from_utf8_lossy(name.value()).into_owned(), text.to_owned()));
    }
    Ok(found)
}

pub fn stored(
    collection: &'static Collection,
    name: &str,
    (id, revision, maintained, text): (i64, i64, &[u8], &[u8]),
) -> StoredDocument {
    let mut problem = None;
    let mut document = Map::new();
    document.insert("id".to_owned(), json!(id));
    document.insert(collection.name_field.to_owned(), json!(name));
    match serde_json::from_slice::<Map<String, Value>>(text) {
        Ok(fields) => document.extend(fields),
        Err(error) => problem = Some(format!("the stored document cannot be read: {error}")),
    }
    let fields = fields_of(maintained).unwrap_or_else(|error| {
        problem.get_or_insert(format!("the fields that the server maintains cannot be read: {error}"));
        Fields::new()
    });
    for column in collection.maintained() {
        let value = fields.get(column.field).copied().unwrap_or(0);
        document.insert(column.field.to_owned(), json!(value));
    }
    StoredDocument { name: name.to_owned(), version: Version { id, revision }, document, problem }
}

fn fields_of(text: &[u8]) -> Result<Fields, serde_json::Error> {
    if text.is_empty() { Ok(Fields::new()) } else { serde_json::from_slice(text) }
}

fn text_of_fields(fields: &Fields) -> Result<Vec<u8>, StoreError> {
    if fields.is_empty() { Ok(Vec::new()) } else { json_of(fields) }
}

fn json_of(value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Failed(error.to_string()))
}

/// The document as text, without what is kept beside it.
fn text_of(collection: &'static Collection, document: &Map<String, Value>) -> Result<Vec<u8>, StoreError> {
    let is_kept = |field: &str| {
        let is_maintained = collection.column(field).is_some_and(|column| column.is_maintained);
        !is_maintained && field != "id" && field != collection.name_field
    };
    let kept = document.iter().filter(|(field, _)| is_kept(field));
    let kept: Map<String, Value> = kept.map(|(field, value)| (field.clone(), value.clone())).collect();
    json_of(&kept)
}

/// Makes one change; returns the version that it leads to.
pub fn write(transaction: &WriteTransaction, change: &Change) -> Result<Version, Failure> {
    let Change { collection, name, .. } = change;
    let object = || collection.object(name);
    if let Write::RequireUnreferenced(kind) = change.write
        && refers_to(transaction, kind, name)?
    {
        return Err(StoreError::Conflict(object()).into());
    }
    let mut table = transaction.open_table(documents(collection))?;
    let found = table.get(name.as_bytes())?.map(|row| {
        let (id, revision, maintained, text) = row.value();
        (Version { id, revision }, maintained.to_vec(), text.to_vec())
    });
    let is_expected = |expected: Option<Version>| match &found {
        None => Err(StoreError::NotFound(object())),
        Some((version, ..)) if expected.is_none_or(|expected| expected == *version) => Ok(*version),
        Some(_) => Err(StoreError::Conflict(object())),
    };
    match &change.write {
        Write::Add(_) if found.is_some() => Err(StoreError::Exists(object()).into()),
        Write::Add(document) => {
            let text = text_of(collection, document)?;
            let id = next_id(transaction, collection)?;
            refer(transaction, collection, name, None, Some(text.as_slice()))?;
            table.insert(name.as_bytes(), (id, 0, [].as_slice(), text.as_slice()))?;
            Ok(Version { id, revision: 0 })
        }
        Write::Replace { document, expected, reset } => {
            let Version { id, revision } = is_expected(Some(*expected))?;
            let (mut maintained, before) =
                found.map(|(_, maintained, before)| (maintained, before)).unwrap_or_default();
            if !reset.is_empty() {
                let mut fields = fields_of(&maintained).unwrap_or_default();
                fields.retain(|field, _| !reset.contains(&field.as_str()));
                maintained = text_of_fields(&fields)?;
            }
            let (text, revision) = (text_of(collection, document)?, revision + 1);
            refer(transaction, collection, name, Some(before.as_slice()), Some(text.as_slice()))?;
            table.insert(name.as_bytes(), (id, revision, maintained.as_slice(), text.as_slice()))?;
            Ok(Version { id, revision })
        }
        Write::Delete { expected } => {
            let version = is_expected(*expected)?;
            refer(transaction, collection, name, found.as_ref().map(|(_, _, before)| before.as_slice()), None)?;
            table.remove(name.as_bytes())?;
            transaction.open_table(MARKS)?.remove((collection.noun.as_bytes(), name.as_bytes()))?;
            Ok(version)
        }
        Write::Require { expected } => Ok(is_expected(Some(*expected))?),
        Write::RequireEmpty if table.iter()?.next().is_none() => Ok(Version::default()),
        Write::RequireEmpty => Err(StoreError::Conflict(object()).into()),
        Write::RequireUnreferenced(_) => Ok(is_expected(None)?),
    }
}

/// Whether an account or a group refers to the object.
fn refers_to(transaction: &WriteTransaction, kind: ObjectKind, name: &str) -> Result<bool, Failure> {
    for collection in [&USERS, &GROUPS] {
        for row in transaction.open_table(documents(collection))?.iter()? {
            let (found, row) = row?;
            let found = String::from_utf8_lossy(found.value());
            if kind.is_referred_to(&stored(collection, &found, row.value()).document, name) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn next_id(transaction: &WriteTransaction, collection: &Collection) -> Result<i64, Failure> {
    let mut ids = transaction.open_table(LAST_IDS)?;
    let last = ids.get(collection.table.as_bytes())?.map_or(0, |id| id.value());
    ids.insert(collection.table.as_bytes(), last + 1)?;
    Ok(last + 1)
}

/// A collection's documents, of which only the maintained fields are changed.
pub struct Maintained<'txn> {
    table: Table<'txn, &'static [u8], Row>,
}

impl<'txn> Maintained<'txn> {
    pub fn open(transaction: &'txn WriteTransaction, collection: &'static Collection) -> Result<Self, Failure> {
        Ok(Self { table: transaction.open_table(documents(collection))? })
    }

    /// Changes the fields of a document. `None`: there is none of this name, or it has another id.
    pub fn update<T>(
        &mut self,
        name: &str,
        id: Option<i64>,
        change: impl FnOnce(&mut Fields) -> T,
    ) -> Result<Option<T>, Failure> {
        let found = self.table.get(name.as_bytes())?.map(|row| {
            let (id, revision, maintained, text) = row.value();
            (id, revision, maintained.to_vec(), text.to_vec())
        });
        let Some((found_id, revision, maintained, text)) = found else { return Ok(None) };
        if id.is_some_and(|id| id != found_id) {
            return Ok(None);
        }
        let before = fields_of(&maintained).unwrap_or_default();
        let mut fields = before.clone();
        let value = change(&mut fields);
        if fields != before {
            let maintained = text_of_fields(&fields)?;
            self.table.insert(name.as_bytes(), (found_id, revision, maintained.as_slice(), text.as_slice()))?;
        }
        Ok(Some(value))
    }
}

/// The maintained fields of a document.
pub fn fields(
    transaction: &ReadTransaction,
    collection: &'static Collection,
    name: &str,
) -> Result<Option<Fields>, Failure> {
    let Some(table) = opened(transaction, documents(collection))? else { return Ok(None) };
    let row = table.get(name.as_bytes())?;
    Ok(row.map(|row| fields_of(row.value().2).unwrap_or_default()))
}
