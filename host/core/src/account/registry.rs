//! Adding and changing accounts: validation, then hashing, then the store.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::view::redacted;
use super::{Account, AccountDraft, Audience, CredentialRule, InvalidAccount, Validated};
use crate::hook::Observers;
use crate::hook::observation::{Change, ObjectChange};
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{AccountPage, AccountStore, Clock, Passwords, StoreError, StoredDocument, SystemClock};
use crate::secret::Secret;

/// Changes that may come first while one is made.
const MAX_CONFLICTS: u32 = 16;

/// The accounts of the server. The CLI, the API and logins change them only through here.
pub struct Accounts {
    store: Arc<dyn AccountStore>,
    passwords: Arc<dyn Passwords>,
    /// Where homes are when a document names none (A3-39).
    users_base_dir: Option<String>,
    /// Told of what administrators change; not of logins and not of hooks (A15-20, A11-20).
    observers: Option<Arc<Observers<ObjectChange>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    // Not its source: whoever prints a chain of errors would say it twice.
    #[error("the account is not valid: {0}")]
    Invalid(InvalidAccount),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl From<InvalidAccount> for AccountError {
    fn from(error: InvalidAccount) -> Self {
        Self::Invalid(error)
    }
}

impl Accounts {
    pub fn new(store: Arc<dyn AccountStore>, passwords: Arc<dyn Passwords>, users_base_dir: Option<String>) -> Self {
        Self { store, passwords, users_base_dir, observers: None }
    }

    pub fn with_observers(self, observers: Arc<Observers<ObjectChange>>) -> Self {
        Self { observers: Some(observers), ..self }
    }

    pub async fn find(&self, username: &str) -> Result<Option<Account>, StoreError> {
        self.store.find(username).await
    }

    pub async fn list(&self, after: Option<&str>, limit: u32) -> Result<AccountPage, StoreError> {
        self.store.list(after, limit).await
    }

    /// What is stored under that name, valid or not.
    pub async fn stored(&self, username: &str) -> Result<Option<StoredDocument>, StoreError> {
        self.store.stored(username).await
    }

    pub async fn delete(&self, username: &str) -> Result<(), StoreError> {
        let before = match &self.observers {
            Some(_) => self.store.stored(username).await?,
            None => None,
        };
        self.store.delete(username).await?;
        self.store.announce_change(username).await?;
        if let Some(stored) = before {
            self.tell(Change::Delete, username, redacted(stored.document));
        }
        Ok(())
    }

    fn tell(&self, change: Change, username: &str, object: Map<String, Value>) {
        let Some(observers) = &self.observers else { return };
        observers.notify(ObjectChange {
            kind: "user",
            change,
            name: username.to_owned(),
            actor: None,
            actor_address: None,
            at: SystemClock.now().saturating_mul(1_000_000),
            object,
        });
    }

    pub async fn record_login(&self, id: i64, at: i64) -> Result<(), StoreError> {
        self.store.record_login(id, at).await
    }

    /// Adds a new account with zero usage (A9-06).
    pub async fn add(&self, mut draft: AccountDraft) -> Result<Account, AccountError> {
        draft.keep_maintained_fields_of(None);
        let mut account = self.prepare(draft, CredentialRule::Required).await?;
        note_password_change(&mut account);
        let added = self.store.insert(&account).await?;
        // A server that had an account of that name counts for this one anew.
        self.store.announce_change(&added.username).await?;
        self.tell(Change::Add, &added.username, added.to_document(Audience::Redacted));
        Ok(added)
    }

    /// Replaces the stored account of that name; of one that was changed since the draft was made, only
    /// what the draft changes.
    pub async fn update(&self, mut draft: AccountDraft) -> Result<Account, AccountError> {
        let username = draft.username().to_owned();
        let stored = self.store.stored(&username).await?.ok_or(StoreError::NotFound(username))?;
        draft.rebase(&stored);
        draft.keep_maintained_fields_in(Some(&stored.document));
        let mut account = self.prepare(draft, CredentialRule::Required).await?;
        let before = stored.document.get("password").and_then(Value::as_str);
        if account.password.as_ref().map(PasswordHash::expose) != before {
            note_password_change(&mut account);
        }
        let updated = self.replace(account, stored).await?;
        self.store.announce_change(&updated.username).await?;
        self.tell(Change::Update, &updated.username, updated.to_document(Audience::Redacted));
        Ok(updated)
    }

