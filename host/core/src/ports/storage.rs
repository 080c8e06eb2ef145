//! The port to a file tree. Implementations keep every operation inside the tree by the
//! operating system's means, not by comparing strings (A5-03).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::path::VirtualPath;

/// A tree of files, rooted at `/`.
#[async_trait]
pub trait Storage: Send + Sync {
    /// `local`, `s3`, …
    fn kind(&self) -> &'static str;

    /// What the operating system calls the path; for logs and hooks.
    fn host_path(&self, path: &VirtualPath) -> String;

    /// The place of a directory on the host, without links; for programs of the host.
    fn real_path(&self, _path: &VirtualPath) -> Result<PathBuf, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "the files are not on this host"))
    }

    async fn open(&self, path: &VirtualPath, options: OpenOptions) -> Result<Box<dyn StorageFile>, StorageError>;

    /// Opens a file that is not there yet: most uploads are of one, and then nothing has to be
    /// looked at before. None: something has the name, or it takes [`open`](Storage::open).
    async fn create_new(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<Option<Box<dyn StorageFile>>, StorageError>;

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

/// An open file. Dropping it without [`finish`](StorageFile::finish) abandons an upload that
/// gets its name only then.
#[async_trait]
pub trait StorageFile: Send + Sync {
    /// Appends up to `length` bytes from `offset` to `buffer`; 0 at the end of the file.
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError>;

    /// Writes all of `data` before it answers.
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError>;

    async fn metadata(&self) -> Result<Metadata, StorageError>;

    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError>;

    async fn sync(&self) -> Result<(), StorageError>;

    async fn space(&self) -> Result<Space, StorageError>;

    /// Whether the file gets its name only when it is finished.
    fn is_unnamed(&self) -> bool {
        false
    }

    /// What an upload without a name will replace, under the lock of names.
    async fn replaces(&self) -> Option<Metadata> {
        None
    }

    /// Ends an upload that failed, as dropping it would; says what is kept of one that had no
    /// name before. `discard`: nothing is to be kept.
    async fn abandon(&self, _discard: bool) -> Option<Metadata> {
        None
    }

    /// Lets programs of the host, and hooks, look at an upload that has no name yet. None: it
    /// has its name.
    async fn show(&self) -> Result<Option<Shown>, StorageError> {
        Ok(None)
    }

    /// Takes back what an upload wrote. Never waits.
    fn discard(&self, _what: Discard) {}

    /// Makes an upload visible under its name, and final. Nothing is acknowledged before this.
    /// False: a program that was shown it has taken it away.
    async fn finish(&self) -> Result<bool, StorageError>;
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

/// Which file it is, under whatever name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
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
