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
    /// The method, or the two that a second step makes (B12-04). A code after a password is no
    /// method of its own: the login stays one by password.
    pub fn method(&self) -> LoginMethod {
        let last = match self.completed_methods.last() {
            Some(LoginMethod::Password) => LoginMethod::Password,
            _ => self.credential.method(),
        };
        let has_key = self.completed_methods.contains(&LoginMethod::PublicKey);
        if has_key { last.after_public_key() } else { last }
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
