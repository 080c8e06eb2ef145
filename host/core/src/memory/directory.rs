//! Named documents, how their changes are told, and the audit records.

use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::account_lists::begin;
use super::writing::Prepared;
use super::{MemoryStore, Row, State};
use crate::ports::{
    AccountFilter, AccountKey, AuditQuery, AuditRecord, AuditStore, Change, ChangeParts, ChangeToken, ChangedObjects,
    Changes, Collection, Directory, MaintainedChange, PageRequest, Stamp, StoreError, StoredAudit, StoredDocument,
    USERS, Version,
};

#[async_trait]
impl Directory for MemoryStore {
    fn stamp(&self) -> Option<Stamp> {
        Some(Stamp(self.state().changed))
    }

    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        let state = self.state();
        let row = state.collections.get(collection.kind).and_then(|rows| rows.by_name.get(name));
        row.map(|row| row.stored(collection, name)).transpose()
    }

    async fn find_by_id(&self, collection: &'static Collection, id: i64) -> Result<Option<StoredDocument>, StoreError> {
        let state = self.state();
        let mut rows = state.collections.get(collection.kind).into_iter().flat_map(|rows| &rows.by_name);
        rows.find(|(_, row)| row.id == id).map(|(name, row)| row.stored(collection, name)).transpose()
    }

    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let state = self.state();
        let Some(rows) = state.collections.get(collection.kind) else { return Ok(Vec::new()) };
        let found = names.iter().filter_map(|name| Some(rows.by_name.get(name.as_str())?.stored(collection, name)));
        found.collect()
    }

    async fn list(
        &self,
        collection: &'static Collection,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let state = self.state();
        let Some(rows) = state.collections.get(collection.kind) else { return Ok(Vec::new()) };
        let prefix = page.prefix.as_deref().unwrap_or_default();
        let range = (begin(&page), Bound::Unbounded);
        let rows = rows.by_name.range::<str, _>(range).take_while(|(name, _)| name.starts_with(prefix));
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        rows.take(limit).map(|(name, row)| row.stored(collection, name)).collect()
    }

    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let state = self.state();
        state.collections.get(USERS.kind).map_or_else(|| Ok(Vec::new()), |rows| rows.filtered(filter, &page))
    }

    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let state = self.state();
        let rows = state.collections.get(collection.kind).into_iter().flat_map(|rows| &rows.by_name);
        let text = |row: &Row| {
            let document = row.document()?;
            Ok(document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned())
        };
        rows.map(|(name, row)| Ok((name.to_string(), text(row)?))).collect()
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        let prepared = changes.into_iter().map(Prepared::of).collect::<Result<_, _>>()?;
        self.write_all(prepared)
    }

    async fn commit_parts(&self, parts: Arc<dyn ChangeParts>) -> Result<(), StoreError> {
        // The parts may come from a disk: the store is not locked meanwhile, or logins would wait for all of them.
        let mut prepared = Vec::with_capacity(parts.changes());
        for index in 0..parts.parts() {
            for change in parts.fetch(index).await? {
                prepared.push(Prepared::of(change)?);
            }
        }
        self.write_all(prepared).map(drop)
    }

    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        let state = self.state();
        let newest = state.changes_forgotten + state.changes.len();
        let next = ChangeToken(newest.to_string());
        let Some(since) = since else {
            return Ok(Changes { next, objects: ChangedObjects::Named(Vec::new()) });
        };
        let seen: Option<usize> = since.0.parse().ok().filter(|seen| *seen <= newest);
        let objects = match seen.and_then(|seen| seen.checked_sub(state.changes_forgotten)) {
            // The token is from an earlier store, or older than the changes that are kept.
            None => ChangedObjects::All,
            Some(seen) => {
                let mut names: Vec<_> = state.changes.iter().skip(seen).cloned().collect();
                names.sort();
                names.dedup();
                ChangedObjects::Named(names)
            }
        };
        Ok(Changes { next, objects })
    }

    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        loop {
            // Registered before the look, so that no change is missed in between.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let changes = self.changes(Some(since)).await?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            changed.await;
        }
    }

    async fn change_maintained(&self, change: MaintainedChange) -> Result<bool, StoreError> {
        let MaintainedChange { collection, name, id, guard, set, add } = change;
        let mut state = self.state();
        let rows = state.collections.get_mut(collection.kind);
        let Some(row) = rows.and_then(|rows| rows.by_name.get_mut(name.as_str())).filter(|row| row.id == id) else {
            return Ok(false);
        };
        if row.maintained(collection, guard.0).is_none_or(|value| *value >= guard.1) {
            return Ok(false);
        }
        for (field, value) in set {
            if let Some(stored) = row.maintained(collection, field) {
                *stored = value;
            }
        }
        for (field, value) in add {
            if let Some(stored) = row.maintained(collection, field) {
                *stored = stored.saturating_add(value);
            }
        }
        Ok(true)
    }

    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError> {
        if let Some(value) = self.state().maintained(account, "last_login") {
            *value = at;
        }
        Ok(())
    }

    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        let mut state = self.state();
        let field = if upload { "first_upload" } else { "first_download" };
        Ok(match state.maintained(account, field) {
            Some(value) if *value == 0 => {
                *value = at.max(1);
                true
            }
            Some(_) | None => false,
        })
    }

    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        let mut state = self.state();
        Ok(match state.account(account) {
            Some(row) if row.last_code_step < step => {
                row.last_code_step = step;
                true
            }
            Some(_) | None => false,
        })
    }
}

#[async_trait]
impl AuditStore for MemoryStore {
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
        let mut state = self.state();
        records.into_iter().for_each(|record| state.append(record, None));
        Ok(())
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<StoredAudit>, StoreError> {
        let state = self.state();
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let matching = state.audit.iter().filter(|stored| query.lets_through(stored));
        Ok(if query.oldest_first {
            matching.take(limit).cloned().collect()
        } else {
            matching.rev().take(limit).cloned().collect()
        })
    }
}

impl State {
    pub(super) fn maintained(&mut self, account: &AccountKey, field: &str) -> Option<&mut i64> {
        self.account(account)?.maintained(&USERS, field)
    }

    fn account(&mut self, account: &AccountKey) -> Option<&mut Row> {
        let row = self.collections.get_mut(USERS.kind)?.by_name.get_mut(account.username.as_str())?;
        (row.id == account.id).then_some(row)
    }
}

impl Row {
    pub(super) fn version(&self) -> Version {
        Version { id: self.id, revision: self.revision }
    }

    pub(super) fn document(&self) -> Result<Map<String, Value>, StoreError> {
        serde_json::from_str(&self.text)
            .map_err(|error| StoreError::Failed(format!("a document in memory cannot be read: {error}")))
    }

    pub(super) fn maintained(&mut self, collection: &'static Collection, field: &str) -> Option<&mut i64> {
        let index = collection.maintained().position(|column| column.field == field)?;
        if self.maintained.is_empty() {
            // Most accounts of a large dump are never used.
            self.maintained = vec![0; collection.maintained().count()].into();
        }
        self.maintained.get_mut(index)
    }

    pub(super) fn stored(&self, collection: &'static Collection, name: &str) -> Result<StoredDocument, StoreError> {
        let mut document = self.document()?;
        document.insert("id".to_owned(), json!(self.id));
        document.insert(collection.name_field.to_owned(), json!(name));
        for (index, column) in collection.maintained().enumerate() {
            document.insert(column.field.to_owned(), json!(self.maintained.get(index).unwrap_or(&0)));
        }
        Ok(StoredDocument { name: name.to_owned(), version: self.version(), document, problem: None })
    }
}
