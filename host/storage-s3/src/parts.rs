//! What was written of an upload: one request for a small file, else parts that are sent while the next one arrives.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use opendal::ErrorKind;
use opendal::options::{ReadOptions, WriteOptions};
use tidegate_core::ports::storage::{Metadata, StorageError, StorageErrorKind};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::budget::PartMemory;
use crate::errors::{failed, from_store};
use crate::kept::{Beginning, Kept};
use crate::key::Key;
use crate::object::{Bucket, Found, MODIFIED, UPLOAD};
use crate::sent::Sent;
use crate::sequence::Sequence;
use crate::unfinished_upload::{Request, UnfinishedUpload};

/// The most parts of an upload, by the rules of Amazon S3.
const MAX_PARTS: u64 = 10_000;
/// After as many parts they become twice as large.
const PARTS_OF_A_SIZE: u64 = 500;
/// After as many parts, those that are left are few: an upload waits a while for memory that lets them be large.
const PARTS_WITHOUT_PATIENCE: u64 = 8_000;
/// The most bytes that one request can copy inside the store, by the rules of Amazon S3.
const MAX_COPY: u64 = 5 << 30;
/// How many bytes one request copies if there are enough parts: even a slow store does that in the time it has, and little
/// is repeated when it does not.
const COPY: u64 = 256 << 20;

/// The state of an upload that is being written.
pub struct Written {
    bucket: Arc<Bucket>,
    key: Key,
    if_not_exists: bool,
    /// A random number; see [`UPLOAD`].
    id: String,
    /// Has the parts that the store knows; none: there is none yet.
    unfinished: Option<UnfinishedUpload>,
    /// The part that is being filled, and the memory that it may use.
    part: Option<(PartMemory, Vec<u8>)>,
    /// Whether that memory is less than a whole part, and grows with what is written.
    is_beginning: bool,
    /// The end of what was written in order.
    next: u64,
    sequence: Sequence,
    /// The part of the old object that stays.
    kept: Kept,
    /// The object at whose end the upload goes on.
    goes_on_with: Option<Found>,
    /// Memory of parts that were sent.
    sent: UnboundedReceiver<PartMemory>,
    sender: UnboundedSender<PartMemory>,
    /// How many parts the upload has memory for.
    owned: usize,
    /// How many parts were sent.
    parts: u64,
    /// The time of change that the client has set.
    modified: Option<i64>,
    /// Why the upload cannot go on.
    failure: Option<StorageError>,
}

/// The error of an upload that has ended.
pub fn over() -> StorageError {
    failed(StorageErrorKind::Other, "the upload has ended")
}

impl Written {
    /// Whether all that was written is in one part, so that the store knows nothing of it.
    pub fn is_small(&self) -> bool {
        self.unfinished.is_none()
    }

    /// A random number of the upload.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The size of the file, if nothing more is written.
    pub fn size(&self) -> u64 {
        self.kept.size(self.next)
    }

    /// The object at whose end the upload goes on; none: it does not.
    pub fn goes_on_with(&self) -> Option<&Found> {
        self.goes_on_with.as_ref()
    }

    /// The upload goes on with an object that it does not empty.
    pub fn keep(&mut self, old: Found) {
        self.kept = Kept::All(old);
    }

    /// The object that stays as it is, because nothing was written.
    pub fn unchanged(&self) -> Option<&Found> {
        match &self.kept {
            Kept::All(old) => Some(old),
            Kept::Nothing | Kept::Behind(_) => None,
        }
    }

    /// Sets the size of the file, in bytes.
    ///
    /// # Errors
    /// `Unsupported`, if it is neither the size that the file has anyway nor what was written.
    pub fn set_size(&mut self, size: u64) -> Result<(), StorageError> {
        self.kept.cut(size, self.sequence.is_empty().then_some(self.next))
    }

    /// Sets the time of change, in seconds since 1970, which is kept if no request was needed yet.
    pub fn set_modified(&mut self, modified: i64) {
        self.modified = Some(modified);
    }

    /// Nothing yet. `if_not_exists`: the name must be free at the end.
    pub fn new(bucket: Arc<Bucket>, key: Key, if_not_exists: bool) -> Self {
        let (sender, sent) = unbounded_channel();
        Self {
            bucket,
            key,
            if_not_exists,
            id: random_id(),
            unfinished: None,
            part: None,
            is_beginning: false,
            next: 0,
            sequence: Sequence::default(),
            kept: Kept::Nothing,
            goes_on_with: None,
            sent,
            sender,
            owned: 0,
            parts: 0,
            modified: None,
            failure: None,
        }
    }

