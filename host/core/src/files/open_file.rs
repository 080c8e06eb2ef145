//! A file that a session has open: reading and writing, at the pace that the account's limits allow.

use std::sync::Arc;

use tokio::time::Instant;

use super::held_names::HeldName;
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
    /// Whether the last bytes were written, so that the limit of uploads holds for the next ones.
    came_in: bool,
}

pub(super) struct Opened {
    /// The file.
    pub file: OpenedAs,
    /// How it was opened.
    pub options: OpenOptions,
    /// The record of the transfer.
    pub transfer: Transfer,
    /// The session's files.
    pub files: Arc<FileService>,
    /// Where the file is, or will be.
    pub place: Place<'static>,
    /// The quota of an upload; None: uploads at this place are not counted.
    pub quota: Option<UploadQuota>,
    /// The account as it was when `quota` was decided.
    pub counted_for: Arc<EffectiveAccount>,
    /// Set for an upload that hooks decide about, or would decide about at another path.
    pub provisional: Option<Provisional>,
    /// The file as it was before it was opened.
    pub existed: Option<Metadata>,
    /// The parts of the file that were read.
    pub read: ReadCoverage,
    /// Whether a hook has refused the upload at its end.
    pub is_refused: bool,
}

/// What an upload that hooks decide about keeps as it is until they have.
pub(super) struct Provisional {
    /// The directory in which the file gets its name; None: there is none, and object storage needs none.
    pub directory: Option<FileId>,
    /// The names on the way to the file, and its own if it has one; released with the file.
    pub _held: HeldName,
}

/// A file as it was opened.
pub(super) enum OpenedAs {
    /// For reading alone.
    Reading(Box<dyn StorageFile>),
    /// For writing, and perhaps for reading as well.
    Writing(Writing),
}

impl OpenedAs {
    /// The file, for operations that do not write.
    pub fn file(&self) -> &dyn StorageFile {
        match self {
            Self::Reading(file) => &**file,
            Self::Writing(file) => file.file(),
        }
    }
}

impl Opened {
    /// The upload that gets its name at the end; None: the file has its name.
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

    /// Notes how large the client has said that the file will be, for administrators who watch the transfer.
    pub fn expects(&mut self, total: u64) {
        if let Some(opened) = &mut self.opened {
            opened.transfer.expects(total);
        }
    }

    fn opened(&mut self) -> Result<&mut Opened, FileError> {
        self.opened.as_mut().ok_or_else(|| FileError::Failed("the file is closed".into()))
    }

    /// Appends up to `length` bytes from `offset` to `buffer`, and gives their number; 0 at the end of the file.
    /// The next bytes may follow when the transfer is [due](Self::due).
    ///
    /// A read that fails does so to a download. An upload goes on: all that was written to it is there.
    ///
    /// # Errors
    /// The file is not open for reading, the volume is used up, or the storage cannot read.
    pub async fn read_at(&mut self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, FileError> {
        let opened = self.opened()?;
        if !opened.options.read {
            return Err(FileError::NotOpenFor("reading"));
        }
        let is_download = !opened.options.write;
        let read = match opened.file.file().read_at(offset, length, buffer).await {
            Ok(read) => read,
            Err(error) => {
                if is_download {
                    opened.transfer.fail();
                }
                return Err(error.into());
            }
        };
        if let Err(error) = opened.files.transfers(0, read) {
            buffer.truncate(buffer.len().saturating_sub(read));
            if is_download {
                opened.transfer.fail_by(&error);
            }
            return Err(error);
        }
        opened.read.read(offset, read);
        opened.transfer.moved_out(offset, read);
        let session = &opened.files.session;
        session.traffic.add(0, read as u64);
        let rate = session.live.rate(false);
        if rate > 0 {
            self.pace.advance(read, rate);
            self.came_in = false;
        }
        Ok(read)
    }

    /// As [`read_at`](Self::read_at), for a checksum or a copy: the bytes do not leave the server, and are neither
    /// paced nor counted.
    ///
    /// # Errors
    /// As of [`read_at`](Self::read_at).
    pub async fn inspect_at(&mut self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, FileError> {
        let opened = self.opened()?;
        if !opened.options.read {
            return Err(FileError::NotOpenFor("reading"));
        }
        opened.read.is_used_inside = true;
        let read = opened.file.file().read_at(offset, length, buffer).await?;
        opened.files.session.live.moves();
        Ok(read)
    }

    /// Writes all of `data` at `offset`; where the file was opened to append, at its end.
    ///
    /// # Errors
    /// The file is not open for writing, the quota or the volume is used up, or the storage cannot write.
    pub async fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), FileError> {
        let opened = self.opened()?;
        if opened.options.write {
            let taken = opened.files.transfers(data.len(), 0);
            taken.inspect_err(|error| opened.transfer.fail_by(error))?;
        }
        self.store_at(offset, data).await?;
        let opened = self.opened()?;
        let session = &opened.files.session;
        session.traffic.add(data.len() as u64, 0);
        let rate = session.live.rate(true);
        if rate > 0 {
            self.pace.advance(data.len(), rate);
            self.came_in = true;
        }
        Ok(())
    }

    /// When the bandwidth limit lets more of the transfer follow (A5-17); None: now. Until then the answers to
    /// the last [`read_at`](Self::read_at) and [`write_at`](Self::write_at) must not be sent to the client.
    pub fn due(&mut self) -> Option<Instant> {
        let opened = self.opened.as_ref()?;
        self.pace.change_rate(opened.files.session.live.rate(self.came_in));
        self.pace.due()
    }

    /// Waits until the transfer is [due](Self::due).
    pub async fn wait_until_due(&mut self) {
        while let Some(due) = self.due() {
            tokio::time::sleep_until(next_look(due)).await;
            if let Some(opened) = &self.opened {
                // A4-13: a session that waits for a limit is not idle.
                opened.files.session.live.moves();
            }
        }
    }

    /// The path of the file, without links; None: the file is closed.
    pub fn path(&self) -> Option<&VirtualPath> {
        self.opened.as_ref().map(|opened| opened.place.path())
    }

    /// Whether the file gets this name, as the client wrote it or without links, when it is closed, and has none until then.
    pub fn is_unnamed_at(&self, path: &VirtualPath) -> bool {
        self.opened
            .as_ref()
            .is_some_and(|opened| opened.upload().is_some() && opened.place.spellings().any(|name| name == path))
    }

    /// Whether the file is open for writing.
    pub fn is_upload(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.options.write)
    }

