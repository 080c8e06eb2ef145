//! The port to file trees. Implementations keep every operation inside the tree by the operating system's
//! means, not by comparing strings (A5-03).
//!
//! A storage states its [`Capabilities`]. Files are read through [`StorageFile`]. They are written under
//! their name ([`FileInPlace`]), or beside it until they are complete ([`Upload`]): the atomic upload modes
//! and object stores know only the latter.

mod error;
mod metadata;
mod root;
mod tree;
mod writing;

use std::any::Any;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

pub use error::{StorageError, StorageErrorKind};
pub use metadata::{Canonical, FileId, FileKind, Metadata, SetAttributes, Space};
pub use root::{RootCheck, Way};
pub use tree::{FileSystem, Location, MountDescription, S3Location, SftpLocation, TreeDescription};
pub use writing::{Discard, FileInPlace, Finished, Shown, Upload, Writing};

use crate::path::VirtualPath;

/// Opens file trees from their descriptions.
#[async_trait]
pub trait StorageFactory: Send + Sync {
    /// Opens the tree; its root and mounts are made if they are missing and
    /// [may be](FileSystem::make_missing).
    ///
    /// # Errors
    /// If a place is missing and may not be made, or cannot be reached; the message names the place.
    async fn open(&self, tree: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError>;
}

/// What a storage can do at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether files can be written under their name, at any offset ([`Storage::open_in_place`]).
    pub in_place: bool,
    /// In what order uploads can be written that get their name when they are complete
    /// ([`Storage::begin_upload`]); these are new files, and files that are emptied first.
    pub uploads: Uploads,
    /// Whether an upload that breaks off leaves the file that had the name, so that one that does not empty it first
    /// should begin as a copy of it.
    pub keeps_old: bool,
}

/// In what order uploads may be written that get their name when they are complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploads {
    /// There are no such uploads: all files are written in place.
    None,
    /// At any offset, in any order.
    AnyOrder,
    /// From the first byte to the last; other writes fail with `Unsupported`.
    Sequential,
}

/// A tree of files, rooted at `/`. It is [`Any`], so that one can tell whether another is of its own kind.
///
/// # Errors
/// Whatever a method says of its own: `NotFound`, `NotADirectory` and `Loop` of the path, `NameTooLong`, `CrossDevice` if
/// it leads out of the tree, `PermissionDenied` and `ReadOnly` of the host, `Unsupported` for what the storage cannot do
/// at all, `Other` if it does not answer.
#[async_trait]
pub trait Storage: Any + Send + Sync {
    /// The kind of storage that has the files at `path`: `local`, `memory`, `s3`, …
    fn kind(&self, path: &VirtualPath) -> &'static str;

    /// What the storage can do at `path`.
    fn capabilities(&self, path: &VirtualPath) -> Capabilities;

    /// Whether some of the files are on another host, so that an operation may wait for a network.
    fn is_remote(&self) -> bool {
        false
    }

    /// Whether a name in a directory is one that the storage gives uploads that are not complete. Clients neither see nor use
    /// it, and it is not counted.
    fn is_unfinished(&self, _directory: &VirtualPath, name: &[u8]) -> bool {
        name.starts_with(TEMPORARY_PREFIX)
    }

    /// The path on the host, for logs and hooks; symbolic links stay in it. Names have the bytes that they have in the
    /// storage, UTF-8 or not: with others, a hook would look at another file.
    fn host_path(&self, path: &VirtualPath) -> OsString;

