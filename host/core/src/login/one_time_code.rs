//! Time-based one-time codes (RFC 6238): six digits, thirty seconds, one step of tolerance.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use totp_rs::{Algorithm, Secret as Base32, TOTP};

use crate::account::{Accounts, EffectiveAccount};
use crate::ports::StoreError;
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
/// The first pause, in milliseconds.
const SHORTEST_PAUSE: i64 = 30_000;
/// The longest pause, in milliseconds.
const LONGEST_PAUSE: i64 = 3_600_000;

/// Why a code was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// The store could not note that the code is used up.
    #[error("the authentication code is not accepted, because it cannot be noted that it was used: {0}")]
    NotStored(StoreError),
}

/// A code that is right. It lets no login in before the account's store has noted that it is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RightCode {
    /// The time step of the code.
    pub step: i64,
}

/// Checks one-time codes, and counts the wrong ones of each account. The store of the accounts keeps the step of the
/// last accepted code, so that neither this code nor an earlier one is accepted again, by whatever server and after
/// whatever restart (RFC 6238 §5.2).
#[derive(Default)]
pub struct OneTimeCodes {
    accounts: Mutex<HashMap<String, Tried>>,
}

#[derive(Default)]
struct Tried {
    wrong: u32,
    /// When codes are checked again, in milliseconds since 1970.
    paused_until: i64,
}

impl OneTimeCodes {
    /// Checks a code, without using it up. All connections of an account share the tries. `now`: milliseconds since
    /// 1970.
    ///
    /// # Errors
    /// Why the code is refused.
    pub fn check(&self, account: &EffectiveAccount, code: &Secret, now: i64) -> Result<RightCode, CodeRefusal> {
        let codes = account.filters.one_time_codes.as_ref().and_then(|codes| codes.secret.as_ref());
        self.check_secret(&account.username, codes.ok_or(CodeRefusal::NoSecret)?, code, now)
    }

    /// As [`check`](Self::check), with a secret in Base32 (RFC 4648 §6). `name`: by which wrong codes are counted.
    ///
    /// # Errors
    /// Why the code is refused.
    pub fn check_secret(&self, name: &str, secret: &Secret, code: &Secret, now: i64) -> Result<RightCode, CodeRefusal> {
        let totp = generator(secret).ok_or(CodeRefusal::NoSecret)?;
        let mut accounts = self.accounts();
        let tried = accounts.entry(name.to_owned()).or_default();
        if now < tried.paused_until {
            return Err(CodeRefusal::Paused((tried.paused_until - now + 999) / 1000));
        }
        let step = u64::try_from(now / 1000).unwrap_or(0) / STEP_SECONDS;
        let mut steps = step.saturating_sub(TOLERANCE)..=step + TOLERANCE;
        let code = code.expose().trim();
        let found = steps.find(|step| totp.check(code, step * STEP_SECONDS)).and_then(|step| i64::try_from(step).ok());
        match found {
            Some(step) => Ok(RightCode { step }),
            None => {
                tried.add_wrong(now);
                Err(CodeRefusal::Wrong)
            }
        }
    }

    /// For how many seconds no code is looked at, right or wrong; None: codes are. `name`: by which wrong codes are
    /// counted.
    pub fn pause(&self, name: &str, now: i64) -> Option<i64> {
        let accounts = self.accounts();
        let until = accounts.get(name).map_or(0, |tried| tried.paused_until);
        (now < until).then(|| until.saturating_sub(now).saturating_add(999) / 1000)
    }

    /// Accepts a right code of a stored account, unless it was accepted before by any server. It is used up by that,
    /// whatever becomes of the login.
    ///
    /// # Errors
    /// The code was used before, or the store cannot note that it is.
    pub async fn accept(
        &self,
        accounts: &Accounts,
        account: &EffectiveAccount,
        code: RightCode,
        now: i64,
    ) -> Result<(), CodeRefusal> {
        let is_new = accounts.use_code(&account.key(), code.step).await.map_err(CodeRefusal::NotStored)?;
        self.settle(&account.username, is_new, now)
    }

    /// Notes what the store says of a right code. `is_new`: whether it was not used before.
    ///
    /// # Errors
    /// The code was used before, so that it is a wrong one.
    pub fn settle(&self, name: &str, is_new: bool, now: i64) -> Result<(), CodeRefusal> {
        let mut tries = self.accounts();
        let tried = tries.entry(name.to_owned()).or_default();
        if is_new {
            (tried.wrong, tried.paused_until) = (0, 0);
            Ok(())
        } else {
            tried.add_wrong(now);
            Err(CodeRefusal::Wrong)
        }
    }

