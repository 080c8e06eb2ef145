//! How operations on files are counted for quotas.

use std::sync::Arc;

use super::{FileError, FileService};
use crate::path::VirtualPath;
use crate::ports::storage::{Metadata, Space, Writing};
use crate::quota::{
    AccountFiles, Ledger, NamespaceGuard, QuotaLimits, ScanProgress, ScanTree, Scope, Tracking, Transferred,
    Unanswered, UploadQuota, UsedQuota, natural, scope_of,
};

/// The ledger in which a path is counted, and its limits.
pub(super) struct Counted {
    /// The usage of the account or of the folder.
    pub ledger: Arc<Ledger>,
    /// The quota of the account or of the folder.
    pub limits: QuotaLimits,
}

impl Counted {
    /// The quota of one upload whose file is open. `before`: the file that had the name, if any; `emptied`:
    /// whether opening the file in place has emptied it.
    pub(super) async fn upload(
        &self,
        names: &NamespaceGuard<'_>,
        file: &Writing,
        before: Option<&Metadata>,
        emptied: bool,
    ) -> Result<UploadQuota, FileError> {
        let metadata = file.file().metadata().await?;
        if file.as_upload().is_some() {
            let replaced = before.map(|metadata| metadata.size);
            let (ledger, id) = (self.ledger.clone(), metadata.id);
            return Ok(UploadQuota::unnamed(ledger, id, metadata.size, replaced, self.limits)?);
        }
        match before {
            Some(before) if emptied && before.id == metadata.id => names.resized(before, metadata.size),
            // Something other than this server has put another file under the name meanwhile.
            Some(_) if emptied => self.ledger.invalidate(),
            _ => {}
        }
        Ok(UploadQuota::in_place(self.ledger.clone(), names, &metadata, before.is_none()))
    }
}

impl FileService {
    /// Where `path` is counted; None: it is not.
    pub(super) fn counted(&self, path: &VirtualPath) -> Option<Counted> {
        let account = self.account();
        let quotas = &self.context.quotas;
        let Some((scope, limits)) = scope_of(&account, path, quotas.tracking) else {
            // This change is not counted, so that a limit that is set later needs a new count.
            self.uncounted();
            return None;
        };
        let ledger = match &scope {
            Scope::Account(_) => quotas.ledger_of(&scope, &AccountFiles::of(&account)),
            Scope::Folder(_) => quotas.ledger(&scope),
        };
        Some(Counted { ledger, limits })
    }

    /// Counts bytes that are about to be moved from or to the client, by any protocol.
    ///
    /// # Errors
    /// `QuotaExceeded`: the account's volume does not allow as many; nothing is counted.
    pub fn transfers(&self, up: usize, down: usize) -> Result<(), FileError> {
        let Some(volume) = self.volume.as_ref().filter(|_| self.counts_volume()) else { return Ok(()) };
        Ok(volume.take(Transferred { up: up as u64, down: down as u64 }, self.account().volume)?)
    }

    /// Checks that the account's volume allows any transfer in a direction.
    ///
    /// # Errors
    /// `QuotaExceeded`
    pub fn check_volume(&self, upload: bool) -> Result<(), FileError> {
        let Some(volume) = self.volume.as_ref().filter(|_| self.counts_volume()) else { return Ok(()) };
        Ok(volume.check(upload, self.account().volume)?)
    }

    fn counts_volume(&self) -> bool {
        self.session.live.limits_volume() || self.context.quotas.tracking == Tracking::Always
    }

    /// `space`, reduced to the quota at `path`.
    pub(super) async fn within_quota(&self, path: &VirtualPath, space: Space) -> Result<Space, FileError> {
        let Some(counted) = self.counted(path).filter(|counted| !counted.limits.is_unlimited()) else {
            return Ok(space);
        };
        drop(counted.ledger.names(|| self.scan_tree(path)).await?);
        Ok(space.within(counted.limits, counted.ledger.used()))
    }

    /// Notes that files of the account are changed without being counted, so that its usage is stale.
    pub(super) fn uncounted(&self) {
        self.context.quotas.invalidate(&Scope::Account(self.account().username.clone()));
    }

    /// The files that count for the same scope as `path`.
    pub(super) fn scan_tree(&self, path: &VirtualPath) -> ScanTree {
        ScanTree::around(&self.account(), self.storage.clone(), path)
    }

