//! Accounts by what they are found by: their role, their groups, and whether they are disabled.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::{Row, Rows};
use crate::ports::{AccountFilter, AccountReference, PageRequest, StoreError, StoredDocument, USERS};

/// Where the names of a page begin.
pub(super) fn begin(page: &PageRequest) -> Bound<&str> {
    let prefix = page.prefix.as_deref().unwrap_or_default();
    match page.after.as_deref() {
        Some(after) if after >= prefix => Bound::Excluded(after),
        Some(_) | None => Bound::Included(prefix),
    }
}

impl Rows {
    /// Puts the row in the place of the one of that name, and gives that; None: there is no row of that name any more.
    pub(super) fn put(&mut self, name: &str, row: Option<Row>) -> Option<Row> {
        for key in self.by_name.get(name).into_iter().flat_map(|before| before.keys.iter()) {
            if let Some(names) = self.by_key.get_mut(key) {
                names.remove(name);
                if names.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
        for key in row.iter().flat_map(|row| row.keys.iter()) {
            self.by_key.entry(key.clone()).or_default().insert(Box::from(name));
        }
        match row {
            Some(row) => self.by_name.insert(Box::from(name), row),
            None => self.by_name.remove(name),
        }
    }

    /// A page of the accounts that the filter lets through: of the key that the fewest have, or of all.
    pub(super) fn filtered(
        &self,
        filter: &AccountFilter,
        page: &PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let mut fewest: Option<&BTreeSet<Box<str>>> = None;
        for AccountReference { kind, name } in filter.keys() {
            let Some(names) = self.by_key.get(&(kind, Box::<str>::from(name))) else { return Ok(Vec::new()) };
            if fewest.is_none_or(|fewest| names.len() < fewest.len()) {
                fewest = Some(names);
            }
        }
        let range = (begin(page), Bound::Unbounded);
        let names: Box<dyn Iterator<Item = &str> + '_> = match fewest {
            Some(names) => Box::new(names.range::<str, _>(range).map(|name| &**name)),
            None => Box::new(self.by_name.range::<str, _>(range).map(|(name, _)| &**name)),
        };
        let prefix = page.prefix.as_deref().unwrap_or_default();
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let has_text = |name: &str| filter.contains.as_deref().is_none_or(|text| name.contains(text));
        let mut found = Vec::new();
        for name in names.take_while(|name| name.starts_with(prefix)).filter(|name| has_text(name)) {
            if found.len() >= limit {
                break;
            }
            let Some(row) = self.by_name.get(name) else { continue };
            let stored = row.stored(&USERS, name)?;
            if filter.lets_through(&stored) {
                found.push(stored);
            }
        }
        Ok(found)
    }
}
