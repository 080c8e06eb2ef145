//! Errors of stores.

use std::fmt;

use crate::account::InvalidAccount;

/// Names one object of a collection in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// What the object is: `account`, `folder`, …
    pub noun: &'static str,
    /// The object's name in its collection.
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} named \"{}\"", self.noun, self.name)
    }
}

/// Why a store did not do what it was asked to. `Busy` to `Failed` have the adapter's own sentence: what went
/// wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// An object is to be added under a name that is taken.
    #[error("there is already {}", with_article(.0))]
    Exists(ObjectName),
    /// There is no object of this name.
    #[error("there is no {0}")]
    NotFound(ObjectName),
    /// The stored version is not the one that the change is based on.
    #[error("the {} \"{}\" was changed at the same time; try again", .0.noun, .0.name)]
    Conflict(ObjectName),
    /// The stored document of an account does not pass validation.
    #[error(
        "the account \"{username}\" in the database is not valid: {problem}; change or delete it with \"tidegate user\", or where another program keeps it"
    )]
    Invalid {
        /// The account's name.
        username: String,
        /// The first thing that is wrong with the document.
        problem: String,
    },
    /// A field of the request refers to what there is not, or is not valid for another reason that only what is stored
    /// shows.
    #[error("{0}")]
    Field(InvalidAccount),
    /// The request contradicts what is stored.
    #[error("{0}")]
    Refused(String),
    /// Other processes hold the store; a later attempt may succeed.
    #[error("{0}")]
    Busy(String),
    /// The store cannot be reached, or does not answer: the same attempt succeeds when the store is back. A login
    /// that fails with this was not denied.
    #[error("{0}")]
    Unavailable(String),
    /// The store cannot be written.
    #[error("{0}")]
    ReadOnly(String),
    /// There is no space left for the store.
    #[error("{0}")]
    Full(String),
    /// Any other error.
    #[error("{0}")]
    Failed(String),
}

impl StoreError {
    /// Whether it is about the store itself, and not about what was asked of it: its text may name the place of the store.
    pub fn is_of_store(&self) -> bool {
        match self {
            Self::Busy(_) | Self::Unavailable(_) | Self::ReadOnly(_) | Self::Full(_) | Self::Failed(_) => true,
            Self::Exists(_)
            | Self::NotFound(_)
            | Self::Conflict(_)
            | Self::Invalid { .. }
            | Self::Field(_)
            | Self::Refused(_) => false,
        }
    }
}

fn with_article(object: &ObjectName) -> String {
    let begins_with_vowel = object.noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A']);
    format!("{} {object}", if begins_with_vowel { "an" } else { "a" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named() {
        let check = |error: fn(ObjectName) -> StoreError, noun, expected: &str| {
            assert_eq!(error(ObjectName { noun, name: "x".into() }).to_string(), expected);
        };
        check(StoreError::Exists, "account", "there is already an account named \"x\"");
        check(StoreError::Exists, "folder", "there is already a folder named \"x\"");
        check(StoreError::NotFound, "folder", "there is no folder named \"x\"");
        check(StoreError::Conflict, "account", "the account \"x\" was changed at the same time; try again");
    }
}
