//! Changes of documents: each commit is one transaction with its announcements and audit records.

use std::sync::Arc;

use serde_json::{Map, Value};
use tidegate_core::account::ObjectKind;
use tidegate_core::ports::{ADMINS, Change, ChangeParts, Collection, GROUPS, StoreError, USERS, Version, Write};

use super::{audit, lock, table};
use crate::sql::{Cell, Dialect, Failure, Row, Transaction, account_references, documents};

/// The most rows that one statement adds.
const ROWS_AT_ONCE: usize = 500;

/// The number of documents that are searched at once.
const PAGE: u32 = 500;

/// Makes the changes in their order. Documents that are added one after the other go in one statement, and so do
/// the audit records and the announcements: each statement is a round trip.
pub async fn write_all(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    changes: &[Change],
) -> Result<Vec<Version>, Failure> {
    let versions = write_documents(transaction, dialect, changes).await?;
    append_audit(transaction, changes, &versions).await?;
    announce(transaction, announced(changes).collect()).await?;
    Ok(versions)
}

/// Makes the changes of all parts, as [`write_all`] does: audit records come behind all documents, and announcements
/// behind all records, so that transactions lock rows in the same order, and those of all changes for a short time.
pub async fn write_parts(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    parts: &Arc<dyn ChangeParts>,
) -> Result<(), Failure> {
    let mut versions = Vec::with_capacity(parts.parts());
    for index in 0..parts.parts() {
        versions.push(write_documents(transaction, dialect, &part(parts, index).await?).await?);
    }
    let mut names = Vec::new();
    for (index, versions) in versions.iter().enumerate() {
        let changes = part(parts, index).await?;
        append_audit(transaction, &changes, versions).await?;
        names.extend(announced(&changes));
    }
    announce(transaction, names).await
}

/// A part may come from a disk.
async fn part(parts: &Arc<dyn ChangeParts>, index: usize) -> Result<Vec<Change>, StoreError> {
    let parts = parts.clone();
    let read = tokio::task::spawn_blocking(move || parts.part(index)).await;
    read.map_err(|error| StoreError::Failed(format!("the changes could not be read: {error}")))?
}

async fn append_audit(
    transaction: &mut dyn Transaction,
    changes: &[Change],
    versions: &[Version],
) -> Result<(), Failure> {
    let records = changes.iter().zip(versions);
    let records = records.filter_map(|(change, version)| Some((change.audit.as_ref()?, Some(version.revision))));
    audit::append(transaction, records).await
}

/// The objects whose changes are announced.
fn announced(changes: &[Change]) -> impl Iterator<Item = (&'static str, String)> {
    let announced = changes.iter().filter(|change| change.announce);
    announced.map(|change| (change.collection.kind, change.name.clone()))
}

