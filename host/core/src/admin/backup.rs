//! Dumps: all accounts as documents, with their password hashes (A18-10).

use std::sync::Arc;

use super::{Actor, AdminError, AdminPermission, Audit, UserAdministration};
use crate::account::AccountPage;
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
}
