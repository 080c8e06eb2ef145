//! Dumps: all accounts, folders, groups and roles as documents, with their secrets (A18-10, A18-11).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::counted::{self, Counted};
use super::reach::{check_dump, check_load};
use super::{Actor, AdminError, Audit, BackupRoom, PAGE, UseCase, UserAdministration};
use crate::account::{AccountPage, Dump, LoadOutcome, Loaded, Loading, ObjectKind};
use crate::ports::{Directory, PageRequest, Spools, StoredDocument, UsageStore};

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
    /// Where loads are kept that are too large for memory.
    pub spools: Arc<dyn Spools>,
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

    /// The account of that name, valid or not, if there is one: as a page, and with an audit record of its own.
    ///
    /// # Errors
    /// The actor lacks `manage_system`, or the store fails.
    pub async fn dump_one(&self, actor: &Actor, username: &str) -> Result<AccountPage, AdminError> {
        self.audit.allow(actor, UseCase::Dump, username).await?;
        // Of the names that begin with it, it is the first.
        let request = PageRequest { after: None, prefix: Some(username.to_owned()), limit: 1 };
        let mut page = self.users.page(request).await?;
        page.next = None;
        page.accounts.retain(|user| user.username == username);
        page.invalid.retain(|invalid| invalid.username == username);
        if !page.accounts.is_empty() || !page.invalid.is_empty() {
            self.audit.done(actor, "dump", "user", username, String::new()).await;
        }
        Ok(page)
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
        let page = self.directory.list(kind.collection(), request).await?.into_iter();
        Ok(page.map(|stored| StoredDocument { document: kind.in_order(stored.document), ..stored }).collect())
    }

    /// Adds accounts, folders, groups and roles, or replaces stored ones by what the documents say; fields that
    /// only the server maintains stay. All are stored, with an audit record for each that changes and, where one does,
    /// one for the load; if one cannot be loaded, or for a trial, nothing is. The answer has the outcome of each
    /// document, and whether the load was stored. If the dump is that of another server, new accounts and folders get
    /// the usages in it.
    ///
    /// # Errors
    /// The actor lacks `manage_system`, an object was changed at the same time, or the store fails.
    pub async fn load(&self, actor: &Actor, dump: Dump, is_trial: bool) -> Result<(Vec<Loaded>, bool), AdminError> {
        let (rules, parts) = dump.into_parts();
        let mut load = self.begin_load(actor, rules, is_trial).await?;
        for (kind, documents) in parts {
            load.add(kind, documents).await?;
        }
        load.finish().await
    }

    /// Begins a [load](Self::load) whose documents come in parts. `rules`: a dump without documents.
    ///
    /// # Errors
    /// The actor lacks `manage_system`.
    pub async fn begin_load<'a>(
        &'a self,
        actor: &'a Actor,
        rules: Dump,
        is_trial: bool,
    ) -> Result<BackupLoad<'a>, AdminError> {
        self.audit.allow(actor, UseCase::Load, "").await?;
        let moves_in = rules.moves_in;
        let loading = self.users.accounts.begin_load(&rules, is_trial, &actor.author, self.spools.begin());
        Ok(BackupLoad { backups: self, actor, loading, moves_in, counted: Vec::new() })
    }
}

/// A load that is under way. Nothing is stored before its [end](Self::finish).
pub struct BackupLoad<'a> {
    backups: &'a BackupAdministration,
    actor: &'a Actor,
    loading: Loading<'a>,
    moves_in: bool,
    counted: Vec<Counted>,
}

impl BackupLoad<'_> {
    /// Looks at documents of a kind; None: at accounts. Those of the kinds come in the order of [`ObjectKind::ALL`], and
    /// accounts after them. A part of some hundred documents is what should be in memory.
    ///
    /// # Errors
    /// An account reaches beyond the actor, the store fails, or there is no space for what is to be stored.
    pub async fn add(
        &mut self,
        kind: Option<ObjectKind>,
        documents: Vec<Map<String, Value>>,
    ) -> Result<(), AdminError> {
        let accounts = &self.backups.users.accounts;
        if kind.is_none()
            && let Err(error) = check_dump(self.actor, accounts, &documents).await
        {
            return Err(self.backups.audit.refuse(self.actor, UseCase::Load, "", error).await);
        }
        if self.moves_in {
            self.counted.extend(Counted::all_of(kind, &documents));
        }
        Ok(self.loading.add(kind, documents).await?)
    }

    /// Stores what was loaded, as [`BackupAdministration::load`] says.
    ///
    /// # Errors
    /// A document reaches beyond the actor, an object was changed at the same time, or the store fails.
    pub async fn finish(self) -> Result<(Vec<Loaded>, bool), AdminError> {
        let Self { backups, actor, loading, counted, .. } = self;
        let accounts = &backups.users.accounts;
        let planned = loading.finish();
        if let Err(error) = check_load(actor, accounts, &planned).await {
            return Err(backups.audit.refuse(actor, UseCase::Load, "", error).await);
        }
        let (loaded, is_stored) = accounts.store_load(planned, &actor.author).await?;
        if is_stored {
            let is_change = |loaded: &Loaded| matches!(loaded.outcome, LoadOutcome::Added | LoadOutcome::Updated(_));
            if loaded.iter().any(is_change) {
                let detail = format!("{} documents", loaded.len());
                backups.audit.done(actor, "load", "user", "", detail).await;
            }
            let added = counted::added(&loaded);
            for counted in counted.iter().filter(|counted| added.contains(&counted.scope)) {
                counted.store(&*backups.directory, &*backups.usages).await?;
            }
        }
        Ok((loaded, is_stored))
    }
}
