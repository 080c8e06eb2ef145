//! From credentials to an [`Actor`]: passwords, one-time codes, tokens and API keys of administrators.

use core::net::IpAddr;

use super::{Actor, AdminError};
use crate::password::PasswordError;
use crate::ports::{Door, StoreError};
use crate::secret::Secret;

/// The client of a door: where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoorClient {
    /// The door that the client uses.
    pub door: Door,
    /// The client's address, behind trusted proxies; None: the client is on the host itself, over a unix socket.
    pub address: Option<IpAddr>,
}

/// Why credentials made no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// The credentials are wrong, or of no use from this client. The answer is the same whatever is wrong, and as
    /// slow for names that do not exist.
    #[error("the credentials are wrong, or may not be used from here")]
    Denied,
    /// The password is right; the administrator has one-time codes, and none came with it.
    #[error("a one-time code is needed as well")]
    SecondFactorNeeded,
    /// The password is right, but the administrator has to have one-time codes and has none.
    #[error("this administrator has to have one-time codes; make them with \"tidegate admin totp\"")]
    SecondFactorMissing,
    /// Too many one-time codes of the administrator were wrong: none is looked at for so many seconds.
    #[error("too many one-time codes were wrong: none is looked at for {0} seconds")]
    Paused(i64),
    /// The store failed: the credentials were not judged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password could not be compared: the credentials were not judged.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl AuthenticationError {
    /// Whether the client gave wrong credentials: only this scores against its address (B14-06).
    pub fn is_denial(&self) -> bool {
        match self {
            Self::Denied => true,
            Self::SecondFactorNeeded
            | Self::SecondFactorMissing
            | Self::Paused(_)
            | Self::Store(_)
            | Self::Password(_) => false,
        }
    }
}

/// A token that was just made; the store has only its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token, for `Authorization: Bearer`.
    pub text: Secret,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

/// Authenticates administrators.
pub struct Authentication {}

impl Authentication {
    /// The administrator with this name and password; `one_time_code` may also be a recovery code, which is used
    /// up.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn basic(
        &self,
        username: &str,
        password: &Secret,
        one_time_code: Option<&str>,
        client: &DoorClient,
    ) -> Result<Actor, AuthenticationError> {
        let _ = (username, password, one_time_code, client);
        Err(AuthenticationError::Denied)
    }

    /// The administrator to whom the token was issued.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn token(&self, token: &str, client: &DoorClient) -> Result<Actor, AuthenticationError> {
        let _ = (token, client);
        Err(AuthenticationError::Denied)
    }

    /// The actor of an API key; one use of the key is counted.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn api_key(&self, key: &str, client: &DoorClient) -> Result<Actor, AuthenticationError> {
        let _ = (key, client);
        Err(AuthenticationError::Denied)
    }

    /// A new token of an administrator who was authenticated by [`basic`](Self::basic).
    ///
    /// # Errors
    /// The actor was authenticated otherwise, or the store fails.
    pub async fn issue_token(&self, actor: &Actor) -> Result<IssuedToken, AdminError> {
        Err(AdminError::InUse(format!("no token for {}", actor.author.name)))
    }

    /// Ends a token; one that is not known is no error.
    ///
    /// # Errors
    /// The store fails.
    pub async fn revoke(&self, token: &str) -> Result<(), StoreError> {
        let _ = token;
        Ok(())
    }
}
