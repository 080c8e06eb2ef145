//! Renames: a copy inside the store, and then the removal of the old object. Nothing of it is atomic (A16-04).

use futures_util::TryStreamExt;
use futures_util::future::join;
use opendal::ErrorKind;
use opendal::options::{CopyOptions, ListOptions};
use tidegate_core::ports::storage::{FileKind, StorageError, StorageErrorKind};

use crate::claims::Kind;
use crate::copying;
use crate::errors::{failed, from_store, not_found, unsupported};
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
                outcome?;
                if self.unkept.has(from) {
                    self.unkept.rename(from, to);
                    // What the store may still have of it would be in the way.
                    let removed = async { Ok(self.once.delete(&from.directory()).await.is_ok()) };
                    let _ = bounded("removing a directory", removed).await;
                }
                Ok(())
            }
            (false, _) => {
                let outcome = self.copy(from.file(), to.file(), moved.metadata.size).await;
                self.forget_directory(to);
                outcome?;
                match self.remove_if_unchanged(from, moved.etag.as_deref()).await.map_err(half_done)? {
                    true => Ok(()),
                    false => {
                        let text = "the file was replaced while it was renamed: it has both names now";
                        Err(failed(StorageErrorKind::Other, text))
                    }
                }
            }
        }
    }

    /// Removes the marker of a directory that is empty. One that was remembered is forgotten.
    ///
    /// # Errors
    /// The store failed.
    pub async fn remove_marker(&self, key: &Key) -> Result<(), StorageError> {
        let text = key.directory();
        // Where the store keeps no markers it may fail for one that it has not, which is not worth another try.
        let is_removed = self.unkept.has(key) && (self.once.delete(&text).await.is_ok() || self.is_gone(&text).await);
        if !is_removed {
            self.remove(&text).await?;
        }
        self.unkept.forget(key);
        Ok(())
    }

    /// Whether a directory has nothing but its marker.
    ///
    /// # Errors
    /// The store failed.
    pub async fn is_empty(&self, key: &Key) -> Result<bool, StorageError> {
        if self.unkept.has_below(key) {
            return Ok(false);
        }
        let keys = self.keys_below(key, 1).await?;
        Ok(keys.is_some_and(|keys| keys.iter().all(|listed| key.is_marker(listed))))
    }

    /// Removes an object or marker. `text`: its key, with a `/` before it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn remove(&self, text: &str) -> Result<(), StorageError> {
        let removed = async {
            let Err(error) = self.operator.delete(text).await else { return Ok(()) };
            // The store may have done what it says it failed at.
            if error.kind() != ErrorKind::PermissionDenied && self.is_gone(text).await {
                return Ok(());
            }
            Err(from_store(&error))
        };
        bounded("removing an object", removed).await
    }

    /// Whether the store is sure that it has no such object or marker. It is asked once.
    async fn is_gone(&self, text: &str) -> bool {
        if !text.ends_with('/') {
            return self.once.stat(text).await.is_err_and(|error| error.kind() == ErrorKind::NotFound);
        }
        let options = ListOptions { recursive: true, limit: Some(1), ..ListOptions::default() };
        let Ok(mut lister) = self.once.lister_options(text, options).await else { return false };
        matches!(lister.try_next().await, Ok(None))
    }

    async fn copy(&self, from: &str, to: &str, size: u64) -> Result<(), StorageError> {
        let part = usize::try_from(size / PARTS).unwrap_or(usize::MAX).max(PART);
        let options = CopyOptions { concurrent: CONCURRENT, chunk: Some(part), ..CopyOptions::default() };
        copying::copy(&self.operator, from, to, options).await
    }

    /// Removes an object that was copied. False: it was replaced since, and stays, because that one would be lost.
    async fn remove_if_unchanged(&self, key: &Key, etag: Option<&str>) -> Result<bool, StorageError> {
        match self.find_file(key).await? {
            Some(now) if now.etag.as_deref() == etag => self.remove(key.file()).await.map(|()| true),
            Some(_) => Ok(false),
            None => Ok(true),
        }
    }

    async fn rename_directory(&self, from: &Key, to: &Key) -> Result<(), StorageError> {
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
        // Before the first copy: opendal would take another object for one whose key no path leads to.
        let moves = moves(from, to, &keys)?;
        let mut etags = Vec::with_capacity(moves.len());
        for moved in &moves {
            let is_first = etags.is_empty();
            let copied = self.copy_one(moved).await;
            etags.push(copied.map_err(|error| if is_first { error } else { half_done(error) })?);
            if etags.len().is_multiple_of(1000) {
                let message = format!("renaming a directory in object storage: {} objects are copied", etags.len());
                tracing::info!(sender = "s3", message);
            }
        }
        // Only when all are there: a rename that breaks off loses nothing.
        let mut replaced = 0_usize;
        for (moved, etag) in moves.iter().zip(etags) {
            if moved.is_marker {
                self.remove(&moved.from.directory()).await.map_err(half_done)?;
            } else if !self.remove_if_unchanged(&moved.from, etag.as_deref()).await.map_err(half_done)? {
                replaced += 1;
            }
        }
        if replaced > 0 {
            let text =
                format!("{replaced} files were replaced while their directory was renamed: they are in both now");
            return Err(failed(StorageErrorKind::Other, &text));
        }
        Ok(())
    }

    /// Copies an object, and answers its version; none: it is the marker of a directory.
    async fn copy_one(&self, moved: &Move) -> Result<Option<String>, StorageError> {
        if moved.is_marker {
            let to = moved.to.directory();
            let made = async { self.operator.create_dir(&to).await.map_err(|error| from_store(&error)) };
            bounded("making a directory", made).await?;
            return Ok(None);
        }
        let found = self.find_file(&moved.from).await?.ok_or_else(not_found)?;
        self.copy(moved.from.file(), moved.to.file(), found.metadata.size).await?;
        Ok(found.etag)
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

/// The error of a rename of which a part was made, so that it is none of those that say that nothing was.
fn half_done(error: StorageError) -> StorageError {
    let message = format!("what was copied already is there under both names: {}", error.message);
    StorageError { kind: StorageErrorKind::Other, message, ..error }
}

/// An object that gets another key.
struct Move {
    from: Key,
    to: Key,
    /// Whether it is the marker of a directory.
    is_marker: bool,
}

/// Where the objects of a directory go.
///
/// # Errors
/// `Invalid` if no path leads to one of them, `NameTooLong` if none would.
fn moves(from: &Key, to: &Key, listed: &[String]) -> Result<Vec<Move>, StorageError> {
    let below: Vec<_> = listed.iter().filter_map(|listed| from.names_below(listed)).collect();
    let nameless = listed.len().saturating_sub(below.len());
    if nameless > 0 {
        let text = format!(
            "the directory has {nameless} objects whose keys cannot be names of files, so that it is not renamed; rename or \
             remove them with a program of the store"
        );
        return Err(failed(StorageErrorKind::Invalid, &text));
    }
    let moves = below.into_iter().map(|names| -> Result<Move, StorageError> {
        let is_marker = names.is_empty() || names.ends_with('/');
        Ok(Move { from: from.below(names)?, to: to.below(names)?, is_marker })
    });
    moves.collect()
}
