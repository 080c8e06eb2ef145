//! Which hashes can be checked: those that are whole, and whose cost is bounded. Hashes come from hooks and imports; one
//! that is cut off matches nothing, and none may occupy a core for minutes.

use argon2::password_hash::phc::PasswordHash as PhcString;
use argon2::{Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bcrypt::HashParts;

use tidegate_core::password::HashFormat;

use crate::md5_crypt::{DIGITS, MAX_SALT};

const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=18;
const MAX_ARGON2_MEMORY_KIB: u32 = 1 << 20;
const MAX_ARGON2_PASSES: u32 = 64;
/// Memory in KiB times passes, with which the time of a derivation grows.
const MAX_ARGON2_WORK: u64 = 4 << 20;
/// Shorter ones are what is left of a longer one.
const MIN_ARGON2_DIGEST: usize = 16;
const SHA_CRYPT_ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=10_000_000;
/// Cost of a yescrypt hash with 2^14 times 32 blocks of 128 bytes: 64 MiB.
const MAX_YESCRYPT_COST: usize = 14;

/// Whether some password can match the hash, and the comparison is made.
pub fn can_check(format: HashFormat, hash: &str) -> bool {
    // No format has them, and not every store keeps them.
    if hash.chars().any(char::is_control) {
        return false;
    }
    let fields: Vec<&str> = hash.split('$').skip(2).collect();
    match format {
        HashFormat::Argon2id => is_argon2id(hash),
        HashFormat::Bcrypt => hash.parse::<HashParts>().is_ok_and(|parts| BCRYPT_COSTS.contains(&parts.get_cost())),
        HashFormat::Pbkdf2Sha1 => is_pbkdf2(&fields, 20),
        HashFormat::Pbkdf2Sha256 => is_pbkdf2(&fields, 32),
        HashFormat::Pbkdf2Sha512 => is_pbkdf2(&fields, 64),
        HashFormat::Pbkdf2Base64Sha256 => {
            is_pbkdf2(&fields, 32) && fields.get(1).is_some_and(|salt| STANDARD.decode(salt).is_ok())
        }
        HashFormat::Md5Crypt | HashFormat::Apr1 => {
            matches!(fields.as_slice(), [salt, digest] if salt.len() <= MAX_SALT && is_digest(digest, 16))
        }
        HashFormat::Sha256Crypt => is_sha_crypt(&fields, 32),
        HashFormat::Sha512Crypt => is_sha_crypt(&fields, 64),
        HashFormat::Yescrypt => is_yescrypt(&fields),
        HashFormat::Md5 => is_hexadecimal(hash, 16),
        HashFormat::Sha256 => is_hexadecimal(hash, 32),
        HashFormat::Sha512 => is_hexadecimal(hash, 64),
    }
}

fn is_argon2id(hash: &str) -> bool {
    let Ok(parsed) = PhcString::new(hash) else {
        return false;
    };
    let memory = parsed.params.get_decimal("m").unwrap_or(u32::MAX);
    let version = parsed.version.map_or(Ok(Version::default()), Version::try_from);
    let (Ok(params), Ok(_), Some(_), Some(digest)) = (Params::try_from(&parsed), version, &parsed.salt, &parsed.hash)
    else {
        return false;
    };
    let passes = params.t_cost();
    let work = u64::from(memory) * u64::from(passes);
    let is_bounded = memory <= MAX_ARGON2_MEMORY_KIB && passes <= MAX_ARGON2_PASSES && work <= MAX_ARGON2_WORK;
    is_bounded && digest.len() >= MIN_ARGON2_DIGEST
}

/// `[iterations, salt, base64]`, with a digest of at most `size` bytes (A8-12).
fn is_pbkdf2(fields: &[&str], size: usize) -> bool {
    let [iterations, _, digest] = fields else {
        return false;
    };
    let is_bounded = matches!(iterations.parse::<u32>(), Ok(1..=MAX_PBKDF2_ITERATIONS));
    is_bounded && STANDARD.decode(digest).is_ok_and(|digest| (1..=size).contains(&digest.len()))
}

/// `[salt, digest]`, with `rounds=` before it or without.
fn is_sha_crypt(fields: &[&str], size: usize) -> bool {
    let fields = match fields {
        [first, rest @ ..] if first.starts_with("rounds=") => {
            let rounds = first.strip_prefix("rounds=").and_then(|rounds| rounds.parse::<u32>().ok());
            if !rounds.is_some_and(|rounds| SHA_CRYPT_ROUNDS.contains(&rounds)) {
                return false;
            }
            rest
        }
        fields => fields,
    };
    let is_salt = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./+=,-".contains(&byte))
    };
    matches!(fields, [salt, digest] if is_salt(salt) && is_digest(digest, size))
}

/// `[parameters, salt, digest]`, such as `j9T`: the second character of the parameters is the cost.
fn is_yescrypt(fields: &[&str]) -> bool {
    let [parameters, salt, digest] = fields else {
        return false;
    };
    let &[b'j', cost, b'T'] = parameters.as_bytes() else {
        return false;
    };
    // The digit's value is one less than the exponent of two.
    let cost = value(cost).map_or(usize::MAX, |digit| digit + 1);
    cost <= MAX_YESCRYPT_COST && !salt.is_empty() && is_whole(salt) && is_digest(digest, 32)
}

/// A digest of that many bytes in the digits of crypt(5).
fn is_digest(text: &str, bytes: usize) -> bool {
    text.len() == (bytes * 8).div_ceil(6) && is_whole(text)
}

/// Whether the text is whole bytes in the digits of crypt(5), six bits each and the lowest first.
fn is_whole(text: &str) -> bool {
    let spare_bits = match text.len() % 4 {
        0 => 0,
        2 => 4,
        3 => 2,
        _ => return false,
    };
    let last = text.bytes().next_back().and_then(value);
    text.bytes().all(|byte| value(byte).is_some()) && last.is_none_or(|last| last < (64 >> spare_bits))
}

fn value(digit: u8) -> Option<usize> {
    DIGITS.iter().position(|known| *known == digit)
}

/// `{MD5}` and its family: so many bytes, in upper or lower case.
fn is_hexadecimal(hash: &str, bytes: usize) -> bool {
    let digits = hash.split_once('}').map_or("", |(_, digits)| digits);
    digits.len() == bytes * 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
