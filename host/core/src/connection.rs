//! A client's connection, as far as it is known before a login.

use core::net::SocketAddr;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::public_key::PublicKey;
use crate::secret::Secret;

/// Identifies a connection, or a channel of one, in logs and hooks. Unique while the server runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    /// The id with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::from(text.into()))
    }

    /// The id as logs and hooks show it.
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
    /// Appears in every log line about the connection.
    pub id: ConnectionId,
    /// The client's address; behind a proxy, the one that the PROXY protocol names.
    pub remote: SocketAddr,
    /// The server's address that the client connected to.
    pub local: SocketAddr,
    /// The client's identification string (RFC 4253 §4.2); set once it has arrived.
    pub client: OnceLock<String>,
    /// Milliseconds since 1970.
    pub opened_at: i64,
    /// What a client of the doors over HTTP said of itself; None: it speaks SSH.
    pub web: Option<Box<WebVisit>>,
}

/// What is known of a client of the doors over HTTP. What the client says is untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebVisit {
    /// The name by which the client called the server, without a port.
    pub host: String,
    /// The header `Referer`; empty if there was none (RFC 9110 §10.1.3).
    pub referer: String,
    /// The header `User-Agent`; empty if there was none (RFC 9110 §10.1.5).
    pub user_agent: String,
    /// The name of the login link that began the session; empty: none did.
    pub login_key: String,
    /// The administrator that acts as the user; empty: the user acts itself (D-13).
    pub impersonator: String,
}

impl Connection {
    /// The client's identification string, such as `SSH-2.0-OpenSSH_9.6`. Untrusted; none until it has
    /// arrived.
    pub fn client_software(&self) -> Option<&str> {
        self.client.get().map(String::as_str)
    }

    /// The side of the server that the client came in by: `ssh` or `web`.
    pub fn origin(&self) -> &'static str {
        if self.web.is_some() { "web" } else { "ssh" }
    }
}

/// How a client proves its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LoginMethod {
    /// The SSH method `password` (RFC 4252 §8).
    Password,
    /// The SSH method `publickey` (RFC 4252 §7).
    PublicKey,
    /// The SSH method `keyboard-interactive` (RFC 4256).
    KeyboardInteractive,
    /// A verified key, then a password (B12).
    PublicKeyThenPassword,
    /// A verified key, then keyboard-interactive (B12).
    PublicKeyThenKeyboardInteractive,
}

impl LoginMethod {
    /// Every method, in the order of the metrics.
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
    /// A password in clear, as the client sent it.
    Password(Secret),
    /// An offered key. The login commits nothing before the signature is verified (J-14).
    PublicKey(PublicKey),
    /// The answers come later, through a conversation.
    KeyboardInteractive,
}

impl Credential {
    /// The login method that this credential belongs to, taken by itself.
    pub fn method(&self) -> LoginMethod {
        match self {
            Self::Password(_) => LoginMethod::Password,
            Self::PublicKey(_) => LoginMethod::PublicKey,
            Self::KeyboardInteractive => LoginMethod::KeyboardInteractive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_names_for_hooks_and_for_the_log() {
        // A4-06, A21-06, J-08: written out, so that none is spelled in another way.
        let names = LoginMethod::ALL.map(|method| (method.as_str(), method.login_type()));
        let expected = [
            ("password", "password"),
            ("publickey", "public_key"),
            ("keyboard-interactive", "keyboard-interactive"),
            ("publickey+password", "publickey+password"),
            ("publickey+keyboard-interactive", "publickey+keyboard-interactive"),
        ];
        assert_eq!(names, expected);
    }
}
