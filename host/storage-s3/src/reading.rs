//! Reads one version of an object. A client that reads on gets what was read ahead of it; any other read is one
//! request for what was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use opendal::options::ReaderOptions;
use opendal::{Buffer, ErrorKind, Reader};
use tidegate_core::ports::storage::{Metadata, SetAttributes, Space, StorageError, StorageErrorKind, StorageFile};
use tokio_util::task::AbortOnDropHandle;

use crate::budget::Taken;
use crate::errors::{failed, from_store, unsupported};
use crate::key::Key;
use crate::object::{Bucket, Found};

/// The first and the largest window, in bytes.
const SMALLEST: usize = 256 << 10;
const LARGEST: usize = 4 << 20;
/// How many windows there are at once.
const WINDOWS: usize = 2;

/// An object that is open to be read, or a directory, which has no content.
pub struct S3File {
    bucket: Arc<Bucket>,
    metadata: Metadata,
    /// None: it is a directory.
    reader: Option<Reader>,
    ahead: Mutex<Option<Ahead>>,
}

/// What was read ahead.
#[derive(Default)]
struct Ahead {
    /// In the order of the file, without gaps.
    windows: VecDeque<Window>,
    /// The end of the last read.
    next: u64,
    /// The size of the last window, in bytes.
    size: usize,
}

struct Window {
    start: u64,
    length: usize,
    data: Data,
    _taken: Taken,
}

enum Data {
    OnTheWay(AbortOnDropHandle<Result<Buffer, opendal::Error>>),
    Here(Buffer),
}

impl Window {
    fn end(&self) -> u64 {
        self.start + self.length as u64
    }

    async fn data(&mut self) -> Result<Buffer, StorageError> {
        let data = match &mut self.data {
            Data::Here(data) => return Ok(data.clone()),
            Data::OnTheWay(task) => match task.await {
                Ok(data) => data.map_err(|error| changed_or(&error))?,
                Err(_) => return Err(failed(StorageErrorKind::Other, "reading ahead was cut off")),
            },
        };
        let data = all_of(data, self.length)?;
        self.data = Data::Here(data.clone());
        Ok(data)
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
            (tidegate_core::ports::storage::FileKind::Directory, _) => None,
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
        Ok(Self { bucket, metadata, reader, ahead: Mutex::new(Some(Ahead::default())) })
    }

    /// Reads a part of the object with one request.
    async fn read(&self, reader: &Reader, offset: u64, length: usize) -> Result<Buffer, StorageError> {
        let data = reader.read(offset..offset + length as u64).await.map_err(|error| changed_or(&error))?;
        all_of(data, length)
    }

    /// Begins to read the next window, if there is memory for it. None: there is none, or the file ends.
    fn window(&self, reader: &Reader, start: u64, size: usize) -> Option<Window> {
        let length = size.min(usize::try_from(self.metadata.size.saturating_sub(start)).unwrap_or(size));
        if length == 0 {
            return None;
        }
        let taken = self.bucket.budget.ahead(length)?;
        let reader = reader.clone();
        let range = start..start + length as u64;
        let task = tokio::spawn(async move { reader.read(range).await });
        Some(Window { start, length, data: Data::OnTheWay(AbortOnDropHandle::new(task)), _taken: taken })
    }

    /// Reads what comes next: from a window, or by itself where there is no memory for one.
    async fn read_on(
        &self,
        reader: &Reader,
        ahead: &mut Ahead,
        offset: u64,
        length: usize,
    ) -> Result<Buffer, StorageError> {
        while ahead.windows.front().is_some_and(|window| window.end() <= offset) {
            ahead.windows.pop_front();
        }
        while ahead.windows.len() < WINDOWS {
            let start = ahead.windows.back().map_or(offset, Window::end);
            let size = ahead.size.saturating_mul(2).clamp(SMALLEST.max(length), LARGEST.max(length));
            let Some(window) = self.window(reader, start, size) else { break };
            ahead.windows.push_back(window);
            let is_first = std::mem::replace(&mut ahead.size, size) == 0;
            if is_first {
                // The client may want only the beginning of the file.
                break;
            }
        }
        let Some(window) = ahead.windows.front_mut() else {
            return self.read(reader, offset, length).await;
        };
        let from = usize::try_from(offset - window.start).unwrap_or(usize::MAX).min(window.length);
        let data = window.data().await?;
        Ok(data.slice(from..data.len().min(from.saturating_add(length))))
    }
}

fn all_of(data: Buffer, length: usize) -> Result<Buffer, StorageError> {
    if data.len() == length {
        return Ok(data);
    }
    Err(failed(StorageErrorKind::Other, "the object store has sent another number of bytes than it was asked for"))
}

/// A file that has another version now is an error: a client never gets a mix.
fn changed_or(error: &opendal::Error) -> StorageError {
    let text = match error.kind() {
        ErrorKind::ConditionNotMatch => "the file was replaced in the object store while it was read",
        ErrorKind::NotFound => "the file was removed from the object store while it was read",
        _ => return from_store(error),
    };
    failed(StorageErrorKind::Other, text)
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
        // A call that is cancelled, or beside another one, reads for itself.
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut ahead = ahead.unwrap_or(Ahead { next: offset, ..Ahead::default() });
        let is_there = ahead.windows.front().is_some_and(|window| window.start <= offset)
            && ahead.windows.back().is_some_and(|window| offset < window.end());
        let data = if offset == ahead.next || is_there {
            self.read_on(reader, &mut ahead, offset, length).await?
        } else {
            ahead = Ahead::default();
            self.read(reader, offset, length).await?
        };
        let count = data.len();
        for bytes in data {
            buffer.extend_from_slice(&bytes);
        }
        ahead.next = offset + count as u64;
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        Ok(count)
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
        return Err(unsupported("object storage cannot cut or extend files"));
    }
    Ok(())
}
