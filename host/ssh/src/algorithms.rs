//! The algorithms that the server offers: those of one of three policies, or of configured lists.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use russh::{Preferred, cipher, compression, kex, mac};

use crate::algorithm_names::{self, Entry, Standing};

pub use crate::algorithm_names::AlgorithmPolicy;

/// The configuration of algorithms. A list that is not empty replaces the policy's.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlgorithmChoice<'a> {
    pub policy: AlgorithmPolicy,
    pub kex: &'a [String],
    pub ciphers: &'a [String],
    pub macs: &'a [String],
}

/// The algorithms that the server offers.
#[derive(Debug, Clone)]
pub struct Algorithms {
    policy: AlgorithmPolicy,
    kex: Vec<kex::Name>,
    ciphers: Vec<cipher::Name>,
    macs: Vec<mac::Name>,
}

/// A message to the operator about one key of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The key: `kex_algorithms`, `ciphers` or `macs`.
    pub key: &'static str,
    pub text: String,
}

/// The messages about the lists: problems keep the server from starting, warnings do not.
#[derive(Debug, Default)]
pub struct Remarks {
    pub problems: Vec<Remark>,
    pub warnings: Vec<Remark>,
}

impl Algorithms {
    /// Chooses the algorithms (A3-22). If a list has a problem, the policy's list takes its place.
    pub fn choose(choice: AlgorithmChoice<'_>) -> (Self, Remarks) {
        let mut remarks = Remarks::default();
        let policy = choice.policy;
        let algorithms = Self {
            policy,
            kex: select("kex_algorithms", choice.kex, algorithm_names::KEX, policy, &mut remarks),
            ciphers: select("ciphers", choice.ciphers, algorithm_names::CIPHERS, policy, &mut remarks),
            macs: select("macs", choice.macs, algorithm_names::MACS, policy, &mut remarks),
        };
        (algorithms, remarks)
    }

    pub fn of_policy(policy: AlgorithmPolicy) -> Self {
        Self::choose(AlgorithmChoice { policy, ..AlgorithmChoice::default() }).0
    }

    pub fn kex(&self) -> &[kex::Name] {
        &self.kex
    }

    /// The ciphers, in the server's order.
    pub fn ciphers(&self) -> &[cipher::Name] {
        &self.ciphers
    }

    pub fn macs(&self) -> &[mac::Name] {
        &self.macs
    }

    /// The same algorithms with this cipher as the only one.
    pub fn with_cipher(&self, cipher: cipher::Name) -> Self {
        Self { ciphers: vec![cipher], ..self.clone() }
    }

    /// Whether an ECDSA key that was found without being configured is used as a host key.
    pub fn takes_ecdsa_host_keys(&self) -> bool {
        self.policy != AlgorithmPolicy::Modern
    }

    /// Whether signatures with SHA-1 (`ssh-rsa`) are made and accepted.
    pub fn takes_sha1_signatures(&self) -> bool {
        self.policy == AlgorithmPolicy::Legacy
    }

    /// The names under which these keys are offered.
    pub fn host_key_names(&self, keys: &[PrivateKey]) -> Vec<String> {
        let fits = |algorithm: &Algorithm| match algorithm {
            Algorithm::Rsa { .. } => keys.iter().any(|key| key.algorithm().is_rsa()),
            other => keys.iter().any(|key| key.algorithm() == *other),
        };
        self.key_algorithms().iter().filter(|algorithm| fits(algorithm)).map(Algorithm::to_string).collect()
    }

    pub fn preferred(&self) -> Preferred {
        let mut kex = self.kex.clone();
        // These are announcements, not algorithms; without the second there is no strict key exchange.
        kex.push(kex::EXTENSION_SUPPORT_AS_SERVER);
        kex.push(kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER);
        Preferred {
            kex: Cow::Owned(kex),
            key: Cow::Owned(self.key_algorithms()),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Owned(self.ciphers.clone()),
            mac: Cow::Owned(self.macs.clone()),
            compression: Cow::Owned(vec![compression::NONE]),
        }
    }

    /// The key algorithms for host keys and for `server-sig-algs`.
    fn key_algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms = vec![
            Algorithm::Ed25519,
            Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
            Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
            Algorithm::SkEd25519,
            Algorithm::SkEcdsaSha2NistP256,
        ];
        if self.takes_sha1_signatures() {
            algorithms.push(Algorithm::Rsa { hash: None });
        }
        algorithms
    }
}

/// Whether a cipher needs no MAC beside it.
pub fn is_authenticated(cipher: cipher::Name) -> bool {
    [cipher::AES_128_GCM, cipher::AES_256_GCM, cipher::CHACHA20_POLY1305].contains(&cipher)
}

