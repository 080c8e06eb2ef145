//! The algorithms that the server has, in its order of preference, and which policy offers them.
//! The library also has `none`, which is never offered.

use std::str::FromStr;

use russh::{cipher, kex, mac};

/// The setting `sftpd.algorithms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlgorithmPolicy {
    /// Algorithms in which `ssh-audit` finds no fault.
    Modern,
    /// The algorithms of OpenSSH 9.2, without SHA-1, costly ones, and those that the library lacks.
    #[default]
    Compatible,
    /// Also algorithms for machines that are no longer updated.
    Legacy,
}

impl FromStr for AlgorithmPolicy {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "modern" => Ok(Self::Modern),
            "compatible" => Ok(Self::Compatible),
            "legacy" => Ok(Self::Legacy),
            _ => Err(()),
        }
    }
}

/// The first policy that offers an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Modern,
    Compatible,
    Legacy,
    /// Offered only if a list names it: large finite-field groups, with which a client that has not
    /// logged in can use up the server's time.
    Costly,
}

impl Standing {
    pub fn is_offered(self, policy: AlgorithmPolicy) -> bool {
        match self {
            Self::Modern => true,
            Self::Compatible => policy != AlgorithmPolicy::Modern,
            Self::Legacy => policy == AlgorithmPolicy::Legacy,
            Self::Costly => false,
        }
    }
}

pub struct Entry<N> {
    pub name: N,
    pub standing: Standing,
}

const fn entry<N>(name: N, standing: Standing) -> Entry<N>
where
    N: Copy,
{
    Entry { name, standing }
}

use Standing::{Compatible, Costly, Legacy, Modern};

pub const KEX: &[Entry<kex::Name>] = &[
    entry(kex::MLKEM768X25519_SHA256, Modern),
    entry(kex::CURVE25519, Modern),
    entry(kex::CURVE25519_PRE_RFC_8731, Modern),
    entry(kex::ECDH_SHA2_NISTP256, Compatible),
    entry(kex::ECDH_SHA2_NISTP384, Compatible),
    entry(kex::ECDH_SHA2_NISTP521, Compatible),
    entry(kex::DH_G14_SHA256, Compatible),
    entry(kex::DH_G14_SHA1, Legacy),
    entry(kex::DH_G15_SHA512, Costly),
    entry(kex::DH_G16_SHA512, Costly),
    entry(kex::DH_G17_SHA512, Costly),
    entry(kex::DH_G18_SHA512, Costly),
    entry(kex::DH_GEX_SHA256, Costly),
    entry(kex::DH_GEX_SHA1, Costly),
];

/// AES-GCM first: an order of magnitude faster than chacha20-poly1305.
pub const CIPHERS: &[Entry<cipher::Name>] = &[
    entry(cipher::AES_128_GCM, Modern),
    entry(cipher::AES_256_GCM, Modern),
    entry(cipher::AES_128_CTR, Modern),
    entry(cipher::AES_192_CTR, Modern),
    entry(cipher::AES_256_CTR, Modern),
    entry(cipher::CHACHA20_POLY1305, Compatible),
    entry(cipher::AES_128_CBC, Legacy),
    entry(cipher::AES_192_CBC, Legacy),
    entry(cipher::AES_256_CBC, Legacy),
    entry(cipher::TRIPLE_DES_CBC, Legacy),
];

pub const MACS: &[Entry<mac::Name>] = &[
    entry(mac::HMAC_SHA256_ETM, Modern),
    entry(mac::HMAC_SHA512_ETM, Modern),
    entry(mac::HMAC_SHA256, Compatible),
    entry(mac::HMAC_SHA512, Compatible),
    entry(mac::HMAC_SHA1_ETM, Legacy),
    entry(mac::HMAC_SHA1, Legacy),
];

/// Why a name that other servers know is not in the tables; `None` for a name that they do not know.
pub fn absence(name: &str) -> Option<&'static str> {
    const BROKEN: &str = "it is broken";
    const LACKING: &str = "the SSH library of this server does not have it";
    let plain = name.strip_suffix("@openssh.com").unwrap_or(name);
    match plain.strip_suffix("-etm").unwrap_or(plain) {
        "diffie-hellman-group1-sha1" | "arcfour" | "arcfour128" | "arcfour256" | "hmac-md5" | "hmac-md5-96" => {
            Some(BROKEN)
        }
        "sntrup761x25519-sha512"
        | "umac-64"
        | "umac-128"
        | "hmac-sha1-96"
        | "hmac-ripemd160"
        | "hmac-sha2-256-96"
        | "hmac-sha2-512-96"
        | "blowfish-cbc"
        | "cast128-cbc"
        | "twofish-cbc"
        | "twofish128-cbc"
        | "twofish256-cbc"
        | "3des-ctr"
        | "blowfish-ctr"
        | "cast128-ctr" => Some(LACKING),
        _ => None,
    }
}
