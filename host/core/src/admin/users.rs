//! Use cases about accounts.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Actor, AdminError, Audit, PAGE, PAGE_AND_ONE, UseCase};
use crate::account::{
    AccountDraft, AccountError, AccountPage, Accounts, Audience, InvalidStored, OnConflict, User, check_given,
    keep_credentials, notes_of, redacted,
};
use crate::key_options::KeyOptions;
use crate::ports::{AccountFilter, PageRequest, StoreError, StoredDocument, USERS};
use crate::secret::Secret;

/// Use cases about accounts.
pub struct UserAdministration {
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// Records refusals.
    pub audit: Audit,
}

/// An account as administrators see it, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownUser {
    /// The revision that a change of the whole document has to name.
    pub revision: i64,
    /// The account document, secrets redacted.
    pub document: Map<String, Value>,
    /// Why the stored account is not valid, in a sentence; None: it is valid.
    pub problem: Option<String>,
    /// Warnings about the account, in sentences: keys that admit no login.
    pub notes: Vec<String>,
}

/// A change of an account.
#[derive(Debug, Clone, PartialEq)]
pub enum DocumentChange {
    /// Changes the fields that the patches name, one patch after the other, whatever changed the account
    /// before. Maps are merged key by key.
    Fields {
        /// Parts of account documents, in the order in which they are applied.
        patches: Vec<Map<String, Value>>,
        /// Names of maps that are emptied first.
        replaced: Vec<String>,
    },
    /// Replaces the whole document. If the stored account has another revision, the change is refused as a
    /// conflict.
    Document {
        /// The whole account. What it omits has its default, but for what is not shown: the password and the second
        /// factor.
        document: Map<String, Value>,
        /// The revision that the change is based on.
        revision: i64,
    },
}

impl ShownUser {
    /// What administrators see of a valid account.
    pub fn of(user: &User) -> Self {
        let document = user.to_document(Audience::Redacted);
        Self { revision: user.revision, document, problem: None, notes: all_notes_of(user) }
    }
}

