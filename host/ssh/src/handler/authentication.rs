//! Requests to log in: which tries count, and what the client hears of them.

use russh::keys::{Algorithm, ssh_key};
use russh::server::{Auth, PublicKeyOffer, Response, VerifiedPublicKey};
use russh::{Disconnect, MethodKind, MethodSet};
use tidegate_core::connection::LoginMethod;
use tidegate_core::login::{Offer, Outcome};
use tidegate_core::public_key::PublicKey;
use tidegate_core::secret::Secret;
use tokio::time::Instant;

use super::SshHandler;
use crate::listener::offered_methods;

/// The message for a client whose login could not be decided.
const UNAVAILABLE: &str = "The server is temporarily unavailable; try again later";

impl SshHandler {
    /// Begins a try, which ends a conversation under way. An error if no try is left: the client
    /// has got that answer, and does not wait for another.
    pub(super) fn begin_try(&mut self) -> Result<(), russh::Error> {
        self.progress.request();
        self.attempted = true;
        if self.login.give_up() {
            self.tries.failed();
        }
        if self.tries.are_over() { Err(russh::Error::Disconnect) } else { Ok(()) }
    }

    pub(super) async fn try_offer(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        self.begin_try()?;
        let Some(key) = self.acceptable_key(offer.public_key, offer.algorithm) else {
            if let Ok(weak) = PublicKey::try_from(offer.public_key.clone()) {
                self.login.public_key_unacceptable(user, &weak);
            }
            return Ok(self.refuse(user).await);
        };
        Ok(match self.login.public_key_offered(user, &key).await {
            Offer::Acceptable => Auth::Accept,
            Offer::Refused => self.refuse(user).await,
            Offer::Unavailable => self.unavailable(user).await,
        })
    }

    pub(super) async fn try_key(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        self.progress.request();
        let Some(key) = self.acceptable_key(key.public_key, key.algorithm) else {
            return Ok(self.refuse(user).await);
        };
        let outcome = self.login.public_key_verified(user, &key).await;
        Ok(self.conclude(user, outcome).await)
    }

    pub(super) async fn refuse(&mut self, user: &str) -> Auth {
        self.tries.failed();
        self.rejection(user).await
    }

    /// A rejection that lists the methods that are left. After the last try the connection ends.
    pub(super) async fn rejection(&mut self, user: &str) -> Auth {
        self.progress.refused();
        if self.tries.are_over() {
            self.end_with(Disconnect::NoMoreAuthMethodsAvailable, "Too many authentication failures").await;
        }
        self.methods_left(user)
    }

    pub(super) async fn conclude(&mut self, user: &str, outcome: Outcome) -> Auth {
        match outcome {
            Outcome::Accepted(account) => {
                let delay = self.server.settings().login_delay.success;
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                self.ending.session = Some(account.session().clone());
                self.account = Some(account);
                Auth::Accept
            }
            Outcome::NextStep(methods) => {
                self.progress.refused();
                Auth::Reject { proceed_with_methods: Some(ssh_methods(&methods)), partial_success: true }
            }
            Outcome::Refused => self.refuse(user).await,
            Outcome::Unavailable => self.unavailable(user).await,
        }
    }

    /// Ends a connection whose login cannot be decided. The method fails, since it has to be answered, and the
    /// message of the end says why (RFC 4253 §11.1): a client that reads it does not take the password for wrong.
    pub(super) async fn unavailable(&mut self, user: &str) -> Auth {
        // The client has not left without a try: it was sent away.
        self.attempted = true;
        self.progress.refused();
        self.tries.end();
        self.end_with(Disconnect::ServiceNotAvailable, UNAVAILABLE).await;
        self.methods_left(user)
    }

    async fn end_with(&mut self, reason: Disconnect, text: &str) {
        if let Some(handle) = self.handle.get() {
            // Fails only if the connection has ended.
            let _ = handle.disconnect(reason, text.to_owned(), String::new()).await;
        }
    }

    fn methods_left(&self, user: &str) -> Auth {
        let methods = match self.login.next_steps(user) {
            Some(steps) => ssh_methods(steps),
            None => offered_methods(self.server.offers_keyboard_interactive()),
        };
        Auth::Reject { proceed_with_methods: Some(methods), partial_success: false }
    }

    /// The outcome of a password; a refusal comes no sooner than the login delay says (B14-01).
    pub(super) async fn conclude_password(&mut self, user: &str, started: Instant, outcome: Outcome) -> Auth {
        if matches!(outcome, Outcome::Refused) {
            tokio::time::sleep_until(started + self.server.settings().login_delay.password_failed).await;
        }
        self.conclude(user, outcome).await
    }

    fn acceptable_key(&self, key: &ssh_key::PublicKey, algorithm: &Algorithm) -> Option<PublicKey> {
        acceptable_key(key, algorithm, self.server.settings().algorithms.takes_sha1_signatures())
    }

    /// Whether the method is offered, or has to follow what the user has proved (A3-26).
    pub(super) fn may_converse(&self, user: &str) -> bool {
        let follows = |steps: &[LoginMethod]| steps.contains(&LoginMethod::KeyboardInteractive);
        self.server.offers_keyboard_interactive() || self.login.next_steps(user).is_some_and(follows)
    }
}

pub(super) fn answers(response: Response<'_>) -> Option<Vec<Secret>> {
    response.map(|answer| String::from_utf8(answer.to_vec()).ok().map(Secret::new)).collect()
}

fn ssh_methods(methods: &[LoginMethod]) -> MethodSet {
    let methods: Vec<MethodKind> = methods.iter().copied().filter_map(ssh_method).collect();
    MethodSet::from(&methods[..])
}

fn ssh_method(method: LoginMethod) -> Option<MethodKind> {
    match method {
        LoginMethod::Password => Some(MethodKind::Password),
        LoginMethod::KeyboardInteractive => Some(MethodKind::KeyboardInteractive),
        LoginMethod::PublicKey => Some(MethodKind::PublicKey),
        LoginMethod::PublicKeyThenPassword | LoginMethod::PublicKeyThenKeyboardInteractive => None,
    }
}

/// Refuses DSA keys and short RSA keys, and signatures with SHA-1 unless the policy allows them;
/// the library would verify all of these.
fn acceptable_key(key: &ssh_key::PublicKey, algorithm: &Algorithm, takes_sha1: bool) -> Option<PublicKey> {
    let has_weak_signature = matches!(algorithm, Algorithm::Rsa { hash: None }) && !takes_sha1;
    PublicKey::try_from(key.clone()).ok().filter(|key| !has_weak_signature && key.weakness().is_none())
}
