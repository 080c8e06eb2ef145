//! Lists of accounts by what they refer to, by their status, and by a part of their names.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value};
use tidegate_core::ports::{AccountFilter, Collection, PageRequest, StoreError, StoredDocument, USERS};

use super::{classify, rows};
use crate::sql::Cell;
use crate::sql::account_references::{self, ListWording};
use crate::sql::documents::{self, NAME};

const TABLE: &str = "account_references";
/// A CROSS JOIN has the order in which it is written.
const WORDING: ListWording = ListWording { join: "CROSS JOIN", position: "instr" };

/// A page of the accounts that the filter lets through. Rows whose name is no text are in no such list.
pub fn list(
    connection: &Connection,
    filter: &AccountFilter,
    page: &PageRequest,
) -> Result<Vec<StoredDocument>, StoreError> {
    let (from, condition, cells) = account_references::page(USERS.table, TABLE, WORDING, filter, page);
    let sql = documents::select(&from, &USERS, &condition);
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    let mut found_rows = statement.query(params_from_iter(cells)).map_err(classify)?;
    let (mut found, limit) = (Vec::new(), usize::try_from(page.limit).unwrap_or(usize::MAX));
    while found.len() < limit
        && let Some(row) = found_rows.next().map_err(classify)?
    {
        // A page that ends with a name that is not UTF-8 would be followed by the same page.
        let is_name = row.get_ref(NAME).map_err(classify)?.as_str().is_ok();
        if is_name {
            let stored = rows::read(row, &USERS).map_err(classify)?;
            // What accounts refer to is not noted by another program that changes them, such as an older release.
            if filter.lets_through(&stored) {
                found.push(stored);
            }
        }
    }
    Ok(found)
}

/// Notes what the account refers to; None: it is deleted.
pub fn refer(
    connection: &Connection,
    collection: &Collection,
    name: &str,
    document: Option<&Map<String, Value>>,
) -> Result<(), StoreError> {
    if *collection != USERS {
        return Ok(());
    }
    // Also of a new account: another program may have deleted one of that name.
    let mut delete = connection.prepare_cached(&account_references::delete(TABLE, 1)).map_err(classify)?;
    delete.execute([name]).map_err(classify)?;
    let references = document.map(|document| account_references::rows_of(name, document)).unwrap_or_default();
    for cells in references {
        let mut insert = connection.prepare_cached(&account_references::insert(TABLE, 1)).map_err(classify)?;
        insert.execute(params_from_iter(cells)).map_err(classify)?;
    }
    Ok(())
}

/// Notes what all accounts refer to, in a table that is empty.
pub fn fill(connection: &Connection) -> Result<(), rusqlite::Error> {
    let mut accounts = connection.prepare("SELECT username, other FROM users")?;
    let mut insert = connection.prepare(&account_references::insert(TABLE, 1))?;
    let mut accounts = accounts.query([])?;
    while let Some(account) = accounts.next()? {
        for cells in account_references::rows_of_stored(text(account.get_ref(0)?), text(account.get_ref(1)?)) {
            insert.execute(params_from_iter(cells))?;
        }
    }
    Ok(())
}

fn text(value: ValueRef<'_>) -> Cell {
    value.as_str().map_or(Cell::Null, Cell::from)
}
