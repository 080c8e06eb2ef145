//! Renames, and how they count: between places that count for one account or folder, or for two.

use std::sync::Arc;

use super::usage::Counted;
use super::{FileError, FileService};
use crate::hook::events::Protocol;
use crate::path::VirtualPath;
use crate::ports::storage::{FileKind, Metadata, StorageErrorKind};
use crate::quota::{NamespaceGuard, QuotaLimits, ScanTree, Unanswered, UsedQuota, survey};

/// The ledgers in which the old and the new name of a rename count.
pub(super) struct Sides {
    /// Where the old name counts; none: it is not counted, or counts where the new one does.
    source: Option<Counted>,
    /// Where the new name counts.
    target: Option<Counted>,
    /// Whether both names count for the same account or folder, or for none.
    pub is_one: bool,
}

/// The locks of both sides.
pub(super) struct LockedSides<'a> {
    /// The lock of the old name's ledger, if it is another one.
    source: Option<NamespaceGuard<'a>>,
    /// The lock of the new name's ledger.
    pub target: Option<NamespaceGuard<'a>>,
}

impl Sides {
    pub fn of(files: &FileService, from: &VirtualPath, to: &VirtualPath) -> Self {
        let (source, target) = (files.counted(from), files.counted(to));
        let is_one = match (&source, &target) {
            (Some(source), Some(target)) => source.ledger.scope() == target.ledger.scope(),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        Self { source: source.filter(|_| !is_one), target, is_one }
    }

    /// The ledger of the new name.
    pub fn target(&self) -> Option<&Counted> {
        self.target.as_ref()
    }

    /// The limits for what arrives. What moves within one account or folder needs no room.
    pub fn limits(&self) -> QuotaLimits {
        let limits = self.target.as_ref().map(|target| target.limits);
        limits.filter(|_| !self.is_one).unwrap_or_default()
    }

    /// Refuses a file to which an open upload writes under its name: those bytes would be lost, or counted at the
    /// wrong place.
    pub fn require_unwritten(&self, moved: &Metadata) -> Result<(), FileError> {
        let ledger = self.source.as_ref().or(self.target.as_ref()).map(|counted| &counted.ledger);
        match ledger.is_some_and(|ledger| ledger.is_written(moved.id)) {
            true => Err(FileError::Failed("the file is being written; try again when it is complete".into())),
            false => Ok(()),
        }
    }

    /// Takes the locks, in one order for the whole server.
    pub async fn lock<'a>(
        &'a self,
        files: &FileService,
        from: &VirtualPath,
        to: &VirtualPath,
    ) -> Result<LockedSides<'a>, FileError> {
        let is_source_first = match (&self.source, &self.target) {
            (Some(source), Some(target)) => source.ledger.scope() < target.ledger.scope(),
            (None, _) | (_, None) => false,
        };
        if is_source_first {
            let source = lock_one(files, self.source.as_ref(), from).await?;
            return Ok(LockedSides { source, target: lock_one(files, self.target.as_ref(), to).await? });
        }
        let target = lock_one(files, self.target.as_ref(), to).await?;
        Ok(LockedSides { source: lock_one(files, self.source.as_ref(), from).await?, target })
    }

    /// Takes the lock of the new name's ledger alone.
    pub async fn lock_target<'a>(
        &'a self,
        files: &FileService,
        to: &VirtualPath,
    ) -> Result<Option<NamespaceGuard<'a>>, FileError> {
        lock_one(files, self.target.as_ref(), to).await
    }

    /// To be held while names on both sides change.
    pub fn unanswered<'a>(&'a self, files: &FileService, from: &VirtualPath, to: &VirtualPath) -> Vec<Unanswered<'a>> {
        let sides = [(&self.source, from), (&self.target, to)];
        sides.into_iter().filter_map(|(counted, path)| files.unanswered(counted.as_ref()?, path)).collect()
    }

    /// To be called after names were changed.
    pub fn settle_doubt(&self, files: &FileService, from: &VirtualPath, to: &VirtualPath) {
        for (counted, path) in [(&self.source, from), (&self.target, to)] {
            if let Some(counted) = counted {
                counted.ledger.settle_doubt(|| files.scan_tree(path));
            }
        }
    }

    /// What a directory or file has that is to move; the old place loses as much.
    async fn moved(&self, files: &FileService, from: &VirtualPath, moved: &Metadata) -> Result<Moved, FileError> {
        match moved.kind {
            FileKind::File => {
                self.require_unwritten(moved)?;
                let size = i64::try_from(moved.size).unwrap_or(i64::MAX);
                Ok(Moved { used: UsedQuota { size, files: 1 }, is_doubtful: false })
            }
            FileKind::Directory => {
                // They would be counted at the old place.
                if self.source.as_ref().is_some_and(|source| source.ledger.has_uploads()) {
                    let text = "files are being uploaded, perhaps into the directory; try again when they are complete";
                    return Err(FileError::Failed(text.into()));
                }
                let tree = ScanTree { storage: files.tree().clone(), roots: vec![from.clone()], skip: Vec::new() };
                let found = survey(&tree).await?;
                Ok(Moved { used: found.used, is_doubtful: found.has_several_names })
            }
            FileKind::Symlink | FileKind::Other => Ok(Moved { used: UsedQuota::default(), is_doubtful: false }),
        }
    }
}

