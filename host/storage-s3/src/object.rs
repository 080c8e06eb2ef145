//! A bucket, and what its objects are to clients.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt;
use opendal::options::ListOptions;
use opendal::{ErrorKind, Operator};
use sha2::{Digest, Sha256};
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileId, FileKind, Metadata, Space, StorageError, StorageErrorKind};

use crate::above::Directories;
use crate::budget::AccountBudget;
use crate::claims::{Claimed, Claims, Kind};
use crate::counted::has_failed;
use crate::errors::{failed, from_store, not_found};
use crate::key::{Key, KeyPrefix};
use crate::listed::{Expectation, Listed};
use crate::missing::MissingNames;
use crate::patience::bounded;
use crate::unkept::Unkept;

const FILE: u32 = 0o100_644;
const DIRECTORY: u32 = 0o040_755;
/// What `df` shows, since buckets have no size: 8 EiB less a little, in blocks of 4 KiB.
const BLOCKS: u64 = 1 << 50;
const BLOCK: u64 = 4096;
/// The key of an object's metadata that has its time of change, in rclone's format: seconds with decimals.
pub const MODIFIED: &str = "mtime";
/// The key of an object's metadata that has a random number of the upload that made it. A request that is repeated because
/// its answer was lost may meet what it has stored itself.
pub const UPLOAD: &str = "tidegate-upload";

/// A part of a bucket that is a file tree.
pub struct Bucket {
    /// The operations on the whole bucket.
    pub operator: Operator,
    /// The same, with each request made once.
    pub once: Operator,
    /// What the keys begin with.
    pub prefix: KeyPrefix,
    /// The bucket as a URL, for logs and hooks.
    pub url: String,
    /// Says which bucket of which store it is.
    pub identity: String,
    /// The numbers of user and group that all files seem to have.
    pub owner: (u32, u32),
    /// The memory that it shares with others.
    pub budget: AccountBudget,
    /// The size of the first parts of uploads, in bytes.
    pub part_size: usize,
    /// The most parts that an upload sends at once.
    pub concurrency: usize,
    /// The most objects that the rename of a directory moves; 0: only empty directories are renamed.
    pub rename_limit: usize,
    /// Whether the store was seen to refuse requests with conditions.
    pub refuses_conditions: AtomicBool,
    /// Whether the store was seen to keep a directory without files.
    pub keeps_directories: AtomicBool,
    /// Names that did not exist a moment ago.
    pub missing: MissingNames,
    /// Names that were known a moment ago not to be files.
    pub directories: Arc<Directories>,
    /// Directories that the store does not keep.
    pub unkept: Arc<Unkept>,
    /// Names that are being made.
    pub claims: Arc<Claims>,
    /// Whether the next lookup is expected to find nothing.
    pub expectation: Expectation,
}

/// An object or directory that was found.
pub struct Found {
    /// The attributes that clients see.
    pub metadata: Metadata,
    /// The version of the object; none: it is a directory, or the store has none.
    pub etag: Option<String>,
    /// The [upload](UPLOAD) that has stored it.
    pub upload: Option<String>,
}

/// What was found by asking for an object.
enum Asked {
    Object(Found),
    NoObject,
    /// The store fails for the object, and lists a directory, or one is remembered.
    Directory,
}

impl Bucket {
    /// The key of a path.
    ///
    /// # Errors
    /// `Invalid`, `NameTooLong`: no object can have that name.
    pub fn key(&self, path: &VirtualPath) -> Result<Key, StorageError> {
        self.prefix.key(path)
    }

    /// The name of a key among those of all buckets of all stores.
    pub fn place(&self, key: &Key) -> String {
        format!("{}\0{}", self.identity, key.file())
    }

    /// Begins to make a file or a directory.
    ///
    /// # Errors
    /// Another session makes something that would not fit into one tree with it.
    pub fn claim(&self, key: &Key, kind: Kind) -> Result<Claimed, StorageError> {
        self.claims.claim(self.place(key), kind)
    }

    /// The URL of an object.
    pub fn url_of(&self, key: &Key) -> String {
        format!("{}{}", self.url, key.file())
    }

