//! A store as it would be after changes that are not made.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::stored::{folder_name, has_credential};
use super::{
    AccountDraft, Accounts, Audience, CredentialRule, EffectiveAccount, InvalidAccount, MembershipKind, User,
    Validated, in_force,
};
use crate::ports::{
    AccountFilter, AccountKey, Change, ChangeToken, Changes, Collection, Directory, FOLDERS, GROUPS, MaintainedChange,
    PageRequest, ROLES, StoreError, StoredDocument, Version,
};

/// A store in which some documents are others, or are read once, to find them by their names. Lists are those of the
/// store, and nothing can be written.
pub(crate) struct AsIf {
    directory: Arc<dyn Directory>,
    /// None: there is no such document.
    documents: HashMap<(&'static str, String), Option<StoredDocument>>,
}

impl AsIf {
    /// The store as it is.
    pub fn new(directory: Arc<dyn Directory>) -> Self {
        Self { directory, documents: HashMap::new() }
    }

    /// As if this were stored; None: as if there were nothing of that name.
    pub fn set(&mut self, collection: &'static Collection, name: &str, document: Option<StoredDocument>) {
        self.documents.insert((collection.kind, name.to_owned()), document);
    }

    /// Reads documents that are asked for several times. What is read is what was stored then.
    async fn read(&mut self, collection: &'static Collection, names: BTreeSet<String>) -> Result<(), StoreError> {
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = names.into_iter().collect();
        let found = self.directory.find_all(collection, names.clone()).await?;
        names.iter().for_each(|name| self.set(collection, name, None));
        for stored in found {
            let name = stored.name.clone();
            self.set(collection, &name, Some(stored));
        }
        Ok(())
    }

    fn other(&self, collection: &'static Collection, name: &str) -> Option<&Option<StoredDocument>> {
        self.documents.get(&(collection.kind, name.to_owned()))
    }
}

fn not_written<T>() -> Result<T, StoreError> {
    Err(StoreError::ReadOnly("a store as it would be cannot be written; write to the store itself".to_owned()))
}

#[async_trait]
impl Directory for AsIf {
    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        match self.other(collection, name) {
            Some(document) => Ok(document.clone()),
            None => self.directory.find(collection, name).await,
        }
    }

    async fn find_all(
        &self,
        collection: &'static Collection,
        names: Vec<String>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let (others, names): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| self.other(collection, name).is_some());
        let mut found = if names.is_empty() { Vec::new() } else { self.directory.find_all(collection, names).await? };
        found.extend(others.iter().filter_map(|name| self.other(collection, name).cloned().flatten()));
        Ok(found)
    }

    async fn list(
        &self,
        collection: &'static Collection,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        self.directory.list(collection, page).await
    }

    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        self.directory.list_accounts(filter, page).await
    }

    async fn texts(
        &self,
        collection: &'static Collection,
        field: &'static str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.directory.texts(collection, field).await
    }

    async fn commit(&self, _: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        not_written()
    }

    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        self.directory.changes(since).await
    }

    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        self.directory.wait_for_changes(since).await
    }

    async fn change_maintained(&self, _: MaintainedChange) -> Result<bool, StoreError> {
        not_written()
    }

    async fn record_login(&self, _: &AccountKey, _: i64) -> Result<(), StoreError> {
        not_written()
    }

    async fn record_first_transfer(&self, _: &AccountKey, _: bool, _: i64) -> Result<bool, StoreError> {
        not_written()
    }

    async fn use_code(&self, _: &AccountKey, _: i64) -> Result<bool, StoreError> {
        not_written()
    }
}

impl Accounts {
    /// The users with what their groups give them, in their order, with a few questions to the store; None: the role or
    /// a group of the user is not there, or cannot be used.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn all_in_force(&self, users: &[User]) -> Result<Vec<Option<EffectiveAccount>>, StoreError> {
        let mut known = AsIf::new(self.shared_directory());
        known.read(&ROLES, users.iter().filter_map(|user| user.role()).map(str::to_owned).collect()).await?;
        let memberships = users.iter().flat_map(|user| user.memberships());
        let giving = memberships.filter(|membership| membership.kind != MembershipKind::Member);
        known.read(&GROUPS, giving.map(|membership| membership.group).collect()).await?;
        let groups = known.documents.values().flatten().filter_map(|group| group.document.get("virtual_folders"));
        let folders = groups.filter_map(Value::as_array).flatten().filter_map(Value::as_object).filter_map(folder_name);
        let folders = folders.collect();
        known.read(&FOLDERS, folders).await?;
        let mut all = Vec::with_capacity(users.len());
        for user in users {
            all.push(match in_force(&known, user.clone()).await {
                Ok(account) => Some(account),
                Err(StoreError::Invalid { .. }) => None,
                Err(error) => return Err(error),
            });
        }
        Ok(all)
    }

    /// The account as [`update`](Self::update) would store the draft of it, but for a new password, which is not hashed.
    ///
    /// # Errors
    /// The draft is not valid.
    pub(crate) fn as_updated(
        &self,
        mut draft: AccountDraft,
        stored: &StoredDocument,
    ) -> Result<StoredDocument, InvalidAccount> {
        draft.keep_maintained_fields_in(Some(&stored.document));
        draft.keep_secrets_in(Some(&stored.document));
        let rule = if has_credential(stored) { CredentialRule::Required } else { CredentialRule::Optional };
        let Validated { mut account, clear_password } = self.validate(draft, rule)?;
        if clear_password.is_some() {
            account.other.insert("last_password_change".to_owned(), self.now().into());
        }
        let document = account.to_document(Audience::Trusted);
        Ok(StoredDocument { name: stored.name.clone(), version: stored.version, document, problem: None })
    }
}
