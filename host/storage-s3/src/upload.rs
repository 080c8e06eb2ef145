//! Uploads: nothing has the name before the end, and an upload that ends otherwise is aborted in the store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::join;
use tidegate_core::ports::storage::{
    FileId, Finished, Metadata, OpenOptions, SetAttributes, Shown, Space, StorageError, StorageErrorKind, StorageFile,
    Upload,
};
use tokio::sync::watch;

use crate::claims::{Claimed, Kind};
use crate::errors::{failed, not_found, unsupported};
use crate::key::Key;
use crate::object::Bucket;
use crate::parts::{Written, changed, over};

/// How an upload ended, and the file that it replaced; none: it is ending.
type Ending = watch::Receiver<Option<Result<Option<Metadata>, StorageError>>>;

/// An upload. A call takes what is written out of it and puts it back: a write that is cancelled gives the upload
/// up, and so does a finish that is cancelled while it waits for memory. One that is cancelled later goes on, since the store
/// may have been asked already; `abandon` gives its outcome.
pub struct S3Upload {
    bucket: Arc<Bucket>,
    key: Key,
    /// Another one than that of the object that has the key: both count until the upload has its name.
    id: FileId,
    append: bool,
    must_be_new: bool,
    /// The claim on the name; None: the upload has ended, or is ending.
    claimed: Mutex<Option<Claimed>>,
    /// Nothing had the name when the upload began.
    was_free: bool,
    size: AtomicU64,
    written: Mutex<Option<Box<Written>>>,
    /// The file that the upload would have replaced when it was last asked.
    replaces: Mutex<Option<Option<Metadata>>>,
    /// The end that is under way; None: the upload was not finished.
    ending: Mutex<Option<Ending>>,
}

impl S3Upload {
    /// Begins an upload. Unless `options` truncate, it goes on with what the object has (see `kept`).
    ///
    /// # Errors
    /// `NotFound` for an object that may not be made, `AlreadyExists` for one that must be; `NotADirectory` below a file; the
    /// store failed.
    pub async fn begin(bucket: Arc<Bucket>, key: Key, options: OpenOptions) -> Result<Self, StorageError> {
        if key.is_root() {
            return Err(failed(StorageErrorKind::IsADirectory, "is a directory"));
        }
        bucket.missing.forget(&key);
        let claimed = Mutex::new(Some(bucket.claim(&key, Kind::File)?));
        let must_be_new = options.create && options.exclusive;
        let needs_old = !options.truncate || !options.create || must_be_new;
        let find_old = async { if needs_old && !options.is_new { bucket.find_file(&key).await } else { Ok(None) } };
        let (old, may_be_made) = join(find_old, bucket.require_above(&key)).await;
        let old = old?;
        match &old {
            Some(_) if must_be_new => {
                return Err(failed(StorageErrorKind::AlreadyExists, "the file exists already"));
            }
            Some(_) => {}
            None => may_be_made?,
        }
        if old.is_none() && !options.create {
            return Err(not_found());
        }
        let must_be_new = must_be_new || (old.is_none() && !options.truncate);
        let mut written = Written::new(bucket.clone(), key.clone(), must_be_new);
        let id = bucket.id_of_upload(&key, written.id());
        if let Some(old) = old.filter(|old| !options.truncate && old.metadata.size > 0) {
            written.keep(old);
        }
        let size = AtomicU64::new(written.size());
        let written = Mutex::new(Some(Box::new(written)));
        let (append, was_free) = (options.append, options.is_new);
        let (replaces, ending) = (Mutex::default(), Mutex::default());
        Ok(Self { bucket, key, id, append, must_be_new, claimed, was_free, size, written, replaces, ending })
    }

    fn take(&self) -> Option<Box<Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn take_claim(&self) -> Option<Claimed> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put_back(&self, written: Box<Written>) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
    }

    /// Whether the store itself says, with the one request that stores the file, that nothing has the name: so it need
    /// not be asked before. Some stores do not know the condition: where the file must be new, they are asked.
    fn store_can_tell(&self) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let is_small = written.as_ref().is_some_and(|written| written.is_small());
        self.was_free && !self.must_be_new && is_small && !self.bucket.refuses_conditions.load(Ordering::Relaxed)
    }

    async fn look(&self) -> Result<Option<Metadata>, StorageError> {
        look(&self.bucket, &self.key).await
    }

    /// How the upload ended, if it was to be finished.
    async fn ended(&self) -> Option<Result<Option<Metadata>, StorageError>> {
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(outcome(ending).await)
    }
}

async fn look(bucket: &Bucket, key: &Key) -> Result<Option<Metadata>, StorageError> {
    Ok(bucket.find_file(key).await?.map(|found| found.metadata))
}

async fn outcome(mut ending: Ending) -> Result<Option<Metadata>, StorageError> {
    let ended = ending.wait_for(Option::is_some).await.map_err(|_| over())?;
    ended.clone().unwrap_or_else(|| Err(over()))
}

