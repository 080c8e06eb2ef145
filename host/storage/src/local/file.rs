//! Files that are read, or written in place.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use async_trait::async_trait;
use rustix::fs::{self, FileType};
use rustix::io::Errno;
use tidegate_core::ports::storage::{
    Discard, FileInPlace, Metadata, OpenOptions, SetAttributes, Space, StorageError, StorageFile,
};

use super::Owner;
use super::attributes;
use super::descriptor::Descriptor;
use super::errors::from_errno;
use super::leftovers::Leftovers;
use super::trial::{Trial, take_back_all};
use super::waiting::RootFileSystem;

pub struct LocalFile {
    descriptor: Descriptor,
    /// Set for an upload that a hook decides about.
    trial: Option<Trial>,
}

impl AsFd for LocalFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.file.as_fd()
    }
}

impl LocalFile {
    /// `root`: the file system of the tree's root.
    pub fn new(file: OwnedFd, options: OpenOptions, owner: Owner, root: RootFileSystem) -> Result<Self, StorageError> {
        // Opened without blocking, because the file may be a pipe; pipes are refused.
        let stat = fs::fstat(&file).map_err(from_errno)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Err(from_errno(Errno::OPNOTSUPP));
        }
        if options.write && stat.st_mode & attributes::SET_ID != 0 {
            // The kernel clears these bits when a process without privileges writes to the file, but not for root.
            attributes::drop_set_id(&file, stat.st_mode, owner)?;
        }
        let (append, may_wait) = (options.append, root.may_wait(stat.st_dev));
        Ok(Self::of(Descriptor { file: Arc::new(file), append, owner, may_wait }))
    }

    pub fn of(descriptor: Descriptor) -> Self {
        Self { descriptor, trial: None }
    }

    /// Puts a file on trial that was opened without emptying it. `is_new`: opening it made it.
    pub fn on_trial(
        mut self,
        options: OpenOptions,
        is_new: bool,
        leftovers: &Arc<Leftovers>,
    ) -> Result<Self, StorageError> {
        let file = &self.descriptor.file;
        let stat = fs::fstat(&**file).map_err(from_errno)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let emptied = is_new || options.truncate;
        let trial = Trial::new(stat.st_ino, (!emptied).then_some(size), leftovers);
        if emptied {
            trial.touches(file, 0)?;
        }
        if emptied && !is_new {
            fs::ftruncate(&**file, 0).map_err(from_errno)?;
        }
        self.trial = Some(trial);
        Ok(self)
    }
}

#[async_trait]
impl StorageFile for LocalFile {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        self.descriptor.read_at(offset, length, buffer).await
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        self.descriptor.metadata()
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        if let (Some(trial), Some(size)) = (&self.trial, attributes.size) {
            trial.touches(&self.descriptor.file, size)?;
        }
        self.descriptor.set_attributes(attributes)
    }

    async fn sync(&self) -> Result<(), StorageError> {
        self.descriptor.sync().await
    }

    async fn space(&self) -> Result<Space, StorageError> {
        self.descriptor.space()
    }
}

#[async_trait]
impl FileInPlace for LocalFile {
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        if let Some(trial) = &self.trial {
            trial.touches(&self.descriptor.file, if self.descriptor.append { u64::MAX } else { offset })?;
        }
        self.descriptor.write_at(offset, data)
    }

    async fn complete(&self) -> Result<(), StorageError> {
        self.descriptor.stored().await
    }

    fn approve(&self) {
        if let Some(trial) = &self.trial {
            trial.approve();
        }
    }

    fn discard(&self, what: Discard) {
        match (&self.trial, what) {
            (Some(trial), what) => trial.take_back(&self.descriptor.file, what == Discard::Everything),
            (None, Discard::Everything) => take_back_all(&self.descriptor.file),
            (None, Discard::Written) => {}
        }
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        if let Some(trial) = &self.trial {
            trial.take_back(&self.descriptor.file, false);
        }
    }
}
