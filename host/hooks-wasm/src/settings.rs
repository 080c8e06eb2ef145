//! What the operator says about a plugin: `plugins/NAME.toml`, or `[plugin.NAME]` in the
//! configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tidegate_core::account::AccountRights;
use tidegate_core::secret::Secret;

use crate::capability::http_grant::HttpGrant;
use crate::engine;

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
    /// Make accounts whose files belong to users and groups of the system.
    SystemUsers,
    /// Mount shared folders in accounts.
    Folders,
    /// Put accounts into groups, and give them roles.
    Groups,
    /// Choose where accounts' files are kept.
    Filesystems,
    /// Read, replace and remove accounts' one-time codes and recovery codes.
    SecondFactors,
}

impl Grant {
    /// The name of the grant in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::StoragePaths => "storage-paths",
            Self::FileContents => "file-contents",
            Self::SystemUsers => "system-users",
            Self::Folders => "folders",
            Self::Groups => "groups",
            Self::Filesystems => "filesystems",
            Self::SecondFactors => "second-factors",
        }
    }
}

/// Bounds on one plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Time for a whole call, 1 to 300000.
    /// Unit: milliseconds
    pub deadline_ms: u64,
    /// Time of computing in a call, 1 to 300000; waiting for the server costs nothing.
    /// Unit: milliseconds
    pub cpu_ms: u64,
    /// Memory of an instance, 1 to 512.
    /// Unit: MiB
    pub memory_mib: usize,
    /// Calls under way at once, 1 to 256.
    pub concurrency: usize,
    /// Lines that a call may log, at most 100000.
    pub log_lines: usize,
    /// Where the instance of a call comes from; see below.
    pub instances: Instances,
    /// Instances that are made ahead of need, if they are `prepared`, or kept, if they are `warm`; 1 to 64.
    pub ready: usize,
}

/// Where the instance of a call comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instances {
    /// Used once. Exception: file operations of one session that follow each other without a pause
    /// share an instance of that session's own.
    #[default]
    Session,
    /// Used once; made when the call before is over, or for the call itself if that was not in time.
    Fresh,
    /// Used once; more of them are made ahead of need.
    Prepared,
    /// Used again and again for one account, for runtimes that take long to start. What one call
    /// leaves in memory, the next one of that account can read.
    Warm,
}

impl Instances {
    /// The name of the value in settings.
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

/// Largest `limits.memory_mib`.
pub const MAX_MEMORY_MIB: usize = 512;
const MAX_DEADLINE_MS: u64 = 300_000;
/// Largest `limits.ready`: each instance takes a place in the pool that all plugins share.
const MAX_READY: usize = 64;
/// Largest `limits.concurrency`: as many calls as all plugins together may have under way.
const MAX_CONCURRENCY: usize = 256;
const _: () = assert!(MAX_CONCURRENCY == engine::MAX_CALLS as usize);
const MAX_LOG_LINES: usize = 100_000;
/// One instance is enough where calls follow each other.
const READY_FOR_FRESH: usize = 1;

impl Limits {
    /// `deadline_ms` as a duration.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// How many instances to make ahead of need.
    pub fn ahead(&self) -> usize {
        match self.instances {
            Instances::Session | Instances::Fresh | Instances::Warm => READY_FOR_FRESH,
            Instances::Prepared => self.ready,
        }
    }

    /// `cpu_ms` as a duration.
    pub fn computing(&self) -> Duration {
        Duration::from_millis(self.cpu_ms)
    }
}

/// What the operator says about one plugin. Without any of it, a plugin has no network, no files and no
/// password, and makes and changes only the account that logs in.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginSettings {
    /// What it may do only because the operator says so; see below.
    pub grants: Vec<Grant>,
    /// The accounts that it may make and change: `own`, the one that logs in with a home that is no other
    /// account's, or `any`.
    pub accounts: Accounts,
    /// Roots below which it may place homes, beside `data_provider.homes`.
    pub homes: Vec<String>,
    /// Where it may send HTTP requests, such as `https://idp.example.com`. A pattern such as
    /// `https://*.example.com` does not include this machine's own addresses.
    pub http: Vec<HttpGrant>,
    /// Where it may send datagrams, as addresses with ports.
    pub udp: Vec<SocketAddr>,
    /// `[limits]`
    pub limits: Limits,
    /// The SHA-256 of the file that alone may be loaded, in hexadecimal.
    pub sha256: Option<String>,
    /// `[secrets]`: values that the plugin reads by name. Each is a text, `{ file = "PATH" }` or
    /// `{ env = "NAME" }`.
    pub secrets: BTreeMap<String, SecretSource>,
    /// `[config]`: given to the plugin as it is.
    pub config: Value,
}

