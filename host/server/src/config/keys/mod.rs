//! The configuration as it is written: the older server's sections and keys, and ours. Names and
//! defaults are those of the older server (A3).
//!
//! `host/docs/configuration.md` is made of the comments on keys. Lines `Unit: …` and `Old name: …`
//! become columns of their own.

mod data_provider;
mod defender;
mod hook;
mod http;
mod sftpd;
mod tracing;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::commands::Command;
pub use data_provider::DataProvider;
pub use defender::{Defender, RateLimiter};
pub use hook::{Section, section_defaults};
pub use http::{Http, HttpBinding, HttpCertificate, HttpHeader, Httpd};
pub use sftpd::{Common, HostKey, Sftpd};
pub use tracing::Tracing;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub sftpd: Sftpd,
    pub common: Common,
    pub data_provider: DataProvider,
    pub httpd: Httpd,
    pub command: Command,
    pub http: Http,
    /// The era whose rules hold where eras of the older server differ: `seed`, `1.0`, `2.0`, `2.4`
    /// or `current`; empty means `seed`. A link of a hook can have its own.
    pub compat: String,
    pub plugins: Plugins,
    pub tracing: Tracing,
    /// `[plugin.NAME]`
    pub plugin: Map<String, Value>,
    /// `[hook.KIND]`
    pub hook: Map<String, Value>,
    /// `[secrets]`
    pub secrets: Map<String, Value>,
}

/// The actions that hooks get.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Actions {
    /// The actions that the hook of this section is called for. Of files: `upload`, `download`,
    /// `delete`, `rename` and the others that `tidegate config check` names, with `pre-` before one to
    /// be asked first. Of objects (`data_provider.actions`): `add`, `update`, `delete`.
    pub execute_on: Vec<String>,
    /// Only in `data_provider.actions`: the kinds of objects whose changes hooks get;
    /// `user`, `folder`, `group`, `role`, `admin`, `api_key`. Empty means none in the eras from 2.4 on,
    /// and `user` before.
    pub execute_for: Vec<String>,
    /// File actions that wait for the hook that gets them, and fail if it fails. Not in
    /// `data_provider.actions`.
    pub execute_sync: Vec<String>,
    /// An absolute path of a program. Use `hook`.
    pub command: String,
    /// A URL; of file actions it is called by GET. Use `hook`.
    pub http_notification_url: String,
    /// The hook or hooks: a program's path, a URL, `plugin:NAME`, or a list of them.
    pub hook: HookValue,
}

impl Actions {
    /// Whether the section names a hook, by any of its keys.
    pub fn has_hook(&self) -> bool {
        let is_set = |text: &String| !text.trim().is_empty();
        is_set(&self.command) || is_set(&self.http_notification_url) || !self.hook.entries().is_empty()
    }
}

/// Plugins, which are WebAssembly components.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Plugins {
    /// The directory that plugins are dropped into, relative to the configuration directory.
    pub directory: PathBuf,
    /// Public keys of type ed25519, one line each. With any, only components that one of them signed
    /// are loaded.
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
