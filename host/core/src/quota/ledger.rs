//! The usage of one scope in memory.
//!
//! Bytes are reserved before they are written, so that a limit holds under parallel sessions. Changes of
//! names (making, replacing, removing files) happen under one lock for the scope, so that the size that is
//! subtracted is the size that the file had; writes do not take the lock.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::doubt::Doubt;
use super::keeper::QuotaPorts;
use super::namespace::NamespaceGuard;
use super::program::{Moved, ProgramId, Programs};
use super::scan::{ScanProgress, ScanTree};
use super::{QuotaError, QuotaLimits, Scope, UsedQuota, difference};
use crate::ports::storage::{FileId, StorageFile, Upload};
use crate::ports::{StoreError, StoredUsage};

/// Counts the usage of one account or folder; shared by all its sessions.
pub struct Ledger {
    pub(super) scope: Scope,
    pub(super) ports: Arc<QuotaPorts>,
    names: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

pub(super) struct State {
    /// Bytes and files, including what is reserved.
    pub used: UsedQuota,
    /// The changes of `used` that are not in the store yet.
    pub unsaved: UsedQuota,
    /// The part of `used` that uploads without a name have taken.
    pub reserved: UsedQuota,
    /// Files that are written under their name.
    pub in_place: HashMap<FileId, WrittenInPlace>,
    /// Uploads that were dropped, to be counted under the lock.
    pub abandoned: Vec<Abandoned>,
    /// Files of uploads that have no name yet, or one that only the server knows.
    pub unnamed: HashSet<FileId>,
    /// Programs that change files without telling the ledger.
    pub programs: Programs,
    /// The store knows that the usage is in change, and `used` is right.
    pub is_open: bool,
    /// The store was away when the usage was opened: it goes on from what was known last, and the store does not know
    /// that it is in change.
    pub is_unmarked: bool,
    /// `used` was read or counted by this process.
    pub is_known: bool,
    /// The log says already that the store does not answer.
    pub is_told: bool,
    /// Something was changed without being counted, so `used` is not right.
    pub is_stale: bool,
    /// The store may have another usage than the one that is known here: the files are counted when it answers, and
    /// `used` holds until then.
    pub is_uncertain: bool,
    pub doubt: Doubt,
    pub last_change: Instant,
}

/// An upload that was dropped.
pub(super) enum Abandoned {
    /// With the files of the ledger if another host has them, which may not tell what it has of this one.
    InPlace(FileId, Box<dyn StorageFile>, Option<ScanTree>),
    /// What was counted for the upload, and the limits at that time; a part of it may be kept.
    Unnamed(FileId, UsedQuota, QuotaLimits, Box<dyn Upload>),
}

/// A file that is written under its name, by one open file or by several.
pub(super) struct WrittenInPlace {
    /// The bytes that are counted for it.
    pub size: u64,
    /// Open files that write to it.
    pub writers: u32,
    /// Whether it still has a name in the tree.
    pub is_linked: bool,
}

impl Ledger {
    pub(super) fn new(scope: Scope, ports: Arc<QuotaPorts>) -> Self {
        // It went on while the store was away, and what it came to was not stored.
        let is_stale = ports.unmarked.has(&scope);
        let zero = UsedQuota::default();
        let state = State {
            used: zero,
            unsaved: zero,
            reserved: zero,
            in_place: HashMap::new(),
            abandoned: Vec::new(),
            unnamed: HashSet::new(),
            programs: Programs::default(),
            is_open: false,
            is_unmarked: false,
            is_known: false,
            is_told: false,
            is_stale,
            is_uncertain: false,
            doubt: Doubt::default(),
            last_change: Instant::now(),
        };
        Self { scope, ports, names: tokio::sync::Mutex::default(), state: Mutex::new(state) }
    }

    /// Takes the lock for changes of names. The first caller reads the stored usage; if that is unsettled or
    /// stale, it counts the files of `tree` first.
    ///
    /// # Errors
    /// If the store or the count fails; the next caller tries again.
    pub async fn names(&self, tree: impl Fn() -> ScanTree) -> Result<NamespaceGuard<'_>, QuotaError> {
        let guard = self.names.lock().await;
        let names = NamespaceGuard::new(self, guard);
        names.settle_abandoned().await;
        if !self.state().is_open {
            match self.ports.store.open_usage(&self.scope, &self.ports.node).await {
                Ok(stored) => self.begin(&names, stored, tree).await?,
                Err(error) => self.go_on_without(error).await?,
            }
        }
        Ok(names)
    }