/// The accounts that an answer of the plugin may make and change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accounts {
    /// The account that logs in, with a home that is no other account's.
    #[default]
    Own,
    /// Every account.
    Any,
}

/// Where the value of a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum SecretSource {
    /// The value itself, in the settings.
    Value(String),
    /// The content of a file, without the newline at its end.
    File {
        /// The path of the file.
        file: PathBuf,
    },
    /// The value of a variable of the server's environment.
    Environment {
        /// The name of the variable.
        env: String,
    },
}

impl SecretSource {
    /// Reads the value as it is now.
    ///
    /// # Errors
    /// Why the file or the variable cannot be read, in words.
    pub fn read(&self) -> Result<Secret, String> {
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

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl PluginSettings {
    /// Reads the text of a file `NAME.toml`.
    ///
    /// # Errors
    /// If the text is not TOML, has an unknown key, or a value is out of bounds.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        let settings: Self =
            toml::from_str(text).map_err(|error| SettingsError(error.to_string().trim().to_owned()))?;
        settings.check()
    }

    /// Reads a section of the server's configuration.
    ///
    /// # Errors
    /// As for [`Self::from_toml`].
    pub fn from_value(value: Value) -> Result<Self, SettingsError> {
        let settings: Self = serde_json::from_value(value).map_err(|error| SettingsError(error.to_string()))?;
        settings.check()
    }

    /// Whether the operator gave this grant to the plugin.
    pub fn grants(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }

    /// What the plugin's answers may make of accounts.
    pub fn account_rights(&self) -> AccountRights {
        AccountRights {
            is_bound: true,
            any_account: self.accounts == Accounts::Any,
            homes: self.homes.iter().map(|root| root.trim_end_matches('/').to_owned()).collect(),
            system_users: self.grants(Grant::SystemUsers),
            folders: self.grants(Grant::Folders),
            groups: self.grants(Grant::Groups),
            filesystems: self.grants(Grant::Filesystems),
            second_factors: self.grants(Grant::SecondFactors),
        }
    }

    /// The names of everything that the plugin was given beyond the defaults.
    pub fn grant_names(&self) -> Vec<String> {
        let accounts = (self.accounts == Accounts::Any).then(|| "accounts:any".to_owned());
        let homes = self.homes.iter().map(|root| format!("home:{root}"));
        let grants = self.grants.iter().map(|grant| grant.as_str().to_owned()).chain(accounts).chain(homes);
        let secrets = self.secrets.keys().map(|name| format!("secret:{name}"));
        let datagrams = self.udp.iter().map(|address| format!("udp://{address}"));
        grants.chain(self.http.iter().map(ToString::to_string)).chain(datagrams).chain(secrets).collect()
    }

    /// Whether calls may wait for a network.
    pub fn may_wait(&self) -> bool {
        !self.http.is_empty() || !self.udp.is_empty()
    }

    /// Reads the values of all secrets.
    ///
    /// # Errors
    /// If a file or a variable of the environment cannot be read.
    pub fn read_secrets(&self) -> Result<BTreeMap<String, Secret>, SettingsError> {
        let read = |(name, source): (&String, &SecretSource)| match source.read() {
            Ok(secret) => Ok((name.clone(), secret)),
            Err(problem) => Err(SettingsError(format!("secrets.{name}: {problem}"))),
        };
        self.secrets.iter().map(read).collect()
    }

    fn check(self) -> Result<Self, SettingsError> {
        let Limits { deadline_ms, cpu_ms, memory_mib, concurrency, log_lines, ready, .. } = self.limits;
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let bounds = [
            ("deadline_ms", deadline_ms, 1, MAX_DEADLINE_MS),
            ("cpu_ms", cpu_ms, 1, MAX_DEADLINE_MS),
            ("memory_mib", wide(memory_mib), 1, wide(MAX_MEMORY_MIB)),
            ("concurrency", wide(concurrency), 1, wide(MAX_CONCURRENCY)),
            ("log_lines", wide(log_lines), 0, wide(MAX_LOG_LINES)),
            ("ready", wide(ready), 1, wide(MAX_READY)),
        ];
        match bounds.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, value, least, most)) => {
                Err(SettingsError(format!("limits.{name} is {value}; it must be between {least} and {most}")))
            }
            None => match self.homes.iter().find(|root| !is_root(root)) {
                Some(root) => Err(SettingsError(format!(
                    "homes: \"{root}\" must be an absolute path without \"..\", and not the whole file system"
                ))),
                None => Ok(self),
            },
        }
    }

    /// Whether a grant of `other` is missing here, or another SHA-256 is required.
    pub fn takes_back_from(&self, other: &Self) -> bool {
        let granted = self.grant_names();
        let is_pinned_anew = self.sha256 != other.sha256 && self.sha256.is_some();
        is_pinned_anew || other.grant_names().iter().any(|name| !granted.contains(name))
    }
}

