//! How an open file is counted: room is reserved before each write, by the account's limits at that time.

use std::sync::Arc;

use super::open_file::{Opened, OpenedAs};
use super::{FileError, attributes};
use crate::ports::storage::{SetAttributes, Writing};
use crate::quota::{Ledger, QuotaError, QuotaLimits, ScanProgress, UploadQuota, limits_of};

impl Opened {
    pub(super) fn limits(&self) -> QuotaLimits {
        limits_of(&self.files.account(), &self.place)
    }

    /// The offset at which bytes written at `offset` continue an existing file; 0 for a new or emptied file
    /// (A15-09).
    pub(super) fn resumed_at(&self, offset: u64) -> u64 {
        match self.existed {
            Some(_) if self.options.truncate => 0,
            Some(existed) if self.options.append => existed.size,
            Some(_) => offset,
            None => 0,
        }
    }

    /// Reserves room for bytes that are about to be written.
    ///
    /// # Errors
    /// `QuotaExceeded`: the quota or the largest size of a file does not allow them. `Invalid`: no file has that offset.
    pub(super) async fn reserve(&mut self, offset: u64, length: usize) -> Result<(), FileError> {
        if self.quota.is_none() {
            self.follow_account().await.inspect_err(|error| self.transfer.fail_by(error))?;
        }
        let length = length as u64;
        let end = if self.options.append {
            let is_limited = self.files.account().filters.max_upload_file_size.is_set();
            if is_limited { self.file.file().metadata().await?.size.saturating_add(length) } else { length }
        } else {
            let end = offset.checked_add(length).filter(|end| i64::try_from(*end).is_ok());
            let invalid = || FileError::Invalid("the offset is larger than any file".into());
            end.ok_or_else(invalid).inspect_err(|error| self.transfer.fail_by(error))?
        };
        let checked = self.files.check_size(end).and_then(|()| {
            let limits = self.limits();
            match &mut self.quota {
                None => Ok(()),
                Some(quota) if self.options.append => Ok(quota.reserve_appended(length, limits)?),
                Some(quota) => Ok(quota.reserve(end, limits)?),
            }
        });
        checked.inspect_err(|error| self.transfer.fail_by(error))
    }

    /// Counts what was written until now, if an administrator has set a limit for an account that had none.
    pub(super) async fn follow_account(&mut self) -> Result<(), FileError> {
        if Arc::ptr_eq(&self.counted_for, &self.files.account()) {
            return Ok(());
        }
        let account = self.files.account().clone();
        let Some(counted) = self.files.counted(&self.place) else {
            self.counted_for = account;
            return Ok(());
        };
        let tree = self.files.scan_tree(&self.place);
        let OpenedAs::Writing(file) = &self.file else { return Ok(()) };
        let names = counted.ledger.names(|| tree.clone()).await?;
        let now = self.file.file().metadata().await?;
        let quota = self.quota.insert(match file {
            Writing::Upload(_) => counted.upload(&names, file, self.existed.as_ref(), false).await?,
            // The files are counted again below, so that it does not matter whether this one is new.
            Writing::InPlace(_) => UploadQuota::in_place(counted.ledger.clone(), &names, &now, false),
        });
        let stale = StaleUnlessCounted(&counted.ledger);
        if quota.is_unnamed() {
            quota.reserve(now.size, counted.limits)?;
        } else if now.links == 0 {
            names.removed(&now);
        }
        // Only now, with the file in the ledger, does the count take it as it is.
        let recounted = names.recount(&tree, &ScanProgress::default()).await;
        // A count that cannot be stored holds in the ledger all the same.
        if !matches!(recounted, Err(QuotaError::Scan(_))) {
            std::mem::forget(stale);
        }
        recounted?;
        self.counted_for = account;
        Ok(())
    }

    pub(super) async fn set_attributes(&mut self, wanted: &SetAttributes) -> Result<(), FileError> {
        let policy = self.files.context.policy;
        let Some(effective) = attributes::effective(policy, wanted) else {
            return Ok(());
        };
        for path in self.place.spellings() {
            attributes::check_permissions(self.files.permissions_at(&path.parent()), &effective)?;
        }
        if effective.size.is_some() && !self.options.write {
            // A5-02: as ftruncate(2) has it, while the other attributes are set.
            let others = SetAttributes { size: None, ..effective };
            if !others.is_empty() {
                self.apply(&others).await?;
                attributes::record(&others, |what| self.transfer.record(what));
            }
            return Err(FileError::Invalid("the file is not open for writing, so that its size cannot be set".into()));
        }
        match effective.size {
            Some(size) => {
                self.resize(size, &effective).await?;
                self.transfer.resized();
            }
            None => self.apply(&effective).await?,
        }
        attributes::record(&effective, |what| self.transfer.record(what));
        Ok(())
    }

    async fn apply(&self, effective: &SetAttributes) -> Result<(), FileError> {
        let outcome = self.file.file().set_attributes(effective).await;
        attributes::ignore_unsupported(self.files.context.policy, outcome.map_err(FileError::from))
    }

    async fn resize(&mut self, size: u64, effective: &SetAttributes) -> Result<(), FileError> {
        self.files.check_size(size)?;
        if self.quota.is_none() {
            self.follow_account().await?;
        }
        let limits = self.limits();
        let Some(quota) = &mut self.quota else {
            return self.apply(effective).await;
        };
        let ledger = quota.ledger().clone();
        let names = ledger.names(|| self.files.scan_tree(&self.place)).await?;
        let before = self.file.file().metadata().await?;
        quota.reserve(size, limits)?;
        let outcome = self.apply(effective).await;
        // `apply` may have changed the size and then failed at another attribute.
        let now = self.file.file().metadata().await.map_or(before.size, |now| now.size);
        if let Some(quota) = &mut self.quota {
            quota.resized(&names, &before, now);
        }
        outcome
    }
}

/// Invalidates a ledger when it is dropped: for changes that may be left halfway.
struct StaleUnlessCounted<'a>(&'a Ledger);

impl Drop for StaleUnlessCounted<'_> {
    fn drop(&mut self) {
        self.0.invalidate();
    }
}
