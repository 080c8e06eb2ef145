//! Changes of named documents: all of a commit are made, or none. What can be done before is done before the store is
//! locked, since logins wait for the lock.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{CHANGES_KEPT, Key, MemoryStore, Row, State};
use crate::account::ObjectKind;
use crate::ports::{
    AUDIT_KEPT, AuditRecord, Change, Collection, GROUPS, StoreError, StoredAudit, USERS, Version, Write, account_keys,
};
use crate::quota::Scope;

/// A change whose document has become what the store keeps.
pub(super) struct Prepared {
    /// Without its document.
    change: Change,
    kept: Kept,
}

/// What is kept of a document; nothing where a change has none.
#[derive(Default)]
struct Kept {
    text: Box<str>,
    keys: Box<[Key]>,
}

/// The place of a change in its commit, and the row before it, which is restored if the commit fails.
type Before = (usize, Option<Row>);

impl Prepared {
    /// # Errors
    /// The document cannot be written as text.
    pub fn of(mut change: Change) -> Result<Self, StoreError> {
        let kept = match &mut change.write {
            Write::Add(document) | Write::Replace { document, .. } => {
                Kept::of(change.collection, &std::mem::take(document))?
            }
            Write::Delete { .. } | Write::Require { .. } | Write::RequireEmpty | Write::RequireUnreferenced(_) => {
                Kept::default()
            }
        };
        Ok(Self { change, kept })
    }
}

impl Kept {
    fn of(collection: &'static Collection, document: &Map<String, Value>) -> Result<Self, StoreError> {
        let is_kept = |field: &str| {
            let maintained = collection.column(field).is_some_and(|column| column.is_maintained);
            !maintained && field != "id" && field != collection.name_field
        };
        let kept: BTreeMap<&str, &Value> =
            document.iter().filter(|(field, _)| is_kept(field)).map(|(f, v)| (f.as_str(), v)).collect();
        let text = serde_json::to_string(&kept).map_err(|error| StoreError::Failed(error.to_string()))?;
        let keys = if *collection == USERS { account_keys(document) } else { BTreeSet::new() };
        let keys = keys.into_iter().map(|reference| (reference.kind, Box::from(reference.name))).collect();
        Ok(Self { text: text.into_boxed_str(), keys })
    }
}

impl MemoryStore {
    /// Makes all of the changes, or none.
    pub(super) fn write_all(&self, mut prepared: Vec<Prepared>) -> Result<Vec<Version>, StoreError> {
        let mut announced = false;
        let (mut versions, mut before) = (Vec::with_capacity(prepared.len()), Vec::new());
        {
            let mut state = self.state();
            for (index, Prepared { change, kept }) in prepared.iter_mut().enumerate() {
                match state.write((index, &*change), std::mem::take(kept), &mut before) {
                    Ok(version) => versions.push(version),
                    Err(error) => {
                        state.take_back(&prepared, before);
                        return Err(error);
                    }
                }
            }
            for (Prepared { change, .. }, version) in prepared.into_iter().zip(&versions) {
                announced |= state.note(change, *version);
            }
        }
        if announced {
            self.changed.notify_waiters();
        }
        Ok(versions)
    }
}

