//! Changes that are too many for memory, and are made in parts.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tidegate_core::ports::{AuditQuery, Change, ChangeParts, StoreError, USERS, Write};

use super::{Adapter, add, author, change, document, find};

/// The part with the problem cannot be read.
struct Parts(Vec<Result<Vec<Change>, &'static str>>);

#[async_trait]
impl ChangeParts for Parts {
    fn changes(&self) -> usize {
        self.0.iter().flatten().map(Vec::len).sum()
    }

    fn parts(&self) -> usize {
        self.0.len()
    }

    fn part(&self, index: usize) -> Result<Vec<Change>, StoreError> {
        self.0[index].clone().map_err(|problem| StoreError::Failed(problem.to_owned()))
    }

    async fn fetch(&self, index: usize) -> Result<Vec<Change>, StoreError> {
        self.part(index)
    }
}

pub async fn all_parts_of_changes_or_none(adapter: Adapter) {
    // A9-06, A18-11
    let store = adapter.open();
    let alice = add(&*store, "alice").await;
    let begin = store.changes(None).await.unwrap().next;
    let audit = async || store.audit(AuditQuery { limit: 10, ..AuditQuery::default() }).await.unwrap();
    let first = || {
        let write = Write::Replace { document: document("/srv/x"), expected: alice, reset: vec![] };
        let audit = Some(author().did("update", "user", "alice", 1));
        let bob = change("bob", Write::Add(document("/srv/b")));
        Ok(vec![Change { audit, ..change("alice", write) }, bob])
    };
    let carol = |write| Ok(vec![change("carol", write)]);
    for (last, expected) in [
        (carol(Write::Delete { expected: None }), StoreError::NotFound(USERS.object("carol"))),
        (Ok(vec![change("bob", Write::Add(document("/srv/b")))]), StoreError::Exists(USERS.object("bob"))),
        (Err("unreadable"), StoreError::Failed("unreadable".to_owned())),
    ] {
        let failed = store.commit_parts(Arc::new(Parts(vec![first(), Ok(Vec::new()), last]))).await;
        assert_eq!(failed, Err(expected));
        assert_eq!(find(&*store, "alice").await.document.get("home_dir"), Some(&json!("/srv/home")));
        assert_eq!(store.find(&USERS, "bob").await.unwrap(), None);
        assert!(store.changes(Some(&begin)).await.unwrap().is_empty());
        assert_eq!(audit().await, []);
    }
    store.commit_parts(Arc::new(Parts(Vec::new()))).await.unwrap();
    let parts = Parts(vec![first(), Ok(Vec::new()), carol(Write::Add(document("/srv/c")))]);
    store.commit_parts(Arc::new(parts)).await.unwrap();
    assert_eq!(find(&*store, "alice").await.document.get("home_dir"), Some(&json!("/srv/x")));
    assert_eq!(store.texts(&USERS, "home_dir").await.unwrap().len(), 3);
    assert!(!store.changes(Some(&begin)).await.unwrap().is_empty());
    let records = audit().await;
    assert_eq!(records.iter().map(|stored| stored.revision).collect::<Vec<_>>(), [Some(1)]);
}
