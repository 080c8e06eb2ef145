//! Scans that people and the server itself ask for.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use super::{QuotaError, QuotaKeeper, ScanError, ScanReport, ScanTree, Scope};
use crate::account::{find_user, in_force};
use crate::path::VirtualPath;
use crate::ports::storage::{StorageError, TreeDescription};
use crate::ports::{Directory, FOLDERS, StorageFactory, StoreError};

/// Knows where the files of a scope are.
pub struct QuotaScans {
    pub keeper: Arc<QuotaKeeper>,
    pub directory: Arc<dyn Directory>,
    pub storage: Arc<dyn StorageFactory>,
    changed: Mutex<Vec<String>>,
    has_changed: Notify,
}

impl QuotaScans {
    pub fn new(keeper: Arc<QuotaKeeper>, directory: Arc<dyn Directory>, storage: Arc<dyn StorageFactory>) -> Self {
        Self { keeper, directory, storage, changed: Mutex::default(), has_changed: Notify::new() }
    }

    pub async fn scan(&self, scope: &Scope) -> Result<ScanReport, ScanError> {
        let tree = self.tree(scope).await?;
        self.keeper.scan(scope, tree).await
    }

    /// Usages that were in change when an earlier process died are counted again.
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
                Err(error) => {
                    let message = format!("the usage of {scope} could not be counted again: {error}");
                    tracing::warn!(sender = "quota", message);
                }
            }
        }
    }

    /// The server's own accounts were changed: a usage of files that are an account's no more is
    /// counted anew. Never returns.
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

    /// For [`follow`](Self::follow).
    pub fn account_changed(&self, username: &str) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if !changed.iter().any(|name| name == username) {
            changed.push(username.to_owned());
        }
        self.has_changed.notify_one();
    }

    /// Opening it counts, because it is marked.
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
                let tree = TreeDescription::of_folder(path.to_owned());
                let storage = self.storage.open(&tree).await.map_err(unreadable)?;
                Ok(ScanTree { storage, root: VirtualPath::root(), skip: Vec::new() })
            }
        }
    }
}