async fn announce(transaction: &mut dyn Transaction, objects: Vec<(&'static str, String)>) -> Result<(), Failure> {
    if objects.is_empty() { Ok(()) } else { transaction.announce(objects).await }
}

async fn write_documents(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    changes: &[Change],
) -> Result<Vec<Version>, Failure> {
    let mut versions = Vec::with_capacity(changes.len());
    let mut rest = changes;
    while let Some(change) = rest.first() {
        let added = added_together(rest);
        if added.is_empty() {
            versions.push(write(transaction, dialect, change).await?);
            rest = rest.get(1..).unwrap_or_default();
        } else {
            versions.extend(add(transaction, dialect, change.collection, &added).await?);
            rest = rest.get(added.len()..).unwrap_or_default();
        }
    }
    Ok(versions)
}

/// The documents that the first changes add to one collection.
fn added_together(changes: &[Change]) -> Vec<(&str, &Map<String, Value>)> {
    let collection = changes.first().map(|change| change.collection);
    let added = changes.iter().take(ROWS_AT_ONCE).map_while(|change| match &change.write {
        Write::Add(document) if Some(change.collection) == collection => Some((change.name.as_str(), document)),
        Write::Add(_)
        | Write::Replace { .. }
        | Write::Delete { .. }
        | Write::Require { .. }
        | Write::RequireEmpty
        | Write::RequireUnreferenced(_) => None,
    });
    added.collect()
}

async fn add(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    collection: &'static Collection,
    added: &[(&str, &Map<String, Value>)],
) -> Result<Vec<Version>, Failure> {
    if may_be_required_empty(collection) {
        lock_number(transaction, dialect, collection).await?;
    }
    let insert = documents::insert(&table(collection), collection, added.len());
    let cells = added.iter().flat_map(|(name, document)| documents::inserted(collection, name, document));
    let names: Vec<&str> = added.iter().map(|(name, _)| *name).collect();
    let ids = transaction.add(collection, &insert, cells.collect(), &names).await?;
    if *collection == USERS {
        let references = added.iter().flat_map(|(name, document)| account_references::rows_of(name, document));
        refer(transaction, &names, references.collect()).await?;
    }
    Ok(ids.into_iter().map(|id| Version { id, revision: 0 }).collect())
}

/// Puts the rows in the place of those that the accounts have among the references. Most changes are of accounts that
/// go on to refer to the same: they lock no row there.
async fn refer(
    transaction: &mut dyn Transaction,
    accounts: &[&str],
    rows: Vec<account_references::Reference>,
) -> Result<(), Failure> {
    let names = || -> Vec<Cell> { accounts.iter().map(|name| Cell::from(*name)).collect() };
    let select = account_references::select(account_references::TABLE, accounts.len());
    // Also of new accounts: another program may have deleted those of their names.
    let stored = transaction.query(&select, names()).await?;
    if stored.len() == rows.len() && stored.iter().zip(&rows).all(|(stored, row)| stored.0 == *row) {
        return Ok(());
    }
    if !stored.is_empty() {
        let delete = account_references::delete(account_references::TABLE, accounts.len());
        transaction.execute(&delete, names()).await?;
    }
    for some in rows.chunks(account_references::ROWS_AT_ONCE) {
        let insert = account_references::insert(account_references::TABLE, some.len());
        transaction.execute(&insert, some.iter().flatten().cloned().collect()).await?;
    }
    Ok(())
}

async fn write(transaction: &mut dyn Transaction, dialect: &dyn Dialect, change: &Change) -> Result<Version, Failure> {
    let Change { collection, name, .. } = change;
    match &change.write {
        // It is added by `add`.
        Write::Add(_) => Err(StoreError::Failed(format!("the {} \"{name}\" was not added", collection.noun)).into()),
        Write::Replace { document, expected, reset } => {
            let sql = documents::update(&table(collection), collection, reset);
            let cells = documents::replaced(collection, name, document, *expected).collect();
            if transaction.execute(&sql, cells).await? == 0 {
                // Tells the two cases apart: no such object, or another version of it.
                require(transaction, change, Some(*expected)).await?;
                return Err(StoreError::Conflict(collection.object(name)).into());
            }
            if **collection == USERS {
                refer(transaction, &[name.as_str()], account_references::rows_of(name, document)).await?;
            }
            Ok(Version { revision: expected.revision + 1, ..*expected })
        }
        Write::Delete { expected } => {
            let version = require(transaction, change, *expected).await?;
            let sql = format!("DELETE FROM {} WHERE id = ?", table(collection));
            transaction.execute(&sql, vec![version.id.into()]).await?;
            if **collection == USERS {
                refer(transaction, &[name.as_str()], Vec::new()).await?;
            }
            let sql = "DELETE FROM {unsettled_usages} WHERE kind = ? AND name = ?";
            transaction.execute(sql, vec![collection.noun.into(), name.as_str().into()]).await?;
            Ok(version)
        }
        Write::Require { expected } => require(transaction, change, Some(*expected)).await,
        Write::RequireEmpty if !may_be_required_empty(collection) => {
            let text = format!("nothing keeps the table {} empty until the end of a change", collection.table);
            Err(StoreError::Failed(text).into())
        }
        Write::RequireEmpty => {
            // The look comes after the lock: it sees what was committed by other writers.
            lock_number(transaction, dialect, collection).await?;
            let sql = format!("SELECT id FROM {} LIMIT 1", table(collection));
            match transaction.query(&sql, Vec::new()).await?.is_empty() {
                true => Ok(Version::default()),
                false => Err(StoreError::Conflict(collection.object(name)).into()),
            }
        }
        Write::RequireUnreferenced(kind) => {
            // The search comes after the lock: it sees what was committed by writers that required the object.
            let version = require(transaction, change, None).await?;
            if refers_to(transaction, *kind, name).await? {
                return Err(StoreError::Conflict(collection.object(name)).into());
            }
            Ok(version)
        }
    }
}

/// Whether a change may want the collection to be empty: all that adds to it waits for such a change then. Of the others,
/// many are added at once.
fn may_be_required_empty(collection: &Collection) -> bool {
    *collection == ADMINS
}

/// Keeps documents from being added by others until the end of the transaction. Of an empty collection, there is no row
/// that could be locked.
async fn lock_number(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    collection: &Collection,
) -> Result<(), Failure> {
    lock(transaction, dialect, &format!("empty {}", collection.table)).await
}

/// Whether an account or a group refers to the object.
async fn refers_to(transaction: &mut dyn Transaction, kind: ObjectKind, name: &str) -> Result<bool, Failure> {
    for collection in [&USERS, &GROUPS] {
        let mut after = String::new();
        loop {
            let condition = format!("{0} > ? ORDER BY {0} LIMIT ?", collection.name_field);
            let sql = documents::select(&table(collection), collection, &condition);
            let rows = transaction.query(&sql, vec![after.as_str().into(), super::limit(PAGE)]).await?;
            let page: Vec<_> = rows.into_iter().map(|row| documents::read(collection, row)).collect();
            let Some(last) = page.last() else { break };
            if page.iter().any(|stored| kind.is_referred_to(&stored.document, name)) {
                return Ok(true);
            }
            after = last.name.clone();
        }
    }
    Ok(false)
}

/// The version of the change's object, if it is the expected one; nothing changes the object until the end of the
/// transaction.
async fn require(
    transaction: &mut dyn Transaction,
    change: &Change,
    expected: Option<Version>,
) -> Result<Version, Failure> {
    let Change { collection, name, .. } = change;
    let sql = format!("SELECT id, revision FROM {} WHERE {} = ? FOR UPDATE", table(collection), collection.name_field);
    let found = transaction.query(&sql, vec![Cell::from(name.as_str())]).await?;
    let version = |mut row: Row| Ok(Version { id: row.integer(0)?, revision: row.integer(1)? });
    match super::first(found, version)? {
        None => Err(StoreError::NotFound(collection.object(name)).into()),
        Some(version) if expected.is_none_or(|expected| expected == version) => Ok(version),
        Some(_) => Err(StoreError::Conflict(collection.object(name)).into()),
    }
}
