//! The room that a program has, such as rsync and git (A7-06).

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{FileError, FileService};
use crate::path::VirtualPath;
use crate::quota::{Moved, ProgramQuota, QuotaError, QuotaLimits, limits_of};

/// Counts for a program that changes the files at a path. It must be [ended](Self::end).
pub struct ProgramRoom {
    files: Arc<FileService>,
    path: VirtualPath,
    /// None as long as nothing is counted there.
    quota: OnceCell<ProgramQuota>,
}

impl FileService {
    /// A program that changes the files at `path` is about to run.
    pub async fn program_room(self: &Arc<Self>, path: &VirtualPath) -> Result<ProgramRoom, FileError> {
        let room = ProgramRoom { files: self.clone(), path: path.clone(), quota: OnceCell::new() };
        if let Some(counted) = self.counted(path) {
            let used = room.quota().await?.map(ProgramQuota::used).unwrap_or_default();
            let QuotaLimits { size, files } = counted.limits;
            if (files > 0 && used.files > files) || (size > 0 && used.size >= size) {
                room.give_up();
                return Err(QuotaError::Exceeded.into());
            }
        }
        Ok(room)
    }
}

impl ProgramRoom {
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    /// Bytes that may still be stored; none: no limit.
    pub fn bytes(&self) -> Option<u64> {
        let limit = self.limits().size;
        let used = self.quota.get()?.used().size;
        (limit > 0).then(|| u64::try_from(limit.saturating_sub(used)).unwrap_or(0))
    }

    /// As it is now: an administrator may set a limit meanwhile.
    pub fn is_limited(&self) -> bool {
        self.files.counted(&self.path).is_some_and(|counted| !counted.limits.is_unlimited())
    }

    /// Before more goes into the program, or after it was written.
    pub async fn moved(&self, by_now: Moved) -> Result<(), FileError> {
        match self.quota().await? {
            Some(quota) => Ok(quota.moved(by_now, self.limits())?),
            None => Ok(()),
        }
    }

    /// Counts the files as they are now, and says whether they are within the limits.
    pub async fn recount(&self) -> Result<(), FileError> {
        match self.quota().await? {
            Some(quota) => Ok(quota.recount(&self.files.scan_tree(&self.path), self.limits()).await?),
            None => Ok(()),
        }
    }

    /// It was not run.
    fn give_up(self) {
        if let Some(quota) = self.quota.into_inner() {
            quota.give_up();
        }
    }

    /// The program has ended: what it left is counted.
    pub async fn end(self) -> Result<(), FileError> {
        // A limit may have been set since it last brought in something.
        self.quota().await?;
        if let Some(quota) = self.quota.into_inner() {
            quota.end(&self.files.scan_tree(&self.path)).await?;
        }
        Ok(())
    }

    fn limits(&self) -> QuotaLimits {
        limits_of(&self.files.account(), &self.path)
    }

    /// Counting begins with the program, or when an administrator sets a limit meanwhile.
    async fn quota(&self) -> Result<Option<&ProgramQuota>, FileError> {
        if let Some(quota) = self.quota.get() {
            return Ok(Some(quota));
        }
        let Some(counted) = self.files.counted(&self.path) else {
            return Ok(None);
        };
        let tree = || self.files.scan_tree(&self.path);
        Ok(Some(self.quota.get_or_try_init(|| ProgramQuota::begin(counted.ledger, tree)).await?))
    }
}