    /// Copies a part of an object inside the store, in the version that was found, behind what was written.
    async fn copy(&mut self, old: &Found, mut offset: u64) -> Result<(), StorageError> {
        let size = old.metadata.size;
        let length = copy_length(size.saturating_sub(offset), self.parts);
        while offset < size {
            let end = size.min(offset.saturating_add(length));
            let (range, if_match) = ((offset..end).into(), old.etag.clone());
            let options = ReadOptions { range, if_match, ..ReadOptions::default() };
            let unfinished = match self.unfinished.take() {
                Some(unfinished) => unfinished,
                None => self.begin().await?,
            };
            let request = Request::Copy(self.key.file().to_owned(), Box::new(options));
            let (unfinished, outcome) = unfinished.request(request).await?;
            self.unfinished = Some(unfinished);
            outcome.map_err(|error| self.changed_or(&error))?;
            self.parts += 1;
            offset = end;
        }
        self.next = size;
        Ok(())
    }

    /// Takes up the old object where the first write begins; none: at its end.
    async fn take_up(&mut self, offset: Option<u64>) -> Result<(), StorageError> {
        let Kept::All(old) = &self.kept else { return Ok(()) };
        let beginning = Kept::beginning(old, offset)?;
        let Kept::All(old) = std::mem::replace(&mut self.kept, Kept::Nothing) else { return Ok(()) };
        match beginning {
            Beginning::First => {
                self.kept = Kept::Behind(old);
                Ok(())
            }
            Beginning::End => {
                let outcome = match self.widen().await {
                    Ok(()) => self.copy(&old, 0).await,
                    Err(error) => Err(error),
                };
                self.goes_on_with = Some(old);
                outcome.inspect_err(|error| self.failure = Some(error.clone()))
            }
        }
    }

    /// Takes the memory that the end needs where bytes of the old object stay behind what was written. Nothing is asked of the
    /// store, so that a caller that is gone can be given up.
    pub async fn prepare_end(&mut self) -> Result<(), StorageError> {
        let can_end = self.failure.is_none() && self.sequence.is_empty() && self.owned == 1;
        match &self.kept {
            Kept::Behind(old) if can_end && self.next < old.metadata.size => self.widen().await,
            Kept::Behind(_) | Kept::Nothing | Kept::All(_) => Ok(()),
        }
    }

    /// Copies what the old object has behind the last byte that was written.
    async fn copy_the_rest(&mut self) -> Result<(), StorageError> {
        let Kept::Behind(old) = std::mem::replace(&mut self.kept, Kept::Nothing) else { return Ok(()) };
        if self.next >= old.metadata.size {
            return Ok(());
        }
        if self.owned == 1 {
            self.widen().await?;
        }
        if let Some((taken, data)) = self.part.take() {
            self.send(taken, data).await?;
        }
        self.copy(&old, self.next).await
    }

    fn options(&self) -> WriteOptions {
        let mut metadata = HashMap::from([(UPLOAD.to_owned(), self.id.clone())]);
        metadata.extend(self.modified.map(|seconds| (MODIFIED.to_owned(), seconds.to_string())));
        WriteOptions {
            if_not_exists: self.if_not_exists,
            user_metadata: Some(metadata),
            concurrent: if self.owned >= 4 { self.owned - 2 } else { 1 },
            ..WriteOptions::default()
        }
    }

    async fn begin(&self) -> Result<UnfinishedUpload, StorageError> {
        let opened = self.bucket.operator.writer_options(self.key.file(), self.options()).await;
        opened.map(UnfinishedUpload::new).map_err(|error| from_store(&error))
    }

