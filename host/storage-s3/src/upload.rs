//! Uploads: one request for a small file, else parts that are sent while the next one arrives. Nothing has the
//! name before the end, and an upload that ends otherwise is aborted in the store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use opendal::options::{ReadOptions, WriteOptions};
use opendal::{ErrorKind, Writer};
use tidegate_core::ports::storage::{
    Finished, Metadata, OpenOptions, SetAttributes, Shown, Space, StorageError, StorageErrorKind, StorageFile, Upload,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::budget::Taken;
use crate::errors::{failed, from_store, not_found, unsupported};
use crate::key::Key;
use crate::object::{Bucket, Found, MODIFIED};
use crate::sequence::Sequence;

/// The most parts of an upload, by the rules of Amazon S3.
const MAX_PARTS: u64 = 10_000;
/// After as many parts they become twice as large.
const PARTS_OF_A_SIZE: u64 = 500;
/// The most bytes that one request can copy inside the store.
const MAX_COPY: u64 = 5 << 30;

/// An upload. A call takes what is written out of it and puts it back: a call that is cancelled gives the upload
/// up.
pub struct S3Upload {
    bucket: Arc<Bucket>,
    key: Key,
    append: bool,
    must_be_new: bool,
    size: AtomicU64,
    written: Mutex<Option<Box<Written>>>,
    /// The file that the upload would have replaced when it was last asked.
    replaces: Mutex<Option<Option<Metadata>>>,
}

/// What was written of an upload.
struct Written {
    bucket: Arc<Bucket>,
    key: Key,
    if_not_exists: bool,
    /// Writes the parts; none: there is none yet.
    writer: Option<Writer>,
    /// The part that is being filled, and the memory that it may use.
    part: Option<(Taken, Vec<u8>)>,
    /// The end of what was written in order.
    next: u64,
    sequence: Sequence,
    /// Memory of parts that were sent.
    sent: UnboundedReceiver<Taken>,
    sender: UnboundedSender<Taken>,
    /// How many parts the upload has memory for.
    owned: usize,
    /// How many parts were sent.
    parts: u64,
    /// The time of change that the client has set.
    modified: Option<i64>,
    /// Why the upload cannot go on.
    failure: Option<StorageError>,
}

/// A part on its way to the store; its memory goes back to the upload afterwards.
struct Sent {
    data: Vec<u8>,
    taken: Option<Taken>,
    sender: UnboundedSender<Taken>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.data = Vec::new();
        if let Some(taken) = self.taken.take() {
            // Without the upload the memory is free for others.
            let _ = self.sender.send(taken);
        }
    }
}

impl S3Upload {
    /// Begins an upload. Unless `options` truncate, it begins with what the object has.
    ///
    /// # Errors
    /// `NotFound` for an object that may not be made, `AlreadyExists` for one that must be; the store failed.
    pub async fn begin(bucket: Arc<Bucket>, key: Key, options: OpenOptions) -> Result<Self, StorageError> {
        if key.is_root() {
            return Err(failed(StorageErrorKind::IsADirectory, "is a directory"));
        }
        let must_be_new = options.create && options.exclusive;
        let needs_old = !options.truncate || !options.create || must_be_new;
        let old = if needs_old { bucket.find_file(&key).await? } else { None };
        match &old {
            Some(_) if must_be_new => {
                return Err(failed(StorageErrorKind::AlreadyExists, "the file exists already"));
            }
            None if !options.create => return Err(not_found()),
            Some(_) | None => {}
        }
        let must_be_new = must_be_new || (old.is_none() && !options.truncate);
        let mut written = Written::new(bucket.clone(), key.clone(), must_be_new);
        if let Some(old) = old.filter(|old| !options.truncate && old.metadata.size > 0) {
            written.begin_with(&old).await?;
        }
        let size = AtomicU64::new(written.next);
        let written = Mutex::new(Some(Box::new(written)));
        Ok(Self { bucket, key, append: options.append, must_be_new, size, written, replaces: Mutex::default() })
    }

    fn take(&self) -> Option<Box<Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put_back(&self, written: Box<Written>) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
    }

    async fn look(&self) -> Result<Option<Metadata>, StorageError> {
        Ok(self.bucket.find_file(&self.key).await?.map(|found| found.metadata))
    }
}

fn over() -> StorageError {
    failed(StorageErrorKind::Other, "the upload has ended")
}

impl Written {
    fn new(bucket: Arc<Bucket>, key: Key, if_not_exists: bool) -> Self {
        let (sender, sent) = unbounded_channel();
        Self {
            bucket,
            key,
            if_not_exists,
            writer: None,
            part: None,
            next: 0,
            sequence: Sequence::default(),
            sent,
            sender,
            owned: 0,
            parts: 0,
            modified: None,
            failure: None,
        }
    }