    /// Begins with a stored usage; if that is unsettled or stale, with a count of the files.
    async fn begin(
        &self,
        names: &NamespaceGuard<'_>,
        stored: StoredUsage,
        tree: impl Fn() -> ScanTree,
    ) -> Result<(), QuotaError> {
        let (was_stale, has_to_count) = {
            let mut state = self.state();
            (state.is_unmarked, state.is_told) = (false, false);
            let was_stale = std::mem::take(&mut state.is_stale);
            let has_to_count = std::mem::take(&mut state.is_uncertain) || was_stale || stored.is_unsettled;
            // A caller that is cancelled leaves it so; the count makes it known again.
            state.is_known &= !was_stale;
            // What was known last holds until the count, also where the store goes away before.
            if !(has_to_count && state.is_known) {
                state.used = stored.used + state.unsaved;
            }
            (was_stale, has_to_count)
        };
        if has_to_count && let Err(error) = names.recount(&tree(), &ScanProgress::default()).await {
            match error {
                QuotaError::Scan(_) if was_stale => self.invalidate(),
                _ => self.store_is_uncertain(),
            }
            return Err(error);
        }
        if self.ports.unmarked.has(&self.scope) {
            self.ports.are_marked(std::slice::from_ref(&self.scope)).await;
        }
        // Only now: if a caller is cancelled before, the next one starts again.
        let mut state = self.state();
        state.is_open = !state.is_stale;
        state.is_known |= state.is_open;
        Ok(())
    }

    /// The store does not answer. A usage that this process knows goes on from there, so that open sessions can work,
    /// and is kept for a count of its files if the process dies meanwhile; one that it does not know, or that cannot
    /// be kept, is refused (A10-08). The log says it once.
    async fn go_on_without(&self, error: StoreError) -> Result<(), QuotaError> {
        // A file that another program has locked is as good as away.
        let is_away = matches!(error, StoreError::Unavailable(_) | StoreError::Busy(_));
        let can_go_on = |state: &State| is_away && state.is_known && !state.is_stale;
        let is_asked = can_go_on(&self.state());
        let kept = if is_asked { self.ports.unmarked.add(&self.scope).await } else { Ok(()) };
        let goes_on = {
            let mut state = self.state();
            let goes_on = kept.is_ok() && can_go_on(&state);
            (state.is_open, state.is_unmarked) = (goes_on, goes_on);
            if std::mem::replace(&mut state.is_told, true) {
                return if goes_on { Ok(()) } else { Err(error.into()) };
            }
            goes_on
        };
        let consequence = match goes_on {
            true => "it is counted on from what was known last, and stored when the database answers".to_owned(),
            false => match &kept {
                Ok(()) => "changes of its files are refused until then".to_owned(),
                Err(problem) => format!("changes of its files are refused until then, because {problem}"),
            },
        };
        let message = format!("the used quota of {} cannot be read: {error}; {consequence}", self.scope);
        tracing::warn!(sender = "quota", message);
        if goes_on { Ok(()) } else { Err(error.into()) }
    }

    /// Tells a store that answers again that the usage is in change. To be called when no changes are on their way to
    /// the store. The answer is whether the store knows it now.
    pub(super) async fn mark_again(&self) -> Result<bool, QuotaError> {
        // A scan of files waits for what is on its way to the store.
        let Ok(_names) = self.names.try_lock() else { return Ok(false) };
        if !self.state().is_unmarked {
            return Ok(false);
        }
        let stored = self.ports.store.open_usage(&self.scope, &self.ports.node).await?;
        let mut state = self.state();
        (state.is_unmarked, state.is_told) = (false, false);
        if stored.is_unsettled || state.is_uncertain {
            // The mark may be our own: of a request whose answer did not arrive.
            (state.is_open, state.is_uncertain) = (false, true);
        } else {
            state.used = stored.used + state.unsaved;
        }
        Ok(true)
    }

