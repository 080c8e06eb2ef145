//! Named documents, their changes, and the audit records.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::account_lists::begin;
use super::{CHANGES_KEPT, MemoryStore, Row, Rows, State};
use crate::account::ObjectKind;
use crate::ports::{
    AUDIT_KEPT, AccountFilter, AccountKey, AuditQuery, AuditRecord, AuditStore, Change, ChangeParts, ChangeToken,
    ChangedObjects, Changes, Collection, Directory, GROUPS, MaintainedChange, PageRequest, Stamp, StoreError,
    StoredAudit, StoredDocument, USERS, Version, Write,
};
use crate::quota::Scope;

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
        let mut announced = false;
        let versions = {
            let mut state = self.state();
            let mut before = Vec::new();
            let mut versions = Vec::new();
            for change in &changes {
                match state.write(change, &mut before) {
                    Ok(version) => versions.push(version),
                    Err(error) => {
                        state.take_back(before);
                        return Err(error);
                    }
                }
            }
            for (change, version) in changes.into_iter().zip(&versions) {
                announced |= state.note(change, *version);
            }
            versions
        };
        if announced {
            self.changed.notify_waiters();
        }
        Ok(versions)
    }

    async fn commit_parts(&self, parts: Arc<dyn ChangeParts>) -> Result<(), StoreError> {
        let mut announced = false;
        {
            let mut state = self.state();
            let mut before = Vec::new();
            let (versions, notes) = match state.write_parts(&*parts, &mut before) {
                Ok(written) => written,
                Err(error) => {
                    state.take_back(before);
                    return Err(error);
                }
            };
            for (note, version) in notes.into_iter().zip(versions) {
                announced |= state.note(note, version);
            }
        }
        if announced {
            self.changed.notify_waiters();
        }
        Ok(())
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

/// The row before a change, which is restored if the commit fails.
type Before = (&'static Collection, String, Option<Row>);

impl State {
    fn write(&mut self, change: &Change, before: &mut Vec<Before>) -> Result<Version, StoreError> {
        let Change { collection, name, .. } = change;
        let object = || collection.object(name);
        if let Write::RequireUnreferenced(kind) = change.write
            && self.refers_to(kind, name)?
        {
            return Err(StoreError::Conflict(object()));
        }
        let rows = self.collections.entry(collection.kind).or_default();
        let found = rows.by_name.get(name.as_str()).cloned();
        let version = found.as_ref().map(Row::version);
        let is_expected = |expected: &Version| match version {
            None => Err(StoreError::NotFound(object())),
            Some(version) if version == *expected => Ok(version),
            Some(_) => Err(StoreError::Conflict(object())),
        };
        let row = match &change.write {
            Write::Add(_) if found.is_some() => return Err(StoreError::Exists(object())),
            Write::Add(document) => {
                rows.last_id += 1;
                let text = text_of(collection, document)?;
                Some(Row { id: rows.last_id, revision: 0, text, maintained: Box::default(), last_code_step: 0 })
            }
            Write::Replace { document, expected, reset } => {
                let version = is_expected(expected)?;
                let mut maintained = found.as_ref().map(|row| row.maintained.clone()).unwrap_or_default();
                for (value, column) in maintained.iter_mut().zip(collection.maintained()) {
                    if reset.contains(&column.field) {
                        *value = 0;
                    }
                }
                let last_code_step = found.as_ref().map_or(0, |row| row.last_code_step);
                let text = text_of(collection, document)?;
                Some(Row { id: version.id, revision: version.revision + 1, text, maintained, last_code_step })
            }
            Write::Delete { expected } => {
                let current = version.ok_or_else(|| StoreError::NotFound(object()))?;
                is_expected(&expected.unwrap_or(current))?;
                None
            }
            Write::Require { expected } => return is_expected(expected),
            Write::RequireEmpty if rows.by_name.is_empty() => return Ok(Version::default()),
            Write::RequireEmpty => return Err(StoreError::Conflict(object())),
            Write::RequireUnreferenced(_) => return version.ok_or_else(|| StoreError::NotFound(object())),
        };
        before.push((collection, name.clone(), found));
        let written = row.as_ref().map(Row::version).or(version).unwrap_or_default();
        rows.put(collection, name, row);
        Ok(written)
    }

    /// Writes the changes of all parts, and gives them without their documents.
    fn write_parts(
        &mut self,
        parts: &dyn ChangeParts,
        before: &mut Vec<Before>,
    ) -> Result<(Vec<Version>, Vec<Change>), StoreError> {
        let (mut versions, mut notes) = (Vec::new(), Vec::new());
        for index in 0..parts.parts() {
            for mut change in parts.part(index)? {
                versions.push(self.write(&change, before)?);
                if let Write::Add(document) | Write::Replace { document, .. } = &mut change.write {
                    *document = Map::new();
                }
                notes.push(change);
            }
        }
        Ok((versions, notes))
    }

    /// Notes what comes with a change that was written. The answer: whether it is announced.
    fn note(&mut self, change: Change, version: Version) -> bool {
        if let Write::Delete { .. } = change.write {
            self.marks.retain(|scope, _| !is_of(scope, change.collection, &change.name));
        }
        if let Some(record) = change.audit {
            self.append(record, Some(version.revision));
        }
        if change.announce {
            self.announce(change.collection.kind, change.name);
        }
        change.announce
    }

    /// Whether an account or a group refers to the object.
    fn refers_to(&self, kind: ObjectKind, name: &str) -> Result<bool, StoreError> {
        for collection in [&USERS, &GROUPS] {
            for row in self.collections.get(collection.kind).into_iter().flat_map(|rows| rows.by_name.values()) {
                if kind.is_referred_to(&row.document()?, name) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn take_back(&mut self, before: Vec<Before>) {
        for (collection, name, row) in before.into_iter().rev() {
            let rows: &mut Rows = self.collections.entry(collection.kind).or_default();
            rows.put(collection, &name, row);
        }
    }

    fn announce(&mut self, kind: &str, name: String) {
        self.changes.push_back((kind.to_owned(), name));
        if self.changes.len() > CHANGES_KEPT {
            self.changes.pop_front();
            self.changes_forgotten += 1;
        }
    }

    fn append(&mut self, record: AuditRecord, revision: Option<i64>) {
        let id = self.audit.back().map_or(1, |last| last.id + 1);
        self.audit.push_back(StoredAudit { id, record, revision });
        while self.audit.front().is_some_and(|first| first.id <= id - AUDIT_KEPT) {
            self.audit.pop_front();
        }
    }

    pub(super) fn maintained(&mut self, account: &AccountKey, field: &str) -> Option<&mut i64> {
        self.account(account)?.maintained(&USERS, field)
    }

    fn account(&mut self, account: &AccountKey) -> Option<&mut Row> {
        let row = self.collections.get_mut(USERS.kind)?.by_name.get_mut(account.username.as_str())?;
        (row.id == account.id).then_some(row)
    }
}

impl Row {
    fn version(&self) -> Version {
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

fn text_of(collection: &'static Collection, document: &Map<String, Value>) -> Result<Box<str>, StoreError> {
    let is_kept = |field: &str| {
        let maintained = collection.column(field).is_some_and(|column| column.is_maintained);
        !maintained && field != "id" && field != collection.name_field
    };
    let kept: BTreeMap<&str, &Value> =
        document.iter().filter(|(field, _)| is_kept(field)).map(|(f, v)| (f.as_str(), v)).collect();
    let text = serde_json::to_string(&kept).map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(text.into_boxed_str())
}

fn is_of(scope: &Scope, collection: &Collection, name: &str) -> bool {
    scope.collection() == collection && scope.name() == name
}