fn select<N: Copy + AsRef<str>>(
    key: &'static str,
    names: &[String],
    table: &[Entry<N>],
    policy: AlgorithmPolicy,
    remarks: &mut Remarks,
) -> Vec<N> {
    let offered = || table.iter().filter(|entry| entry.standing.is_offered(policy)).map(|entry| entry.name).collect();
    if names.is_empty() {
        return offered();
    }
    let problems = remarks.problems.len();
    let mut chosen = Vec::new();
    for name in names.iter().map(|name| name.trim()) {
        let remark = |text| Remark { key, text };
        if let Some(entry) = table.iter().find(|entry| entry.name.as_ref() == name) {
            chosen.push(entry.name);
            if let Some(reason) = reason_for_a_warning(entry.standing) {
                remarks.warnings.push(remark(format!("\"{name}\" {reason}")));
            }
        } else if let Some(reason) = algorithm_names::absence(name) {
            remarks.warnings.push(remark(format!("\"{name}\" is left out: {reason}")));
        } else {
            let known = table.iter().map(|entry| entry.name.as_ref()).collect::<Vec<_>>().join(", ");
            remarks.problems.push(remark(format!("\"{name}\" is not supported; choose from {known}")));
        }
    }
    if chosen.is_empty() && remarks.problems.len() == problems {
        let text = "none of these names is left, so that no client could connect; name others, or remove the key";
        remarks.problems.push(Remark { key, text: text.to_owned() });
    }
    if remarks.problems.len() == problems { chosen } else { offered() }
}

