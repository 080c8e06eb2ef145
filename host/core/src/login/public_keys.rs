//! The public-key method (RFC 4252 §7).

use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument as _;

use super::credentials::Resolved;
use super::{Attempted, Login, Offer, Outcome, Proved, Refusal, RefusalReason};
use crate::connection::{Credential, LoginMethod};
use crate::hook::{Comparisons, LastDecision, LoginAttempt};
use crate::presented::shortened;
use crate::public_key::PublicKey;

/// What is known of an offered key.
#[derive(Clone)]
pub(super) enum OfferedKey {
    /// The key would log in this account.
    Acceptable(Arc<LoginAttempt>, Resolved),
    Refused(Arc<LoginAttempt>, Refusal),
    /// The key was refused, and that was logged, before.
    RefusedBefore,
}

impl Login {
    /// Whether a signature with this key would be accepted, for a client that asks before it signs (RFC 4252 §7).
    /// Nothing is stored (J-14).
    pub async fn public_key_offered(&mut self, username: &str, key: &PublicKey) -> Offer {
        self.give_up();
        let span = self.span.clone();
        match self.resolve_key(username, key).instrument(span).await {
            OfferedKey::Acceptable(..) => Offer::Acceptable,
            OfferedKey::Refused(attempt, refusal) => match self.refused(&attempt, &refusal) {
                Outcome::Unavailable => Offer::Unavailable,
                Outcome::Accepted(_) | Outcome::NextStep(_) | Outcome::Refused => Offer::Refused,
            },
            OfferedKey::RefusedBefore => Offer::Refused,
        }
    }

    /// An attempt with the public-key method, whose signature was verified (RFC 4252 §7).
    pub async fn public_key_verified(&mut self, username: &str, key: &PublicKey) -> Outcome {
        let span = self.span.clone();
        self.try_verified_key(username, key).instrument(span).await
    }

    async fn try_verified_key(&mut self, username: &str, key: &PublicKey) -> Outcome {
        self.give_up();
        let (attempt, resolved) = match self.resolve_key(username, key).await {
            OfferedKey::Acceptable(attempt, resolved) => (attempt, resolved),
            // Refusals are remembered from the question before, but not that the store was away.
            OfferedKey::Refused(attempt, refusal) => return self.refused(&attempt, &refusal),
            OfferedKey::RefusedBefore => return Outcome::Refused,
        };
        let next = resolved.account.next_steps(&[LoginMethod::PublicKey]);
        self.forced_command = resolved.forced_command.clone();
        if next.is_empty() {
            let outcome = self.service.commit(resolved).await.map(Proved::without_code);
            return self.conclude(&attempt, outcome).await;
        }
        let outcome = self.passed(&attempt, next, None);
        if let Some(passed) = &mut self.passed {
            passed.made = resolved.made_for(&attempt.username);
        }
        outcome
    }

    /// Refuses an attempt with a key that is too weak, or whose signature algorithm is.
    pub fn public_key_unacceptable(&mut self, username: &str, key: &PublicKey) {
        self.attempts = self.attempts.saturating_add(1);
        let attempt = Arc::new(LoginAttempt {
            connection: self.connection.clone(),
            username: shortened(username).to_owned(),
            credential: Credential::PublicKey(key.clone()),
            completed_methods: Vec::new(),
            stored: None,
            read_at: Instant::now(),
            number: self.attempts,
            comparisons: Comparisons::default(),
            decision: LastDecision::default(),
        });
        let text = "the key or its signature is too weak; use ed25519, ecdsa, or RSA with 2048 bits and SHA-2";
        self.refused(&attempt, &Refusal::new(RefusalReason::Denied, text));
    }

    async fn resolve_key(&mut self, username: &str, key: &PublicKey) -> OfferedKey {
        let memo = (username.to_owned(), key.blob().to_vec());
        if let Some(known) = self.offers.get(&memo) {
            return known.clone();
        }
        let offered = match self.attempt(username, Credential::PublicKey(key.clone())).await {
            Attempted::Admitted(attempt) => match self.service.try_key(&attempt, key).await {
                Ok(resolved) => OfferedKey::Acceptable(attempt, resolved),
                Err(refusal) => OfferedKey::Refused(attempt, refusal),
            },
            Attempted::Refused(attempt, refusal) => OfferedKey::Refused(attempt, refusal),
        };
        let remembered = match &offered {
            OfferedKey::Refused(_, refusal) if refusal.reason == RefusalReason::Unavailable => return offered,
            OfferedKey::Acceptable(..) => offered.clone(),
            OfferedKey::Refused(..) | OfferedKey::RefusedBefore => OfferedKey::RefusedBefore,
        };
        self.offers.insert(memo, remembered);
        offered
    }
}
