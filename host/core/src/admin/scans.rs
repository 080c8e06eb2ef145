//! Use cases about quota scans.

use std::sync::Arc;

use super::{Actor, AdminError, Audit, UseCase};
use crate::ports::StoreError;
use crate::quota::{NewUsage, QuotaScans, RunningScan, ScanReport, Scope, StartedScan};

/// Use cases about quota scans.
pub struct ScanAdministration {
    /// Counts used quotas again.
    pub scans: Arc<QuotaScans>,
    /// Records scans.
    pub audit: Audit,
}

impl ScanAdministration {
    /// The scans under way.
    ///
    /// # Errors
    /// The actor lacks `quota_scans`.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<RunningScan>, AdminError> {
        self.audit.allow(actor, UseCase::ListScans, "").await?;
        Ok(self.scans.keeper.scans())
    }

    /// Counts the files of a scope again, and returns when the usage is stored (A10-06).
    ///
    /// # Errors
    /// The actor lacks `quota_scans`, another scan of the scope is under way, usages are not tracked, there is no
    /// such account or folder, or its files cannot be read.
    pub async fn scan(&self, actor: &Actor, scope: &Scope) -> Result<ScanReport, AdminError> {
        let started = self.begin(actor, scope).await?;
        self.finish(actor, started).await
    }

    /// Begins a scan, which is under way until [`finish`](Self::finish) has returned.
    ///
    /// # Errors
    /// The actor lacks `quota_scans`, another scan of the scope is under way, usages are not tracked, or there is
    /// no such account or folder.
    pub async fn begin(&self, actor: &Actor, scope: &Scope) -> Result<StartedScan, AdminError> {
        self.audit.allow(actor, UseCase::Scan, scope.name()).await?;
        Ok(self.scans.begin(scope).await?)
    }

    /// Counts the files of a scan that has begun.
    ///
    /// # Errors
    /// The files cannot be read, or the store fails.
    pub async fn finish(&self, actor: &Actor, started: StartedScan) -> Result<ScanReport, AdminError> {
        let report = self.scans.finish(started).await?;
        self.note(actor, "scan", &report).await;
        Ok(report)
    }

    /// Replaces the usage of an account or folder, or adds to it, without counting files.
    ///
    /// # Errors
    /// The actor lacks `quota_scans`, the usage is below 0, a scan of the scope is under way, usages are not tracked,
    /// there is no such account or folder, or the store fails.
    pub async fn set_usage(&self, actor: &Actor, scope: &Scope, usage: NewUsage) -> Result<ScanReport, AdminError> {
        self.audit.allow(actor, UseCase::SetUsage, scope.name()).await?;
        if matches!(&usage, NewUsage::Is(usage) if usage.size < 0 || usage.files < 0) {
            return Err(StoreError::Refused("a usage is not below 0".to_owned()).into());
        }
        let report = self.scans.set_usage(scope, usage).await?;
        self.note(actor, "set-usage", &report).await;
        Ok(report)
    }

    async fn note(&self, actor: &Actor, action: &str, report: &ScanReport) {
        let detail = format!("{} files, {} bytes", report.found.files, report.found.size);
        self.audit.done(actor, action, report.scope.collection().kind, report.scope.name(), detail).await;
    }
}
