//! Changes of accounts by interfaces that name accounts by number, that base a change on a version, and that send
//! whole documents without the secrets that they were not shown.

use serde_json::{Map, Value, json};

use super::users::of_actor;
use super::{Actor, AdminError, PAGE, ShownUser, UseCase, UserAdministration};
use crate::account::{
    AccountDraft, AccountError, AccountPage, OffsetPage, OnConflict, check_given, keep_credentials, keep_password,
};
use crate::ports::{AccountFilter, ObjectName, StoreError, StoredDocument, USERS, Version};

/// How often a whole document is tried again because another writer was first.
const MAX_CONFLICTS: u32 = 16;

/// What is to become of an account.
#[derive(Debug, Clone, PartialEq)]
pub enum UserEdit {
    /// The fields that the document names are changed; maps are merged key by key, unless they are named here.
    Merge {
        /// A part of an account document.
        document: Map<String, Value>,
        /// Names of maps that are emptied first.
        replaced: Vec<&'static str>,
    },
    /// The document is the whole account. Only what clients are not shown stays where it is not named: the
    /// password, the second factor, and other secrets.
    Replace(Map<String, Value>),
}

/// Which state a stored account has to have for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedUser {
    /// Any.
    Any,
    /// Any of the account with this id: one that was added later under the same name is another account.
    Number(i64),
    /// This one.
    Version(Version),
}

impl ExpectedUser {
    fn check(self, stored: &StoredDocument) -> Result<(), StoreError> {
        match self {
            Self::Number(id) if stored.version.id != id => Err(StoreError::NotFound(numbered(id))),
            Self::Version(version) if stored.version != version => {
                Err(StoreError::Conflict(USERS.object(&stored.name)))
            }
            Self::Any | Self::Number(_) | Self::Version(_) => Ok(()),
        }
    }

    /// Whether the change is made in the next state if another writer was first.
    fn is_tried_again(self) -> bool {
        !matches!(self, Self::Version(_))
    }
}

fn numbered(id: i64) -> ObjectName {
    USERS.object(&format!("number {id}"))
}

impl UserAdministration {
    /// The account with that id, valid or not, and its name.
    ///
    /// # Errors
    /// The actor lacks `view_users`, there is no such account, or the store fails.
    pub async fn show_by_id(&self, actor: &Actor, id: i64) -> Result<(String, ShownUser), AdminError> {
        self.audit.allow(actor, UseCase::ShowUser, &id.to_string()).await?;
        let name = self.name_of(actor, id).await?;
        let shown = self.show(actor, &name).await?;
        match shown.document.get("id").and_then(Value::as_i64) == Some(id) {
            true => Ok((name, shown)),
            // It was deleted since, and another was added under its name.
            false => Err(StoreError::NotFound(numbered(id)).into()),
        }
    }

    /// The name of the account with that id, to change it.
    ///
    /// # Errors
    /// The actor lacks `edit_users`, there is no such account, or the store fails.
    pub async fn name_to_edit(&self, actor: &Actor, id: i64) -> Result<String, AdminError> {
        self.audit.allow(actor, UseCase::UpdateUser, &id.to_string()).await?;
        self.name_of(actor, id).await
    }

    /// The name of the account with that id, to delete it.
    ///
    /// # Errors
    /// The actor lacks `del_users`, there is no such account, or the store fails.
    pub async fn name_to_delete(&self, actor: &Actor, id: i64) -> Result<String, AdminError> {
        self.audit.allow(actor, UseCase::DeleteUser, &id.to_string()).await?;
        self.name_of(actor, id).await
    }

    /// For an actor with a role there are no accounts but those of the role.
    async fn name_of(&self, actor: &Actor, id: i64) -> Result<String, AdminError> {
        let missing = || StoreError::NotFound(numbered(id));
        let name = self.accounts.name_of(id).await?.ok_or_else(missing)?;
        let is_own = match actor.role {
            None => true,
            Some(_) => actor.has_account_of(self.stored(&name).await?.document.get("role").and_then(Value::as_str)),
        };
        if is_own { Ok(name) } else { Err(missing().into()) }
    }

