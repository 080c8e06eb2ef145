//! An account as it is in force for a session.

use core::ops::Deref;
use std::sync::Arc;

use super::{AccountValues, User};
use crate::ports::{Directory, StoreError};

/// A user with what its groups give it. Cannot be changed, and cannot be stored: what hooks and
/// administrators change is the [`user`](Self::user) behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveAccount {
    user: Arc<User>,
}

impl EffectiveAccount {
    /// Of a user whose groups, if it has any, give it nothing.
    pub fn ungrouped(user: impl Into<Arc<User>>) -> Self {
        Self { user: user.into() }
    }

    /// As it is stored.
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }
}

impl Deref for EffectiveAccount {
    type Target = AccountValues;

    fn deref(&self) -> &AccountValues {
        &self.user
    }
}

/// The user as it is in force.
///
/// # Errors
/// The store does not answer.
pub async fn in_force(_: &dyn Directory, user: impl Into<Arc<User>>) -> Result<EffectiveAccount, StoreError> {
    Ok(EffectiveAccount::ungrouped(user))
}
