//! Files that are written under their name.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{
    Discard, FileInPlace, FileKind, Metadata, OpenOptions, SetAttributes, Space, StorageError, StorageFile,
};

use crate::attributes::new_mode;
use crate::errors::{exists, is_directory, is_special, not_found};
use crate::file::OpenFile;
use crate::handle::RemoteHandle;
use crate::packet::{Attributes, fxf, fxp};
use crate::storage::SftpStorage;

/// A file that is written under its name.
pub struct SftpInPlace {
    file: OpenFile,
    /// Set while a hook has to decide about what is written.
    trial: Option<Mutex<Trial>>,
    /// Nothing in the file is older than this use of it.
    is_all_new: bool,
}

/// What is taken back if the hook refuses, or the upload breaks off.
#[derive(Debug, Clone, Copy)]
struct Trial {
    /// How much of the former content is as it was; None: all of the file is new.
    kept: Option<u64>,
    /// Whether something was written.
    is_touched: bool,
    is_over: bool,
}

impl SftpInPlace {
    /// Opens a file as open(2) does.
    ///
    /// # Errors
    /// As those of the port.
    pub async fn open(storage: &SftpStorage, path: &VirtualPath, options: OpenOptions) -> Result<Self, StorageError> {
        let is_exclusive = options.create && options.exclusive;
        let (session, found) = storage.find(path, !is_exclusive).await?;
        let is_new = match found.kind() {
            Some(FileKind::Directory) => return Err(is_directory()),
            Some(_) if is_exclusive => return Err(exists()),
            Some(FileKind::File) => false,
            Some(FileKind::Symlink | FileKind::Other) => return Err(is_special()),
            None if options.create && !found.lacks_parent => true,
            None => return Err(not_found()),
        };
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        let is_trial = options.provisional && options.write;
        let flags = flag(options.read, fxf::READ)
            | flag(options.write, fxf::WRITE)
            | flag(options.append, fxf::APPEND)
            | flag(options.truncate && options.write && !is_new && !is_trial, fxf::CREATE | fxf::TRUNCATE)
            // A link that takes the place of a missing file must not be followed.
            | flag(is_new, fxf::CREATE | fxf::EXCLUSIVE);
        let mode = if is_new { new_mode(options.mode, storage.tree.manner.umask) } else { Attributes::default() };
        let there = storage.tree.there(&found.path);
        let pending = session.request(fxp::OPEN, |packet| packet.text(&there).u32(flags).attributes(&mode));
        let handle = match RemoteHandle::opened(session.clone(), pending).await {
            Err(fault) if is_new && fault.is_vague() => {
                let appeared = session.about(fxp::LSTAT, &there).attributes().await.is_ok();
                return Err(if appeared { exists() } else { fault.into() });
            }
            outcome => outcome?,
        };
        let old_size = found.attributes.and_then(|attributes| attributes.size).unwrap_or_default();
        let size = if is_new || options.truncate { 0 } else { old_size };
        let end = options.append.then_some(size);
        let file = OpenFile::to_write(storage.tree.clone(), handle, there, end);
        let is_emptied = is_new || options.truncate;
        let trial = is_trial.then(|| {
            let kept = (!is_emptied).then_some(size);
            Mutex::new(Trial { kept, is_touched: is_emptied, is_over: false })
        });
        if is_trial && options.truncate && !is_new {
            let empty = Attributes { size: Some(0), ..Attributes::default() };
            file.handle.request(fxp::FSETSTAT, |packet| packet.attributes(&empty)).done().await?;
        }
        Ok(Self { file, trial, is_all_new: is_emptied })
    }

    /// Notes that the file is changed from this offset on.
    fn touches(&self, offset: u64) {
        let Some(trial) = &self.trial else { return };
        let mut trial = trial.lock().unwrap_or_else(PoisonError::into_inner);
        trial.is_touched = true;
        if trial.kept.is_some_and(|kept| offset < kept) {
            trial.kept = None;
        }
    }

    /// Takes back what was written on trial, without waiting.
    fn take_back(&self, everything: bool) {
        let Some(trial) = &self.trial else {
            if everything {
                self.remove();
            }
            return;
        };
        let Trial { kept, is_touched, is_over } = {
            let mut trial = trial.lock().unwrap_or_else(PoisonError::into_inner);
            let before = *trial;
            trial.is_over = true;
            before
        };
        match kept {
            _ if is_over => {}
            _ if everything => self.remove(),
            _ if !is_touched => {}
            Some(kept) => self.file.cut(kept),
            None => self.remove(),
        }
    }

    /// Empties the file, which works whatever its name is by now, and removes its name.
    fn remove(&self) {
        self.file.cut(0);
        drop(self.file.handle.session().about(fxp::REMOVE, &self.file.there));
        self.file.tree.remote.moved(&self.file.there);
        self.file.is_removed.store(true, Ordering::Relaxed);
    }
}

impl Drop for SftpInPlace {
    fn drop(&mut self) {
        if self.trial.is_some() {
            self.take_back(false);
        } else if let Some(gap) = self.file.gap().filter(|_| self.is_all_new) {
            // Bytes behind those that are missing would seem to be there: clients go on by the size.
            self.file.cut(gap);
        }
    }
}

#[async_trait]
impl StorageFile for SftpInPlace {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        self.file.read_at(offset, length, buffer).await
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        self.file.metadata().await
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        if let Some(size) = attributes.size {
            self.touches(size);
        }
        self.file.set_attributes(attributes).await
    }

    async fn sync(&self) -> Result<(), StorageError> {
        self.file.sync().await
    }

    async fn space(&self) -> Result<Space, StorageError> {
        self.file.space().await
    }
}

#[async_trait]
impl FileInPlace for SftpInPlace {
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        self.touches(self.file.end().unwrap_or(offset));
        self.file.write_at(offset, data).await
    }

    /// A file that is on trial stays open, so that what was written can be taken back.
    async fn complete(&self) -> Result<(), StorageError> {
        self.file.flush().await?;
        if self.trial.is_none() {
            self.file.close().await?;
        }
        Ok(())
    }

    fn approve(&self) {
        if let Some(trial) = &self.trial {
            trial.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        }
    }

    fn discard(&self, what: Discard) {
        match what {
            Discard::Everything => self.take_back(true),
            Discard::Written if self.trial.is_some() => self.take_back(false),
            Discard::Written => {}
        }
    }
}
