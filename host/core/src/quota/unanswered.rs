//! Changes that are under way at another host. If the answer does not come, or says only that something went wrong, the
//! files alone can tell what was done, and are counted again.

use std::time::Instant;

use super::ledger::Ledger;
use super::scan::ScanTree;
use crate::ports::storage::{StorageError, StorageErrorKind};

/// A change that is under way; the files are counted again a moment after it is dropped, unless it was answered or counted.
pub struct Unanswered<'a> {
    ledger: &'a Ledger,
    /// The files to count; None: it is known what was changed.
    tree: Option<ScanTree>,
}

impl Ledger {
    /// To be called before another host is asked for a change. `tree`: the files of the ledger.
    pub fn unanswered(&self, tree: ScanTree) -> Unanswered<'_> {
        Unanswered { ledger: self, tree: Some(tree) }
    }
}

impl Unanswered<'_> {
    /// The storage has answered: with success, which the caller counts, or with an error.
    pub fn answered<T>(self, answer: &Result<T, StorageError>) {
        if answer.as_ref().err().is_none_or(|error| changes_nothing(error.kind)) {
            self.counted();
        }
    }

    /// What was changed is known, and counted.
    pub fn counted(mut self) {
        self.tree = None;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let Some(tree) = self.tree.take() else { return };
        {
            let mut state = self.ledger.state();
            state.doubt.may_be();
            state.last_change = Instant::now();
        }
        self.ledger.settle_doubt(|| tree);
    }
}

/// Whether an error of this kind says that nothing was changed.
fn changes_nothing(kind: StorageErrorKind) -> bool {
    match kind {
        StorageErrorKind::NotFound
        | StorageErrorKind::PermissionDenied
        | StorageErrorKind::AlreadyExists
        | StorageErrorKind::NotADirectory
        | StorageErrorKind::IsADirectory
        | StorageErrorKind::NotEmpty
        | StorageErrorKind::NameTooLong
        | StorageErrorKind::ReadOnly
        | StorageErrorKind::Loop
        | StorageErrorKind::CrossDevice
        | StorageErrorKind::Unsupported
        | StorageErrorKind::Invalid => true,
        StorageErrorKind::NoSpace | StorageErrorKind::Other => false,
    }
}
