//! Hook points and plugins, as they are.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Actor, AdminError, AdminPermission, Audit};

/// One link of a hook point.
#[derive(Debug, Clone, PartialEq)]
pub struct HookLink {
    pub hook: &'static str,
    pub adapter: &'static str,
    pub target: String,
    pub deadline: Duration,
    pub on_error: &'static str,
    pub limits: String,
    pub version: Option<String>,
    pub grants: Vec<String>,
    pub health: String,
}

/// A name in the plugin directory, or one that is missed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginState {
    pub name: String,
    /// SHA-256 in hexadecimal; none: it is not loaded.
    pub digest: Option<String>,
    pub hooks: Vec<String>,
    pub grants: Vec<String>,
    /// Gates that refuse because of it.
    pub closed_gates: Vec<String>,
    pub error: Option<String>,
}

/// The hook points and plugins of a server; without one, those that a server would have that starts
/// now. Errors are sentences.
#[async_trait]
pub trait HookInventory: Send + Sync {
    /// Of every point, in the order in which they are asked.
    async fn links(&self) -> Result<Vec<HookLink>, String>;

    async fn plugins(&self) -> Result<Vec<PluginState>, String>;

    /// Lets go of the gates that a plugin served.
    async fn forget(&self, plugin: &str) -> Result<(), String>;
}

pub struct PluginAdministration {
    pub inventory: Arc<dyn HookInventory>,
    pub audit: Audit,
}

impl PluginAdministration {
    /// # Errors
    /// The actor may not, or plugins cannot be loaded.
    pub async fn links(&self, actor: &Actor) -> Result<Vec<HookLink>, AdminError> {
        actor.require(AdminPermission::ViewStatus)?;
        self.inventory.links().await.map_err(AdminError::Inventory)
    }

    /// # Errors
    /// The actor may not, or plugins cannot be loaded.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<PluginState>, AdminError> {
        actor.require(AdminPermission::ViewStatus)?;
        self.inventory.plugins().await.map_err(AdminError::Inventory)
    }

    /// Lets go of the gates that a plugin served, which refuse while its file is gone.
    ///
    /// # Errors
    /// The actor may not, or no gate waits for the plugin.
    pub async fn forget(&self, actor: &Actor, name: &str) -> Result<(), AdminError> {
        actor.require(AdminPermission::ManageSystem)?;
        self.inventory.forget(name).await.map_err(AdminError::NoPlugin)?;
        self.audit.done(actor, "forget", "plugin", name, String::new()).await;
        Ok(())
    }
}
