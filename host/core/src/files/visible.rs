//! The entries of a directory that a client sees.

use std::sync::Arc;

use async_trait::async_trait;

use crate::account::{FilePatterns, NameVerdict};
use crate::path::VirtualPath;
use crate::ports::storage::{DirectoryEntry, DirectoryReader, Storage, StorageError};

/// A reader that leaves out names that patterns hide, and those of incomplete uploads.
pub(super) struct Visible {
    reader: Box<dyn DirectoryReader>,
    /// Knows the names of incomplete uploads.
    storage: Arc<dyn Storage>,
    directory: VirtualPath,
    patterns: Option<FilePatterns>,
    /// Whether the log has how many entries have no name.
    is_logged: bool,
}

impl Visible {
    /// `patterns`: None: no name is hidden by a pattern.
    pub fn new(
        reader: Box<dyn DirectoryReader>,
        storage: Arc<dyn Storage>,
        directory: &VirtualPath,
        patterns: Option<FilePatterns>,
    ) -> Self {
        Self { reader, storage, directory: directory.clone(), patterns, is_logged: false }
    }

    fn log_nameless(&mut self) {
        let nameless = self.reader.nameless();
        if nameless > 0 && !self.is_logged {
            self.is_logged = true;
            let place = self.directory.display();
            let message =
                format!("the listing of \"{place}\" leaves out {nameless} entries that cannot be names of files");
            tracing::info!(sender = "sftpd", message);
        }
    }

    fn shows(&self, name: &[u8]) -> bool {
        let hides = |patterns: &FilePatterns| patterns.of_name(&self.directory, name) == NameVerdict::Hidden;
        !self.storage.is_unfinished(&self.directory, name) && !self.patterns.as_ref().is_some_and(hides)
    }
}

#[async_trait]
impl DirectoryReader for Visible {
    async fn next_entries(&mut self, max: usize) -> Result<Vec<DirectoryEntry>, StorageError> {
        loop {
            let mut entries = self.reader.next_entries(max).await?;
            if entries.is_empty() {
                self.log_nameless();
                return Ok(entries);
            }
            entries.retain(|entry| self.shows(&entry.name));
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
    }

    fn passed_over(&self) -> Option<StorageError> {
        self.reader.passed_over()
    }

    fn nameless(&self) -> u64 {
        self.reader.nameless()
    }
}
