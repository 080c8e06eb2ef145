//! Counts the files of a scope.

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
    /// The storage with the files.
    pub storage: Arc<dyn Storage>,
    /// The directories below which files are counted; none is reached from another.
    pub roots: Vec<VirtualPath>,
    /// Directories whose files count for other scopes.
    pub skip: Vec<VirtualPath>,
}

impl ScanTree {
    /// The part of an account's files that counts for the same scope as `path`.
    pub fn around(account: &EffectiveAccount, storage: Arc<dyn Storage>, path: &VirtualPath) -> Self {
        let is_own = |quota: FolderQuota| quota != FolderQuota::OfAccount;
        let folders = || account.folders.iter().map(|folder| (&folder.virtual_path, is_own(folder.quota)));
        match account.folders.at(path).filter(|folder| is_own(folder.quota)) {
            Some(folder) => {
                let root = &folder.virtual_path;
                // A folder is one for all its accounts, of which some have another folder inside it: what that covers
                // is in this one all the same.
                if let Some(storage) = storage.mounted_at(root) {
                    return Self { storage, roots: vec![VirtualPath::root()], skip: Vec::new() };
                }
                // Whatever is inside a folder counts for something else.
                let inside = folders().filter(|(at, _)| *at != root && at.is_same_or_below(root));
                Self { storage, roots: vec![root.clone()], skip: inside.map(|(at, _)| at.clone()).collect() }
            }
            None => {
                let skip = folders().filter(|(_, is_own)| *is_own).map(|(at, _)| at.clone()).collect();
                // Folders of the account inside of folders that are passed over.
                let around = |at: &VirtualPath| account.folders.at(&at.parent());
                let is_cut_off = |at: &VirtualPath| around(at).is_some_and(|folder| is_own(folder.quota));
                let cut_off = folders().filter(|(at, is_own)| !is_own && is_cut_off(at)).map(|(at, _)| at.clone());
                Self { storage, roots: std::iter::once(VirtualPath::root()).chain(cut_off).collect(), skip }
            }
        }
    }
}

/// The progress of a count, which other tasks can read.
#[derive(Debug, Default)]
pub struct ScanProgress {
    files: AtomicU64,
    directories: AtomicU64,
}

impl ScanProgress {
    /// The number of files counted so far.
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// The number of directories read so far.
    pub fn directories(&self) -> u64 {
        self.directories.load(Ordering::Relaxed)
    }
}

/// What a [`survey`] has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// The regular files, each once.
    pub used: UsedQuota,
    /// Whether a file has several names, of which some may be elsewhere.
    pub has_several_names: bool,
}

/// Counts the regular files of a tree, also those that are being written.
///
/// # Errors
/// As [`count`].
pub async fn survey(tree: &ScanTree) -> Result<Survey, StorageError> {
    examine(tree, &HashSet::new(), &ScanProgress::default()).await
}

/// Counts the regular files below the roots (A10-06), each once, however many names it has. Files in
/// `excluded` are left out, symbolic links are not followed, and what vanishes during the count is left out.
///
/// # Errors
/// If a directory cannot be read completely, or is too deep for a path. Entries to which no path leads are left out, and
/// the log says how many they are.
pub async fn count(
    tree: &ScanTree,
    excluded: &HashSet<FileId>,
    progress: &ScanProgress,
) -> Result<UsedQuota, StorageError> {
    Ok(examine(tree, excluded, progress).await?.used)
}

async fn examine(tree: &ScanTree, excluded: &HashSet<FileId>, progress: &ScanProgress) -> Result<Survey, StorageError> {
    let mut used = UsedQuota::default();
    let mut nameless = 0_u64;
    let mut several_names = HashSet::new();
    let mut waiting = tree.roots.clone();
    while let Some(directory) = waiting.pop() {
        if tree.skip.contains(&directory) {
            continue;
        }
        let mut reader = match tree.storage.read_directory(&directory).await {
            Ok(reader) => reader,
            Err(error) if is_gone(&error) && !tree.roots.contains(&directory) => continue,
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
                        // Files too deep for a path cannot be left out: a rename above would make them
                        // reachable.
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
                    FileKind::Directory | FileKind::Symlink | FileKind::Other => {}
                }
            }
        }
        // An incomplete listing would make the usage too small.
        if let Some(error) = reader.passed_over() {
            let message = format!("what is in \"{}\" cannot be counted: {error}", directory.display());
            return Err(StorageError::new(error.kind, message));
        }
        // Sessions can neither read nor remove them, so that they do not keep an account from all else either.
        nameless += reader.nameless();
    }
    if nameless > 0 {
        let message = format!("a count of files leaves out {nameless} entries that cannot be names of files");
        tracing::warn!(sender = "quota", message);
    }
    Ok(Survey { used, has_several_names: !several_names.is_empty() })
}

fn too_deep(directory: &VirtualPath) -> StorageError {
    // A path that long is of no use in a message; its beginning is.
    let shown: String = directory.display().chars().take(60).collect();
    let message = format!("what is in \"{shown}…\" is too deep to be counted; move it up or remove it");
    StorageError::new(StorageErrorKind::Invalid, message)
}

fn is_gone(error: &StorageError) -> bool {
    matches!(error.kind, StorageErrorKind::NotFound | StorageErrorKind::NotADirectory | StorageErrorKind::Loop)
}
