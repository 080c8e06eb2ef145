//! Password hashing.

use async_trait::async_trait;

use crate::password::{PasswordError, PasswordHash};
use crate::secret::Secret;
use crate::turns::Waiter;

/// Password hashing on a bounded pool, off the runtime's threads. Those who wait take turns.
#[async_trait]
pub trait Passwords: Send + Sync {
    async fn matches(&self, waiter: Waiter<'_>, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError>;

    /// With a hash that a plugin gave, which is not to cost more than
    /// [`for_plugins`](PasswordHash::is_for_plugins) allows: the server's own comparisons do not
    /// wait behind these.
    async fn matches_for_plugin(
        &self,
        waiter: Waiter<'_>,
        hash: &PasswordHash,
        clear: &Secret,
    ) -> Result<bool, PasswordError> {
        self.matches(waiter, hash, clear).await
    }

    async fn hash(&self, waiter: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError>;
}
