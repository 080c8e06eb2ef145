//! Credentials that external authentication has decided about a short time ago (B8). What it accepted is remembered for
//! accounts that allow it (`filters.external_auth_cache_time`), what it denied for a time of the server's. A hit needs
//! the same credential from the same address; about any other the hook is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::account::EffectiveAccount;
use crate::connection::Credential;
use crate::guard::Source;
use crate::hook::{DecidingCall, LoginAttempt};
use crate::metrics::{ExternalAuthAnswer, Metrics};
use crate::password::PasswordError;
use crate::ports::Clock;

/// Most entries of a kind; with as many that have not expired, further credentials are not remembered.
const MAX_ENTRIES: usize = 10_000;

/// Decided credentials, as keyed hashes. They are lost when the server ends.
pub struct ExternalAuthCache {
    /// A random key of this process, so that credentials cannot be guessed from entries.
    key: [u8; 32],
    /// How long a denial is remembered, in milliseconds; 0: it is not.
    denial_time: i64,
    entries: Mutex<Entries>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Entries {
    accepted: Remembered,
    denied: Remembered,
    /// When the last logins of all users, and of these, were forgotten (in milliseconds since 1970): until they have
    /// logged in again, hooks that rely on them are asked.
    all_forgotten_at: i64,
    forgotten_at: HashMap<String, i64>,
}

/// The entries of one kind.
#[derive(Default)]
struct Remembered(HashMap<[u8; 32], Entry>);

struct Entry {
    username: String,
    /// The id of the account that was accepted: another one may have its name later.
    account: i64,
    /// The hooks that have decided.
    generation: u64,
    /// The one of them that has accepted it, for administrators.
    decision: Option<Arc<DecidingCall>>,
    /// By the steady clock.
    expires: i64,
}

impl Remembered {
    /// `account`: the one that it has to be for; None: any.
    fn find(&self, name: &[u8; 32], generation: u64, account: Option<i64>, now: i64) -> Option<&Entry> {
        let is_it = |entry: &Entry| entry.generation == generation && account.is_none_or(|id| id == entry.account);
        self.0.get(name).filter(|entry| is_it(entry) && now < entry.expires)
    }

    fn add(&mut self, name: [u8; 32], entry: Entry, now: i64) {
        if self.0.len() >= MAX_ENTRIES {
            self.0.retain(|_, entry| now < entry.expires);
        }
        if self.0.len() < MAX_ENTRIES || self.0.contains_key(&name) {
            self.0.insert(name, entry);
        }
    }

    /// Removes the entries of one user or of all, and counts those that had not expired.
    fn forget(&mut self, username: Option<&str>, now: i64) -> usize {
        let goes = |entry: &Entry| username.is_none_or(|username| username == entry.username);
        let count = self.0.values().filter(|entry| goes(entry) && now < entry.expires).count();
        self.0.retain(|_, entry| !goes(entry));
        count
    }
}

/// What is remembered of a credential.
#[derive(Debug)]
pub(super) enum Known {
    /// It was accepted: the stored account, and the hook that decided.
    Accepted(Arc<EffectiveAccount>, Option<Arc<DecidingCall>>),
    Denied,
}

impl ExternalAuthCache {
    /// An empty cache. `denial_time`: how long a denial is remembered; 0: it is not.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(denial_time: Duration, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Result<Self, PasswordError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| PasswordError::Hashing(error.to_string()))?;
        let denial_time = i64::try_from(denial_time.as_millis()).unwrap_or(i64::MAX);
        Ok(Self { key, denial_time, entries: Mutex::default(), metrics, clock })
    }

    /// Forgets the credentials of one user or of all, and how many there were. Hooks are asked again, too, where the
    /// user's last login was enough.
    pub fn forget(&self, username: Option<&str>) -> usize {
        let (now, steady) = (self.clock.now(), self.clock.steady());
        let mut entries = self.entries();
        match username {
            Some(username) if entries.forgotten_at.len() < MAX_ENTRIES => {
                entries.forgotten_at.insert(username.to_owned(), now);
            }
            Some(_) | None => {
                entries.all_forgotten_at = now;
                entries.forgotten_at.clear();
            }
        }
        entries.accepted.forget(username, steady) + entries.denied.forget(username, steady)
    }