    pub(super) fn is_unmarked(&self) -> bool {
        self.state().is_unmarked
    }

    /// Counts the uploads that were dropped.
    pub(super) async fn settle(&self) {
        self.lock_names().await.settle_abandoned().await;
    }

    /// As [`names`](Self::names), but does not open the usage.
    pub(super) async fn lock_names(&self) -> NamespaceGuard<'_> {
        NamespaceGuard::new(self, self.names.lock().await)
    }

    /// The account or folder for which it counts.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether an open file writes to this one under its name.
    pub fn is_written(&self, id: FileId) -> bool {
        self.state().in_place.contains_key(&id)
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().is_open
    }

    pub(super) fn change(&self, state: &mut State, by: UsedQuota) {
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

    /// Counts the growth of a file that is written under its name, unless its name was removed.
    pub(super) fn grow(&self, id: FileId, to: GrowTo, limits: QuotaLimits) -> Result<(), QuotaError> {
        let mut state = self.state();
        let used = state.used;
        let Some(file) = state.in_place.get_mut(&id).filter(|file| file.is_linked) else {
            return Ok(());
        };
        let end = match to {
            GrowTo::End(end) => end,
            GrowTo::Appended(bytes) => file.size.saturating_add(bytes),
        };
        if end <= file.size {
            return Ok(());
        }
        let by = UsedQuota { size: difference(end, file.size), files: 0 };
        limits.check(used, by, 0)?;
        file.size = end;
        self.change(&mut state, by);
        Ok(())
    }

    pub(super) fn abandon(&self, upload: Abandoned) {
        let mut state = self.state();
        state.abandoned.push(upload);
        self.ports.changed.notify_one();
    }

    /// Whether only one open file writes to the file.
    pub(super) fn has_one_writer(&self, id: FileId) -> bool {
        self.state().in_place.get(&id).is_some_and(|file| file.writers == 1)
    }

    /// The usage, with what is reserved; 0 before the first [`names`](Self::names).
    pub fn used(&self) -> UsedQuota {
        self.state().used
    }

    /// The usage without the bytes that programs moved since the last count: these may have replaced others.
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

    /// Marks the usage as stale: the next caller counts the files, or is refused.
    pub fn invalidate(&self) {
        let mut state = self.state();
        state.is_open = false;
        state.is_stale = true;
    }

    /// The store may not have the usage that is known here: the next caller for whom it answers counts the files, and
    /// others go on from what is known.
    pub(super) fn store_is_uncertain(&self) {
        let mut state = self.state();
        (state.is_open, state.is_uncertain) = (false, true);
    }

    pub(super) fn program_is_over(&self, id: ProgramId) {
        let mut state = self.state();
        let size = -state.programs.end(id);
        self.change(&mut state, UsedQuota { size, files: 0 });
    }

    /// A program has ended, and its files cannot be counted now.
    pub(super) fn program_is_lost(&self, id: ProgramId) {
        self.program_is_over(id);
        self.invalidate();
    }

    /// Counts the bytes that a program has moved so far, until the files are counted.
    pub(super) fn program_moved(&self, id: ProgramId, by_now: Moved, limits: QuotaLimits) -> Result<(), QuotaError> {
        let mut state = self.state();
        let by = UsedQuota { size: state.programs.growth(id, by_now), files: 0 };
        let outcome = limits.check(state.used, by, 0);
        // Written bytes exist, even above the limit.
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
            let busy = !state.in_place.is_empty()
                || !state.reserved.is_zero()
                || !state.unsaved.is_zero()
                || !state.abandoned.is_empty()
                || !state.unnamed.is_empty()
                || !state.programs.is_empty()
                || state.doubt.is_there()
                || state.is_unmarked;
            if !state.is_open || busy || state.last_change.elapsed() < idle {
                return Ok(());
            }
            state.is_open = false;
        }
        Ok(self.ports.store.close_usage(&self.scope, &self.ports.node).await?)
    }

    /// Whether files are being written that are counted here.
    pub fn has_uploads(&self) -> bool {
        let state = self.state();
        !state.in_place.is_empty() || !state.unnamed.is_empty() || !state.abandoned.is_empty()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a file under its name grows, in bytes.
pub(super) enum GrowTo {
    End(u64),
    Appended(u64),
}
