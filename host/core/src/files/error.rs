//! Why a file operation was not done.

use crate::path::PathError;
use crate::ports::storage::{StorageError, StorageErrorKind};
use crate::quota::QuotaError;

/// Why a file operation was not done. Protocols translate the kind; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// A permission is missing, or a rule of the account or a hook denies.
    #[error("permission denied")]
    Denied,
    /// A hook, or the server because of one, refuses; the text is for the client.
    #[error("{0}")]
    Refused(String),
    /// There is no such file, or a pattern hides it.
    #[error("no such file or directory")]
    NotFound,
    /// There is no such file, but not because a name is missing: a name above it is no directory, or links form
    /// a circle.
    #[error("{0}")]
    Unreachable(String),
    /// The handle is not open for it: `reading` or `writing`.
    #[error("the file is not open for {0}")]
    NotOpenFor(&'static str),
    /// The path is malformed, or the storage does not accept the name or number.
    #[error("{0}")]
    Invalid(String),
    /// The storage cannot do it; what and why, in words.
    #[error("{0}")]
    Unsupported(String),
    /// The quota, the volume, or the largest file that the account may upload is exceeded.
    #[error("{0}")]
    QuotaExceeded(String),
    /// Any other failure, in words.
    #[error("{0}")]
    Failed(String),
}

impl From<StorageError> for FileError {
    fn from(error: StorageError) -> Self {
        match error.kind {
            StorageErrorKind::NotFound => Self::NotFound,
            StorageErrorKind::PermissionDenied => Self::Denied,
            StorageErrorKind::Unsupported => Self::Unsupported(error.message),
            StorageErrorKind::NotADirectory | StorageErrorKind::Loop => Self::Unreachable(error.message),
            StorageErrorKind::NameTooLong | StorageErrorKind::Invalid => Self::Invalid(error.message),
            StorageErrorKind::AlreadyExists
            | StorageErrorKind::IsADirectory
            | StorageErrorKind::NotEmpty
            | StorageErrorKind::NoSpace
            | StorageErrorKind::ReadOnly
            | StorageErrorKind::CrossDevice
            | StorageErrorKind::Other => Self::Failed(error.message),
        }
    }
}

impl From<PathError> for FileError {
    fn from(error: PathError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<QuotaError> for FileError {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::Exceeded | QuotaError::VolumeExceeded => Self::QuotaExceeded(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}
