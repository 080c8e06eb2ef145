//! Changes that need a count of the files.
//!
//! When one name of a file with several is removed, the file still counts if another of its names is in the
//! scope, but not if the other names are elsewhere, as in a snapshot of the home. The ledger does not know
//! them, so the files are counted again a moment later; and so they are where another host may have changed them
//! (see `unanswered`).

use std::time::{Duration, Instant};

use super::QuotaError;
use super::ledger::Ledger;
use super::scan::{ScanProgress, ScanTree};

/// After a count of files the keeper pauses for this many times as long as the count took.
const COUNT_SHARE: u32 = 20;

/// The pause after a count that took so long.
pub(super) fn pause_after(took: Duration) -> Duration {
    took * COUNT_SHARE
}

#[derive(Default)]
pub(super) struct Doubt {
    has_arisen: bool,
    /// Without a count the usage must not be used. Otherwise it holds while the files cannot be counted, since most of what
    /// another host did not answer was not done.
    is_urgent: bool,
    /// The files to count.
    tree: Option<ScanTree>,
    is_being_settled: bool,
}

impl Doubt {
    pub fn arises(&mut self) {
        (self.has_arisen, self.is_urgent) = (true, true);
    }

    /// Another host may have changed something.
    pub fn may_be(&mut self) {
        self.has_arisen = true;
    }

    pub fn is_there(&self) -> bool {
        self.has_arisen || self.is_being_settled
    }

    /// The files to count, and whether that is urgent.
    fn begin_settling(&mut self) -> Option<(ScanTree, bool)> {
        let tree = self.tree.take()?;
        (self.has_arisen, self.is_being_settled) = (false, true);
        Some((tree, std::mem::take(&mut self.is_urgent)))
    }

    /// The files cannot be counted now.
    fn waits(&mut self, tree: ScanTree) {
        self.has_arisen = true;
        if self.tree.is_none() {
            self.tree = Some(tree);
        }
    }
}

impl Ledger {
    /// To be called after names were changed: has the files counted if one of the changes needs it.
    pub fn settle_doubt(&self, tree: impl FnOnce() -> ScanTree) {
        if !self.state().doubt.has_arisen {
            return;
        }
        let tree = tree();
        self.state().doubt.tree = Some(tree);
        self.ports.doubted.notify_one();
    }

    /// Counts the files if a change needed it; gives the time that this took.
    pub(super) async fn count_doubted(&self) -> Option<Duration> {
        let (tree, is_urgent) = self.state().doubt.begin_settling()?;
        let names = self.lock_names().await;
        let begun = Instant::now();
        if self.is_open() {
            let counted = names.recount(&tree, &ScanProgress::default()).await;
            match counted {
                Err(QuotaError::Scan(_)) if is_urgent => self.invalidate(),
                Err(QuotaError::Scan(_)) => self.state().doubt.waits(tree),
                Ok(_) | Err(_) => {}
            }
        }
        self.state().doubt.is_being_settled = false;
        Some(begun.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_take_a_twentieth_of_the_time() {
        // A10-05a
        assert_eq!(pause_after(Duration::from_millis(1500)), Duration::from_secs(30));
    }
}
