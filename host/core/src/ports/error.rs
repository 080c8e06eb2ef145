//! What a store says when it cannot do what it was asked for.

use std::fmt;

/// Names one object of a collection, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// `account`, `folder`, …
    pub noun: &'static str,
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} named \"{}\"", self.noun, self.name)
    }
}

/// `Busy` to `Failed` have the adapter's own sentence: what went wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("there is already {}", with_article(.0))]
    Exists(ObjectName),
    #[error("there is no {0}")]
    NotFound(ObjectName),
    /// It is not what the change was made from.
    #[error("the {} \"{}\" was changed at the same time; try again", .0.noun, .0.name)]
    Conflict(ObjectName),
    #[error(
        "the account \"{username}\" in the database is not valid: {problem}; change or delete it with \"tidegate user\""
    )]
    Invalid { username: String, problem: String },
    /// What is asked for contradicts what is stored.
    #[error("{0}")]
    Refused(String),
    /// Others have it; trying again later may succeed.
    #[error("{0}")]
    Busy(String),
    #[error("{0}")]
    ReadOnly(String),
    #[error("{0}")]
    Full(String),
    #[error("{0}")]
    Failed(String),
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
