//! MD5 hashes of crypt(5), `$1$<salt>$<digest>`, and the variant `$apr1$` of Apache's password files.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

pub const CRYPT: &str = "$1$";
pub const APR1: &str = "$apr1$";
pub const MAX_SALT: usize = 8;
const ROUNDS: usize = 1000;
/// The digits of crypt(5), by their values.
pub const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The bytes of the digest that make four digits each, the lowest byte last.
const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// `magic`: the prefix, which is hashed as well.
pub fn matches(magic: &str, hash: &str, clear: &[u8]) -> bool {
    let Some((salt, digest)) = hash.strip_prefix(magic).and_then(|rest| rest.split_once('$')) else {
        return false;
    };
    if salt.len() > MAX_SALT {
        return false;
    }
    encoded(&derived(magic, clear, salt.as_bytes())).as_bytes().ct_eq(digest.as_bytes()).into()
}

fn derived(magic: &str, clear: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner: [u8; 16] = Md5::new().chain_update(clear).chain_update(salt).chain_update(clear).finalize().into();
    let mut hash = Md5::new().chain_update(clear).chain_update(magic).chain_update(salt);
    for part in clear.chunks(inner.len()) {
        hash.update(inner.get(..part.len()).unwrap_or_default());
    }
    let mut length = clear.len();
    while length > 0 {
        // As in the first implementation: a zero byte, or the first byte of the password.
        hash.update(if length & 1 == 1 { &[0] } else { clear.get(..1).unwrap_or_default() });
        length >>= 1;
    }
    let mut digest: [u8; 16] = hash.finalize().into();
    for round in 0..ROUNDS {
        let is_odd = round & 1 == 1;
        let (first, last): (&[u8], &[u8]) = if is_odd { (clear, &digest) } else { (&digest, clear) };
        let mut hash = Md5::new().chain_update(first);
        if round % 3 != 0 {
            hash.update(salt);
        }
        if round % 7 != 0 {
            hash.update(clear);
        }
        hash.update(last);
        digest = hash.finalize().into();
    }
    digest
}

fn encoded(digest: &[u8; 16]) -> String {
    let byte = |index: usize| u32::from(digest.get(index).copied().unwrap_or_default());
    let mut text = String::with_capacity(22);
    let mut put = |mut value: u32, count: usize| {
        for _ in 0..count {
            text.extend(DIGITS.get((value & 63) as usize).map(|digit| char::from(*digit)));
            value >>= 6;
        }
    };
    for [high, middle, low] in ORDER {
        put(byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    put(byte(11), 2);
    text
}
