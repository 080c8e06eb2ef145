//! Usages of accounts and folders.

use async_trait::async_trait;
use redb::ReadableTable;
use tidegate_core::ports::{AccountKey, BatchName, FOLDERS, NodeName, StoreError, StoredUsage, USERS, UsageStore};
use tidegate_core::quota::{Scope, Transferred, UsedQuota};

use super::rows::{self, Fields, Maintained};
use super::tables::{MARKS, opened};
use super::{RedbDatabase, batches};

const SIZE: &str = "used_quota_size";
const FILES: &str = "used_quota_files";
const COUNTED_AT: &str = "last_quota_update";

#[async_trait]
impl UsageStore for RedbDatabase {
    async fn open_usage(&self, scope: &Scope, node: &NodeName) -> Result<StoredUsage, StoreError> {
        let (scope, node) = (scope.clone(), node.clone());
        let opened = self.engine.note(move |transaction| {
            let mut documents = Maintained::open(transaction, scope.collection())?;
            let read = documents.update(scope.name(), None, |fields| (used(fields), value(fields, COUNTED_AT) > 0))?;
            let (used, is_counted) = read.ok_or_else(|| StoreError::NotFound(scope.object()))?;
            let mut marks = transaction.open_table(MARKS)?;
            let was_marked = marks.insert(mark(&scope), node.0.as_bytes())?.is_some();
            Ok(StoredUsage { used, is_unsettled: was_marked || !is_counted })
        });
        opened.await
    }

    async fn close_usage(&self, scope: &Scope, node: &NodeName) -> Result<(), StoreError> {
        let (scope, node) = (scope.clone(), node.clone());
        let closed = self.engine.note(move |transaction| {
            let mut marks = transaction.open_table(MARKS)?;
            let is_own = marks.get(mark(&scope))?.is_some_and(|owner| owner.value() == node.0.as_bytes());
            if is_own {
                marks.remove(mark(&scope))?;
            }
            Ok(())
        });
        closed.await
    }

    async fn add_usage(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(Scope, UsedQuota)>,
        at: i64,
    ) -> Result<(), StoreError> {
        let batch = batch.cloned();
        let added = self.engine.note(move |transaction| {
            if !batches::begin(transaction, batch.as_ref())? {
                return Ok(());
            }
            for (scope, by) in &changes {
                let mut documents = Maintained::open(transaction, scope.collection())?;
                documents.update(scope.name(), None, |fields| {
                    let sum = used(fields) + *by;
                    set(fields, SIZE, sum.size.max(0));
                    set(fields, FILES, sum.files.max(0));
                    if value(fields, COUNTED_AT) > 0 {
                        set(fields, COUNTED_AT, at);
                    }
                })?;
            }
            Ok(())
        });
        added.await
    }

    async fn replace_usage(&self, scope: &Scope, used: UsedQuota, at: i64) -> Result<(), StoreError> {
        let scope = scope.clone();
        let replaced = self.engine.note(move |transaction| {
            let mut documents = Maintained::open(transaction, scope.collection())?;
            let replaced = documents.update(scope.name(), None, |fields| {
                set(fields, SIZE, used.size);
                set(fields, FILES, used.files);
                set(fields, COUNTED_AT, at.max(1));
            })?;
            Ok(replaced.ok_or_else(|| StoreError::NotFound(scope.object()))?)
        });
        replaced.await
    }

    async fn is_counted(&self, scope: &Scope) -> Result<bool, StoreError> {
        let scope = scope.clone();
        let counted = self.engine.read(move |transaction| {
            let fields = rows::fields(transaction, scope.collection(), scope.name())?;
            Ok(fields.is_some_and(|fields| value(&fields, COUNTED_AT) > 0))
        });
        counted.await
    }

    async fn add_transferred(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(AccountKey, Transferred)>,
    ) -> Result<(), StoreError> {
        let batch = batch.cloned();
        let added = self.engine.note(move |transaction| {
            if !batches::begin(transaction, batch.as_ref())? {
                return Ok(());
            }
            let mut accounts = Maintained::open(transaction, &USERS)?;
            for (AccountKey { username, id }, by) in &changes {
                accounts.update(username, Some(*id), |fields| {
                    for (field, bytes) in
                        [("used_upload_data_transfer", by.up), ("used_download_data_transfer", by.down)]
                    {
                        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                        let sum = value(fields, field).saturating_add(bytes);
                        set(fields, field, sum);
                    }
                })?;
            }
            Ok(())
        });
        added.await
    }

    async fn unsettled_usages(&self, node: &NodeName) -> Result<Vec<Scope>, StoreError> {
        let node = node.clone();
        let unsettled = self.engine.read(move |transaction| {
            let Some(marks) = opened(transaction, MARKS)? else { return Ok(Vec::new()) };
            let mut scopes = Vec::new();
            for row in marks.iter()? {
                let (scope, owner) = row?;
                let (noun, name) = scope.value();
                if owner.value().is_empty() || owner.value() == node.0.as_bytes() {
                    let name = String::from_utf8_lossy(name).into_owned();
                    let is_folder = noun == FOLDERS.noun.as_bytes();
                    scopes.push(if is_folder { Scope::Folder(name) } else { Scope::Account(name) });
                }
            }
            Ok(scopes)
        });
        unsettled.await
    }
}

/// The key of a scope's mark.
fn mark(scope: &Scope) -> (&[u8], &[u8]) {
    (scope.collection().noun.as_bytes(), scope.name().as_bytes())
}

fn used(fields: &Fields) -> UsedQuota {
    UsedQuota { size: value(fields, SIZE), files: value(fields, FILES) }
}

fn value(fields: &Fields, field: &str) -> i64 {
    fields.get(field).copied().unwrap_or(0)
}

fn set(fields: &mut Fields, field: &str, to: i64) {
    fields.insert(field.to_owned(), to);
}
