//! What servers that were killed have left: files with temporary names.

use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{DirectoryReader, FileKind, StorageError, StorageErrorKind, Swept};

use crate::directory::SftpDirectory;
use crate::packet::fxp;
use crate::storage::SftpStorage;

/// The entries that are looked at together.
const ENTRIES: usize = 100;
/// After as many failures a sweep ends: the server is away, or refuses everything.
const FAILURES: u64 = 100;

/// A sweep under way.
#[derive(Default)]
struct Sweep {
    swept: Swept,
    /// The directories that were not read yet.
    ahead: Vec<VirtualPath>,
    failures: u64,
    /// The first of them.
    failure: Option<StorageError>,
}

impl Sweep {
    /// Remembers a failure. What has vanished meanwhile is none.
    fn failed(&mut self, error: StorageError) {
        if error.kind != StorageErrorKind::NotFound {
            self.failures += 1;
            if self.failure.is_none() {
                self.failure = Some(error);
            }
        }
    }
}

impl SftpStorage {
    /// Removes the files with temporary names that were not changed since `before`, in milliseconds since 1970.
    /// Symbolic links are not followed. What cannot be read or removed is left, and the rest is swept all the same.
    ///
    /// # Errors
    /// The root is not there; a directory cannot be read, or a file cannot be removed: the first of such failures.
    pub async fn remove_unfinished(&self, before: i64) -> Result<Swept, StorageError> {
        let mut sweep = Sweep::default();
        self.sweep_directory(&VirtualPath::root(), before, &mut sweep).await?;
        while sweep.failures < FAILURES
            && let Some(path) = sweep.ahead.pop()
        {
            if let Err(error) = self.sweep_directory(&path, before, &mut sweep).await {
                sweep.failed(error);
            }
        }
        let Sweep { swept, failures, failure, .. } = sweep;
        match failure {
            None => Ok(swept),
            Some(first) => {
                let (removed, reason) = (swept.aborted, &first.message);
                let message = format!(
                    "{removed} unfinished uploads were removed, and {failures} files or directories could not be removed or \
                     read, the first because: {reason}"
                );
                Err(StorageError { message, ..first })
            }
        }
    }

    /// Sweeps one directory, and remembers those in it.
    async fn sweep_directory(&self, path: &VirtualPath, before: i64, sweep: &mut Sweep) -> Result<(), StorageError> {
        let mut directory = SftpDirectory::open(self, path).await?;
        loop {
            let entries = directory.next_entries(ENTRIES).await?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                if matches!(entry.name.as_slice(), b"." | b"..") {
                    continue;
                }
                let Ok(at) = VirtualPath::resolve(path, &entry.name) else { continue };
                match entry.metadata.kind {
                    FileKind::Directory => sweep.ahead.push(at),
                    FileKind::File if self.tree.is_temporary(&entry.name) => {
                        if entry.metadata.modified.saturating_mul(1000) >= before {
                            sweep.swept.left += 1;
                            continue;
                        }
                        match self.remove_left(&at).await {
                            Ok(()) => sweep.swept.aborted += 1,
                            Err(error) => sweep.failed(error),
                        }
                    }
                    FileKind::File | FileKind::Symlink | FileKind::Other => {}
                }
            }
        }
    }

    async fn remove_left(&self, at: &VirtualPath) -> Result<(), StorageError> {
        let session = self.tree.remote.session().await?;
        Ok(session.about(fxp::REMOVE, &self.tree.there(at)).done().await?)
    }
}