impl UserAdministration {
    /// A page of at most 500 of the accounts that the filter lets through, and one more, valid or not, in the order of
    /// their names. For an actor with a role, valid ones that have it, and no name of another.
    ///
    /// # Errors
    /// The actor lacks `view_users`, or the store fails.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &AccountFilter,
        request: PageRequest,
    ) -> Result<AccountPage, AdminError> {
        self.audit.allow(actor, UseCase::ListUsers, "").await?;
        if actor.role.is_none() {
            let request = PageRequest { limit: request.limit.min(PAGE_AND_ONE), ..request };
            return Ok(self.accounts.list_of(filter, request).await?);
        }
        let Some(filter) = of_actor(actor, filter) else { return Ok(AccountPage::default()) };
        let most = usize::try_from(request.limit.min(PAGE_AND_ONE)).unwrap_or_default();
        let (mut own, mut after) = (AccountPage::default(), request.after.clone());
        loop {
            let request = PageRequest { after, limit: PAGE, ..request.clone() };
            let mut page = self.accounts.list_of(&filter, request).await?;
            after = page.next.take();
            page.accounts.retain(|user| actor.has_account_of(user.role()));
            own.accounts.append(&mut page.accounts);
            if own.accounts.len() > most {
                own.accounts.truncate(most);
                own.next = own.accounts.last().map(|last| last.username.clone());
                return Ok(own);
            }
            if after.is_none() {
                return Ok(own);
            }
        }
    }

    pub(super) async fn page(&self, request: PageRequest) -> Result<AccountPage, AdminError> {
        Ok(self.accounts.list(PageRequest { limit: request.limit.min(PAGE_AND_ONE), ..request }).await?)
    }

    /// One stored account, valid or not.
    ///
    /// # Errors
    /// The actor lacks `view_users`, there is no such account, or the store fails.
    pub async fn show(&self, actor: &Actor, username: &str) -> Result<ShownUser, AdminError> {
        self.audit.allow(actor, UseCase::ShowUser, username).await?;
        self.check_role(actor, UseCase::ShowUser, username).await?;
        match self.accounts.find(username).await {
            Ok(Some(user)) => Ok(ShownUser::of(&user)),
            Ok(None) => Err(no_user(username)),
            Err(error @ StoreError::Invalid { .. }) => {
                let stored = self.stored(username).await?;
                let (revision, document) = (stored.version.revision, redacted(stored.document));
                Ok(ShownUser { revision, document, problem: Some(error.to_string()), notes: Vec::new() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Adds an account. `clear_password` takes the place of the document's password, and is always hashed, even
    /// if it looks like a hash.
    ///
    /// # Errors
    /// The actor lacks `add_users`, the document is not valid, there is an account of that name, or the store
    /// fails.
    pub async fn add(
        &self,
        actor: &Actor,
        document: Map<String, Value>,
        clear_password: Option<Secret>,
    ) -> Result<ShownUser, AdminError> {
        let given = document.get("username").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.audit.allow(actor, UseCase::AddUser, &given).await?;
        check_given(&document).map_err(AccountError::Invalid)?;
        let mut draft = AccountDraft::default();
        draft.merge_value(&Value::Object(document))?;
        if let Some(role) = actor.role.as_ref().filter(|_| draft.role().is_empty()) {
            draft.set("role", json!(role));
        }
        self.check_new_role(actor, UseCase::AddUser, &draft).await?;
        self.check_reach(actor, UseCase::AddUser, &draft, None).await?;
        set_password(&mut draft, clear_password);
        Ok(ShownUser::of(&self.accounts.add(draft, &actor.author).await?))
    }

    /// Changes an account. Usage and dates stay as the server has them, and so does the password where single
    /// fields do not name it. `clear_password`: as of [`add`](Self::add).
    ///
    /// # Errors
    /// The actor lacks `edit_users`, there is no such account, the change would rename it, the result is not
    /// valid, a whole document was made from another revision, or the store fails.
    pub async fn update(
        &self,
        actor: &Actor,
        username: &str,
        change: DocumentChange,
        clear_password: Option<Secret>,
    ) -> Result<ShownUser, AdminError> {
        self.audit.allow(actor, UseCase::UpdateUser, username).await?;
        self.check_role(actor, UseCase::UpdateUser, username).await?;
        let stored = self.stored(username).await?;
        let before = stored.document.clone();
        let (mut draft, on_conflict) = match change {
            DocumentChange::Fields { patches, replaced } => {
                let mut draft = AccountDraft::of_stored(stored);
                replaced.iter().for_each(|field| draft.set(field, json!({})));
                for patch in patches {
                    check_given(&patch).map_err(AccountError::Invalid)?;
                    draft.merge_value(&Value::Object(patch))?;
                }
                (draft, OnConflict::Merge)
            }
            DocumentChange::Document { revision, .. } if revision != stored.version.revision => {
                return Err(StoreError::Conflict(USERS.object(username)).into());
            }
            DocumentChange::Document { mut document, .. } => {
                check_given(&document).map_err(AccountError::Invalid)?;
                keep_credentials(&mut document, &stored.document);
                (AccountDraft::replacing(stored, &Value::Object(document))?, OnConflict::Refuse)
            }
        };
        self.check_new_role(actor, UseCase::UpdateUser, &draft).await?;
        self.check_reach(actor, UseCase::UpdateUser, &draft, Some(&before)).await?;
        set_password(&mut draft, clear_password);
        if draft.username() != username {
            let (from, to) = (username.to_owned(), draft.username().to_owned());
            return Err(AdminError::Renamed { noun: USERS.noun, from, to });
        }
        Ok(ShownUser::of(&self.accounts.update(draft, on_conflict, &actor.author).await?))
    }

    /// Deletes an account, valid or not; its files stay.
    ///
    /// # Errors
    /// The actor lacks `del_users`, there is no such account, or the store fails.
    pub async fn delete(&self, actor: &Actor, username: &str) -> Result<(), AdminError> {
        self.audit.allow(actor, UseCase::DeleteUser, username).await?;
        self.check_role(actor, UseCase::DeleteUser, username).await?;
        Ok(self.accounts.delete(username, &actor.author).await?)
    }

    /// For an actor with a role there are no accounts but those of the role.
    pub(super) async fn check_role(&self, actor: &Actor, case: UseCase, username: &str) -> Result<(), AdminError> {
        if actor.role.is_none() {
            return Ok(());
        }
        let stored = self.stored(username).await?;
        let role = stored.document.get("role").and_then(Value::as_str);
        if actor.has_account_of(role) {
            return Ok(());
        }
        Err(self.audit.refuse(actor, case, username, no_user(username)).await)
    }

    /// An actor with a role gives accounts no other.
    pub(super) async fn check_new_role(
        &self,
        actor: &Actor,
        case: UseCase,
        draft: &AccountDraft,
    ) -> Result<(), AdminError> {
        if actor.has_account_of(Some(draft.role())) {
            return Ok(());
        }
        let (name, role) = (&actor.author.name, actor.role.as_deref().unwrap_or_default());
        let refused = format!("\"{name}\" may give accounts no role but \"{role}\"");
        Err(self.audit.refuse(actor, case, draft.username(), AdminError::NotForActor(refused)).await)
    }

    pub(super) async fn stored(&self, username: &str) -> Result<StoredDocument, AdminError> {
        self.accounts.stored(username).await?.ok_or_else(|| no_user(username))
    }
}

/// Warnings about what can be stored, but has no effect: keys that admit no login, and others.
fn all_notes_of(user: &User) -> Vec<String> {
    let untouched = user.public_keys.iter().filter(|key| key.needs_presence()).map(|key| {
        format!(
            "The security key {} will be refused, because it cannot be seen whether it was touched; begin its line with \
             \"no-touch-required\" if it need not be.",
            key.fingerprint()
        )
    });
    let unusable = user.public_keys.iter().filter_map(|key| {
        let problem = key.options().and_then(KeyOptions::unusable)?;
        Some(format!("The key {} admits no login: {problem}.", key.fingerprint()))
    });
    let weak = user.public_keys.iter().filter_map(|key| {
        let problem = key.weakness()?;
        Some(format!("The key {} admits no login: {problem}.", key.fingerprint()))
    });
    untouched.chain(unusable).chain(weak).chain(notes_of(&user.filters.document, &user.filesystem)).collect()
}

/// The filter as it is for the actor, who sees only accounts of the own role; None: it names another role.
pub(super) fn of_actor(actor: &Actor, filter: &AccountFilter) -> Option<AccountFilter> {
    match (&actor.role, &filter.role) {
        (None, _) => Some(filter.clone()),
        (Some(own), Some(wanted)) if own != wanted => None,
        (Some(own), _) => Some(AccountFilter { role: Some(own.clone()), ..filter.clone() }),
    }
}

fn no_user(username: &str) -> AdminError {
    StoreError::NotFound(USERS.object(username)).into()
}

fn set_password(draft: &mut AccountDraft, clear_password: Option<Secret>) {
    if let Some(clear) = clear_password {
        draft.set_clear_password(clear);
    }
}

/// The message about a stored account that is not valid.
pub fn problem_of(invalid: &InvalidStored) -> String {
    let InvalidStored { username, problem, .. } = invalid;
    StoreError::Invalid { username: username.clone(), problem: problem.clone() }.to_string()
}
