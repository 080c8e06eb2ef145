//! What hooks answer.

use crate::{AccountDraft, Denial, Failure};

impl Denial {
    /// `reason`: for the audit trail. The client is told nothing of it.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), client_message: None }
    }

    /// Also says something to the client, where the protocol has room for it.
    pub fn telling(self, client_message: impl Into<String>) -> Self {
        Self { client_message: Some(client_message.into()), ..self }
    }
}

impl Failure {
    /// The hook could not decide, and a second try would not help.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), transient: false }
    }

    /// The hook could not decide now; observers are tried again.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { message: message.into(), transient: true }
    }
}

/// Of hooks that can only say no.
#[derive(Debug, Clone)]
pub enum Review {
    Allow,
    Deny(Denial),
}

impl Review {
    pub fn deny(reason: impl Into<String>) -> Self {
        Self::Deny(Denial::new(reason))
    }

    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow)
    }
}

#[derive(Debug)]
pub enum AuthVerdict {
    /// Not mine: ask the next one.
    Defer,
    /// The credentials are good. With a draft, the account is created or replaced by it;
    /// without, the stored account is used as it is.
    Accept(Option<AccountDraft>),
    /// Let the server check the stored account's password against this one, or against what
    /// the client sent.
    VerifyStored(Option<String>),
    Reject(Denial),
}

impl AuthVerdict {
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(Denial::new(reason))
    }
}

#[derive(Debug)]
pub enum PreLoginVerdict {
    Unchanged,
    Replace(AccountDraft),
    Deny(Denial),
}

#[derive(Debug, Clone)]
pub enum PasswordVerdict {
    Defer,
    /// Good, without a comparison.
    Accept,
    /// Compare this with the stored hash instead.
    Verify(String),
    Deny(Denial),
}

#[derive(Debug)]
pub enum InteractiveVerdict {
    Defer,
    Accept(Option<AccountDraft>),
    Reject(Denial),
}

impl InteractiveVerdict {
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(Denial::new(reason))
    }
}
