//! Hooks that are WebAssembly components: an engine with limits, a directory that is
//! watched, and one adapter module for each track of the contract in `wit/`.

#![deny(missing_docs)]

mod background;
mod capability;
mod claimed_gates;
mod closing;
mod component_file;
mod componentize;
mod computing;
mod config_schema;
mod engine;
mod inspection;
mod limits;
mod loader;
#[cfg(test)]
mod loader_tests;
mod loading;
mod overview;
mod plain_exports;
mod plugin;
mod plugin_file;
mod served_gates;
mod settings;
mod signature;
mod v0_1;
mod wants;
mod watch;

pub use component_file::LoadError;
pub use componentize::{ComponentizeError, componentize};
pub use engine::EngineError;
pub use inspection::{Inspection, inspect, world};
pub use loader::{PluginDirectory, PluginPorts};
pub use overview::{ForgetError, PluginInfo};
pub use plugin::{NOT_LOADED, PluginHook};
pub use served_gates::{RecordError, ServedGates};
pub use settings::{Grant, Limits, PluginSettings, SecretSource, SettingsError};
pub use signature::{NAMESPACE, SignatureError, TrustedKeys, sign};
pub use v0_1::GuestEvent;
