//! One attempt to log in: a client tries one method. Every hook of a login is about one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::decision::LastDecision;
use super::selector::Subject;
use crate::account::EffectiveAccount;
use crate::connection::{Connection, Credential, LoginMethod};
use crate::secret::Secret;
use crate::turns::Waiter;

/// One attempt of a client to log in with one method.
#[derive(Debug, Clone)]
pub struct LoginAttempt {
    /// The connection of the client.
    pub connection: Arc<Connection>,
    /// The user name as the client sent it; untrusted.
    pub username: String,
    /// The credential that the client presents.
    pub credential: Credential,
    /// The steps that the client has passed before in this login, in their order.
    pub completed_methods: Vec<LoginMethod>,
    /// The stored account as it is in force; None: there is none of that name, or the store failed.
    pub stored: Option<Arc<EffectiveAccount>>,
    /// A time before `stored` was read, to notice later changes.
    pub read_at: Instant,
    /// The number of the attempt on its connection, from 1.
    pub number: u32,
    /// Counts the hashes that plugins have compared with the password.
    pub comparisons: Comparisons,
    /// The hook that has decided about this attempt, or else about the step before it.
    pub decision: LastDecision,
}

/// Counts how often plugins have a hash compared with the password of one attempt, all plugins together. With
/// unlimited comparisons a plugin could find out the password (B0-10b).
#[derive(Debug, Clone, Default)]
pub struct Comparisons(Arc<AtomicU32>);

impl Comparisons {
    /// Most comparisons of one attempt.
    pub const MAX: u32 = 8;

    /// The number of the next comparison, from 1; None: there may be no more.
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
    /// The method; in a second step, the combined method (B12-04). A one-time code after a password is no method
    /// of its own: the login stays one by password.
    pub fn method(&self) -> LoginMethod {
        let last = match self.completed_methods.last() {
            Some(LoginMethod::Password) => LoginMethod::Password,
            Some(
                LoginMethod::PublicKey
                | LoginMethod::KeyboardInteractive
                | LoginMethod::PublicKeyThenPassword
                | LoginMethod::PublicKeyThenKeyboardInteractive,
            )
            | None => self.credential.method(),
        };
        let has_key = self.completed_methods.contains(&LoginMethod::PublicKey);
        if has_key { last.after_public_key() } else { last }
    }

    /// The password; None: the method is another.
    pub fn password(&self) -> Option<&Secret> {
        match &self.credential {
            Credential::Password(password) => Some(password),
            Credential::PublicKey(_) | Credential::KeyboardInteractive => None,
        }
    }

    /// The address and account in whose turn the server works on the attempt.
    pub fn waiter(&self) -> Waiter<'_> {
        Waiter::new(self.connection.remote.ip(), &self.username)
    }

    /// What selectors know of the attempt.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            connection: Some(&self.connection),
            username: Some(&self.username),
            account: self.stored.as_deref(),
            method: Some(self.method()),
            decision: Some(&self.decision),
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
        let connection =
            Connection { id, remote: address, local: address, client: Default::default(), opened_at: 0, web: None };
        LoginAttempt {
            connection: Arc::new(connection),
            username: username.to_owned(),
            credential: Credential::KeyboardInteractive,
            completed_methods: Vec::new(),
            stored: None,
            read_at: Instant::now(),
            number: 1,
            comparisons: Comparisons::default(),
            decision: LastDecision::default(),
        }
    }

    #[test]
    fn comparisons_are_counted_for_all_who_work_on_an_attempt() {
        // B0-10b
        let attempt = attempt("alice");
        let copy = LoginAttempt { username: "bob".to_owned(), ..attempt.clone() };
        let numbers: Vec<_> = (0..5).flat_map(|_| [attempt.comparisons.next(), copy.comparisons.next()]).collect();
        assert_eq!(numbers.iter().flatten().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((attempt.comparisons.next(), copy.comparisons.next()), (None, None));
    }
}
