//! What operations on files count for quotas.

use std::sync::Arc;

use super::storage::{Metadata, Storage, StorageFile};
use super::{FileError, FileService};
use crate::account::{Account, FolderQuota};
use crate::path::VirtualPath;
use crate::quota::{Ledger, Names, QuotaLimits, ScanProgress, ScanTree, Scope, UploadQuota, scope_of};

/// Where a path is counted.
pub(super) struct Counted {
    pub ledger: Arc<Ledger>,
    pub limits: QuotaLimits,
}

impl Counted {
    /// One upload's quota, after the file was opened; `before`: what had the name, if anything;
    /// `emptied`: opening a file under its name has emptied it.
    pub(super) async fn upload(
        &self,
        names: &Names<'_>,
        file: &dyn StorageFile,
        before: Option<&Metadata>,
        emptied: bool,
    ) -> Result<UploadQuota, FileError> {
        let metadata = file.metadata().await?;
        if file.is_unnamed() {
            let replaced = before.map(|metadata| metadata.size);
            return Ok(UploadQuota::unnamed(self.ledger.clone(), metadata.id, replaced, self.limits)?);
        }
        match before {
            Some(before) if emptied && before.id == metadata.id => names.resized(before, metadata.size),
            // Another file took the name meanwhile, by other ways than the server's.
            Some(_) if emptied => self.ledger.forget(),
            _ => {}
        }
        Ok(UploadQuota::in_place(self.ledger.clone(), names, &metadata, before.is_none()))
    }
}

impl FileService {
    /// None: it is not counted.
    pub(super) fn counted(&self, path: &VirtualPath) -> Option<Counted> {
        let account = self.account();
        let quotas = &self.context.quotas;
        let Some((scope, limits)) = scope_of(&account, path, quotas.tracking) else {
            // What is changed now is not counted: with a limit later, all is counted again.
            self.uncounted();
            return None;
        };
        Some(Counted { ledger: quotas.ledger(&scope), limits })
    }

    /// Files of the account were changed, or are about to be, without being counted.
    pub(super) fn uncounted(&self) {
        self.context.quotas.forget(&Scope::Account(self.account().username.clone()));
    }

    /// What is counted for the same scope as `path`.
    pub(super) fn scan_tree(&self, path: &VirtualPath) -> ScanTree {
        scan_tree_at(&self.account(), self.storage.clone(), path)
    }

    /// Removes the name `path`, and counts it.
    pub(super) async fn remove_counting(&self, path: &VirtualPath) -> Result<(), FileError> {
        let Some(counted) = self.counted(path) else {
            self.tree().remove_file(path).await?;
            return Ok(());
        };
        let names = counted.ledger.names(|| self.scan_tree(path)).await?;
        names.removed(&self.tree().remove_file(path).await?);
        Ok(())
    }

    /// Somebody else has removed a file: who it was that counted it, nobody knows.
    pub(super) async fn recount(&self, path: &VirtualPath) -> Result<(), FileError> {
        if let Some(counted) = self.counted(path) {
            let names = counted.ledger.names(|| self.scan_tree(path)).await?;
            names.recount(&self.scan_tree(path), &ScanProgress::default()).await?;
        }
        Ok(())
    }

    /// Does something to names that changes no count, but not during a scan.
    pub(super) async fn counting_nothing<T>(
        &self,
        path: &VirtualPath,
        act: impl AsyncFnOnce() -> Result<T, FileError>,
    ) -> Result<T, FileError> {
        let Some(counted) = self.counted(path) else {
            return act().await;
        };
        let _names = counted.ledger.names(|| self.scan_tree(path)).await?;
        act().await
    }

    /// Gives a file another size, and counts it.
    pub(super) async fn counting_resize(
        &self,
        path: &VirtualPath,
        size: u64,
        act: impl AsyncFnOnce() -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        self.check_size(size)?;
        let Some(counted) = self.counted(path) else {
            return act().await;
        };
        let names = counted.ledger.names(|| self.scan_tree(path)).await?;
        let before = self.tree().metadata(path).await?;
        names.check_resize(before.size, size, counted.limits)?;
        let outcome = act().await;
        // It may have been resized though something else failed.
        let now = self.tree().metadata(path).await.ok().filter(|now| now.id == before.id);
        names.resized(&before, now.map_or(if outcome.is_ok() { size } else { before.size }, |now| now.size));
        outcome
    }

    /// `max_upload_file_size` (C3).
    pub(super) fn check_size(&self, size: u64) -> Result<(), FileError> {
        let max = self.account().filters.max_upload_file_size;
        if max > 0 && size > max {
            return Err(FileError::QuotaExceeded(format!("the file is larger than the {max} bytes allowed")));
        }
        Ok(())
    }
}

/// The part of an account's files that counts for the same scope as `path`.
pub fn scan_tree_at(account: &Account, storage: Arc<dyn Storage>, path: &VirtualPath) -> ScanTree {
    let is_own = |quota: FolderQuota| quota != FolderQuota::OfAccount;
    match account.folders.at(path).filter(|folder| is_own(folder.quota)) {
        Some(folder) => ScanTree { storage, root: folder.virtual_path.clone(), skip: Vec::new() },
        None => {
            let others = account.folders.iter().filter(|folder| is_own(folder.quota));
            let skip = others.map(|folder| folder.virtual_path.clone()).collect();
            ScanTree { storage, root: VirtualPath::root(), skip }
        }
    }
}