/// Gives an upload its name, or gives it up. `replaced`: the file that has the name; none: it is not known.
async fn name(
    bucket: &Bucket,
    key: &Key,
    mut written: Box<Written>,
    must_be_new: bool,
    replaced: Option<Option<Metadata>>,
) -> Result<Option<Metadata>, StorageError> {
    if let Some(old) = written.unchanged() {
        return match bucket.find_file(key).await? {
            Some(found) if found.etag == old.etag => Ok(Some(found.metadata)),
            Some(_) | None => Err(changed()),
        };
    }
    let replaced = match (written.goes_on_with(), replaced) {
        (Some(old), _) => match bucket.find_file(key).await {
            Ok(Some(found)) if found.etag == old.etag => Some(found.metadata),
            // What was written meanwhile, or removed, would be undone.
            found => {
                written.abandon().await;
                return Err(found.err().unwrap_or_else(changed));
            }
        },
        (None, Some(replaced)) => replaced,
        (None, None) => look(bucket, key).await?,
    };
    // Some stores do not know the condition.
    let outcome = match replaced {
        Some(_) if must_be_new => Err(failed(StorageErrorKind::AlreadyExists, "the file exists already")),
        Some(_) | None => written.finish().await,
    };
    if let Err(error) = outcome {
        written.abandon().await;
        return Err(error);
    }
    Ok(replaced)
}

#[async_trait]
impl StorageFile for S3Upload {
    async fn read_at(&self, _offset: u64, _length: usize, _buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        Err(unsupported("a file in object storage cannot be read while it is uploaded"))
    }

    async fn metadata(&self) -> Result<Metadata, StorageError> {
        Ok(Metadata { id: self.id, ..self.bucket.uploaded(&self.key, self.size.load(Ordering::Relaxed)) })
    }

    /// A time is kept if no request was needed yet; owner and mode are not kept at all (A16-03).
    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(written) = written.as_mut() else {
            return if attributes.size.is_some() { Err(over()) } else { Ok(()) };
        };
        if let Some(size) = attributes.size {
            written.set_size(size)?;
            self.size.store(written.size(), Ordering::Relaxed);
        }
        if let Some((_, modified)) = attributes.times {
            written.set_modified(modified);
        }
        Ok(())
    }

    /// What is written is stored when the upload is finished: before that there is no file, and success would promise one.
    async fn sync(&self) -> Result<(), StorageError> {
        Err(unsupported("object storage has a file when it is closed, and not before: it cannot be synchronized"))
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
        self.size.store(written.size(), Ordering::Relaxed);
        self.put_back(written);
        outcome
    }

    async fn replaces(&self) -> Option<Metadata> {
        if let Some(ended) = self.ended().await {
            return ended.ok().flatten();
        }
        if self.store_can_tell() {
            return None;
        }
        let found = self.look().await.ok()?;
        *self.replaces.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        found
    }

    async fn show(&self) -> Result<Shown, StorageError> {
        Ok(Shown { host_path: self.bucket.url_of(&self.key).into(), file: None })
    }

    async fn finish(&self) -> Result<Finished, StorageError> {
        let can_tell = self.store_can_tell();
        let mut written = self.take().ok_or_else(over)?;
        if let Err(error) = written.prepare_end().await {
            written.abandon().await;
            drop(self.take_claim());
            return Err(error);
        }
        let asked = self.replaces.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (bucket, key, must_be_new) = (self.bucket.clone(), self.key.clone(), self.must_be_new);
        let claimed = self.take_claim();
        let (sender, ending) = watch::channel(None);
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending.clone());
        tokio::spawn(async move {
            let _making = bucket.missing.making(&key);
            let turn = match &claimed {
                Some(claimed) => claimed.turn().await,
                None => None,
            };
            let ended = match bucket.require_above(&key).await {
                Ok(()) if can_tell => written.put_where_free().await,
                Ok(()) => name(&bucket, &key, written, must_be_new, asked).await,
                // A name above has become that of a file since the upload began.
                Err(error) => {
                    written.abandon().await;
                    Err(error)
                }
            };
            bucket.forget_directory(&key);
            // The client may use the name at once.
            drop((turn, claimed));
            sender.send_replace(Some(ended));
        });
        Ok(Finished::Named { replaced: outcome(ending).await? })
    }

    async fn abandon(&self) -> Option<Metadata> {
        if let Some(written) = self.take() {
            written.abandon().await;
            drop(self.take_claim());
            return None;
        }
        self.ended().await?.ok()?;
        Some(self.bucket.uploaded(&self.key, self.size.load(Ordering::Relaxed)))
    }

    fn discard(&self) {
        drop((self.take(), self.take_claim()));
    }
}

#[cfg(test)]
mod tests;
