//! What is said about the move, one sentence each.

use serde::Serialize;

/// One remark of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Which part of the report the note belongs to.
    pub kind: NoteKind,
    /// The object, file or key that the note is about.
    pub about: String,
    /// What is to be said about it; never a secret.
    pub text: String,
}

/// The parts of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// It has moved.
    Moved,
    /// It has moved, and means something else here or needs something done.
    Changed,
    /// There is nothing here that takes its place.
    NoCounterpart,
    /// It cannot be read, and stays behind.
    Invalid,
}

impl NoteKind {
    /// All kinds, in the order of the report.
    pub const ALL: [Self; 4] = [Self::Moved, Self::Changed, Self::NoCounterpart, Self::Invalid];

    /// The heading of the part.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Moved => "Moved",
            Self::Changed => "Changed, or needs something done",
            Self::NoCounterpart => "Without a counterpart",
            Self::Invalid => "Not valid, and left behind",
        }
    }
}
