//! Adding and changing accounts: a draft is validated, its password hashed, and the result stored.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::draft::invalid;
use super::hashed_passwords::HashedPasswords;
use super::new_name::check_new_name;
use super::stored::{find_stored, find_user, has_credential, list_users, list_users_of, occupied, rebased, user_of};
use super::view::{as_hooks_see, redacted};
use super::write::Writing;
use super::{
    AccountDraft, AccountPage, Audience, CredentialRule, EffectiveAccount, GroupPlace, HomeCheck, InvalidAccount, User,
    Validated, in_force,
};
use crate::hook::Observers;
use crate::hook::observation::{Change, ObjectChange};
use crate::password::{NOT_CHECKABLE, PasswordError, PasswordHash};
use crate::ports::{
    AccountFilter, AccountKey, Author, Clock, Directory, GROUPS, PageRequest, Passwords, Stamp, StoreError,
    StoredDocument, SystemClock, USERS, Version,
};
use crate::turns::Waiter;

/// How often a change is tried again because another writer was first.
const MAX_CONFLICTS: u32 = 16;

/// The accounts of the server. The CLI, the API and logins change them only through here.
pub struct Accounts {
    pub(super) store: Arc<dyn Directory>,
    passwords: Arc<dyn Passwords>,
    hashed: HashedPasswords,
    clock: Arc<dyn Clock>,
    /// Directory of homes for documents that name none (A3-39).
    users_base_dir: Option<String>,
    /// Observers of what administrators change; they do not get changes by logins and hooks (A15-20, A11-20).
    observers: Option<Arc<Observers<ObjectChange>>>,
    /// The rule on homes. None: bound hooks cannot make accounts.
    homes: Option<HomeCheck>,
    /// Whether accounts are written. If not, what hooks make of them holds for one session (A8-17).
    are_managed: bool,
}

/// Why an account was not added, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The draft is not a valid account.
    // No `#[source]`: a log that prints the chain of errors would show the text twice.
    #[error("the account is not valid: {0}")]
    Invalid(InvalidAccount),
    /// The store refused the change, or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password could not be hashed or compared.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// What becomes of a change that was made from an outdated state of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// The fields that the draft changes are changed in the current state. An account that was added under the name
    /// meanwhile is another one: the change is refused with `Conflict`.
    Merge,
    /// As [`Merge`](Self::Merge), but whichever account has the name is changed: for what hooks say of a name.
    MergeByName,
    /// The change is refused with `Conflict`: for drafts of whole documents.
    Refuse,
}

/// What a login writes to the stored accounts.
#[derive(Debug, Clone, PartialEq)]
pub enum AccountWrite {
    /// The account is stored as it is.
    Unchanged(Arc<User>),
    /// A new account.
    Insert(User),
    /// A stored account gets other values.
    Replace {
        /// The values to store.
        user: User,
        /// The state that `user` was made from.
        stored: Arc<User>,
    },
}

impl AccountWrite {
    /// The account as it will be stored.
    pub fn user(&self) -> &User {
        match self {
            Self::Unchanged(user) => user,
            Self::Insert(user) | Self::Replace { user, .. } => user,
        }
    }

    /// The account, not to be stored.
    pub fn into_user(self) -> Arc<User> {
        match self {
            Self::Unchanged(user) => user,
            Self::Insert(user) | Self::Replace { user, .. } => Arc::new(user),
        }
    }
}

impl From<InvalidAccount> for AccountError {
    fn from(error: InvalidAccount) -> Self {
        Self::Invalid(error)
    }
}

impl Accounts {
    /// Accounts without observers, for which bound hooks cannot make accounts. `users_base_dir`: see A3-39.
    pub fn new(store: Arc<dyn Directory>, passwords: Arc<dyn Passwords>, users_base_dir: Option<String>) -> Self {
        let (hashed, clock) = (HashedPasswords::new(), Arc::new(SystemClock));
        Self { store, passwords, hashed, clock, users_base_dir, observers: None, homes: None, are_managed: true }
    }

    /// Takes the times of changes from `clock`; without it, from that of the host.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Tells `observers` of changes by administrators (A15-20).
    pub fn with_observers(self, observers: Arc<Observers<ObjectChange>>) -> Self {
        Self { observers: Some(observers), ..self }
    }

