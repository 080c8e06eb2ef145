//! What is known of a client before it is known who it is.

use core::net::SocketAddr;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::public_key::PublicKey;
use crate::secret::Secret;

/// Unique while the server runs; appears in every log line about the connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::from(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A network connection, known before any login.
#[derive(Debug, Clone)]
pub struct Connection {
    pub id: ConnectionId,
    pub remote: SocketAddr,
    pub local: SocketAddr,
    /// Known once the client has said it.
    pub client: OnceLock<String>,
    /// Milliseconds since 1970.
    pub opened_at: i64,
}

impl Connection {
    /// What the client says it is, such as `SSH-2.0-OpenSSH_9.6`; untrusted.
    pub fn client_software(&self) -> Option<&str> {
        self.client.get().map(String::as_str)
    }
}

/// How the client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LoginMethod {
    Password,
    PublicKey,
    KeyboardInteractive,
    /// A verified key, then a password (B12).
    PublicKeyThenPassword,
    /// A verified key, then keyboard-interactive (B12).
    PublicKeyThenKeyboardInteractive,
}

impl LoginMethod {
    pub const ALL: [Self; 5] = [
        Self::Password,
        Self::PublicKey,
        Self::KeyboardInteractive,
        Self::PublicKeyThenPassword,
        Self::PublicKeyThenKeyboardInteractive,
    ];

    /// The name in hooks, accounts and metrics (A4-06).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::PublicKey => "publickey",
            Self::KeyboardInteractive => "keyboard-interactive",
            Self::PublicKeyThenPassword => "publickey+password",
            Self::PublicKeyThenKeyboardInteractive => "publickey+keyboard-interactive",
        }
    }

    /// The name in the `connection_failed` log line, which keeps its old spelling for
    /// fail2ban filters (A21-06, J-08).
    pub fn login_type(self) -> &'static str {
        match self {
            Self::PublicKey => "public_key",
            other => other.as_str(),
        }
    }

    /// The method as the second step after a verified key.
    pub fn after_public_key(self) -> Self {
        match self {
            Self::Password => Self::PublicKeyThenPassword,
            Self::KeyboardInteractive => Self::PublicKeyThenKeyboardInteractive,
            other => other,
        }
    }
}

/// What the client presented.
#[derive(Debug, Clone)]
pub enum Credential {
    Password(Secret),
    /// Offered; login commits nothing before the signature is verified (J-14).
    PublicKey(PublicKey),
    /// The answers come later, through a conversation.
    KeyboardInteractive,
}

impl Credential {
    pub fn method(&self) -> LoginMethod {
        match self {
            Self::Password(_) => LoginMethod::Password,
            Self::PublicKey(_) => LoginMethod::PublicKey,
            Self::KeyboardInteractive => LoginMethod::KeyboardInteractive,
        }
    }
}
