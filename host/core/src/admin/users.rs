//! Accounts.

use std::sync::Arc;

use super::{Actor, AdminError, AdminPermission};
use crate::account::{Accounts, Audience, User, redacted};
use crate::ports::{AccountPage, InvalidStored, StoreError, StoredDocument};

/// Accounts read at once.
const PAGE: u32 = 500;

pub struct UserAdministration {
    pub accounts: Arc<Accounts>,
}

/// Which accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Only names after this one.
    pub after: Option<String>,
    /// Only names that begin with this.
    pub prefix: Option<String>,
    /// Of a page.
    pub limit: u32,
}

/// One account as administrators see it: without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownUser {
    pub stored: StoredDocument,
    /// What makes it invalid.
    pub problem: Option<String>,
}

impl ShownUser {
    pub fn of(account: &User) -> Self {
        let document = account.to_document(Audience::Redacted);
        Self { stored: StoredDocument { revision: account.revision, document }, problem: None }
    }
}

impl UserAdministration {
    /// Accounts in the order of their names; those that are not valid are in the way of no other.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
    pub async fn list(&self, actor: &Actor, filter: UserFilter) -> Result<AccountPage, AdminError> {
        actor.require(AdminPermission::ViewUsers)?;
        self.page(filter).await
    }

    /// All pages have to be read for all accounts: there may be more than fit into memory.
    pub(super) async fn page(&self, filter: UserFilter) -> Result<AccountPage, AdminError> {
        let UserFilter { mut after, prefix, limit } = filter;
        let mut found = AccountPage::default();
        let Some(prefix) = prefix else {
            return Ok(self.accounts.list(after.as_deref(), limit.min(PAGE)).await?);
        };
        loop {
            let page = self.accounts.list(after.as_deref(), PAGE).await?;
            let matches = |name: &str| name.starts_with(&prefix);
            found.accounts.extend(page.accounts.into_iter().filter(|account| matches(&account.username)));
            found.invalid.extend(page.invalid.into_iter().filter(|invalid| matches(&invalid.username)));
            let is_past = page.next.as_ref().is_none_or(|next| !matches(next) && *next > prefix);
            after = page.next;
            if is_past || found.accounts.len() + found.invalid.len() >= limit as usize {
                found.next = after.filter(|_| !is_past);
                return Ok(found);
            }
        }
    }

    /// What is stored, valid or not: to see what has to be changed.
    ///
    /// # Errors
    /// The actor may not, there is no such account, or the store fails.
    pub async fn show(&self, actor: &Actor, username: &str) -> Result<ShownUser, AdminError> {
        actor.require(AdminPermission::ViewUsers)?;
        match self.accounts.find(username).await {
            Ok(Some(account)) => Ok(ShownUser::of(&account)),
            Ok(None) => Err(StoreError::NotFound(username.to_owned()).into()),
            Err(error @ StoreError::Invalid { .. }) => {
                let stored = self.accounts.stored(username).await?;
                let StoredDocument { revision, document } =
                    stored.ok_or_else(|| StoreError::NotFound(username.to_owned()))?;
                let stored = StoredDocument { revision, document: redacted(document) };
                Ok(ShownUser { stored, problem: Some(error.to_string()) })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The sentence that people are told of it.
pub fn problem_of(invalid: &InvalidStored) -> String {
    let InvalidStored { username, problem, .. } = invalid;
    StoreError::Invalid { username: username.clone(), problem: problem.clone() }.to_string()
}
