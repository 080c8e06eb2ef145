//! What a change would do to open sessions, before it is made. It is found as the sessions' own watch finds it: what is
//! in force after the change meets the rules for logins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::objects::{cases, validated};
use super::{Actor, AdminError, AdminErrorKind, Audit, UseCase, UserAdministration, UserEdit};
use crate::account::{AccountError, AccountPolicy, AddressRule, AsIf, ObjectKind, find_user, in_force};
use crate::ports::{Clock, Directory, StoreError, StoredDocument, USERS};
use crate::session::{DELETED, NOT_VALID, SessionRegistry, connected_users, why_it_ends};

/// The most accounts whose sessions are looked at.
const MOST_ACCOUNTS: usize = 1_000;

/// What becomes of open sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionForecast {
    /// Those that end, by the reason, which says something of the account: `it was disabled`.
    pub end: BTreeMap<&'static str, usize>,
    /// Those that go on, with other rights and limits where the change gives them some.
    pub go_on: usize,
    /// Those that stay as they are, because a hook has made their account for them.
    pub of_hooks: usize,
    /// Those that were not looked at, because they are of too many accounts.
    pub not_looked_at: usize,
}

/// Looks at open sessions.
pub struct SessionForecasts {
    /// The accounts.
    pub users: Arc<UserAdministration>,
    /// The store of accounts, folders and groups.
    pub directory: Arc<dyn Directory>,
    /// The open sessions of this server.
    pub sessions: Arc<SessionRegistry>,
    /// Records refusals.
    pub audit: Audit,
    /// Decides about an address that an account both allows and denies.
    pub address_rule: AddressRule,
    /// The time, for expiry and access hours.
    pub clock: Arc<dyn Clock>,
}

impl SessionForecasts {
    /// What a change of an account does to its sessions.
    ///
    /// # Errors
    /// The actor lacks `view_conns` or `edit_users`, there is no such account, the result is not valid, or the store
    /// fails.
    pub async fn of_edit(&self, actor: &Actor, username: &str, edit: &UserEdit) -> Result<SessionForecast, AdminError> {
        self.audit.allow(actor, UseCase::ListSessions, "").await?;
        self.audit.allow(actor, UseCase::UpdateUser, username).await?;
        let mut after = AsIf::new(self.directory.clone());
        after.set(&USERS, username, Some(self.edited(actor, username, edit).await?));
        self.forecast(actor, &after, BTreeSet::from([username.to_owned()])).await
    }

    /// What the same change of several accounts does to their sessions. Those that cannot be changed so are left out.
    ///
    /// # Errors
    /// The actor lacks `view_conns` or `edit_users`, or the store fails.
    pub async fn of_edits(
        &self,
        actor: &Actor,
        names: &[String],
        edit: &UserEdit,
    ) -> Result<SessionForecast, AdminError> {
        self.audit.allow(actor, UseCase::ListSessions, "").await?;
        self.audit.allow(actor, UseCase::UpdateUser, "").await?;
        let (mut after, mut changed) = (AsIf::new(self.directory.clone()), BTreeSet::new());
        for name in names.iter().filter(|name| !self.sessions.sessions_of(name).is_empty()) {
            match self.edited(actor, name, edit).await {
                Ok(document) => {
                    after.set(&USERS, name, Some(document));
                    changed.insert(name.clone());
                }
                Err(error) if matches!(error.kind(), AdminErrorKind::Unavailable | AdminErrorKind::Failed) => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        self.forecast(actor, &after, changed).await
    }

    /// What the deletion of these accounts does to their sessions.
    ///
    /// # Errors
    /// The actor lacks `view_conns` or `del_users`, or the store fails.
    pub async fn of_deletions(&self, actor: &Actor, names: &[String]) -> Result<SessionForecast, AdminError> {
        self.audit.allow(actor, UseCase::ListSessions, "").await?;
        self.audit.allow(actor, UseCase::DeleteUser, "").await?;
        let mut after = AsIf::new(self.directory.clone());
        names.iter().for_each(|name| after.set(&USERS, name, None));
        self.forecast(actor, &after, names.iter().cloned().collect()).await
    }

    /// What another document of a folder or group does to the sessions of accounts that have it.
    ///
    /// # Errors
    /// The actor lacks `view_conns` or the permission for the kind, there is no such object, the document is not valid,
    /// or the store fails.
    pub async fn of_object(
        &self,
        actor: &Actor,
        kind: ObjectKind,
        name: &str,
        document: &Map<String, Value>,
    ) -> Result<SessionForecast, AdminError> {
        self.audit.allow(actor, UseCase::ListSessions, "").await?;
        self.audit.allow(actor, cases(kind).update, name).await?;
        let stored = self.directory.find(kind.collection(), name).await?;
        let stored = stored.ok_or_else(|| StoreError::NotFound(kind.collection().object(name)))?;
        let mut document = kind.merged(Map::new(), document)?;
        document.entry("name").or_insert_with(|| name.into());
        kind.keep_secrets(Some(&stored), &mut document);
        let (_, document) = validated(kind, document)?;
        let mut after = AsIf::new(self.directory.clone());
        after.set(kind.collection(), name, Some(StoredDocument { document, ..stored }));
        let concerned = connected_users(&self.sessions, kind.collection().kind, name).into_iter().collect();
        self.forecast(actor, &after, concerned).await
    }

    async fn edited(&self, actor: &Actor, username: &str, edit: &UserEdit) -> Result<StoredDocument, AdminError> {
        self.users.check_role(actor, UseCase::UpdateUser, username).await?;
        let stored = self.users.stored(username).await?;
        let draft = edit.applied_to(stored.clone())?;
        let document = self.users.accounts.as_updated(draft, &stored);
        document.map_err(|problem| AccountError::Invalid(problem).into())
    }

    /// For an actor with a role there are no sessions but those of its accounts.
    async fn forecast(
        &self,
        actor: &Actor,
        after: &AsIf,
        names: BTreeSet<String>,
    ) -> Result<SessionForecast, AdminError> {
        let policy = AccountPolicy::now(&*self.clock, self.address_rule);
        let (mut forecast, mut looked_at) = (SessionForecast::default(), 0);
        for name in names {
            let mut sessions = self.sessions.sessions_of(&name);
            sessions.retain(|session| actor.has_session(session));
            let all = sessions.len();
            sessions.retain(|session| !session.account.is_of_session());
            forecast.of_hooks += all - sessions.len();
            if sessions.is_empty() {
                continue;
            }
            if looked_at >= MOST_ACCOUNTS {
                forecast.not_looked_at += sessions.len();
                continue;
            }
            looked_at += 1;
            let account = match find_user(after, &name).await {
                Ok(None) => Err(DELETED),
                Ok(Some(user)) => match in_force(after, user).await {
                    Ok(account) => Ok(account),
                    Err(StoreError::Invalid { .. }) => Err(NOT_VALID),
                    Err(error) => return Err(error.into()),
                },
                Err(StoreError::Invalid { .. }) => Err(NOT_VALID),
                Err(error) => return Err(error.into()),
            };
            for session in sessions {
                let why = match &account {
                    Ok(account) => why_it_ends(&policy, &session, account),
                    Err(why) => Some(*why),
                };
                match why {
                    Some(why) => *forecast.end.entry(why).or_default() += 1,
                    None => forecast.go_on += 1,
                }
            }
        }
        Ok(forecast)
    }
}

#[cfg(test)]
#[path = "session_forecast_tests.rs"]
mod tests;
