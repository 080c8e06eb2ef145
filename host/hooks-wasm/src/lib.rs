//! Hooks that are WebAssembly components: an engine with limits, a directory that is
//! watched, and one adapter module for each track of the contract in `wit/`.

mod capability;
mod component_file;
mod componentize;
mod computing;
mod engine;
mod inspection;
mod limits;
mod loader;
mod plugin;
mod settings;
mod signature;
mod v0_1;
mod watch;

pub use component_file::LoadError;
pub use componentize::{ComponentizeError, componentize};
pub use engine::EngineError;
pub use inspection::{Inspection, inspect, world};
pub use loader::{PluginDirectory, PluginInfo, PluginPorts};
pub use plugin::PluginHook;
pub use settings::{Grant, Limits, PluginSettings, SettingsError};
pub use signature::{NAMESPACE, SignatureError, TrustedKeys, sign};
pub use v0_1::GuestEvent;
