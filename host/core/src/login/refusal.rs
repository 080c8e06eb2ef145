//! Reasons for refusing a login. Only the log has them; the client gets the same answer to all.

use super::one_time_code::CodeRefusal;
use crate::account::AccountError;
use crate::connection::Connection;
use crate::hook::GateFailure;
use crate::password::PasswordError;
use crate::ports::StoreError;

/// The login type of connections without an attempt (A4-01); the spelling is that of the older server (J-07).
pub const NO_AUTH_TRIED: &str = "no_auth_tryed";

/// Most bytes of a user name in the log.
const MAX_LOGGED_NAME: usize = 1024;

/// Why a login was refused. A `Failure` is the server's own and does not count as a wrong login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// There is no such account.
    UnknownUser,
    /// The password, key, or code is wrong.
    WrongCredential,
    /// A hook or a rule of the account denies.
    Denied,
    /// The credential was right, but the account has too many sessions, or a hook denies the session (D-01). This
    /// is no sign of guessing.
    Session,
    /// The client has left a conversation that was under way.
    GivenUp,
    /// The server or a hook could not decide.
    Failure,
    /// The store of accounts is away: the same login may succeed when it is back. The client is told so, and it is
    /// no failed login.
    Unavailable,
}

impl RefusalReason {
    /// The word in the log, which filters such as fail2ban read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongCredential => "wrong_credential",
            Self::Denied => "denied",
            Self::Session => "session",
            Self::GivenUp => "given_up",
            Self::Failure => "failure",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A refused login; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// Why the login was refused.
    pub reason: RefusalReason,
    text: String,
}

impl Refusal {
    /// A refusal for this reason; `text`: details for the log.
    pub fn new(reason: RefusalReason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(reason_of(&error), error.to_string())
    }
}

/// Whether the store cannot be asked at the moment, or has an error that stays.
fn reason_of(error: &StoreError) -> RefusalReason {
    match error {
        StoreError::Unavailable(_) | StoreError::Busy(_) => RefusalReason::Unavailable,
        StoreError::Exists(_)
        | StoreError::NotFound(_)
        | StoreError::Conflict(_)
        | StoreError::Invalid { .. }
        | StoreError::Field(_)
        | StoreError::Refused(_)
        | StoreError::ReadOnly(_)
        | StoreError::Full(_)
        | StoreError::Failed(_) => RefusalReason::Failure,
    }
}

impl From<PasswordError> for Refusal {
    fn from(error: PasswordError) -> Self {
        Self::new(RefusalReason::Failure, error.to_string())
    }
}

impl From<GateFailure> for Refusal {
    fn from(failure: GateFailure) -> Self {
        Self::new(RefusalReason::Failure, failure.to_string())
    }
}

impl From<CodeRefusal> for Refusal {
    fn from(error: CodeRefusal) -> Self {
        let reason = match &error {
            CodeRefusal::Wrong | CodeRefusal::Paused(_) => RefusalReason::WrongCredential,
            CodeRefusal::NoSecret => RefusalReason::Failure,
            CodeRefusal::NotStored(error) => reason_of(error),
        };
        Self::new(reason, error.to_string())
    }
}

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        let reason = match &error {
            AccountError::Store(error) => reason_of(error),
            AccountError::Invalid(_) | AccountError::Password(_) => RefusalReason::Failure,
        };
        Self::new(reason, format!("the hook's answer was not used: {error}"))
    }
}

/// Logs a login that was not decided, because the store of accounts is away. Filters that count wrong logins do not
/// read this line.
pub fn log_unavailable(connection: &Connection, username: &str, login_type: &str, error: &str) {
    tracing::warn!(
        sender = "login_unavailable",
        client_ip = %connection.remote.ip(),
        username = shortened(username),
        login_type,
        error,
        connection_id = connection.id.as_str(),
    );
}

/// A client may send a user name of any length, which must not fill the log.
fn shortened(username: &str) -> &str {
    username.get(..username.floor_char_boundary(MAX_LOGGED_NAME)).unwrap_or_default()
}

/// Logs the line that fail2ban reads, with its keys in this order (A21-06, A21-07). By `reason`, filters tell wrong
/// logins from failures of the server.
pub fn log_connection_failed(connection: &Connection, username: &str, login_type: &str, error: &str, reason: &str) {
    tracing::debug!(
        sender = "connection_failed",
        client_ip = %connection.remote.ip(),
        username = shortened(username),
        login_type,
        error,
        reason,
        connection_id = connection.id.as_str(),
    );
}
