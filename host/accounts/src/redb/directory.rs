//! Named documents and their changes: each change is one transaction with its announcement and its audit record.

use std::sync::Arc;

use async_trait::async_trait;
use redb::{ReadTransaction, WriteTransaction};
use tidegate_core::ports::{
    AccountFilter, AccountKey, Change, ChangeParts, ChangeToken, Changes, Collection, Directory, MaintainedChange,
    PageRequest, Stamp, StoreError, StoredDocument, USERS, Version,
};

use super::failure::Failure;
use super::{RedbDatabase, account_lists, audit, changes, rows};

/// The field beside a document that is no part of it: the time step of the last one-time code.
const LAST_CODE_STEP: &str = "last_code_step";

#[async_trait]
impl Directory for RedbDatabase {
    fn stamp(&self) -> Option<Stamp> {
        // A time that waits is given to readers, and is looked for first: once it waits no more, it is stored.
        if self.last_logins.are_waiting() { None } else { self.engine.stamp() }
    }

    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        let found = match self.engine.read_at_once(|transaction| rows::find(transaction, collection, name)) {
            Some(found) => found,
            None => {
                let name = name.to_owned();
                self.engine.read(move |transaction| rows::find(transaction, collection, &name)).await
            }
        };
        let mut found = found?;
        found.iter_mut().for_each(|stored| self.complete(collection, stored));
        Ok(found)
    }

    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let found = match self.engine.read_at_once(|transaction| rows::find_all(transaction, collection, &names)) {
            Some(found) => found,
            None => self.engine.read(move |transaction| rows::find_all(transaction, collection, &names)).await,
        };
        let mut found = found?;
        found.iter_mut().for_each(|stored| self.complete(collection, stored));
        Ok(found)
    }

    async fn list(
        &self,
        collection: &'static Collection,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let mut found = self.engine.read(move |transaction| rows::list(transaction, collection, &page)).await?;
        found.iter_mut().for_each(|stored| self.complete(collection, stored));
        Ok(found)
    }

    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let filter = filter.clone();
        let list = move |transaction: &ReadTransaction| account_lists::list(transaction, &filter, &page);
        let mut found = self.engine.read(list).await?;
        found.iter_mut().for_each(|stored| self.complete(&USERS, stored));
        Ok(found)
    }

    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.engine.read(move |transaction| rows::texts(transaction, collection, field)).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        self.engine.write_and_tell(&self.committed, move |transaction| commit(transaction, &changes)).await
    }

    async fn commit_parts(&self, parts: Arc<dyn ChangeParts>) -> Result<(), StoreError> {
        let written = self.engine.write_and_tell(&self.committed, move |transaction| {
            for index in 0..parts.parts() {
                commit(transaction, &parts.part(index)?)?;
            }
            Ok(())
        });
        written.await
    }

    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        let since = since.cloned();
        self.engine.read(move |transaction| changes::since(transaction, since.as_ref())).await
    }

    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        loop {
            // Registered before the look, so that no change is missed in between.
            let committed = self.committed.notified();
            tokio::pin!(committed);
            committed.as_mut().enable();
            let changes = self.changes(Some(since)).await?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            // No other process can change the file.
            committed.await;
        }
    }

    async fn change_maintained(&self, change: MaintainedChange) -> Result<bool, StoreError> {
        let MaintainedChange { collection, name, id, guard, set, add } = change;
        let changed = self.engine.write(move |transaction| {
            rows::Maintained::open(transaction, collection)?.update(&name, Some(id), |fields| {
                if fields.get(guard.0).copied().unwrap_or(0) >= guard.1 {
                    return false;
                }
                for (field, value) in &set {
                    fields.insert((*field).to_owned(), *value);
                }
                for (field, value) in &add {
                    let stored = fields.entry((*field).to_owned()).or_insert(0);
                    *stored = stored.saturating_add(*value);
                }
                true
            })
        });
        Ok(changed.await?.unwrap_or(false))
    }

    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError> {
        self.last_logins.record(account, at);
        Ok(())
    }

    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        let field = if upload { "first_upload" } else { "first_download" };
        let AccountKey { username, id } = account.clone();
        let first = self.engine.note(move |transaction| {
            rows::Maintained::open(transaction, &USERS)?.update(&username, Some(id), |fields| {
                let is_first = fields.get(field).is_none_or(|at| *at == 0);
                if is_first {
                    fields.insert(field.to_owned(), at.max(1));
                }
                is_first
            })
        });
        Ok(first.await?.unwrap_or(false))
    }

    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        let AccountKey { username, id } = account.clone();
        let is_new = self.engine.note(move |transaction| {
            rows::Maintained::open(transaction, &USERS)?.update(&username, Some(id), |fields| {
                let is_new = fields.get(LAST_CODE_STEP).copied().unwrap_or(0) < step;
                if is_new {
                    fields.insert(LAST_CODE_STEP.to_owned(), step);
                }
                is_new
            })
        });
        Ok(is_new.await?.unwrap_or(false))
    }
}

impl RedbDatabase {
    /// Adds values that are not stored yet.
    fn complete(&self, collection: &'static Collection, stored: &mut StoredDocument) {
        if *collection == USERS
            && let Some(at) = self.last_logins.pending_of(stored.version.id)
        {
            stored.document.insert("last_login".to_owned(), at.into());
        }
    }
}

fn commit(transaction: &WriteTransaction, changes: &[Change]) -> Result<Vec<Version>, Failure> {
    let mut versions = Vec::with_capacity(changes.len());
    for change in changes {
        let version = rows::write(transaction, change)?;
        if let Some(record) = &change.audit {
            audit::append(transaction, record, Some(version.revision))?;
        }
        if change.announce {
            changes::announce(transaction, change.collection, &change.name)?;
        }
        versions.push(version);
    }
    Ok(versions)
}