    /// To be held while files at `path` change. None: all of them are on this host, and no call waits for an answer.
    pub(super) fn unanswered<'a>(&self, counted: &'a Counted, path: &VirtualPath) -> Option<Unanswered<'a>> {
        self.is_remote().then(|| counted.ledger.unanswered(self.scan_tree(path)))
    }

    /// Removes the name `path`, and counts it.
    pub(super) async fn remove_counting(&self, path: &VirtualPath) -> Result<(), FileError> {
        let Some(counted) = self.counted(path) else {
            self.tree().remove_file(path).await?;
            return Ok(());
        };
        let names = counted.ledger.names(|| self.scan_tree(path)).await?;
        let unanswered = self.unanswered(&counted, path);
        let removed = self.tree().remove_file(path).await;
        if let Some(unanswered) = unanswered {
            unanswered.answered(&removed);
        }
        names.removed(&removed?);
        counted.ledger.settle_doubt(|| self.scan_tree(path));
        Ok(())
    }

    /// Counts the files again, because one was removed outside this session and may or may not have been
    /// subtracted.
    pub(super) async fn recount(&self, path: &VirtualPath) -> Result<(), FileError> {
        if let Some(counted) = self.counted(path) {
            let names = counted.ledger.names(|| self.scan_tree(path)).await?;
            names.recount(&self.scan_tree(path), &ScanProgress::default()).await?;
        }
        Ok(())
    }

    /// Gives a file another size, and counts the difference.
    pub(super) async fn counting_resize(
        &self,
        path: &VirtualPath,
        size: u64,
        act: impl AsyncFnOnce() -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        self.check_size(size)?;
        let Some(counted) = self.counted(path) else {
            return act().await;
        };
        let names = counted.ledger.names(|| self.scan_tree(path)).await?;
        let before = self.tree().metadata(path).await?;
        names.check_resize(before.size, size, counted.limits)?;
        let unanswered = self.unanswered(&counted, path);
        let outcome = act().await;
        // `act` may have changed the size and then failed at another attribute.
        let now = self.tree().metadata(path).await.ok().filter(|now| now.id == before.id);
        names.resized(&before, now.map_or(if outcome.is_ok() { size } else { before.size }, |now| now.size));
        if let Some(unanswered) = unanswered.filter(|_| outcome.is_ok() || now.is_some()) {
            unanswered.counted();
        }
        outcome
    }

    /// Checks a file's size against `max_upload_file_size` (C3).
    pub(super) fn check_size(&self, size: u64) -> Result<(), FileError> {
        match self.account().filters.max_upload_file_size.most() {
            Some(most) if size > most => {
                Err(FileError::QuotaExceeded(format!("the file is larger than the {most} bytes allowed")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Space {
    /// The space as if the file system were as large as the limits.
    fn within(self, limits: QuotaLimits, used: UsedQuota) -> Self {
        let mut space = self;
        let unit = self.fragment_size.max(1);
        let (used_size, used_files) = (natural(used.size), natural(used.files));
        if let (Some(most), Some(left)) = (limits.size.most(), limits.size.left(used_size)) {
            let left = left / unit;
            space.blocks = most.div_ceil(unit).min(self.blocks);
            space.blocks_free = left.min(self.blocks_free);
            space.blocks_available = left.min(self.blocks_available);
        }
        if let (Some(most), Some(left)) = (limits.files.most(), limits.files.left(used_files)) {
            // A file system without a limit of files reports 0: the quota is the only limit then.
            let at_most = |files: u64, here: u64| if self.files == 0 { files } else { files.min(here) };
            space.files = at_most(most, self.files);
            space.files_free = at_most(left, self.files_free);
            space.files_available = at_most(left, self.files_available);
        }
        space
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: blocks, available blocks, files and available files.
    fn check(limits: (i64, i64), used: (i64, i64), expected: (u64, u64, u64, u64)) {
        let disk = Space {
            block_size: 4096,
            fragment_size: 4096,
            blocks: 1000,
            blocks_free: 600,
            blocks_available: 500,
            files: 100,
            files_free: 50,
            files_available: 50,
            id: 1,
            flags: 0,
            name_max: 255,
        };
        let (limits, used) = (QuotaLimits::stored(limits.0, limits.1), UsedQuota { size: used.0, files: used.1 });
        let space = disk.within(limits, used);
        let found = (space.blocks, space.blocks_available, space.files, space.files_available);
        assert_eq!(found, expected, "{limits:?} {used:?}");
        assert!(space.blocks_free >= space.blocks_available && space.blocks >= space.blocks_free);
    }

    #[test]
    fn a_file_system_is_as_large_as_the_quota() {
        // A10-10
        check((0, 0), (0, 0), (1000, 500, 100, 50));
        check((40960, 0), (8192, 2), (10, 8, 100, 50));
        check((40960, 10), (8192, 2), (10, 8, 10, 8));
        check((40960, 10), (50000, 11), (10, 0, 10, 0));
        check((1000, 0), (0, 0), (1, 0, 100, 50));
        // The disk itself is smaller, or has less left.
        check((1 << 40, 1 << 20), (0, 0), (1000, 500, 100, 50));
    }
}
