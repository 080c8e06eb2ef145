//! Reads directories, with one portion of entries under way.

use std::collections::VecDeque;

use async_trait::async_trait;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{DirectoryEntry, DirectoryReader, FileKind, StorageError};

use crate::attributes::of_entry;
use crate::errors::{Fault, not_a_directory};
use crate::handle::RemoteHandle;
use crate::packet::fxp;
use crate::reply::{Name, Reply};
use crate::session::Pending;
use crate::storage::SftpStorage;

/// A directory that is being read.
pub struct SftpDirectory {
    storage: SftpStorage,
    path: VirtualPath,
    handle: RemoteHandle,
    /// `.` and `..`, which not all servers have.
    own: Vec<DirectoryEntry>,
    names: VecDeque<Name>,
    /// None: the end was reached.
    next: Option<Pending>,
    nameless: u64,
}

impl SftpDirectory {
    /// Opens a directory.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`; the other server failed.
    pub async fn open(storage: &SftpStorage, path: &VirtualPath) -> Result<Self, StorageError> {
        let (session, found) = storage.find(path, true).await?;
        let tree = &storage.tree;
        let itself = tree.metadata(&found.path, found.existing()?);
        if itself.kind != FileKind::Directory {
            return Err(not_a_directory());
        }
        let above = found.path.parent();
        let looked = session.about(fxp::STAT, &tree.there(&above));
        let pending = session.about(fxp::OPENDIR, &tree.there(&found.path));
        // In the root, `..` is the root itself, so that nothing is shown of what is above.
        let above = match found.path.is_root() {
            true => itself,
            false => tree.metadata(&above, &looked.attributes().await?),
        };
        let entry = |name: &[u8], metadata| DirectoryEntry { name: name.to_vec(), metadata };
        let own = vec![entry(b".", itself), entry(b"..", above)];
        let handle = RemoteHandle::opened(session, pending).await?;
        let next = Some(handle.request(fxp::READDIR, |packet| packet));
        let (storage, path) = (storage.clone(), found.path);
        Ok(Self { storage, path, handle, own, names: VecDeque::new(), next, nameless: 0 })
    }

    /// The entry of a name; None: it cannot be a name of a file here.
    fn entry(&mut self, name: Name) -> Option<DirectoryEntry> {
        if matches!(name.name.as_slice(), b"." | b"..") {
            return None;
        }
        let is_name = !name.name.is_empty() && !name.name.contains(&b'/') && !name.name.contains(&0);
        let Some(path) = VirtualPath::resolve(&self.path, &name.name).ok().filter(|_| is_name) else {
            self.nameless += 1;
            return None;
        };
        let attributes = of_entry(name.attributes, &name.line);
        let metadata = self.storage.tree.metadata(&path, &attributes);
        Some(DirectoryEntry { name: name.name, metadata })
    }
}

#[async_trait]
impl DirectoryReader for SftpDirectory {
    async fn next_entries(&mut self, max: usize) -> Result<Vec<DirectoryEntry>, StorageError> {
        if !self.own.is_empty() {
            return Ok(std::mem::take(&mut self.own));
        }
        let mut entries = Vec::new();
        while entries.len() < max.max(1) {
            if let Some(name) = self.names.pop_front() {
                entries.extend(self.entry(name));
                continue;
            }
            let Some(next) = self.next.take() else { break };
            match next.answer().await? {
                Reply::End => break,
                Reply::Names(names) if !names.is_empty() => {
                    self.names = names.into();
                    self.next = Some(self.handle.request(fxp::READDIR, |packet| packet));
                }
                _ => return Err(Fault::odd("a directory with another answer").into()),
            }
        }
        Ok(entries)
    }

    fn passed_over(&self) -> Option<StorageError> {
        None
    }

    fn nameless(&self) -> u64 {
        self.nameless
    }
}
