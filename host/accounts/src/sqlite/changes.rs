//! Which objects were changed: one row for each change. SQLite has one writer at a time, so the
//! numbers become visible in their order.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use tidegate_core::ports::{ChangeToken, ChangedObjects, Changes, Collection, StoreError};

use super::classify;

/// How many changes are kept for servers to read.
const CHANGES_KEPT: i64 = 10_000;

/// Records a change, so that servers with sessions of the account read the account again.
pub fn announce(connection: &Connection, collection: &Collection, name: &str) -> Result<(), StoreError> {
    let insert = "INSERT INTO account_changes (kind, username) VALUES (?1, ?2)";
    connection.prepare_cached(insert).map_err(classify)?.execute([collection.kind, name]).map_err(classify)?;
    let oldest = connection.last_insert_rowid().saturating_sub(CHANGES_KEPT);
    let forget = "DELETE FROM account_changes WHERE id <= ?1";
    connection.prepare_cached(forget).map_err(classify)?.execute([oldest]).map_err(classify)?;
    Ok(())
}

/// The changes since a token, which is the number of the newest change that was read.
pub fn since(connection: &Connection, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
    let newest = "SELECT coalesce(max(id), 0) FROM account_changes";
    let newest: i64 =
        connection.prepare_cached(newest).map_err(classify)?.query_row([], |row| row.get(0)).map_err(classify)?;
    let next = ChangeToken(newest.to_string());
    let Some(since) = since else {
        return Ok(Changes { next, objects: ChangedObjects::Named(Vec::new()) });
    };
    // A database that was replaced counts from the beginning again.
    let seen = since.0.parse().ok().filter(|seen: &i64| *seen <= newest && newest - seen < CHANGES_KEPT);
    let Some(seen) = seen else {
        return Ok(Changes { next, objects: ChangedObjects::All });
    };
    if seen == newest {
        return Ok(Changes { next, objects: ChangedObjects::Named(Vec::new()) });
    }
    let sql = "SELECT kind, username FROM account_changes WHERE id > ?1 AND id <= ?2";
    let mut statement = connection.prepare_cached(sql).map_err(classify)?;
    let names = statement.query_map(params![seen, newest], |row| Ok((row.get(0)?, row.get(1)?))).map_err(classify)?;
    let names: BTreeSet<(String, String)> = names.collect::<Result<_, _>>().map_err(classify)?;
    Ok(Changes { next, objects: ChangedObjects::Named(names.into_iter().collect()) })
}
