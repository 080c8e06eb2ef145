//! The room that a program has, such as rsync and git (A7-06).

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{FileError, FileService};
use crate::path::VirtualPath;
use crate::quota::{ProgramQuota, QuotaError, QuotaLimits, limits_of};

/// Counts for a program that changes the files at a path, until [`end`](Self::end). Dropped,
/// as when the client is gone, it counts what was left on a task of its own.
pub struct ProgramRoom(Option<Counting>);

struct Counting {
    files: Arc<FileService>,
    path: VirtualPath,
    /// None as long as nothing is counted there.
    quota: OnceCell<ProgramQuota>,
}

impl FileService {
    /// A program that changes the files at `path` is about to run.
    pub async fn program_room(self: &Arc<Self>, path: &VirtualPath) -> Result<ProgramRoom, FileError> {
        let room = ProgramRoom(Some(Counting { files: self.clone(), path: path.clone(), quota: OnceCell::new() }));
        if let Some(counted) = self.counted(path) {
            room.moved(0).await?;
            let (used, QuotaLimits { size, files }) = (counted.ledger.used(), counted.limits);
            if (files > 0 && used.files > files) || (size > 0 && used.size >= size) {
                return Err(QuotaError::Exceeded.into());
            }
        }
        Ok(room)
    }
}

impl ProgramRoom {
    /// Bytes that may still be stored; none: no limit.
    pub fn bytes(&self) -> Option<u64> {
        let counting = self.0.as_ref()?;
        let limit = counting.limits().size;
        let used = counting.quota.get()?.used().size;
        (limit > 0).then(|| u64::try_from(limit.saturating_sub(used)).unwrap_or(0))
    }

    /// As it is now: an administrator may set a limit meanwhile.
    pub fn is_limited(&self) -> bool {
        self.0.as_ref().is_some_and(|counting| !counting.limits().is_unlimited())
    }

    /// Before more goes into the program; `total`: bytes since it began.
    pub async fn moved(&self, total: u64) -> Result<(), FileError> {
        let Some(counting) = &self.0 else { return Ok(()) };
        match counting.quota().await? {
            Some(quota) => Ok(quota.moved(total, counting.limits())?),
            None => Ok(()),
        }
    }

    /// Counts the files as they are now, and says whether they are within the limits.
    pub async fn recount(&self) -> Result<(), FileError> {
        let Some(counting) = &self.0 else { return Ok(()) };
        match counting.quota().await? {
            Some(quota) => {
                let tree = counting.files.scan_tree(&counting.path);
                Ok(quota.recount(&tree, counting.limits()).await?)
            }
            None => Ok(()),
        }
    }

    /// The program has ended: what it left is counted.
    pub async fn end(mut self) -> Result<(), FileError> {
        // On a task of its own: the count goes on when the client leaves meanwhile.
        let Some(counting) = self.0.take() else {
            return Ok(());
        };
        let counted = tokio::spawn(counting.end());
        counted.await.unwrap_or_else(|_| Err(FileError::Failed("the files could not be counted".into())))
    }
}

impl Drop for ProgramRoom {
    fn drop(&mut self) {
        let Some(counting) = self.0.take() else { return };
        tokio::spawn(async move {
            let path = counting.path.clone();
            if let Err(error) = counting.end().await {
                let message = format!("the files at \"{}\" could not be counted: {error}", path.display());
                tracing::warn!(sender = "quota", message);
            }
        });
    }
}

impl Counting {
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

    async fn end(self) -> Result<(), FileError> {
        // A limit may have been set since it last brought in something.
        self.quota().await?;
        if let Some(quota) = self.quota.into_inner() {
            quota.end(&self.files.scan_tree(&self.path)).await?;
        }
        Ok(())
    }
}
