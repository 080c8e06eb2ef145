//! The texts of tokens, API keys and recovery codes: random, with a sum by which a text that was mistyped, or found
//! where it should not be, is known without a store.

use sha2::{Digest, Sha256};

use crate::secret::Secret;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TOKEN_PREFIX: &str = "tgt_";
const KEY_PREFIX: &str = "tgk_";
/// Characters of the secret part: 62^43 is more than 2^256.
const SECRET_LENGTH: usize = 43;
/// Characters of the part by which a key is found.
const KEY_ID_LENGTH: usize = 12;
const SUM_LENGTH: usize = 6;
/// Characters of a recovery code: 62^16 is more than 2^95.
const RECOVERY_LENGTH: usize = 16;

/// The system gave no random numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub struct NoRandomness(String);

/// A new token: `tgt_<secret>_<sum>`.
///
/// # Errors
/// The system gives no random numbers.
pub fn new_token() -> Result<Secret, NoRandomness> {
    Ok(with_sum(format!("{TOKEN_PREFIX}{}", random(SECRET_LENGTH)?)))
}

/// A new text for the API key with this id: `tgk_<id>_<secret>_<sum>`.
///
/// # Errors
/// As [`new_token`].
pub fn new_key(key_id: &str) -> Result<Secret, NoRandomness> {
    Ok(with_sum(format!("{KEY_PREFIX}{key_id}_{}", random(SECRET_LENGTH)?)))
}

/// The part of a new API key that is no secret.
///
/// # Errors
/// As [`new_token`].
pub fn new_key_id() -> Result<String, NoRandomness> {
    random(KEY_ID_LENGTH)
}

/// A new recovery code.
///
/// # Errors
/// As [`new_token`].
pub fn new_recovery_code() -> Result<String, NoRandomness> {
    random(RECOVERY_LENGTH)
}

/// Whether the text has the form of a token.
pub fn is_token(text: &str) -> bool {
    secret_of(text, TOKEN_PREFIX).is_some_and(|secret| secret.len() == SECRET_LENGTH)
}

/// The id in the text of an API key; None: it has not the form of one.
pub fn key_id_of(text: &str) -> Option<&str> {
    let (id, secret) = secret_of(text, KEY_PREFIX)?.split_once('_')?;
    (id.len() == KEY_ID_LENGTH && secret.len() == SECRET_LENGTH).then_some(id)
}

/// SHA-256 in hexadecimal, under which a text is stored. The texts are random: no salt and no slow function is
/// needed.
pub fn digest_of(text: &str) -> String {
    digest_of_bytes(text.as_bytes())
}

/// The SHA-256 of bytes in hexadecimal.
pub fn digest_of_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Whether two texts of the same length are the same, in a time that does not depend on where they differ.
pub fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// What stands between the prefix and the sum, if the sum is right.
fn secret_of<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (body, sum) = text.rsplit_once('_')?;
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let secret = body.strip_prefix(prefix).filter(|secret| secret.bytes().all(is_known))?;
    (sum == sum_of(body)).then_some(secret)
}

fn with_sum(body: String) -> Secret {
    let sum = sum_of(&body);
    Secret::new(format!("{body}_{sum}"))
}

fn sum_of(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    let mut rest = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut sum = String::with_capacity(SUM_LENGTH);
    for _ in 0..SUM_LENGTH {
        sum.push(character(rest % 62));
        rest /= 62;
    }
    sum
}

fn character(number: u64) -> char {
    let index = usize::try_from(number).unwrap_or(0);
    ALPHABET.get(index).map_or('0', |byte| char::from(*byte))
}

fn random(length: usize) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes = random_bytes(64)?;
        // 248 is the greatest multiple of 62 in a byte: above it, some characters would be more frequent.
        let fair = bytes.iter().filter(|byte| **byte < 248).map(|byte| character(u64::from(*byte) % 62));
        text.extend(fair.take(length - text.len()));
    }
    Ok(text)
}

/// Random bytes.
///
/// # Errors
/// As [`new_token`].
pub fn random_bytes(length: usize) -> Result<Vec<u8>, NoRandomness> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(|error| NoRandomness(error.to_string()))?;
    Ok(bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|half| char::from_digit(half.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_and_mistakes_are_found() {
        // D-08
        let token = new_token().unwrap();
        let key = new_key("abcdefghijkl").unwrap();
        assert!(is_token(token.expose()) && !is_token(key.expose()));
        assert_eq!(key_id_of(key.expose()), Some("abcdefghijkl"));
        assert_eq!((token.expose().len(), key.expose().len()), (54, 67));
        let check = |text: &str| assert!(!is_token(text) && key_id_of(text).is_none(), "{text}");
        check("");
        check("tgt__");
        check(&token.expose().replacen("tgt", "tgk", 1));
        check(&format!("{}x", token.expose()));
        check(&key.expose().replacen("abc", "abd", 1));
        check(with_sum("tgk_short_secret".to_owned()).expose());
        check(with_sum("tgt_é".to_owned()).expose());
    }

    #[test]
    fn texts_are_never_the_same_and_digests_are_sha_256() {
        // D-08
        assert_ne!(new_token(), new_token());
        assert_ne!(new_key_id(), new_key_id());
        // FIPS 180-2, appendix B.1.
        assert_eq!(digest_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(is_same("abc", "abc") && !is_same("abc", "abd") && !is_same("abc", "ab"));
    }
}
