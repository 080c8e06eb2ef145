//! Time-based one-time codes (RFC 6238): six digits, thirty seconds, one step of tolerance.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use totp_rs::{Algorithm, Secret as Base32, TOTP};

use crate::account::EffectiveAccount;
use crate::secret::Secret;

const DIGITS: usize = 6;
const STEP_SECONDS: u64 = 30;
/// Bytes of the shortest secret that is used.
const MIN_SECRET: usize = 10;
/// Steps before and after the current one whose codes are accepted, too.
const TOLERANCE: u64 = 1;

/// Wrong codes in a row that begin a pause, in which no code is checked. Each further wrong code doubles it. Three
/// of a million codes are valid at any moment, so that unlimited tries would find one.
const FREE_TRIES: u32 = 5;
/// Milliseconds.
const SHORTEST_PAUSE: i64 = 30_000;
/// Milliseconds.
const LONGEST_PAUSE: i64 = 3_600_000;

/// Why a code was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeRefusal {
    /// The code is wrong, too old, or was used before.
    #[error("the authentication code is wrong")]
    Wrong,
    /// No code is checked for so many seconds.
    #[error("too many authentication codes of this account were wrong: none is looked at for {0} seconds")]
    Paused(i64),
    /// The account has no secret, or it is too short or cannot be read.
    #[error(
        "the account has no secret for authentication codes that could be read; set one with \"tidegate user totp\""
    )]
    NoSecret,
}

/// Checks one-time codes. For each account it remembers the step of the last accepted code, so that neither this
/// code nor an earlier one is accepted again (RFC 6238 §5.2), and counts the wrong codes since.
#[derive(Default)]
pub struct OneTimeCodes {
    accounts: Mutex<HashMap<String, Tried>>,
}

#[derive(Default)]
struct Tried {
    last_step: Option<u64>,
    wrong: u32,
    /// When codes are checked again, in milliseconds since 1970.
    paused_until: i64,
}

impl OneTimeCodes {
    /// Accepts a code, which is used up by that. All connections of an account share the tries. `now`: milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// Why the code is refused.
    pub fn verify(&self, account: &EffectiveAccount, code: &Secret, now: i64) -> Result<(), CodeRefusal> {
        let totp = generator(account).ok_or(CodeRefusal::NoSecret)?;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = accounts.entry(account.username.clone()).or_default();
        if now < tried.paused_until {
            return Err(CodeRefusal::Paused((tried.paused_until - now + 999) / 1000));
        }
        let step = u64::try_from(now / 1000).unwrap_or(0) / STEP_SECONDS;
        let mut steps = step.saturating_sub(TOLERANCE)..=step + TOLERANCE;
        let code = code.expose().trim();
        let found = steps.find(|step| totp.check(code, step * STEP_SECONDS));
        match found.filter(|step| tried.last_step.is_none_or(|last| *step > last)) {
            Some(step) => {
                *tried = Tried { last_step: Some(step), ..Tried::default() };
                Ok(())
            }
            None => {
                tried.wrong = tried.wrong.saturating_add(1);
                if let Some(doublings) = tried.wrong.checked_sub(FREE_TRIES) {
                    let pause = SHORTEST_PAUSE.saturating_mul(1 << doublings.min(20)).min(LONGEST_PAUSE);
                    tried.paused_until = now.saturating_add(pause);
                }
                Err(CodeRefusal::Wrong)
            }
        }
    }
}