    /// The upload continues an object: what that has is copied inside the store, in the version that was found.
    async fn begin_with(&mut self, old: &Found) -> Result<(), StorageError> {
        let size = old.metadata.size;
        self.widen().await?;
        let mut writer = self.open_writer().await?;
        let mut offset = 0;
        while offset < size {
            let end = size.min(offset + MAX_COPY);
            let (range, if_match) = ((offset..end).into(), old.etag.clone());
            let options = ReadOptions { range, if_match, ..ReadOptions::default() };
            let copied = writer.copy_from_options(self.key.file(), options).await;
            if let Err(error) = copied {
                abort(writer).await;
                return Err(changed_or(&error));
            }
            self.parts += 1;
            offset = end;
        }
        self.writer = Some(writer);
        self.next = size;
        Ok(())
    }

    fn options(&self) -> WriteOptions {
        let time = |seconds: i64| HashMap::from([(MODIFIED.to_owned(), seconds.to_string())]);
        WriteOptions {
            if_not_exists: self.if_not_exists,
            user_metadata: self.modified.map(time),
            concurrent: if self.owned >= 4 { self.owned - 2 } else { 1 },
            ..WriteOptions::default()
        }
    }

    async fn open_writer(&self) -> Result<Writer, StorageError> {
        let opened = self.bucket.operator.writer_options(self.key.file(), self.options()).await;
        opened.map_err(|error| from_store(&error))
    }

    async fn write(&mut self, offset: Option<u64>, data: &[u8]) -> Result<(), StorageError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let offset = offset.unwrap_or(self.next);
        if offset.checked_add(data.len() as u64).is_none_or(|end| end > i64::MAX as u64) {
            return Err(failed(StorageErrorKind::Invalid, "the offset is too large"));
        }
        if offset != self.next {
            return self.sequence.keep(self.next, offset, data);
        }
        let mut outcome = self.append(data).await;
        while outcome.is_ok()
            && let Some(data) = self.sequence.take(self.next)
        {
            outcome = self.append(&data).await;
        }
        // After a part that was not stored, nothing that follows is of use.
        outcome.inspect_err(|error| self.failure = Some(error.clone()))
    }

    async fn append(&mut self, mut data: &[u8]) -> Result<(), StorageError> {
        while !data.is_empty() {
            let (taken, mut part) = match self.part.take() {
                // A part goes when more follows it, so that a file of one part is one request.
                Some((taken, part)) if part.len() >= taken.bytes() => {
                    if self.owned == 1 {
                        self.widen().await?;
                    }
                    self.send(taken, part).await?;
                    self.new_part().await?
                }
                Some(part) => part,
                None => self.new_part().await?,
            };
            let (now, later) = data.split_at(data.len().min(taken.bytes().saturating_sub(part.len())));
            part.extend_from_slice(now);
            self.next += now.len() as u64;
            self.part = Some((taken, part));
            data = later;
        }
        Ok(())
    }

    /// Takes memory for a second part, and for parts that are sent at the same time while there is some to spare.
    /// opendal holds one part back, so that the upload needs one more than it sends at once, and another to fill.
    async fn widen(&mut self) -> Result<(), StorageError> {
        let (budget, size) = (self.bucket.budget.clone(), self.first_size());
        let mut parts = Vec::new();
        if self.owned == 0 {
            parts.push(budget.first(size).await?);
        }
        parts.push(budget.second(size).await?);
        self.owned = 2;
        while self.owned < self.bucket.concurrency + 2
            && let Some(taken) = budget.another(size)
        {
            parts.push(taken);
            self.owned += 1;
        }
        for taken in parts {
            let _ = self.sender.send(taken);
        }
        Ok(())
    }

    /// The size of the first part in bytes.
    fn first_size(&self) -> usize {
        self.bucket.part_size.min(self.bucket.budget.largest_part())
    }

    async fn new_part(&mut self) -> Result<(Taken, Vec<u8>), StorageError> {
        let (budget, first) = (self.bucket.budget.clone(), self.first_size());
        if self.owned == 0 {
            self.owned = 1;
            // Most files are small: their part grows as they do.
            return Ok((budget.first(first).await?, Vec::new()));
        }
        if self.parts >= MAX_PARTS {
            let text = "the file is larger than object storage can have with the server's memory for uploads";
            return Err(failed(StorageErrorKind::NoSpace, text));
        }
        let doublings = u32::try_from(self.parts / PARTS_OF_A_SIZE).unwrap_or(u32::MAX);
        let size = first.checked_shl(doublings).unwrap_or(usize::MAX).clamp(first, budget.largest_part());
        // There is always one: `widen` has taken one more than can be on their way.
        let mut taken = self.sent.recv().await.ok_or_else(over)?;
        budget.enlarge(&mut taken, size);
        let room = taken.bytes();
        Ok((taken, Vec::with_capacity(room)))
    }

    async fn send(&mut self, taken: Taken, data: Vec<u8>) -> Result<(), StorageError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.open_writer().await?,
        };
        let sent = Bytes::from_owner(Sent { data, taken: Some(taken), sender: self.sender.clone() });
        let outcome = writer.write(sent).await;
        self.writer = Some(writer);
        self.parts += 1;
        outcome.map_err(|error| from_store(&error))
    }

    /// Gives the upload its name.
    async fn finish(&mut self) -> Result<(), StorageError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if !self.sequence.is_empty() {
            let text = "object storage takes no files with holes, and bytes of this one have not arrived";
            return Err(failed(StorageErrorKind::Unsupported, text));
        }
        let last = self.part.take();
        if self.writer.is_none() {
            let data = last.map_or_else(Bytes::new, |(taken, data)| {
                Bytes::from_owner(Sent { data, taken: Some(taken), sender: self.sender.clone() })
            });
            let stored = self.bucket.operator.write_options(self.key.file(), data, self.options()).await;
            return stored.map(drop).map_err(|error| from_store(&error));
        }
        if let Some((taken, data)) = last {
            self.send(taken, data).await?;
        }
        let Some(writer) = &mut self.writer else { return Err(over()) };
        writer.close().await.map_err(|error| changed_or(&error))?;
        self.writer = None;
        Ok(())
    }

    /// Gives the upload up, and waits until the store has forgotten it.
    async fn abandon(mut self) {
        if let Some(writer) = self.writer.take() {
            abort(writer).await;
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(abort(writer));
        }
    }
}

