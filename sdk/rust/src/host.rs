//! What the server offers to hooks. The same functions exist in a component and in a native test.

/// The table `config` of the plugin's settings.
pub mod config {
    #[cfg(target_family = "wasm")]
    pub use crate::bindings::host::tidegate::hooks::config::{get, to_json};
    #[cfg(not(target_family = "wasm"))]
    pub use crate::testing::host::{config as get, config_json as to_json};
}

/// A small store of the plugin's own, kept over restarts and upgrades of the server.
pub mod kv {
    pub use crate::bindings::host::tidegate::hooks::kv::KvError;
    #[cfg(target_family = "wasm")]
    pub use crate::bindings::host::tidegate::hooks::kv::{compare_and_set, delete, get, increment, list_keys, set};
    #[cfg(not(target_family = "wasm"))]
    pub use crate::testing::host::{compare_and_set, delete, get, increment, list_keys, set};
}

/// Lines of the server's log, under the plugin's name.
pub mod log {
    pub use crate::bindings::host::tidegate::hooks::log::Level;
    #[cfg(target_family = "wasm")]
    pub use crate::bindings::host::tidegate::hooks::log::log;
    #[cfg(not(target_family = "wasm"))]
    pub use crate::testing::host::log;

    /// Logs a message at the level `debug`.
    pub fn debug(message: &str) {
        log(Level::Debug, message, &[]);
    }

    /// Logs a message at the level `info`.
    pub fn info(message: &str) {
        log(Level::Info, message, &[]);
    }

    /// Logs a message at the level `warn`.
    pub fn warn(message: &str) {
        log(Level::Warn, message, &[]);
    }

    /// Logs a message at the level `error`.
    pub fn error(message: &str) {
        log(Level::Error, message, &[]);
    }
}

/// Secrets that the operator gave to this plugin by name.
pub mod secrets {
    #[cfg(target_family = "wasm")]
    pub use crate::bindings::host::tidegate::hooks::secrets::get;
    #[cfg(not(target_family = "wasm"))]
    pub use crate::testing::host::secret as get;
}
