//! Programs that change files behind a ledger's back, such as rsync and git (A7-06).
//!
//! While a program runs, the bytes that it brings in are counted as they arrive, so that several programs
//! share the room. When they use it up, the files themselves are counted: many of these bytes may have
//! replaced others.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ledger::Ledger;
use super::scan::{ScanProgress, ScanTree};
use super::{QuotaError, QuotaLimits, UsedQuota, natural};

/// Bytes that may be on their way through a program and not yet in its files.
const IN_FLIGHT: u64 = 512 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProgramId(u64);

/// The number of bytes that a program has moved since it began. A smaller number than before is ignored.
#[derive(Debug, Clone, Copy)]
pub enum Moved {
    /// Bytes that the client has sent to the program.
    In(u64),
    /// Bytes that the program has written.
    Written(u64),
}

/// The programs of one ledger.
#[derive(Default)]
pub(super) struct Programs {
    running: BTreeMap<ProgramId, Running>,
    next: u64,
}

/// Input is written later, so that not the sum of both counts, but the larger.
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

    /// All bytes before the count began are in the files now, except for `in_flight` bytes.
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

    /// Removes a program; gives the bytes that were counted for it.
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

    /// The bytes that are counted for all programs together.
    pub(super) fn counted(&self) -> i64 {
        self.running.values().fold(0, |sum, running| running.counted().saturating_add(sum))
    }
}

/// Counts one running program in its ledger.
pub struct ProgramQuota {
    ledger: Arc<Ledger>,
    id: ProgramId,
}

impl ProgramQuota {
    /// To be called before the program runs. `tree`: the files of the ledger, in case they have to be
    /// counted.
    ///
    /// # Errors
    /// If the usage cannot be opened.
    pub async fn begin(ledger: Arc<Ledger>, tree: impl Fn() -> ScanTree) -> Result<Self, QuotaError> {
        let id = ledger.names(tree).await?.program_begins();
        Ok(Self { ledger, id })
    }

    /// The usage with what uploads have reserved, but without the bytes that programs moved since the last
    /// count.
    pub fn used(&self) -> UsedQuota {
        self.ledger.used_without_programs()
    }

    /// To be called before more input goes into the program, and after it has written something.
    ///
    /// # Errors
    /// `Exceeded`; written bytes are counted even then.
    pub fn moved(&self, by_now: Moved, limits: QuotaLimits) -> Result<(), QuotaError> {
        self.ledger.program_moved(self.id, by_now, limits)
    }

    /// Counts the files as they are now.
    ///
    /// # Errors
    /// `Exceeded` if they are above the limits; otherwise, if they cannot be counted.
    pub async fn recount(&self, tree: &ScanTree, limits: QuotaLimits) -> Result<(), QuotaError> {
        let names = self.ledger.names(|| tree.clone()).await?;
        // Reservations of uploads are left out: they may be for files that replace others, and each upload
        // checks its own.
        let files = names.count(tree, &ScanProgress::default()).await?.files;
        if limits.size.is_exceeded(natural(files.size)) || limits.files.is_exceeded(natural(files.files)) {
            return Err(QuotaError::Exceeded);
        }
        Ok(())
    }

    /// The program was not run: nothing is counted for it any more.
    pub fn give_up(self) {
        self.ledger.program_is_over(self.id);
    }

    /// The program has ended: counts the files that it left, and gives the usage.
    ///
    /// # Errors
    /// If they cannot be counted, and the usage is stale then; or the count cannot be stored.
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
        // A second count sees these bytes.
        programs.count_begins();
        assert_eq!(programs.count_ends(), IN_FLIGHT as i64);
        // Bytes that the program held back and writes now count again.
        programs.moved(id, Moved::Written(10 * MIB));
        assert_eq!(programs.growth(id, Moved::Written(12 * MIB)), 2 * MIB as i64);
        assert_eq!(programs.end(id), 10 * MIB as i64);
    }
}
