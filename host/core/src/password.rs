//! Password hashes: which formats are known, and the checks themselves. The functions here
//! burn CPU for tens of milliseconds; callers run them through [`crate::ports::Passwords`].

use std::cell::RefCell;

use argon2::password_hash::phc::PasswordHash as PhcString;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// Upper bounds on the cost that a stored hash may demand: a hash comes from a hook or an
/// import and must not be able to occupy a core for minutes.
const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;
const MAX_BCRYPT_COST: u32 = 18;
const MAX_ARGON2_MEMORY_KIB: u32 = 1 << 20;
const MAX_ARGON2_PASSES: u32 = 64;
/// Memory, in KiB, times passes: what a derivation takes grows with it.
const MAX_ARGON2_WORK: u64 = 4 << 20;
const MAX_SHA_CRYPT_ROUNDS: u32 = 10_000_000;

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
    Md5Crypt,
    Sha256Crypt,
    Sha512Crypt,
}

const PREFIXES: [(&str, HashFormat); 10] = [
    ("$argon2id$", HashFormat::Argon2id),
    ("$2a$", HashFormat::Bcrypt),
    ("$2b$", HashFormat::Bcrypt),
    ("$2y$", HashFormat::Bcrypt),
    ("$pbkdf2-sha1$", HashFormat::Pbkdf2Sha1),
    ("$pbkdf2-sha256$", HashFormat::Pbkdf2Sha256),
    ("$pbkdf2-sha512$", HashFormat::Pbkdf2Sha512),
    ("$1$", HashFormat::Md5Crypt),
    ("$5$", HashFormat::Sha256Crypt),
    ("$6$", HashFormat::Sha512Crypt),
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
    /// The text as a hash, if it begins like one; a clear password otherwise.
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
        derive_argon2(&argon2, clear.expose().as_bytes(), &salt, &mut output).map_err(|error| hashing(&error))?;
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
        match self.format {
            HashFormat::Argon2id => matches_argon2id(hash, clear),
            HashFormat::Bcrypt => matches_bcrypt(hash, clear),
            HashFormat::Pbkdf2Sha1 => matches_pbkdf2(hash, clear, pbkdf2::pbkdf2_hmac::<sha1::Sha1>, 20),
            HashFormat::Pbkdf2Sha256 => matches_pbkdf2(hash, clear, pbkdf2::pbkdf2_hmac::<sha2::Sha256>, 32),
            HashFormat::Pbkdf2Sha512 => matches_pbkdf2(hash, clear, pbkdf2::pbkdf2_hmac::<sha2::Sha512>, 64),
            HashFormat::Md5Crypt => matches_md5_crypt(hash, clear),
            HashFormat::Sha256Crypt | HashFormat::Sha512Crypt => matches_sha_crypt(hash, clear),
        }
    }
}

fn matches_argon2id(hash: &str, clear: &[u8]) -> bool {
    let Ok(parsed) = PhcString::new(hash) else {
        return false;
    };
    let memory = parsed.params.get_decimal("m").unwrap_or(u32::MAX);
    let version = parsed.version.map_or(Ok(Version::default()), Version::try_from);
    let (Ok(params), Ok(version), Some(salt), Some(expected)) =
        (Params::try_from(&parsed), version, &parsed.salt, &parsed.hash)
    else {
        return false;
    };
    let passes = params.t_cost();
    let work = u64::from(memory) * u64::from(passes);
    if memory > MAX_ARGON2_MEMORY_KIB || passes > MAX_ARGON2_PASSES || work > MAX_ARGON2_WORK {
        return false;
    }
    let mut output = vec![0; expected.len()];
    let argon2 = Argon2::new(Algorithm::Argon2id, version, params);
    let derived = derive_argon2(&argon2, clear, salt.as_ref(), &mut output);
    derived.is_ok() && output.ct_eq(expected.as_ref()).into()
}

thread_local! {
    /// The memory of derivations, kept for the next one: blocks of this size that come and go
    /// tear the allocator's memory to pieces.
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

fn derive_argon2(argon2: &Argon2<'_>, clear: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), argon2::Error> {
    let count = argon2.params().block_count();
    if count > Params::default().block_count() {
        return argon2.hash_password_into(clear, salt, output);
    }
    BLOCKS.with_borrow_mut(|blocks| {
        if blocks.len() < count {
            blocks.resize(count, Block::default());
        }
        let blocks = blocks.get_mut(..count).unwrap_or_default();
        argon2.hash_password_into_with_memory(clear, salt, output, blocks)
    })
}

fn matches_bcrypt(hash: &str, clear: &[u8]) -> bool {
    let cost = hash.split('$').nth(2).and_then(|cost| cost.parse().ok()).unwrap_or(u32::MAX);
    cost <= MAX_BCRYPT_COST && bcrypt::verify(clear, hash).unwrap_or(false)
}

/// `$pbkdf2-<digest>$<iterations>$<salt as text>$<base64>` (A8-12).
fn matches_pbkdf2(hash: &str, clear: &[u8], derive: fn(&[u8], &[u8], u32, &mut [u8]), size: usize) -> bool {
    let mut fields = hash.split('$').skip(2);
    let (Some(iterations), Some(salt), Some(expected), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    let Ok(iterations @ 1..=MAX_PBKDF2_ITERATIONS) = iterations.parse::<u32>() else {
        return false;
    };
    let Ok(expected) = STANDARD.decode(expected) else {
        return false;
    };
    if expected.is_empty() || expected.len() > size {
        return false;
    }
    let mut derived = vec![0; expected.len()];
    derive(clear, salt.as_bytes(), iterations, &mut derived);
    derived.ct_eq(&expected).into()
}

/// The shape is checked first because the library panics on salts outside the alphabet.
fn matches_md5_crypt(hash: &str, clear: &[u8]) -> bool {
    let in_alphabet = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    let Some((salt, digest)) = hash.strip_prefix("$1$").and_then(|rest| rest.split_once('$')) else {
        return false;
    };
    let well_formed = salt.len() <= 8 && digest.len() == 22 && in_alphabet(salt) && in_alphabet(digest);
    well_formed && pwhash::md5_crypt::verify(clear, hash)
}

/// The work grows with the square of the password's length.
const MAX_SHA_CRYPT_PASSWORD: usize = 1024;

fn matches_sha_crypt(hash: &str, clear: &[u8]) -> bool {
    let rounds = hash.split('$').nth(2).and_then(|field| field.strip_prefix("rounds="));
    if rounds.is_some_and(|rounds| rounds.parse().unwrap_or(u32::MAX) > MAX_SHA_CRYPT_ROUNDS) {
        return false;
    }
    if clear.len() > MAX_SHA_CRYPT_PASSWORD {
        return false;
    }
    sha_crypt::PasswordVerifier::verify_password(&sha_crypt::ShaCrypt::default(), clear, hash).is_ok()
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
        check(
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            "Hello world!",
            true,
        );
        check("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!", true);
        check("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "hello world!", false);
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
            "$1$\u{80}$qjXMvbEw8oaL.CzflDtaK/",
            "$6$rounds=4294967295$salt$x",
            "$6$",
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
