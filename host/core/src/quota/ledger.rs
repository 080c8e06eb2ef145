//! The count of one scope.
//!
//! Bytes are reserved before they are written, so that a limit holds under parallel
//! sessions. What changes names (making, replacing, removing files) happens under one lock
//! for the scope, so that what is subtracted is what was there; writes do not take it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::doubt::Doubt;
use super::keeper::QuotaPorts;
use super::program::{Moved, ProgramId, Programs};
use super::scan::{self, ScanProgress, ScanTree};
use super::{QuotaError, QuotaLimits, Scope, UsedQuota, difference};
use crate::files::storage::{FileId, FileKind, Metadata, StorageFile};

pub struct Ledger {
    pub(super) scope: Scope,
    pub(super) ports: Arc<QuotaPorts>,
    names: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

pub(super) struct State {
    /// With what is reserved.
    used: UsedQuota,
    /// Not yet in the store.
    unsaved: UsedQuota,
    /// Of uploads that have no name yet.
    reserved: UsedQuota,
    /// Files that are written under their name.
    growing: HashMap<FileId, Growing>,
    /// Uploads that were dropped, to be counted under the lock.
    abandoned: Vec<Abandoned>,
    /// Files of uploads that have no name yet, or one that only the server knows.
    unnamed: HashSet<FileId>,
    /// Programs that change files behind the ledger's back.
    programs: Programs,
    /// The store knows that the usage is in change, and `used` is right.
    open: bool,
    /// Something was changed without being counted.
    forgotten: bool,
    pub(super) doubt: Doubt,
    last_change: Instant,
}

/// An upload that was dropped.
pub(super) enum Abandoned {
    InPlace(FileId, Box<dyn StorageFile>),
    /// With what was counted for it; a part of it may be kept.
    Unnamed(FileId, UsedQuota, Box<dyn StorageFile>),
}

struct Growing {
    /// As counted.
    size: u64,
    writers: u32,
    /// Still has a name in the tree.
    is_linked: bool,
}

impl Ledger {
    pub(super) fn new(scope: Scope, ports: Arc<QuotaPorts>) -> Self {
        let zero = UsedQuota::default();
        let state = State {
            used: zero,
            unsaved: zero,
            reserved: zero,
            growing: HashMap::new(),
            abandoned: Vec::new(),
            unnamed: HashSet::new(),
            programs: Programs::default(),
            open: false,
            forgotten: false,
            doubt: Doubt::default(),
            last_change: Instant::now(),
        };
        Self { scope, ports, names: tokio::sync::Mutex::default(), state: Mutex::new(state) }
    }

    /// The lock for changes of names. The first caller reads the stored usage; one that
    /// cannot be believed is counted from `tree` first.
    pub async fn names(&self, tree: impl Fn() -> ScanTree) -> Result<Names<'_>, QuotaError> {
        let guard = self.names.lock().await;
        let names = Names { ledger: self, _guard: guard };
        names.settle_abandoned().await;
        if !self.state().open {
            let stored = self.ports.store.open_usage(&self.scope, &self.ports.node).await?;
            let was_forgotten = {
                let mut state = self.state();
                let unsaved = state.unsaved;
                state.used = stored.used + unsaved;
                std::mem::take(&mut state.forgotten)
            };
            if stored.is_unsettled || was_forgotten {
                let counted = names.recount(&tree(), &ScanProgress::default()).await;
                counted.inspect_err(|_| self.forget())?;
            }
            // Only now: whoever gives up before leaves it to the next one.
            let mut state = self.state();
            state.open = !state.forgotten;
        }
        Ok(names)
    }

    /// Counts what was dropped.
    pub(super) async fn settle(&self) {
        self.lock_names().await.settle_abandoned().await;
    }

