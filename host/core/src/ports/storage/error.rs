//! Why an operation of a storage failed.

use std::fmt;

/// Why an operation failed, in the classes that protocols tell apart (A5-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// There is no file of that name (`ENOENT`).
    NotFound,
    /// The host does not permit it (`EACCES`, `EPERM`).
    PermissionDenied,
    /// The name is taken (`EEXIST`).
    AlreadyExists,
    /// The path, or a part of it, is not a directory (`ENOTDIR`).
    NotADirectory,
    /// The path is a directory (`EISDIR`).
    IsADirectory,
    /// The directory has entries (`ENOTEMPTY`).
    NotEmpty,
    /// The path or a name in it is too long (`ENAMETOOLONG`).
    NameTooLong,
    /// The disk, the host's quota or the largest size of a file is exhausted (`ENOSPC`, `EDQUOT`, `EFBIG`).
    NoSpace,
    /// The file system is read-only (`EROFS`).
    ReadOnly,
    /// Too many symbolic links, or one where none may be (`ELOOP`).
    Loop,
    /// The path leads out of the tree, or to another file system (`EXDEV`).
    CrossDevice,
    /// The storage cannot do this.
    Unsupported,
    /// An argument has no meaning for the storage (`EINVAL`).
    Invalid,
    /// Any other error.
    Other,
}

/// Why an operation of a storage failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageError {
    /// The class that decides the protocol's status code.
    pub kind: StorageErrorKind,
    /// The reason in words, for the client and the log.
    pub message: String,
    /// What the storage itself says of it, for administrators: it may name what clients must not learn.
    pub detail: Option<String>,
}

impl StorageError {
    /// An error of this class with this text.
    pub fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None }
    }

    /// The error, with what the storage itself says of it.
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StorageError {}
