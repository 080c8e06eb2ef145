//! The configuration: the older server's sections and keys, and ours. Read from a file in
//! any of six formats, overridden by the environment, checked as a whole.

mod account_rights;
mod commands;
mod database;
mod environment;
mod flag;
mod format;
mod homes;
mod hooks;
mod http;
mod known;
mod legacy_hooks;
mod legacy_keys;
mod location;
mod network;
mod selectors;
pub mod settings;
mod synchronous;
mod transport;
mod unique;
mod validate;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use commands::{Command, CommandOverride};
pub use location::other_directories;
pub use settings::Settings;

/// As written. Names and defaults are those of the older server (A3).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub sftpd: Sftpd,
    pub common: Common,
    pub data_provider: DataProvider,
    pub httpd: Httpd,
    pub command: Command,
    pub http: Http,
    /// The era whose rules hold where eras differ (section J): `seed`, `1.0`, `2.0`, `2.4` or
    /// `current`; empty means `seed`.
    pub compat: String,
    pub plugins: Plugins,
    /// `[plugin.NAME]`
    pub plugin: Map<String, Value>,
    /// `[hook.KIND]`
    pub hook: Map<String, Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Sftpd {
    pub bind_port: u16,
    pub bind_address: String,
    /// Minutes; 0: none.
    pub idle_timeout: u32,
    /// Negative: unlimited; 0: six.
    pub max_auth_tries: i32,
    /// Octal.
    #[serde(deserialize_with = "octal_text")]
    pub umask: String,
    /// What follows `SSH-2.0-`.
    pub banner: String,
    pub upload_mode: i32,
    pub actions: Actions,
    pub keys: Vec<HostKey>,
    pub enable_scp: bool,
    /// `modern`, `compatible` or `legacy`; the lists below replace its lists.
    pub algorithms: String,
    pub kex_algorithms: Vec<String>,
    pub ciphers: Vec<String>,
    pub macs: Vec<String>,
    /// Whether a client gets the cipher that the server likes best of those it offers.
    pub prefer_fast_ciphers: bool,
    pub login_banner_file: String,
    pub setstat_mode: i32,
    pub enabled_ssh_commands: Vec<String>,
    pub keyboard_interactive_auth_program: String,
    pub keyboard_interactive_auth_hook: HookValue,
    /// Whether the method is offered; left out: where a program, a web server or a plugin talks with
    /// users. What a second factor needs is always there.
    #[serde(deserialize_with = "flag::optional")]
    pub keyboard_interactive_authentication: Option<bool>,
    /// Connections that have not logged in; more evict the oldest.
    pub max_half_open: usize,
    pub max_channels: usize,
}

