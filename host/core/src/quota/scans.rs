//! Scans that people and the server itself ask for.

use std::sync::Arc;

use super::{QuotaError, QuotaKeeper, ScanError, ScanReport, ScanTree, Scope};
use crate::files::scan_tree_at;
use crate::files::storage::StorageError;
use crate::path::VirtualPath;
use crate::ports::{AccountStore, FolderStore, StorageFactory, StoreError};

/// Knows where the files of a scope are.
pub struct QuotaScans {
    pub keeper: Arc<QuotaKeeper>,
    pub accounts: Arc<dyn AccountStore>,
    pub folders: Arc<dyn FolderStore>,
    pub storage: Arc<dyn StorageFactory>,
}

impl QuotaScans {
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

    /// Opening it counts, because it is marked.
    async fn settle(&self, scope: &Scope) -> Result<(), ScanError> {
        let tree = self.tree(scope).await?;
        let ledger = self.keeper.ledger(scope);
        drop(ledger.names(|| tree.clone()).await?);
        Ok(())
    }

    async fn tree(&self, scope: &Scope) -> Result<ScanTree, ScanError> {
        let missing = |name: &str| QuotaError::Store(StoreError::NotFound(name.to_owned()));
        let unreadable = |error: StorageError| QuotaError::Scan(error.message);
        match scope {
            Scope::Account(name) => {
                let account = self.accounts.find(name).await.map_err(QuotaError::from)?;
                let account = account.ok_or_else(|| missing(name))?;
                let storage = self.storage.open(&account).map_err(unreadable)?;
                Ok(scan_tree_at(&account, storage, &VirtualPath::root()))
            }
            Scope::Folder(name) => {
                let path = self.folders.mapped_path(name).await.map_err(QuotaError::from)?;
                let path = path.ok_or_else(|| missing(name))?;
                let storage = self.storage.open_directory(&path).map_err(unreadable)?;
                Ok(ScanTree { storage, root: VirtualPath::root(), skip: Vec::new() })
            }
        }
    }
}
