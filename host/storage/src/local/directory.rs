//! Reads directories, a portion at a time.

use std::os::fd::{AsFd, OwnedFd};

use async_trait::async_trait;
use rustix::fs::{self, AtFlags, Dir};
use rustix::io::Errno;
use tidegate_core::ports::storage::{DirectoryEntry, DirectoryReader, StorageError};

use super::attributes;
use super::errors::from_errno;

pub struct LocalDirectory {
    entries: Dir,
    /// In the root, `..` is the root itself, so that nothing is shown of what is above.
    is_root: bool,
    /// The last error of an entry that exists and could not be read.
    passed_over: Option<Errno>,
}

impl LocalDirectory {
    pub fn new(directory: OwnedFd, is_root: bool) -> Result<Self, StorageError> {
        Ok(Self { entries: Dir::new(directory).map_err(from_errno)?, is_root, passed_over: None })
    }

    fn next_entry(&mut self) -> Result<Option<DirectoryEntry>, Errno> {
        while let Some(entry) = self.entries.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let looked_at: &[u8] = if self.is_root && name == b".." { b"." } else { name };
            let directory = self.entries.fd()?;
            match fs::statat(directory.as_fd(), looked_at, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    return Ok(Some(DirectoryEntry { name: name.to_vec(), metadata: attributes::from_stat(&stat) }));
                }
                // Removed since it was listed.
                Err(Errno::NOENT) => {}
                // The directory may not be searched, or a mount is dead: the other entries are still listed.
                Err(errno) => self.passed_over = Some(errno),
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl DirectoryReader for LocalDirectory {
    async fn next_entries(&mut self, max: usize) -> Result<Vec<DirectoryEntry>, StorageError> {
        let mut entries = Vec::with_capacity(max.min(128));
        while entries.len() < max {
            match self.next_entry() {
                Ok(Some(entry)) => entries.push(entry),
                Ok(None) => break,
                Err(errno) => return Err(from_errno(errno)),
            }
        }
        Ok(entries)
    }

    fn passed_over(&self) -> Option<StorageError> {
        self.passed_over.map(from_errno)
    }

    fn nameless(&self) -> u64 {
        0
    }
}
