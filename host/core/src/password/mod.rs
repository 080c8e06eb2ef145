//! Password hashes as texts: which formats are known, and which may come from where. They are made and
//! compared behind [`crate::ports::Passwords`].

mod cost;
mod strength;
mod text;

pub use cost::Unfit;
pub use strength::strength;
pub use text::{PasswordText, known_prefixes};

use crate::secret::Secret;

/// Argon2id with a random salt of 16 bytes and a random digest of 32.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$HOro73enmvBDp5nJWWEI0Q$tiEOhNKYs2Dw0h73hn1GSsW9bRvTTNEz1NwQ4pHqPxY";

/// What is wrong with a hash that no password can match.
pub(crate) const NOT_CHECKABLE: &str =
    "is a hash that cannot be checked here: it is cut off or malformed, or its cost is too high; set the password anew";

/// The formats that are stored as they are (A8-11), by their prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashFormat {
    /// `$argon2id$`: PHC string with cost parameters (RFC 9106).
    Argon2id,
    /// `$2a$`, `$2b$` or `$2y$`, with a cost of two digits.
    Bcrypt,
    /// `$pbkdf2-sha1$<iterations>$<salt>$<digest>`, the salt as text.
    Pbkdf2Sha1,
    /// `$pbkdf2-sha256$…`, the salt as text.
    Pbkdf2Sha256,
    /// `$pbkdf2-sha512$…`, the salt as text.
    Pbkdf2Sha512,
    /// `$pbkdf2-b64salt-sha256$…`: PBKDF2 with SHA-256, the salt in base64.
    Pbkdf2Base64Sha256,
    /// `$1$`: crypt(5) with MD5.
    Md5Crypt,
    /// `$apr1$`: Apache's variant of crypt(5) with MD5.
    Apr1,
    /// `$5$`: crypt(5) with SHA-256, with or without `rounds=`.
    Sha256Crypt,
    /// `$6$`: crypt(5) with SHA-512, with or without `rounds=`.
    Sha512Crypt,
    /// `$y$`: yescrypt, as crypt(5) writes it.
    Yescrypt,
    /// `{MD5}` and the digest in hexadecimal; no salt.
    Md5,
    /// `{SHA256}` and the digest in hexadecimal; no salt.
    Sha256,
    /// `{SHA512}` and the digest in hexadecimal; no salt.
    Sha512,
}

const PREFIXES: [(&str, HashFormat); 16] = [
    ("$argon2id$", HashFormat::Argon2id),
    ("$2a$", HashFormat::Bcrypt),
    ("$2b$", HashFormat::Bcrypt),
    ("$2y$", HashFormat::Bcrypt),
    ("$pbkdf2-sha1$", HashFormat::Pbkdf2Sha1),
    ("$pbkdf2-sha256$", HashFormat::Pbkdf2Sha256),
    ("$pbkdf2-sha512$", HashFormat::Pbkdf2Sha512),
    ("$pbkdf2-b64salt-sha256$", HashFormat::Pbkdf2Base64Sha256),
    ("$1$", HashFormat::Md5Crypt),
    ("$apr1$", HashFormat::Apr1),
    ("$5$", HashFormat::Sha256Crypt),
    ("$6$", HashFormat::Sha512Crypt),
    ("$y$", HashFormat::Yescrypt),
    ("{MD5}", HashFormat::Md5),
    ("{SHA256}", HashFormat::Sha256),
    ("{SHA512}", HashFormat::Sha512),
];

/// A password hash in one of the known formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash {
    format: HashFormat,
    text: Secret,
}

/// Why a password could not be hashed or compared; a wrong password is no error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The hash function or the random generator failed.
    #[error("the password could not be hashed: {0}")]
    Hashing(String),
    /// The server is stopping.
    #[error("the pool for password checks is shut down")]
    PoolClosed,
}

impl PasswordHash {
    /// The text as a hash, if it begins like one that can be checked.
    pub fn recognise(text: &str) -> Option<Self> {
        let (_, format) = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix))?;
        Some(Self { format: *format, text: Secret::new(text) })
    }

    /// A hash of no known password, with the cost of a new hash. A login compares it when the account has no
    /// hash, so that the time does not show whether the account exists.
    pub fn decoy() -> Self {
        Self { format: HashFormat::Argon2id, text: Secret::new(DECOY) }
    }

    /// The format, as recognised by the prefix.
    pub fn format(&self) -> HashFormat {
        self.format
    }

    /// The hash as it is stored.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_passwords_are_not_taken_for_hashes() {
        // A8-11
        for text in ["", "secret", "$", "$7$x", "{SHA}x", "argon2id$"] {
            assert_eq!(PasswordHash::recognise(text), None, "{text}");
        }
    }
}
