//! Lists a directory page by page: what is kept does not grow with it.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use opendal::{Entry, Lister};
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{DirectoryEntry, DirectoryReader, Metadata, StorageError, StorageErrorKind};

use crate::errors::{failed, from_store, not_found};
use crate::key::Key;
use crate::object::Bucket;
use crate::patience::bounded;
use crate::repetition::{Repetition, repeated};

/// How many names are remembered, so that an object `d` and the directory of `d/x` are one name.
const REMEMBERED: usize = 2048;

/// A directory that is being listed.
pub struct S3Directory {
    bucket: Arc<Bucket>,
    key: Key,
    /// Only ever used through `&mut`: the lister cannot be shared.
    lister: Mutex<Lister>,
    /// The entries `.` and `..`, until they were given out.
    own: Vec<DirectoryEntry>,
    /// The first entry, which showed that there is such a directory.
    first: Option<Entry>,
    seen: Seen,
    repetition: Repetition,
    /// The names of directories that the store does not keep, without those that it has listed all the same.
    unkept: BTreeSet<Vec<u8>>,
    nameless: u64,
}

/// The names that were given out, as far as they may come again. What is kept does not grow with the directory.
#[derive(Default)]
struct Seen {
    /// The last names: the order of a page is not that of the list.
    names: HashSet<Vec<u8>>,
    order: VecDeque<Vec<u8>>,
    /// The files with whose names those of all later files have begun. In an ordered list `d-1` to `d-9999` come between `d`
    /// and the directory of `d/x`, however many they are.
    begun: Vec<Vec<u8>>,
}

impl Seen {
    /// Remembers a name; false: it was there already.
    fn is_new(&mut self, name: &[u8], is_directory: bool) -> bool {
        let was_begun = self.begun.iter().any(|file| file == name);
        if !is_directory {
            self.begun.retain(|file| name.starts_with(file));
            if self.begun.last().is_none_or(|file| file != name) {
                self.begun.push(name.to_vec());
            }
        }
        if was_begun || !self.names.insert(name.to_vec()) {
            return false;
        }
        self.order.push_back(name.to_vec());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
        true
    }
}

impl S3Directory {
    /// Opens a directory.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, or the store failed.
    pub async fn open(bucket: Arc<Bucket>, path: &VirtualPath, key: Key) -> Result<Self, StorageError> {
        let lister = bucket.operator.lister(&key.directory()).await;
        let mut lister = lister.map_err(|error| from_store(&error))?;
        let first = lister.try_next().await.map_err(|error| from_store(&error))?;
        if first.is_none() && !key.is_root() {
            if bucket.has_file(&key).await? {
                return Err(failed(StorageErrorKind::NotADirectory, "is not a directory"));
            }
            if !bucket.unkept.has(&key) {
                return Err(not_found());
            }
        }
        let above = bucket.directory(&bucket.key(&path.parent())?);
        let entry = |name: &[u8], metadata: Metadata| DirectoryEntry { name: name.to_vec(), metadata };
        let own = vec![entry(b".", bucket.directory(&key)), entry(b"..", above)];
        let (lister, seen, repetition) = (Mutex::new(lister), Seen::default(), Repetition::default());
        let unkept = bucket.unkept.names_in(&key);
        Ok(Self { bucket, key, lister, own, first, seen, repetition, unkept, nameless: 0 })
    }

    /// What clients see of a listed key; none: no name leads there, or the name was there already.
    fn entry(&mut self, listed: &Entry) -> Option<DirectoryEntry> {
        if self.key.is_marker(listed.path()) {
            return None;
        }
        let Some((name, is_directory)) = self.key.name_of(listed.path()) else {
            self.nameless += 1;
            return None;
        };
        let name = name.as_bytes().to_vec();
        self.unkept.remove(&name);
        if !self.seen.is_new(&name, is_directory) {
            return None;
        }
        let text = format!("/{}", listed.path());
        let metadata = match is_directory {
            true => self.bucket.directory_at(&text),
            false => self.bucket.file(&text, listed.metadata()),
        };
        Some(DirectoryEntry { name, metadata })
    }
}

#[async_trait]
impl DirectoryReader for S3Directory {
    async fn next_entries(&mut self, max: usize) -> Result<Vec<DirectoryEntry>, StorageError> {
        if !self.own.is_empty() {
            return Ok(std::mem::take(&mut self.own));
        }
        let mut entries = Vec::new();
        while entries.len() < max.max(1) {
            let next = match self.first.take() {
                Some(first) => Some(first),
                None => {
                    let lister = self.lister.get_mut().unwrap_or_else(PoisonError::into_inner);
                    let next = async { lister.try_next().await.map_err(|error| from_store(&error)) };
                    bounded("listing a directory", next).await?
                }
            };
            let Some(next) = next else { break };
            if self.repetition.is_seen_in(next.path()) {
                return Err(repeated());
            }
            entries.extend(self.entry(&next));
        }
        while entries.len() < max.max(1) {
            let Some(name) = self.unkept.pop_first() else { break };
            let text = format!("{}{}/", self.key.directory(), String::from_utf8_lossy(&name));
            entries.push(DirectoryEntry { metadata: self.bucket.directory_at(&text), name });
        }
        Ok(entries)
    }

    fn passed_over(&self) -> Option<StorageError> {
        None
    }

    fn nameless(&self) -> u64 {
        self.nameless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_new_once_and_little_is_remembered() {
        let mut seen = Seen::default();
        for page in 0..100 {
            // Directories come first on a page.
            for number in page * 1000..(page + 1) * 1000 {
                assert!(seen.is_new(format!("d-{number:06}").as_bytes(), true), "{number}");
            }
            assert_eq!(seen.is_new(b"d", false), page == 0);
            for number in page * 1000..(page + 1) * 1000 {
                assert!(seen.is_new(format!("d-{number:06}.txt").as_bytes(), false), "{number}");
            }
            assert!(seen.names.len() <= REMEMBERED && seen.order.len() <= REMEMBERED && seen.begun.len() <= 2);
        }
        assert!(!seen.is_new(b"d", true), "the object and the directory are one name");
        assert!(seen.is_new(b"e", false) && seen.begun.len() == 1);
        assert!(!seen.is_new(b"e", true) && seen.is_new(b"f", true));
    }
}
