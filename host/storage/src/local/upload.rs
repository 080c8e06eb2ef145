//! Uploads that get their name when they are complete.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rustix::fs::{self, OFlags};
use rustix::io::Errno;
use tidegate_core::ports::storage::{
    Finished, Metadata, OpenOptions, SetAttributes, Shown, Space, StorageError, StorageFile, Upload,
};

use super::descriptor::Descriptor;
use super::errors::{from_errno, with_errno};
use super::file::LocalFile;
use super::replacement::Replacement;
use super::waiting::RootFileSystem;
use super::{Owner, content};

pub struct LocalUpload {
    descriptor: Descriptor,
    /// `None` once the upload has ended.
    replacement: Mutex<Option<Replacement>>,
}

impl LocalUpload {
    /// `root`: the file system of the tree's root.
    pub fn new(
        options: OpenOptions,
        owner: Owner,
        root: RootFileSystem,
        replacement: Replacement,
    ) -> Result<Self, StorageError> {
        let file = replacement.file().clone();
        let may_wait = root.may_wait(fs::fstat(&*file).map_err(from_errno)?.st_dev);
        if options.append {
            // A file without a name cannot be opened for appending, so the flag is set afterwards.
            fs::fcntl_setfl(&*file, OFlags::APPEND).map_err(from_errno)?;
        }
        let descriptor = Descriptor { file, append: options.append, owner, may_wait };
        Ok(Self { descriptor, replacement: Mutex::new(Some(replacement)) })
    }

    /// Begins with the content of the file that the upload replaces.
    pub async fn take_content(&self, old: File) -> Result<(), StorageError> {
        let new = &self.descriptor.file;
        let failed = |errno| with_errno(errno, "the old content could not be copied");
        // What is appended would have no offset.
        if self.descriptor.append {
            fs::fcntl_setfl(&**new, OFlags::empty()).map_err(failed)?;
        }
        content::copy(old, new.clone()).await.map_err(failed)?;
        if self.descriptor.append {
            fs::fcntl_setfl(&**new, OFlags::APPEND).map_err(failed)?;
        }
        Ok(())
    }

    fn replacement(&self) -> MutexGuard<'_, Option<Replacement>> {
        self.replacement.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StorageFile for LocalUpload {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        self.descriptor.read_at(offset, length, buffer).await
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        self.descriptor.metadata()
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
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
impl Upload for LocalUpload {
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        self.descriptor.write_at(offset, data)
    }

    async fn replaces(&self) -> Option<Metadata> {
        self.replacement().as_ref()?.replaces()
    }

    async fn show(&self) -> Result<Shown, StorageError> {
        let path = match self.replacement().as_mut() {
            Some(replacement) => replacement.show()?,
            None => return Err(from_errno(Errno::NOENT)),
        };
        let Descriptor { file, owner, may_wait, .. } = &self.descriptor;
        let (file, owner, may_wait) = (file.clone(), *owner, *may_wait);
        let shown = LocalFile::of(Descriptor { file, append: false, owner, may_wait });
        Ok(Shown { host_path: path.into_os_string(), file: Some(Box::new(shown)) })
    }

    async fn finish(&self) -> Result<Finished, StorageError> {
        if let Err(error) = self.descriptor.stored().await {
            // No part is kept either: which bytes the file system lacks is not known, and clients go on by the size.
            self.discard();
            return Err(error);
        }
        let replacement = self.replacement().take();
        replacement.ok_or_else(|| from_errno(Errno::NOENT))?.commit()
    }

    async fn abandon(&self) -> Option<Metadata> {
        let replacement = self.replacement().take()?;
        if replacement.abandon(false) { self.descriptor.metadata().ok() } else { None }
    }

    fn discard(&self) {
        if let Some(replacement) = self.replacement().take() {
            replacement.abandon(true);
        }
    }
}
