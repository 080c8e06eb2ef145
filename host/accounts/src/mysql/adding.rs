//! Adds rows, and tells their ids. MySQL has no `RETURNING`, so they are asked for by their names.

use std::collections::{HashMap, HashSet};

use tidegate_core::ports::{Collection, StoreError};

use super::connect::{Mysql, last_id};
use crate::sql::remote::RemoteTransaction;
use crate::sql::{Cell, Failure, Transaction, placeholders};

/// As [`Transaction::add`].
pub async fn add(
    transaction: &mut RemoteTransaction<Mysql>,
    collection: &'static Collection,
    insert: &str,
    values: Vec<Cell>,
    names: &[&str],
) -> Result<Vec<i64>, Failure> {
    let outcome = transaction.try_execute(insert, values).await;
    let is_duplicate = match outcome {
        Ok(_) => false,
        Err(trouble) if trouble.is_duplicate => true,
        Err(trouble) => return Err(trouble.failure),
    };
    if let ([_], false) = (names, is_duplicate) {
        return Ok(vec![last_id(transaction.connection()?)]);
    }
    let stored = ids(transaction, collection, names).await?;
    let (mut ordered, mut seen) = (Vec::with_capacity(names.len()), HashSet::new());
    for name in names {
        let is_again = !seen.insert(*name);
        let id = stored.get(*name).copied();
        if is_again || (is_duplicate && id.is_some()) {
            return Err(StoreError::Exists(collection.object(name)).into());
        }
        ordered.extend(id);
    }
    if ordered.len() == names.len() {
        return Ok(ordered);
    }
    // The row that was in the way has gone meanwhile.
    let error = StoreError::Busy(format!("the {} is changed by another program; try again", collection.noun));
    Err(Failure { error, may_be_repeated: true })
}

/// The ids of rows by their names.
async fn ids(
    transaction: &mut dyn Transaction,
    collection: &'static Collection,
    names: &[&str],
) -> Result<HashMap<String, i64>, Failure> {
    let column = collection.name_field;
    let wanted = placeholders(1, names.len());
    let sql = format!("SELECT {column}, id FROM {{{}}} WHERE {column} IN {wanted}", collection.table);
    let mut ids = HashMap::with_capacity(names.len());
    for mut row in transaction.query(&sql, names.iter().map(|name| Cell::from(*name)).collect()).await? {
        ids.insert(row.text(0)?, row.integer(1)?);
    }
    Ok(ids)
}
