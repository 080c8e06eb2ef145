//! Bytes and attributes of an open file. Reads and writes run on the connection's own task: they
//! usually meet the page cache, and a task for each would cost more than they take.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs;
use rustix::io::{self, Errno, ReadWriteFlags};
use tidegate_core::ports::storage::{Metadata, SetAttributes, Space, StorageError};

use super::Owner;
use super::attributes;
use super::errors::from_errno;
use super::waiting::close_another;

/// What files in place and uploads have in common.
pub struct Descriptor {
    pub file: Arc<OwnedFd>,
    pub append: bool,
    /// The account's owner, if files are given to it.
    pub owner: Owner,
    /// Whether the file system may wait for another machine or for a program.
    pub may_wait: bool,
}

impl Descriptor {
    pub async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        if offset > i64::MAX as u64 {
            return Err(from_errno(Errno::INVAL));
        }
        let start = buffer.len();
        buffer.resize(start + length, 0);
        let into = buffer.get_mut(start..).unwrap_or_default();
        let mut filled = 0;
        // Data in the page cache is copied here; other data is read on another thread, so that a
        // slow disk does not hold up other sessions.
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
                // Some file systems do not say whether data is in the page cache.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) if !self.may_wait => {
                    match io::pread(&*self.file, rest, position) {
                        Ok(0) => break Ok(()),
                        Ok(count) => filled += count,
                        Err(Errno::INTR) => {}
                        Err(errno) => break Err(from_errno(errno)),
                    }
                }
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    match self.read_on_another_thread(position, rest.len()).await {
                        Ok(data) if data.is_empty() => break Ok(()),
                        Ok(data) => {
                            let count = data.len().min(rest.len());
                            if let (Some(to), Some(from)) = (rest.get_mut(..count), data.get(..count)) {
                                to.copy_from_slice(from);
                            }
                            filled += count;
                        }
                        Err(error) => break Err(error),
                    }
                }
                Err(errno) => break Err(from_errno(errno)),
            }
        };
        buffer.truncate(start + filled);
        match outcome {
            Err(error) if filled == 0 => Err(error),
            _ => Ok(filled),
        }
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

    /// Writes all of `data`; of a file that is opened to append, at its end, whatever `offset` is.
    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        if !self.append && offset > i64::MAX as u64 {
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

    pub fn metadata(&self) -> Result<Metadata, StorageError> {
        attributes::metadata_of(&self.file)
    }

    pub fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        attributes::set_by_descriptor(&self.file, attributes, self.owner)
    }

    /// Returns when the file system has all that was written, as far as it says so when a file is closed.
    pub async fn stored(&self) -> Result<(), StorageError> {
        if !self.may_wait {
            return Ok(());
        }
        let file = self.file.clone();
        let closed = tokio::task::spawn_blocking(move || close_another(&file));
        closed.await.unwrap_or(Err(Errno::IO)).map_err(from_errno)
    }

    pub async fn sync(&self) -> Result<(), StorageError> {
        let file = self.file.clone();
        let synced = tokio::task::spawn_blocking(move || io::retry_on_intr(|| fs::fsync(&*file)));
        synced.await.unwrap_or(Err(Errno::IO)).map_err(from_errno)
    }

    pub fn space(&self) -> Result<Space, StorageError> {
        attributes::space_of(&*self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn descriptor(file: File, may_wait: bool) -> Descriptor {
        Descriptor { file: Arc::new(file.into()), append: false, owner: Owner::default(), may_wait }
    }

    #[tokio::test]
    async fn a_file_is_the_same_where_it_may_wait() {
        for may_wait in [false, true] {
            let file = descriptor(tempfile::tempfile().unwrap(), may_wait);
            file.write_at(3, b"data").unwrap();
            file.stored().await.unwrap();
            let mut read = b"kept".to_vec();
            assert_eq!(file.read_at(0, 100, &mut read).await.unwrap(), 7, "{may_wait}");
            assert_eq!(read, b"kept\0\0\0data", "{may_wait}");
            assert_eq!(file.read_at(7, 100, &mut read).await.unwrap(), 0, "{may_wait}");
            // A file system that does not say what is in the page cache.
            let file = descriptor(File::open("/proc/version").unwrap(), may_wait);
            let mut read = Vec::new();
            file.read_at(0, 10_000, &mut read).await.unwrap();
            assert_eq!(read, std::fs::read("/proc/version").unwrap(), "{may_wait}");
        }
    }
}
