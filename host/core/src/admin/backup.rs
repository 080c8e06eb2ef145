//! Dumps: all accounts as documents, with their password hashes (A18-10, A18-11).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Actor, AdminError, AdminPermission, Audit, UserAdministration};
use crate::account::{AccountPage, Loaded};
use crate::ports::PageRequest;

pub struct BackupAdministration {
    pub users: Arc<UserAdministration>,
    pub audit: Audit,
}

impl BackupAdministration {
    /// Some accounts in the order of their names, valid or not; `after`: only names after this one.
    /// The first page is recorded.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
    pub async fn dump(&self, actor: &Actor, after: Option<String>, limit: u32) -> Result<AccountPage, AdminError> {
        actor.require(AdminPermission::ManageSystem)?;
        if after.is_none() {
            self.audit.done(actor, "dump", "user", "", String::new()).await;
        }
        self.users.page(PageRequest { after, prefix: None, limit }).await
    }

    /// Adds the accounts, or gives those that there are what the documents say, but keeps what the server
    /// maintains. All of it is stored, with an audit record for each account, or, if one account cannot
    /// be loaded, and for a trial, nothing. Says what became of each, and whether it was stored.
    ///
    /// # Errors
    /// The actor may not, an account was changed at the same time, or the
    /// store fails.
    pub async fn load(
        &self,
        actor: &Actor,
        documents: Vec<Map<String, Value>>,
        is_trial: bool,
    ) -> Result<(Vec<Loaded>, bool), AdminError> {
        actor.require(AdminPermission::ManageSystem)?;
        Ok(self.users.accounts.load(documents, is_trial, &actor.author).await?)
    }
}
