//! Whether the store of accounts answers, before a client has shown a credential.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::account::Accounts;
use crate::ports::StoreError;

/// How long an answer of the store is believed, in milliseconds.
const BELIEVED: i64 = 1000;

/// When the store has answered last. A login that begins during an outage notices it, so that even the first hook that it
/// asks learns of the outage.
#[derive(Debug)]
pub(super) struct StoreProbe {
    /// In milliseconds since 1970.
    answered_at: AtomicI64,
}

impl Default for StoreProbe {
    fn default() -> Self {
        Self { answered_at: AtomicI64::new(i64::MIN) }
    }
}

impl StoreProbe {
    /// Whether the store is away at the time `now`. It is asked for the user if it has not answered for a second.
    pub(super) async fn finds_it_away(&self, accounts: &Accounts, username: &str, now: i64) -> bool {
        let age = now.saturating_sub(self.answered_at.load(Ordering::Relaxed));
        if (0..BELIEVED).contains(&age) {
            return false;
        }
        if matches!(accounts.find(username).await, Err(StoreError::Unavailable(_))) {
            return true;
        }
        self.answered_at.store(now, Ordering::Relaxed);
        false
    }
}
