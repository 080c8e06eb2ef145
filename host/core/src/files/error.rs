//! Why a file operation was not done.

use crate::path::PathError;
use crate::ports::storage::{StorageError, StorageErrorKind};
use crate::quota::QuotaError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("permission denied")]
    Denied,
    /// By a hook, in its own words.
    #[error("{0}")]
    Refused(String),
    #[error("no such file or directory")]
    NotFound,
    /// There is no such file, for another reason than a missing name: what is above it is no
    /// directory, or links lead in a circle.
    #[error("{0}")]
    Unreachable(String),
    /// The storage takes no such name or number.
    #[error("{0}")]
    Invalid(String),
    #[error("operation not supported")]
    Unsupported,
    /// Or the largest file that the account may upload.
    #[error("{0}")]
    QuotaExceeded(String),
    #[error("{0}")]
    Failed(String),
}

impl From<StorageError> for FileError {
    fn from(error: StorageError) -> Self {
        match error.kind {
            StorageErrorKind::NotFound => Self::NotFound,
            StorageErrorKind::PermissionDenied => Self::Denied,
            StorageErrorKind::Unsupported => Self::Unsupported,
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
