//! An account as it is in force for a session.

use core::ops::Deref;
use std::sync::Arc;

use super::group::{self, Group, MembershipKind};
use super::stored::complete_folders;
use super::{AccountDraft, AccountValues, AccountWrite, CredentialRule, InvalidAccount, User};
use crate::ports::{Author, Directory, GROUPS, ROLES, StoreError};

/// A user with the settings that its groups give it. It can be neither changed nor stored: hooks and
/// administrators change the [`user`](Self::user) behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveAccount {
    user: Arc<User>,
    /// The values with those of the groups; None: no group gives the user anything.
    merged: Option<Arc<AccountValues>>,
    /// A hook has made it for one session, and no store has it.
    is_of_session: bool,
    /// What a hook has made of it in a step of a login, and is stored once the login is complete.
    unstored: Option<Arc<Unstored>>,
}

/// A change of an account that is not stored yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unstored {
    /// The account that a hook made.
    pub write: AccountWrite,
    /// The author of the change.
    pub author: Author,
}

impl EffectiveAccount {
    /// The account of a user to whom groups give nothing.
    pub fn ungrouped(user: impl Into<Arc<User>>) -> Self {
        Self { user: user.into(), merged: None, is_of_session: false, unstored: None }
    }

    /// An account with this name and nothing else, where there is none, or none any more: for events about it.
    pub(crate) fn stand_in(username: &str) -> Result<Self, InvalidAccount> {
        let mut draft = AccountDraft::new(username);
        draft.set("home_dir", "/nonexistent".into());
        draft.set_permissions("/", &["list".to_owned()]);
        Ok(Self::ungrouped(draft.validate(CredentialRule::Optional)?.account))
    }

    /// The account for one session, as a hook has made it where accounts are only read (A8-17).
    pub fn of_session(self) -> Self {
        Self { is_of_session: true, ..self }
    }

    /// Whether the account holds for its session, whatever the store says of its user.
    pub fn is_of_session(&self) -> bool {
        self.is_of_session
    }

    /// The account, with what is to be stored of it once its login is complete.
    pub(crate) fn with_unstored(self, write: AccountWrite, author: Author) -> Self {
        Self { unstored: Some(Arc::new(Unstored { write, author })), ..self }
    }

    /// What is to be stored of the account once its login is complete.
    pub(crate) fn unstored(&self) -> Option<&Arc<Unstored>> {
        self.unstored.as_ref()
    }

    /// The user as it is stored.
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }
}

impl Deref for EffectiveAccount {
    type Target = AccountValues;

    fn deref(&self) -> &AccountValues {
        self.merged.as_deref().unwrap_or(&self.user)
    }
}

/// The user with what its groups give it. A group of which it is only a member need not be stored: it is a name for
/// the selectors of hooks.
///
/// # Errors
/// The store does not answer; `Invalid`: a group or the role of the user is not stored, the group cannot be used, or
/// what it gives does not fit the user.
pub async fn in_force(directory: &dyn Directory, user: impl Into<Arc<User>>) -> Result<EffectiveAccount, StoreError> {
    let user = user.into();
    let invalid = |problem: String| StoreError::Invalid { username: user.username.clone(), problem };
    if let Some(role) = user.role().filter(|role| !role.is_empty())
        && directory.find(&ROLES, role).await?.is_none()
    {
        return Err(invalid(format!(
            "its role \"{role}\" is not there; add the role, or give the account another one"
        )));
    }
    let giving = user.memberships().into_iter().filter(|membership| membership.kind != MembershipKind::Member);
    let names: Vec<String> = giving.map(|membership| membership.group).collect();
    if names.is_empty() {
        return Ok(EffectiveAccount::ungrouped(user));
    }
    let mut stored = directory.find_all(&GROUPS, names.clone()).await?;
    // The group might restrict the account.
    if let Some(missing) = names.iter().find(|name| !stored.iter().any(|group| group.name == **name)) {
        let text = format!("its group \"{missing}\" is not there; add the group, or take it out of the account");
        return Err(invalid(text));
    }
    complete_folders(directory, &mut stored).await?;
    let mut groups = Vec::with_capacity(stored.len());
    for group in &stored {
        let problem = |problem: &dyn ToString| {
            invalid(format!("its group \"{}\" cannot be used: {}", group.name, problem.to_string()))
        };
        if let Some(unreadable) = &group.problem {
            return Err(problem(unreadable));
        }
        groups.push(Group::of_stored(group).map_err(|error| problem(&error))?);
    }
    let merged = match groups.is_empty() {
        true => None,
        false => Some(Arc::new(group::merged(&user, &groups).map_err(|error| invalid(error.to_string()))?)),
    };
    Ok(EffectiveAccount { user, merged, is_of_session: false, unstored: None })
}
