//! Algorithms by name. Only what is listed here can be configured: the library would also
//! take `none`, SHA-1 and CBC.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

/// Offered when nothing is configured, in order of preference. No finite-field group: one
/// handshake without login costs up to 0.7 s of CPU.
const DEFAULT_KEX: &[kex::Name] = &[kex::MLKEM768X25519_SHA256, kex::CURVE25519, kex::CURVE25519_PRE_RFC_8731];
const OTHER_KEX: &[kex::Name] =
    &[kex::ECDH_SHA2_NISTP256, kex::ECDH_SHA2_NISTP384, kex::ECDH_SHA2_NISTP521, kex::DH_G14_SHA256];

/// AES-GCM first: an order of magnitude faster than chacha20-poly1305, which is not offered
/// by default because OpenSSH's client would choose it.
const DEFAULT_CIPHERS: &[cipher::Name] =
    &[cipher::AES_128_GCM, cipher::AES_256_GCM, cipher::AES_128_CTR, cipher::AES_192_CTR, cipher::AES_256_CTR];
const OTHER_CIPHERS: &[cipher::Name] = &[cipher::CHACHA20_POLY1305];

const DEFAULT_MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM];
const OTHER_MACS: &[mac::Name] = &[mac::HMAC_SHA256, mac::HMAC_SHA512];

/// What the server offers.
#[derive(Debug, Clone)]
pub struct Algorithms {
    kex: Vec<kex::Name>,
    ciphers: Vec<cipher::Name>,
    macs: Vec<mac::Name>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is not supported; choose from {known}")]
pub struct AlgorithmError {
    /// The configuration key: `kex_algorithms`, `ciphers` or `macs`.
    pub key: &'static str,
    name: String,
    known: String,
}

impl Algorithms {
    /// Empty lists mean the defaults (A3-22).
    pub fn from_names(kex: &[String], ciphers: &[String], macs: &[String]) -> Result<Self, AlgorithmError> {
        Ok(Self {
            kex: select("kex_algorithms", kex, DEFAULT_KEX, OTHER_KEX)?,
            ciphers: select("ciphers", ciphers, DEFAULT_CIPHERS, OTHER_CIPHERS)?,
            macs: select("macs", macs, DEFAULT_MACS, OTHER_MACS)?,
        })
    }

    /// In the server's order.
    pub fn ciphers(&self) -> &[cipher::Name] {
        &self.ciphers
    }

    /// With one cipher alone.
    pub fn with_cipher(&self, cipher: cipher::Name) -> Self {
        Self { ciphers: vec![cipher], ..self.clone() }
    }

    pub fn preferred(&self) -> Preferred {
        let mut kex = self.kex.clone();
        // Not algorithms but announcements; without the second there is no strict key exchange.
        kex.push(kex::EXTENSION_SUPPORT_AS_SERVER);
        kex.push(kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER);
        Preferred {
            kex: Cow::Owned(kex),
            key: Cow::Owned(key_algorithms()),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Owned(self.ciphers.clone()),
            mac: Cow::Owned(self.macs.clone()),
            compression: Cow::Owned(vec![compression::NONE]),
        }
    }
}

/// For host keys and for `server-sig-algs`. No `ssh-rsa`: it signs with SHA-1.
fn key_algorithms() -> Vec<Algorithm> {
    vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
        Algorithm::SkEd25519,
        Algorithm::SkEcdsaSha2NistP256,
    ]
}

fn select<N: Copy + AsRef<str>>(
    key: &'static str,
    names: &[String],
    default: &[N],
    other: &[N],
) -> Result<Vec<N>, AlgorithmError> {
    if names.is_empty() {
        return Ok(default.to_vec());
    }
    let all = || default.iter().chain(other);
    names
        .iter()
        .map(|name| {
            all().find(|known| known.as_ref() == name).copied().ok_or_else(|| AlgorithmError {
                key,
                name: name.clone(),
                known: all().map(|known| known.as_ref().to_owned()).collect::<Vec<_>>().join(", "),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ciphers: &[&str], expected: Result<usize, &str>) {
        let names: Vec<String> = ciphers.iter().map(|&name| name.to_owned()).collect();
        let outcome = Algorithms::from_names(&[], &names, &[]).map(|algorithms| algorithms.ciphers.len());
        assert_eq!(outcome.as_ref().map_err(|error| error.name.as_str()), expected.as_ref().map_err(|name| *name));
    }

    #[test]
    fn weak_algorithms_cannot_be_configured() {
        check(&[], Ok(5));
        check(&["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com"], Ok(2));
        check(&["none"], Err("none"));
        check(&["clear"], Err("clear"));
        check(&["aes128-cbc"], Err("aes128-cbc"));
        check(&["3des-cbc"], Err("3des-cbc"));
        assert!(Algorithms::from_names(&["diffie-hellman-group1-sha1".into()], &[], &[]).is_err());
        assert!(Algorithms::from_names(&[], &[], &["hmac-sha1".into()]).is_err());
    }

    #[test]
    fn strict_key_exchange_is_always_announced() {
        let algorithms = Algorithms::from_names(&["curve25519-sha256".into()], &[], &[]).unwrap();
        let kex = algorithms.preferred().kex.into_owned();
        assert!(kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER));
        assert!(kex.contains(&kex::EXTENSION_SUPPORT_AS_SERVER));
    }
}
