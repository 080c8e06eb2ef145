//! The port to file trees. Implementations keep every operation inside the tree by the operating
//! system's means, not by comparing strings (A5-03).
//!
//! A storage says by [`Capabilities`] what it can do. Files are read through [`StorageFile`]. They
//! are written under their name ([`FileInPlace`]), or beside it until they are complete
//! ([`Upload`]): the atomic upload modes and object stores know only the latter.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::path::VirtualPath;

/// Opens file trees from their descriptions.
#[async_trait]
pub trait StorageFactory: Send + Sync {
    /// # Errors
    /// With the place in words, if it is missing and may not be made, or cannot be reached.
    async fn open(&self, tree: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError>;
}

/// A file system, and others at places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeDescription {
    pub root: FileSystem,
    /// None is inside another.
    pub mounts: Vec<MountDescription>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountDescription {
    /// Its place in the tree; not the root.
    pub at: VirtualPath,
    pub file_system: FileSystem,
}

/// Where a file system is, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    pub location: Location,
    /// User and group of new files; 0 leaves the server's own (A5-16).
    pub owner: (u32, u32),
    /// Whether its root is made if it is missing (A4-11).
    pub make_missing: bool,
}

/// What a file system is kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of the server's host: an absolute path.
    Directory(String),
}

/// What a storage can do at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Files are written under their name, anywhere in them ([`Storage::open_in_place`]).
    pub in_place: bool,
    /// New files, and those that are emptied first, get their name when they are complete
    /// ([`Storage::begin_upload`]).
    pub uploads: Uploads,
}

/// In what order an upload may be written that gets its name when it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploads {
    /// There are none: all files are written in place.
    None,
    AnyOrder,
    /// From the first byte to the last; other writes fail with `Unsupported`.
    Sequential,
}

/// A tree of files, rooted at `/`.
#[async_trait]
pub trait Storage: Send + Sync {
    /// What keeps the files at `path`: `local`, `memory`, `s3`, …
    fn kind(&self, path: &VirtualPath) -> &'static str;

    fn capabilities(&self, path: &VirtualPath) -> Capabilities;

    /// What the operating system calls the path; for logs and hooks.
    fn host_path(&self, path: &VirtualPath) -> String;

    /// The place of a directory on the host, without links; for programs of the host.
    ///
    /// # Errors
    /// `Unsupported`: the files are not on this host.
    async fn real_path(&self, _path: &VirtualPath) -> Result<PathBuf, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "the files are not on this host"))
    }

    /// Opens a file to be read. Directories can be opened; they have metadata and no content.
    async fn open(&self, path: &VirtualPath) -> Result<Box<dyn StorageFile>, StorageError>;

    /// Opens a file to be written under its name, as open(2) does.
    ///
    /// # Errors
    /// `AlreadyExists` if it must be new, `IsADirectory`; `Unsupported` without the
    /// [capability](Capabilities::in_place).
    async fn open_in_place(
        &self,
        _path: &VirtualPath,
        _options: OpenOptions,
    ) -> Result<Box<dyn FileInPlace>, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "files of this storage cannot be changed in place"))
    }

    /// Begins a file that is to be made, or to replace all of an existing one: `options` create or
    /// truncate.
    ///
    /// # Errors
    /// `AlreadyExists` if it must be new, `IsADirectory`; `Unsupported` without the
    /// [capability](Capabilities::uploads).
    async fn begin_upload(&self, _path: &VirtualPath, _options: OpenOptions) -> Result<Box<dyn Upload>, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "files of this storage are written in place"))
    }

    /// Follows symbolic links.
    async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError>;

    /// Of the link itself.
    async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError>;

    async fn read_directory(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, StorageError>;

    async fn create_directory(&self, path: &VirtualPath, mode: Option<u32>) -> Result<(), StorageError>;

    async fn remove_directory(&self, path: &VirtualPath) -> Result<(), StorageError>;

    /// Gives what had the name.
    async fn remove_file(&self, path: &VirtualPath) -> Result<Metadata, StorageError>;

    async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError>;

    async fn hard_link(&self, existing: &VirtualPath, new: &VirtualPath) -> Result<(), StorageError>;

    /// `target` as the client wrote it; an absolute one means the tree's root.
    async fn create_symlink(&self, target: &[u8], link: &VirtualPath) -> Result<(), StorageError>;

    /// The text as it was written.
    async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, StorageError>;

    /// Where a path leads without links; `follow`: also that of the last name.
    async fn canonical(&self, path: &VirtualPath, follow: bool) -> Result<Canonical, StorageError>;

    /// The same tree, in which a link on the way is an error: a path that was found to have none
    /// has none when it is used. None: there are no links at all.
    fn without_links(&self) -> Option<Arc<dyn Storage>> {
        None
    }

    async fn set_attributes(
        &self,
        path: &VirtualPath,
        attributes: &SetAttributes,
        follow: bool,
    ) -> Result<(), StorageError>;

    async fn space(&self, path: &VirtualPath) -> Result<Space, StorageError>;

    /// The names of owners as the storage's host knows them.
    fn user_name(&self, uid: u32) -> Option<String>;
    fn group_name(&self, gid: u32) -> Option<String>;
}

/// An open file.
#[async_trait]
pub trait StorageFile: Send + Sync {
    /// Appends up to `length` bytes from `offset` to `buffer`; 0 at the end of the file.
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError>;

    async fn metadata(&self) -> Result<Metadata, StorageError>;

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError>;

    /// Returns when what was written is on the disk.
    async fn sync(&self) -> Result<(), StorageError>;

    async fn space(&self) -> Result<Space, StorageError>;
}