    /// Stores the account that was made from `base`, with what others changed meanwhile.
    async fn replace(&self, mut account: Account, mut base: StoredDocument) -> Result<Account, StoreError> {
        let mut tries = MAX_CONFLICTS;
        loop {
            match self.store.update(&account).await {
                Err(StoreError::Conflict(username)) if tries > 0 => {
                    tries -= 1;
                    let current = self.store.stored(&username).await?;
                    let current = current.ok_or_else(|| StoreError::NotFound(username.clone()))?;
                    account = rebased(&account, &base, &current).ok_or(StoreError::Conflict(username))?;
                    base = current;
                }
                outcome => return outcome,
            }
        }
    }

    /// A draft from a hook, ready to be stored but not stored: usage and dates kept from the
    /// stored account of that name (A11-21), the password hashed once at most.
    pub async fn prepare_from_hook(
        &self,
        mut draft: AccountDraft,
        presented: Option<&Secret>,
    ) -> Result<(Account, Option<Account>), AccountError> {
        let stored = self.store.find(draft.username()).await?;
        draft.keep_maintained_fields_of(stored.as_ref());
        if let Some(presented) = presented {
            self.set_presented_password(&mut draft, stored.as_ref(), presented).await?;
        }
        let account = self.prepare(draft, CredentialRule::Optional).await?;
        let revision = stored.as_ref().map_or(0, |stored| stored.revision);
        Ok((Account { revision, ..account }, stored))
    }

    /// A11-22: the presented password becomes the stored one. A stored hash that matches it
    /// already is kept, so that a login costs one key derivation.
    async fn set_presented_password(
        &self,
        draft: &mut AccountDraft,
        stored: Option<&Account>,
        presented: &Secret,
    ) -> Result<(), AccountError> {
        if let Some(hash) = stored.and_then(|stored| stored.password.as_ref())
            && self.passwords.matches(hash, presented).await?
        {
            draft.set("password", serde_json::Value::String(hash.expose().to_owned()));
        } else {
            draft.set_clear_password(presented.clone());
        }
        Ok(())
    }

    /// Stores what [`prepare_from_hook`](Self::prepare_from_hook) made, unless nothing changed.
    pub async fn commit_from_hook(&self, account: Account, stored: Option<&Account>) -> Result<Account, StoreError> {
        if stored == Some(&account) {
            return Ok(account);
        }
        self.require_folders(&account).await?;
        match stored {
            // The first logins of a user may come at the same time.
            Some(stored) => match self.replace(account.clone(), StoredDocument::of(stored)).await {
                Err(StoreError::NotFound(_)) => self.store.insert(&account).await,
                outcome => outcome,
            },
            None => match self.store.insert(&account).await {
                Err(StoreError::Exists(username)) => match self.store.stored(&username).await? {
                    Some(stored) => self.replace(Account { revision: stored.revision, ..account }, stored).await,
                    None => self.store.insert(&account).await,
                },
                outcome => outcome,
            },
        }
    }

    /// Only administrators make folders: a hook's answer names those that there are (C5-02).
    async fn require_folders(&self, account: &Account) -> Result<(), StoreError> {
        let Some(store) = self.store.folders() else {
            return Ok(());
        };
        for folder in account.folders.iter() {
            if store.mapped_path(&folder.name).await?.is_none() {
                let name = &folder.name;
                return Err(StoreError::Refused(format!(
                    "a hook names the folder \"{name}\", which there is not; add it to an account as an administrator"
                )));
            }
        }
        Ok(())
    }

    async fn prepare(&self, mut draft: AccountDraft, rule: CredentialRule) -> Result<Account, AccountError> {
        if draft.home_dir().is_empty()
            && let Some(base) = &self.users_base_dir
        {
            let home = format!("{}/{}", base.trim_end_matches('/'), draft.username());
            draft.set("home_dir", serde_json::Value::String(home));
        }
        let Validated { mut account, clear_password } = draft.validate(rule)?;
        if let Some(clear) = clear_password {
            account.password = Some(self.passwords.hash(&clear).await?);
        }
        Ok(account)
    }
}

/// The changes from `base` to `account`, made to what is stored now; none if that is not valid.
fn rebased(account: &Account, base: &StoredDocument, current: &StoredDocument) -> Option<Account> {
    let mut draft = AccountDraft::of(account);
    draft.base = Some(Arc::new(base.clone()));
    draft.rebase(current);
    draft.keep_maintained_fields_in(Some(&current.document));
    draft.validate(CredentialRule::Optional).ok().map(|validated| validated.account)
}

/// For accounts whose passwords expire.
fn note_password_change(account: &mut Account) {
    if account.password.is_some() && account.filters.password_expiration > 0 {
        account.other.insert("last_password_change".to_owned(), serde_json::json!(SystemClock.now()));
    }
}