    /// Forgets the credentials of one user, whose account was changed. Hooks that rely on the last login alone are not
    /// asked for it (B8-02): an administrator may have set the password that decides.
    pub fn forget_credentials(&self, username: &str) {
        let steady = self.clock.steady();
        let mut entries = self.entries();
        entries.accepted.forget(Some(username), steady);
        entries.denied.forget(Some(username), steady);
    }

    /// What is remembered of the credential of an attempt. `generation`: that of the hooks now. `accepted`: whether that
    /// it was accepted is enough.
    pub(super) fn find(&self, attempt: &LoginAttempt, generation: u64, accepted: bool) -> Option<Known> {
        let account = attempt.stored.as_ref().filter(|account| account.filters.external_auth_cache_seconds > 0);
        let account = account.filter(|_| accepted);
        if account.is_none() && self.denial_time == 0 {
            return None;
        }
        let name = self.name(attempt)?;
        let steady = self.clock.steady();
        let entries = self.entries();
        if entries.denied.find(&name, generation, None, steady).is_some() {
            self.metrics.external_auth(ExternalAuthAnswer::Denied);
            return Some(Known::Denied);
        }
        let known = account.and_then(|account| {
            let entry = entries.accepted.find(&name, generation, Some(account.id), steady)?;
            Some(Known::Accepted(account.clone(), entry.decision.clone()))
        });
        self.metrics.external_auth(if known.is_some() {
            ExternalAuthAnswer::Accepted
        } else {
            ExternalAuthAnswer::Asked
        });
        known
    }

    /// Whether the last login of the stored account is so recent that hooks of the older server are not asked (B8-02).
    /// A login that changes nothing about that does not count as the last one (B8-03).
    pub(super) fn is_recent(&self, attempt: &LoginAttempt) -> bool {
        let Some(account) = &attempt.stored else { return false };
        let window = account.filters.external_auth_cache_seconds.saturating_mul(1000);
        let (last, now) = (account.last_login, self.clock.now());
        // A time to come is that of another clock.
        if last <= 0 || !(0..window).contains(&now.saturating_sub(last)) {
            return false;
        }
        let entries = self.entries();
        let forgotten = entries.forgotten_at.get(&account.username).copied().unwrap_or_default();
        last > forgotten.max(entries.all_forgotten_at)
    }

    /// Remembers an accepted credential for the time that the account says.
    pub(super) fn accepted(&self, attempt: &LoginAttempt, generation: u64, account: &EffectiveAccount) {
        let seconds = account.filters.external_auth_cache_seconds;
        // A hook that answers with another account than the client named is asked each time.
        if seconds <= 0 || account.username != attempt.username {
            return;
        }
        let Some(name) = self.name(attempt) else { return };
        let steady = self.clock.steady();
        let expires = steady.saturating_add(seconds.saturating_mul(1000));
        let (username, decision) = (attempt.username.clone(), attempt.decision.call());
        let entry = Entry { username, account: account.id, generation, decision, expires };
        self.entries().accepted.add(name, entry, steady);
    }

    /// Remembers a denied credential.
    pub(super) fn denied(&self, attempt: &LoginAttempt, generation: u64) {
        if self.denial_time == 0 {
            return;
        }
        let Some(name) = self.name(attempt) else { return };
        let steady = self.clock.steady();
        let expires = steady.saturating_add(self.denial_time);
        let username = attempt.username.clone();
        let entry = Entry { username, account: 0, generation, decision: None, expires };
        self.entries().denied.add(name, entry, steady);
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
        hash.update(Source::from(attempt.connection.remote.ip()).to_string());
        hash.update([0]);
        hash.update(u64::try_from(attempt.username.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(&attempt.username);
        hash.update(credential);
        Some(hash.finalize().into())
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
