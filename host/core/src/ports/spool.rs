//! Texts that are too large for memory, and are kept somewhere else for a while.

use async_trait::async_trait;

use super::StoreError;

/// A text that is read in parts.
pub trait SpooledText: Send + Sync {
    /// Its bytes.
    fn length(&self) -> u64;

    /// Reads bytes from a place on: fewer than were asked for at the end, and none behind it. May wait for a disk.
    ///
    /// # Errors
    /// The text cannot be read; a sentence.
    fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError>;
}

/// A text that grows at its end. Nothing of it is left when it is dropped.
#[async_trait]
pub trait Spool: SpooledText {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// `Full`: there is no space for them; otherwise they cannot be written.
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), StoreError>;

    /// As [`read`](SpooledText::read), for tasks: while it waits for a disk, others go on.
    ///
    /// # Errors
    /// As of `read`.
    async fn fetch(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError>;
}

/// Where such texts are kept.
pub trait Spools: Send + Sync {
    /// A text, empty at first.
    fn begin(&self) -> Box<dyn Spool>;
}

/// Keeps them in memory.
#[derive(Debug, Default)]
pub struct SpoolsInMemory;

/// A text in memory.
#[derive(Default)]
pub struct TextInMemory(Vec<u8>);

impl From<Vec<u8>> for TextInMemory {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl SpooledText for TextInMemory {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let rest = self.0.get(from..).unwrap_or_default();
        Ok(rest.get(..length).unwrap_or(rest).to_vec())
    }
}

#[async_trait]
impl Spool for TextInMemory {
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.0.extend(bytes);
        Ok(())
    }

    async fn fetch(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.read(from, length)
    }
}

impl Spools for SpoolsInMemory {
    fn begin(&self) -> Box<dyn Spool> {
        Box::new(TextInMemory::default())
    }
}
