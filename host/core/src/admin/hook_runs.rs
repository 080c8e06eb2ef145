//! The records of hook calls.

use std::sync::Arc;

use super::{Actor, AdminError, AdminPermission};
use crate::ports::{HookCounter, HookRunStore, RunFilter, StoredRun};

pub struct HookRunAdministration {
    pub runs: Arc<dyn HookRunStore>,
}

impl HookRunAdministration {
    /// The newest that match, oldest first.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
    pub async fn list(&self, actor: &Actor, filter: RunFilter) -> Result<Vec<StoredRun>, AdminError> {
        actor.require(AdminPermission::ViewEvents)?;
        Ok(self.runs.runs(filter).await?)
    }

    /// # Errors
    /// The actor may not, there is no such record, or the store fails.
    pub async fn show(&self, actor: &Actor, id: i64) -> Result<StoredRun, AdminError> {
        actor.require(AdminPermission::ViewEvents)?;
        self.runs.run(id).await?.ok_or(AdminError::NoHookRun(id))
    }

    /// All calls, by hook, version and outcome.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
    pub async fn counters(&self, actor: &Actor) -> Result<Vec<HookCounter>, AdminError> {
        actor.require(AdminPermission::ViewEvents)?;
        Ok(self.runs.counters().await?)
    }
}