    /// A page of at most 500 of the accounts that the filter lets through, valid or not; for an actor with a role, of
    /// the valid ones that have it.
    ///
    /// # Errors
    /// The actor lacks `view_users`, or the store fails.
    pub async fn page_at(
        &self,
        actor: &Actor,
        filter: &AccountFilter,
        page: OffsetPage,
    ) -> Result<AccountPage, AdminError> {
        self.audit.allow(actor, UseCase::ListUsers, "").await?;
        let page = OffsetPage { limit: page.limit.min(PAGE), ..page };
        let Some(filter) = of_actor(actor, filter) else { return Ok(AccountPage::default()) };
        Ok(self.accounts.page_of_at(&filter, actor.role.as_deref(), page).await?)
    }

    /// Changes an account.
    ///
    /// # Errors
    /// The actor lacks `edit_users`, there is no such account, or none with the expected id; it has another version than
    /// the expected one (`Conflict`), the change would rename it, the result is not valid, or the store fails.
    pub async fn edit(
        &self,
        actor: &Actor,
        username: &str,
        edit: &UserEdit,
        expected: ExpectedUser,
    ) -> Result<ShownUser, AdminError> {
        self.audit.allow(actor, UseCase::UpdateUser, username).await?;
        self.check_role(actor, UseCase::UpdateUser, username).await?;
        let mut tries = MAX_CONFLICTS;
        loop {
            let stored = self.stored(username).await?;
            expected.check(&stored)?;
            let on_conflict = match edit {
                UserEdit::Merge { .. } if expected.is_tried_again() => OnConflict::Merge,
                UserEdit::Merge { .. } | UserEdit::Replace(_) => OnConflict::Refuse,
            };
            let before = stored.document.clone();
            let mut draft = edit.applied_to(stored)?;
            if let Some(role) = actor.role.as_ref().filter(|_| draft.role().is_empty()) {
                draft.set("role", json!(role));
            }
            self.check_new_role(actor, UseCase::UpdateUser, &draft).await?;
            self.check_reach(actor, UseCase::UpdateUser, &draft, Some(&before)).await?;
            if draft.username() != username {
                let (from, to) = (username.to_owned(), draft.username().to_owned());
                return Err(AdminError::Renamed { noun: USERS.noun, from, to });
            }
            match self.accounts.update(draft, on_conflict, &actor.author).await.map_err(AdminError::from) {
                Err(AdminError::Store(StoreError::Conflict(_))) if expected.is_tried_again() && tries > 0 => {
                    tries -= 1;
                }
                outcome => return Ok(ShownUser::of(&outcome?)),
            }
        }
    }

    /// Deletes an account, valid or not; its files stay.
    ///
    /// # Errors
    /// The actor lacks `del_users`, there is no such account, or none with the expected id; it has another version
    /// (`Conflict`), or the store fails.
    pub async fn delete_version(
        &self,
        actor: &Actor,
        username: &str,
        expected: ExpectedUser,
    ) -> Result<(), AdminError> {
        self.audit.allow(actor, UseCase::DeleteUser, username).await?;
        self.check_role(actor, UseCase::DeleteUser, username).await?;
        let mut tries = MAX_CONFLICTS;
        loop {
            let version = match expected {
                ExpectedUser::Any => None,
                ExpectedUser::Version(version) => Some(version),
                ExpectedUser::Number(_) => {
                    let stored = self.stored(username).await?;
                    expected.check(&stored)?;
                    Some(stored.version)
                }
            };
            match self.accounts.delete_version(username, version, &actor.author).await {
                Err(StoreError::Conflict(_)) if expected.is_tried_again() && tries > 0 => tries -= 1,
                outcome => return Ok(outcome?),
            }
        }
    }
}

impl UserEdit {
    pub(super) fn applied_to(&self, stored: StoredDocument) -> Result<AccountDraft, AdminError> {
        let (Self::Merge { document, .. } | Self::Replace(document)) = self;
        check_given(document).map_err(AccountError::Invalid)?;
        match self {
            Self::Merge { document, replaced } => {
                let mut document = document.clone();
                keep_password(&mut document);
                let mut draft = AccountDraft::of_stored(stored);
                replaced.iter().for_each(|field| draft.set(field, json!({})));
                draft.merge_value(&Value::Object(document))?;
                Ok(draft)
            }
            Self::Replace(document) => {
                let mut document = document.clone();
                keep_credentials(&mut document, &stored.document);
                document.entry("username").or_insert_with(|| stored.name.clone().into());
                Ok(AccountDraft::replacing(stored, &Value::Object(document))?)
            }
        }
    }
}
