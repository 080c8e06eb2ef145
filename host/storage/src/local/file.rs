//! Open files. Reads and writes happen on the connection's own task: they meet the page
//! cache, and a hop to another thread costs more than the copy.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rustix::buffer::spare_capacity;
use rustix::fs::{self, FileType, OFlags};
use rustix::io::{self, Errno, ReadWriteFlags};
use tidegate_core::files::storage::{Metadata, OpenOptions, SetAttributes, Space, StorageError, StorageFile};

use super::attributes;
use super::errors::from_errno;
use super::replacement::Replacement;

pub struct LocalFile {
    file: Arc<OwnedFd>,
    append: bool,
    /// Taken when the upload is finished.
    replacement: Mutex<Option<Replacement>>,
}

impl LocalFile {
    pub fn new(file: OwnedFd, options: OpenOptions) -> Result<Self, StorageError> {
        // Opened without blocking because it may be a pipe; those are not served.
        let kind = FileType::from_raw_mode(fs::fstat(&file).map_err(from_errno)?.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Err(from_errno(Errno::OPNOTSUPP));
        }
        Ok(Self { file: Arc::new(file), append: options.append, replacement: Mutex::new(None) })
    }

    pub fn replacing(file: OwnedFd, options: OpenOptions, replacement: Replacement) -> Result<Self, StorageError> {
        let mut this = Self::new(file, options)?;
        if options.append {
            // It was opened before anybody asked for more than a file without a name.
            fs::fcntl_setfl(&*this.file, OFlags::APPEND).map_err(from_errno)?;
        }
        this.replacement = Mutex::new(Some(replacement));
        Ok(this)
    }

    async fn read_on_another_thread(&self, offset: u64, length: usize) -> Result<Vec<u8>, StorageError> {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut data = Vec::with_capacity(length);
            io::retry_on_intr(|| io::pread(&*file, spare_capacity(&mut data), offset)).map(|_| data)
        });
        match read.await {
            Ok(outcome) => outcome.map_err(from_errno),
            Err(_) => Err(from_errno(Errno::IO)),
        }
    }
}

#[async_trait]
impl StorageFile for LocalFile {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        if offset > i64::MAX as u64 {
            return Err(from_errno(Errno::INVAL));
        }
        let start = buffer.len();
        buffer.resize(start + length, 0);
        let into = buffer.get_mut(start..).unwrap_or_default();
        let mut filled = 0;
        // What is in the page cache is copied here and now; the rest is fetched elsewhere,
        // so that a slow disk does not hold up other sessions.
        let outcome = loop {
            let rest = into.get_mut(filled..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(());
            }
            let position = offset.saturating_add(filled as u64);
            match io::preadv2(&*self.file, &mut [IoSliceMut::new(rest)], position, ReadWriteFlags::NOWAIT) {
                Ok(0) => break Ok(()),
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => match io::pread(&*self.file, rest, position) {
                    Ok(0) => break Ok(()),
                    Ok(count) => filled += count,
                    Err(Errno::INTR) => {}
                    Err(errno) => break Err(from_errno(errno)),
                },
                Err(Errno::AGAIN) => match self.read_on_another_thread(position, rest.len()).await {
                    Ok(data) if data.is_empty() => break Ok(()),
                    Ok(data) => {
                        let count = data.len().min(rest.len());
                        if let (Some(to), Some(from)) = (rest.get_mut(..count), data.get(..count)) {
                            to.copy_from_slice(from);
                        }
                        filled += count;
                    }
                    Err(error) => break Err(error),
                },
                Err(errno) => break Err(from_errno(errno)),
            }
        };
        buffer.truncate(start + filled);
        match outcome {
            Err(error) if filled == 0 => Err(error),
            _ => Ok(filled),
        }
    }

    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        if offset > i64::MAX as u64 {
            return Err(from_errno(Errno::INVAL));
        }
        let mut written = 0;
        while let Some(rest) = data.get(written..).filter(|rest| !rest.is_empty()) {
            let outcome = if self.append {
                io::write(&*self.file, rest)
            } else {
                io::pwrite(&*self.file, rest, offset.saturating_add(written as u64))
            };
            match outcome {
                Ok(0) => return Err(from_errno(Errno::NOSPC)),
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(from_errno(errno)),
            }
        }
        Ok(())
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        attributes::metadata_of(&self.file)
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        attributes::set_by_descriptor(&self.file, attributes)
    }

    async fn sync(&self) -> Result<(), StorageError> {
        let file = self.file.clone();
        let synced = tokio::task::spawn_blocking(move || io::retry_on_intr(|| fs::fsync(&*file)));
        synced.await.unwrap_or(Err(Errno::IO)).map_err(from_errno)
    }

    async fn space(&self) -> Result<Space, StorageError> {
        attributes::space_of(&*self.file)
    }

    fn is_unnamed(&self) -> bool {
        self.replacement.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    async fn replaces(&self) -> Option<Metadata> {
        self.replacement.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.replaces()
    }

    async fn abandon(&self, discard: bool) -> Option<Metadata> {
        let replacement = self.replacement.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let kept = replacement.abandon(discard);
        if kept { attributes::metadata_of(&self.file).ok() } else { None }
    }

    async fn finish(&self) -> Result<(), StorageError> {
        let replacement = self.replacement.lock().unwrap_or_else(PoisonError::into_inner).take();
        match replacement {
            Some(replacement) => replacement.commit(&self.file),
            None => Ok(()),
        }
    }
}
