//! Passwords: checks hashes of each known format and makes new ones, both on a bounded pool of
//! threads, since a derivation takes tens of milliseconds.

mod checkable;
mod formats;
mod md5_crypt;
mod pool;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::secret::Secret;

pub use pool::PasswordPool;

/// Length of the salt of new hashes, in bytes.
const SALT_LENGTH: usize = 16;
const OUTPUT_LENGTH: usize = 32;

/// A new argon2id hash with a random salt.
pub fn hash(clear: &Secret) -> Result<PasswordHash, PasswordError> {
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
    formats::derive_argon2(&argon2, clear.expose().as_bytes(), &salt, &mut output).map_err(|error| hashing(&error))?;
    PasswordHash::recognise(&(text + &STANDARD_NO_PAD.encode(output))).ok_or_else(|| hashing(&"it is not recognised"))
}

/// Whether `clear` is the password of the hash. One that [cannot be checked](can_check) matches nothing.
pub fn matches(hash: &PasswordHash, clear: &Secret) -> bool {
    formats::matches(hash.format(), hash.expose(), clear.expose().as_bytes())
}

/// Whether some password can match the hash. False: it is cut off or malformed, or would cost too much time.
pub fn can_check(hash: &PasswordHash) -> bool {
    checkable::can_check(hash.format(), hash.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hash: &str, password: &str, expected: bool) {
        let hash = PasswordHash::recognise(hash).unwrap();
        assert_eq!(matches(&hash, &Secret::new(password)), expected, "{:?}", hash.format());
        assert!(can_check(&hash), "{:?}", hash.format());
    }

    #[test]
    fn known_vectors() {
        // A8-11, A8-12
        let pbkdf2 = "$pbkdf2-sha256$150000$E86a9YMX3zC7$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=";
        check(pbkdf2, "password", true);
        check(pbkdf2, "Password", false);
        // A8-13
        let bcrypt = "$2a$14$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK";
        check(bcrypt, "secret", true);
        check(bcrypt, "secret2", false);
        // bcrypt as crypt(3) makes it
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let bcrypt = format!("{prefix}04$ajq8Q7fbtFRQvXpdCq7JcuDtj9nHqb0tnuligfrJpFP0EHd9SoWLC");
            check(&bcrypt, "secret", true);
            check(&bcrypt, "secret2", false);
        }
        // RFC 6070's input with SHA-512
        let sha512 = "$pbkdf2-sha512$2$salt$4dnBaqaBcIpF9cfE4hXOtm4BGi6fAEBxPxiu/bhm1Tz3bKsoaKObn3hA7c5P71qCvmczXHemBo4EESdU8nzPTg==";
        check(sha512, "password", true);
        check(sha512, "passwort", false);
        // RFC 6070 with the salt as text
        check("$pbkdf2-sha1$2$salt$6mwBTcctb4zNHtkqzh1B8NjeiVc=", "password", true);
        // From crypt(3)
        check("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "password", true);
        check("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "passwore", false);
        // From openssl passwd -apr1
        check("$apr1$saltsalt$yAAkm4libquA.ZWLHbSBq/", "password", true);
        check("$apr1$saltsalt$yAAkm4libquA.ZWLHbSBq/", "passwore", false);
        check("$apr1$ab$eIePjsejfBGR8ITtu2z0U1", "x", true);
        check("$apr1$ab$eIePjsejfBGR8ITtu2z0U1", "", false);
        check("$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "myPassword", true);
        check(
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            "Hello world!",
            true,
        );
        check("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!", true);
        check("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "hello world!", false);
        // The first vector again, with its salt in base64.
        let base64_salt = "$pbkdf2-b64salt-sha256$150000$RTg2YTlZTVgzekM3$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=";
        check(base64_salt, "password", true);
        check(base64_salt, "passwort", false);
        // From crypt(3) of Debian 12
        let yescrypt = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC";
        check(yescrypt, "password", true);
        check(yescrypt, "passwort", false);
        // RFC 1321 A.5, FIPS 180-2 B.1 and C.1
        check("{MD5}900150983cd24fb0d6963f7d28e17f72", "abc", true);
        check("{SHA256}BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", "abc", true);
        let sha512 = "{SHA512}ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        check(sha512, "abc", true);
        check(sha512, "abd", false);
    }

    #[test]
    fn a_new_hash_is_argon2id_and_matches() {
        // A8-11
        let hash = super::hash(&Secret::new("pass phrase")).unwrap();
        assert!(hash.expose().starts_with("$argon2id$"));
        check(hash.expose(), "pass phrase", true);
        check(hash.expose(), "pass phrase ", false);
        // The hash that is compared for unknown users costs the same.
        let cost = |hash: &PasswordHash| hash.expose().rsplitn(3, '$').last().unwrap().to_owned();
        assert_eq!(cost(&PasswordHash::decoy()), cost(&hash));
        let lengths = |hash: &PasswordHash| hash.expose().split('$').map(str::len).collect::<Vec<_>>();
        assert_eq!(lengths(&PasswordHash::decoy()), lengths(&hash));
        check(PasswordHash::decoy().expose(), "", false);
    }

    #[test]
    fn malformed_and_dear_hashes_match_nothing() {
        // A8-11
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
            "$apr1$",
            "$apr1$saltsalt$",
            "$apr1$saltsaltsalt$qjXMvbEw8oaL.CzflDtaK/",
            "$1$\u{80}$qjXMvbEw8oaL.CzflDtaK/",
            "$6$rounds=4294967295$salt$x",
            "$6$",
            "$y$j9T$abcd$",
            "$y$jZT$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC",
            "{MD5}",
            "{MD5}zz",
            "{MD5}zz0150983cd24fb0d6963f7d28e17f72",
            "{SHA256}900150983cd24fb0d6963f7d28e17f72",
            "$2a$10$abc",
            "$2a$03$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK",
            "$pbkdf2-sha256$x$y$z",
            "$pbkdf2-sha256$4000000000$salt$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=",
            "$pbkdf2-sha256$1$salt$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5",
            "$pbkdf2-b64salt-sha256$1$!$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=",
            "$argon2id$v=19$m=4194304,t=1,p=1$HOro73enmvBDp5nJWWEI0Q$tiEOhNKYs2Dw0h73hn1GSsW9bRvTTNEz1NwQ4pHqPxY",
            "$argon2id$v=19$m=19456,t=2,p=1$HOro73enmvBDp5nJWWEI0Q$tiEOhNKYs2Dw0h73",
            "$argon2id$v=19$m=19456,t=2,p=1$HOro73enmvBDp5nJWWEI0Q",
            "$argon2id$v=19$m=19456,t=2",
            "$6$rounds=999999999$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            "$6$rounds=5$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz",
            "$6$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
            "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEcz",
            "$1$saltsalt$qjXMvbEw8oaL.CzflDta",
            "$1$salt\0alt$qjXMvbEw8oaL.CzflDtaK/",
            "$2a$14$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK\0",
        ] {
            let hash = PasswordHash::recognise(hash).unwrap();
            assert!(!can_check(&hash) && !matches(&hash, &Secret::new("password")), "{hash:?}");
        }
    }
}
