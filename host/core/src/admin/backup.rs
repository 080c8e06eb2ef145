//! Dumps: all accounts, folders, groups and roles as documents, with their secrets (A18-10, A18-11).

use std::sync::Arc;

use super::counted::{self, Counted};
use super::reach::{check_dump, check_load};
use super::{Actor, AdminError, Audit, BackupRoom, PAGE, UseCase, UserAdministration};
use crate::account::{AccountPage, Dump, Loaded, ObjectKind};
use crate::ports::{Directory, PageRequest, StoredDocument, UsageStore};

/// Use cases that dump and load all accounts (A18-10, A18-11).
pub struct BackupAdministration {
    /// The accounts.
    pub users: Arc<UserAdministration>,
    /// The store of folders, groups and roles.
    pub directory: Arc<dyn Directory>,
    /// The store of usages, for those of another server.
    pub usages: Arc<dyn UsageStore>,
    /// Room for those that are in memory at the same time.
    pub room: BackupRoom,
    /// Records dumps and loads.
    pub audit: Audit,
}

impl BackupAdministration {
    /// A page of accounts, valid or not, in the order of their names. `after`: only names after this one. The
    /// first page of a dump gets an audit record.
    ///
    /// # Errors
    /// The actor lacks `manage_system`, or the store fails.
    pub async fn dump(&self, actor: &Actor, after: Option<String>, limit: u32) -> Result<AccountPage, AdminError> {
        self.audit.allow(actor, UseCase::Dump, "").await?;
        if after.is_none() {
            self.audit.done(actor, "dump", "user", "", String::new()).await;
        }
        self.users.page(PageRequest { after, prefix: None, limit }).await
    }

    /// A page of at most 500 folders, groups or roles with their secrets, as [`dump`](Self::dump).
    ///
    /// # Errors
    /// The actor lacks `manage_system`, or the store fails.
    pub async fn dump_objects(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        request: PageRequest,
    ) -> Result<Vec<StoredDocument>, AdminError> {
        self.audit.allow(actor, UseCase::Dump, "").await?;
        let request = PageRequest { limit: request.limit.min(PAGE), ..request };
        Ok(self.directory.list(kind.collection(), request).await?)
    }

    /// Adds accounts, folders, groups and roles, or replaces stored ones by what the documents say; fields that
    /// only the server maintains stay. All are stored, with an audit record for each and one for the load; if one
    /// cannot be loaded, or for a trial, nothing is. The answer has the outcome of each document, and whether the
    /// load was stored. If the dump is that of another server, new accounts and folders get the usages in it.
    ///
    /// # Errors
    /// The actor lacks `manage_system`, an object was changed at the same time, or the store fails.
    pub async fn load(&self, actor: &Actor, dump: Dump, is_trial: bool) -> Result<(Vec<Loaded>, bool), AdminError> {
        self.audit.allow(actor, UseCase::Load, "").await?;
        let accounts = &self.users.accounts;
        if let Err(error) = check_dump(actor, accounts, &dump.users).await {
            return Err(self.audit.refuse(actor, UseCase::Load, "", error).await);
        }
        let counted = if dump.moves_in { Counted::all_of(&dump) } else { Vec::new() };
        let planned = accounts.plan_load(dump, is_trial, &actor.author).await?;
        if let Err(error) = check_load(actor, accounts, planned.changes()).await {
            return Err(self.audit.refuse(actor, UseCase::Load, "", error).await);
        }
        let (loaded, is_stored) = accounts.store_load(planned, &actor.author).await?;
        if is_stored {
            let detail = format!("{} documents", loaded.len());
            self.audit.done(actor, "load", "user", "", detail).await;
            let added = counted::added(&loaded);
            for counted in counted.iter().filter(|counted| added.contains(&counted.scope)) {
                counted.store(&*self.directory, &*self.usages).await?;
            }
        }
        Ok((loaded, is_stored))
    }
}
