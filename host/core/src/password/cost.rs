//! Which hashes a plugin may have compared with a password. They must be salted: with unsalted hashes a
//! plugin could test guesses at no cost. And a comparison may take about a second at most, because it cannot
//! be cancelled.

use super::{HashFormat, PasswordHash};

const MAX_BCRYPT_COST: u64 = 14;
const MAX_ARGON2_MEMORY_KIB: u64 = 256 << 10;
/// Memory in KiB, multiplied by the number of passes.
const MAX_ARGON2_WORK: u64 = 1 << 20;
const MAX_PBKDF2_ITERATIONS: u64 = 2_000_000;
const MAX_SHA_CRYPT_ROUNDS: u64 = 1_000_000;
/// Allowed values of the second character of the parameters (`9` in `j9T`): up to 2^14 blocks of 4 KiB.
const MAX_YESCRYPT_COSTS: &str = "./0123456789AB";

/// Why a plugin's hash is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// An unsalted hash would let the plugin test guesses at no cost.
    #[error("the hash has no salt")]
    NoSalt,
    /// The cost parameters are above the limits for plugins.
    #[error("a comparison with the hash would take too long")]
    TooDear,
}

impl PasswordHash {
    /// Whether a hash that a plugin gives may be compared with what a client typed.
    ///
    /// # Errors
    /// [`Unfit`] says why not.
    pub fn is_for_plugins(&self) -> Result<(), Unfit> {
        if !self.is_salted() {
            Err(Unfit::NoSalt)
        } else if self.is_cheap() {
            Ok(())
        } else {
            Err(Unfit::TooDear)
        }
    }

    /// Whether a comparison costs more than a plugin may ask for. If such a hash were stored, every later
    /// login of its account would wait for it.
    pub fn is_too_dear_for_plugins(&self) -> bool {
        !self.is_cheap()
    }

    fn is_salted(&self) -> bool {
        let fields = self.fields();
        let salt = match self.format() {
            HashFormat::Md5 | HashFormat::Sha256 | HashFormat::Sha512 => return false,
            // Every bcrypt hash has a salt of 16 bytes.
            HashFormat::Bcrypt => return true,
            HashFormat::Md5Crypt | HashFormat::Apr1 => fields.get(1),
            HashFormat::Sha256Crypt | HashFormat::Sha512Crypt => fields.get(if has_rounds(&fields) { 2 } else { 1 }),
            HashFormat::Yescrypt
            | HashFormat::Pbkdf2Sha1
            | HashFormat::Pbkdf2Sha256
            | HashFormat::Pbkdf2Sha512
            | HashFormat::Pbkdf2Base64Sha256 => fields.get(2),
            HashFormat::Argon2id => fields.get(fields.len().saturating_sub(2)),
        };
        salt.is_some_and(|salt| !salt.is_empty())
    }

    fn is_cheap(&self) -> bool {
        let fields = self.fields();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(u64::MAX);
        match self.format() {
            HashFormat::Bcrypt => number(1) <= MAX_BCRYPT_COST,
            HashFormat::Pbkdf2Sha1
            | HashFormat::Pbkdf2Sha256
            | HashFormat::Pbkdf2Sha512
            | HashFormat::Pbkdf2Base64Sha256 => number(1) <= MAX_PBKDF2_ITERATIONS,
            HashFormat::Sha256Crypt | HashFormat::Sha512Crypt => {
                let rounds = fields.get(1).and_then(|field| field.strip_prefix("rounds="));
                rounds.is_none_or(|rounds| rounds.parse().unwrap_or(u64::MAX) <= MAX_SHA_CRYPT_ROUNDS)
            }
            HashFormat::Argon2id => {
                // A missing parameter means the format's own, small default.
                let parameters = fields.iter().find(|field| field.contains("m=")).copied().unwrap_or_default();
                let parameter = |name: &str| {
                    let given = parameters.split(',').find_map(|parameter| parameter.strip_prefix(name));
                    given.map_or(1, |number| number.parse().unwrap_or(u64::MAX))
                };
                let (memory, passes) = (parameter("m="), parameter("t="));
                memory <= MAX_ARGON2_MEMORY_KIB && memory.saturating_mul(passes) <= MAX_ARGON2_WORK
            }
            HashFormat::Yescrypt => {
                let cost = fields.get(1).and_then(|parameters| parameters.chars().nth(1));
                cost.is_some_and(|cost| MAX_YESCRYPT_COSTS.contains(cost))
            }
            HashFormat::Md5Crypt | HashFormat::Apr1 | HashFormat::Md5 | HashFormat::Sha256 | HashFormat::Sha512 => true,
        }
    }

    /// The parts of the hash between the dollar signs.
    fn fields(&self) -> Vec<&str> {
        self.expose().split('$').skip(1).collect()
    }
}

fn has_rounds(fields: &[&str]) -> bool {
    fields.get(1).is_some_and(|field| field.starts_with("rounds="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hash: &str, expected: Result<(), Unfit>) {
        assert_eq!(PasswordHash::recognise(hash).unwrap().is_for_plugins(), expected, "{hash}");
    }

    #[test]
    fn plugins_compare_salted_hashes_at_a_bounded_cost() {
        // B0-10b
        for hash in [
            "$2a$14$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK",
            "$argon2id$v=19$m=65536,t=4,p=1$c2FsdHNhbHQ$AAAA",
            "$argon2id$v=19$m=262144,t=4,p=1$c2FsdHNhbHQ$AAAA",
            "$argon2id$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAA",
            "$pbkdf2-sha256$150000$salt$AAAA",
            "$pbkdf2-b64salt-sha256$2000000$c2FsdA==$AAAA",
            "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
            "$apr1$saltsalt$x",
            "$5$saltstring$x",
            "$6$rounds=1000000$salt$x",
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$x",
        ] {
            check(hash, Ok(()));
        }
        for hash in [
            "{MD5}900150983cd24fb0d6963f7d28e17f72",
            "{SHA256}ba7816bf",
            "{SHA512}ddaf35a1",
            "$1$$qjXMvbEw8oaL.CzflDtaK/",
            "$6$$x",
            "$5$rounds=1000$$x",
            "$pbkdf2-sha1$1$$AAAA",
            "$pbkdf2-sha1$1",
            "$argon2id$v=19$m=8,t=1,p=1$$AAAA",
            "$y$j9T$$x",
            "$1$",
        ] {
            check(hash, Err(Unfit::NoSalt));
        }
        for hash in [
            "$2b$15$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK",
            "$2b$18$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK",
            "$2b$x$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK",
            "$argon2id$v=19$m=1048576,t=1,p=1$c2FsdHNhbHQ$AAAA",
            "$argon2id$v=19$m=262144,t=5,p=1$c2FsdHNhbHQ$AAAA",
            "$argon2id$v=19$t=4294967295,m=65536,p=1$c2FsdHNhbHQ$AAAA",
            "$pbkdf2-sha512$2000001$salt$AAAA",
            "$6$rounds=1000001$salt$x",
            "$y$jCT$F5Jx5fExrKuPp53xLKQ..1$x",
            "$y$jET$F5Jx5fExrKuPp53xLKQ..1$x",
        ] {
            check(hash, Err(Unfit::TooDear));
        }
    }
}
