//! What only the files can say.
//!
//! When a name of a file with several is removed, the file is still counted if another of its
//! names is here, and not if that is elsewhere, as in a snapshot of the home. The ledger does not
//! know the names; a moment later the files are counted for it.

use std::time::{Duration, Instant};

use super::ledger::Ledger;
use super::scan::{ScanProgress, ScanTree};

#[derive(Default)]
pub(super) struct Doubt {
    has_arisen: bool,
    /// Where the files are.
    tree: Option<ScanTree>,
    is_being_settled: bool,
}

impl Doubt {
    pub fn arises(&mut self) {
        self.has_arisen = true;
    }

    pub fn is_there(&self) -> bool {
        self.has_arisen || self.is_being_settled
    }

    fn begin_settling(&mut self) -> Option<ScanTree> {
        let tree = self.tree.take()?;
        (self.has_arisen, self.is_being_settled) = (false, true);
        Some(tree)
    }
}

impl Ledger {
    /// After something was done to names: if the files have to be counted for it, they will be.
    pub fn settle_doubt(&self, tree: impl FnOnce() -> ScanTree) {
        if !self.state().doubt.has_arisen {
            return;
        }
        let tree = tree();
        self.state().doubt.tree = Some(tree);
        self.ports.doubted.notify_one();
    }

    /// Counts the files if there is doubt; says how long it took.
    pub(super) async fn count_doubted(&self) -> Option<Duration> {
        let tree = self.state().doubt.begin_settling()?;
        let names = self.lock_names().await;
        let begun = Instant::now();
        if self.is_open() && names.recount(&tree, &ScanProgress::default()).await.is_err() {
            self.invalidate();
        }
        self.state().doubt.is_being_settled = false;
        Some(begun.elapsed())
    }
}
