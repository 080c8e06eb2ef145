//! What users change of their own account: the password and the public keys; [`own_codes`](super::own_codes) has the
//! second factor. The account says what they may not (`filters.web_client`); accounts that are kept elsewhere are not
//! changed here at all.

use serde_json::Value;

use super::own_account::CODES_FIRST;
use super::user_policy::has_word;
use super::{AdminError, Confirmation, NeededConfirmation, OwnAccount, Person};
use crate::account::{AccountDraft, OnConflict, invalid};
use crate::ports::{ObjectName, StoreError, USERS};
use crate::public_key::{PublicKey, keys_of_user};
use crate::secret::Secret;

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
        if has_word(account, change.forbidding_word()) {
            return Ok(Some("the administrator of the account keeps it as it is"));
        }
        if person.has_to_set_up_codes && change != OwnChange::SecondFactor {
            return Ok(Some(CODES_FIRST));
        }
        let has_options = || account.user().public_keys.iter().any(|key| key.options().is_some());
        Ok(match change {
            OwnChange::Password if self.policy.hooks_decide(account).await? => {
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
        let (account, author, now) = (&person.account, &person.actor.author, self.clock.now());
        self.take_try(person).await?;
        if !self.is_current(person, current).await? {
            return Err(self.wrong(person, NeededConfirmation { password: true, code: false }).await);
        }
        self.tries.give_back(account.id, now);
        self.policy.check_new_password(account, &new, author.address).await?;
        let mut draft = self.draft(person).await?;
        draft.set_own_password(new);
        self.store(person, draft).await
    }

    /// Adds public keys, in lines as OpenSSH has them in `*.pub`: all of them, or none.
    ///
    /// # Errors
    /// The user may not change them, a line is no key without options with which a login is accepted, what the user gives
    /// to confirm the change is wrong or was tried too often, or the store fails.
    pub async fn add_key(&self, person: &Person, lines: &str, given: &Confirmation) -> Result<(), AdminError> {
        self.may(person, OwnChange::PublicKeys).await?;
        let wrong = |problem: String| AdminError::Object { noun: KEY, problem: invalid("key", problem) };
        let keys = keys_of_user(lines).map_err(wrong)?;
        self.confirm(person, given).await?;
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

    pub(super) async fn may(&self, person: &Person, change: OwnChange) -> Result<(), AdminError> {
        match self.why_not(person, change).await? {
            None => Ok(()),
            Some(reason) => Err(self.refused(person, reason).await),
        }
    }

    /// The stored account, to be changed.
    pub(super) async fn draft(&self, person: &Person) -> Result<AccountDraft, AdminError> {
        let name = &person.account.username;
        let stored = self.accounts.stored(name).await?;
        // An account that was added meanwhile under the same name is another one.
        let stored = stored.filter(|stored| stored.version.id == person.account.id);
        Ok(AccountDraft::of_stored(stored.ok_or_else(|| StoreError::NotFound(USERS.object(name)))?))
    }

    pub(super) async fn store(&self, person: &Person, draft: AccountDraft) -> Result<(), AdminError> {
        Ok(self.accounts.update(draft, OnConflict::Refuse, &person.actor.author).await.map(drop)?)
    }
}
