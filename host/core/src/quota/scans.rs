//! Scans of usages, for administrators and for the server itself.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use super::{BegunScan, NewUsage, QuotaError, QuotaKeeper, ScanError, ScanReport, ScanTree, Scope};
use crate::account::{find_user, in_force};
use crate::path::VirtualPath;
use crate::ports::storage::{StorageError, TreeDescription};
use crate::ports::{Directory, FOLDERS, StorageFactory, StoreError};

/// A scan that is among those under way; it ends when this is dropped.
pub struct StartedScan {
    tree: ScanTree,
    begun: BegunScan,
}

/// Finds the files of a scope, and has the keeper count them.
pub struct QuotaScans {
    /// The ledgers, which get the result.
    pub keeper: Arc<QuotaKeeper>,
    /// The store of accounts and folders.
    pub directory: Arc<dyn Directory>,
    /// Opens the files of accounts and folders.
    pub storage: Arc<dyn StorageFactory>,
    changed: Mutex<Vec<String>>,
    has_changed: Notify,
}

impl QuotaScans {
    /// Scans with these ports; nothing is scanned yet.
    pub fn new(keeper: Arc<QuotaKeeper>, directory: Arc<dyn Directory>, storage: Arc<dyn StorageFactory>) -> Self {
        Self { keeper, directory, storage, changed: Mutex::default(), has_changed: Notify::new() }
    }

    /// Counts the files of a scope again, and replaces the stored usage (A10-06).
    ///
    /// # Errors
    /// [`ScanError`], also if there is no such account or folder.
    pub async fn scan(&self, scope: &Scope) -> Result<ScanReport, ScanError> {
        self.finish(self.begin(scope).await?).await
    }

    /// Finds the files of a scope, and enters the scan among those under way.
    ///
    /// # Errors
    /// [`ScanError`], also if there is no such account or folder.
    pub async fn begin(&self, scope: &Scope) -> Result<StartedScan, ScanError> {
        // What cannot be scanned at all is said before the files are looked for.
        let begun = self.keeper.begin_scan(scope)?;
        Ok(StartedScan { tree: self.tree(scope).await?, begun })
    }

    /// Counts the files of a scan that has begun, and replaces the stored usage.
    ///
    /// # Errors
    /// The store or the count fails.
    pub async fn finish(&self, started: StartedScan) -> Result<ScanReport, ScanError> {
        self.keeper.finish_scan(started.begun, started.tree).await
    }

    /// Replaces the usage of a scope by what an administrator says.
    ///
    /// # Errors
    /// [`ScanError`], also if there is no such account or folder.
    pub async fn set_usage(&self, scope: &Scope, usage: NewUsage) -> Result<ScanReport, ScanError> {
        let found = self.directory.find(scope.collection(), scope.name()).await.map_err(QuotaError::from)?;
        if found.is_none() {
            return Err(QuotaError::Store(StoreError::NotFound(scope.object())).into());
        }
        self.keeper.set_usage(scope, usage).await
    }

    /// Counts the usages again that were in change when an earlier process died. Failures are logged.
    pub async fn recover(&self) {
        let scopes = match self.keeper.unsettled().await {
            Ok(scopes) => scopes,
            Err(error) => {
                let message = format!("usages that were in change could not be found: {error}");
                return tracing::warn!(sender = "quota", message);
            }
        };
        for scope in scopes {
            match self.settle(&scope).await {
                Ok(()) => tracing::info!(sender = "quota", message = format!("the usage of {scope} was counted again")),
                Err(ScanError::Quota(QuotaError::Store(StoreError::NotFound(_)))) => self.keeper.forget(&scope).await,
                Err(error) => {
                    let message = format!("the usage of {scope} could not be counted again: {error}");
                    tracing::warn!(sender = "quota", message);
                }
            }
        }
    }

