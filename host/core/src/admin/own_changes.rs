//! What users change of their own account: the password, the public keys and the second factor. The account says what
//! they may not (`filters.web_client`); accounts that are kept elsewhere are not changed here at all.

use serde_json::{Map, Value, json};
use totp_rs::Secret as Base32;

use super::admin_codes::{SECRET, new_recovery_codes, new_secret};
use super::credential_text::digest_of;
use super::own_account::codes_of;
use super::{AdminError, AuthenticationError, NewCodes, OwnAccount, Person, UseCase};
use crate::account::{AccountDraft, AccountError, OnConflict, invalid};
use crate::guard::Offence;
use crate::login::CodeRefusal;
use crate::password::PasswordHash;
use crate::ports::{ObjectName, StoreError, USERS};
use crate::public_key::{PublicKey, keys_of_user};
use crate::secret::Secret;
use crate::turns::Waiter;

/// Hook points whose hooks make accounts.
pub(super) const KEPT_BY_HOOKS: [&str; 2] = ["external-auth", "pre-login"];
const KEY: &str = "public key";

/// What a user may want to change of its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnChange {
    /// The password.
    Password,
    /// The public keys.
    PublicKeys,
    /// The one-time codes.
    SecondFactor,
}

impl OwnChange {
    /// The word of `filters.web_client` that forbids it.
    fn forbidding_word(self) -> &'static str {
        match self {
            Self::Password => "password-change-disabled",
            Self::PublicKeys => "publickey-change-disabled",
            Self::SecondFactor => "mfa-disabled",
        }
    }
}

