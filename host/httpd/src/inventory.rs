//! What there is of hooks and plugins, as administrators' commands show it.

use serde::{Deserialize, Serialize};

/// One link of a hook point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookLinkView {
    pub hook: String,
    pub adapter: String,
    pub target: String,
    pub deadline_seconds: f64,
    pub on_error: String,
    pub limits: String,
    pub version: Option<String>,
    pub grants: Vec<String>,
    pub health: String,
}

/// A name in the plugin directory, or one that is missed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginView {
    pub name: String,
    pub sha256: Option<String>,
    pub hooks: Vec<String>,
    pub grants: Vec<String>,
    /// Gates that refuse because of it.
    pub closed_gates: Vec<String>,
    pub error: Option<String>,
}

pub trait HookInventory: Send + Sync {
    /// Of every point, in the order in which they are asked.
    fn links(&self) -> Vec<HookLinkView>;

    fn plugins(&self) -> Vec<PluginView>;

    /// Lets go of the gates that a plugin served; an error is a sentence.
    fn forget(&self, plugin: &str) -> Result<(), String>;
}
