//! Why work on the file ended without a result.

use std::io::ErrorKind;
use std::path::Path;

use redb::Error;
use tidegate_core::ports::StoreError;

use super::open::OpenError;

/// An error of the library, or what the work itself found to be wrong.
pub enum Failure {
    Refused(StoreError),
    Database(Error),
}

/// What an error of the library means for an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    InUse,
    Full,
    ReadOnly,
    Foreign,
    Damaged,
    Other,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

macro_rules! from_errors_of_the_library {
    ($($error:ty),*) => {
        $(
            impl From<$error> for Failure {
                fn from(error: $error) -> Self {
                    Self::Database(error.into())
                }
            }
        )*
    };
}

from_errors_of_the_library!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError
);

impl Failure {
    /// Whether the library answers nothing more until the file is opened again.
    pub fn ends_the_database(&self) -> bool {
        let Self::Database(error) = self else { return false };
        matches!(
            error,
            Error::Io(_)
                | Error::Backend(_)
                | Error::PreviousIo
                | Error::DatabaseClosed
                | Error::LockPoisoned(_)
                | Error::Corrupted(_)
        )
    }

    /// Whether there was no space left.
    pub fn is_of_full_disk(&self) -> bool {
        matches!(self, Self::Database(error) if Cause::of(error) == Cause::Full)
    }

    pub fn into_store_error(self, path: &Path) -> StoreError {
        match self {
            Self::Refused(error) => error,
            Self::Database(error) => OpenError::of(&error, path).into(),
        }
    }
}

impl Cause {
    pub fn of(error: &Error) -> Self {
        match error {
            Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => Self::InUse,
            Error::Corrupted(_) => Self::Damaged,
            Error::Io(error) => match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full,
                ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly,
                ErrorKind::UnexpectedEof => Self::Damaged,
                ErrorKind::InvalidData => Self::Foreign,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}