    /// Writes at an offset; none: at the end.
    pub async fn write(&mut self, offset: Option<u64>, data: &[u8]) -> Result<(), StorageError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if data.is_empty() {
            return Ok(());
        }
        let end = offset.unwrap_or(self.next).checked_add(data.len() as u64);
        if end.is_none_or(|end| end > i64::MAX as u64) {
            return Err(failed(StorageErrorKind::Invalid, "the offset is too large"));
        }
        self.take_up(offset).await?;
        let offset = offset.unwrap_or(self.next);
        if offset != self.next {
            return self.sequence.keep(self.next, offset, data, &self.bucket.budget);
        }
        let mut outcome = self.append(data).await;
        while outcome.is_ok()
            && let Some(early) = self.sequence.take(self.next)
        {
            outcome = self.append(&early.data).await;
        }
        // After a part that was not stored, nothing that follows is of use.
        outcome.inspect_err(|error| self.failure = Some(error.clone()))
    }

    async fn append(&mut self, mut data: &[u8]) -> Result<(), StorageError> {
        while !data.is_empty() {
            let (taken, mut part) = match self.part.take() {
                None => self.new_part(data.len()).await?,
                Some((taken, part)) if part.len() < taken.bytes() => (taken, part),
                Some((taken, mut part)) if self.is_beginning => {
                    let taken = self.grow(taken, part.len().saturating_add(data.len())).await?;
                    part.reserve_exact(taken.bytes().saturating_sub(part.len()));
                    (taken, part)
                }
                // A part goes when more follows it, so that a file of one part is one request.
                Some((taken, part)) => {
                    if self.owned == 1 {
                        self.widen().await?;
                    }
                    self.send(taken, part).await?;
                    self.new_part(data.len()).await?
                }
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

    /// More memory for the first part, of which so many bytes were written. What it has is kept until there is more.
    async fn grow(&mut self, mut taken: PartMemory, written: usize) -> Result<PartMemory, StorageError> {
        let budget = &self.bucket.budget;
        if budget.grow_beginning(&mut taken, written) {
            return Ok(taken);
        }
        let whole = budget.first(self.first_size()).await?;
        self.is_beginning = false;
        Ok(whole)
    }

    /// Memory for another part, of which so many bytes were written already.
    async fn new_part(&mut self, written: usize) -> Result<(PartMemory, Vec<u8>), StorageError> {
        let (budget, first) = (self.bucket.budget.clone(), self.first_size());
        if self.owned == 0 {
            self.owned = 1;
            // Most files are small: their part grows as they do.
            if let Some(taken) = budget.beginning(written) {
                self.is_beginning = true;
                return Ok((taken, Vec::new()));
            }
            return Ok((budget.first(first).await?, Vec::new()));
        }
        if self.parts >= MAX_PARTS {
            let text = "the file is larger than object storage can have with the server's memory for uploads";
            return Err(failed(StorageErrorKind::NoSpace, text));
        }
        let size = part_size(first, budget.largest_part(), self.parts);
        // There is always one: `widen` has taken one more than can be on their way.
        let mut taken = self.sent.recv().await.ok_or_else(over)?;
        if self.parts < PARTS_WITHOUT_PATIENCE {
            budget.enlarge(&mut taken, size);
        } else {
            budget.enlarge_patiently(&mut taken, size).await;
        }
        let room = taken.bytes();
        Ok((taken, Vec::with_capacity(room)))
    }

    async fn send(&mut self, taken: PartMemory, data: Vec<u8>) -> Result<(), StorageError> {
        let unfinished = match self.unfinished.take() {
            Some(unfinished) => unfinished,
            None => self.begin().await?,
        };
        let sent = Bytes::from_owner(Sent { data, taken: Some(taken), sender: self.sender.clone() });
        let (unfinished, outcome) = unfinished.request(Request::Write(sent)).await?;
        self.unfinished = Some(unfinished);
        self.parts += 1;
        outcome.map_err(|error| self.changed_or(&error))
    }

    /// All of an upload of one part.
    fn small(&mut self) -> Bytes {
        self.part.take().map_or_else(Bytes::new, |(taken, data)| {
            Bytes::from_owner(Sent { data, taken: Some(taken), sender: self.sender.clone() })
        })
    }

    async fn put(&self, data: Bytes, if_not_exists: bool) -> Result<(), opendal::Error> {
        let options = WriteOptions { if_not_exists, ..self.options() };
        self.bucket.operator.write_options(self.key.file(), data, options).await.map(drop)
    }

    /// What has the name now: this upload itself, where the answer to a request was lost and it was repeated, or another
    /// file.
    async fn named(&self) -> Result<Named, StorageError> {
        Ok(match self.bucket.find_file(&self.key).await? {
            Some(found) if found.upload.as_ref() == Some(&self.id) => Named::ThisUpload,
            other => Named::Other(other.map(|found| found.metadata)),
        })
    }

    /// Gives an upload of one part its name. The answer has the file that another writer gave the name meanwhile.
    pub async fn put_where_free(&mut self) -> Result<Option<Metadata>, StorageError> {
        self.require_whole()?;
        let data = self.small();
        let Err(error) = self.put(data.clone(), true).await else { return Ok(None) };
        if error.kind() == ErrorKind::PermissionDenied {
            return Err(from_store(&error));
        }
        // Either the name was taken meanwhile, or the store does not support the condition.
        let replaced = match self.named().await? {
            Named::ThisUpload => return Ok(None),
            Named::Other(replaced) => replaced,
        };
        self.put(data, false).await.map_err(|error| from_store(&error))?;
        if replaced.is_none() && !error.is_temporary() {
            self.bucket.refuses_conditions.store(true, Ordering::Relaxed);
        }
        Ok(replaced)
    }

    /// Requires that all bytes have arrived.
    fn require_whole(&self) -> Result<(), StorageError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if !self.sequence.is_empty() {
            let text = "object storage takes no files with holes, and bytes of this one have not arrived";
            return Err(failed(StorageErrorKind::Unsupported, text));
        }
        Ok(())
    }

    /// Gives the upload its name.
    pub async fn finish(&mut self) -> Result<(), StorageError> {
        self.require_whole()?;
        self.copy_the_rest().await?;
        let Err(error) = self.send_the_rest().await? else { return Ok(()) };
        let may_be_stored = matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists | ErrorKind::Unexpected
        );
        if may_be_stored && matches!(self.named().await, Ok(Named::ThisUpload)) {
            return Ok(());
        }
        Err(if self.is_small() { from_store(&error) } else { self.changed_or(&error) })
    }

    /// Sends what was not sent yet, and then asks for the name.
    async fn send_the_rest(&mut self) -> Result<Result<(), opendal::Error>, StorageError> {
        if self.is_small() {
            let data = self.small();
            return Ok(self.put(data, self.if_not_exists).await);
        }
        if let Some((taken, data)) = self.part.take() {
            self.send(taken, data).await?;
        }
        let unfinished = self.unfinished.take().ok_or_else(over)?;
        let (unfinished, outcome) = unfinished.request(Request::Close).await?;
        self.unfinished = Some(unfinished);
        Ok(outcome)
    }

    /// The error, where another writer was faster, or the upload was aborted by another. Where the name need not be free, the
    /// only condition is which version of the old object is copied.
    fn changed_or(&self, error: &opendal::Error) -> StorageError {
        match error.kind() {
            ErrorKind::NotFound => changed(),
            ErrorKind::ConditionNotMatch if !self.if_not_exists => changed(),
            _ => from_store(error),
        }
    }

    /// Gives the upload up, and waits until the store has forgotten it.
    pub async fn abandon(mut self) {
        if let Some(unfinished) = self.unfinished.take() {
            unfinished.abandon().await;
        }
    }
}