fn generator(account: &EffectiveAccount) -> Option<TOTP> {
    let secret = account.filters.one_time_codes.as_ref()?.secret.as_ref()?;
    let secret = Base32::Encoded(secret.expose().to_owned()).to_bytes().ok()?;
    // A short secret can be found from a few of its codes, and an empty one is known.
    (secret.len() >= MIN_SECRET).then(|| TOTP::new_unchecked(Algorithm::SHA1, DIGITS, 0, STEP_SECONDS, secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountDraft, CredentialRule};

    fn account() -> EffectiveAccount {
        let json = r#"{"username":"u","home_dir":"/u","permissions":{"/":["*"]},"filters":{"totp_config":
            {"enabled":true,"protocols":["SSH"],"secret":{"status":"Plain","payload":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}}}}"#;
        let user = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
        EffectiveAccount::ungrouped(user)
    }

    fn wrong() -> Secret {
        Secret::new("000000")
    }

    #[test]
    fn codes_are_good_once_and_around_their_time() {
        let account = account();
        // RFC 6238, appendix B, the last six digits.
        let check = |code: &str, seconds: i64, expected| {
            let codes = OneTimeCodes::default();
            assert_eq!(codes.verify(&account, &Secret::new(code), seconds * 1000).is_ok(), expected);
        };
        check("287082", 59, true);
        check("081804", 1_111_111_109, true);
        check("287082", 59 + 30, true);
        check("287082", 59 + 120, false);
        check("", 59, false);
        check("287083", 59, false);
        let codes = OneTimeCodes::default();
        assert!(codes.verify(&account, &Secret::new("287082"), 59_000).is_ok());
        assert!(codes.verify(&account, &Secret::new("287082"), 59_000).is_err());
        // Step 1 was used; 755224 is the code of step 0, still within the tolerance.
        assert!(OneTimeCodes::default().verify(&account, &Secret::new("755224"), 30_000).is_ok());
        assert!(codes.verify(&account, &Secret::new("755224"), 30_000).is_err());
    }

    #[test]
    fn guessing_meets_a_brake() {
        // B4-02
        let (account, codes) = (account(), OneTimeCodes::default());
        let good = || Secret::new("287082");
        for _ in 0..FREE_TRIES {
            assert_eq!(codes.verify(&account, &wrong(), 0), Err(CodeRefusal::Wrong));
        }
        // In the pause not even the right code is accepted.
        assert_eq!(codes.verify(&account, &good(), 29_001), Err(CodeRefusal::Paused(1)));
        assert_eq!(codes.verify(&account, &wrong(), 30_000), Err(CodeRefusal::Wrong));
        assert_eq!(codes.verify(&account, &good(), 59_000), Err(CodeRefusal::Paused(31)));
        assert_eq!(codes.verify(&account, &good(), 89_999), Err(CodeRefusal::Paused(1)));
        let mut now = 90_000;
        let mut tries = 0;
        while now < 24 * 3_600_000 {
            match codes.verify(&account, &wrong(), now) {
                Err(CodeRefusal::Paused(seconds)) => now += seconds * 1000,
                _ => tries += 1,
            }
        }
        assert!(tries < 40, "{tries} tries a day");
    }

    #[test]
    fn a_right_code_takes_the_brake_off() {
        let (account, codes) = (account(), OneTimeCodes::default());
        for _ in 1..FREE_TRIES {
            assert_eq!(codes.verify(&account, &wrong(), 0), Err(CodeRefusal::Wrong));
        }
        assert_eq!(codes.verify(&account, &Secret::new("287082"), 59_000), Ok(()));
        for _ in 1..FREE_TRIES {
            assert_eq!(codes.verify(&account, &wrong(), 59_000), Err(CodeRefusal::Wrong));
        }
        assert_eq!(codes.verify(&account, &wrong(), 59_000), Err(CodeRefusal::Wrong));
    }

    #[test]
    fn a_secret_that_cannot_be_read_lets_nobody_in() {
        for totp in [
            r#""secret":{"payload":""}"#,
            r#""secret":{"payload":"GEZDG"}"#,
            r#""secret":{"payload":"??"}"#,
            r#""x":1"#,
        ] {
            let json = format!(
                r#"{{"username":"u","home_dir":"/u","permissions":{{"/":["*"]}},"filters":{{"totp_config":
                {{"enabled":true,"protocols":["SSH"],{totp}}}}}}}"#
            );
            let user = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account;
            let account = EffectiveAccount::ungrouped(user);
            let outcome = OneTimeCodes::default().verify(&account, &Secret::new("287082"), 59_000);
            assert_eq!(outcome, Err(CodeRefusal::NoSecret), "{totp}");
        }
    }
}
