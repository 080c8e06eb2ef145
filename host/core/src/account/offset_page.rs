//! Pages by the number of objects to pass over, for interfaces that know no other.

use super::stored::page_of;
use super::{AccountPage, Accounts};
use crate::ports::{Collection, Directory, PageRequest, StoreError, StoredDocument, USERS};

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

    /// The name of the stored account with this id.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn name_of(&self, id: i64) -> Result<Option<String>, StoreError> {
        Ok(self.directory().find_by_id(&USERS, id).await?.map(|stored| stored.name))
    }
}