/// The object that has the name of an upload.
enum Named {
    ThisUpload,
    /// Another object; None: there is none.
    Other(Option<Metadata>),
}

/// The size of the next part in bytes, after so many parts.
fn part_size(first: usize, largest: usize, parts: u64) -> usize {
    let doublings = u32::try_from(parts / PARTS_OF_A_SIZE).unwrap_or(u32::MAX);
    first.checked_shl(doublings).unwrap_or(usize::MAX).clamp(first, largest)
}

/// How many bytes each request copies of so many, after so many parts: about the same, so that none is less than stores take
/// as a part, and so many that half of the parts are left for what follows.
fn copy_length(bytes: u64, parts: u64) -> u64 {
    let at_most = (MAX_PARTS.saturating_sub(parts) / 2).max(1);
    let length = bytes.div_ceil(at_most).clamp(COPY, MAX_COPY);
    bytes.div_ceil(bytes.div_ceil(length).max(1))
}

/// A number that no other upload has, in hexadecimal digits; without random numbers the same for all.
fn random_id() -> String {
    format!("{:016x}", getrandom::u64().unwrap_or_default())
}

/// The error of an upload that goes on with an object, or keeps a part of it, that is another one by now.
pub fn changed() -> StorageError {
    failed(StorageErrorKind::Other, "the file has changed in the object store meanwhile")
}

#[cfg(test)]
mod tests;
