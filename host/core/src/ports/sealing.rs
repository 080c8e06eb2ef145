//! Encrypts secrets for the store, so that the database alone does not reveal them.

use crate::secret::Secret;

/// Encrypts and decrypts secrets with a key of the server. A sealed secret can be opened for its own place alone:
/// copied to another account or field, it cannot be decrypted.
pub trait Sealing: Send + Sync {
    /// Encrypts the secret; `place` says of which field of which object it is. The first call may make the key.
    ///
    /// # Errors
    /// There is no key, and none can be made.
    fn seal(&self, place: &str, clear: &Secret) -> Result<String, SealingError>;

    /// Decrypts what was sealed for that place.
    ///
    /// # Errors
    /// There is no key, it is another one, or the text was sealed for another place, or changed.
    fn open(&self, place: &str, sealed: &str) -> Result<Secret, SealingError>;
}

/// Why a secret was not sealed or opened: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SealingError(pub String);
