//! Programs that change files behind a ledger's back, such as rsync and git (A7-06).
//!
//! While one runs, the bytes that it brought in are counted as they arrive, so that several
//! share the room there is. When they use it up, the files themselves are counted: much of
//! what was brought in may have replaced something else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ledger::Ledger;
use super::scan::{ScanProgress, ScanTree};
use super::{QuotaError, QuotaLimits, UsedQuota};

/// What may be on its way through a program and is not in its files yet.
const IN_FLIGHT: i64 = 512 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProgramId(u64);

/// The programs of one ledger.
#[derive(Default)]
pub(super) struct Programs {
    running: BTreeMap<ProgramId, Moved>,
    next: u64,
}

#[derive(Default)]
struct Moved {
    /// Bytes since it began.
    total: u64,
    /// Those of them that no count of the files has seen.
    counted: i64,
}

impl Programs {
    pub(super) fn begin(&mut self) -> ProgramId {
        let id = ProgramId(self.next);
        self.next += 1;
        self.running.insert(id, Moved::default());
        id
    }

    /// Gives back what is counted for it.
    pub(super) fn end(&mut self, id: ProgramId) -> i64 {
        self.running.remove(&id).map_or(0, |moved| moved.counted)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// By how much `total` is more than what is known.
    pub(super) fn more_than_known(&self, id: ProgramId, total: u64) -> i64 {
        let known = self.running.get(&id).map_or(total, |moved| moved.total);
        i64::try_from(total.saturating_sub(known)).unwrap_or(i64::MAX)
    }

    pub(super) fn moved(&mut self, id: ProgramId, by: i64) {
        if let Some(moved) = self.running.get_mut(&id) {
            moved.total = moved.total.saturating_add(u64::try_from(by).unwrap_or(0));
            moved.counted = moved.counted.saturating_add(by);
        }
    }

    /// The files are counted now: what stays counted for all programs together.
    pub(super) fn counted(&mut self) -> i64 {
        self.running.values_mut().fold(0, |sum, moved| {
            moved.counted = moved.counted.min(IN_FLIGHT);
            moved.counted.saturating_add(sum)
        })
    }
}

/// What one running program counts for its ledger.
pub struct ProgramQuota {
    ledger: Arc<Ledger>,
    id: ProgramId,
}

impl ProgramQuota {
    pub async fn begin(ledger: Arc<Ledger>, tree: impl Fn() -> ScanTree) -> Result<Self, QuotaError> {
        let id = ledger.names(tree).await?.program_begins();
        Ok(Self { ledger, id })
    }

    /// What is used now, with what others reserved.
    pub fn used(&self) -> UsedQuota {
        self.ledger.used()
    }

    /// Before more goes in; `total`: bytes since it began. Less than before is no news.
    pub fn moved(&self, total: u64, limits: QuotaLimits) -> Result<(), QuotaError> {
        self.ledger.program_moved(self.id, total, limits)
    }

    /// Counts the files as they are now.
    pub async fn recount(&self, tree: &ScanTree, limits: QuotaLimits) -> Result<(), QuotaError> {
        let names = self.ledger.names(|| tree.clone()).await?;
        let used = names.recount(tree, &ScanProgress::default()).await?;
        let exceeds = |used: i64, limit: i64| limit > 0 && used > limit;
        // What may be on its way counts for those who want more, not for what is there.
        let size = used.size.saturating_sub(names.of_programs());
        if exceeds(size, limits.size) || exceeds(used.files, limits.files) {
            return Err(QuotaError::Exceeded);
        }
        Ok(())
    }

    /// It was not run.
    pub fn give_up(self) {
        self.ledger.program_is_over(self.id);
    }

    /// It has ended: what it left is counted.
    pub async fn end(self, tree: &ScanTree) -> Result<UsedQuota, QuotaError> {
        match self.ledger.names(|| tree.clone()).await {
            Ok(names) => names.program_ended(self.id, tree).await,
            Err(error) => {
                self.ledger.program_is_lost(self.id);
                Err(error)
            }
        }
    }
}
