//! One try of one method by one client: what every hook of a login is about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::selector::Subject;
use crate::account::EffectiveAccount;
use crate::connection::{Connection, Credential, LoginMethod};
use crate::secret::Secret;
use crate::turns::Waiter;

#[derive(Debug, Clone)]
pub struct LoginAttempt {
    pub connection: Arc<Connection>,
    /// As the client sent it; untrusted.
    pub username: String,
    pub credential: Credential,
    /// Steps that the client already passed in this login.
    pub completed_methods: Vec<LoginMethod>,
    pub stored: Option<Arc<EffectiveAccount>>,
    /// Before `stored` was read.
    pub read_at: Instant,
    /// Of this connection, from 1.
    pub number: u32,
    /// What plugins had compared with its password.
    pub comparisons: Comparisons,
}

/// How often plugins may have a hash compared with the password of one attempt, all together:
/// whoever could ask as often as they liked would find out the password.
#[derive(Debug, Clone, Default)]
pub struct Comparisons(Arc<AtomicU32>);

impl Comparisons {
    pub const MAX: u32 = 8;

    /// The number of the next comparison, if there may be one.
    pub fn next(&self) -> Option<u32> {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        if count < Self::MAX {
            return Some(count + 1);
        }
        self.0.store(Self::MAX, Ordering::Relaxed);
        None
    }
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

    /// For whom the server works on it.
    pub fn waiter(&self) -> Waiter<'_> {
        Waiter::new(self.connection.remote.ip(), &self.username)
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::connection::ConnectionId;

    pub fn attempt(username: &str) -> LoginAttempt {
        let address = "192.0.2.1:1".parse().unwrap();
        let id = ConnectionId::new("SSH_1");
        let connection = Connection { id, remote: address, local: address, client: Default::default(), opened_at: 0 };
        LoginAttempt {
            connection: Arc::new(connection),
            username: username.to_owned(),
            credential: Credential::KeyboardInteractive,
            completed_methods: Vec::new(),
            stored: None,
            read_at: Instant::now(),
            number: 1,
            comparisons: Comparisons::default(),
        }
    }

    #[test]
    fn comparisons_are_counted_for_all_who_work_on_an_attempt() {
        let attempt = attempt("alice");
        let copy = LoginAttempt { username: "bob".to_owned(), ..attempt.clone() };
        let numbers: Vec<_> = (0..5).flat_map(|_| [attempt.comparisons.next(), copy.comparisons.next()]).collect();
        assert_eq!(numbers.iter().flatten().count(), Comparisons::MAX as usize);
        assert_eq!(numbers.first(), Some(&Some(1)));
        assert_eq!(attempt.comparisons.next(), None);
    }
}
