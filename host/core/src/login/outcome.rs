//! How attempts to log in end.

use super::AuthenticatedAccount;
use crate::connection::LoginMethod;

/// How an attempt ended.
pub enum Outcome {
    /// The login is complete.
    Accepted(AuthenticatedAccount),
    /// A key or a password was right, and one of these methods has to follow (B12-03).
    NextStep(Vec<LoginMethod>),
    /// The attempt was refused; the log has the reason.
    Refused,
    /// The attempt was not decided, because the store of accounts is away. No other attempt of the connection can be.
    Unavailable,
}

/// What becomes of a key that a client asks about before it signs (RFC 4252 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// A signature with the key would be accepted.
    Acceptable,
    /// It would be refused; the log has the reason.
    Refused,
    /// The store of accounts is away.
    Unavailable,
}