impl OwnAccount {
    /// Why the user may not change that, in a sentence without its beginning; None: it may.
    ///
    /// # Errors
    /// The hooks cannot be listed.
    pub async fn why_not(&self, person: &Person, change: OwnChange) -> Result<Option<&'static str>, AdminError> {
        if let Some(reason) = self.kept_elsewhere().await? {
            return Ok(Some(reason));
        }
        let account = &person.account;
        let words = account.filters.document.get("web_client").and_then(Value::as_array);
        if words.is_some_and(|words| words.iter().any(|word| word.as_str() == Some(change.forbidding_word()))) {
            return Ok(Some("the administrator of the account keeps it as it is"));
        }
        let has_options = || account.user().public_keys.iter().any(|key| key.options().is_some());
        Ok(match change {
            OwnChange::Password if self.passwords_are_elsewhere().await? => {
                Some("a hook decides about the passwords of this server")
            }
            OwnChange::Password if account.password.is_none() => Some("the account has no password"),
            // A key without options would undo what those of another one demand.
            OwnChange::PublicKeys if has_options() => {
                Some("a key of the account has options, which its administrator has set")
            }
            OwnChange::Password | OwnChange::PublicKeys | OwnChange::SecondFactor => None,
        })
    }

    /// Changes the password. All sessions of the user at the doors over HTTP end by it.
    ///
    /// # Errors
    /// The user may not change it, its current password is another or was tried too often, the new one cannot be used,
    /// or the store fails.
    pub async fn change_password(&self, person: &Person, current: &Secret, new: Secret) -> Result<(), AdminError> {
        self.may(person, OwnChange::Password).await?;
        let (account, author) = (&person.account, &person.actor.author);
        if !self.tries.take(account.id, self.clock.now()) {
            let text = "the current password was tried too often; try again in a quarter of an hour";
            return Err(self.refused(person, text).await);
        }
        let hash = account.password.clone();
        let can_match = hash.is_some() && !current.is_empty();
        let waiter = Waiter { address: author.address, account: &account.username };
        let matches = self.passwords.matches(waiter, &hash.unwrap_or_else(PasswordHash::decoy), current).await;
        if !(matches.map_err(AccountError::Password)? && can_match) {
            if let Some(address) = author.address {
                self.before.defender.score_http(address, Offence::LoginFailed);
            }
            return Err(self.refused(person, "the current password is another").await);
        }
        if new.is_empty() {
            return Err(AccountError::Invalid(invalid("password", "is empty; choose another")).into());
        }
        let mut draft = self.draft(person).await?;
        draft.set_clear_password(new);
        let filters = draft.document().get("filters");
        if filters.and_then(|filters| filters.get("require_password_change")).is_some() {
            draft.set_filter("require_password_change", json!(false));
        }
        self.store(person, draft).await
    }

    /// Adds public keys, in lines as OpenSSH has them in `*.pub`: all of them, or none.
    ///
    /// # Errors
    /// The user may not change them, a line is no key without options with which a login is accepted, or the store fails.
    pub async fn add_key(&self, person: &Person, lines: &str) -> Result<(), AdminError> {
        self.may(person, OwnChange::PublicKeys).await?;
        let wrong = |problem: String| AdminError::Object { noun: KEY, problem: invalid("key", problem) };
        let keys = keys_of_user(lines).map_err(wrong)?;
        let mut draft = self.draft(person).await?;
        keys.iter().for_each(|key| draft.add_public_key(key));
        self.store(person, draft).await
    }

    /// Removes the public key with that fingerprint.
    ///
    /// # Errors
    /// The user may not change them, it has no such key, the account would have no credential any more, or the store
    /// fails.
    pub async fn remove_key(&self, person: &Person, fingerprint: &str) -> Result<(), AdminError> {
        self.may(person, OwnChange::PublicKeys).await?;
        let mut draft = self.draft(person).await?;
        let lines = draft.document().get("public_keys").and_then(Value::as_array).cloned().unwrap_or_default();
        let before = lines.len();
        let is_it = |line: &Value| {
            let key = line.as_str().and_then(|line| PublicKey::parse(line).ok());
            key.is_some_and(|key| key.fingerprint() == fingerprint)
        };
        let left: Vec<_> = lines.into_iter().filter(|line| !is_it(line)).collect();
        if left.len() == before {
            return Err(StoreError::NotFound(ObjectName { noun: KEY, name: fingerprint.to_owned() }).into());
        }
        draft.set("public_keys", Value::Array(left));
        self.store(person, draft).await
    }

    /// Whether the account has one-time codes.
    pub fn has_codes(&self, person: &Person) -> bool {
        codes_of(&person.account).is_some()
    }

    /// A secret for one-time codes, which is not in force before [`confirm_codes`](Self::confirm_codes).
    ///
    /// # Errors
    /// The user may not change them, it has some, or the system gives no random numbers.
    pub async fn offer_codes(&self, person: &Person) -> Result<NewCodes, AdminError> {
        self.may_set_up(person).await?;
        let (secret, url) = new_secret(&person.account.username)?;
        Ok(NewCodes { secret: Secret::new(secret), url: Secret::new(url), recovery_codes: Vec::new() })
    }

    /// Puts a secret into force that was offered, if the authenticator that `code` is of has it. Gives recovery codes,
    /// each good for one log-in in a browser.
    ///
    /// # Errors
    /// As [`offer_codes`](Self::offer_codes), the code is wrong, the secret was not offered, or the store fails.
    pub async fn confirm_codes(
        &self,
        person: &Person,
        secret: &Secret,
        code: &Secret,
    ) -> Result<Vec<Secret>, AdminError> {
        self.may_set_up(person).await?;
        let bytes = Base32::Encoded(secret.expose().to_owned()).to_bytes();
        if bytes.map_or(0, |bytes| bytes.len()) != SECRET {
            return Err(self.refused(person, "the secret is none that was made here; begin again").await);
        }
        let (account, now) = (&person.account, self.clock.now());
        let right = match self.codes.check_secret(&account.username, secret, code, now) {
            Ok(right) => right,
            Err(refusal @ CodeRefusal::Paused(_)) => return Err(AdminError::NotForActor(refusal.to_string())),
            Err(_) => return Err(AdminError::NotForActor("the code is wrong; scan the QR code again".to_owned())),
        };
        let recovery = new_recovery_codes()?;
        let kept = |code: &String| json!({ "secret": {"status": "Plain", "payload": digest_of(code)}, "used": false });
        let payload = json!({ "status": "Plain", "payload": secret.expose() });
        let config =
            json!({ "enabled": true, "config_name": "Default", "secret": payload, "protocols": ["SSH", "HTTP"] });
        let mut draft = self.draft(person).await?;
        draft.set_filter("totp_config", config);
        draft.set_filter("recovery_codes", recovery.iter().map(kept).collect());
        self.store(person, draft).await?;
        // The code that was shown here opens nothing afterwards.
        if let Err(error) = self.codes.accept(&self.accounts, account, right, now).await {
            tracing::warn!(sender = "web_sessions", message = error.to_string());
        }
        Ok(recovery.into_iter().map(Secret::new).collect())
    }

    /// Takes the one-time codes away. `code`: one of them, or a recovery code.
    ///
    /// # Errors
    /// The user may not change them, or has to have them; the code is wrong, or the store fails.
    pub async fn remove_codes(&self, person: &Person, code: &str) -> Result<(), AdminError> {
        self.may(person, OwnChange::SecondFactor).await?;
        let demanded = person.account.filters.document.get("two_factor_protocols").and_then(Value::as_array);
        if demanded.is_some_and(|protocols| !protocols.is_empty()) {
            return Err(self.refused(person, "the administrator of the account demands a second factor").await);
        }
        match self.second_factor(&person.account, Some(code)).await {
            Ok(()) => {}
            Err(AuthenticationError::Store(error)) => return Err(error.into()),
            Err(error @ AuthenticationError::Paused(_)) => return Err(AdminError::NotForActor(error.to_string())),
            Err(_) => {
                if let Some(address) = person.actor.author.address {
                    self.before.defender.score_http(address, Offence::LoginFailed);
                }
                return Err(self.refused(person, "the code is wrong, or was used before").await);
            }
        }
        let mut draft = self.draft(person).await?;
        draft.set_filter("totp_config", Value::Object(Map::from_iter([("enabled".to_owned(), json!(false))])));
        draft.set_filter("recovery_codes", json!([]));
        self.store(person, draft).await
    }

    async fn may_set_up(&self, person: &Person) -> Result<(), AdminError> {
        self.may(person, OwnChange::SecondFactor).await?;
        if self.has_codes(person) {
            return Err(self.refused(person, "the account has one-time codes; switch them off first").await);
        }
        Ok(())
    }

    async fn may(&self, person: &Person, change: OwnChange) -> Result<(), AdminError> {
        match self.why_not(person, change).await? {
            None => Ok(()),
            Some(reason) => Err(self.refused(person, reason).await),
        }
    }

    async fn refused(&self, person: &Person, text: &str) -> AdminError {
        let (actor, name) = (&person.actor, &person.account.username);
        self.audit.refuse(actor, UseCase::UpdateUser, name, AdminError::NotForActor(text.to_owned())).await
    }

    /// The stored account, to be changed.
    async fn draft(&self, person: &Person) -> Result<AccountDraft, AdminError> {
        let name = &person.account.username;
        let stored = self.accounts.stored(name).await?;
        // An account that was added meanwhile under the same name is another one.
        let stored = stored.filter(|stored| stored.version.id == person.account.id);
        Ok(AccountDraft::of_stored(stored.ok_or_else(|| StoreError::NotFound(USERS.object(name)))?))
    }

    async fn store(&self, person: &Person, draft: AccountDraft) -> Result<(), AdminError> {
        Ok(self.accounts.update(draft, OnConflict::Refuse, &person.actor.author).await.map(drop)?)
    }
}
