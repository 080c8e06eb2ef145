//! A transfer under way.

use std::sync::Arc;

use tokio::time::Instant;

use super::record::Transfer;
use super::seen::Seen;
use super::storage::{Metadata, OpenOptions, SetAttributes, Space, StorageFile};
use super::{FileError, FileService, attributes};
use crate::account::EffectiveAccount;
use crate::pace::{Pace, next_look};
use crate::path::VirtualPath;
use crate::quota::{Ledger, QuotaLimits, ScanProgress, UploadQuota, limits_of};

/// An open file of a session. [`close`](OpenFile::close) commits an upload and records the
/// transfer; dropping it records a transfer that was cut off.
pub struct OpenFile {
    pub(super) opened: Option<Opened>,
    pace: Pace,
    /// Whether the last bytes came from the client.
    came_in: bool,
}

pub(super) struct Opened {
    pub file: Box<dyn StorageFile>,
    pub options: OpenOptions,
    pub transfer: Transfer,
    pub files: Arc<FileService>,
    pub path: VirtualPath,
    /// None: uploads are not counted here.
    pub quota: Option<UploadQuota>,
    /// The account when that was decided.
    pub counted_for: Arc<EffectiveAccount>,
    /// The file as it was before it was opened.
    pub existed: Option<Metadata>,
    pub seen: Seen,
    /// By a hook, at its end.
    pub is_refused: bool,
}

impl OpenFile {
    pub(super) fn new(opened: Opened) -> Self {
        let came_in = opened.options.write;
        let live = &opened.files.session.live;
        let pace = if live.is_throttled() { live.debt(came_in) } else { Pace::default() };
        Self { opened: Some(opened), pace, came_in }
    }

    fn opened(&mut self) -> Result<&mut Opened, FileError> {
        self.opened.as_mut().ok_or_else(|| FileError::Failed("the file is closed".into()))
    }

    /// Appends up to `length` bytes from `offset` to `buffer`; 0 at the end. More may follow when
    /// it is [due](Self::due).
    pub async fn read_at(&mut self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, FileError> {
        let opened = self.opened()?;
        if !opened.options.read {
            return Err(FileError::Denied);
        }
        let read = opened.file.read_at(offset, length, buffer).await.inspect_err(|_| opened.transfer.fail());
        let read = read?;
        if let Err(error) = opened.files.transfers(0, read) {
            buffer.truncate(buffer.len().saturating_sub(read));
            opened.transfer.fail_by(&error);
            return Err(error);
        }
        opened.seen.read(offset, read);
        opened.transfer.moved_out(read);
        let session = &opened.files.session;
        session.live.moves();
        session.traffic.add(0, read as u64);
        let rate = session.live.rate(false);
        if rate > 0 {
            self.pace.advance(read, rate);
            self.came_in = false;
        }
        Ok(read)
    }

    /// As [`read_at`](Self::read_at), for a checksum: the bytes do not leave the server.
    pub async fn inspect_at(&mut self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, FileError> {
        let opened = self.opened()?;
        if !opened.options.read {
            return Err(FileError::Denied);
        }
        opened.seen.is_used_inside = true;
        let read = opened.file.read_at(offset, length, buffer).await?;
        opened.files.session.live.moves();
        Ok(read)
    }

    pub async fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), FileError> {
        let opened = self.opened()?;
        if opened.options.write {
            let taken = opened.files.transfers(data.len(), 0);
            taken.inspect_err(|error| opened.transfer.fail_by(error))?;
        }
        self.store_at(offset, data).await?;
        let opened = self.opened()?;
        let session = &opened.files.session;
        session.live.moves();
        session.traffic.add(data.len() as u64, 0);
        let rate = session.live.rate(true);
        if rate > 0 {
            self.pace.advance(data.len(), rate);
            self.came_in = true;
        }
        Ok(())
    }

    /// When the bandwidth limit lets more of the transfer follow (A5-17); none: now. Until then
    /// the client must not hear of what [`read_at`](Self::read_at) and
    /// [`write_at`](Self::write_at) did.
    pub fn due(&mut self) -> Option<Instant> {
        let opened = self.opened.as_ref()?;
        self.pace.change_rate(opened.files.session.live.rate(self.came_in));
        self.pace.due()
    }

    /// Waits until then.
    pub async fn wait_until_due(&mut self) {
        while let Some(due) = self.due() {
            tokio::time::sleep_until(next_look(due)).await;
            if let Some(opened) = &self.opened {
                // A4-13: who waits for a limit is not idle.
                opened.files.session.live.moves();
            }
        }
    }

    /// None: it is closed.
    pub fn path(&self) -> Option<&VirtualPath> {
        self.opened.as_ref().map(|opened| &opened.path)
    }

    pub fn is_upload(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.options.write)
    }

    /// As [`write_at`](Self::write_at), with bytes that did not come from the client.
    pub(super) async fn store_at(&mut self, offset: u64, data: &[u8]) -> Result<(), FileError> {
        let opened = self.opened()?;
        if !opened.options.write {
            return Err(FileError::Denied);
        }
        opened.reserve(offset, data.len()).await?;
        opened.file.write_at(offset, data).await.inspect_err(|_| opened.transfer.fail())?;
        opened.transfer.stored(opened.resumed_at(offset), data.len());
        Ok(())
    }

    pub async fn metadata(&mut self) -> Result<Metadata, FileError> {
        Ok(self.opened()?.file.metadata().await?)
    }

    pub async fn set_attributes(&mut self, wanted: &SetAttributes) -> Result<(), FileError> {
        self.opened()?.set_attributes(wanted).await
    }

