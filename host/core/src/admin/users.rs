//! Accounts.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Actor, AdminError, AdminPermission};
use crate::account::{AccountDraft, AccountPage, Accounts, Audience, InvalidStored, OnConflict, User, redacted};
use crate::key_options::KeyOptions;
use crate::ports::{PageRequest, StoreError, StoredDocument, USERS};
use crate::secret::Secret;

/// Accounts of a page, at most.
const PAGE: u32 = 500;

pub struct UserAdministration {
    pub accounts: Arc<Accounts>,
}

/// One account as administrators see it: without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownUser {
    pub revision: i64,
    pub document: Map<String, Value>,
    /// What makes it invalid, in a sentence.
    pub problem: Option<String>,
    /// What else there is to know of it, in sentences.
    pub notes: Vec<String>,
}

/// What is changed of an account.
#[derive(Debug, Clone, PartialEq)]
pub enum UserChange {
    /// The fields that the patches name, one patch after the other, in the account as it is, whatever
    /// changed it before. Maps are merged key by key; those of `replaced` are emptied first.
    Fields { patches: Vec<Map<String, Value>>, replaced: Vec<String> },
    /// All of it, made from that revision: any other is refused as a conflict.
    Document { document: Map<String, Value>, revision: i64 },
}

impl ShownUser {
    pub fn of(user: &User) -> Self {
        let document = user.to_document(Audience::Redacted);
        Self { revision: user.revision, document, problem: None, notes: notes_of(user) }
    }
}

impl UserAdministration {
    /// Accounts in the order of their names; those that are not valid are in the way of no other.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
    pub async fn list(&self, actor: &Actor, request: PageRequest) -> Result<AccountPage, AdminError> {
        actor.require(AdminPermission::ViewUsers)?;
        self.page(request).await
    }

    pub(super) async fn page(&self, request: PageRequest) -> Result<AccountPage, AdminError> {
        Ok(self.accounts.list(PageRequest { limit: request.limit.min(PAGE), ..request }).await?)
    }

    /// What is stored, valid or not: to see what has to be changed.
    ///
    /// # Errors
    /// The actor may not, there is no such account, or the store fails.
    pub async fn show(&self, actor: &Actor, username: &str) -> Result<ShownUser, AdminError> {
        actor.require(AdminPermission::ViewUsers)?;
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

    /// `clear_password`: always hashed, whatever it looks like; instead of the document's.
    ///
    /// # Errors
    /// The actor may not, the document is not valid, there is an account of that name, or the store
    /// fails.
    pub async fn add(
        &self,
        actor: &Actor,
        document: Map<String, Value>,
        clear_password: Option<Secret>,
    ) -> Result<ShownUser, AdminError> {
        actor.require(AdminPermission::AddUsers)?;
        let mut draft = AccountDraft::default();
        draft.merge_value(&Value::Object(document))?;
        set_password(&mut draft, clear_password);
        Ok(ShownUser::of(&self.accounts.add(draft, &actor.author).await?))
    }

    /// Usage and dates stay as the server has them; a password is not taken away by being left out of
    /// single fields.
    ///
    /// # Errors
    /// The actor may not, there is no such account, what would become of it is not valid, a whole
    /// document was made from another revision, or the store fails.
    pub async fn update(
        &self,
        actor: &Actor,
        username: &str,
        change: UserChange,
        clear_password: Option<Secret>,
    ) -> Result<ShownUser, AdminError> {
        actor.require(AdminPermission::EditUsers)?;
        let stored = self.stored(username).await?;
        let (mut draft, on_conflict) = match change {
            UserChange::Fields { patches, replaced } => {
                let mut draft = AccountDraft::of_stored(stored);
                replaced.iter().for_each(|field| draft.set(field, json!({})));
                for patch in patches {
                    draft.merge_value(&Value::Object(patch))?;
                }
                (draft, OnConflict::Merge)
            }
            UserChange::Document { revision, .. } if revision != stored.version.revision => {
                return Err(StoreError::Conflict(USERS.object(username)).into());
            }
            UserChange::Document { document, .. } => {
                (AccountDraft::replacing(stored, &Value::Object(document))?, OnConflict::Refuse)
            }
        };
        set_password(&mut draft, clear_password);
        if draft.username() != username {
            return Err(AdminError::Renamed { from: username.to_owned(), to: draft.username().to_owned() });
        }
        Ok(ShownUser::of(&self.accounts.update(draft, on_conflict, &actor.author).await?))
    }

    /// Valid or not; its files stay.
    ///
    /// # Errors
    /// The actor may not, there is no such account, or the store fails.
    pub async fn delete(&self, actor: &Actor, username: &str) -> Result<(), AdminError> {
        actor.require(AdminPermission::DeleteUsers)?;
        Ok(self.accounts.delete(username, &actor.author).await?)
    }

    async fn stored(&self, username: &str) -> Result<StoredDocument, AdminError> {
        self.accounts.stored(username).await?.ok_or_else(|| no_user(username))
    }
}

/// Keys that can be stored, but admit no login.
fn notes_of(user: &User) -> Vec<String> {
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
    untouched.chain(unusable).collect()
}

fn no_user(username: &str) -> AdminError {
    StoreError::NotFound(USERS.object(username)).into()
}

fn set_password(draft: &mut AccountDraft, clear_password: Option<Secret>) {
    if let Some(clear) = clear_password {
        draft.set_clear_password(clear);
    }
}

/// What people are told of an account that cannot be used.
pub fn problem_of(invalid: &InvalidStored) -> String {
    let InvalidStored { username, problem, .. } = invalid;
    StoreError::Invalid { username: username.clone(), problem: problem.clone() }.to_string()
}
