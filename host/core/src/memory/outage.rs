//! A store in memory that can go away, for tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::MemoryStore;
use crate::ports::{
    AccountFilter, AccountKey, BatchName, Change, ChangeToken, Changes, Collection, Directory, MaintainedChange,
    NodeName, PageRequest, StoreError, StoredDocument, StoredUsage, UsageStore, Version,
};
use crate::quota::{Scope, Transferred, UsedQuota};

/// How the store behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    #[default]
    Here,
    /// Nothing is done.
    Away,
    /// Everything is done, but the answer does not arrive.
    Silent,
    /// Nothing is done, because another program has locked it.
    Locked,
    /// Everything is done, and the answer comes when [`Outage::answers`] says so.
    Slow,
}

/// A store between the tested code and the one in memory.
#[derive(Default)]
pub struct Outage {
    pub store: Arc<MemoryStore>,
    /// How often a document was looked for by its name.
    pub finds: AtomicUsize,
    /// Lets one call go on.
    pub answers: Notify,
    state: Mutex<State>,
}

impl Outage {
    pub fn of(store: Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self { store, ..Self::default() })
    }

    pub fn becomes(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }

    async fn through<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let state = *self.state.lock().unwrap();
        let away = Err(StoreError::Unavailable("the database is away".into()));
        match state {
            State::Here => work.await,
            State::Away => away,
            State::Locked => Err(StoreError::Busy("another program has locked the database".into())),
            State::Silent => {
                let _ = work.await;
                away
            }
            State::Slow => {
                let answer = work.await;
                self.answers.notified().await;
                answer
            }
        }
    }
}

#[async_trait]
impl Directory for Outage {
    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        self.finds.fetch_add(1, Ordering::Relaxed);
        self.through(self.store.find(collection, name)).await
    }
    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        self.through(self.store.find_all(collection, names)).await
    }
    async fn list(
        &self,
        collection: &'static Collection,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        self.through(self.store.list(collection, page)).await
    }
    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        self.through(self.store.list_accounts(filter, page)).await
    }
    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.through(self.store.texts(collection, field)).await
    }
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        self.through(self.store.commit(changes)).await
    }
    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        self.through(self.store.changes(since)).await
    }
    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        self.through(self.store.wait_for_changes(since)).await
    }
    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError> {
        self.through(self.store.record_login(account, at)).await
    }
    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        self.through(self.store.record_first_transfer(account, upload, at)).await
    }
    async fn change_maintained(&self, change: MaintainedChange) -> Result<bool, StoreError> {
        self.through(self.store.change_maintained(change)).await
    }
    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        self.through(self.store.use_code(account, step)).await
    }
}

#[async_trait]
impl UsageStore for Outage {
    async fn open_usage(&self, scope: &Scope, node: &NodeName) -> Result<StoredUsage, StoreError> {
        self.through(self.store.open_usage(scope, node)).await
    }
    async fn close_usage(&self, scope: &Scope, node: &NodeName) -> Result<(), StoreError> {
        self.through(self.store.close_usage(scope, node)).await
    }
    async fn add_usage(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(Scope, UsedQuota)>,
        at: i64,
    ) -> Result<(), StoreError> {
        self.through(self.store.add_usage(batch, changes, at)).await
    }
    async fn replace_usage(&self, scope: &Scope, used: UsedQuota, at: i64) -> Result<(), StoreError> {
        self.through(self.store.replace_usage(scope, used, at)).await
    }
    async fn is_counted(&self, scope: &Scope) -> Result<bool, StoreError> {
        self.through(self.store.is_counted(scope)).await
    }
    async fn add_transferred(
        &self,
        batch: Option<&BatchName>,
        changes: Vec<(AccountKey, Transferred)>,
    ) -> Result<(), StoreError> {
        self.through(self.store.add_transferred(batch, changes)).await
    }
    async fn unsettled_usages(&self, node: &NodeName) -> Result<Vec<Scope>, StoreError> {
        self.through(self.store.unsettled_usages(node)).await
    }
}
