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

/// The last names that were given out.
#[derive(Default)]
struct Seen {
    names: HashSet<Vec<u8>>,
    order: VecDeque<Vec<u8>>,
}

impl Seen {
    /// Remembers a name; false: it was there already.
    fn is_new(&mut self, name: &[u8]) -> bool {
        if !self.names.insert(name.to_vec()) {
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
        if !self.seen.is_new(&name) {
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