/// The usage that moves from one ledger to another.
struct Moved {
    used: UsedQuota,
    /// Whether other names of the files may be outside of the directory.
    is_doubtful: bool,
}

async fn lock_one<'a>(
    files: &FileService,
    counted: Option<&'a Counted>,
    path: &VirtualPath,
) -> Result<Option<NamespaceGuard<'a>>, FileError> {
    match counted {
        Some(counted) => Ok(Some(counted.ledger.names(|| files.scan_tree(path)).await?)),
        None => Ok(None),
    }
}

impl LockedSides<'_> {
    /// The old name was removed.
    pub fn removed(&self, metadata: &Metadata, sides: &Sides) {
        let of_both = self.target.as_ref().filter(|_| sides.is_one);
        if let Some(names) = self.source.as_ref().or(of_both) {
            names.removed(metadata);
        }
    }
}

impl FileService {
    /// Whether a rename may have to copy whole files: between file systems, and in object storage.
    pub fn may_copy_to_rename(&self) -> bool {
        let root = VirtualPath::root();
        self.account().folders.any_inside(&root) || !self.storage.capabilities(&root).in_place
    }

    /// Renames, and counts what that changes: by the storage itself where it can, otherwise by copies.
    pub(super) async fn rename_counting(
        self: &Arc<Self>,
        from: &VirtualPath,
        to: &VirtualPath,
        replace: bool,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        let _waits = self.session.live.long_request_began();
        let is_of_one_kind = self.storage.kind(from) == self.storage.kind(to);
        if is_of_one_kind && self.rename_at_once(from, to, replace).await? {
            return Ok(());
        }
        self.rename_by_copy(from, to, replace, protocol).await
    }

    /// Asks the storage for a rename, which is not counted yet; false: it cannot do that between these places.
    async fn rename_in_storage(
        &self,
        sides: &Sides,
        from: &VirtualPath,
        to: &VirtualPath,
        replace: bool,
    ) -> Result<bool, FileError> {
        let unanswered = sides.unanswered(self, from, to);
        let renamed = self.tree().rename(from, to, replace).await;
        unanswered.into_iter().for_each(|unanswered| unanswered.answered(&renamed));
        match renamed {
            Ok(()) => Ok(true),
            Err(error) if error.kind == StorageErrorKind::CrossDevice => Ok(false),
            Err(error) => Err(FileError::from(error)),
        }
    }

    /// Renames by the storage itself; false: it cannot do that between these places.
    async fn rename_at_once(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<bool, FileError> {
        let sides = Sides::of(self, from, to);
        // Every rename holds the locks: a scan must not miss a directory that moves.
        let names = sides.lock(self, from, to).await?;
        if sides.is_one && (!replace || names.target.is_none()) {
            return self.rename_in_storage(&sides, from, to, replace).await;
        }
        let before = self.tree().symlink_metadata(from).await?;
        let replaced = if replace { self.tree().symlink_metadata(to).await.ok() } else { None };
        let moved = if sides.is_one { None } else { Some(sides.moved(self, from, &before).await?) };
        if let (Some(moved), Some(target)) = (&moved, &names.target) {
            target.check_arrival(moved.used, replaced.as_ref(), sides.limits())?;
        }
        if !self.rename_in_storage(&sides, from, to, replace).await? {
            return Ok(false);
        }
        // If both names are links to one file, the system call does nothing.
        if replaced.is_some_and(|replaced| replaced.id == before.id) {
            return Ok(true);
        }
        if let (Some(replaced), Some(target)) = (&replaced, &names.target) {
            target.removed(replaced);
        }
        if let Some(moved) = moved {
            names.moved(&moved, &before, &sides);
        }
        sides.settle_doubt(self, from, to);
        Ok(true)
    }
}

impl LockedSides<'_> {
    fn moved(&self, moved: &Moved, before: &Metadata, sides: &Sides) {
        if let Some(target) = &self.target {
            target.arrived(moved.used);
        }
        match before.kind {
            FileKind::Directory => {
                if let Some(source) = &self.source {
                    source.left(moved.used);
                }
                let both = self.source.iter().chain(&self.target);
                both.filter(|_| moved.is_doubtful).for_each(NamespaceGuard::moved_away);
            }
            FileKind::File | FileKind::Symlink | FileKind::Other => self.removed(before, sides),
        }
    }
}

impl Sides {
    /// Checks that there is room for what is to arrive.
    ///
    /// # Errors
    /// `QuotaExceeded`, or the files cannot be counted.
    pub async fn check_room(
        &self,
        files: &FileService,
        to: &VirtualPath,
        arriving: UsedQuota,
    ) -> Result<(), FileError> {
        match self.lock_target(files, to).await? {
            Some(names) => Ok(names.check_arrival(arriving, None, self.limits())?),
            None => Ok(()),
        }
    }
}
