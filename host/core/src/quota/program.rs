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
const IN_FLIGHT: u64 = 512 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProgramId(u64);

/// Bytes since a program began. Less than before is no news.
#[derive(Debug, Clone, Copy)]
pub enum Moved {
    /// That its client has sent it.
    In(u64),
    /// That it has written.
    Written(u64),
}

/// The programs of one ledger.
#[derive(Default)]
pub(super) struct Programs {
    running: BTreeMap<ProgramId, Running>,
    next: u64,
}

/// What goes in is written later, so that both are not counted at once, but the larger.
#[derive(Default)]
struct Running {
    input: Flow,
    written: Flow,
}

#[derive(Clone, Copy, Default)]
struct Flow {
    total: u64,
    /// `total` when the files were last counted, less what may have been on its way then.
    seen: u64,
    /// `total` when a count that is under way began.
    at_begin: u64,
}

impl Flow {
    fn unseen(self) -> u64 {
        self.total.saturating_sub(self.seen)
    }

    /// What was there when the count began is in the files, but for `in_flight` bytes.
    fn count_ends(&mut self, in_flight: u64) {
        self.seen = self.seen.max(self.at_begin.saturating_sub(in_flight));
    }
}

impl Running {
    fn counted(&self) -> i64 {
        i64::try_from(self.input.unseen().max(self.written.unseen())).unwrap_or(i64::MAX)
    }

    fn after(&self, by_now: Moved) -> Self {
        let (mut input, mut written) = (self.input, self.written);
        match by_now {
            Moved::In(total) => input.total = input.total.max(total),
            Moved::Written(total) => written.total = written.total.max(total),
        }
        Self { input, written }
    }
}

impl Programs {
    pub(super) fn begin(&mut self) -> ProgramId {
        let id = ProgramId(self.next);
        self.next += 1;
        self.running.insert(id, Running::default());
        id
    }

    /// Gives back what is counted for it.
    pub(super) fn end(&mut self, id: ProgramId) -> i64 {
        self.running.remove(&id).map_or(0, |running| running.counted())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// By how much more is counted after [`moved`](Self::moved).
    pub(super) fn growth(&self, id: ProgramId, by_now: Moved) -> i64 {
        self.running.get(&id).map_or(0, |running| running.after(by_now).counted().saturating_sub(running.counted()))
    }

    pub(super) fn moved(&mut self, id: ProgramId, by_now: Moved) {
        if let Some(running) = self.running.get_mut(&id) {
            *running = running.after(by_now);
        }
    }

    pub(super) fn count_begins(&mut self) {
        for Running { input, written } in self.running.values_mut() {
            (input.at_begin, written.at_begin) = (input.total, written.total);
        }
    }

    /// The files are counted: what stays counted for all programs together.
    pub(super) fn count_ends(&mut self) -> i64 {
        for Running { input, written } in self.running.values_mut() {
            input.count_ends(IN_FLIGHT);
            written.count_ends(0);
        }
        self.counted()
    }

    /// For all of them.
    pub(super) fn counted(&self) -> i64 {
        self.running.values().fold(0, |sum, running| running.counted().saturating_add(sum))
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

    /// Bytes and files that are there, with what uploads reserved. What other programs have
    /// brought meanwhile is theirs to answer for.
    pub fn used(&self) -> UsedQuota {
        self.ledger.used_without_programs()
    }

    /// Before more goes in, or after it was written.
    pub fn moved(&self, by_now: Moved, limits: QuotaLimits) -> Result<(), QuotaError> {
        self.ledger.program_moved(self.id, by_now, limits)
    }

    /// Counts the files as they are now.
    pub async fn recount(&self, tree: &ScanTree, limits: QuotaLimits) -> Result<(), QuotaError> {
        let names = self.ledger.names(|| tree.clone()).await?;
        // What is reserved may be to replace files, and is for those who reserved it to answer for.
        let files = names.count(tree, &ScanProgress::default()).await?.files;
        let exceeds = |used: i64, limit: i64| limit > 0 && used > limit;
        if exceeds(files.size, limits.size) || exceeds(files.files, limits.files) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_moves_during_a_count_is_not_forgotten() {
        let mut programs = Programs::default();
        let id = programs.begin();
        programs.moved(id, Moved::In(10 * MIB));
        programs.count_begins();
        programs.moved(id, Moved::In(13 * MIB));
        assert_eq!(programs.count_ends(), (3 * MIB + IN_FLIGHT) as i64);
        // Another count that sees it.
        programs.count_begins();
        assert_eq!(programs.count_ends(), IN_FLIGHT as i64);
        // What the program held back and writes now is news.
        programs.moved(id, Moved::Written(10 * MIB));
        assert_eq!(programs.growth(id, Moved::Written(12 * MIB)), 2 * MIB as i64);
        assert_eq!(programs.end(id), 10 * MIB as i64);
    }
}