    /// Finds the object, or else the directory, that has the key.
    ///
    /// # Errors
    /// `NotFound`, or the store failed.
    pub async fn find(&self, key: &Key) -> Result<Found, StorageError> {
        let directory = || Found { metadata: self.directory(key), etag: None, upload: None };
        if key.is_root() {
            return Ok(directory());
        }
        if self.unkept.has(key) {
            self.expectation.found(true);
            // Another program may have stored a file there.
            return match self.ask(key).await? {
                Asked::Object(found) => Ok(found),
                Asked::NoObject | Asked::Directory => Ok(directory()),
            };
        }
        let found = match self.listed(key).await {
            Some(Listed::Nothing) => None,
            Some(Listed::Directory) => Some(directory()),
            Some(Listed::File) | None => match self.ask(key).await? {
                Asked::Object(found) => Some(found),
                Asked::NoObject => self.is_directory(&self.operator, key).await?.then(directory),
                Asked::Directory => Some(directory()),
            },
        };
        self.expectation.found(found.is_some());
        found.ok_or_else(not_found)
    }

    /// Asks for the object that has the key. Some stores fail where that is a directory to them, with or without anything in
    /// it: before the request is repeated, what they list decides. So it does where all requests of a while were such ones,
    /// and the store seems to fail at everything.
    async fn ask(&self, key: &Key) -> Result<Asked, StorageError> {
        let found = match self.once.stat(key.file()).await {
            Err(error) if has_failed(&error) && self.unkept.has(key) => return Ok(Asked::Directory),
            Err(error) if has_failed(&error) => match self.listed_instead(key).await {
                Some(Listed::Directory) => return Ok(Asked::Directory),
                Some(Listed::Nothing) => match self.once.stat(key.file()).await {
                    // Whatever the store fails for, it has no such object.
                    Err(error) if has_failed(&error) => None,
                    answer => self.found_file(key, answer)?,
                },
                Some(Listed::File) | None => self.find_file(key).await?,
            },
            answer => self.found_file(key, answer)?,
        };
        Ok(found.map_or(Asked::NoObject, Asked::Object))
    }

    /// Whether a file has the key. False: a directory has it, or nothing.
    ///
    /// # Errors
    /// The store failed.
    pub async fn has_file(&self, key: &Key) -> Result<bool, StorageError> {
        Ok(matches!(bounded("looking for a file", self.ask(key)).await?, Asked::Object(_)))
    }

    /// What clients see of what has the key. That nothing has it is remembered for an upload that begins soon.
    ///
    /// # Errors
    /// `NotFound`, or the store failed.
    pub async fn look(&self, key: &Key) -> Result<Metadata, StorageError> {
        let lookup = self.missing.look(key);
        let outcome = self.find(key).await;
        if matches!(&outcome, Err(error) if error.kind == StorageErrorKind::NotFound) {
            lookup.found_nothing();
        }
        Ok(outcome?.metadata)
    }

    /// As [`look`](Self::look), for an upload whose request says whether the name is still free: the store is not asked
    /// if nothing had the name a moment ago.
    ///
    /// # Errors
    /// `NotFound`, or the store failed.
    pub async fn look_for_upload(&self, key: &Key) -> Result<Metadata, StorageError> {
        let was_missing = self.missing.has(key) && !self.unkept.has(key);
        if was_missing && !self.refuses_conditions.load(Ordering::Relaxed) {
            return Err(not_found());
        }
        self.look(key).await
    }

    /// Finds the object that has the key; none: there is no such object.
    ///
    /// # Errors
    /// The store failed.
    pub async fn find_file(&self, key: &Key) -> Result<Option<Found>, StorageError> {
        if key.is_root() {
            return Ok(None);
        }
        let found = async { self.found_file(key, self.operator.stat(key.file()).await) };
        bounded("looking for a file", found).await
    }

