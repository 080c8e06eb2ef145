//! What storages say of files and of file systems.

use crate::path::VirtualPath;

/// What has a name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe or a socket.
    Other,
}

/// What a storage knows of a file besides its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// File, directory, symbolic link or other.
    pub kind: FileKind,
    /// The size in bytes.
    pub size: u64,
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// The number of the owner.
    pub uid: u32,
    /// The number of the group.
    pub gid: u32,
    /// The time of the last access, in seconds since 1970.
    pub accessed: i64,
    /// The time of the last change of the content, in seconds since 1970.
    pub modified: i64,
    /// The number of names (hard links).
    pub links: u64,
    /// Identifies the file, under whatever name.
    pub id: FileId,
    /// Another number when the content is another one, even within a second and of the same size; 0: that is not known, as in
    /// listings of some storages.
    pub version: u64,
}

/// Identifies a file under whatever name: unique among all storages of a server. File systems use device and
/// inode, object stores the hash of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FileId(u128);

impl FileId {
    /// The id with this number.
    pub const fn new(id: u128) -> Self {
        Self(id)
    }
}

/// What to change; absent fields stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttributes {
    /// The new size in bytes: the file is cut or filled with zeros.
    pub size: Option<u64>,
    /// The permission bits, without the file type.
    pub mode: Option<u32>,
    /// The number of the user.
    pub uid: Option<u32>,
    /// The number of the group.
    pub gid: Option<u32>,
    /// Access and modification time, seconds since 1970.
    pub times: Option<(i64, i64)>,
}

impl SetAttributes {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A path in which symbolic links are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The path without symbolic links.
    pub path: VirtualPath,
    /// Whether a directory above the last name is missing: the names after it are only text.
    pub lacks_parent: bool,
}

/// The space of a file system, as in statvfs(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// `f_bsize`: the size of a block in bytes.
    pub block_size: u64,
    /// `f_frsize`: the unit of the three numbers of blocks, in bytes.
    pub fragment_size: u64,
    /// `f_blocks`: all blocks.
    pub blocks: u64,
    /// `f_bfree`: blocks that are free.
    pub blocks_free: u64,
    /// `f_bavail`: blocks that are free for users other than root.
    pub blocks_available: u64,
    /// `f_files`: all inodes.
    pub files: u64,
    /// `f_ffree`: inodes that are free.
    pub files_free: u64,
    /// `f_favail`: inodes that are free for users other than root.
    pub files_available: u64,
    /// `f_fsid`: the id of the file system.
    pub id: u64,
    /// `f_flag`: the mount flags, as the host numbers them.
    pub flags: u64,
    /// `f_namemax`: the longest name in bytes.
    pub name_max: u64,
}
