//! What the operator says about a plugin: `plugins/NAME.toml`, or `[plugin.NAME]` in the
//! configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tidegate_core::secret::Secret;

use crate::capability::http_grant::HttpGrant;

/// Something a plugin may do only if the operator says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Read the password that a client typed; every use is logged.
    Credentials,
    /// See where the storage keeps a file.
    StoragePaths,
    /// Read the beginning of a file that an action is about.
    FileContents,
}

impl Grant {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::StoragePaths => "storage-paths",
            Self::FileContents => "file-contents",
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
    pub instances: Instances,
    /// Instances that are kept ready, if they are prepared or warm.
    pub ready: usize,
}

/// Where the instance of a call comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instances {
    /// Used once, but that the file operations of a session follow each other on one of its own,
    /// while they come without a pause.
    #[default]
    Session,
    /// Used once; made when the call before is over, or if that was not in time, for the call.
    Fresh,
    /// Used once; more of them are made ahead of need.
    Prepared,
    /// Used again and again, for runtimes that take long to start. What one call leaves in
    /// memory, the next one can read.
    Warm,
}

impl Instances {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Fresh => "fresh",
            Self::Prepared => "prepared",
            Self::Warm => "warm",
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline_ms: 10_000,
            cpu_ms: 1_000,
            memory_mib: 64,
            concurrency: 64,
            log_lines: 200,
            instances: Instances::Session,
            ready: 16,
        }
    }
}

/// Largest values that a plugin's limits may have.
pub const MAX_MEMORY_MIB: usize = 512;
const MAX_DEADLINE_MS: u64 = 300_000;
/// Each takes a place in the pool that all plugins share.
const MAX_READY: usize = 64;
/// For calls that follow each other.
const READY_FOR_FRESH: usize = 1;

impl Limits {
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// Instances to have before they are called for.
    pub fn ahead(&self) -> usize {
        match self.instances {
            Instances::Session | Instances::Fresh => READY_FOR_FRESH,
            Instances::Prepared | Instances::Warm => self.ready,
        }
    }

    pub fn computing(&self) -> Duration {
        Duration::from_millis(self.cpu_ms)
    }
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginSettings {
    pub grants: Vec<Grant>,
    /// Where it may send HTTP requests.
    pub http: Vec<HttpGrant>,
    /// Where it may send datagrams, as addresses with ports.
    pub udp: Vec<SocketAddr>,
    pub limits: Limits,
    /// Of the file that alone may be loaded, in hexadecimal.
    pub sha256: Option<String>,
    /// Given to the plugin by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Given to the plugin as it is.
    pub config: Value,
}

/// Where the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum SecretSource {
    /// In the settings themselves.
    Value(String),
    /// In a file, without the newline at its end.
    File { file: PathBuf },
    /// In a variable of the server's environment.
    Environment { env: String },
}

impl SecretSource {
    fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Value(text) => Ok(Secret::new(text.as_str())),
            Self::File { file } => match std::fs::read_to_string(file) {
                Ok(text) => Ok(Secret::new(text.trim_end_matches(['\n', '\r']))),
                Err(error) => Err(format!("the file {} cannot be read: {error}", file.display())),
            },
            Self::Environment { env } => std::env::var(env)
                .map(Secret::new)
                .map_err(|error| format!("the variable {env} cannot be read: {error}")),
        }
    }
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

    /// Everything that the plugin was given beyond what all have.
    pub fn grant_names(&self) -> Vec<String> {
        let grants = self.grants.iter().map(|grant| grant.as_str().to_owned());
        let secrets = self.secrets.keys().map(|name| format!("secret:{name}"));
        let datagrams = self.udp.iter().map(|address| format!("udp://{address}"));
        grants.chain(self.http.iter().map(ToString::to_string)).chain(datagrams).chain(secrets).collect()
    }

    /// The values of all secrets.
    pub fn read_secrets(&self) -> Result<BTreeMap<String, Secret>, SettingsError> {
        let read = |(name, source): (&String, &SecretSource)| match source.read() {
            Ok(secret) => Ok((name.clone(), secret)),
            Err(problem) => Err(SettingsError(format!("secrets.{name}: {problem}"))),
        };
        self.secrets.iter().map(read).collect()
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
        } else if !(1..=MAX_READY).contains(&self.limits.ready) {
            format!("limits.ready must be between 1 and {MAX_READY}")
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
