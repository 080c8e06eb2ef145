//! Time-based one-time codes (RFC 6238): six digits, thirty seconds, one step of tolerance.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use totp_rs::{Algorithm, Secret as Base32, TOTP};

use crate::account::Account;
use crate::secret::Secret;

const DIGITS: usize = 6;
const STEP_SECONDS: u64 = 30;
const TOLERANCE: u8 = 1;

/// Remembers which code was used last, so that none is good twice (RFC 6238 §5.2).
#[derive(Default)]
pub struct OneTimeCodes {
    used: Mutex<HashMap<String, String>>,
}

impl OneTimeCodes {
    /// `now`: milliseconds since 1970.
    pub fn verify(&self, account: &Account, code: &Secret, now: i64) -> bool {
        let secret = account.filters.one_time_codes.as_ref().and_then(|codes| codes.secret.as_ref());
        let Some(secret) = secret.and_then(|secret| Base32::Encoded(secret.expose().to_owned()).to_bytes().ok()) else {
            return false;
        };
        let code = code.expose().trim();
        let totp = TOTP::new_unchecked(Algorithm::SHA1, DIGITS, TOLERANCE, STEP_SECONDS, secret);
        if !totp.check(code, u64::try_from(now / 1000).unwrap_or(0)) {
            return false;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(account.username.clone(), code.to_owned()).as_deref() != Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountDraft, CredentialRule};

    #[test]
    fn codes_are_good_once_and_around_their_time() {
        let json = r#"{"username":"u","home_dir":"/u","permissions":{"/":["*"]},"filters":{"totp_config":
            {"enabled":true,"protocols":["SSH"],"secret":{"status":"Plain","payload":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}}}}"#;
        let account = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
        // RFC 6238, appendix B, the last six digits.
        let check = |code: &str, seconds: i64, expected| {
            assert_eq!(OneTimeCodes::default().verify(&account, &Secret::new(code), seconds * 1000), expected);
        };
        check("287082", 59, true);
        check("081804", 1_111_111_109, true);
        check("287082", 59 + 30, true);
        check("287082", 59 + 120, false);
        check("", 59, false);
        check("287083", 59, false);
        let codes = OneTimeCodes::default();
        assert!(codes.verify(&account, &Secret::new("287082"), 59_000));
        assert!(!codes.verify(&account, &Secret::new("287082"), 59_000));
    }
}