async fn abort(mut writer: Writer) {
    if let Err(error) = writer.abort().await {
        let message = format!("parts of an unfinished upload may be left in the object store: {error}");
        tracing::warn!(sender = "s3", message);
    }
}

/// The error, where a condition means that another writer was faster.
fn changed_or(error: &opendal::Error) -> StorageError {
    if error.kind() == ErrorKind::NotFound {
        return failed(StorageErrorKind::Other, "the file has changed in the object store meanwhile");
    }
    from_store(error)
}

#[async_trait]
impl StorageFile for S3Upload {
    async fn read_at(&self, _offset: u64, _length: usize, _buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        Err(unsupported("a file in object storage cannot be read while it is uploaded"))
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        Ok(self.bucket.uploaded(&self.key, self.size.load(Ordering::Relaxed)))
    }

    /// A time is kept if no request was needed yet; owner and mode are not kept at all (A16-03).
    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        let size = self.size.load(Ordering::Relaxed);
        if attributes.size.is_some_and(|wanted| wanted != size) {
            return Err(unsupported("object storage cannot cut or extend files"));
        }
        if let Some(written) = &mut *self.written.lock().unwrap_or_else(PoisonError::into_inner)
            && let Some((_, modified)) = attributes.times
        {
            written.modified = Some(modified);
        }
        Ok(())
    }

    /// What is written is stored when the upload is finished; before that there is no file.
    async fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn space(&self) -> Result<Space, StorageError> {
        Ok(self.bucket.space())
    }
}

#[async_trait]
impl Upload for S3Upload {
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        let mut written = self.take().ok_or_else(over)?;
        let outcome = written.write((!self.append).then_some(offset), data).await;
        self.size.store(written.next, Ordering::Relaxed);
        self.put_back(written);
        outcome
    }

    async fn replaces(&self) -> Option<Metadata> {
        let found = self.look().await.ok()?;
        *self.replaces.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        found
    }

    async fn show(&self) -> Result<Shown, StorageError> {
        Ok(Shown { host_path: self.bucket.url_of(&self.key), file: None })
    }

    async fn finish(&self) -> Result<Finished, StorageError> {
        let mut written = self.take().ok_or_else(over)?;
        let asked = self.replaces.lock().unwrap_or_else(PoisonError::into_inner).take();
        let replaced = match asked {
            Some(asked) => asked,
            None => self.look().await?,
        };
        // Some stores do not know the condition.
        let outcome = match replaced {
            Some(_) if self.must_be_new => Err(failed(StorageErrorKind::AlreadyExists, "the file exists already")),
            Some(_) | None => written.finish().await,
        };
        if let Err(error) = outcome {
            written.abandon().await;
            return Err(error);
        }
        Ok(Finished::Named { replaced })
    }

    async fn abandon(&self) -> Option<Metadata> {
        if let Some(written) = self.take() {
            written.abandon().await;
        }
        None
    }

    fn discard(&self) {
        drop(self.take());
    }
}