impl Default for Sftpd {
    fn default() -> Self {
        Self {
            bind_port: 2022,
            bind_address: String::new(),
            idle_timeout: 15,
            max_auth_tries: 0,
            umask: "0022".to_owned(),
            banner: String::new(),
            upload_mode: 0,
            actions: Actions::default(),
            keys: Vec::new(),
            enable_scp: false,
            algorithms: "compatible".to_owned(),
            kex_algorithms: Vec::new(),
            ciphers: Vec::new(),
            macs: Vec::new(),
            prefer_fast_ciphers: true,
            login_banner_file: String::new(),
            setstat_mode: 0,
            enabled_ssh_commands: ["md5sum", "sha1sum", "cd", "pwd"].map(str::to_owned).to_vec(),
            keyboard_interactive_auth_program: String::new(),
            keyboard_interactive_auth_hook: HookValue::default(),
            keyboard_interactive_authentication: None,
            max_half_open: 512,
            max_channels: 64,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Actions {
    pub execute_on: Vec<String>,
    /// Of objects; empty means none, but users in the eras that had no such list (B11-04).
    pub execute_for: Vec<String>,
    /// Actions that wait for the hook.
    pub execute_sync: Vec<String>,
    pub command: String,
    pub http_notification_url: String,
    pub hook: HookValue,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostKey {
    pub private_key: PathBuf,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Common {
    /// Seconds that running transfers get when the server stops.
    pub grace_time: u64,
    /// The zone of access times: empty for UTC, or `local`.
    pub tz: String,
    /// 0: no PROXY protocol; 1: headers are read; 2: they are needed.
    pub proxy_protocol: i32,
    /// Networks or addresses of the proxies; empty: anybody.
    pub proxy_allowed: Vec<String>,
    /// Among them, those that send no header.
    pub proxy_skipped: Vec<String>,
    /// 0: unlimited, here and below.
    pub max_total_connections: usize,
    pub max_per_host_connections: usize,
    /// Later eras have these here; set, they win over those of `sftpd`.
    pub idle_timeout: Option<u32>,
    pub upload_mode: Option<i32>,
    pub setstat_mode: Option<i32>,
    #[serde(deserialize_with = "text_or_number")]
    pub umask: Option<String>,
    pub actions: Actions,
    pub post_connect_hook: HookValue,
    pub post_disconnect_hook: HookValue,
    pub startup_hook: HookValue,
}

/// Digits look like a number to some formats, and `0022` like one with a point to YAML.
fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    use serde::de::Error;
    let whole = |number: &serde_json::Number| number.as_f64().filter(|number| number.fract() == 0.0);
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => {
            Ok(Some(whole(&number).map_or_else(|| number.to_string(), |number| number.to_string())))
        }
        _ => Err(D::Error::custom("expected an octal number as a text")),
    }
}

fn octal_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_or_number(deserializer).map(Option::unwrap_or_default)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct DataProvider {
    pub driver: String,
    pub name: String,
    pub host: String,
    pub port: u16,
    pub username: String,
    pub password: String,
    pub sslmode: i32,
    pub connection_string: String,
    pub connectionstring: String,
    pub users_table: String,
    pub manage_users: i32,
    pub track_quota: i32,
    pub pool_size: i32,
    pub users_base_dir: String,
    /// Roots below which plugins may place homes; empty: `users_base_dir`, and without that
    /// anywhere but in the system's directories and the server's own.
    pub homes: Vec<String>,
    pub actions: Actions,
    pub external_auth_program: String,
    pub external_auth_hook: HookValue,
    pub external_auth_scope: i32,
    pub pre_login_program: String,
    pub pre_login_hook: HookValue,
    pub post_login_hook: HookValue,
    pub post_login_scope: i32,
    pub check_password_hook: HookValue,
    pub check_password_scope: i32,
}

impl Default for DataProvider {
    fn default() -> Self {
        Self {
            driver: "sqlite".to_owned(),
            name: "tidegate.db".to_owned(),
            host: String::new(),
            port: 5432,
            username: String::new(),
            password: String::new(),
            sslmode: 0,
            connection_string: String::new(),
            connectionstring: String::new(),
            users_table: "users".to_owned(),
            manage_users: 1,
            track_quota: 2,
            pool_size: 0,
            users_base_dir: String::new(),
            homes: Vec::new(),
            actions: Actions::default(),
            external_auth_program: String::new(),
            external_auth_hook: HookValue::default(),
            external_auth_scope: 0,
            pre_login_program: String::new(),
            pre_login_hook: HookValue::default(),
            post_login_hook: HookValue::default(),
            post_login_scope: 0,
            check_password_hook: HookValue::default(),
            check_password_scope: 0,
        }
    }
}

/// Serves `/metrics`. The REST API is not part of this version; its keys are accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Httpd {
    /// 0: none; -1: any; not set: 8080, if it is free.
    pub bind_port: Option<i32>,
    pub bind_address: String,
    pub templates_path: String,
    pub static_files_path: String,
    pub backups_path: String,
}

impl Default for Httpd {
    fn default() -> Self {
        Self {
            bind_port: None,
            bind_address: "127.0.0.1".to_owned(),
            templates_path: "templates".to_owned(),
            static_files_path: "static".to_owned(),
            backups_path: "backups".to_owned(),
        }
    }
}

/// The client of all HTTP hooks (B0-08).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Seconds.
    pub timeout: f64,
    pub retry_wait_min: u64,
    pub retry_wait_max: u64,
    pub retry_max: u32,
    pub ca_certificates: Vec<PathBuf>,
    pub certificates: Vec<HttpCertificate>,
    pub skip_tls_verify: bool,
    pub headers: Vec<HttpHeader>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            timeout: 20.0,
            retry_wait_min: 2,
            retry_wait_max: 30,
            retry_max: 3,
            ca_certificates: Vec::new(),
            certificates: Vec::new(),
            skip_tls_verify: false,
            headers: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpCertificate {
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpHeader {
    pub key: String,
    pub value: String,
    /// Beginning of the URLs that it is for; empty: all.
    pub url: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Plugins {
    /// Relative to the configuration directory.
    pub directory: PathBuf,
    /// Public keys (ed25519, one line each). With any, only what one of them signed is loaded.
    pub trusted_keys: Vec<String>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self { directory: PathBuf::from("plugins"), trusted_keys: Vec::new() }
    }
}

/// One hook or a chain of them. Each is a program's path, a URL, or `plugin:NAME`; or a
/// table with such a `hook` and what differs for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HookValue {
    One(String),
    Table(Map<String, Value>),
    Chain(Vec<HookEntry>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HookEntry {
    Text(String),
    Table(Map<String, Value>),
}

impl Default for HookValue {
    fn default() -> Self {
        Self::One(String::new())
    }
}

impl HookValue {
    pub fn entries(&self) -> Vec<HookEntry> {
        let entries = match self {
            Self::One(link) => vec![HookEntry::Text(link.clone())],
            Self::Table(table) => vec![HookEntry::Table(table.clone())],
            Self::Chain(links) => links.clone(),
        };
        let is_set = |entry: &HookEntry| !matches!(entry, HookEntry::Text(text) if text.trim().is_empty());
        entries.into_iter().filter(is_set).collect()
    }
}

/// Where a configuration comes from, for messages.
#[derive(Debug, Clone)]
pub struct Source {
    /// None: no file, only defaults and the environment.
    pub path: Option<PathBuf>,
    text: String,
}

impl Source {
    /// Whether the key stands there with digits that say that they are octal: as a number, they have
    /// lost that.
    fn is_octal_number(&self, key: &str) -> bool {
        let line = known::line_of(&self.text, key).and_then(|number| self.text.lines().nth(number - 1));
        line.is_some_and(|line| !line.contains(['"', '\'']) && line.contains("0o"))
    }

    /// `FILE, line N, key "KEY"`
    pub fn place(&self, key: &str) -> String {
        let Some(path) = &self.path else {
            return format!("key \"{key}\"");
        };
        match known::line_of(&self.text, key) {
            Some(line) => format!("{}, line {line}, key \"{key}\"", path.display()),
            None => format!("{}, key \"{key}\"", path.display()),
        }
    }
}

/// Everything that is wrong, one sentence each.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// What was read, before it is validated.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub source: Source,
    /// Unknown keys, as sentences; errors unless the operator is lenient.
    pub unknown: Vec<String>,
    /// What else the operator should know: where the file was found, and what of it is not used.
    pub notes: Vec<String>,
}

impl Loaded {
    /// A configuration made by the program itself.
    pub fn from_config(config: Config) -> Self {
        let source = Source { path: None, text: String::new() };
        Self { config, source, unknown: Vec::new(), notes: Vec::new() }
    }

    /// `directories`: the configuration directory, then others in which the file may be. `file`: a name
    /// without extension, or a path with one.
    pub fn read(
        directories: &[PathBuf],
        file: Option<&str>,
        environment: &[(String, String)],
    ) -> Result<Self, ConfigErrors> {
        let one = |problem: String| ConfigErrors(vec![problem]);
        let defaults = serde_json::to_value(Config::default()).map_err(|error| one(error.to_string()))?;
        let location::Found { path, mut notes } = location::find(directories, file).map_err(one)?;
        let (source, mut value) = match path {
            None => (Source { path: None, text: String::new() }, Value::Object(Map::new())),
            Some(path) => {
                let (text, value) = format::read(&path, &defaults).map_err(one)?;
                (Source { path: Some(path), text }, value)
            }
        };
        let variables = environment::apply(&mut value, &defaults, environment).map_err(one)?;
        notes.extend(variables.warnings);
        let older = legacy_keys::translate(&mut value, &defaults);
        let say = |(key, text): (String, String)| format!("{}: {text}", source.place(&key));
        notes.extend(older.ignored.into_iter().map(say));
        let mut unknown: Vec<_> = older.refused.into_iter().map(say).collect();
        unknown.extend(variables.unknown);
        let others = known::unknown_keys(&value, &defaults);
        unknown.extend(others.into_iter().map(|unknown| say((unknown.key, unknown.advice))));
        let config = serde_path_to_error::deserialize(value)
            .map_err(|error| one(format!("{}: {}", source.place(&error.path().to_string()), error.inner())))?;
        Ok(Self { config, source, unknown, notes })
    }

    /// The whole check. `lenient`: unknown keys are only warned of.
    pub fn validate(&self, directory: &Path, lenient: bool) -> Result<Settings, ConfigErrors> {
        let mut problems = if lenient { Vec::new() } else { self.unknown.clone() };
        match validate::settings(&self.config, &self.source, directory) {
            Ok(settings) if problems.is_empty() => Ok(settings),
            Ok(_) => Err(ConfigErrors(problems)),
            Err(ConfigErrors(more)) => {
                problems.extend(more);
                Err(ConfigErrors(problems))
            }
        }
    }
}

#[cfg(test)]
mod hook_tests;
#[cfg(test)]
mod link_tests;
#[cfg(test)]
mod tests;
