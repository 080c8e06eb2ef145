//! Checks a password in each format of hashes.

use std::cell::RefCell;

use argon2::password_hash::phc::PasswordHash as PhcString;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest;
use subtle::ConstantTimeEq;

use tidegate_core::password::HashFormat;

use crate::checkable::can_check;
use crate::md5_crypt;

/// Whether `hash` was made of the password `clear`.
pub fn matches(format: HashFormat, hash: &str, clear: &[u8]) -> bool {
    can_check(format, hash) && is_made_of(format, hash, clear)
}

/// As [`matches`], for a hash whose cost is bounded.
fn is_made_of(format: HashFormat, hash: &str, clear: &[u8]) -> bool {
    match format {
        HashFormat::Argon2id => matches_argon2id(hash, clear),
        HashFormat::Bcrypt => bcrypt::verify(clear, hash).unwrap_or(false),
        HashFormat::Pbkdf2Sha1 => matches_pbkdf2(hash, clear, pbkdf2::pbkdf2_hmac::<sha1::Sha1>),
        HashFormat::Pbkdf2Sha256 => matches_pbkdf2(hash, clear, pbkdf2::pbkdf2_hmac::<sha2::Sha256>),
        HashFormat::Pbkdf2Sha512 => matches_pbkdf2(hash, clear, pbkdf2::pbkdf2_hmac::<sha2::Sha512>),
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
    let version = parsed.version.map_or(Ok(Version::default()), Version::try_from);
    let (Ok(params), Ok(version), Some(salt), Some(expected)) =
        (Params::try_from(&parsed), version, &parsed.salt, &parsed.hash)
    else {
        return false;
    };
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

type Derivation = fn(&[u8], &[u8], u32, &mut [u8]);

/// `$pbkdf2-<digest>$<iterations>$<salt as text>$<base64>` (A8-12).
fn matches_pbkdf2(hash: &str, clear: &[u8], derive: Derivation) -> bool {
    matches_pbkdf2_with(hash, clear, derive, |salt| Some(salt.as_bytes().to_vec()))
}

fn matches_pbkdf2_with_base64_salt(hash: &str, clear: &[u8]) -> bool {
    matches_pbkdf2_with(hash, clear, pbkdf2::pbkdf2_hmac::<sha2::Sha256>, |salt| STANDARD.decode(salt).ok())
}

fn matches_pbkdf2_with(
    hash: &str,
    clear: &[u8],
    derive: Derivation,
    salt_of: impl Fn(&str) -> Option<Vec<u8>>,
) -> bool {
    let mut fields = hash.split('$').skip(2);
    let (Some(iterations), Some(salt), Some(expected), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    let (Ok(iterations), Some(salt), Ok(expected)) =
        (iterations.parse::<u32>(), salt_of(salt), STANDARD.decode(expected))
    else {
        return false;
    };
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
    clear.len() <= MAX_CRYPT_PASSWORD
        && sha_crypt::PasswordVerifier::verify_password(&sha_crypt::ShaCrypt::default(), clear, hash).is_ok()
}

/// The library compares only as many bytes as the digest has: a digest that is cut off is refused before.
fn matches_yescrypt(hash: &str, clear: &[u8]) -> bool {
    clear.len() <= MAX_CRYPT_PASSWORD
        && yescrypt::PasswordVerifier::verify_password(&yescrypt::Yescrypt::default(), clear, hash).is_ok()
}

/// `{MD5}` and its family, with hexadecimal digits in upper or lower case.
fn matches_hexadecimal(hash: &str, digest: &[u8]) -> bool {
    let expected = hash.split_once('}').map_or("", |(_, hexadecimal)| hexadecimal).to_ascii_lowercase();
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    found.as_bytes().ct_eq(expected.as_bytes()).into()
}
