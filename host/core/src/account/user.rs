//! An account as it is stored.

use core::ops::{Deref, DerefMut};

use super::AccountValues;

/// A valid account, stored or to be stored. Only [`AccountDraft::validate`](super::AccountDraft::validate)
/// makes one.
#[derive(Debug, PartialEq)]
pub struct User {
    pub(super) values: AccountValues,
    /// The revision of the stored account that this one is, or will replace; counts changes from 0.
    pub revision: i64,
}

impl Clone for User {
    fn clone(&self) -> Self {
        Self { values: self.values.copied(), revision: self.revision }
    }
}

impl Deref for User {
    type Target = AccountValues;

    fn deref(&self) -> &AccountValues {
        &self.values
    }
}

impl DerefMut for User {
    fn deref_mut(&mut self) -> &mut AccountValues {
        &mut self.values
    }
}
