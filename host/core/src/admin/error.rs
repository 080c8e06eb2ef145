//! Why a use case was not carried out.

use super::AdminPermission;
use crate::account::{AccountError, DocumentError};
use crate::ports::StoreError;
use crate::quota::{QuotaError, ScanError};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    #[error("\"{actor}\" lacks the permission \"{permission}\"", permission = permission.as_str())]
    Forbidden { actor: String, permission: AdminPermission },
    #[error("there is no such connection")]
    NoSession,
    #[error("there is no record {0} (any more); see: tidegate hook runs")]
    NoHookRun(i64),
    /// From the plugin directory, in a sentence.
    #[error("{0}")]
    NoPlugin(String),
    /// Hooks and plugins cannot be looked at, in a sentence.
    #[error("{0}")]
    Inventory(String),
    #[error("an account cannot be renamed; add \"{to}\" and delete \"{from}\"")]
    Renamed { from: String, to: String },
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Account(AccountError),
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Store(StoreError),
}

/// What a door has to know of an error, beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminErrorKind {
    Forbidden,
    NotFound,
    Exists,
    /// Another change came first, or the object is in use.
    Conflict,
    Invalid,
    /// It contradicts the settings, or what is stored.
    Refused,
    /// It may succeed later.
    Unavailable,
    Failed,
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<AccountError> for AdminError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => Self::Store(error),
            error => Self::Account(error),
        }
    }
}

impl AdminError {
    pub fn kind(&self) -> AdminErrorKind {
        match self {
            Self::Forbidden { .. } => AdminErrorKind::Forbidden,
            Self::NoSession | Self::NoHookRun(_) | Self::NoPlugin(_) => AdminErrorKind::NotFound,
            Self::Inventory(_) => AdminErrorKind::Failed,
            Self::Renamed { .. } => AdminErrorKind::Refused,
            Self::Document(_) => AdminErrorKind::Invalid,
            Self::Account(AccountError::Invalid(_)) => AdminErrorKind::Invalid,
            Self::Account(AccountError::Password(_)) => AdminErrorKind::Unavailable,
            Self::Account(AccountError::Store(error)) | Self::Store(error) => kind_of(error),
            Self::Scan(ScanError::InProgress) => AdminErrorKind::Conflict,
            Self::Scan(ScanError::NotTracked) => AdminErrorKind::Refused,
            Self::Scan(ScanError::Quota(QuotaError::Store(error))) => kind_of(error),
            Self::Scan(ScanError::Quota(QuotaError::Exceeded | QuotaError::VolumeExceeded | QuotaError::Scan(_))) => {
                AdminErrorKind::Failed
            }
        }
    }

    /// The field of the document that is to blame.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Account(AccountError::Invalid(invalid)) => Some(&invalid.field),
            Self::Document(DocumentError::Type { path, .. }) => Some(path),
            Self::Renamed { .. } => Some("username"),
            Self::Document(DocumentError::Syntax(_) | DocumentError::NotAnObject)
            | Self::Account(AccountError::Store(_) | AccountError::Password(_))
            | Self::Forbidden { .. }
            | Self::NoSession
            | Self::NoHookRun(_)
            | Self::NoPlugin(_)
            | Self::Inventory(_)
            | Self::Scan(_)
            | Self::Store(_) => None,
        }
    }
}

fn kind_of(error: &StoreError) -> AdminErrorKind {
    match error {
        StoreError::Exists(_) => AdminErrorKind::Exists,
        StoreError::NotFound(_) => AdminErrorKind::NotFound,
        StoreError::Invalid { .. } => AdminErrorKind::Invalid,
        StoreError::Conflict(_) => AdminErrorKind::Conflict,
        StoreError::Refused(_) => AdminErrorKind::Refused,
        StoreError::Busy(_) | StoreError::ReadOnly(_) | StoreError::Full(_) => AdminErrorKind::Unavailable,
        StoreError::Failed(_) => AdminErrorKind::Failed,
    }
}