/// Whether a path can have homes below it.
fn is_root(root: &str) -> bool {
    let climbs = root.contains('\0') || root.split('/').any(|component| component == "..");
    root.starts_with('/') && !climbs && !root.trim_matches('/').is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_on_accounts_are_grants() {
        // G-05
        let rights = |text: &str| PluginSettings::from_toml(text).unwrap().account_rights();
        assert_eq!(rights(""), AccountRights::bound());
        let all = "grants = [\"system-users\", \"folders\", \"groups\", \"filesystems\", \"second-factors\"]\n\
                   accounts = \"any\"\nhomes = [\"/srv/x/\"]";
        let expected = AccountRights {
            is_bound: true,
            any_account: true,
            homes: vec!["/srv/x".to_owned()],
            system_users: true,
            folders: true,
            groups: true,
            filesystems: true,
            second_factors: true,
        };
        assert_eq!(rights(all), expected);
        let mut named = AccountRights { any_account: true, homes: expected.homes.clone(), ..AccountRights::bound() };
        AccountRights::GRANTS.iter().for_each(|grant| *named.member(grant).unwrap() = true);
        assert_eq!(named, expected);
    }

    #[test]
    fn settings_are_read_and_checked() {
        // G-05
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
            ("accounts = \"all\"", "all"),
            ("homes = [\"srv\"]", "homes"),
            ("homes = [\"/\"]", "homes"),
            ("homes = [\"/srv/../etc\"]", "homes"),
        ] {
            let error = PluginSettings::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn every_limit_has_bounds() {
        for (name, least, most) in [
            ("deadline_ms", 1, 300_000),
            ("cpu_ms", 1, 300_000),
            ("memory_mib", 1, 512),
            ("concurrency", 1, 256),
            ("log_lines", 0, 100_000),
            ("ready", 1, 64),
        ] {
            let with = |value: &str| PluginSettings::from_toml(&format!("[limits]\n{name} = {value}\n"));
            for good in [least, most] {
                with(&i64::to_string(&good)).unwrap();
            }
            let (below, above) = ((least - 1).to_string(), (most + 1).to_string());
            for bad in [&below, &above, "-5", "9223372036854775807", "18446744073709551615", "99999999999999999999"] {
                let error = with(bad).unwrap_err().to_string();
                assert!(error.contains(name), "{name} = {bad}: {error}");
            }
        }
        let error = PluginSettings::from_toml("[limits]\nconcurrency = 300").unwrap_err().to_string();
        assert_eq!(error, "limits.concurrency is 300; it must be between 1 and 256");
    }

    #[test]
    fn what_is_taken_back_is_noticed() {
        let check = |before: &str, after: &str, expected: bool| {
            let [before, after] = [before, after].map(|text| PluginSettings::from_toml(text).unwrap());
            assert_eq!(after.takes_back_from(&before), expected, "{before:?} {after:?}");
        };
        check("", "", false);
        check("", "grants = [\"credentials\"]", false);
        check("grants = [\"credentials\"]", "", true);
        check("grants = [\"credentials\", \"storage-paths\"]", "grants = [\"storage-paths\"]", true);
        check("http = [\"https://a.example\"]", "http = [\"https://b.example\"]", true);
        check("udp = [\"192.0.2.1:514\"]", "", true);
        check("[secrets]\ntoken = \"a\"", "", true);
        check("[secrets]\ntoken = \"a\"", "[secrets]\ntoken = \"b\"", false);
        check("[limits]\ncpu_ms = 5", "[limits]\ncpu_ms = 6", false);
        check("", "sha256 = \"00\"", true);
        check("sha256 = \"00\"", "", false);
    }
}
