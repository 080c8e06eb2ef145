//! Adding and changing accounts: validation, then hashing, then the store.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::draft::invalid;
use super::view::{as_hooks_see, redacted};
use super::{
    AccountDraft, Audience, CredentialRule, EffectiveAccount, HomeCheck, InvalidAccount, User, Validated, in_force,
};
use crate::hook::Observers;
use crate::hook::observation::{Change, ObjectChange};
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{AccountPage, AccountStore, Clock, Passwords, StoreError, StoredDocument, SystemClock};
use crate::secret::Secret;
use crate::turns::Waiter;

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
    /// None: hooks that are bound by it make no accounts.
    homes: Option<HomeCheck>,
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

/// What a login changes of the stored accounts.
#[derive(Debug, Clone, PartialEq)]
pub enum AccountWrite {
    /// The account is stored as it is.
    Unchanged(Arc<User>),
    Insert(User),
    Replace {
        user: User,
        /// What `user` was made from.
        stored: Arc<User>,
    },
}

impl AccountWrite {
    /// As it is to be stored.
    pub fn user(&self) -> &User {
        match self {
            Self::Unchanged(user) => user,
            Self::Insert(user) | Self::Replace { user, .. } => user,
        }
    }
}

impl From<InvalidAccount> for AccountError {
    fn from(error: InvalidAccount) -> Self {
        Self::Invalid(error)
    }
}

impl Accounts {
    pub fn new(store: Arc<dyn AccountStore>, passwords: Arc<dyn Passwords>, users_base_dir: Option<String>) -> Self {
        Self { store, passwords, users_base_dir, observers: None, homes: None }
    }

    pub fn with_observers(self, observers: Arc<Observers<ObjectChange>>) -> Self {
        Self { observers: Some(observers), ..self }
    }

    pub fn with_homes(self, homes: HomeCheck) -> Self {
        Self { homes: Some(homes), ..self }
    }

    pub async fn find(&self, username: &str) -> Result<Option<User>, StoreError> {
        self.store.find(username).await
    }

