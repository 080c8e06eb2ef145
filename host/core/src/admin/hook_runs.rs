//! Use cases about the records of hook calls.

use std::sync::Arc;

use super::{Actor, AdminError, AdminPermission};
use crate::ports::{HookCounter, HookRunStore, RunFilter, StoredRun};

/// Use cases about the records of hook calls.
pub struct HookRunAdministration {
    /// The store with the records.
    pub runs: Arc<dyn HookRunStore>,
}

impl HookRunAdministration {
    /// The newest records that match, the oldest of them first.
    ///
    /// # Errors
    /// The actor lacks `view_events`, or the store fails.
    pub async fn list(&self, actor: &Actor, filter: RunFilter) -> Result<Vec<StoredRun>, AdminError> {
        actor.require(AdminPermission::ViewEvents)?;
        Ok(self.runs.runs(filter).await?)
    }

    /// The record of one call.
    ///
    /// # Errors
    /// The actor lacks `view_events`, there is no such record, or the store fails.
    pub async fn show(&self, actor: &Actor, id: i64) -> Result<StoredRun, AdminError> {
        actor.require(AdminPermission::ViewEvents)?;
        self.runs.run(id).await?.ok_or(AdminError::NoHookRun(id))
    }

    /// The number of all calls, by hook, version and outcome.
    ///
    /// # Errors
    /// The actor lacks `view_events`, or the store fails.
    pub async fn counters(&self, actor: &Actor) -> Result<Vec<HookCounter>, AdminError> {
        actor.require(AdminPermission::ViewEvents)?;
        Ok(self.runs.counters().await?)
    }
}
