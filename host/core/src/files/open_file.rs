//! A file that a session has open: bytes in and out, at the pace that the account has.

use std::sync::Arc;

use tokio::time::Instant;

use super::place::Place;
use super::read_coverage::ReadCoverage;
use super::transfer::Transfer;
use super::{FileError, FileService};
use crate::account::EffectiveAccount;
use crate::pace::{Pace, next_look};
use crate::path::VirtualPath;
use crate::ports::storage::{FileId, Metadata, OpenOptions, SetAttributes, Space, StorageFile, Upload, Writing};
use crate::quota::UploadQuota;

/// An open file of a session. [`close`](OpenFile::close) commits an upload and records the
/// transfer; dropping it records a transfer that was cut off.
pub struct OpenFile {
    pub(super) opened: Option<Opened>,
    pace: Pace,
    /// Whether the last bytes came from the client.
    came_in: bool,
}

pub(super) struct Opened {
    pub file: OpenedAs,
    pub options: OpenOptions,
    pub transfer: Transfer,
    pub files: Arc<FileService>,
    pub place: Place<'static>,
    /// None: uploads are not counted here.
    pub quota: Option<UploadQuota>,
    /// The account when that was decided.
    pub counted_for: Arc<EffectiveAccount>,
    /// Where a provisional upload will get its name.
    pub directory: Option<FileId>,
    /// The file as it was before it was opened.
    pub existed: Option<Metadata>,
    /// What was read of it.
    pub read: ReadCoverage,
    /// By a hook, at its end.
    pub is_refused: bool,
}

/// What a file was opened for.
pub(super) enum OpenedAs {
    Reading(Box<dyn StorageFile>),
    /// Perhaps to be read as well.
    Writing(Writing),
}

impl OpenedAs {
    pub fn file(&self) -> &dyn StorageFile {
        match self {
            Self::Reading(file) => &**file,
            Self::Writing(file) => file.file(),
        }
    }
}

impl Opened {
    /// None: the file has its name.
    pub(super) fn upload(&self) -> Option<&dyn Upload> {
        match &self.file {
            OpenedAs::Reading(_) => None,
            OpenedAs::Writing(file) => file.as_upload(),
        }
    }
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
        let read = opened.file.file().read_at(offset, length, buffer).await.inspect_err(|_| opened.transfer.fail());
        let read = read?;
        if let Err(error) = opened.files.transfers(0, read) {
            buffer.truncate(buffer.len().saturating_sub(read));
            opened.transfer.fail_by(&error);
            return Err(error);
        }
        opened.read.read(offset, read);
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
        opened.read.is_used_inside = true;
        let read = opened.file.file().read_at(offset, length, buffer).await?;
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
        self.opened.as_ref().map(|opened| opened.place.path())
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
        let OpenedAs::Writing(file) = &opened.file else {
            return Err(FileError::Denied);
        };
        file.write_at(offset, data).await.inspect_err(|_| opened.transfer.fail())?;
        opened.transfer.stored(opened.resumed_at(offset), data.len());
        Ok(())
    }

    pub async fn metadata(&mut self) -> Result<Metadata, FileError> {
        Ok(self.opened()?.file.file().metadata().await?)
    }

    pub async fn set_attributes(&mut self, wanted: &SetAttributes) -> Result<(), FileError> {
        self.opened()?.set_attributes(wanted).await
    }

    pub async fn sync(&mut self) -> Result<(), FileError> {
        Ok(self.opened()?.file.file().sync().await?)
    }

    pub async fn space(&mut self) -> Result<Space, FileError> {
        let opened = self.opened()?;
        let space = opened.file.file().space().await?;
        opened.files.within_quota(&opened.place, space).await
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
        // Until the file has its name, or has lost it.
        let mut held = None;
        if opened.transfer.waits_for_hooks() {
            held = Some(opened.files.hold(&opened.place).await);
            if let Err(error) = opened.ask_hooks().await {
                opened.transfer.fail_by(&error);
                opened.give_up().await;
                return Err(error);
            }
        }
        if let Err(error) = opened.finish().await {
            opened.transfer.fail_by(&error);
            if opened.to_discard().is_some() {
                opened.give_up().await;
            }
            return Err(error);
        }
        drop(held);
        opened.transfer.complete(std::time::Instant::now());
        Ok(())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(mut opened) = self.opened.take() {
            opened.files.session.live.owes(self.came_in, &self.pace);
            if !opened.options.write && opened.read.is_internal_only() {
                opened.transfer.set_internal();
            }
            opened.end();
        }
    }
}
