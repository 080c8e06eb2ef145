//! Why a use case was not carried out.

use super::AdminPermission;
use super::credential_text::NoRandomness;
use crate::account::{AccountError, DocumentError, InvalidAccount};
use crate::ports::StoreError;
use crate::quota::{QuotaError, ScanError};

/// Why a use case was not carried out; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// The actor lacks the permission.
    #[error("\"{actor}\" lacks the permission \"{permission}\"", permission = permission.as_str())]
    Forbidden {
        /// The name of the administrator.
        actor: String,
        /// What the use case needs.
        permission: AdminPermission,
    },
    /// The use case or the object is not for the actor; the text is a sentence.
    #[error("{0}")]
    NotForActor(String),
    /// No session has that connection.
    #[error("there is no such connection")]
    NoSession,
    /// No hook call has the record of that number.
    #[error("there is no record {0} (any more); see: tidegate hook runs")]
    NoHookRun(i64),
    /// No gate waits for a plugin of that name; the text is a sentence.
    #[error("{0}")]
    NoPlugin(String),
    /// The text is neither an address nor what one ban is for.
    #[error("\"{0}\" is no address that can be banned; use an IPv4 or IPv6 address, or an IPv6 network of 64 bits")]
    NoAddress(String),
    /// A ban is to last no time.
    #[error("a ban lasts a second at least; leave out its time for one as long as a first ban by a score")]
    NoBanTime,
    /// The address is not banned.
    #[error("{0} is not banned; see: tidegate ban list")]
    NoBan(String),
    /// The text is no network.
    #[error("\"{0}\" is no network; use one such as 192.0.2.0/24 or 2001:db8::/48, or an address")]
    NoNetwork(String),
    /// No administrator has exempted the network.
    #[error("no administrator has exempted {0} from bans; see: tidegate ban exempt list")]
    NoExemption(String),
    /// The networks cannot be kept; the text is a sentence.
    #[error("{0}")]
    ExemptionNotKept(String),
    /// The address cannot be banned; the text is a sentence.
    #[error("{0}")]
    BanRefused(String),
    /// A made-up event for hooks, or a plugin, is not valid; the text is a sentence.
    #[error("{0}")]
    InvalidForHooks(String),
    /// The settings do not allow plugins to be changed; the text is a sentence.
    #[error("{0}")]
    RefusedForPlugins(String),
    /// Hooks and plugins cannot be listed; the text is a sentence.
    #[error("{0}")]
    Inventory(String),
    /// A change would rename an object.
    #[error("the {noun} \"{from}\" cannot be renamed; add \"{to}\" and delete \"{from}\"")]
    Renamed {
        /// The kind of the object: `account`, `folder`, …
        noun: &'static str,
        /// The stored name.
        from: String,
        /// The name in the change.
        to: String,
    },
    /// The document cannot be read as an account.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The document of a folder, a group or a role is not valid.
    #[error("the {noun} is not valid: {problem}")]
    Object {
        /// The kind of the object: `folder`, `group` or `role`.
        noun: &'static str,
        /// The field, and what is wrong with it.
        problem: InvalidAccount,
    },
    /// Other objects refer to the object that is to be deleted; the text is a sentence.
    #[error("{0}")]
    InUse(String),
    /// The account is not valid, or its password could not be hashed.
    #[error(transparent)]
    Account(AccountError),
    /// A quota scan was not begun, or failed.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// No key, token or code could be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// Other large documents have the room in memory; the text says what is done with them: `loaded` or `made`.
    #[error(
        "there is no room in memory for one more: other large documents are being {0}; try again when they are done"
    )]
    NoRoom(&'static str),
    /// The store refused a change, or failed.
    #[error(transparent)]
    Store(StoreError),
}

