//! Which objects were changed: one row for each change, numbered in their order.

use std::collections::BTreeSet;
use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use tidegate_core::ports::{ChangeToken, ChangedObjects, Changes, Collection};

use super::failure::Failure;
use super::tables::{CHANGES, opened};

/// How many changes are kept for sessions to follow.
const CHANGES_KEPT: i64 = 10_000;

/// Records a change, so that sessions of the account read the account again.
pub fn announce(transaction: &WriteTransaction, collection: &Collection, name: &str) -> Result<(), Failure> {
    let mut changes = transaction.open_table(CHANGES)?;
    let number = changes.last()?.map_or(0, |(number, _)| number.value()) + 1;
    changes.insert(number, (collection.kind.as_bytes(), name.as_bytes()))?;
    changes.remove(number - CHANGES_KEPT)?;
    Ok(())
}

/// The changes since a token, which is the number of the newest change that was read.
pub fn since(transaction: &ReadTransaction, since: Option<&ChangeToken>) -> Result<Changes, Failure> {
    let table = opened(transaction, CHANGES)?;
    let newest = match &table {
        Some(table) => table.last()?.map_or(0, |(number, _)| number.value()),
        None => 0,
    };
    let next = ChangeToken(newest.to_string());
    let Some(since) = since else {
        return Ok(Changes { next, objects: ChangedObjects::Named(Vec::new()) });
    };
    // A database that was replaced counts from the beginning again.
    let seen = since.0.parse().ok().filter(|seen: &i64| *seen <= newest && newest - seen < CHANGES_KEPT);
    let Some(seen) = seen else {
        return Ok(Changes { next, objects: ChangedObjects::All });
    };
    let mut names = BTreeSet::new();
    if let Some(table) = table.filter(|_| seen < newest) {
        for change in table.range::<i64>((Bound::Excluded(seen), Bound::Included(newest)))? {
            let (_, change) = change?;
            let (kind, name) = change.value();
            let [kind, name] = [kind, name].map(|text| String::from_utf8_lossy(text).into_owned());
            names.insert((kind, name));
        }
    }
    Ok(Changes { next, objects: ChangedObjects::Named(names.into_iter().collect()) })
}
