//! One-time codes and recovery codes of users at the doors over HTTP. Steps that are used up are noted with the account,
//! as over SSH.

use std::sync::Arc;

use serde_json::{Value, json};

use super::AuthenticationError;
use super::credential_text::{digest_of, is_same};
use crate::account::{AccountDraft, AccountError, Accounts, EffectiveAccount, OnConflict};
use crate::login::{CodeRefusal, OneTimeCodes, RightCode};
use crate::ports::{Author, Clock, StoreError};
use crate::secret::Secret;

/// Characters of a digest in hexadecimal.
const DIGEST: usize = 64;

/// Checks the codes of users.
pub struct UserCodes {
    accounts: Arc<Accounts>,
    codes: Arc<OneTimeCodes>,
    clock: Arc<dyn Clock>,
}

impl UserCodes {
    /// The codes of these accounts. `codes`: counts the wrong ones, over SSH as well, so that no user is guessed at twice
    /// as fast through two doors.
    pub fn new(accounts: Arc<Accounts>, codes: Arc<OneTimeCodes>, clock: Arc<dyn Clock>) -> Self {
        Self { accounts, codes, clock }
    }

    /// For how many seconds a log-in to the account is refused, because codes were wrong; None: it is not. This is asked
    /// before the password is looked at: the answer is then the same whether that is right or wrong. A recovery code of
    /// the account cannot be guessed, and is looked at in any case.
    pub(super) fn pause(&self, account: &EffectiveAccount, code: Option<&str>) -> Option<i64> {
        codes_of(&account.filters.document)?;
        let is_recovery = given(code).is_some_and(|code| left_of(account).iter().any(|left| is_it(left, code)));
        self.codes.pause(&account.username, self.clock.now()).filter(|_| !is_recovery)
    }

    /// Checks the one-time code or recovery code of an account that has them, and uses it up.
    pub(super) async fn check(
        &self,
        account: &EffectiveAccount,
        code: Option<&str>,
    ) -> Result<(), AuthenticationError> {
        let Some(config) = codes_of(&account.filters.document) else { return Ok(()) };
        let Some(code) = given(code) else { return Err(AuthenticationError::SecondFactorNeeded) };
        if self.use_up(account, code).await? {
            self.codes.forgive(&account.username);
            return Ok(());
        }
        let Some(secret) = payload(config.get("secret")) else { return Err(AuthenticationError::Denied) };
        let right = self.right(&account.username, &Secret::new(secret), &Secret::new(code));
        let used = match right {
            Ok(right) => self.accept(account, right).await,
            Err(refusal) => Err(refusal),
        };
        used.map_err(|refusal| match refusal {
            CodeRefusal::Paused(seconds) => AuthenticationError::Paused(seconds),
            CodeRefusal::NotStored(error) => error.into(),
            CodeRefusal::Wrong | CodeRefusal::NoSecret => AuthenticationError::Denied,
        })
    }

    /// Checks a code of that secret without using it up.
    pub(super) fn right(&self, username: &str, secret: &Secret, code: &Secret) -> Result<RightCode, CodeRefusal> {
        self.codes.check_secret(username, secret, code, self.clock.now())
    }

    /// Uses up a code that is right.
    pub(super) async fn accept(&self, account: &EffectiveAccount, right: RightCode) -> Result<(), CodeRefusal> {
        self.codes.accept(&self.accounts, account, right, self.clock.now()).await
    }

    /// Marks a recovery code as used; false: it is none, or another log-in was faster.
    async fn use_up(&self, account: &EffectiveAccount, code: &str) -> Result<bool, AuthenticationError> {
        let stored = self.accounts.stored(&account.username).await?;
        let Some(stored) = stored.filter(|stored| stored.version.id == account.id) else { return Ok(false) };
        let mut draft = AccountDraft::of_stored(stored);
        let codes = draft.document().get("filters").and_then(|filters| filters.get("recovery_codes"));
        let mut codes = codes.and_then(Value::as_array).cloned().unwrap_or_default();
        let found = codes.iter_mut().find(|kept| !is_used(kept) && is_it(kept, code));
        let Some(Value::Object(found)) = found else { return Ok(false) };
        found.insert("used".to_owned(), json!(true));
        draft.set_filter("recovery_codes", Value::Array(codes));
        match self.accounts.update(draft, OnConflict::Refuse, &Author::system()).await {
            Ok(_) => Ok(true),
            Err(AccountError::Store(StoreError::Conflict(_) | StoreError::NotFound(_))) => Ok(false),
            Err(AccountError::Store(error)) => Err(error.into()),
            Err(AccountError::Password(error)) => Err(error.into()),
            Err(AccountError::Invalid(_)) => Ok(false),
        }
    }
}

/// The configuration of the one-time codes of an account with these `filters`, for whatever protocol; None: they are not
/// enabled.
pub(super) fn codes_of(filters: &serde_json::Map<String, Value>) -> Option<&Value> {
    let config = filters.get("totp_config")?;
    (config.get("enabled").and_then(Value::as_bool) == Some(true)).then_some(config)
}

fn given(code: Option<&str>) -> Option<&str> {
    code.map(str::trim).filter(|code| !code.is_empty())
}

/// The recovery codes of the account that are still good.
fn left_of(account: &EffectiveAccount) -> Vec<&Value> {
    let codes = account.filters.document.get("recovery_codes").and_then(Value::as_array);
    codes.into_iter().flatten().filter(|kept| !is_used(kept)).collect()
}

fn is_used(kept: &Value) -> bool {
    kept.get("used").and_then(Value::as_bool).unwrap_or(false)
}

fn is_it(kept: &Value, code: &str) -> bool {
    payload(kept.get("secret")).is_some_and(|text| is_same(&as_digest(text), &digest_of(code)))
}

/// The text of a secret that the server can read.
fn payload(secret: Option<&Value>) -> Option<&str> {
    match secret? {
        Value::String(text) => Some(text),
        secret => {
            let is_plain = secret.get("status").and_then(Value::as_str) == Some("Plain");
            secret.get("payload").and_then(Value::as_str).filter(|_| is_plain)
        }
    }
}

/// The digest of a recovery code. Those that were moved here from another server are stored as they are.
fn as_digest(text: &str) -> String {
    if text.len() == DIGEST { text.to_owned() } else { digest_of(text) }
}

#[cfg(test)]
mod tests {
    use super::super::user_tests::PaperPasswords;
    use super::*;
    use crate::account::CredentialRule;
    use crate::memory::MemoryStore;
    use crate::ports::SystemClock;

    #[test]
    fn wrong_codes_are_counted_over_both_doors() {
        // B4-02
        let json = r#"{"username":"u","home_dir":"/u","permissions":{"/":["*"]},"filters":{"totp_config":
            {"enabled":true,"protocols":["SSH"],"secret":{"status":"Plain","payload":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}}}}"#;
        let user = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
        let account = EffectiveAccount::ungrouped(user);
        let (store, clock) = (Arc::new(MemoryStore::default()), Arc::new(SystemClock));
        let over_ssh = Arc::new(OneTimeCodes::default());
        let accounts = Arc::new(Accounts::new(store, Arc::new(PaperPasswords), None));
        let over_http = UserCodes::new(accounts, over_ssh.clone(), clock.clone());
        for number in 0..5 {
            assert_eq!(over_http.pause(&account, Some("000000")), None, "{number}");
            // No code of six digits.
            assert_eq!(over_ssh.check(&account, &Secret::new("x"), clock.now()), Err(CodeRefusal::Wrong), "{number}");
        }
        assert!(over_http.pause(&account, Some("000000")).is_some());
    }
}
