//! Dumps: all accounts as documents, with their password hashes (A18-10, A18-11).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Actor, AdminError, AdminPermission, Audit, UserAdministration};
use crate::account::{AccountPage, Loaded};
use crate::ports::PageRequest;

/// Use cases that dump and load all accounts (A18-10, A18-11).
pub struct BackupAdministration {
    /// The accounts.
    pub users: Arc<UserAdministration>,
    /// Records dumps.
    pub audit: Audit,
}

impl BackupAdministration {
    /// A page of accounts, valid or not, in the order of their names. `after`: only names after this one. The
    /// first page of a dump gets an audit record.
    ///
    /// # Errors
    /// The actor lacks `manage_system`, or the store fails.
    pub async fn dump(&self, actor: &Actor, after: Option<String>, limit: u32) -> Result<AccountPage, AdminError> {
        actor.require(AdminPermission::ManageSystem)?;
        if after.is_none() {
            self.audit.done(actor, "dump", "user", "", String::new()).await;
        }
        self.users.page(PageRequest { after, prefix: None, limit }).await
    }

    /// Adds accounts, or replaces stored ones by what the documents say; fields that only the server maintains
    /// stay. All are stored, with an audit record for each account; if one account cannot be loaded, or for a
    /// trial, nothing is. The answer has the outcome of each account, and whether the load was stored.
    ///
    /// # Errors
    /// The actor lacks `manage_system`, an account was changed at the same time, or the store fails.
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
