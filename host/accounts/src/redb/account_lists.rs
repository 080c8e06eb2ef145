//! Accounts by their keys: their role, their groups, and whether they are disabled.

use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde_json::{Map, Value};
use tidegate_core::ports::{
    AccountFilter, AccountReference, Collection, PageRequest, StoredDocument, USERS, account_keys,
};

use super::failure::Failure;
use super::rows::{begin, stored};
use super::tables::{ACCOUNT_KEYS, documents, opened};

/// A page of the accounts that the filter lets through: of its first key, or of all.
pub fn list(
    transaction: &ReadTransaction,
    filter: &AccountFilter,
    page: &PageRequest,
) -> Result<Vec<StoredDocument>, Failure> {
    let Some(accounts) = opened(transaction, documents(&USERS))? else { return Ok(Vec::new()) };
    let prefix = page.prefix.as_deref().unwrap_or_default();
    let begin = begin(page);
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let has_text = |name: &str| filter.contains.as_deref().is_none_or(|text| name.contains(text));
    let mut look = |name: &[u8], row: (i64, i64, &[u8], &[u8])| {
        // Documents are read only where the name is right.
        if let Some(name) = str::from_utf8(name).ok().filter(|name| has_text(name)) {
            let stored = stored(&USERS, name, row);
            if filter.lets_through(&stored) {
                found.push(stored);
            }
        }
        found.len() >= limit
    };
    if limit == 0 {
        return Ok(Vec::new());
    }
    match filter.keys().first() {
        Some(AccountReference { kind, name }) => {
            let Some(keys) = opened(transaction, ACCOUNT_KEYS)? else { return Ok(Vec::new()) };
            let (kind, key) = (kind.as_bytes(), name.as_bytes());
            let begin = begin.map(|name| (kind, key, name));
            for entry in keys.range::<(&[u8], &[u8], &[u8])>((begin, Bound::Unbounded))? {
                let (entry, _) = entry?;
                let (of_kind, of_key, name) = entry.value();
                if (of_kind, of_key) != (kind, key) || !name.starts_with(prefix.as_bytes()) {
                    break;
                }
                if let Some(row) = accounts.get(name)?
                    && look(name, row.value())
                {
                    break;
                }
            }
        }
        None => {
            for entry in accounts.range::<&[u8]>((begin, Bound::Unbounded))? {
                let (name, row) = entry?;
                if !name.value().starts_with(prefix.as_bytes()) || look(name.value(), row.value()) {
                    break;
                }
            }
        }
    }
    Ok(found)
}

/// Changes the keys of the account from those that its document had to those that it has; None: there was, or is, no
/// such account.
pub fn refer(
    transaction: &WriteTransaction,
    collection: &Collection,
    name: &str,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
) -> Result<(), Failure> {
    if *collection != USERS {
        return Ok(());
    }
    let (before, after) = (before.map(document), after.map(document));
    let before = before.as_ref().map(account_keys).unwrap_or_default();
    let after = after.as_ref().map(account_keys).unwrap_or_default();
    if before == after {
        return Ok(());
    }
    let mut keys = transaction.open_table(ACCOUNT_KEYS)?;
    for AccountReference { kind, name: key } in before.difference(&after) {
        keys.remove((kind.as_bytes(), key.as_bytes(), name.as_bytes()))?;
    }
    for AccountReference { kind, name: key } in after.difference(&before) {
        keys.insert((kind.as_bytes(), key.as_bytes(), name.as_bytes()), ())?;
    }
    Ok(())
}

/// Gives all accounts of a file their keys.
pub fn fill(transaction: &WriteTransaction) -> Result<(), Failure> {
    let mut keys = transaction.open_table(ACCOUNT_KEYS)?;
    for row in transaction.open_table(documents(&USERS))?.iter()? {
        let (name, row) = row?;
        let document = document(row.value().3);
        for AccountReference { kind, name: key } in account_keys(&document) {
            keys.insert((kind.as_bytes(), key.as_bytes(), name.value()), ())?;
        }
    }
    Ok(())
}

/// A document that cannot be read has no fields.
fn document(text: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(text).unwrap_or_default()
}