impl State {
    fn write(
        &mut self,
        (index, change): (usize, &Change),
        kept: Kept,
        before: &mut Vec<Before>,
    ) -> Result<Version, StoreError> {
        let Change { collection, name, .. } = change;
        let object = || collection.object(name);
        if let Write::RequireUnreferenced(kind) = change.write
            && self.refers_to(kind, name)?
        {
            return Err(StoreError::Conflict(object()));
        }
        let rows = self.collections.entry(collection.kind).or_default();
        let found = rows.by_name.get(name.as_str());
        let version = found.map(Row::version);
        let is_expected = |expected: &Version| match version {
            None => Err(StoreError::NotFound(object())),
            Some(version) if version == *expected => Ok(version),
            Some(_) => Err(StoreError::Conflict(object())),
        };
        let Kept { text, keys } = kept;
        let row = match &change.write {
            Write::Add(_) if found.is_some() => return Err(StoreError::Exists(object())),
            Write::Add(_) => {
                rows.last_id += 1;
                Some(Row { id: rows.last_id, revision: 0, text, keys, maintained: Box::default(), last_code_step: 0 })
            }
            Write::Replace { expected, reset, .. } => {
                let version = is_expected(expected)?;
                let mut maintained = found.map(|row| row.maintained.clone()).unwrap_or_default();
                for (value, column) in maintained.iter_mut().zip(collection.maintained()) {
                    if reset.contains(&column.field) {
                        *value = 0;
                    }
                }
                let last_code_step = found.map_or(0, |row| row.last_code_step);
                Some(Row { id: version.id, revision: version.revision + 1, text, keys, maintained, last_code_step })
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
        let written = row.as_ref().map(Row::version).or(version).unwrap_or_default();
        before.push((index, rows.put(name, row)));
        Ok(written)
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

    fn take_back(&mut self, prepared: &[Prepared], before: Vec<Before>) {
        for (index, row) in before.into_iter().rev() {
            let Some(Prepared { change, .. }) = prepared.get(index) else { continue };
            self.collections.entry(change.collection.kind).or_default().put(&change.name, row);
        }
    }

    fn announce(&mut self, kind: &str, name: String) {
        self.changes.push_back((kind.to_owned(), name));
        if self.changes.len() > CHANGES_KEPT {
            self.changes.pop_front();
            self.changes_forgotten += 1;
        }
    }

    pub(super) fn append(&mut self, record: AuditRecord, revision: Option<i64>) {
        let id = self.audit.back().map_or(1, |last| last.id + 1);
        self.audit.push_back(StoredAudit { id, record, revision });
        while self.audit.front().is_some_and(|first| first.id <= id - AUDIT_KEPT) {
            self.audit.pop_front();
        }
    }
}

fn is_of(scope: &Scope, collection: &Collection, name: &str) -> bool {
    scope.collection() == collection && scope.name() == name
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use serde_json::json;

    use super::*;
    use crate::ports::{AccountFilter, ChangeParts, Directory, PageRequest};

    fn document(home: &str) -> Map<String, Value> {
        json!({"home_dir": home, "status": 1, "role": home}).as_object().cloned().unwrap()
    }

    fn change(name: &str, write: Write) -> Change {
        Change { collection: &USERS, name: name.to_owned(), write, announce: true, audit: None }
    }

    async fn home(store: &MemoryStore, name: &str) -> Option<Value> {
        let found = store.find(&USERS, name).await.unwrap();
        found.and_then(|stored| stored.document.get("home_dir").cloned())
    }

    /// One part for each change. Before the last one is given, other clients use the store.
    struct Parts {
        store: Arc<MemoryStore>,
        changes: Vec<Change>,
        meanwhile: Option<Change>,
    }

    #[async_trait]
    impl ChangeParts for Parts {
        fn changes(&self) -> usize {
            self.changes.len()
        }

        fn parts(&self) -> usize {
            self.changes.len()
        }

        fn part(&self, index: usize) -> Result<Vec<Change>, StoreError> {
            panic!("part {index} is read as one that others may wait for")
        }

        async fn fetch(&self, index: usize) -> Result<Vec<Change>, StoreError> {
            if index + 1 == self.changes.len() {
                assert_eq!(home(&self.store, "alice").await, Some(json!("/a")), "nothing of the commit is seen");
                assert_eq!(home(&self.store, "bob").await, None);
                self.store.commit(self.meanwhile.iter().cloned().collect()).await?;
            }
            Ok(vec![self.changes[index].clone()])
        }
    }

    /// Commits changes of alice, bob and carol while another client makes one, and says what became of bob.
    async fn check(meanwhile: Option<fn(Version) -> Change>, expected: Result<(), StoreError>) {
        let store = Arc::new(MemoryStore::default());
        let added = store.commit(vec![change("alice", Write::Add(document("/a")))]).await.unwrap();
        let replacing = Write::Replace { document: document("/a2"), expected: added[0], reset: Vec::new() };
        let changes = vec![
            change("bob", Write::Add(document("/b"))),
            change("alice", replacing),
            change("carol", Write::Add(document("/c"))),
        ];
        let meanwhile = meanwhile.map(|change| change(added[0]));
        let parts = Parts { store: store.clone(), changes, meanwhile: meanwhile.clone() };
        let is_stored = expected.is_ok();
        assert_eq!(store.commit_parts(Arc::new(parts)).await, expected);
        assert_eq!(home(&store, "bob").await, is_stored.then(|| json!("/b")), "{meanwhile:?}");
        // Accounts are found by what they refer to, whatever was taken back.
        for role in ["/a", "/a2", "/b"] {
            let filter = AccountFilter { role: Some(role.to_owned()), ..AccountFilter::default() };
            let page = PageRequest { limit: 10, ..PageRequest::default() };
            let found = store.list_accounts(&filter, page).await.unwrap();
            let has_role = async |name: &str| home(&store, name).await == Some(json!(role));
            let expected = usize::from(has_role("alice").await) + usize::from(has_role("bob").await);
            assert_eq!(found.len(), expected, "{role}: {meanwhile:?}");
        }
    }

    #[tokio::test]
    async fn others_use_the_store_while_parts_are_read() {
        let replacing = |expected: Version| {
            change("alice", Write::Replace { document: document("/x"), expected, reset: Vec::new() })
        };
        check(None, Ok(())).await;
        check(Some(replacing), Err(StoreError::Conflict(USERS.object("alice")))).await;
        let deleting = |_: Version| change("alice", Write::Delete { expected: None });
        check(Some(deleting), Err(StoreError::NotFound(USERS.object("alice")))).await;
        let adding = |_: Version| change("carol", Write::Add(document("/other")));
        check(Some(adding), Err(StoreError::Exists(USERS.object("carol")))).await;
        let other = |_: Version| change("dora", Write::Add(document("/d")));
        check(Some(other), Ok(())).await;
    }
}
