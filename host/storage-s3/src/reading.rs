//! Reads one version of an object. A client that reads on gets what was read ahead of it; any other read is one
//! request for what was asked.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use opendal::Reader;
use opendal::options::ReaderOptions;
use tidegate_core::ports::storage::{
    FileKind, Metadata, SetAttributes, Space, StorageError, StorageErrorKind, StorageFile,
};

use crate::ahead::{Ahead, Object};
use crate::errors::{failed, from_store, unsupported};
use crate::key::Key;
use crate::object::{Bucket, Found};

/// An object that is open to be read, or a directory, which has no content.
pub struct S3File {
    bucket: Arc<Bucket>,
    metadata: Metadata,
    /// Reads the object; None: it is a directory.
    reader: Option<Reader>,
    ahead: Shelf,
}

/// Keeps what was read ahead between two reads; None: a read has it.
struct Shelf(Mutex<Option<Ahead>>);

/// What was read ahead, while a read has it. It is put back also when the read is cancelled.
struct Borrowed<'a> {
    shelf: &'a Shelf,
    ahead: Ahead,
}

impl Shelf {
    fn borrow(&self) -> Option<Borrowed<'_>> {
        let ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Borrowed { shelf: self, ahead })
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let ahead = std::mem::take(&mut self.ahead);
        *self.shelf.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
    }
}

impl S3File {
    /// Opens what was found.
    ///
    /// # Errors
    /// The store does not say which version of the object it is.
    pub async fn open(bucket: Arc<Bucket>, key: &Key, found: Found) -> Result<Self, StorageError> {
        let Found { metadata, etag, upload: _ } = found;
        let reader = match (metadata.kind, etag) {
            (FileKind::Directory, _) => None,
            (_, None) => {
                let text = "the object store does not say which version of the file it has (ETag)";
                return Err(unsupported(text));
            }
            (_, if_match) => {
                let options = ReaderOptions { if_match, ..ReaderOptions::default() };
                let reader = bucket.operator.reader_options(key.file(), options).await;
                Some(reader.map_err(|error| from_store(&error))?)
            }
        };
        Ok(Self { bucket, metadata, reader, ahead: Shelf(Mutex::new(Some(Ahead::default()))) })
    }
}

#[async_trait]
impl StorageFile for S3File {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        let Some(reader) = &self.reader else {
            return Err(failed(StorageErrorKind::IsADirectory, "is a directory"));
        };
        if offset > i64::MAX as u64 {
            return Err(failed(StorageErrorKind::Invalid, "the offset is too large"));
        }
        let left = self.metadata.size.saturating_sub(offset);
        let length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(0);
        }
        let before = buffer.len();
        buffer.reserve(length);
        let object = Object { reader, size: self.metadata.size, budget: self.bucket.budget.downloads() };
        let outcome = match self.ahead.borrow() {
            Some(mut borrowed) => borrowed.ahead.read(&object, offset, length, buffer).await,
            // Beside another read.
            None => object.read(offset, length, buffer).await,
        };
        if outcome.is_err() {
            buffer.truncate(before);
        }
        outcome
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        Ok(self.metadata)
    }

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        set_attributes(attributes)
    }

    async fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn space(&self) -> Result<Space, StorageError> {
        Ok(self.bucket.space())
    }
}

/// Of a complete object, size and content cannot be changed; owner, mode and times are not kept (A16-03).
pub fn set_attributes(attributes: &SetAttributes) -> Result<(), StorageError> {
    if attributes.size.is_some() {
        return Err(unsupported("object storage cannot shorten or extend a file"));
    }
    Ok(())
}