    /// The user with what its groups give it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn in_force(&self, user: impl Into<Arc<User>>) -> Result<EffectiveAccount, StoreError> {
        in_force(&*self.store, user).await
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
            object: as_hooks_see(object),
        });
    }

    pub async fn record_login(&self, id: i64, at: i64) -> Result<(), StoreError> {
        self.store.record_login(id, at).await
    }

    /// Adds a new account with zero usage (A9-06).
    pub async fn add(&self, mut draft: AccountDraft) -> Result<User, AccountError> {
        draft.keep_maintained_fields_of(None);
        let mut account = self.prepare(draft, CredentialRule::Required).await?;
        note_password_change(&mut account, None);
        let added = self.store.insert(&account).await?;
        // A server that had an account of that name counts for this one anew.
        self.store.announce_change(&added.username).await?;
        self.tell(Change::Add, &added.username, added.to_document(Audience::Redacted));
        Ok(added)
    }

    /// Replaces the stored account of that name; of one that was changed since the draft was made, only
    /// what the draft changes.
    pub async fn update(&self, mut draft: AccountDraft) -> Result<User, AccountError> {
        let username = draft.username().to_owned();
        let stored = self.store.stored(&username).await?.ok_or(StoreError::NotFound(username))?;
        draft.rebase(&stored);
        draft.keep_maintained_fields_in(Some(&stored.document));
        // One that was locked or made by a hook may have none; it can be changed all the same.
        let rule = if has_credential(&stored) { CredentialRule::Required } else { CredentialRule::Optional };
        let mut account = self.prepare(draft, rule).await?;
        note_password_change(&mut account, stored.document.get("password").and_then(Value::as_str));
        let updated = self.replace(account, stored).await?;
        self.store.announce_change(&updated.username).await?;
        self.tell(Change::Update, &updated.username, updated.to_document(Audience::Redacted));
        Ok(updated)
    }

    /// Stores the account that was made from `base`, with what others changed meanwhile.
    async fn replace(&self, mut account: User, mut base: StoredDocument) -> Result<User, StoreError> {
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
    /// stored account of that name (A11-21), the password hashed once at most. `attempt`: who logs
    /// in, and from where. `known`: the account that was read for the attempt, which is not read
    /// again; an answer for another name is looked up.
    pub async fn prepare_from_hook(
        &self,
        mut draft: AccountDraft,
        attempt: Waiter<'_>,
        known: Option<&Arc<User>>,
        presented: Option<&Secret>,
    ) -> Result<AccountWrite, AccountError> {
        let stored = match known {
            _ if draft.username() != attempt.account => self.store.find(draft.username()).await?.map(Arc::new),
            known => known.cloned(),
        };
        let stored_user = stored.as_deref();
        let rights = draft.rights().cloned().unwrap_or_default();
        rights.check_name(draft.username(), attempt.account)?;
        self.complete_from_hook(&mut draft, stored_user)?;
        if let Some(presented) = presented {
            self.set_presented_password(&mut draft, stored_user, attempt, presented).await?;
        }
        let validated = draft.clone().validate(CredentialRule::Optional)?;
        self.check_rights(&draft, &validated.account, stored_user).await?;
        let mut user = self.hash(validated, attempt).await?;
        let before = stored_user.and_then(|stored| stored.password.as_ref()).map(PasswordHash::expose);
        note_password_change(&mut user, before);
        Ok(match stored {
            None => AccountWrite::Insert(user),
            Some(stored) => {
                user.revision = stored.revision;
                if user == *stored { AccountWrite::Unchanged(stored) } else { AccountWrite::Replace { user, stored } }
            }
        })
    }

    /// What [`prepare_from_hook`](Self::prepare_from_hook) would make of a draft for `attempted`,
    /// for people who want to see it.
    pub async fn preview_from_hook(
        &self,
        mut draft: AccountDraft,
        attempted: &str,
        stored: Option<&User>,
    ) -> Result<User, AccountError> {
        let rights = draft.rights().cloned().unwrap_or_default();
        rights.check_name(draft.username(), attempted)?;
        self.complete_from_hook(&mut draft, stored)?;
        let account = draft.clone().validate(CredentialRule::Optional)?.account;
        self.check_rights(&draft, &account, stored).await?;
        Ok(account)
    }

    fn complete_from_hook(&self, draft: &mut AccountDraft, stored: Option<&User>) -> Result<(), InvalidAccount> {
        draft.keep_maintained_fields_of(stored);
        draft.keep_second_factor_of(stored);
        if let Some(rights) = draft.rights().cloned() {
            draft.keep_ungranted(&rights, stored);
        }
        self.complete_home(draft)
    }

    /// Whether the hooks behind the draft may make this account, as it will be in force.
    async fn check_rights(
        &self,
        draft: &AccountDraft,
        account: &User,
        stored: Option<&User>,
    ) -> Result<(), AccountError> {
        draft.check_size()?;
        let Some(rights) = draft.rights().filter(|rights| rights.is_bound) else { return Ok(()) };
        rights.check(draft, account, stored)?;
        let Some(homes) = &self.homes else {
            let problem = "a hook may place no homes here: the server does not know where they may be";
            return Err(invalid("home_dir", problem).into());
        };
        let placed = homes.check(&account.home_dir, &rights.homes).await?;
        let is_new = stored.is_none_or(|stored| stored.home_dir != account.home_dir);
        if is_new && !rights.any_account {
            let others = self.store.occupied(&account.username).await?;
            homes.check_others(&placed, others).await?;
        }
        Ok(())
    }

    /// A11-22: the presented password becomes the stored one. A stored hash that matches it
    /// already is kept, so that a login costs one key derivation.
    async fn set_presented_password(
        &self,
        draft: &mut AccountDraft,
        stored: Option<&User>,
        attempt: Waiter<'_>,
        presented: &Secret,
    ) -> Result<(), AccountError> {
        if let Some(hash) = stored.and_then(|stored| stored.password.as_ref())
            && self.passwords.matches(attempt, hash, presented).await?
        {
            draft.set("password", serde_json::Value::String(hash.expose().to_owned()));
        } else {
            draft.set_clear_password(presented.clone());
        }
        Ok(())
    }

    /// Stores what [`prepare_from_hook`](Self::prepare_from_hook) made, unless nothing changed.
    pub async fn commit_from_hook(&self, write: AccountWrite) -> Result<Arc<User>, StoreError> {
        if !matches!(write, AccountWrite::Unchanged(_)) {
            self.require_folders(write.user()).await?;
        }
        let written = match write {
            AccountWrite::Unchanged(user) => return Ok(user),
            // The first logins of a user may come at the same time.
            AccountWrite::Replace { user, stored } => {
                match self.replace(user.clone(), StoredDocument::of(&stored)).await {
                    Err(StoreError::NotFound(_)) => self.store.insert(&user).await,
                    outcome => outcome,
                }
            }
            AccountWrite::Insert(mut user) => match self.store.insert(&user).await {
                Err(StoreError::Exists(username)) => match self.store.stored(&username).await? {
                    Some(stored) => {
                        user.revision = stored.revision;
                        self.replace(user, stored).await
                    }
                    None => self.store.insert(&user).await,
                },
                outcome => outcome,
            },
        };
        written.map(Arc::new)
    }

    /// Only administrators make folders: a hook's answer names those that there are (C5-02).
    async fn require_folders(&self, account: &User) -> Result<(), StoreError> {
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

    async fn prepare(&self, mut draft: AccountDraft, rule: CredentialRule) -> Result<User, AccountError> {
        self.complete_home(&mut draft)?;
        draft.check_size()?;
        self.hash(draft.validate(rule)?, Waiter::SERVER).await
    }

    fn complete_home(&self, draft: &mut AccountDraft) -> Result<(), InvalidAccount> {
        if draft.home_dir().is_empty()
            && let Some(base) = &self.users_base_dir
        {
            // "." would be all the homes, and a name with a slash a place in another account's.
            if matches!(draft.username(), "." | "..") || draft.username().contains(['/', '\0']) {
                let problem = "is no name for a directory in users_base_dir; give the account a home_dir";
                return Err(invalid("username", problem));
            }
            let home = format!("{}/{}", base.trim_end_matches('/'), draft.username());
            draft.set("home_dir", serde_json::Value::String(home));
        }
        Ok(())
    }

    async fn hash(&self, validated: Validated, waiter: Waiter<'_>) -> Result<User, AccountError> {
        let Validated { mut account, clear_password } = validated;
        if let Some(clear) = clear_password {
            account.password = Some(self.passwords.hash(waiter, &clear).await?);
        }
        Ok(account)
    }
}

/// The changes from `base` to `account`, made to what is stored now; none if that is not valid.
fn rebased(account: &User, base: &StoredDocument, current: &StoredDocument) -> Option<User> {
    let mut draft = AccountDraft::of(account);
    draft.base = Some(Arc::new(base.clone()));
    draft.rebase(current);
    draft.keep_maintained_fields_in(Some(&current.document));
    draft.validate(CredentialRule::Optional).ok().map(|validated| validated.account)
}

fn has_credential(stored: &StoredDocument) -> bool {
    let is_there = |name: &str| match stored.document.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    };
    is_there("password") || is_there("public_keys")
}