    /// What an answer says of the object that has the key.
    fn found_file(&self, key: &Key, answer: opendal::Result<opendal::Metadata>) -> Result<Option<Found>, StorageError> {
        match answer {
            Ok(found) => {
                let mut metadata = self.file(key.file(), &found);
                if let Some(set) = found.user_metadata().and_then(|all| all.get(MODIFIED).and_then(seconds)) {
                    (metadata.modified, metadata.accessed) = (set, set);
                }
                metadata.version = found.etag().map_or(0, number_of);
                let upload = found.user_metadata().and_then(|all| all.get(UPLOAD).map(str::to_owned));
                Ok(Some(Found { metadata, etag: found.etag().map(str::to_owned), upload }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(from_store(&error)),
        }
    }

    /// Whether there is an object below the key.
    ///
    /// # Errors
    /// The store failed.
    pub async fn is_directory(&self, operator: &Operator, key: &Key) -> Result<bool, StorageError> {
        let options = ListOptions { recursive: true, limit: Some(1), ..ListOptions::default() };
        let lister = operator.lister_options(&key.directory(), options).await;
        let first = lister.map_err(|error| from_store(&error))?.try_next().await;
        Ok(first.map_err(|error| from_store(&error))?.is_some())
    }

    /// Requires that nothing has the name.
    ///
    /// # Errors
    /// `AlreadyExists`, or the store failed.
    pub async fn require_free(&self, key: &Key) -> Result<(), StorageError> {
        match self.find(key).await {
            Ok(_) => Err(failed(StorageErrorKind::AlreadyExists, "the file exists already")),
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What clients see of an object. `text`: its key, with a `/` before it.
    pub fn file(&self, text: &str, found: &opendal::Metadata) -> Metadata {
        let modified = found.last_modified().map_or(0, |time| time.into_inner().as_second());
        Metadata { size: found.content_length(), ..self.of(text, FileKind::File, modified) }
    }

    /// What clients see of a directory.
    pub fn directory(&self, key: &Key) -> Metadata {
        self.directory_at(&key.directory())
    }

    /// What clients see of a directory. `text`: its key, with a `/` before it and one at its end.
    pub fn directory_at(&self, text: &str) -> Metadata {
        self.of(text, FileKind::Directory, 0)
    }

    /// What clients see of a file of this size that an upload makes now.
    pub fn uploaded(&self, key: &Key, size: u64) -> Metadata {
        let now = opendal::raw::Timestamp::now().into_inner().as_second();
        Metadata { size, ..self.of(key.file(), FileKind::File, now) }
    }

    fn of(&self, text: &str, kind: FileKind, modified: i64) -> Metadata {
        let (uid, gid) = self.owner;
        let mode = if kind == FileKind::Directory { DIRECTORY } else { FILE };
        let id = self.id(text);
        Metadata { kind, size: 0, mode, uid, gid, accessed: modified, modified, links: 1, id, version: 0 }
    }

    /// The id of an upload with this number.
    pub fn id_of_upload(&self, key: &Key, number: &str) -> FileId {
        // No key has a NUL.
        self.id(&format!("{}\0{number}", key.file()))
    }

    /// The id of what has a key: the beginning of a hash of store, bucket and key.
    fn id(&self, text: &str) -> FileId {
        let hash = Sha256::new().chain_update(&self.identity).chain_update([0]).chain_update(text).finalize();
        let number = hash.iter().take(16).fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
        FileId::new(number)
    }

    /// The space of a bucket, which has no limit: the account's quota is what counts.
    pub fn space(&self) -> Space {
        Space {
            block_size: BLOCK,
            fragment_size: BLOCK,
            blocks: BLOCKS,
            blocks_free: BLOCKS,
            blocks_available: BLOCKS,
            files: BLOCKS,
            files_free: BLOCKS,
            files_available: BLOCKS,
            id: 0,
            flags: 0,
            name_max: 1024,
        }
    }
}

/// A number that is another one for another version.
fn number_of(etag: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    etag.hash(&mut hasher);
    hasher.finish()
}

/// The whole seconds of a time as rclone writes it.
fn seconds(text: &str) -> Option<i64> {
    text.split('.').next()?.parse().ok()
}