    /// As [`names`](Self::names), as far as the usage is open.
    pub(super) async fn lock_names(&self) -> Names<'_> {
        Names { ledger: self, _guard: self.names.lock().await }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().open
    }

    fn change(&self, state: &mut State, by: UsedQuota) {
        if by.is_zero() {
            return;
        }
        state.used = state.used + by;
        state.unsaved = state.unsaved + by;
        state.last_change = Instant::now();
        self.ports.changed.notify_one();
    }

    pub(super) fn reserve_unnamed(&self, by: UsedQuota, limits: QuotaLimits, credit: i64) -> Result<(), QuotaError> {
        let mut state = self.state();
        limits.check(state.used, by, credit)?;
        state.reserved = state.reserved + by;
        self.change(&mut state, by);
        Ok(())
    }

    pub(super) fn unnamed_begins(&self, id: FileId) {
        self.state().unnamed.insert(id);
    }

    pub(super) fn unnamed_ends(&self, id: FileId) {
        self.state().unnamed.remove(&id);
    }

    pub(super) fn release_unnamed(&self, by: UsedQuota) {
        let mut state = self.state();
        state.reserved = state.reserved + -by;
        self.change(&mut state, -by);
    }

    /// Counts a file that is written under its name up to `end`, or by `appended` bytes more.
    pub(super) fn grow(&self, id: FileId, to: GrowTo, limits: QuotaLimits) -> Result<(), QuotaError> {
        let mut state = self.state();
        let used = state.used;
        let Some(growing) = state.growing.get_mut(&id).filter(|growing| growing.is_linked) else {
            return Ok(());
        };
        let end = match to {
            GrowTo::End(end) => end,
            GrowTo::Appended(bytes) => growing.size.saturating_add(bytes),
        };
        if end <= growing.size {
            return Ok(());
        }
        let by = UsedQuota { size: difference(end, growing.size), files: 0 };
        limits.check(used, by, 0)?;
        growing.size = end;
        self.change(&mut state, by);
        Ok(())
    }

    pub(super) fn abandon(&self, upload: Abandoned) {
        let mut state = self.state();
        state.abandoned.push(upload);
        self.ports.changed.notify_one();
    }

    /// Whether one handle alone writes the file.
    pub(super) fn has_one_writer(&self, id: FileId) -> bool {
        self.state().growing.get(&id).is_some_and(|growing| growing.writers == 1)
    }

    pub fn used(&self) -> UsedQuota {
        self.state().used
    }

    /// Without what programs have moved since the files were counted: it may have replaced some.
    pub(super) fn used_without_programs(&self) -> UsedQuota {
        let state = self.state();
        state.used + -UsedQuota { size: state.programs.counted(), files: 0 }
    }

    pub(super) fn has_abandoned(&self) -> bool {
        !self.state().abandoned.is_empty()
    }

    pub(super) fn take_unsaved(&self) -> UsedQuota {
        std::mem::take(&mut self.state().unsaved)
    }

    pub(super) fn put_back(&self, unsaved: UsedQuota) {
        let mut state = self.state();
        state.unsaved = state.unsaved + unsaved;
    }

    /// What is known here is so no more: the next one counts the files, or is refused.
    pub fn forget(&self) {
        let mut state = self.state();
        state.open = false;
        state.forgotten = true;
    }

    pub(super) fn program_is_over(&self, id: ProgramId) {
        let mut state = self.state();
        let size = -state.programs.end(id);
        self.change(&mut state, UsedQuota { size, files: 0 });
    }

    /// A program has ended, and what it did cannot be counted now.
    pub(super) fn program_is_lost(&self, id: ProgramId) {
        self.program_is_over(id);
        self.forget();
    }

    /// A program has moved that much by now: it is counted until the files are.
    pub(super) fn program_moved(&self, id: ProgramId, by_now: Moved, limits: QuotaLimits) -> Result<(), QuotaError> {
        let mut state = self.state();
        let by = UsedQuota { size: state.programs.growth(id, by_now), files: 0 };
        let outcome = limits.check(state.used, by, 0);
        // What is written is there, whether it may be or not.
        if outcome.is_ok() || matches!(by_now, Moved::Written(_)) {
            state.programs.moved(id, by_now);
            self.change(&mut state, by);
        }
        outcome
    }

    /// Tells the store that the usage is settled, unless something is under way.
    /// `idle`: nothing may have changed for that long.
    pub(super) async fn close(&self, idle: std::time::Duration) -> Result<(), QuotaError> {
        let Ok(_names) = self.names.try_lock() else {
            return Ok(());
        };
        {
            let mut state = self.state();
            let busy = !state.growing.is_empty()
                || !state.reserved.is_zero()
                || !state.unsaved.is_zero()
                || !state.abandoned.is_empty()
                || !state.unnamed.is_empty()
                || !state.programs.is_empty()
                || state.doubt.is_there();
            if !state.open || busy || state.last_change.elapsed() < idle {
                return Ok(());
            }
            state.open = false;
        }
        Ok(self.ports.store.close_usage(&self.scope, &self.ports.node).await?)
    }

    /// Whether files are being written that are counted here.
    pub(super) fn has_uploads(&self) -> bool {
        let state = self.state();
        !state.growing.is_empty() || !state.unnamed.is_empty() || !state.abandoned.is_empty()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a count of the files found.
pub(super) struct Count {
    /// That are there.
    pub files: UsedQuota,
    /// With what is reserved.
    pub used: UsedQuota,
}

pub(super) enum GrowTo {
    End(u64),
    Appended(u64),
}

/// The lock of a ledger. Each method says what was just done to the files.
pub struct Names<'a> {
    ledger: &'a Ledger,
    _guard: tokio::sync::MutexGuard<'a, ()>,
}

