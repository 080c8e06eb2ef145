//! Use cases about quota scans.

use std::sync::Arc;

use super::{Actor, AdminError, Audit, UseCase};
use crate::quota::{QuotaScans, ScanReport, Scope};

/// Use cases about quota scans.
pub struct ScanAdministration {
    /// Counts used quotas again.
    pub scans: Arc<QuotaScans>,
    /// Records scans.
    pub audit: Audit,
}

impl ScanAdministration {
    /// The scans under way: scope, files and directories counted so far.
    ///
    /// # Errors
    /// The actor lacks `quota_scans`.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<(Scope, u64, u64)>, AdminError> {
        self.audit.allow(actor, UseCase::ListScans, "").await?;
        Ok(self.scans.keeper.scans())
    }

    /// Counts the files of a scope again, and returns when the usage is stored (A10-06).
    ///
    /// # Errors
    /// The actor lacks `quota_scans`, another scan of the scope is under way, usages are not tracked, there is no
    /// such account or folder, or its files cannot be read.
    pub async fn scan(&self, actor: &Actor, scope: &Scope) -> Result<ScanReport, AdminError> {
        self.audit.allow(actor, UseCase::Scan, scope.name()).await?;
        let report = self.scans.scan(scope).await?;
        let (kind, name) = match scope {
            Scope::Account(name) => ("user", name),
            Scope::Folder(name) => ("folder", name),
        };
        let detail = format!("{} files, {} bytes", report.found.files, report.found.size);
        self.audit.done(actor, "scan", kind, name, detail).await;
        Ok(report)
    }
}
