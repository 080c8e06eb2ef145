//! Plugins.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListPlugins {}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plugins {
    pub plugins: Vec<Plugin>,
}

/// A plugin in the directory, or one that is missing there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plugin {
    pub name: String,
    pub sha256: Option<String>,
    pub hooks: Vec<String>,
    pub grants: Vec<String>,
    /// Gates that refuse because the plugin does not serve them.
    pub closed_gates: Vec<String>,
    pub error: Option<String>,
    /// The version of the contract that the component was made for, where it says one.
    pub contract: Option<String>,
    /// The fingerprint of the key that has signed the component; null: no signature is needed.
    pub signer: Option<String>,
    /// What the component imports.
    pub wants: Vec<PluginWant>,
}

/// What a component imports, and whether the operator has granted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginWant {
    /// In words.
    pub what: String,
    pub is_granted: bool,
}

/// Answered when everything in the plugin directory is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReloadPlugins {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetPlugin {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForgottenPlugin {
    pub forgotten: String,
}
