//! Adds rows, and tells their ids.

use std::collections::HashMap;

use tidegate_core::ports::{Collection, StoreError};

use crate::sql::{Cell, Failure, Transaction};

/// As [`Transaction::add`], in one statement.
pub async fn add(
    transaction: &mut dyn Transaction,
    collection: &'static Collection,
    insert: &str,
    values: Vec<Cell>,
    names: &[&str],
) -> Result<Vec<i64>, Failure> {
    // Rows whose name exists are left out, so that the first of them can be named.
    let sql = format!("{insert} ON CONFLICT DO NOTHING RETURNING {}, id", collection.name_field);
    let mut ids = HashMap::with_capacity(names.len());
    for mut row in transaction.query(&sql, values).await? {
        ids.insert(row.text(0)?, row.integer(1)?);
    }
    let mut ordered = Vec::with_capacity(names.len());
    for name in names {
        // Taken out: a name that is added twice is there already for the second.
        ordered.push(ids.remove(*name).ok_or_else(|| StoreError::Exists(collection.object(name)))?);
    }
    Ok(ordered)
}
