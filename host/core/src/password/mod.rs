//! Password hashes: which formats are known, and the checks themselves. The functions here
//! burn CPU for tens of milliseconds; callers run them through [`crate::ports::Passwords`].

mod apr1;
mod cost;
mod formats;
mod text;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

pub use cost::Unfit;
pub use text::{PasswordText, known_prefixes};

use crate::secret::Secret;

/// Of new hashes, in bytes.
const SALT_LENGTH: usize = 16;
const OUTPUT_LENGTH: usize = 32;

/// The formats that are stored as they are (A8-11), by their prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashFormat {
    Argon2id,
    Bcrypt,
    Pbkdf2Sha1,
    Pbkdf2Sha256,
    Pbkdf2Sha512,
    /// The salt in base64.
    Pbkdf2Base64Sha256,
    Md5Crypt,
    Apr1,
    Sha256Crypt,
    Sha512Crypt,
    Yescrypt,
    /// Without a salt, in hexadecimal.
    Md5,
    Sha256,
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

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("the password could not be hashed: {0}")]
    Hashing(String),
    #[error("the pool for password checks is shut down")]
    PoolClosed,
}

impl PasswordHash {
    /// The text as a hash, if it begins like one that can be checked.
    pub fn recognise(text: &str) -> Option<Self> {
        let (_, format) = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix))?;
        Some(Self { format: *format, text: Secret::new(text) })
    }

    /// A new argon2id hash with a random salt.
    pub fn of(clear: &Secret) -> Result<Self, PasswordError> {
        let hashing = |error: &dyn std::fmt::Display| PasswordError::Hashing(error.to_string());
        let (mut salt, mut output) = ([0; SALT_LENGTH], [0; OUTPUT_LENGTH]);
        getrandom::fill(&mut salt).map_err(|error| hashing(&error))?;
        let params = Params::default();
        let text = format!(
            "$argon2id$v={}$m={},t={},p={}${}$",
            u32::from(Version::V0x13),
            params.m_cost(),
            params.t_cost(),
            params.p_cost(),
            STANDARD_NO_PAD.encode(salt)
        );
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        formats::derive_argon2(&argon2, clear.expose().as_bytes(), &salt, &mut output)
            .map_err(|error| hashing(&error))?;
        Ok(Self { format: HashFormat::Argon2id, text: Secret::new(text + &STANDARD_NO_PAD.encode(output)) })
    }

    pub fn format(&self) -> HashFormat {
        self.format
    }

    /// The hash as it is stored.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// Whether `clear` is the password. A malformed hash, or one dearer than the bounds
    /// above, matches nothing.
    pub fn matches(&self, clear: &Secret) -> bool {
        let (hash, clear) = (self.text.expose(), clear.expose().as_bytes());
        formats::matches(self.format, hash, clear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hash: &str, password: &str, expected: bool) {
        let hash = PasswordHash::recognise(hash).unwrap();
        assert_eq!(hash.matches(&Secret::new(password)), expected, "{:?}", hash.format());
    }

    #[test]
    fn known_vectors() {
        // A8-12
        let pbkdf2 = "$pbkdf2-sha256$150000$E86a9YMX3zC7$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=";
        check(pbkdf2, "password", true);
        check(pbkdf2, "Password", false);
        // A8-13
        let bcrypt = "$2a$14$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK";
        check(bcrypt, "secret", true);
        check(bcrypt, "secret2", false);
        // RFC 6070 with the salt as text
        check("$pbkdf2-sha1$2$salt$6mwBTcctb4zNHtkqzh1B8NjeiVc=", "password", true);
        // From crypt(3)
        check("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "password", true);
        check("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "passwore", false);
        // From openssl passwd -apr1
        check("$apr1$saltsalt$yAAkm4libquA.ZWLHbSBq/", "password", true);
        check("$apr1$saltsalt$yAAkm4libquA.ZWLHbSBq/", "passwore", false);
        check("$apr1$ab$eIePjsejfBGR8ITtu2z0U1", "x", true);
        check("$apr1$ab$eIePjsejfBGR8ITtu2z0U1", "", false);
        check("$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "myPassword", true);
        check(
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            "Hello world!",
            true,
        );
        check("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!", true);
        check("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "hello world!", false);
        // The first vector again, with its salt in base64.
        let base64_salt = "$pbkdf2-b64salt-sha256$150000$RTg2YTlZTVgzekM3$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=";
        check(base64_salt, "password", true);
        check(base64_salt, "passwort", false);
        // From crypt(3) of Debian 12
        let yescrypt = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC";
        check(yescrypt, "password", true);
        check(yescrypt, "passwort", false);
        // RFC 1321 A.5, FIPS 180-2 B.1 and C.1
        check("{MD5}900150983cd24fb0d6963f7d28e17f72", "abc", true);
        check("{SHA256}BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", "abc", true);
        let sha512 = "{SHA512}ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        check(sha512, "abc", true);
        check(sha512, "abd", false);
    }

    #[test]
    fn a_new_hash_is_argon2id_and_matches() {
        let hash = PasswordHash::of(&Secret::new("pass phrase")).unwrap();
        assert!(hash.expose().starts_with("$argon2id$"));
        check(hash.expose(), "pass phrase", true);
        check(hash.expose(), "pass phrase ", false);
    }

    #[test]
    fn malformed_and_dear_hashes_match_nothing() {
        for hash in [
            "$argon2id$",
            "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$AAAA",
            "$argon2id$v=19$m=65536,t=4294967295,p=1$c2FsdHNhbHQ$AAAA",
            "$2a$31$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK",
            "$2b$",
            "$pbkdf2-sha256$0$salt$AAAA",
            "$pbkdf2-sha256$99999999$salt$AAAA",
            "$pbkdf2-sha512$1$salt$",
            "$pbkdf2-sha1$1$salt",
            "$1$",
            "$apr1$",
            "$apr1$saltsalt$",
            "$apr1$saltsaltsalt$qjXMvbEw8oaL.CzflDtaK/",
            "$1$\u{80}$qjXMvbEw8oaL.CzflDtaK/",
            "$6$rounds=4294967295$salt$x",
            "$6$",
            "$y$j9T$abcd$",
            "$y$jZT$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC",
            "{MD5}",
            "{SHA256}900150983cd24fb0d6963f7d28e17f72",
        ] {
            check(hash, "password", false);
        }
    }

    #[test]
    fn clear_passwords_are_not_taken_for_hashes() {
        for text in ["", "secret", "$", "$7$x", "{SHA}x", "argon2id$"] {
            assert_eq!(PasswordHash::recognise(text), None, "{text}");
        }
    }
}
