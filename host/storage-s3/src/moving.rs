//! Renames: a copy inside the store, and then the removal of the old object. Nothing of it is atomic (A16-04).

use futures_util::TryStreamExt;
use futures_util::future::join;
use opendal::options::{CopyOptions, ListOptions};
use tidegate_core::ports::storage::{FileKind, StorageError, StorageErrorKind};

use crate::claims::Kind;
use crate::errors::{failed, from_store, unsupported};
use crate::key::Key;
use crate::object::Bucket;
use crate::patience::bounded;

/// Objects from this size on are copied in parts, in bytes.
const PART: usize = 64 << 20;
/// The most parts of a copy, with some room for sizes that are no multiple.
const PARTS: u64 = 9_000;
/// How many parts are copied at once.
const CONCURRENT: usize = 4;

impl Bucket {
    /// Renames a file or directory.
    ///
    /// # Errors
    /// Those of `Storage::rename`; `Unsupported` for a directory that is not empty, or has too many objects.
    pub async fn rename(&self, from: &Key, to: &Key, replace: bool) -> Result<(), StorageError> {
        if from.is_root() || to.is_root() {
            return Err(failed(StorageErrorKind::Other, "the root cannot be changed"));
        }
        let _making = self.missing.making(to);
        let moved = bounded("looking for a file", self.find(from)).await?;
        let is_directory = moved.metadata.kind == FileKind::Directory;
        let _claimed = if from.file() == to.file() {
            None
        } else {
            Some(self.claim(to, if is_directory { Kind::Directory } else { Kind::File })?)
        };
        let looked = async { Ok(join(self.find(to), self.require_above(to)).await) };
        let (existing, may_be_made) = bounded("looking for a file", looked).await?;
        let existing = match existing {
            Ok(found) => Some(found.metadata.kind),
            Err(error) if error.kind == StorageErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if existing.is_none() {
            may_be_made?;
        }
        if existing.is_some() && !replace {
            return Err(failed(StorageErrorKind::AlreadyExists, "the file exists already"));
        }
        // Keys of two trees in one bucket, which may be one inside the other, are not equal with different roots.
        if from.file() == to.file() {
            return Ok(());
        }
        if is_directory && to.directory().starts_with(&from.directory()) {
            return Err(failed(StorageErrorKind::Invalid, "a directory cannot be moved into itself"));
        }
        match (is_directory, existing) {
            (true, Some(FileKind::File)) => Err(failed(StorageErrorKind::NotADirectory, "is not a directory")),
            (false, Some(FileKind::Directory)) => Err(failed(StorageErrorKind::IsADirectory, "is a directory")),
            (true, Some(_)) if !self.is_empty(to).await? => {
                Err(failed(StorageErrorKind::NotEmpty, "the directory is not empty"))
            }
            (true, _) => {
                let outcome = self.rename_directory(from, to).await;
                self.forget_directory(to);
                outcome
            }
            (false, _) => {
                let outcome = self.copy(from.file(), to.file(), moved.metadata.size).await;
                self.forget_directory(to);
                outcome?;
                self.remove_if_unchanged(from, moved.etag.as_deref()).await
            }
        }
    }

    /// Whether a directory has nothing but its marker.
    ///
    /// # Errors
    /// The store failed.
    pub async fn is_empty(&self, key: &Key) -> Result<bool, StorageError> {
        let keys = self.keys_below(key, 1).await?;
        Ok(keys.is_some_and(|keys| keys.iter().all(|listed| key.is_marker(listed))))
    }

    /// Removes an object or marker. `text`: its key, with a `/` before it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn remove(&self, text: &str) -> Result<(), StorageError> {
        let removed = async { self.operator.delete(text).await.map_err(|error| from_store(&error)) };
        bounded("removing an object", removed).await
    }

    async fn copy(&self, from: &str, to: &str, size: u64) -> Result<(), StorageError> {
        let part = usize::try_from(size / PARTS).unwrap_or(usize::MAX).max(PART);
        let options = CopyOptions { concurrent: CONCURRENT, chunk: Some(part), ..CopyOptions::default() };
        self.operator.copy_options(from, to, options).await.map(drop).map_err(|error| from_store(&error))
    }

    /// Removes an object that was copied, unless it was replaced since: that one would be lost.
    async fn remove_if_unchanged(&self, key: &Key, etag: Option<&str>) -> Result<(), StorageError> {
        match self.find_file(key).await? {
            Some(now) if now.etag.as_deref() == etag => self.remove(key.file()).await,
            None => Ok(()),
            Some(_) => {
                let text = "the file was replaced while it was renamed: it has both names now";
                Err(failed(StorageErrorKind::Other, text))
            }
        }
    }

    async fn rename_directory(&self, from: &Key, to: &Key) -> Result<(), StorageError> {
        let (old, new) = (from.directory(), to.directory());
        let limit = self.rename_limit;
        let Some(keys) = self.keys_below(from, limit.max(1)).await? else {
            let text = match limit {
                0 => {
                    "object storage would have to copy every file, and rename_mode of the storage is 0: only files and \
                      empty directories are renamed"
                        .to_owned()
                }
                _ => format!("object storage would have to copy every file: more than {limit} are not renamed at once"),
            };
            return Err(unsupported(&text));
        };
        if limit == 0 && keys.iter().any(|key| !from.is_marker(key)) {
            return Err(unsupported("object storage renames files and empty directories only"));
        }
        let mut moved = Vec::with_capacity(keys.len());
        for key in keys {
            let source = format!("/{key}");
            let Some(below) = source.strip_prefix(&old) else { continue };
            let target = format!("{new}{below}");
            match source.ends_with('/') {
                true => {
                    let made = async { self.operator.create_dir(&target).await.map_err(|error| from_store(&error)) };
                    bounded("making a directory", made).await?;
                }
                false => {
                    let found = async { self.operator.stat(&source).await.map_err(|error| from_store(&error)) };
                    let size = bounded("looking for a file", found).await?.content_length();
                    self.copy(&source, &target, size).await?;
                }
            }
            moved.push(source);
            if moved.len().is_multiple_of(1000) {
                let message = format!("renaming a directory in object storage: {} objects are copied", moved.len());
                tracing::info!(sender = "s3", message);
            }
        }
        // Only when all are there: a rename that breaks off loses nothing.
        for source in moved {
            self.remove(&source).await?;
        }
        Ok(())
    }

    /// The keys in and below a directory, its marker among them; none: there are more than `limit` besides that.
    async fn keys_below(&self, key: &Key, limit: usize) -> Result<Option<Vec<String>>, StorageError> {
        let options = ListOptions { recursive: true, ..ListOptions::default() };
        let options = if limit < 100 { ListOptions { limit: Some(limit + 1), ..options } } else { options };
        let lister = self.operator.lister_options(&key.directory(), options).await;
        let mut lister = lister.map_err(|error| from_store(&error))?;
        let mut keys = Vec::new();
        loop {
            let next = async { lister.try_next().await.map_err(|error| from_store(&error)) };
            let Some(entry) = bounded("listing a directory", next).await? else { break };
            keys.push(entry.path().to_owned());
            if keys.len() > limit + 1 {
                return Ok(None);
            }
        }
        Ok(Some(keys))
    }
}
