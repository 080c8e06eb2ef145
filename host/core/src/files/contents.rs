//! Reading access of hooks to the files of a session.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::hook::events::{FileContents, FoundFile, Unreadable};
use crate::path::VirtualPath;
use crate::ports::storage::{FileKind, Metadata, Storage, StorageError, StorageErrorKind, StorageFile};

/// A file that has its name.
pub(super) struct StoredContents {
    pub storage: Arc<dyn Storage>,
    pub path: VirtualPath,
}

/// An upload that has no name yet.
pub(super) struct ShownContents(pub Box<dyn StorageFile>);

#[async_trait]
impl FileContents for StoredContents {
    async fn first_bytes(&self, max: usize) -> Result<Vec<u8>, Unreadable> {
        let file = self.storage.open(&self.path).await.map_err(unreadable)?;
        first_bytes(&*file, max).await
    }

    async fn found(&self) -> FoundFile {
        found(self.storage.metadata(&self.path).await)
    }
}

#[async_trait]
impl FileContents for ShownContents {
    async fn first_bytes(&self, max: usize) -> Result<Vec<u8>, Unreadable> {
        first_bytes(&*self.0, max).await
    }

    async fn found(&self) -> FoundFile {
        found(self.0.metadata().await)
    }
}

impl fmt::Debug for StoredContents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StoredContents({:?})", self.path)
    }
}

impl fmt::Debug for ShownContents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ShownContents")
    }
}

async fn first_bytes(file: &dyn StorageFile, max: usize) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::with_capacity(max);
    while bytes.len() < max {
        let (offset, missing) = (bytes.len() as u64, max - bytes.len());
        if file.read_at(offset, missing, &mut bytes).await.map_err(unreadable)? == 0 {
            break;
        }
    }
    Ok(bytes)
}

fn found(metadata: Result<Metadata, StorageError>) -> FoundFile {
    match metadata {
        Ok(found) if found.kind != FileKind::Directory => FoundFile::File(found.size),
        Err(error) if error.kind == StorageErrorKind::NotFound => FoundFile::Nothing,
        Ok(_) | Err(_) => FoundFile::Unknown,
    }
}

fn unreadable(error: StorageError) -> Unreadable {
    Unreadable(error.message)
}
