//! Counting what is there.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::UsedQuota;
use crate::account::{EffectiveAccount, FolderQuota};
use crate::path::VirtualPath;
use crate::ports::storage::{FileId, FileKind, Storage, StorageError, StorageErrorKind};

const ENTRIES_AT_ONCE: usize = 256;

/// The part of a file tree that counts for one scope.
#[derive(Clone)]
pub struct ScanTree {
    pub storage: Arc<dyn Storage>,
    pub root: VirtualPath,
    /// Counted elsewhere.
    pub skip: Vec<VirtualPath>,
}

impl ScanTree {
    /// The part of an account's files that counts for the same scope as `path`.
    pub fn around(account: &EffectiveAccount, storage: Arc<dyn Storage>, path: &VirtualPath) -> Self {
        let is_own = |quota: FolderQuota| quota != FolderQuota::OfAccount;
        match account.folders.at(path).filter(|folder| is_own(folder.quota)) {
            Some(folder) => Self { storage, root: folder.virtual_path.clone(), skip: Vec::new() },
            None => {
                let others = account.folders.iter().filter(|folder| is_own(folder.quota));
                let skip = others.map(|folder| folder.virtual_path.clone()).collect();
                Self { storage, root: VirtualPath::root(), skip }
            }
        }
    }
}

/// How far a count is, for those who wait for it.
#[derive(Debug, Default)]
pub struct ScanProgress {
    files: AtomicU64,
    directories: AtomicU64,
}

impl ScanProgress {
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    pub fn directories(&self) -> u64 {
        self.directories.load(Ordering::Relaxed)
    }
}

/// Regular files below the root (A10-06): each counts once, however many names it has.
/// `excluded` are left out; links are not followed, and what vanishes meanwhile is not there.
pub async fn count(
    tree: &ScanTree,
    excluded: &HashSet<FileId>,
    progress: &ScanProgress,
) -> Result<UsedQuota, StorageError> {
    let mut used = UsedQuota::default();
    let mut several_names = HashSet::new();
    let mut waiting = vec![tree.root.clone()];
    while let Some(directory) = waiting.pop() {
        if tree.skip.contains(&directory) {
            continue;
        }
        let mut reader = match tree.storage.read_directory(&directory).await {
            Ok(reader) => reader,
            Err(error) if is_gone(&error) && directory != tree.root => continue,
            Err(error) => return Err(error),
        };
        progress.directories.fetch_add(1, Ordering::Relaxed);
        loop {
            let entries = reader.next_entries(ENTRIES_AT_ONCE).await?;
            if entries.is_empty() {
                break;
            }
            tokio::task::yield_now().await;
            for entry in entries {
                let metadata = entry.metadata;
                match metadata.kind {
                    FileKind::Directory if entry.name != b"." && entry.name != b".." => {
                        // What no path reaches would come back with a rename.
                        waiting.push(VirtualPath::resolve(&directory, &entry.name).map_err(|_| too_deep(&directory))?);
                    }
                    FileKind::File => {
                        let counted = metadata.links > 1 && !several_names.insert(metadata.id);
                        if !counted && !excluded.contains(&metadata.id) {
                            used.files += 1;
                            used.size = used.size.saturating_add_unsigned(metadata.size);
                            progress.files.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    _ => {}
                }
            }
        }
        // What cannot be seen cannot be counted as nothing.
        if let Some(error) = reader.passed_over() {
            let message = format!("what is in \"{}\" cannot be counted: {error}", directory.display());
            return Err(StorageError::new(error.kind, message));
        }
    }
    Ok(used)
}

fn too_deep(directory: &VirtualPath) -> StorageError {
    // A path of that length is of no use in a message: its beginning is.
    let shown: String = directory.display().chars().take(60).collect();
    let message = format!("what is in \"{shown}…\" is too deep to be counted; move it up or remove it");
    StorageError::new(StorageErrorKind::Invalid, message)
}

fn is_gone(error: &StorageError) -> bool {
    matches!(error.kind, StorageErrorKind::NotFound | StorageErrorKind::NotADirectory | StorageErrorKind::Loop)
}
