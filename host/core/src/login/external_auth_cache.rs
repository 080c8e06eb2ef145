//! What external authentication accepted a moment ago, for accounts that allow it
//! (`filters.external_auth_cache_time`; B8). Only exactly the credential that was accepted
//! is found again: any other is asked about.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::account::EffectiveAccount;
use crate::connection::Credential;
use crate::hook::LoginAttempt;

const MAX_ENTRIES: usize = 10_000;

pub struct ExternalAuthCache {
    /// Of this process, so that entries say nothing of the credentials behind them.
    key: [u8; 32],
    /// When they expire, in milliseconds since 1970.
    entries: Mutex<HashMap<[u8; 32], i64>>,
}

impl ExternalAuthCache {
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key, entries: Mutex::default() })
    }

    /// The stored account, if its credential was accepted and that still counts.
    pub fn hit(&self, attempt: &LoginAttempt, now: i64) -> Option<Arc<EffectiveAccount>> {
        let account = attempt.stored.as_ref().filter(|account| account.filters.external_auth_cache_seconds > 0)?;
        let name = self.name(attempt)?;
        let expires = *self.lock().get(&name)?;
        (now < expires).then(|| account.clone())
    }

    pub fn remember(&self, attempt: &LoginAttempt, account: &EffectiveAccount, now: i64) {
        let seconds = account.filters.external_auth_cache_seconds;
        // An answer for another account than the one that was named is asked for each time.
        if seconds <= 0 || account.username != attempt.username {
            return;
        }
        let Some(name) = self.name(attempt) else { return };
        let mut entries = self.lock();
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, expires| *expires > now);
        }
        if entries.len() < MAX_ENTRIES {
            entries.insert(name, now.saturating_add(seconds.saturating_mul(1000)));
        }
    }

    fn name(&self, attempt: &LoginAttempt) -> Option<[u8; 32]> {
        let (method, credential) = match &attempt.credential {
            Credential::Password(password) => (b'p', password.expose().as_bytes()),
            Credential::PublicKey(key) => (b'k', key.blob()),
            Credential::KeyboardInteractive => return None,
        };
        let mut hash = Sha256::new_with_prefix(self.key);
        hash.update([method]);
        hash.update(attempt.connection.remote.ip().to_string());
        hash.update([0]);
        hash.update(u64::try_from(attempt.username.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(&attempt.username);
        hash.update(credential);
        Some(hash.finalize().into())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], i64>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
