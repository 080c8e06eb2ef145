//! The port to password hashing.

use async_trait::async_trait;

use crate::password::{PasswordError, PasswordHash};
use crate::secret::Secret;
use crate::turns::Waiter;

/// Hashes and compares passwords on a bounded pool, off the runtime's threads. Waiting callers take turns
/// ([`crate::turns`]).
///
/// # Errors
/// [`PasswordError`] if there is no answer; a wrong password is `Ok(false)`.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// Whether `clear` is the password of `hash`.
    async fn matches(&self, waiter: Waiter<'_>, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError>;

    /// As [`matches`](Self::matches), for a hash that a plugin gave and that passed
    /// [`is_for_plugins`](PasswordHash::is_for_plugins). The server's own comparisons do not wait behind
    /// these.
    async fn matches_for_plugin(
        &self,
        waiter: Waiter<'_>,
        hash: &PasswordHash,
        clear: &Secret,
    ) -> Result<bool, PasswordError> {
        self.matches(waiter, hash, clear).await
    }

    /// Whether some password can match `hash`; false: it is cut off or malformed, or comparisons with it cost too much
    /// and are not made. Only the real pool knows the formats.
    fn can_check(&self, _hash: &PasswordHash) -> bool {
        true
    }

    /// A new hash of `clear`, with a fresh random salt.
    async fn hash(&self, waiter: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError>;
}
