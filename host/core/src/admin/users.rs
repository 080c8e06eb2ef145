//! Accounts.

use std::sync::Arc;

use super::{Actor, AdminError, AdminPermission};
use crate::account::{AccountPage, Accounts, Audience, InvalidStored, User, redacted};
use crate::ports::{PageRequest, StoreError, StoredDocument, USERS, Version};

/// Accounts read at once.
const PAGE: u32 = 500;

pub struct UserAdministration {
    pub accounts: Arc<Accounts>,
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
        let version = Version { id: account.id, revision: account.revision };
        let stored = StoredDocument { name: account.username.clone(), version, document, problem: None };
        Self { stored, problem: None }
    }
}

impl UserAdministration {
    /// Accounts in the order of their names; those that are not valid are in the way of no other.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
    pub async fn list(&self, actor: &Actor, request: PageRequest) -> Result<AccountPage, AdminError> {
        actor.require(AdminPermission::ViewUsers)?;
        self.page(request).await
    }

    /// All pages have to be read for all accounts: there may be more than fit into memory.
    pub(super) async fn page(&self, request: PageRequest) -> Result<AccountPage, AdminError> {
        let limit = request.limit.min(PAGE);
        Ok(self.accounts.list(PageRequest { limit, ..request }).await?)
    }

    /// What is stored, valid or not: to see what has to be changed.
    ///
    /// # Errors
    /// The actor may not, there is no such account, or the store fails.
    pub async fn show(&self, actor: &Actor, username: &str) -> Result<ShownUser, AdminError> {
        actor.require(AdminPermission::ViewUsers)?;
        match self.accounts.find(username).await {
            Ok(Some(account)) => Ok(ShownUser::of(&account)),
            Ok(None) => Err(StoreError::NotFound(USERS.object(username)).into()),
            Err(error @ StoreError::Invalid { .. }) => {
                let stored = self.accounts.stored(username).await?;
                let stored = stored.ok_or_else(|| StoreError::NotFound(USERS.object(username)))?;
                let stored = StoredDocument { document: redacted(stored.document.clone()), ..stored };
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
