//! What sessions did to files most recently, searched.

use std::sync::Arc;

use super::{Actor, AdminError, Audit, PAGE, UseCase};
use crate::file_history::{FileHistory, FileRecord, FileRecordFilter};

/// Use cases about what sessions did to files.
pub struct FileEventAdministration {
    /// What this server has kept.
    pub history: Arc<FileHistory>,
    /// Records refusals.
    pub audit: Audit,
}

impl FileEventAdministration {
    /// The newest records that match, the newest first, unless the filter wants the oldest; at most 500.
    ///
    /// # Errors
    /// The actor lacks `view_events`.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &FileRecordFilter,
        limit: u32,
    ) -> Result<Vec<Arc<FileRecord>>, AdminError> {
        self.audit.allow(actor, UseCase::ListFileEvents, "").await?;
        Ok(self.history.records(filter, usize::try_from(limit.min(PAGE)).unwrap_or(usize::MAX)))
    }
}