    /// Lets bound hooks make accounts whose homes `homes` allows.
    pub fn with_homes(self, homes: HomeCheck) -> Self {
        Self { homes: Some(homes), ..self }
    }

    /// Accounts that are only read: what hooks make of them is not stored (A8-17).
    pub fn only_read(self) -> Self {
        Self { are_managed: false, ..self }
    }

    /// The time that changes are given, in milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Whether accounts are written.
    pub fn are_managed(&self) -> bool {
        self.are_managed
    }

    /// The stamp of the store; see [`Directory::stamp`].
    pub fn stamp(&self) -> Option<Stamp> {
        self.store.stamp()
    }

    /// The stored account; None: there is none of that name.
    ///
    /// # Errors
    /// `Invalid`: the stored document is not a valid account. Otherwise the store does not answer.
    pub async fn find(&self, username: &str) -> Result<Option<User>, StoreError> {
        find_user(&*self.store, username).await
    }

    /// The user with what its groups give it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn in_force(&self, user: impl Into<Arc<User>>) -> Result<EffectiveAccount, StoreError> {
        in_force(&*self.store, user).await
    }

    /// The stored groups of these names; those that are not stored are left out.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn groups(&self, names: Vec<String>) -> Result<Vec<StoredDocument>, StoreError> {
        if names.is_empty() { Ok(Vec::new()) } else { self.store.find_all(&GROUPS, names).await }
    }

    /// Stored accounts in the order of their names.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn list(&self, request: PageRequest) -> Result<AccountPage, StoreError> {
        list_users(&*self.store, request).await
    }

    /// Those stored accounts that the filter lets through, in the order of their names.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn list_of(&self, filter: &AccountFilter, request: PageRequest) -> Result<AccountPage, StoreError> {
        list_users_of(&*self.store, filter, request).await
    }

    /// The stored document, valid or not; None: there is none of that name.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn stored(&self, username: &str) -> Result<Option<StoredDocument>, StoreError> {
        find_stored(&*self.store, username).await
    }

    /// Deletes the stored account, valid or not; its files stay.
    ///
    /// # Errors
    /// `NotFound`, or the store fails.
    pub async fn delete(&self, username: &str, author: &Author) -> Result<(), StoreError> {
        self.delete_version(username, None, author).await
    }

    /// As [`delete`](Self::delete), if the account is still in the state `expected`; None: in any.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, or the store fails.
    pub async fn delete_version(
        &self,
        username: &str,
        expected: Option<Version>,
        author: &Author,
    ) -> Result<(), StoreError> {
        let before = self.stored(username).await?;
        self.writing(author).delete(username, expected, before.as_ref()).await?;
        if let Some(stored) = before.filter(|_| self.observers.is_some()) {
            let document = stored.document.clone();
            let object = || match user_of(stored) {
                Ok(user) => user.to_document(Audience::Redacted),
                Err(_) => redacted(document),
            };
            self.tell(Change::Delete, username, object, author);
        }
        Ok(())
    }

    pub(super) fn tell(
        &self,
        change: Change,
        username: &str,
        object: impl FnOnce() -> Map<String, Value>,
        author: &Author,
    ) {
        self.tell_of(USERS.kind, change, username, || as_hooks_see(object()), author);
    }

    /// Tells the observers of a change of an object of any kind, such as `folder` (A15-20).
    pub(crate) fn tell_of(
        &self,
        kind: &'static str,
        change: Change,
        name: &str,
        object: impl FnOnce() -> Map<String, Value>,
        author: &Author,
    ) {
        let Some(observers) = &self.observers else { return };
        observers.notify(ObjectChange {
            kind,
            change,
            name: name.to_owned(),
            actor: Some(author.name.clone()).filter(|name| !name.is_empty()),
            by_itself: author.is_self,
            actor_role: author.role.clone(),
            actor_address: author.address,
            at: self.now().saturating_mul(1_000_000),
            object: object(),
        });
    }

    /// Whether changes have observers.
    pub(super) fn has_observers(&self) -> bool {
        self.observers.is_some()
    }

    pub(super) fn directory(&self) -> &dyn Directory {
        &*self.store
    }

    /// The store of the accounts, and of the groups that they belong to.
    pub(crate) fn shared_directory(&self) -> Arc<dyn Directory> {
        self.store.clone()
    }

    /// Stores the time of the account's last login, unless accounts are only read. `at`: milliseconds since 1970.
    ///
    /// # Errors
    /// The store fails.
    pub async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError> {
        if self.are_managed { self.store.record_login(account, at).await } else { Ok(()) }
    }

    /// Uses up the one-time codes of a stored account up to a time step (RFC 6238 §5.2). False: this step or a later
    /// one was used before.
    ///
    /// # Errors
    /// The store fails.
    pub async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        self.store.use_code(account, step).await
    }

    /// Adds a new account with zero usage (A9-06).
    ///
    /// # Errors
    /// The draft is not valid, an account of that name is stored (`Exists`), or the store fails.
    pub async fn add(&self, mut draft: AccountDraft, author: &Author) -> Result<User, AccountError> {
        draft.keep_maintained_fields_of(None);
        draft.keep_secrets_in(None);
        check_new_name("username", draft.username())?;
        let mut account = self.prepare(draft, CredentialRule::Required).await?;
        note_creation(&mut account, self.now());
        note_password_change(&mut account, None, self.now());
        let added = self.writing(author).add(account).await?;
        self.tell(Change::Add, &added.username, || added.to_document(Audience::Redacted), author);
        Ok(added)
    }

    /// Replaces the stored account of that name. A draft that was made from no stored state is taken as made
    /// from the current one.
    ///
    /// # Errors
    /// The draft is not valid, no account of that name is stored (`NotFound`), it was changed since the draft
    /// was made (`Conflict`), or the store fails.
    pub async fn update(
        &self,
        mut draft: AccountDraft,
        on_conflict: OnConflict,
        author: &Author,
    ) -> Result<User, AccountError> {
        let base = draft.base.clone().filter(|base| base.name == draft.username());
        let stored = match base {
            Some(base) => base,
            None => Arc::new(self.current(draft.username()).await?),
        };
        draft.base = Some(stored.clone());
        draft.keep_maintained_fields_in(Some(&stored.document));
        draft.keep_secrets_in(Some(&stored.document));
        // An account that is locked, or that a hook has made, may have no credential, and can be changed still.
        let rule = if has_credential(&stored) { CredentialRule::Required } else { CredentialRule::Optional };
        let mut account = self.prepare(draft, rule).await?;
        note_password_change(&mut account, stored.document.get("password").and_then(Value::as_str), self.now());
        let updated = self.replace(account, stored, on_conflict, author).await?;
        self.tell(Change::Update, &updated.username, || updated.to_document(Audience::Redacted), author);
        Ok(updated)
    }

    async fn current(&self, username: &str) -> Result<StoredDocument, StoreError> {
        self.stored(username).await?.ok_or_else(|| StoreError::NotFound(USERS.object(username)))
    }

    /// Stores the account that was made from `base`.
    async fn replace(
        &self,
        mut account: User,
        mut base: Arc<StoredDocument>,
        on_conflict: OnConflict,
        author: &Author,
    ) -> Result<User, StoreError> {
        let mut tries = MAX_CONFLICTS;
        loop {
            match self.writing(author).replace(account.clone(), &base).await {
                Err(StoreError::Conflict(object)) if on_conflict != OnConflict::Refuse && tries > 0 => {
                    tries -= 1;
                    let current = Arc::new(self.current(&account.username).await?);
                    if on_conflict == OnConflict::Merge && current.version.id != base.version.id {
                        return Err(StoreError::Conflict(object));
                    }
                    account = rebased(&account, &base, &current).ok_or(StoreError::Conflict(object))?;
                    base = current;
                }
                outcome => return outcome,
            }
        }
    }

    pub(super) fn writing<'a>(&'a self, author: &'a Author) -> Writing<'a> {
        Writing { directory: &*self.store, author, now: self.now() }
    }

    pub(super) async fn prepare(&self, draft: AccountDraft, rule: CredentialRule) -> Result<User, AccountError> {
        let base = draft.base.clone();
        let validated = self.validate(draft, rule)?;
        self.check_hash(&validated.account, base.as_deref())?;
        self.hash(validated, Waiter::SERVER).await
    }

    /// Checks that a password can match the hash, unless it is stored already: the rest of such an account can be changed
    /// still.
    pub(super) fn check_hash(&self, account: &User, base: Option<&StoredDocument>) -> Result<(), InvalidAccount> {
        let Some(hash) = &account.password else { return Ok(()) };
        let stored = base.and_then(|base| base.document.get("password")).and_then(Value::as_str);
        if stored == Some(hash.expose()) || self.passwords.can_check(hash) {
            return Ok(());
        }
        Err(invalid("password", NOT_CHECKABLE))
    }

    pub(super) fn validate(&self, mut draft: AccountDraft, rule: CredentialRule) -> Result<Validated, InvalidAccount> {
        self.complete_home(&mut draft)?;
        draft.check_size()?;
        draft.validate(rule)
    }

    /// The home that the account will have; empty: none.
    pub(crate) fn home_of(&self, draft: &AccountDraft) -> String {
        let mut draft = draft.clone();
        // A name that is no directory is refused when the account is stored.
        let _ = self.complete_home(&mut draft);
        draft.home_dir().to_owned()
    }

    /// Checks that a directory neither holds nor is in one of the server. Without a rule there are none.
    pub(crate) async fn check_own_directories(&self, path: &str) -> Result<(), InvalidAccount> {
        match &self.homes {
            Some(homes) => homes.check_own(path).await,
            None => Ok(()),
        }
    }

    /// Whether a directory is the system's. Without a rule, none is.
    pub(crate) async fn is_system_directory(&self, path: &str) -> bool {
        match &self.homes {
            Some(homes) => homes.is_system(path).await,
            None => false,
        }
    }

    /// The first of these directories that its group's text does not show to be the server's own, or the system's if
    /// `of_system`.
    pub(crate) async fn misplaced<'a>(&self, places: &'a [GroupPlace], of_system: bool) -> Option<&'a GroupPlace> {
        match &self.homes {
            Some(homes) if !places.is_empty() => homes.misplaced(places, of_system).await,
            Some(_) | None => None,
        }
    }

    /// Checks a home by the rule for homes, and that it overlaps no directory of another account.
    pub(crate) async fn check_home(
        &self,
        username: &str,
        home: &str,
    ) -> Result<Result<(), InvalidAccount>, StoreError> {
        let Some(homes) = &self.homes else { return Ok(Ok(())) };
        let placed = match homes.check(home, &[]).await {
            Ok(placed) => placed,
            Err(error) => return Ok(Err(error)),
        };
        let others = occupied(&*self.store, username).await?;
        Ok(homes.check_others(&placed, others).await)
    }

    fn complete_home(&self, draft: &mut AccountDraft) -> Result<(), InvalidAccount> {
        if draft.home_dir().is_empty()
            && let Some(base) = &self.users_base_dir
        {
            // The name "." would mean the directory of all homes, and a name with a slash one inside another home.
            if matches!(draft.username(), "." | "..") || draft.username().contains(['/', '\0']) {
                let problem = "is no name for a directory in users_base_dir; give the account a home_dir";
                return Err(invalid("username", problem));
            }
            let home = format!("{}/{}", base.trim_end_matches('/'), draft.username());
            draft.set("home_dir", serde_json::Value::String(home));
        }
        Ok(())
    }

    pub(super) async fn hash(&self, validated: Validated, waiter: Waiter<'_>) -> Result<User, AccountError> {
        let Validated { mut account, clear_password } = validated;
        if let Some(clear) = clear_password {
            account.password = Some(self.passwords.hash(waiter, &clear).await?);
        }
        Ok(account)
    }
}

/// Notes the time of a new account, from which the expiry that a group gives is reckoned.
pub(super) fn note_creation(account: &mut User, now: i64) {
    account.other.entry("created_at").or_insert_with(|| now.into());
}

/// Notes the time of a new password, from which its age is reckoned. `before`: the stored hash. The answer is whether the
/// password is a new one.
pub(super) fn note_password_change(account: &mut User, before: Option<&str>, now: i64) -> bool {
    let hash = account.password.as_ref().map(PasswordHash::expose);
    let is_new = hash.is_some() && hash != before;
    if is_new {
        account.other.insert("last_password_change".to_owned(), now.into());
    }
    is_new
}

mod from_hooks;
#[cfg(test)]
mod tests;
