//! The entries of a directory that a client sees.

use async_trait::async_trait;

use crate::account::{FilePatterns, NameVerdict};
use crate::path::VirtualPath;
use crate::ports::storage::{DirectoryEntry, DirectoryReader, StorageError, TEMPORARY_PREFIX};

/// A reader that leaves out names that patterns hide, and those of incomplete uploads.
pub(super) struct Visible {
    reader: Box<dyn DirectoryReader>,
    directory: VirtualPath,
    patterns: Option<FilePatterns>,
}

impl Visible {
    /// `patterns`: None: no name is hidden by a pattern.
    pub fn new(reader: Box<dyn DirectoryReader>, directory: &VirtualPath, patterns: Option<FilePatterns>) -> Self {
        Self { reader, directory: directory.clone(), patterns }
    }

    fn shows(&self, name: &[u8]) -> bool {
        let hides = |patterns: &FilePatterns| patterns.of_name(&self.directory, name) == NameVerdict::Hidden;
        !name.starts_with(TEMPORARY_PREFIX) && !self.patterns.as_ref().is_some_and(hides)
    }
}

#[async_trait]
impl DirectoryReader for Visible {
    async fn next_entries(&mut self, max: usize) -> Result<Vec<DirectoryEntry>, StorageError> {
        loop {
            let mut entries = self.reader.next_entries(max).await?;
            if entries.is_empty() {
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
}
