//! What servers that were killed have left: files with temporary names.

use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{DirectoryReader, FileKind, StorageError, Swept, TEMPORARY_PREFIX};

use crate::directory::SftpDirectory;
use crate::packet::fxp;
use crate::storage::SftpStorage;

/// The entries that are looked at together.
const ENTRIES: usize = 100;

impl SftpStorage {
    /// Removes the files with temporary names that were not changed since `before`, in milliseconds since 1970.
    /// Symbolic links are not followed.
    ///
    /// # Errors
    /// A directory cannot be read, or a file cannot be removed.
    pub async fn remove_unfinished(&self, before: i64) -> Result<Swept, StorageError> {
        let mut swept = Swept::default();
        let mut ahead = vec![VirtualPath::root()];
        while let Some(path) = ahead.pop() {
            let mut directory = SftpDirectory::open(self, &path).await?;
            loop {
                let entries = directory.next_entries(ENTRIES).await?;
                if entries.is_empty() {
                    break;
                }
                for entry in entries {
                    if matches!(entry.name.as_slice(), b"." | b"..") {
                        continue;
                    }
                    let Ok(at) = VirtualPath::resolve(&path, &entry.name) else { continue };
                    match entry.metadata.kind {
                        FileKind::Directory => ahead.push(at),
                        FileKind::File if entry.name.starts_with(TEMPORARY_PREFIX) => {
                            if entry.metadata.modified.saturating_mul(1000) >= before {
                                swept.left += 1;
                                continue;
                            }
                            let session = self.tree.remote.session().await?;
                            session.about(fxp::REMOVE, &self.tree.there(&at)).done().await?;
                            swept.aborted += 1;
                        }
                        FileKind::File | FileKind::Symlink | FileKind::Other => {}
                    }
                }
            }
        }
        Ok(swept)
    }
}
