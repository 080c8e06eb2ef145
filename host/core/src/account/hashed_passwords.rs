//! Which password the hash of an account was made of, for logins that a hook vouches for.
//!
//! The password of such a login becomes the stored one (A11-22). It is nearly always the same as last time,
//! and a key derivation at each login would only find that out again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::password::PasswordHash;
use crate::secret::Secret;

/// Accounts whose password is remembered; the others pay for a key derivation.
const MAX_ACCOUNTS: usize = 10_000;

/// The last password of each account, as a digest under a key of this process. It is never stored.
pub(super) struct HashedPasswords {
    /// None: the system gave no random numbers, and nothing is remembered.
    key: Option<[u8; 32]>,
    digests: Mutex<HashMap<String, [u8; 32]>>,
}

impl HashedPasswords {
    pub fn new() -> Self {
        let mut key = [0; 32];
        let is_random = getrandom::fill(&mut key).is_ok();
        Self { key: is_random.then_some(key), digests: Mutex::default() }
    }

    /// Whether `hash`, which is stored for the account, is known to be one of `clear`. False says nothing.
    pub fn knows(&self, username: &str, hash: &PasswordHash, clear: &Secret) -> bool {
        let Some(digest) = self.digest(hash, clear) else { return false };
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).get(username) == Some(&digest)
    }

    /// `hash` was made of `clear`, or was found to match it.
    pub fn note(&self, username: &str, hash: &PasswordHash, clear: &Secret) {
        let Some(digest) = self.digest(hash, clear) else { return };
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.len() >= MAX_ACCOUNTS && !digests.contains_key(username) {
            digests.clear();
        }
        digests.insert(username.to_owned(), digest);
    }

    /// The hash is part of it: a password that an administrator has set since is another.
    fn digest(&self, hash: &PasswordHash, clear: &Secret) -> Option<[u8; 32]> {
        let mut digest = Sha256::new_with_prefix(self.key?);
        let hash = hash.expose();
        digest.update(u64::try_from(hash.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(hash);
        digest.update(clear.expose());
        Some(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_password_under_the_same_hash_is_known() {
        let hashed = HashedPasswords::new();
        let hash = |text: &str| PasswordHash::recognise(text).unwrap();
        let (stored, other) = (hash("$6$salt$hash"), hash("$6$salt$other"));
        assert!(!hashed.knows("u", &stored, &Secret::new("right")));
        hashed.note("u", &stored, &Secret::new("right"));
        let check = |username: &str, hash: &PasswordHash, clear: &str, expected: bool| {
            assert_eq!(hashed.knows(username, hash, &Secret::new(clear)), expected, "{username} {clear}");
        };
        check("u", &stored, "right", true);
        check("u", &stored, "wrong", false);
        check("u", &stored, "", false);
        check("u", &other, "right", false);
        check("v", &stored, "right", false);
        hashed.note("u", &other, &Secret::new("new"));
        check("u", &stored, "right", false);
        check("u", &other, "new", true);
    }

    #[test]
    fn a_flood_of_accounts_takes_no_more_memory() {
        let hashed = HashedPasswords::new();
        let (hash, clear) = (PasswordHash::recognise("$6$salt$hash").unwrap(), Secret::new("x"));
        for number in 0..=MAX_ACCOUNTS {
            hashed.note(&number.to_string(), &hash, &clear);
        }
        assert!(hashed.digests.lock().unwrap().len() <= MAX_ACCOUNTS);
        assert!(hashed.knows(&MAX_ACCOUNTS.to_string(), &hash, &clear));
    }
}