    pub async fn sync(&mut self) -> Result<(), FileError> {
        Ok(self.opened()?.file.sync().await?)
    }

    pub async fn space(&mut self) -> Result<Space, FileError> {
        let opened = self.opened()?;
        let space = opened.file.space().await?;
        opened.files.within_quota(&opened.path, space).await
    }

    /// The transfer failed elsewhere: closing it will abandon it.
    pub fn fail(&mut self, reason: &str) {
        if let Some(opened) = &mut self.opened {
            opened.transfer.fail_with(reason);
        }
    }

    /// Ends the transfer. An upload that met an error is abandoned. Given up halfway, it is as if
    /// the file had been dropped.
    pub async fn close(mut self) -> Result<(), FileError> {
        let Some(opened) = &mut self.opened else {
            return Ok(());
        };
        if !opened.options.write {
            opened.end_download();
            return Ok(());
        }
        if opened.transfer.failed() {
            let error = opened.transfer.failure_error();
            opened.give_up().await;
            return Err(error);
        }
        if opened.transfer.waits_for_hooks()
            && let Err(error) = opened.ask_hooks().await
        {
            opened.transfer.fail_by(&error);
            opened.give_up().await;
            return Err(error);
        }
        if let Err(error) = opened.finish().await {
            opened.transfer.fail_by(&error);
            if opened.to_discard().is_some() {
                opened.give_up().await;
            }
            return Err(error);
        }
        opened.transfer.complete(std::time::Instant::now());
        Ok(())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(mut opened) = self.opened.take() {
            opened.files.session.live.owes(self.came_in, &self.pace);
            if !opened.options.write && opened.seen.is_nothing_but_inside() {
                opened.transfer.dismiss();
            }
            opened.end();
        }
    }
}

impl Opened {
    pub(super) fn limits(&self) -> QuotaLimits {
        limits_of(&self.files.account(), &self.path)
    }

    /// Where bytes at `offset` go if they continue a file that was there (A15-09).
    fn resumed_at(&self, offset: u64) -> u64 {
        match self.existed {
            Some(_) if self.options.truncate => 0,
            Some(existed) if self.options.append => existed.size,
            Some(_) => offset,
            None => 0,
        }
    }

    /// Room for bytes that are about to be written.
    async fn reserve(&mut self, offset: u64, length: usize) -> Result<(), FileError> {
        if self.quota.is_none() {
            self.follow_account().await.inspect_err(|error| self.transfer.fail_by(error))?;
        }
        let length = length as u64;
        let end = if self.options.append {
            let max = self.files.account().filters.max_upload_file_size;
            if max > 0 { self.file.metadata().await?.size.saturating_add(length) } else { length }
        } else {
            offset.saturating_add(length)
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

    /// An administrator may have set a limit for an account that had none: what was written
    /// until now is counted then.
    pub(super) async fn follow_account(&mut self) -> Result<(), FileError> {
        if Arc::ptr_eq(&self.counted_for, &self.files.account()) {
            return Ok(());
        }
        let account = self.files.account().clone();
        let Some(counted) = self.files.counted(&self.path) else {
            self.counted_for = account;
            return Ok(());
        };
        let tree = self.files.scan_tree(&self.path);
        let names = counted.ledger.names(|| tree.clone()).await?;
        let now = self.file.metadata().await?;
        let quota = self.quota.insert(match self.file.is_unnamed() {
            true => counted.upload(&names, &*self.file, self.existed.as_ref(), false).await?,
            // The count below makes no difference between new and old files.
            false => UploadQuota::in_place(counted.ledger.clone(), &names, &now, false),
        });
        let uncounted = Uncounted(&counted.ledger);
        if quota.is_unnamed() {
            quota.reserve(now.size, counted.limits)?;
        } else if now.links == 0 {
            names.removed(&now);
        }
        // After the file is known, so that it is counted as it is here.
        names.recount(&tree, &ScanProgress::default()).await?;
        self.counted_for = account;
        std::mem::forget(uncounted);
        Ok(())
    }

    async fn set_attributes(&mut self, wanted: &SetAttributes) -> Result<(), FileError> {
        let policy = self.files.context.policy;
        let Some(effective) = attributes::effective(policy, wanted) else {
            return Ok(());
        };
        attributes::check_permissions(self.files.permissions_at(&self.path.parent()), &effective)?;
        if effective.size.is_some() && !self.options.write {
            return Err(FileError::Denied);
        }
        match effective.size {
            Some(size) => self.resize(size, &effective).await?,
            None => self.apply(&effective).await?,
        }
        let (log, protocol, host_path) = self.transfer.context();
        attributes::record(log, &effective, protocol, host_path);
        Ok(())
    }

    async fn apply(&self, effective: &SetAttributes) -> Result<(), FileError> {
        let outcome = self.file.set_attributes(effective).await;
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
        let names = ledger.names(|| self.files.scan_tree(&self.path)).await?;
        let before = self.file.metadata().await?;
        quota.reserve(size, limits)?;
        let outcome = self.apply(effective).await;
        // It may have been resized though something else failed.
        let now = self.file.metadata().await.map_or(before.size, |now| now.size);
        if let Some(quota) = &mut self.quota {
            quota.resized(&names, &before, now);
        }
        outcome
    }
}

/// A ledger in which something is not yet as it should be: dropped, it is to count all again.
struct Uncounted<'a>(&'a Ledger);

impl Drop for Uncounted<'_> {
    fn drop(&mut self) {
        self.0.forget();
    }
}
