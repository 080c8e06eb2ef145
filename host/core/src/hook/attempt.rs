//! One try of one method by one client: what every hook of a login is about.

use std::sync::Arc;

use super::selector::Subject;
use crate::account::Account;
use crate::connection::{Connection, Credential, LoginMethod};
use crate::secret::Secret;

#[derive(Debug, Clone)]
pub struct LoginAttempt {
    pub connection: Arc<Connection>,
    /// As the client sent it; untrusted.
    pub username: String,
    pub credential: Credential,
    /// Steps that the client already passed in this login.
    pub completed_methods: Vec<LoginMethod>,
    pub stored: Option<Arc<Account>>,
    /// Of this connection, from 1.
    pub number: u32,
}

impl LoginAttempt {
    /// The method, or the two that a second step makes (B12-04).
    pub fn method(&self) -> LoginMethod {
        let method = self.credential.method();
        if self.completed_methods.is_empty() { method } else { method.after_public_key() }
    }

    pub fn password(&self) -> Option<&Secret> {
        match &self.credential {
            Credential::Password(password) => Some(password),
            Credential::PublicKey(_) | Credential::KeyboardInteractive => None,
        }
    }

    pub fn subject(&self) -> Subject<'_> {
        Subject {
            connection: Some(&self.connection),
            username: Some(&self.username),
            account: self.stored.as_deref(),
            method: Some(self.method()),
            ..Subject::default()
        }
    }
}
