//! Failures with what they mean for the connection, and the sentences that all databases share.

use std::fmt::Display;

use tidegate_core::ports::StoreError;

use crate::sql::Failure;

/// What becomes of a connection after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The connection stays in use.
    Usable,
    /// The connection is closed; other connections stay.
    Broken,
    /// The connection is closed, and so are all connections made before it: they share its fault.
    AllBroken,
}

/// A failure, and what becomes of the connection.
#[derive(Debug)]
pub struct Trouble {
    /// The failure as callers get it.
    pub failure: Failure,
    /// What becomes of the connection.
    pub fate: Fate,
    /// The server has answered that it did not do what was asked.
    pub is_answer: bool,
    /// A row of that key exists.
    pub is_duplicate: bool,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self { failure: error.into(), fate: Fate::Usable, is_answer: true, is_duplicate: false }
    }
}

impl Trouble {
    /// The connection is broken, and the caller may try again on another one.
    pub fn lost(error: StoreError) -> Self {
        Self { fate: Fate::AllBroken, ..Self::passing(error) }
    }

    /// The statement may succeed when it is tried again.
    pub fn passing(error: StoreError) -> Self {
        Self { failure: Failure { error, may_be_repeated: true }, ..Self::from(StoreError::Failed(String::new())) }
    }

    /// The server gave no answer, or one that does not say whether it was done.
    pub fn without_answer(self) -> Self {
        Self { is_answer: false, ..self }
    }
}

/// What a failure in the end of a transaction means: without an answer it is not known what has happened.
pub fn of_commit(mut trouble: Trouble) -> Trouble {
    if !trouble.is_answer {
        let error = trouble.failure.error;
        let text = format!("{error}. It is not known whether the change was stored: look before you repeat it");
        trouble.failure = StoreError::Unavailable(text).into();
    }
    trouble
}

/// An answer was not waited for any longer: the connection may get it later, and cannot be used.
pub fn given_up(host: &str) -> Trouble {
    Trouble::lost(stalled(host)).without_answer()
}

/// The database does not answer in time.
pub fn stalled(host: &str) -> StoreError {
    away(host, "it does not answer in time")
}

/// The connection ended.
pub fn away(host: &str, what: &str) -> StoreError {
    StoreError::Unavailable(format!("the database at {host} is away: {what}; see whether it runs"))
}

/// No connection can be made.
pub fn unreachable(host: &str, said: &dyn Display, advice: &str) -> StoreError {
    StoreError::Unavailable(format!("the database at {host} cannot be reached: {said}; {advice}"))
}