/// The kind of an error, by which a door answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminErrorKind {
    /// The actor lacks a permission.
    Forbidden,
    /// The object does not exist.
    NotFound,
    /// An object of that name is stored already.
    Exists,
    /// Another change came first, or the object is in use.
    Conflict,
    /// The request or its document is not valid.
    Invalid,
    /// The request contradicts the settings, or what is stored.
    Refused,
    /// The request may succeed later: the store is busy, full or read-only, no password can be hashed, or there is no
    /// room in memory.
    Unavailable,
    /// The server failed.
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
    /// The kind of the error.
    pub fn kind(&self) -> AdminErrorKind {
        match self {
            Self::Forbidden { .. } | Self::NotForActor(_) => AdminErrorKind::Forbidden,
            Self::NoSession | Self::NoHookRun(_) | Self::NoPlugin(_) | Self::NoBan(_) => AdminErrorKind::NotFound,
            Self::NoExemption(_) => AdminErrorKind::NotFound,
            Self::NoNetwork(_) | Self::NoBanTime => AdminErrorKind::Invalid,
            Self::ExemptionNotKept(_) => AdminErrorKind::Failed,
            Self::NoAddress(_) | Self::InvalidForHooks(_) => AdminErrorKind::Invalid,
            Self::BanRefused(_) | Self::RefusedForPlugins(_) => AdminErrorKind::Refused,
            Self::Inventory(_) | Self::Random(_) => AdminErrorKind::Failed,
            Self::Renamed { .. } => AdminErrorKind::Refused,
            Self::Document(_) | Self::Object { .. } => AdminErrorKind::Invalid,
            Self::InUse(_) => AdminErrorKind::Conflict,
            Self::Account(AccountError::Invalid(_)) => AdminErrorKind::Invalid,
            Self::Account(AccountError::Password(_)) | Self::NoRoom(_) => AdminErrorKind::Unavailable,
            Self::Account(AccountError::Store(error)) | Self::Store(error) => kind_of(error),
            Self::Scan(ScanError::InProgress) => AdminErrorKind::Conflict,
            Self::Scan(ScanError::NotTracked) => AdminErrorKind::Refused,
            Self::Scan(ScanError::Quota(QuotaError::Store(error))) => kind_of(error),
            Self::Scan(ScanError::Quota(QuotaError::Exceeded | QuotaError::VolumeExceeded | QuotaError::Scan(_))) => {
                AdminErrorKind::Failed
            }
        }
    }

    /// Whether it is about the server or its store, and not about what was asked of them: its text, which may name their
    /// places, is for administrators alone.
    pub fn is_of_server(&self) -> bool {
        let is_of_store = match self {
            Self::Store(error)
            | Self::Account(AccountError::Store(error))
            | Self::Scan(ScanError::Quota(QuotaError::Store(error))) => error.is_of_store(),
            _ => false,
        };
        is_of_store || self.kind() == AdminErrorKind::Failed
    }

    /// The path of the field in the document that the error is about; None: it is about no field.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Account(AccountError::Invalid(invalid) | AccountError::Store(StoreError::Field(invalid)))
            | Self::Store(StoreError::Field(invalid)) => Some(&invalid.field),
            Self::NoAddress(_) => Some("ip"),
            Self::NoBanTime => Some("seconds"),
            Self::NoNetwork(_) => Some("network"),
            Self::Document(DocumentError::Type { path, .. }) => Some(path),
            Self::Object { problem, .. } => Some(&problem.field),
            Self::Renamed { .. } => Some("username"),
            Self::Document(DocumentError::Syntax(_) | DocumentError::NotAnObject)
            | Self::Account(AccountError::Store(_) | AccountError::Password(_))
            | Self::Forbidden { .. }
            | Self::NotForActor(_)
            | Self::NoSession
            | Self::NoHookRun(_)
            | Self::NoPlugin(_)
            | Self::NoBan(_)
            | Self::NoExemption(_)
            | Self::ExemptionNotKept(_)
            | Self::BanRefused(_)
            | Self::InvalidForHooks(_)
            | Self::RefusedForPlugins(_)
            | Self::Inventory(_)
            | Self::InUse(_)
            | Self::Scan(_)
            | Self::Random(_)
            | Self::NoRoom(_)
            | Self::Store(_) => None,
        }
    }
}

fn kind_of(error: &StoreError) -> AdminErrorKind {
    match error {
        StoreError::Exists(_) => AdminErrorKind::Exists,
        StoreError::NotFound(_) => AdminErrorKind::NotFound,
        StoreError::Invalid { .. } | StoreError::Field(_) => AdminErrorKind::Invalid,
        StoreError::Conflict(_) => AdminErrorKind::Conflict,
        StoreError::Refused(_) => AdminErrorKind::Refused,
        StoreError::Busy(_) | StoreError::Unavailable(_) | StoreError::ReadOnly(_) | StoreError::Full(_) => {
            AdminErrorKind::Unavailable
        }
        StoreError::Failed(_) => AdminErrorKind::Failed,
    }
}
