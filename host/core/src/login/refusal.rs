//! Why a login was refused. Only the log says so; the client sees one answer for all.

use crate::account::AccountError;
use crate::connection::Connection;
use crate::hook::GateFailure;
use crate::password::PasswordError;
use crate::ports::StoreError;

/// The login type of connections that never tried (A4-01, J-07).
pub const NO_AUTH_TRIED: &str = "no_auth_tryed";

/// Of a user name, in bytes.
const MAX_LOGGED_NAME: usize = 1024;

/// Denials are the client's doing; failures are ours and feed no brute-force score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    UnknownUser,
    WrongCredential,
    /// By a hook or by the account's own settings.
    Denied,
    /// After a right credential: too many sessions, or a hook wants none (D-01). Nobody who
    /// guesses gets that far.
    Session,
    /// The client has left a conversation that was under way.
    GivenUp,
    /// The server or a hook could not decide.
    Failure,
}

impl RefusalReason {
    /// In the log, where filters read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongCredential => "wrong_credential",
            Self::Denied => "denied",
            Self::Session => "session",
            Self::GivenUp => "given_up",
            Self::Failure => "failure",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    pub reason: RefusalReason,
    text: String,
}

impl Refusal {
    pub fn new(reason: RefusalReason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(RefusalReason::Failure, error.to_string())
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

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        Self::new(RefusalReason::Failure, format!("the hook's answer was not used: {error}"))
    }
}

/// The line that fail2ban reads: keys in this order (A21-06, A21-07).
/// `reason` tells a denial, which is the client's doing, from a failure of ours.
pub fn log_connection_failed(connection: &Connection, username: &str, login_type: &str, error: &str, reason: &str) {
    // Whoever logs in with a megabyte would otherwise fill the log with it.
    let username = username.get(..username.floor_char_boundary(MAX_LOGGED_NAME)).unwrap_or_default();
    tracing::debug!(
        sender = "connection_failed",
        client_ip = %connection.remote.ip(),
        username,
        login_type,
        error,
        reason,
        connection_id = connection.id.as_str(),
    );
}
