//! Time-based one-time codes (RFC 6238): six digits, thirty seconds, one step of tolerance.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use totp_rs::{Algorithm, Secret as Base32, TOTP};

use crate::account::Account;
use crate::secret::Secret;

const DIGITS: usize = 6;
const STEP_SECONDS: u64 = 30;
/// Bytes.
const MIN_SECRET: usize = 10;
/// Steps before and after.
const TOLERANCE: u64 = 1;

/// Remembers the step of the last code of each account, so that neither it nor an earlier one
/// is good again (RFC 6238 §5.2).
#[derive(Default)]
pub struct OneTimeCodes {
    used: Mutex<HashMap<String, u64>>,
}

impl OneTimeCodes {
    /// `now`: milliseconds since 1970.
    pub fn verify(&self, account: &Account, code: &Secret, now: i64) -> bool {
        let secret = account.filters.one_time_codes.as_ref().and_then(|codes| codes.secret.as_ref());
        let Some(secret) = secret.and_then(|secret| Base32::Encoded(secret.expose().to_owned()).to_bytes().ok()) else {
            return false;
        };
        // Codes of a short secret can be guessed from a few of them; of none, by anybody.
        if secret.len() < MIN_SECRET {
            return false;
        }
        let totp = TOTP::new_unchecked(Algorithm::SHA1, DIGITS, 0, STEP_SECONDS, secret);
        let now = u64::try_from(now / 1000).unwrap_or(0) / STEP_SECONDS;
        let steps = now.saturating_sub(TOLERANCE)..=now + TOLERANCE;
        let code = code.expose().trim();
        let Some(step) = steps.into_iter().find(|step| totp.check(code, step * STEP_SECONDS)) else { return false };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.get(&account.username).is_some_and(|last| step <= *last) {
            return false;
        }
        used.insert(account.username.clone(), step);
        true
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
        // Step 1 was used; 755224 is the code of step 0, still within the tolerance.
        assert!(OneTimeCodes::default().verify(&account, &Secret::new("755224"), 30_000));
        assert!(!codes.verify(&account, &Secret::new("755224"), 30_000));
    }
}
