//! What hooks answer.

use crate::{AccountDraft, Denial, Failure};

impl Denial {
    /// A denial with a reason for the audit trail, which the client does not see.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), client_message: None }
    }

    /// Adds a message to the client, which is sent where the protocol has room for it.
    pub fn telling(self, client_message: impl Into<String>) -> Self {
        Self { client_message: Some(client_message.into()), ..self }
    }
}

impl Failure {
    /// A failure that would come again at a second try. `message`: for the log.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), transient: false }
    }

    /// A failure that may have passed at a second try. `message`: for the log.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { message: message.into(), transient: true }
    }
}

/// The verdict of hooks that can only allow or deny.
#[derive(Debug, Clone)]
pub enum Review {
    /// The hook has no objection; the next hook is asked.
    Allow,
    /// The server refuses what the hook was asked about.
    Deny(Denial),
}

impl Review {
    /// A denial with this reason for the audit trail.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self::Deny(Denial::new(reason))
    }

    /// Whether the verdict is [`Review::Allow`].
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow)
    }
}

/// The verdict of [`ExternalAuth`](crate::ExternalAuth).
#[derive(Debug)]
pub enum AuthVerdict {
    /// The hook does not decide: the next one is asked.
    Defer,
    /// The credentials are good. With a draft, the account is created or replaced by it;
    /// without, the stored account is used as it is.
    Accept(Option<AccountDraft>),
    /// The server compares this password with the hash of the stored account; without one, the
    /// password that the client sent.
    VerifyStored(Option<String>),
    /// The credentials are wrong.
    Reject(Denial),
}

impl AuthVerdict {
    /// A rejection with this reason for the audit trail.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(Denial::new(reason))
    }
}

/// The verdict of [`PreLogin`](crate::PreLogin).
#[derive(Debug)]
pub enum PreLoginVerdict {
    /// The account stays as it is.
    Unchanged,
    /// The draft replaces the account, or creates it.
    Replace(AccountDraft),
    /// The server refuses the login.
    Deny(Denial),
}

/// The verdict of [`CheckPassword`](crate::CheckPassword).
#[derive(Debug, Clone)]
pub enum PasswordVerdict {
    /// The hook does not decide: the next one is asked.
    Defer,
    /// The password is right; the server compares nothing.
    Accept,
    /// The server compares this password with the stored hash, instead of the one that the client sent.
    Verify(String),
    /// The server refuses the login.
    Deny(Denial),
}

/// The verdict of [`KeyboardInteractive`](crate::KeyboardInteractive).
#[derive(Debug)]
pub enum InteractiveVerdict {
    /// The hook does not decide: the next one is asked.
    Defer,
    /// The answers are good. With a draft, the account is created or replaced by it; without, the
    /// stored account is used as it is.
    Accept(Option<AccountDraft>),
    /// The answers are wrong.
    Reject(Denial),
}

impl InteractiveVerdict {
    /// A rejection with this reason for the audit trail.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(Denial::new(reason))
    }
}
