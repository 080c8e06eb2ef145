//! Pages by the number of objects to pass over, for interfaces that know no other.

use super::stored::page_of;
use super::{AccountPage, Accounts, User};
use crate::ports::{AccountFilter, Collection, Directory, PageRequest, StoreError, StoredDocument, USERS};

/// How many accounts are read at once to find those that a filter lets through.
const READ_AT_ONCE: u32 = 500;

/// A page that begins after a number of objects. The names of all objects are read for it, unless it is the first
/// page in rising order; pages that begin after a name ([`PageRequest`]) cost the same wherever they begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OffsetPage {
    /// The number of objects to pass over.
    pub offset: usize,
    /// The most objects to give.
    pub limit: u32,
    /// Whether the last name comes first.
    pub descending: bool,
    /// Only names with this prefix.
    pub prefix: Option<String>,
}

/// The documents of the page, valid or not.
///
/// # Errors
/// The store does not answer.
pub async fn documents_at(
    directory: &dyn Directory,
    collection: &'static Collection,
    page: OffsetPage,
) -> Result<Vec<StoredDocument>, StoreError> {
    let OffsetPage { offset, limit, descending, prefix } = page;
    if offset == 0 && !descending {
        return directory.list(collection, PageRequest { after: None, prefix, limit }).await;
    }
    let Some(column) = collection.columns.iter().find(|column| !column.is_maintained) else { return Ok(Vec::new()) };
    let prefix = prefix.unwrap_or_default();
    let texts = directory.texts(collection, column.field).await?;
    let mut names: Vec<_> = texts.into_iter().map(|(name, _)| name).filter(|name| name.starts_with(&prefix)).collect();
    names.sort_unstable();
    if descending {
        names.reverse();
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    directory.find_all(collection, names.into_iter().skip(offset).take(limit).collect()).await
}

impl Accounts {
    /// Stored accounts, valid or not, in the order of their names or against it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn page_at(&self, page: OffsetPage) -> Result<AccountPage, StoreError> {
        let found = documents_at(self.directory(), &USERS, page).await?;
        page_of(self.directory(), found).await
    }

    /// As [`page_at`](Self::page_at), of the accounts that the filter lets through, with that role if one is given, and
    /// then only of valid ones: others are neither given nor counted, so that the page says nothing of them. The accounts
    /// of the filter are read up to the last of the page.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn page_of_at(
        &self,
        filter: &AccountFilter,
        role: Option<&str>,
        page: OffsetPage,
    ) -> Result<AccountPage, StoreError> {
        if filter.is_empty() && role.is_none() {
            return self.page_at(page).await;
        }
        let is_own = |user: &User| role.is_none() || user.role() == role;
        let OffsetPage { offset, limit, descending, prefix } = page;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let most = if descending { usize::MAX } else { offset.saturating_add(limit) };
        let mut request = PageRequest { after: None, prefix, limit: READ_AT_ONCE };
        let mut names = Vec::new();
        while names.len() < most {
            let AccountPage { mut accounts, invalid, next } = self.list_of(filter, request.clone()).await?;
            accounts.retain(is_own);
            let mut found: Vec<_> = accounts.iter().map(|user| user.username.clone()).collect();
            if role.is_none() {
                found.extend(invalid.into_iter().map(|invalid| invalid.username));
                found.sort_unstable();
            }
            names.append(&mut found);
            if next.is_none() {
                break;
            }
            request.after = next;
        }
        if descending {
            names.reverse();
        }
        let names = names.into_iter().skip(offset).take(limit).collect();
        let found = self.directory().find_all(&USERS, names).await?;
        let mut page = page_of(self.directory(), found).await?;
        // Another writer may have given an account another role meanwhile.
        page.accounts.retain(is_own);
        if role.is_some() {
            page.invalid.clear();
        }
        Ok(page)
    }

    /// The name of the stored account with this id.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn name_of(&self, id: i64) -> Result<Option<String>, StoreError> {
        Ok(self.directory().find_by_id(&USERS, id).await?.map(|stored| stored.name))
    }
}
