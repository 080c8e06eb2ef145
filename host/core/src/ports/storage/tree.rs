//! Descriptions of file trees: what accounts have, before it is opened.

use crate::path::VirtualPath;

/// A file system, with others mounted at places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeDescription {
    /// The file system at `/`.
    pub root: FileSystem,
    /// The others; no mount is inside another.
    pub mounts: Vec<MountDescription>,
}

/// A file system at a place in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountDescription {
    /// The place in the tree; not the root.
    pub at: VirtualPath,
    /// What is mounted there.
    pub file_system: FileSystem,
}

/// Where a file system is, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Where the files are kept.
    pub location: Location,
    /// Numbers of the user and group of new files; 0 leaves the server's own (A5-16).
    pub owner: (u32, u32),
    /// Whether the file system's root directory is made if it is missing (A4-11).
    pub make_missing: bool,
}

/// Where a file system keeps its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of the server's host: an absolute path.
    Directory(String),
}
