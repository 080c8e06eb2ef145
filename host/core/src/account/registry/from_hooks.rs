//! Accounts that login hooks make or change: made ready during the login, and stored once the credential is proved.

use std::sync::Arc;

use super::{AccountError, AccountWrite, Accounts, OnConflict, note_creation, note_password_change};
use crate::account::check_new_name;
use crate::account::draft::invalid;
use crate::account::stored::{occupied, stored_of};
use crate::account::{AccountDraft, Audience, CredentialRule, InvalidAccount, User};
use crate::password::PasswordHash;
use crate::ports::{Author, StoreError};
use crate::secret::Secret;
use crate::turns::Waiter;

impl Accounts {
    /// Makes a hook's draft ready to be stored, without storing it: usage and dates are those of the stored
    /// account of that name (A11-21), and the password is hashed once at most. `attempt`: the name and the
    /// address of the client. `known`: the stored account of that name as read for the attempt; only for an
    /// answer with another name the store is asked. `presented`: the password that becomes the stored one
    /// (A11-22).
    ///
    /// # Errors
    /// The draft is not valid, the hook lacks a right, the password cannot be hashed, or the store fails.
    pub async fn prepare_from_hook(
        &self,
        mut draft: AccountDraft,
        attempt: Waiter<'_>,
        known: Option<&Arc<User>>,
        presented: Option<&Secret>,
    ) -> Result<AccountWrite, AccountError> {
        let stored = match known {
            _ if draft.username() != attempt.account => self.find(draft.username()).await?.map(Arc::new),
            known => known.cloned(),
        };
        let stored_user = stored.as_deref();
        let rights = draft.rights().cloned().unwrap_or_default();
        rights.check_name(draft.username(), attempt.account)?;
        self.complete_from_hook(&mut draft, stored_user)?;
        let presented = presented.filter(|_| draft.keeps_presented_password && self.are_managed);
        if let Some(presented) = presented {
            self.set_presented_password(&mut draft, stored_user, attempt, presented).await?;
        }
        if stored_user.is_none() {
            check_new_name("username", draft.username())?;
        }
        let validated = draft.clone().validate(CredentialRule::Optional)?;
        self.check_rights(&draft, &validated.account, stored_user).await?;
        let mut user = self.hash(validated, attempt).await?;
        if let (Some(presented), Some(hash)) = (presented, &user.password) {
            self.hashed.note(&user.username, hash, presented);
        }
        let before = stored_user.and_then(|stored| stored.password.as_ref()).map(PasswordHash::expose);
        note_password_change(&mut user, before, self.now());
        Ok(match stored {
            None => {
                note_creation(&mut user, self.now());
                AccountWrite::Insert(user)
            }
            Some(stored) => {
                user.revision = stored.revision;
                if user == *stored { AccountWrite::Unchanged(stored) } else { AccountWrite::Replace { user, stored } }
            }
        })
    }

    /// What [`prepare_from_hook`](Self::prepare_from_hook) would make of a draft for `attempted`, without its
    /// password: for `tidegate hook test`.
    ///
    /// # Errors
    /// As of [`prepare_from_hook`](Self::prepare_from_hook).
    pub async fn preview_from_hook(
        &self,
        mut draft: AccountDraft,
        attempted: &str,
        stored: Option<&User>,
    ) -> Result<User, AccountError> {
        let rights = draft.rights().cloned().unwrap_or_default();
        rights.check_name(draft.username(), attempted)?;
        self.complete_from_hook(&mut draft, stored)?;
        if stored.is_none() {
            check_new_name("username", draft.username())?;
        }
        let account = draft.clone().validate(CredentialRule::Optional)?.account;
        self.check_rights(&draft, &account, stored).await?;
        Ok(account)
    }

    fn complete_from_hook(&self, draft: &mut AccountDraft, stored: Option<&User>) -> Result<(), InvalidAccount> {
        let document = stored.map(|stored| stored.to_document(Audience::Trusted));
        draft.keep_maintained_fields_in(document.as_ref());
        draft.keep_secrets_in(document.as_ref());
        draft.keep_second_factor_of(stored);
        if let Some(rights) = draft.rights().cloned() {
            draft.keep_ungranted(&rights, stored);
        }
        self.complete_home(draft)
    }

    /// Checks that the hooks that made the draft may make this account.
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
            let others = occupied(&*self.store, &account.username).await?;
            homes.check_others(&placed, others).await?;
        }
        Ok(())
    }

    /// A11-22: the presented password becomes the stored one. A stored hash that matches it
    /// already is kept, so that a login costs one key derivation, and none with the password of the last one.
    async fn set_presented_password(
        &self,
        draft: &mut AccountDraft,
        stored: Option<&User>,
        attempt: Waiter<'_>,
        presented: &Secret,
    ) -> Result<(), AccountError> {
        if let Some(hash) = stored.and_then(|stored| stored.password.as_ref())
            && (self.hashed.knows(draft.username(), hash, presented)
                || self.passwords.matches(attempt, hash, presented).await?)
        {
            draft.set("password", serde_json::Value::String(hash.expose().to_owned()));
        } else {
            draft.set_clear_password(presented.clone());
        }
        Ok(())
    }

    /// Stores what [`prepare_from_hook`](Self::prepare_from_hook) made, unless nothing changed. The change is
    /// not announced, and observers do not get it (A11-20, A13-08).
    ///
    /// # Errors
    /// The store fails.
    pub async fn commit_from_hook(&self, write: AccountWrite, author: &Author) -> Result<Arc<User>, StoreError> {
        let merge = OnConflict::MergeByName;
        let written = match write {
            AccountWrite::Unchanged(user) => return Ok(user),
            // Several first logins of a user may run at the same time: another may have added or deleted the account.
            AccountWrite::Replace { user, stored } => {
                match self.replace(user.clone(), Arc::new(stored_of(&stored)), merge, author).await {
                    Err(StoreError::NotFound(_)) => self.writing(author).add(user).await,
                    outcome => outcome,
                }
            }
            AccountWrite::Insert(mut user) => match self.writing(author).add(user.clone()).await {
                Err(StoreError::Exists(_)) => match self.stored(&user.username).await? {
                    Some(stored) => {
                        user.revision = stored.version.revision;
                        self.replace(user, Arc::new(stored), merge, author).await
                    }
                    None => self.writing(author).add(user).await,
                },
                outcome => outcome,
            },
        };
        written.map(Arc::new)
    }
}