    /// Counts the usages of changed accounts again whose files have moved. Never returns; failures are
    /// logged.
    pub async fn follow(&self) {
        loop {
            let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(name) = changed else {
                self.has_changed.notified().await;
                continue;
            };
            let scope = Scope::Account(name);
            let outcome = match self.keeper.has_other_files(&scope).await {
                Ok(true) => self.settle(&scope).await,
                Ok(false) => Ok(()),
                Err(error) => Err(error.into()),
            };
            match outcome {
                Ok(()) | Err(ScanError::Quota(QuotaError::Store(StoreError::NotFound(_)))) => {}
                Err(error) => {
                    let message = format!("the usage of {scope} could not be counted again: {error}");
                    tracing::warn!(sender = "quota", message);
                }
            }
        }
    }

    /// Tells [`follow`](Self::follow) that an account was changed.
    pub fn account_changed(&self, username: &str) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if !changed.iter().any(|name| name == username) {
            changed.push(username.to_owned());
        }
        self.has_changed.notify_one();
    }

    /// Opens the usage: as it is unsettled, that counts the files.
    async fn settle(&self, scope: &Scope) -> Result<(), ScanError> {
        let tree = self.tree(scope).await?;
        let ledger = self.keeper.ledger(scope);
        drop(ledger.names(|| tree.clone()).await?);
        Ok(())
    }

    async fn tree(&self, scope: &Scope) -> Result<ScanTree, ScanError> {
        let missing = || QuotaError::Store(StoreError::NotFound(scope.object()));
        let unreadable = |error: StorageError| QuotaError::Scan(error.message);
        match scope {
            Scope::Account(name) => {
                let account = find_user(&*self.directory, name).await.map_err(QuotaError::from)?;
                let account = account.ok_or_else(missing)?;
                let account = in_force(&*self.directory, account).await.map_err(QuotaError::from)?;
                let tree = account.file_tree().map_err(unreadable)?;
                let storage = self.storage.open(&tree).await.map_err(unreadable)?;
                Ok(ScanTree::around(&account, storage, &VirtualPath::root()))
            }
            Scope::Folder(name) => {
                let folder = self.directory.find(&FOLDERS, name).await.map_err(QuotaError::from)?;
                let folder = folder.ok_or_else(missing)?;
                let path = folder.document.get("mapped_path").and_then(Value::as_str).unwrap_or_default();
                if path.contains("%username%") || path.contains("%role%") {
                    return Err(QuotaError::Scan(format!(
                        "the path of the folder \"{name}\" has a placeholder, so that its files count for the accounts \
                         that have it; scan those"
                    ))
                    .into());
                }
                let tree = TreeDescription::of_folder(&folder.document).map_err(unreadable)?;
                let storage = self.storage.open(&tree).await.map_err(unreadable)?;
                Ok(ScanTree { storage, roots: vec![VirtualPath::root()], skip: Vec::new() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::memory::MemoryStore;
    use crate::ports::storage::Storage;
    use crate::ports::{Change, NodeName, SystemClock, Write};
    use crate::quota::Tracking;

    struct NoStorage;

    #[async_trait::async_trait]
    impl StorageFactory for NoStorage {
        async fn open(&self, tree: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError> {
            panic!("{tree:?} is opened");
        }
    }

    #[tokio::test]
    async fn a_folder_for_each_account_has_no_files_of_its_own() {
        // B9-04
        let store = Arc::new(MemoryStore::default());
        let document = json!({"mapped_path": "/srv/%username%"}).as_object().cloned().unwrap();
        let write = Write::Add(document);
        let change = Change { collection: &FOLDERS, name: "own".into(), write, announce: false, audit: None };
        store.commit(vec![change]).await.unwrap();
        let keeper = QuotaKeeper::new(store.clone(), NodeName("n".into()), Arc::new(SystemClock), Tracking::Always);
        let scans = QuotaScans::new(keeper, store, Arc::new(NoStorage));
        let error = scans.scan(&Scope::Folder("own".into())).await.err().unwrap().to_string();
        assert!(error.contains("placeholder"), "{error}");
    }
}