/// A file that is written under its name. Dropped without [`approve`](FileInPlace::approve), one
/// that was opened [provisionally](OpenOptions::provisional) takes back what it wrote.
#[async_trait]
pub trait FileInPlace: StorageFile {
    /// Writes all of `data` before it answers.
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError>;

    /// What was written stays.
    fn approve(&self);

    /// Takes back what was written. Never waits.
    fn discard(&self, what: Discard);
}

/// A file that has no name until it is [finished](Upload::finish). Dropping it before abandons it.
#[async_trait]
pub trait Upload: StorageFile {
    /// Takes all of `data` before it answers.
    ///
    /// # Errors
    /// `Unsupported` if `offset` is not where the last write ended and the storage takes uploads
    /// [in sequence](Uploads::Sequential) only.
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError>;

    /// What finishing it now would replace.
    async fn replaces(&self) -> Option<Metadata>;

    /// Lets programs of the host, and hooks, look at it while it has no name.
    async fn show(&self) -> Result<Shown, StorageError>;

    /// Gives it its name, for good. Nothing is acknowledged before this.
    ///
    /// # Errors
    /// `AlreadyExists` if it must be new; it is abandoned then.
    async fn finish(&self) -> Result<Finished, StorageError>;

    /// Ends it without success, as dropping it would; gives what is kept under the name after all
    /// (A5-11).
    async fn abandon(&self) -> Option<Metadata>;

    /// Ends it, and keeps nothing. Never waits.
    fn discard(&self);
}

/// A file that is open to be written, in one way or the other.
pub enum Writing {
    InPlace(Box<dyn FileInPlace>),
    Upload(Box<dyn Upload>),
}

impl Writing {
    pub fn file(&self) -> &dyn StorageFile {
        match self {
            Self::InPlace(file) => &**file,
            Self::Upload(upload) => &**upload,
        }
    }

    /// None: it is written under its name.
    pub fn as_upload(&self) -> Option<&dyn Upload> {
        match self {
            Self::InPlace(_) => None,
            Self::Upload(upload) => Some(&**upload),
        }
    }

    pub async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        match self {
            Self::InPlace(file) => file.write_at(offset, data).await,
            Self::Upload(upload) => upload.write_at(offset, data).await,
        }
    }

    /// Takes back what was written; of an upload, all.
    pub fn discard(&self, what: Discard) {
        match self {
            Self::InPlace(file) => file.discard(what),
            Self::Upload(upload) => upload.discard(),
        }
    }
}

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// It has its name; `replaced`: what had it before.
    Named { replaced: Option<Metadata> },
    /// A program that was [shown](Upload::show) it has taken it away.
    TakenAway,
}

/// An upload without a name, as others may see it.
pub struct Shown {
    /// What the operating system calls it; clients cannot use that name.
    pub host_path: String,
    pub file: Box<dyn StorageFile>,
}

/// What is taken back of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// The file, with what it had before.
    Everything,
    /// What was written since it was opened [provisionally](OpenOptions::provisional), as far
    /// as that can be told from what it had before; otherwise everything.
    Written,
}

/// The entries of a directory, a portion at a time.
#[async_trait]
pub trait DirectoryReader: Send + Sync {
    /// The next entries, at most `max`; empty at the end. Includes `.` and `..`.
    async fn next_entries(&mut self, max: usize) -> Result<Vec<DirectoryEntry>, StorageError>;

    /// Why entries that are there were not given; none: all were.
    fn passed_over(&self) -> Option<StorageError>;
}

#[derive(Debug, Clone)]
pub struct DirectoryEntry {
    pub name: Vec<u8>,
    pub metadata: Metadata,
}

/// How a file is opened; `truncate`, `create` and `exclusive` are for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenOptions {
    pub read: bool,
    pub write: bool,
    pub append: bool,
    pub create: bool,
    pub truncate: bool,
    pub exclusive: bool,
    /// A hook decides about it at its end (B10-08): whatever ends it before it is finished,
    /// `kill -9` included, what was written is taken back.
    pub provisional: bool,
    /// Of a new file, before the umask.
    pub mode: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    pub kind: FileKind,
    pub size: u64,
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub accessed: i64,
    pub modified: i64,
    pub links: u64,
    pub id: FileId,
}

/// Which file it is, under whatever name: unique among all storages of a server. Object stores
/// have the hash of a key, file systems device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FileId(u128);

impl FileId {
    pub const fn new(id: u128) -> Self {
        Self(id)
    }
}

/// How the names begin that storage gives to uploads that are not complete.
pub const TEMPORARY_PREFIX: &[u8] = b".tidegate-upload.";

/// What to change; absent fields stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttributes {
    pub size: Option<u64>,
    /// Permission bits.
    pub mode: Option<u32>,
    pub owner: Option<(u32, u32)>,
    /// Access and modification time, seconds since 1970.
    pub times: Option<(i64, i64)>,
}

impl SetAttributes {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A path without links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    pub path: VirtualPath,
    /// A name above the last one is missing: what follows it is only text.
    pub lacks_parent: bool,
}

/// Of the file system below a path, as in `statvfs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub block_size: u64,
    pub fragment_size: u64,
    pub blocks: u64,
    pub blocks_free: u64,
    pub blocks_available: u64,
    pub files: u64,
    pub files_free: u64,
    pub files_available: u64,
    pub id: u64,
    pub flags: u64,
    pub name_max: u64,
}

/// Why an operation failed, in the classes that protocols tell apart (A5-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    NotFound,
    PermissionDenied,
    AlreadyExists,
    NotADirectory,
    IsADirectory,
    NotEmpty,
    NameTooLong,
    NoSpace,
    ReadOnly,
    Loop,
    CrossDevice,
    Unsupported,
    Invalid,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageError {
    pub kind: StorageErrorKind,
    pub message: String,
}

impl StorageError {
    pub fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StorageError {}
