//! Changes of names in a scope, made under its lock, so that the size that is subtracted is the size that the
//! file had.

use std::collections::HashSet;
use std::time::Instant;

use super::ledger::{Abandoned, Ledger, WrittenInPlace};
use super::program::ProgramId;
use super::scan::{self, ScanProgress, ScanTree};
use super::{NewUsage, QuotaError, QuotaLimits, UsedQuota, difference, natural};
use crate::ports::storage::{FileId, FileKind, Metadata, Upload};

/// The result of a count of the files.
pub(super) struct Count {
    /// The files that have names.
    pub files: UsedQuota,
    /// The same, with what uploads and programs have reserved.
    pub used: UsedQuota,
}

/// Held while names in the scope of a ledger change, and while its files are counted. The `check_` methods
/// are called before a change; the others report one that was just made.
pub struct NamespaceGuard<'a> {
    ledger: &'a Ledger,
    _guard: tokio::sync::MutexGuard<'a, ()>,
}

impl<'a> NamespaceGuard<'a> {
    pub(super) fn new(ledger: &'a Ledger, guard: tokio::sync::MutexGuard<'a, ()>) -> Self {
        Self { ledger, _guard: guard }
    }
}

impl NamespaceGuard<'_> {
    /// Whether one more file may be made.
    ///
    /// # Errors
    /// `Exceeded`
    pub fn check_new_file(&self, limits: QuotaLimits) -> Result<(), QuotaError> {
        // No new file may begin when the quota of bytes is used up (A10-02).
        let by = UsedQuota { size: i64::from(limits.size.is_set()), files: 1 };
        limits.check(self.ledger.state().used, by, 0)
    }

    /// Whether a file of `old` bytes may be replaced.
    ///
    /// # Errors
    /// `Exceeded`
    pub fn check_overwrite(&self, old: u64, limits: QuotaLimits) -> Result<(), QuotaError> {
        let by = UsedQuota { size: i64::from(limits.size.is_set()), files: 0 };
        limits.check(self.ledger.state().used, by, i64::try_from(old).unwrap_or(i64::MAX))
    }

    /// A file was opened to be written under its name.
    pub(super) fn opened(&self, metadata: &Metadata, is_new: bool) {
        let mut state = self.ledger.state();
        if is_new {
            self.ledger.change(&mut state, UsedQuota { size: 0, files: 1 });
        }
        let file = state.in_place.entry(metadata.id).or_insert(WrittenInPlace {
            size: metadata.size,
            writers: 0,
            is_linked: true,
        });
        file.writers += 1;
    }

    /// One of the open files that write to a file was closed; `now`: the file's metadata.
    pub(super) fn closed(&self, now: &Metadata) {
        let mut state = self.ledger.state();
        let Some(file) = state.in_place.get_mut(&now.id) else { return };
        file.writers = file.writers.saturating_sub(1);
        if file.writers > 0 {
            return;
        }
        let by = match file.is_linked {
            false => UsedQuota::default(),
            // A program or a hook removed it without telling the ledger.
            true if now.links == 0 => -UsedQuota { size: i64::try_from(file.size).unwrap_or(i64::MAX), files: 1 },
            true => UsedQuota { size: difference(now.size, file.size), files: 0 },
        };
        state.in_place.remove(&now.id);
        self.ledger.change(&mut state, by);
    }

    /// As [`closed`](Self::closed), when the file's metadata cannot be read.
    fn closed_unseen(&self, id: FileId) {
        let mut state = self.ledger.state();
        let Some(file) = state.in_place.get_mut(&id) else { return };
        file.writers = file.writers.saturating_sub(1);
        if file.writers == 0 {
            state.in_place.remove(&id);
        }
    }

    /// An upload got its name; `reserved` is what was counted for it.
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

    /// A name was removed or replaced; `metadata`: of the file that had it, as it was before.
    pub fn removed(&self, metadata: &Metadata) {
        if metadata.kind != FileKind::File {
            return;
        }
        let mut state = self.ledger.state();
        if metadata.links > 1 {
            // Only the files can tell whether another of its names is in the scope.
            state.doubt.arises();
            state.last_change = Instant::now();
            return;
        }
        let size = match state.in_place.get_mut(&metadata.id) {
            Some(file) if file.is_linked => {
                file.is_linked = false;
                file.size
            }
            Some(_) => return,
            None => metadata.size,
        };
        self.ledger.change(&mut state, -UsedQuota { size: i64::try_from(size).unwrap_or(i64::MAX), files: 1 });
    }

    /// Whether files may come here from another scope. `replaced`: the file whose name one of them gets.
    ///
    /// # Errors
    /// `Exceeded`
    pub fn check_arrival(
        &self,
        moved: UsedQuota,
        replaced: Option<&Metadata>,
        limits: QuotaLimits,
    ) -> Result<(), QuotaError> {
        let freed = replaced.filter(|replaced| replaced.kind == FileKind::File && replaced.links == 1);
        let freed = freed.map_or_else(UsedQuota::default, |freed| UsedQuota {
            size: i64::try_from(freed.size).unwrap_or(i64::MAX),
            files: 1,
        });
        limits.check(self.ledger.state().used, moved + -freed, 0)
    }

    /// Files came from another scope by a rename.
    pub fn arrived(&self, moved: UsedQuota) {
        self.ledger.change(&mut self.ledger.state(), moved);
    }

    /// The files of a directory went to another scope by a rename.
    pub fn left(&self, moved: UsedQuota) {
        self.ledger.change(&mut self.ledger.state(), -moved);
    }

    /// A program of the host has moved or removed a file: only the files can tell whether it is still in the scope.
    pub fn moved_away(&self) {
        let mut state = self.ledger.state();
        state.doubt.arises();
        state.last_change = Instant::now();
    }

    /// Whether a file of `from` bytes may get the size `to`.
    ///
    /// # Errors
    /// `Exceeded`
    pub fn check_resize(&self, from: u64, to: u64, limits: QuotaLimits) -> Result<(), QuotaError> {
        if to <= from {
            return Ok(());
        }
        limits.check(self.ledger.state().used, UsedQuota { size: difference(to, from), files: 0 }, 0)
    }

    /// A file was given the size `to`; `metadata`: as it was before.
    pub fn resized(&self, metadata: &Metadata, to: u64) {
        let mut state = self.ledger.state();
        let from = match state.in_place.get_mut(&metadata.id) {
            Some(file) if file.is_linked => std::mem::replace(&mut file.size, to),
            Some(_) => return,
            None => metadata.size,
        };
        self.ledger.change(&mut state, UsedQuota { size: difference(to, from), files: 0 });
    }

    /// Counts the files of `tree`, and stores the result. Files that are being written count as the ledger
    /// has them.
    ///
    /// # Errors
    /// `Scan` if the files cannot be counted; `Store`, and then the count holds here alone, and the files are counted
    /// again when the store answers.
    pub async fn recount(&self, tree: &ScanTree, progress: &ScanProgress) -> Result<UsedQuota, QuotaError> {
        Ok(self.count(tree, progress).await?.used)
    }

    pub(super) async fn count(&self, tree: &ScanTree, progress: &ScanProgress) -> Result<Count, QuotaError> {
        // Those that have got their names without their clients are among the files now.
        self.settle_abandoned().await;
        let excluded: HashSet<FileId> = {
            let mut state = self.ledger.state();
            state.programs.count_begins();
            state.in_place.keys().chain(&state.unnamed).copied().collect()
        };
        let counted = scan::count(tree, &excluded, progress).await;
        let counted = counted.map_err(|error| QuotaError::Scan(error.message))?;
        // Unsaved changes must not reach the store after the total that includes them, nor must those that wait.
        let mut order = self.ledger.ports.order.lock().await;
        let sent = self.ledger.ports.send(&mut order).await;
        let used = {
            let mut state = self.ledger.state();
            let linked = state.in_place.values().filter(|file| file.is_linked);
            let in_place = linked.fold(UsedQuota::default(), |sum, file| {
                sum + UsedQuota { size: i64::try_from(file.size).unwrap_or(i64::MAX), files: 1 }
            });
            let programs = UsedQuota { size: state.programs.count_ends(), files: 0 };
            let files = counted + in_place;
            state.used = files + state.reserved + programs;
            state.is_known = true;
            if sent.is_ok() {
                state.unsaved = UsedQuota::default();
            }
            state.last_change = Instant::now();
            Count { files, used: state.used }
        };
        if let Err(failed) = sent {
            self.ledger.store_is_uncertain();
            return Err(failed.error.into());
        }
        self.replace(used.used, true).await?;
        Ok(used)
    }

    /// Replaces the usage by what an administrator says; what uploads have reserved is part of it. Answers with the
    /// usage before and after.
    ///
    /// # Errors
    /// The store fails, and then the earlier usage stays until the files are counted.
    pub(super) async fn set_usage(&self, usage: NewUsage) -> Result<(UsedQuota, UsedQuota), QuotaError> {
        let ports = &self.ledger.ports;
        // Changes that wait must not reach the store after the usage that takes their place.
        let mut order = ports.order.lock().await;
        ports.send(&mut order).await.map_err(|failed| failed.error)?;
        let stored = ports.store.open_usage(&self.ledger.scope, &ports.node).await?;
        let (before, was_right) = {
            let state = self.ledger.state();
            let before = if state.is_open { state.used } else { stored.used + state.unsaved };
            (before, state.is_known && !state.is_stale)
        };
        let now = match usage {
            NewUsage::Is(usage) => usage,
            NewUsage::Add(by) => {
                UsedQuota { size: before.size.saturating_add(by.size), files: before.files.saturating_add(by.files) }
            }
        };
        let now = UsedQuota { size: now.size.max(0), files: now.files.max(0) };
        {
            let mut state = self.ledger.state();
            (state.used, state.unsaved) = (now, UsedQuota::default());
            (state.is_open, state.is_known, state.last_change) = (true, true, Instant::now());
            (state.is_stale, state.is_unmarked, state.is_uncertain) = (false, false, false);
        }
        if let Err(error) = self.replace(now, was_right).await {
            let mut state = self.ledger.state();
            state.used = state.used + before + -now;
            return Err(error);
        }
        Ok((before, now))
    }

    /// Stores a usage that takes the place of unsaved changes. The store lacks these without it, so the files are counted
    /// again then, also where the caller is gone before the store's answer. `is_right`: what the ledger has is right
    /// meanwhile; otherwise it is stale.
    async fn replace(&self, used: UsedQuota, is_right: bool) -> Result<(), QuotaError> {
        let mut replacing = Replacing { ledger: self.ledger, is_right, is_stored: false };
        self.ledger.ports.store.replace_usage(&self.ledger.scope, used, self.ledger.ports.clock.now()).await?;
        replacing.is_stored = true;
        Ok(())
    }

    /// A program that changes files begins.
    pub(super) fn program_begins(&self) -> ProgramId {
        self.ledger.state().programs.begin()
    }

    /// A program that changed files has ended.
    pub(super) async fn program_ended(&self, id: ProgramId, tree: &ScanTree) -> Result<UsedQuota, QuotaError> {
        let counted = self.recount(tree, &ScanProgress::default()).await;
        // Only now are the program's bytes among the counted files.
        self.ledger.program_is_over(id);
        if matches!(counted, Err(QuotaError::Scan(_))) {
            self.ledger.invalidate();
        }
        counted.map(|_| self.ledger.used())
    }

    pub(super) async fn settle_abandoned(&self) {
        loop {
            let upload = self.ledger.state().abandoned.pop();
            if upload.is_none() {
                return;
            }
            let mut settling = Settling { ledger: self.ledger, upload };
            match &settling.upload {
                None => {}
                Some(Abandoned::InPlace(id, file, tree)) => match file.metadata().await {
                    Ok(now) => self.closed(&now),
                    Err(_) => {
                        self.closed_unseen(*id);
                        // What was sent is counted, and not all of it may have arrived.
                        drop(tree.clone().map(|tree| self.ledger.unanswered(tree)));
                    }
                },
                Some(Abandoned::Unnamed(id, reserved, limits, upload)) => {
                    self.give_up_unnamed(*id, *reserved, &**upload, Some(*limits)).await;
                }
            }
            settling.upload = None;
        }
    }

    /// An upload without a name failed. If a part of it is within `limits`, it may be kept under the name;
    /// without `limits` nothing is kept.
    pub(super) async fn give_up_unnamed(
        &self,
        id: FileId,
        reserved: UsedQuota,
        upload: &dyn Upload,
        limits: Option<QuotaLimits>,
    ) {
        let replaced = upload.replaces().await;
        // The file to be replaced may be gone, and with it the room it would have freed.
        let is_kept = limits.is_some_and(|limits| self.check_completion(reserved, replaced.as_ref(), limits).is_ok());
        let kept = if is_kept {
            upload.abandon().await
        } else {
            upload.discard();
            None
        };
        match kept {
            Some(kept) => self.named(id, reserved, kept.size, replaced.as_ref()),
            None => {
                self.ledger.unnamed_ends(id);
                self.ledger.release_unnamed(reserved);
            }
        }
    }

    /// Whether a complete upload may get its name: the file to be replaced may be gone.
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
        let too_large = grows && limits.size.is_exceeded(natural(used.size.saturating_sub(freed_size)));
        let too_many = freed.is_none() && limits.files.is_exceeded(natural(files));
        if too_large || too_many { Err(QuotaError::Exceeded) } else { Ok(()) }
    }
}

/// A dropped upload that is being counted. If the caller is gone meanwhile, the next one counts it.
struct Settling<'a> {
    ledger: &'a Ledger,
    /// None: it is counted.
    upload: Option<Abandoned>,
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.ledger.abandon(upload);
        }
    }
}

/// A usage on its way to the store.
struct Replacing<'a> {
    ledger: &'a Ledger,
    is_right: bool,
    is_stored: bool,
}

impl Drop for Replacing<'_> {
    fn drop(&mut self) {
        match (self.is_stored, self.is_right) {
            (true, _) => {}
            (false, true) => self.ledger.store_is_uncertain(),
            (false, false) => self.ledger.invalidate(),
        }
    }
}