    /// As [`write_at`](Self::write_at), for bytes that did not come from the client: they are not paced, and not
    /// counted as volume.
    pub(super) async fn store_at(&mut self, offset: u64, data: &[u8]) -> Result<(), FileError> {
        let opened = self.opened()?;
        if !opened.options.write {
            return Err(FileError::NotOpenFor("writing"));
        }
        opened.reserve(offset, data.len()).await?;
        let OpenedAs::Writing(file) = &opened.file else {
            return Err(FileError::NotOpenFor("writing"));
        };
        file.write_at(offset, data).await.inspect_err(|_| opened.transfer.fail())?;
        opened.transfer.stored(opened.resumed_at(offset), data.len());
        Ok(())
    }

    /// The metadata of the open file.
    ///
    /// # Errors
    /// The storage cannot tell.
    pub async fn metadata(&mut self) -> Result<Metadata, FileError> {
        Ok(self.opened()?.file.file().metadata().await?)
    }

    /// Changes attributes of the open file; needs the permissions of
    /// [`FileService::set_attributes`].
    ///
    /// # Errors
    /// A permission is missing, the quota is used up, or the storage cannot change an attribute.
    pub async fn set_attributes(&mut self, wanted: &SetAttributes) -> Result<(), FileError> {
        self.opened()?.set_attributes(wanted).await
    }

    /// Returns when all that was written is on stable storage.
    ///
    /// # Errors
    /// The storage cannot do it.
    pub async fn sync(&mut self) -> Result<(), FileError> {
        let opened = self.opened()?;
        let _waits = opened.files.session.live.long_request_began();
        Ok(opened.file.file().sync().await?)
    }

    /// The space of the file system, within the account's quota.
    ///
    /// # Errors
    /// The storage cannot tell.
    pub async fn space(&mut self) -> Result<Space, FileError> {
        let opened = self.opened()?;
        let space = opened.file.file().space().await?;
        opened.files.within_quota(&opened.place, space).await
    }

    /// Notes that the transfer failed in the protocol: closing the file will abandon an upload.
    pub fn fail(&mut self, reason: &str) {
        if let Some(opened) = &mut self.opened {
            opened.transfer.fail_with(reason);
        }
    }

    /// Ends the transfer. An upload that met an error is abandoned. A call that is cancelled ends as if the file
    /// had been dropped.
    ///
    /// # Errors
    /// The upload failed before, a hook refused it, its quota is used up, or the storage cannot put it in place.
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
        if let OpenedAs::Writing(Writing::InPlace(file)) = &opened.file
            && let Err(error) = file.complete().await.map_err(FileError::from)
        {
            opened.transfer.fail_by(&error);
            opened.give_up().await;
            return Err(error);
        }
        if opened.transfer.was_resized() {
            let size = opened.file.file().metadata().await?.size;
            opened.transfer.set_size(size);
        }
        // Until the upload has its name, or is discarded; a hook may have been added since it was opened.
        let mut held = None;
        if opened.transfer.waits_for_hooks() {
            if opened.provisional.is_none() {
                held = Some(opened.files.hold(&opened.place).await);
            }
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