    /// The path of a directory on the host without symbolic links, for programs of the host.
    ///
    /// # Errors
    /// `Unsupported`: the files are not on this host.
    async fn real_path(&self, _path: &VirtualPath) -> Result<PathBuf, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "the files are not on this host"))
    }

    /// Opens a file to be read. A directory can be opened, too: it has metadata and no content.
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

    /// Begins an upload that makes a file, or replaces all of an existing one: `options` create or truncate.
    ///
    /// # Errors
    /// `AlreadyExists` if it must be new, `IsADirectory`; `Unsupported` without the
    /// [capability](Capabilities::uploads).
    async fn begin_upload(&self, _path: &VirtualPath, _options: OpenOptions) -> Result<Box<dyn Upload>, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "files of this storage are written in place"))
    }

    /// Begins an upload for a copy that the server makes itself: in every upload mode the file has no name, and the old
    /// one stays, until the copy is complete, and nothing is kept of one that is not. `mode`: permission bits of a new
    /// file; `replaces`: there may be an old one.
    ///
    /// # Errors
    /// Those of [`begin_upload`](Self::begin_upload).
    async fn begin_copy(
        &self,
        path: &VirtualPath,
        mode: Option<u32>,
        replaces: bool,
    ) -> Result<Box<dyn Upload>, StorageError> {
        self.begin_upload(path, OpenOptions::of_copy(mode, replaces)).await
    }

    /// The metadata of what the path leads to; symbolic links are followed.
    async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError>;

    /// As [`metadata`](Self::metadata), for an [upload](Self::begin_upload) that follows at once and may replace what has
    /// the name: that nothing has it may have been seen a moment ago, so that storages far away need not look again.
    async fn metadata_for_upload(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.metadata(path).await
    }

    /// The metadata of what has the name; a symbolic link there is not followed.
    async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError>;

    /// Opens a directory to read its entries.
    async fn read_directory(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, StorageError>;

    /// Makes a directory. `mode`: permission bits before the umask.
    ///
    /// # Errors
    /// `AlreadyExists`
    async fn create_directory(&self, path: &VirtualPath, mode: Option<u32>) -> Result<(), StorageError>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `NotEmpty`, `NotADirectory`.
    async fn remove_directory(&self, path: &VirtualPath) -> Result<(), StorageError>;

    /// Removes the name of a file or symbolic link. Gives the metadata that the file had before.
    async fn remove_file(&self, path: &VirtualPath) -> Result<Metadata, StorageError>;

    /// Renames a file or directory. With `replace` an existing target is replaced, as rename(2) does.
    ///
    /// # Errors
    /// `AlreadyExists` without `replace`; `CrossDevice` between file systems.
    async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError>;

    /// As [`rename`](Self::rename), to a place in another tree.
    ///
    /// # Errors
    /// `CrossDevice`: it can only be copied there.
    async fn rename_into(
        &self,
        _from: &VirtualPath,
        _other: &Arc<dyn Storage>,
        _to: &VirtualPath,
        _replace: bool,
    ) -> Result<(), StorageError> {
        Err(StorageError::new(StorageErrorKind::CrossDevice, "the paths are in different file systems"))
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// `AlreadyExists`; `CrossDevice` between file systems.
    async fn hard_link(&self, existing: &VirtualPath, new: &VirtualPath) -> Result<(), StorageError>;

    /// Makes a symbolic link. `target` is the text as the client wrote it; an absolute one begins at the
    /// tree's root.
    async fn create_symlink(&self, target: &[u8], link: &VirtualPath) -> Result<(), StorageError>;

    /// The text of a symbolic link as the client knows it: an absolute text begins at the tree's root.
    ///
    /// # Errors
    /// `PermissionDenied` if the text is a path of the host outside of the tree.
    async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, StorageError>;

    /// Where a path leads when symbolic links are resolved; `follow`: also a link in the last place.
    async fn canonical(&self, path: &VirtualPath, follow: bool) -> Result<Canonical, StorageError>;

    /// The same tree, in which a symbolic link on the way is an error: a path that was found to have none has
    /// none when it is used. None: the storage has no symbolic links.
    fn without_links(&self) -> Option<Arc<dyn Storage>> {
        None
    }

    /// Whether a symbolic link on the way of `path` might lead to what a file system that is mounted in the tree covers.
    fn may_lead_to_covered(&self, _path: &VirtualPath) -> bool {
        false
    }

    /// As [`without_links`](Self::without_links), only for the paths that [may lead](Self::may_lead_to_covered) to what is
    /// covered: to resolve others first would be work for nothing. None: nothing is covered.
    fn without_links_to_covered(&self) -> Option<Arc<dyn Storage>> {
        None
    }

    /// The file system that is mounted at `path`, without what is mounted inside it; none: nothing is mounted there.
    fn mounted_at(&self, _path: &VirtualPath) -> Option<Arc<dyn Storage>> {
        None
    }

    /// Sets attributes of what has the name; `follow`: of what a symbolic link leads to.
    async fn set_attributes(
        &self,
        path: &VirtualPath,
        attributes: &SetAttributes,
        follow: bool,
    ) -> Result<(), StorageError>;

    /// The space of the file system that has `path`.
    async fn space(&self, path: &VirtualPath) -> Result<Space, StorageError>;

    /// Removes what servers that were killed have left of uploads, where it is not removed by itself: those that were
    /// begun before this time, in milliseconds since 1970. Other programs' uploads at the place count, too.
    ///
    /// # Errors
    /// The store failed, or does not permit it; some may be removed by then.
    async fn sweep(&self, _before: i64) -> Result<Swept, StorageError> {
        Ok(Swept::default())
    }

    /// The names of users, as the storage's host knows them; an empty one: unknown.
    async fn user_names(&self, uids: Vec<u32>) -> Vec<String> {
        vec![String::new(); uids.len()]
    }

    /// As [`user_names`](Self::user_names), of groups.
    async fn group_names(&self, gids: Vec<u32>) -> Vec<String> {
        vec![String::new(); gids.len()]
    }
}

/// An open file, whatever name it has meanwhile.
///
/// # Errors
/// `IsADirectory` for the content of a directory, `Unsupported` for what the storage cannot do, `Other` if it does not
/// answer.
#[async_trait]
pub trait StorageFile: Send + Sync {
    /// Appends up to `length` bytes from `offset` to `buffer`; 0 at the end of the file.
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError>;

    /// The metadata as it is now.
    async fn metadata(&self) -> Result<Metadata, StorageError>;

    /// Sets attributes of the open file.
    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError>;

    /// Returns when everything that was written is on the disk, as fsync(2).
    async fn sync(&self) -> Result<(), StorageError>;

    /// The space of the file system that has the file.
    async fn space(&self) -> Result<Space, StorageError>;
}

/// An open directory, whose entries are read in portions.
///
/// # Errors
/// `Other` if the storage does not answer. Entries that cannot be read are [passed over](DirectoryReader::passed_over).
#[async_trait]
pub trait DirectoryReader: Send + Sync {
    /// The next entries, at most `max`; empty at the end. Includes `.` and `..`.
    async fn next_entries(&mut self, max: usize) -> Result<Vec<DirectoryEntry>, StorageError>;

    /// Why some entries were left out so far that could not be read; none: no entry was.
    fn passed_over(&self) -> Option<StorageError>;

    /// How many entries were left out so far because no path leads to them: what they are called cannot be a name.
    fn nameless(&self) -> u64;
}

/// One name in a directory.
#[derive(Debug, Clone)]
pub struct DirectoryEntry {
    /// The name as bytes, not necessarily UTF-8.
    pub name: Vec<u8>,
    /// The metadata of what has the name; symbolic links are not followed.
    pub metadata: Metadata,
}

/// How a file is opened; `truncate`, `create` and `exclusive` are for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenOptions {
    /// The file can be read.
    pub read: bool,
    /// The file can be written.
    pub write: bool,
    /// Every write goes to the end of the file.
    pub append: bool,
    /// A missing file is made.
    pub create: bool,
    /// An existing file is emptied.
    pub truncate: bool,
    /// With `create`: the file must not exist.
    pub exclusive: bool,
    /// Nothing had the name when it was looked for just now: storages far away need not look again. It may have a file
    /// by now.
    pub is_new: bool,
    /// A hook decides about the file when it is closed (B10-08). If the upload ends in any other way,
    /// `kill -9` included, what was written is taken back.
    pub provisional: bool,
    /// Permission bits of a new file, before the umask; none: the storage's own.
    pub mode: Option<u32>,
}

impl OpenOptions {
    /// The options of a copy that the server makes itself.
    pub fn of_copy(mode: Option<u32>, replaces: bool) -> Self {
        let (write, create, truncate, provisional) = (true, true, true, true);
        Self { write, create, truncate, exclusive: !replaces, is_new: !replaces, provisional, mode, ..Self::default() }
    }

    /// Whether an upload begins with the content of the file that has the name. Where it does not, and is not to empty
    /// the file either, another program has made the file since it was looked for: its content stays.
    pub fn begins_with_old(&self) -> bool {
        !self.truncate && (self.provisional || !self.is_new)
    }
}

/// What [`Storage::sweep`] has done about unfinished uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Uploads that were removed.
    pub aborted: u64,
    /// Uploads that were begun later, or whose beginning is not known.
    pub left: u64,
}

/// The [kind](Storage::kind) of storage whose files are objects in buckets.
pub const OBJECT_STORAGE: &str = "s3";

/// The [kind](Storage::kind) of storage whose files are on another SFTP server.
pub const SFTP_STORAGE: &str = "sftp";

/// The prefix of the temporary names of uploads that are not complete, of files on this host.
pub const TEMPORARY_PREFIX: &[u8] = b".tidegate-upload.";