impl Names<'_> {
    /// Whether one more file may be made.
    pub fn check_new_file(&self, limits: QuotaLimits) -> Result<(), QuotaError> {
        // A quota of bytes that is used up lets no new file begin (A10-02).
        let by = UsedQuota { size: i64::from(limits.size > 0), files: 1 };
        limits.check(self.ledger.state().used, by, 0)
    }

    /// Whether a file of `old` bytes may be written over.
    pub fn check_overwrite(&self, old: u64, limits: QuotaLimits) -> Result<(), QuotaError> {
        let by = UsedQuota { size: i64::from(limits.size > 0), files: 0 };
        limits.check(self.ledger.state().used, by, i64::try_from(old).unwrap_or(i64::MAX))
    }

    /// A file was opened to be written under its name.
    pub(super) fn opened(&self, metadata: &Metadata, is_new: bool) {
        let mut state = self.ledger.state();
        if is_new {
            self.ledger.change(&mut state, UsedQuota { size: 0, files: 1 });
        }
        let growing =
            state.growing.entry(metadata.id).or_insert(Growing { size: metadata.size, writers: 0, is_linked: true });
        growing.writers += 1;
    }

    /// One of its writers closed it; `now`: as the file system says.
    pub(super) fn closed(&self, now: &Metadata) {
        let mut state = self.ledger.state();
        let Some(growing) = state.growing.get_mut(&now.id) else { return };
        growing.writers = growing.writers.saturating_sub(1);
        if growing.writers > 0 {
            return;
        }
        let by = match growing.is_linked {
            false => UsedQuota::default(),
            // A program or a hook removed it, which nobody here was told.
            true if now.links == 0 => -UsedQuota { size: i64::try_from(growing.size).unwrap_or(i64::MAX), files: 1 },
            true => UsedQuota { size: difference(now.size, growing.size), files: 0 },
        };
        state.growing.remove(&now.id);
        self.ledger.change(&mut state, by);
    }

    /// One of its writers is gone, and nobody knows more.
    fn closed_unseen(&self, id: FileId) {
        let mut state = self.ledger.state();
        let Some(growing) = state.growing.get_mut(&id) else { return };
        growing.writers = growing.writers.saturating_sub(1);
        if growing.writers == 0 {
            state.growing.remove(&id);
        }
    }

    /// An upload without a name got one; `reserved` is what was counted for it.
    pub(super) fn named(&self, id: FileId, reserved: UsedQuota, size: u64, replaced: Option<&Metadata>) {
        let mut state = self.ledger.state();
        state.unnamed.remove(&id);
        state.reserved = state.reserved + -reserved;
        let now = UsedQuota { size: i64::try_from(size).unwrap_or(i64::MAX), files: 1 };
        self.ledger.change(&mut state, now + -reserved);
        drop(state);
        if let Some(replaced) = replaced {
            self.removed(replaced);
        }
    }

    /// A name was removed, or replaced; `metadata`: of what had it.
    pub fn removed(&self, metadata: &Metadata) {
        if metadata.kind != FileKind::File {
            return;
        }
        let mut state = self.ledger.state();
        if metadata.links > 1 {
            // Whether one of its other names is counted here is known to the files alone.
            state.doubt.arises();
            state.last_change = Instant::now();
            return;
        }
        let size = match state.growing.get_mut(&metadata.id) {
            Some(growing) if growing.is_linked => {
                growing.is_linked = false;
                growing.size
            }
            Some(_) => return,
            None => metadata.size,
        };
        self.ledger.change(&mut state, -UsedQuota { size: i64::try_from(size).unwrap_or(i64::MAX), files: 1 });
    }

    /// Whether a file may get the size `to`.
    pub fn check_resize(&self, from: u64, to: u64, limits: QuotaLimits) -> Result<(), QuotaError> {
        if to <= from {
            return Ok(());
        }
        limits.check(self.ledger.state().used, UsedQuota { size: difference(to, from), files: 0 }, 0)
    }

    /// The file has another size now; `metadata`: as it was before.
    pub fn resized(&self, metadata: &Metadata, to: u64) {
        let mut state = self.ledger.state();
        let from = match state.growing.get_mut(&metadata.id) {
            Some(growing) if growing.is_linked => std::mem::replace(&mut growing.size, to),
            Some(_) => return,
            None => metadata.size,
        };
        self.ledger.change(&mut state, UsedQuota { size: difference(to, from), files: 0 });
    }

    /// Counts the files themselves; what is being written is counted as it is known here.
    pub async fn recount(&self, tree: &ScanTree, progress: &ScanProgress) -> Result<UsedQuota, QuotaError> {
        Ok(self.count(tree, progress).await?.used)
    }

    pub(super) async fn count(&self, tree: &ScanTree, progress: &ScanProgress) -> Result<Count, QuotaError> {
        let excluded: HashSet<FileId> = {
            let mut state = self.ledger.state();
            state.programs.count_begins();
            state.growing.keys().chain(&state.unnamed).copied().collect()
        };
        let counted = scan::count(tree, &excluded, progress).await;
        let counted = counted.map_err(|error| QuotaError::Scan(error.message))?;
        // Nothing unsaved may reach the store after what replaces it.
        let _order = self.ledger.ports.order.lock().await;
        let used = {
            let mut state = self.ledger.state();
            let linked = state.growing.values().filter(|growing| growing.is_linked);
            let growing = linked.fold(UsedQuota::default(), |sum, growing| {
                sum + UsedQuota { size: i64::try_from(growing.size).unwrap_or(i64::MAX), files: 1 }
            });
            let programs = UsedQuota { size: state.programs.count_ends(), files: 0 };
            let files = counted + growing;
            state.used = files + state.reserved + programs;
            state.unsaved = UsedQuota::default();
            state.last_change = Instant::now();
            Count { files, used: state.used }
        };
        let stored =
            self.ledger.ports.store.replace_usage(&self.ledger.scope, used.used, self.ledger.ports.clock.now());
        // What was unsaved is nowhere else now.
        stored.await.inspect_err(|_| self.ledger.forget())?;
        Ok(used)
    }

    /// A program that changes files begins.
    pub(super) fn program_begins(&self) -> ProgramId {
        self.ledger.state().programs.begin()
    }

    /// A program that changed files has ended.
    pub(super) async fn program_ended(&self, id: ProgramId, tree: &ScanTree) -> Result<UsedQuota, QuotaError> {
        let counted = self.recount(tree, &ScanProgress::default()).await;
        // Only now is what it brought among the files.
        self.ledger.program_is_over(id);
        if counted.is_err() {
            self.ledger.forget();
        }
        counted.map(|_| self.ledger.used())
    }

    pub(super) async fn settle_abandoned(&self) {
        loop {
            let next = self.ledger.state().abandoned.pop();
            match next {
                None => return,
                Some(Abandoned::InPlace(id, file)) => {
                    // Without an answer the count stays as it was; a scan would find it.
                    match file.metadata().await {
                        Ok(now) => self.closed(&now),
                        Err(_) => self.closed_unseen(id),
                    }
                }
                Some(Abandoned::Unnamed(id, reserved, file)) => {
                    self.give_up_unnamed(id, reserved, &*file, false).await;
                }
            }
        }
    }

    /// An upload without a name failed; what is kept of it has one now.
    pub(super) async fn give_up_unnamed(&self, id: FileId, reserved: UsedQuota, file: &dyn StorageFile, discard: bool) {
        let replaced = file.replaces().await;
        match file.abandon(discard).await {
            Some(kept) => self.named(id, reserved, kept.size, replaced.as_ref()),
            None => {
                self.ledger.unnamed_ends(id);
                self.ledger.release_unnamed(reserved);
            }
        }
    }

    /// Whether a complete upload may take its place: what it was to replace may be gone.
    pub(super) fn check_completion(
        &self,
        reserved: UsedQuota,
        replaced: Option<&Metadata>,
        limits: QuotaLimits,
    ) -> Result<(), QuotaError> {
        let used = self.ledger.state().used;
        let freed = replaced.filter(|replaced| replaced.links == 1);
        let freed_size = freed.map_or(0, |freed| i64::try_from(freed.size).unwrap_or(i64::MAX));
        let files = used.files + 1 - reserved.files - i64::from(freed.is_some());
        let grows = reserved.size > freed_size;
        let too_large = limits.size > 0 && grows && used.size.saturating_sub(freed_size) > limits.size;
        let too_many = limits.files > 0 && freed.is_none() && files > limits.files;
        if too_large || too_many { Err(QuotaError::Exceeded) } else { Ok(()) }
    }
}
