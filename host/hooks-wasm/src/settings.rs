//! What the operator says about a plugin: `plugins/NAME.toml`, or `[plugin.NAME]` in the
//! configuration.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// Something a plugin may do only if the operator says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Read the password that a client typed; every use is logged.
    Credentials,
}

impl Grant {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
        }
    }
}

/// Bounds on one plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// For a whole call.
    pub deadline_ms: u64,
    /// Of computing; waiting for the host costs nothing.
    pub cpu_ms: u64,
    pub memory_mib: usize,
    /// Calls under way at once.
    pub concurrency: usize,
    pub log_lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline_ms: 10_000, cpu_ms: 1_000, memory_mib: 64, concurrency: 32, log_lines: 200 }
    }
}

/// Largest values that a plugin's limits may have.
pub const MAX_MEMORY_MIB: usize = 512;
const MAX_DEADLINE_MS: u64 = 300_000;

impl Limits {
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginSettings {
    pub grants: Vec<Grant>,
    pub limits: Limits,
    /// Given to the plugin as it is.
    pub config: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl PluginSettings {
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        let settings: Self =
            toml::from_str(text).map_err(|error| SettingsError(error.to_string().trim().to_owned()))?;
        settings.check()
    }

    /// From a section of the server's configuration.
    pub fn from_value(value: Value) -> Result<Self, SettingsError> {
        let settings: Self = serde_json::from_value(value).map_err(|error| SettingsError(error.to_string()))?;
        settings.check()
    }

    pub fn grants(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }

    fn check(self) -> Result<Self, SettingsError> {
        let Limits { deadline_ms, cpu_ms, memory_mib, concurrency, .. } = self.limits;
        let problem = if !(1..=MAX_DEADLINE_MS).contains(&deadline_ms) {
            format!("limits.deadline_ms must be between 1 and {MAX_DEADLINE_MS}")
        } else if !(1..=MAX_DEADLINE_MS).contains(&cpu_ms) {
            format!("limits.cpu_ms must be between 1 and {MAX_DEADLINE_MS}")
        } else if !(1..=MAX_MEMORY_MIB).contains(&memory_mib) {
            format!("limits.memory_mib must be between 1 and {MAX_MEMORY_MIB}")
        } else if concurrency == 0 {
            "limits.concurrency must be at least 1".to_owned()
        } else {
            return Ok(self);
        };
        Err(SettingsError(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_checked() {
        let settings =
            PluginSettings::from_toml("grants = [\"credentials\"]\n[limits]\ncpu_ms = 50\n[config]\nusers = 1")
                .unwrap();
        assert!(settings.grants(Grant::Credentials));
        assert_eq!((settings.limits.cpu_ms, settings.limits.memory_mib), (50, 64));
        assert_eq!(settings.config, serde_json::json!({"users": 1}));
        for (text, expected) in [
            ("grants = [\"everything\"]", "everything"),
            ("[limits]\nmemory = 1", "memory"),
            ("[limits]\nmemory_mib = 100000", "limits.memory_mib"),
            ("limit = 1", "limit"),
        ] {
            let error = PluginSettings::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