    /// Counts the wrong codes no longer: a recovery code was right, which ends the row as a right code does.
    pub fn forgive(&self, name: &str) {
        self.accounts().remove(name);
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, Tried>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tried {
    fn add_wrong(&mut self, now: i64) {
        self.wrong = self.wrong.saturating_add(1);
        if let Some(doublings) = self.wrong.checked_sub(FREE_TRIES) {
            let pause = SHORTEST_PAUSE.saturating_mul(1 << doublings.min(20)).min(LONGEST_PAUSE);
            self.paused_until = now.saturating_add(pause);
        }
    }
}

fn generator(secret: &Secret) -> Option<TOTP> {
    let secret = Base32::Encoded(secret.expose().to_owned()).to_bytes().ok()?;
    // A short secret can be found from a few of its codes, and an empty one is known.
    (secret.len() >= MIN_SECRET).then(|| TOTP::new_unchecked(Algorithm::SHA1, DIGITS, 0, STEP_SECONDS, secret))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::PaperPasswords;
    use super::*;
    use crate::account::{AccountDraft, CredentialRule};
    use crate::memory::MemoryStore;

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
    fn codes_are_good_around_their_time() {
        // B4-02
        let account = account();
        // RFC 6238, appendix B, the last six digits.
        let check = |code: &str, seconds: i64, expected| {
            let codes = OneTimeCodes::default();
            let outcome = codes.check(&account, &Secret::new(code), seconds * 1000);
            assert_eq!(outcome.is_ok(), expected, "{code} at {seconds}");
        };
        check("287082", 59, true);
        check("081804", 1_111_111_109, true);
        check(" 287082 ", 59, true);
        // One step of tolerance, and no more, on both sides. The code's own step is from 30 to 59.
        check("287082", 0, true);
        check("287082", 59 + 30, true);
        check("287082", 59 + 31, false);
        check("287082", 59 + 60, false);
        check("287082", 59 + 120, false);
        // The step of this one begins with the second 1,111,111,080.
        check("081804", 1_111_111_050, true);
        check("081804", 1_111_111_049, false);
        check("081804", 1_111_111_139, true);
        check("081804", 1_111_111_140, false);
        // Eight digits are those of other servers.
        check("94287082", 59, false);
        check("87082", 59, false);
        check("", 59, false);
        check("287083", 59, false);
    }

    #[test]
    fn guessing_meets_a_brake() {
        // B4-02
        let (account, codes) = (account(), OneTimeCodes::default());
        let good = || Secret::new("287082");
        for _ in 0..5 {
            assert_eq!(codes.check(&account, &wrong(), 0), Err(CodeRefusal::Wrong));
        }
        assert_eq!((codes.pause("u", 29_001), codes.pause("u", 30_000), codes.pause("v", 0)), (Some(1), None, None));
        // In the pause not even the right code is accepted.
        assert_eq!(codes.check(&account, &good(), 29_001), Err(CodeRefusal::Paused(1)));
        assert_eq!(codes.check(&account, &wrong(), 30_000), Err(CodeRefusal::Wrong));
        assert_eq!(codes.check(&account, &good(), 59_000), Err(CodeRefusal::Paused(31)));
        assert_eq!(codes.check(&account, &good(), 89_999), Err(CodeRefusal::Paused(1)));
        let mut now = 90_000;
        let mut pauses = Vec::new();
        while now < 12 * 3_600_000 {
            match codes.check(&account, &wrong(), now) {
                Err(CodeRefusal::Paused(seconds)) => {
                    pauses.push(seconds);
                    now += seconds * 1000;
                }
                outcome => assert_eq!(outcome, Err(CodeRefusal::Wrong)),
            }
        }
        // Each is twice as long, up to an hour.
        assert_eq!(pauses[..7], [120, 240, 480, 960, 1920, 3600, 3600]);
        assert!(pauses.len() < 20 && pauses.ends_with(&[3600, 3600]), "{pauses:?}");
    }

    #[test]
    fn a_recovery_code_ends_the_row_of_wrong_ones() {
        let (account, codes) = (account(), OneTimeCodes::default());
        for _ in 0..3 {
            (0..4).for_each(|_| assert_eq!(codes.check(&account, &wrong(), 0), Err(CodeRefusal::Wrong)));
            codes.forgive("u");
            assert_eq!(codes.pause("u", 0), None);
        }
    }

    #[tokio::test]
    async fn a_right_code_takes_the_brake_off_unless_it_was_used_elsewhere() {
        // B4-02
        let store = Arc::new(MemoryStore::default());
        let accounts = Accounts::new(store.clone(), Arc::new(PaperPasswords::default()), None);
        store.put(account().user());
        let account = EffectiveAccount::ungrouped(store.user("u").await.unwrap());
        let codes = OneTimeCodes::default();
        // 755224 is the code of step 0, and 287082 that of step 1.
        let log_in_with = async |codes: &OneTimeCodes, code: &str| {
            let code = codes.check(&account, &Secret::new(code), 59_000)?;
            codes.accept(&accounts, &account, code, 59_000).await
        };
        let log_in = async |codes: &OneTimeCodes| log_in_with(codes, "287082").await;
        let guess = |codes: &OneTimeCodes| codes.check(&account, &wrong(), 59_000).unwrap_err();
        (0..4).for_each(|_| assert_eq!(guess(&codes), CodeRefusal::Wrong));
        assert_eq!(log_in(&codes).await, Ok(()));
        assert_eq!(log_in(&OneTimeCodes::default()).await, Err(CodeRefusal::Wrong));
        assert_eq!(log_in_with(&OneTimeCodes::default(), "755224").await, Err(CodeRefusal::Wrong));
        (0..5).for_each(|_| assert_eq!(guess(&codes), CodeRefusal::Wrong));
        assert_eq!(guess(&codes), CodeRefusal::Paused(30));
        // Another server, or this one after a restart: the used code is a wrong one.
        let others = OneTimeCodes::default();
        (0..4).for_each(|_| assert_eq!(guess(&others), CodeRefusal::Wrong));
        assert_eq!(log_in(&others).await, Err(CodeRefusal::Wrong));
        assert_eq!(guess(&others), CodeRefusal::Paused(30));
    }

    #[test]
    fn a_secret_that_cannot_be_read_lets_no_user_in() {
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
            let outcome = OneTimeCodes::default().check(&account, &Secret::new("287082"), 59_000);
            assert_eq!(outcome, Err(CodeRefusal::NoSecret), "{totp}");
        }
    }
}
