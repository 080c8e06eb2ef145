//! Credentials that external authentication has accepted a short time ago, of accounts that allow it
//! (`filters.external_auth_cache_time`; B8). A hit needs the same credential from the same address; about
//! any other the hook is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::account::EffectiveAccount;
use crate::connection::Credential;
use crate::hook::LoginAttempt;

/// Most entries; with as many that have not expired, further credentials are not remembered.
const MAX_ENTRIES: usize = 10_000;

/// Accepted credentials, as keyed hashes.
pub struct ExternalAuthCache {
    /// A random key of this process, so that credentials cannot be guessed from entries.
    key: [u8; 32],
    /// When each entry expires, in milliseconds since 1970.
    entries: Mutex<HashMap<[u8; 32], i64>>,
}

impl ExternalAuthCache {
    /// An empty cache.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key, entries: Mutex::default() })
    }

    /// The stored account, if its credential was accepted and the entry has not expired. `now`: milliseconds since
    /// 1970.
    pub fn hit(&self, attempt: &LoginAttempt, now: i64) -> Option<Arc<EffectiveAccount>> {
        let account = attempt.stored.as_ref().filter(|account| account.filters.external_auth_cache_seconds > 0)?;
        let name = self.name(attempt)?;
        let expires = *self.lock().get(&name)?;
        (now < expires).then(|| account.clone())
    }

    /// Remembers an accepted credential for the time that the account says. `now`: milliseconds since 1970.
    pub fn remember(&self, attempt: &LoginAttempt, account: &EffectiveAccount, now: i64) {
        let seconds = account.filters.external_auth_cache_seconds;
        // A hook that answers with another account than the client named is asked each time.
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

    /// The key of an entry; None: the method has no credential to remember.
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
