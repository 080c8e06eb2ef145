//! What can be wrong with the text of a dump.

use super::Place;
use crate::ports::StoreError;

/// Why a text cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    /// The text cannot be read.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    /// The text is no JSON object.
    #[error("{problem} at {place}")]
    Malformed {
        /// What is wrong.
        problem: String,
        /// Where.
        place: Place,
    },
    /// The text is a JSON object, but no dump.
    #[error("it has none of the lists \"users\", \"folders\", \"groups\" and \"roles\"")]
    NoLists,
    /// What has the name of a list is none.
    #[error("\"{0}\" must be a list of objects")]
    List(String),
    /// An entry of a list is no document.
    #[error("{list}.{index} {problem}, at {place}")]
    Entry {
        /// The list.
        list: String,
        /// The place of the entry in it, from 0.
        index: usize,
        /// What is wrong.
        problem: String,
        /// Where.
        place: Place,
    },
}
