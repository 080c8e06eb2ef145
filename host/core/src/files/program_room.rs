//! The quota of programs that change files themselves, such as rsync and git (A7-06).

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{FileError, FileService};
use crate::path::VirtualPath;
use crate::quota::{Moved, ProgramQuota, QuotaError, QuotaLimits, limits_of, natural};

/// The quota of a program that changes the files at a path. It must be [ended](Self::end).
pub struct ProgramRoom {
    files: Arc<FileService>,
    path: VirtualPath,
    /// Unset while nothing is counted at the path.
    quota: OnceCell<ProgramQuota>,
}

impl FileService {
    /// The room for a program that is about to change the files at `path`.
    ///
    /// # Errors
    /// `QuotaExceeded`: the quota is used up already. Otherwise the files cannot be counted.
    pub async fn program_room(self: &Arc<Self>, path: &VirtualPath) -> Result<ProgramRoom, FileError> {
        let room = ProgramRoom { files: self.clone(), path: path.clone(), quota: OnceCell::new() };
        if let Some(counted) = self.counted(path) {
            let used = room.quota().await?.map(ProgramQuota::used).unwrap_or_default();
            let QuotaLimits { size, files } = counted.limits;
            if files.is_exceeded(natural(used.files)) || size.left(natural(used.size)) == Some(0) {
                room.give_up();
                return Err(QuotaError::Exceeded.into());
            }
        }
        Ok(room)
    }
}

impl ProgramRoom {
    /// The path where the program changes files.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    /// Bytes that may still be stored; None: no limit.
    pub fn bytes(&self) -> Option<u64> {
        self.limits().size.left(natural(self.quota.get()?.used().size))
    }

    /// Whether there is a limit now: an administrator may set one while the program runs.
    pub fn is_limited(&self) -> bool {
        self.files.counted(&self.path).is_some_and(|counted| !counted.limits.is_unlimited())
    }

    /// Counts what was moved so far: before more is passed to the program, or after it has written.
    ///
    /// # Errors
    /// `QuotaExceeded`: the program has to be stopped. Otherwise the files cannot be counted.
    pub async fn moved(&self, by_now: Moved) -> Result<(), FileError> {
        match self.quota().await? {
            Some(quota) => Ok(quota.moved(by_now, self.limits())?),
            None => Ok(()),
        }
    }

    /// Counts the files as they are now.
    ///
    /// # Errors
    /// `QuotaExceeded`: they are not within the limits. Otherwise the files cannot be counted.
    pub async fn recount(&self) -> Result<(), FileError> {
        match self.quota().await? {
            Some(quota) => Ok(quota.recount(&self.files.scan_tree(&self.path), self.limits()).await?),
            None => Ok(()),
        }
    }

    /// Ends the quota of a program that was not run.
    fn give_up(self) {
        if let Some(quota) = self.quota.into_inner() {
            quota.give_up();
        }
    }

    /// Counts the files that the program has left, once it has ended.
    ///
    /// # Errors
    /// The files cannot be counted.
    pub async fn end(self) -> Result<(), FileError> {
        // A limit may have been set since the program last moved bytes.
        self.quota().await?;
        if let Some(quota) = self.quota.into_inner() {
            quota.end(&self.files.scan_tree(&self.path)).await?;
        }
        Ok(())
    }

    fn limits(&self) -> QuotaLimits {
        limits_of(&self.files.account(), &self.path)
    }

    /// The quota, once there is one: counting begins with the program, or when an administrator sets a limit
    /// while it runs.
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