/// For passwords that expire, now or once the account is changed so. `before`: the stored hash.
fn note_password_change(account: &mut User, before: Option<&str>) {
    let hash = account.password.as_ref().map(PasswordHash::expose);
    if hash.is_some() && hash != before {
        account.other.insert("last_password_change".to_owned(), serde_json::json!(SystemClock.now()));
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::ports::AccountChanges;

    /// Holds nothing, and takes everything.
    struct Empty;

    #[async_trait]
    impl AccountStore for Empty {
        async fn find(&self, _: &str) -> Result<Option<User>, StoreError> {
            Ok(None)
        }
        async fn list(&self, _: Option<&str>, _: u32) -> Result<AccountPage, StoreError> {
            Ok(AccountPage::default())
        }
        async fn insert(&self, account: &User) -> Result<User, StoreError> {
            Ok(account.clone())
        }
        async fn update(&self, account: &User) -> Result<User, StoreError> {
            Ok(account.clone())
        }
        async fn delete(&self, _: &str) -> Result<(), StoreError> {
            Ok(())
        }
        async fn announce_change(&self, _: &str) -> Result<(), StoreError> {
            Ok(())
        }
        async fn changes(&self, _: Option<i64>) -> Result<(i64, AccountChanges), StoreError> {
            Ok((0, AccountChanges::Named(Vec::new())))
        }
        async fn record_login(&self, _: i64, _: i64) -> Result<(), StoreError> {
            Ok(())
        }
        async fn record_first_transfer(&self, _: i64, _: bool, _: i64) -> Result<bool, StoreError> {
            Ok(false)
        }
    }

    #[async_trait]
    impl Passwords for Empty {
        async fn matches(&self, _: Waiter<'_>, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
            Ok(false)
        }
        async fn hash(&self, _: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
            PasswordHash::recognise(&format!("$1${}", clear.expose())).ok_or(PasswordError::PoolClosed)
        }
    }

    fn draft(username: &str, more: &str) -> AccountDraft {
        let mut draft = AccountDraft::from_json(r#"{"permissions":{"/":["*"]},"password":"pw"}"#).unwrap();
        draft.set("username", serde_json::json!(username));
        draft.merge_json(more).unwrap();
        draft
    }

    #[tokio::test]
    async fn a_home_is_a_directory_of_its_own_in_the_base() {
        // A3-39
        let accounts = Accounts::new(Arc::new(Empty), Arc::new(Empty), Some("/srv/homes/".to_owned()));
        for (username, expected) in [
            ("alice", Some("/srv/homes/alice")),
            ("a.b", Some("/srv/homes/a.b")),
            ("...", Some("/srv/homes/...")),
            (".", None),
            ("..", None),
            ("alice/inside", None),
            ("/", None),
            ("../alice", None),
        ] {
            let added = accounts.add(draft(username, "{}")).await.ok().map(|account| account.home_dir.clone());
            assert_eq!(added.as_deref(), expected, "{username}");
            let from_hook = accounts.prepare_from_hook(draft(username, "{}"), Waiter::SERVER, None, None).await;
            assert_eq!(from_hook.ok().map(|write| write.user().home_dir.clone()).as_deref(), expected, "{username}");
        }
        // A home that is said is what counts.
        assert!(accounts.add(draft(".", r#"{"home_dir":"/srv/dot"}"#)).await.is_ok());
    }

    #[tokio::test]
    async fn it_is_known_how_old_a_password_is() {
        // C3-01
        let accounts = Accounts::new(Arc::new(Empty), Arc::new(Empty), Some("/srv".to_owned()));
        let added = accounts.add(draft("alice", "{}")).await.unwrap();
        assert!(added.last_password_change().is_some());
        let made = accounts.prepare_from_hook(draft("alice", "{}"), Waiter::SERVER, None, None).await.unwrap();
        assert!(made.user().last_password_change().is_some());
        // What a hook says of it does not count.
        let said = draft("alice", r#"{"last_password_change":4102444800000,"password":""}"#);
        let made = accounts.prepare_from_hook(said, Waiter::SERVER, None, None).await.unwrap();
        assert_eq!(made.user().last_password_change(), None);
    }

    #[tokio::test]
    async fn a_locked_password_is_none() {
        // A8-11
        let accounts = Accounts::new(Arc::new(Empty), Arc::new(Empty), Some("/srv".to_owned()));
        for locked in ["!", "*", "!!", "*LK*", "!$6$salt$hash", "!{SSHA}x"] {
            let account = accounts.add(draft("alice", &format!(r#"{{"password":"{locked}"}}"#))).await.unwrap();
            assert_eq!(account.password, None, "{locked}");
        }
        for unknown in ["{SHA}x", "{CRYPT}$6$salt$hash", "$argon2i$v=19$x", "pbkdf2_sha256$1000$salt$YWJj"] {
            let refused = accounts.add(draft("alice", &format!(r#"{{"password":"{unknown}"}}"#))).await.unwrap_err();
            assert!(refused.to_string().contains("looks like a hash of the kind"), "{unknown}: {refused}");
        }
        assert!(accounts.add(draft("alice", r#"{"password":""}"#)).await.is_err());
    }
}