fn reason_for_a_warning(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Modern | Standing::Compatible => None,
        Standing::Legacy => Some("is weak; it is meant for machines that know nothing better"),
        Standing::Costly => Some("costs up to 0.7 s of CPU for each connection, before any login"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'a> = Result<(&'a [&'a str], usize), &'a str>;

    /// `expected`: the ciphers and the number of warnings, or a part of the problem.
    fn check(ciphers: &[&str], expected: Expected<'_>) {
        let names: Vec<String> = ciphers.iter().map(|&name| name.to_owned()).collect();
        let (algorithms, remarks) = Algorithms::choose(AlgorithmChoice { ciphers: &names, ..Default::default() });
        let problems: Vec<&str> = remarks.problems.iter().map(|remark| remark.text.as_str()).collect();
        match expected {
            Ok((expected, warnings)) => {
                assert!(problems.is_empty(), "{ciphers:?}: {problems:?}");
                let chosen: Vec<&str> = algorithms.ciphers.iter().map(AsRef::as_ref).collect();
                assert_eq!((chosen.as_slice(), remarks.warnings.len()), (expected, warnings), "{ciphers:?}");
            }
            Err(part) => assert!(problems.iter().any(|text| text.contains(part)), "{ciphers:?}: {problems:?}"),
        }
    }

    #[test]
    fn lists_replace_the_policy() {
        // A3-22
        check(
            &["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com"],
            Ok((&["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com"], 0)),
        );
        check(&["3des-cbc", "aes128-cbc", "aes128-ctr"], Ok((&["3des-cbc", "aes128-cbc", "aes128-ctr"], 2)));
        check(&["arcfour256", "arcfour128", "arcfour", "aes128-ctr"], Ok((&["aes128-ctr"], 3)));
        check(&["blowfish-cbc"], Err("none of these names is left"));
        check(&["none"], Err("\"none\" is not supported"));
        check(&["clear", "aes128-ctr"], Err("\"clear\" is not supported"));
        check(&["aes128-crt", "arcfour"], Err("\"aes128-crt\" is not supported"));
        check(&[""], Err("\"\" is not supported"));
    }

    #[test]
    fn every_name_of_the_older_server_is_understood() {
        // A3-22
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<String>>();
        let kex = "curve25519-sha256 curve25519-sha256@libssh.org ecdh-sha2-nistp256 ecdh-sha2-nistp384 \
            ecdh-sha2-nistp521 diffie-hellman-group14-sha256 diffie-hellman-group16-sha512 \
            diffie-hellman-group14-sha1 diffie-hellman-group1-sha1 diffie-hellman-group-exchange-sha1 \
            diffie-hellman-group-exchange-sha256 diffie-hellman-group18-sha512 mlkem768x25519-sha256";
        let ciphers = "aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes128-ctr \
            aes192-ctr aes256-ctr aes128-cbc aes192-cbc aes256-cbc 3des-cbc arcfour256 arcfour128 arcfour";
        let macs = "hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com hmac-sha2-256 hmac-sha2-512 hmac-sha1 \
            hmac-sha1-96";
        let (kex, ciphers, macs) = (names(kex), names(ciphers), names(macs));
        let choice = AlgorithmChoice { policy: AlgorithmPolicy::Compatible, kex: &kex, ciphers: &ciphers, macs: &macs };
        let (algorithms, remarks) = Algorithms::choose(choice);
        assert_eq!(remarks.problems, []);
        let left_out: Vec<&str> = remarks
            .warnings
            .iter()
            .filter(|remark| remark.text.contains("left out"))
            .map(|remark| remark.key)
            .collect();
        assert_eq!(left_out, ["kex_algorithms", "ciphers", "ciphers", "ciphers", "macs"]);
        assert_eq!((algorithms.kex.len(), algorithms.ciphers.len(), algorithms.macs.len()), (12, 10, 5));
    }

    /// `lacks`: names that must not be offered.
    fn check_policy(policy: AlgorithmPolicy, has: &[&str], lacks: &[&str]) {
        let preferred = Algorithms::of_policy(policy).preferred();
        let mut names: Vec<String> = preferred.kex.iter().map(|name| name.as_ref().to_owned()).collect();
        names.extend(preferred.cipher.iter().map(|name| name.as_ref().to_owned()));
        names.extend(preferred.mac.iter().map(|name| name.as_ref().to_owned()));
        names.extend(preferred.key.iter().map(Algorithm::to_string));
        let place = |name: &&str| names.iter().position(|known| known == name);
        for name in has {
            assert!(place(name).is_some(), "{policy:?} lacks {name}");
        }
        for name in lacks {
            assert!(place(name).is_none(), "{policy:?} has {name}");
        }
        assert!(has.iter().map(place).is_sorted(), "{names:?}");
    }

    const MODERN: [&str; 4] =
        ["mlkem768x25519-sha256", "curve25519-sha256", "aes128-gcm@openssh.com", "hmac-sha2-256-etm@openssh.com"];
    const OLD: [&str; 7] = [
        "diffie-hellman-group14-sha1",
        "aes128-cbc",
        "aes256-cbc",
        "3des-cbc",
        "hmac-sha1-etm@openssh.com",
        "hmac-sha1",
        "ssh-rsa",
    ];

    #[test]
    fn each_policy_adds_to_the_one_before() {
        // A5-21
        let compatible = [
            "ecdh-sha2-nistp256",
            "diffie-hellman-group14-sha256",
            "chacha20-poly1305@openssh.com",
            "hmac-sha2-256",
            "hmac-sha2-512",
        ];
        let never = [
            "none",
            "clear",
            "diffie-hellman-group1-sha1",
            "diffie-hellman-group16-sha512",
            "diffie-hellman-group18-sha512",
        ];
        check_policy(AlgorithmPolicy::Modern, &MODERN, &[&compatible[..], &OLD, &never].concat());
        // The algorithms that a policy adds come after the modern ones of their kind.
        check_policy(
            AlgorithmPolicy::Compatible,
            &["curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256"],
            &OLD,
        );
        check_policy(AlgorithmPolicy::Compatible, &["aes256-ctr", "chacha20-poly1305@openssh.com"], &never);
        check_policy(AlgorithmPolicy::Compatible, &["hmac-sha2-512-etm@openssh.com", "hmac-sha2-256"], &[]);
        check_policy(AlgorithmPolicy::Compatible, &["ssh-ed25519", "rsa-sha2-256", "ecdsa-sha2-nistp256"], &[]);
        check_policy(AlgorithmPolicy::Legacy, &[&compatible[..2], &OLD[..1]].concat(), &never);
        check_policy(AlgorithmPolicy::Legacy, &OLD, &[]);
    }

    #[test]
    fn the_default_is_what_openssh_offers_but_for_what_is_named() {
        // A5-21: what `sshd -T` of OpenSSH 9.2 prints without a configuration.
        const KEX: &str = "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,\
            curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,\
            diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,\
            diffie-hellman-group14-sha256";
        const CIPHERS: &str = "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,\
            aes256-gcm@openssh.com";
        const MACS: &str = "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,\
            hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,\
            hmac-sha2-256,hmac-sha2-512,hmac-sha1";
        let (ours, _) = Algorithms::choose(AlgorithmChoice::default());
        let check = |theirs: &str, ours: Vec<&str>, missing: &[&str], more: &[&str]| {
            let lacked: Vec<&str> = theirs.split(',').filter(|name| !ours.contains(name)).collect();
            let added: Vec<&str> =
                ours.iter().copied().filter(|name| !theirs.split(',').any(|their| their == *name)).collect();
            assert_eq!((lacked.as_slice(), added.as_slice()), (missing, more));
        };
        let lacked = [
            "sntrup761x25519-sha512",
            "sntrup761x25519-sha512@openssh.com",
            "diffie-hellman-group-exchange-sha256",
            "diffie-hellman-group16-sha512",
            "diffie-hellman-group18-sha512",
        ];
        check(KEX, ours.kex.iter().map(AsRef::as_ref).collect(), &lacked, &["mlkem768x25519-sha256"]);
        check(CIPHERS, ours.ciphers.iter().map(AsRef::as_ref).collect(), &[], &[]);
        let lacked = [
            "umac-64-etm@openssh.com",
            "umac-128-etm@openssh.com",
            "hmac-sha1-etm@openssh.com",
            "umac-64@openssh.com",
            "umac-128@openssh.com",
            "hmac-sha1",
        ];
        check(MACS, ours.macs.iter().map(AsRef::as_ref).collect(), &lacked, &[]);
    }

    #[test]
    fn strict_key_exchange_is_always_announced() {
        let kex = ["curve25519-sha256".to_owned()];
        let (algorithms, _) = Algorithms::choose(AlgorithmChoice { kex: &kex, ..Default::default() });
        let kex = algorithms.preferred().kex.into_owned();
        assert!(kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER));
        assert!(kex.contains(&kex::EXTENSION_SUPPORT_AS_SERVER));
    }
}
