//! Checks a password in each format of hashes.

use std::cell::RefCell;

use argon2::password_hash::phc::PasswordHash as PhcString;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest;
use subtle::ConstantTimeEq;

use tidegate_core::password::HashFormat;

use crate::md5_crypt;

/// Upper bounds on the cost that a stored hash may demand: hashes come from hooks and imports, and
/// must not be able to occupy a core for minutes.
const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;
const MAX_BCRYPT_COST: u32 = 18;
const MAX_ARGON2_MEMORY_KIB: u32 = 1 << 20;
const MAX_ARGON2_PASSES: u32 = 64;
/// Memory in KiB times passes, with which the time of a derivation grows.
const MAX_ARGON2_WORK: u64 = 4 << 20;
const MAX_SHA_CRYPT_ROUNDS: u32 = 10_000_000;

/// Cost of a yescrypt hash with 2^14 times 32 blocks of 128 bytes: 64 MiB.
const MAX_YESCRYPT_COST: usize = 14;

/// Whether `hash` was made of the password `clear`.
pub fn matches(format: HashFormat, hash: &str, clear: &[u8]) -> bool {
    match format {
        HashFormat::Argon2id => matches_argon2id(hash, clear),
        HashFormat::Bcrypt => matches_bcrypt(hash, clear),
        HashFormat::Pbkdf2Sha1 => matches_pbkdf2(hash, clear, pbkdf2::pbkdf2_hmac::<sha1::Sha1>, 20),
        HashFormat::Pbkdf2Sha256 => matches_pbkdf2(hash, clear, pbkdf2::pbkdf2_hmac::<sha2::Sha256>, 32),
        HashFormat::Pbkdf2Sha512 => matches_pbkdf2(hash, clear, pbkdf2::pbkdf2_hmac::<sha2::Sha512>, 64),
        HashFormat::Pbkdf2Base64Sha256 => matches_pbkdf2_with_base64_salt(hash, clear),
        HashFormat::Md5Crypt => matches_md5_crypt(md5_crypt::CRYPT, hash, clear),
        HashFormat::Apr1 => matches_md5_crypt(md5_crypt::APR1, hash, clear),
        HashFormat::Sha256Crypt | HashFormat::Sha512Crypt => matches_sha_crypt(hash, clear),
        HashFormat::Yescrypt => matches_yescrypt(hash, clear),
        HashFormat::Md5 => matches_hexadecimal(hash, &md5::Md5::digest(clear)),
        HashFormat::Sha256 => matches_hexadecimal(hash, &sha2::Sha256::digest(clear)),
        HashFormat::Sha512 => matches_hexadecimal(hash, &sha2::Sha512::digest(clear)),
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
    /// fragment the allocator's memory.
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

pub fn derive_argon2(argon2: &Argon2<'_>, clear: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), argon2::Error> {
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

type Derivation = fn(&[u8], &[u8], u32, &mut [u8]);

/// `$pbkdf2-<digest>$<iterations>$<salt as text>$<base64>` (A8-12).
fn matches_pbkdf2(hash: &str, clear: &[u8], derive: Derivation, size: usize) -> bool {
    matches_pbkdf2_with(hash, clear, derive, size, |salt| Some(salt.as_bytes().to_vec()))
}

fn matches_pbkdf2_with_base64_salt(hash: &str, clear: &[u8]) -> bool {
    matches_pbkdf2_with(hash, clear, pbkdf2::pbkdf2_hmac::<sha2::Sha256>, 32, |salt| STANDARD.decode(salt).ok())
}

fn matches_pbkdf2_with(
    hash: &str,
    clear: &[u8],
    derive: Derivation,
    size: usize,
    salt_of: impl Fn(&str) -> Option<Vec<u8>>,
) -> bool {
    let mut fields = hash.split('$').skip(2);
    let (Some(iterations), Some(salt), Some(expected), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    let Ok(iterations @ 1..=MAX_PBKDF2_ITERATIONS) = iterations.parse::<u32>() else {
        return false;
    };
    let (Some(salt), Ok(expected)) = (salt_of(salt), STANDARD.decode(expected)) else {
        return false;
    };
    if expected.is_empty() || expected.len() > size {
        return false;
    }
    let mut derived = vec![0; expected.len()];
    derive(clear, &salt, iterations, &mut derived);
    derived.ct_eq(&expected).into()
}

/// Longest password, in bytes: the work grows with the square of its length.
const MAX_CRYPT_PASSWORD: usize = 1024;

fn matches_md5_crypt(magic: &str, hash: &str, clear: &[u8]) -> bool {
    clear.len() <= MAX_CRYPT_PASSWORD && md5_crypt::matches(magic, hash, clear)
}

fn matches_sha_crypt(hash: &str, clear: &[u8]) -> bool {
    let rounds = hash.split('$').nth(2).and_then(|field| field.strip_prefix("rounds="));
    if rounds.is_some_and(|rounds| rounds.parse().unwrap_or(u32::MAX) > MAX_SHA_CRYPT_ROUNDS) {
        return false;
    }
    if clear.len() > MAX_CRYPT_PASSWORD {
        return false;
    }
    sha_crypt::PasswordVerifier::verify_password(&sha_crypt::ShaCrypt::default(), clear, hash).is_ok()
}

/// `$y$j9T$<salt>$<digest>`: the second character of the parameters is the cost. The library
/// compares only as many bytes as the digest has, so a truncated digest is refused.
fn matches_yescrypt(hash: &str, clear: &[u8]) -> bool {
    const DIGITS: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let fields: Vec<&str> = hash.split('$').skip(2).collect();
    let [parameters, _, digest] = fields.as_slice() else {
        return false;
    };
    let &[b'j', cost, b'T'] = parameters.as_bytes() else {
        return false;
    };
    // The digit's value is one less than the exponent of two.
    let cost = DIGITS.iter().position(|digit| *digit == cost).map_or(usize::MAX, |digit| digit + 1);
    let is_bounded = cost <= MAX_YESCRYPT_COST && digest.len() == 43 && clear.len() <= MAX_CRYPT_PASSWORD;
    is_bounded && yescrypt::PasswordVerifier::verify_password(&yescrypt::Yescrypt::default(), clear, hash).is_ok()
}

/// `{MD5}` and its family, with hexadecimal digits in upper or lower case.
fn matches_hexadecimal(hash: &str, digest: &[u8]) -> bool {
    let expected = hash.split_once('}').map_or("", |(_, hexadecimal)| hexadecimal).to_ascii_lowercase();
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    found.as_bytes().ct_eq(expected.as_bytes()).into()
}
