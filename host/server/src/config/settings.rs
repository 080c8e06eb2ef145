//! The configuration after all checks, from which the server is built.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use tidegate_accounts::{DatabaseServerSettings, TableNames};
use tidegate_core::account::{AddressRule, HomeRule};
use tidegate_core::admin::LoginPreScope;
use tidegate_core::files::SetAttributesPolicy;
use tidegate_core::guard::DefenderSettings;
use tidegate_core::hook::events::ActionKind;
use tidegate_core::hook::external_auth::Scope;
use tidegate_core::hook::{HookKind, LinkSettings};
use tidegate_core::quota::Tracking;
use tidegate_hooks_external::{Flavour, HttpSettings, ProgramSettings};
use tidegate_hooks_wasm::{PluginSettings, TrustedKeys};
use tidegate_ssh::host_keys::HostKeyFiles;
use tidegate_ssh::{Algorithms, ConnectionLimits, LoginDelay, ProxySettings};
use tidegate_ssh_commands::SshCommands;
use tidegate_storage::OverwriteMode;
use tidegate_web::Pages;

use url::Url;

use crate::clock::ZonedClock;
use crate::named_secrets::NamedSecrets;

#[derive(Debug, Clone)]
pub struct Settings {
    pub bind_address: IpAddr,
    pub bind_port: u16,
    pub identification: String,
    pub login_banner: Option<String>,
    pub host_keys: HostKeyFiles,
    pub algorithms: Algorithms,
    pub prefer_fast_ciphers: bool,
    pub commands: SshCommands,
    pub max_auth_tries: Option<usize>,
    pub idle_timeout: Option<Duration>,
    pub max_half_open: usize,
    pub max_channels: usize,
    pub umask: u32,
    pub overwrite: OverwriteMode,
    pub set_attributes: SetAttributesPolicy,
    /// Whether directories with files are renamed where every file has to be copied.
    pub copying_renames: bool,
    /// The memory that all uploads to object storage share, in bytes.
    pub upload_memory: usize,
    /// Whether missing buckets are made.
    pub makes_buckets: bool,
    pub grace_time: Duration,
    pub database: DatabaseSettings,
    pub users_base_dir: Option<String>,
    pub homes: HomeRule,
    pub hooks: BTreeMap<HookKind, HookSettings>,
    pub external_auth_scope: Scope,
    /// How long a denial of external authentication is remembered.
    pub external_auth_denial_time: Duration,
    pub synchronous_actions: Vec<ActionKind>,
    pub keyboard_interactive: Option<bool>,
    pub address_rule: AddressRule,
    pub proxy: ProxySettings,
    pub limits: ConnectionLimits,
    pub defender: DefenderSettings,
    pub login_delay: LoginDelay,
    pub http_bindings: Vec<HttpBinding>,
    pub http_access: HttpAccess,
    pub backups: PathBuf,
    pub tracking: Tracking,
    pub clock: ZonedClock,
    pub http: HttpSettings,
    /// Where traces are sent; None: there are none.
    pub otlp_endpoint: Option<Url>,
    pub plugin_directory: PathBuf,
    pub trusted_plugin_keys: TrustedKeys,
    pub plugins: BTreeMap<String, PluginSettings>,
    /// All keys with their origins, as administrators are shown them.
    pub shown: serde_json::Value,
    /// What accounts name as `${secret:NAME}`.
    pub secrets: NamedSecrets,
    /// Remarks for the operator that are not errors.
    pub warnings: Vec<String>,
}

/// A socket on which HTTP is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpBinding {
    pub place: HttpPlace,
    /// The operator has chosen the port: if it cannot be used, the server does not start.
    pub is_chosen: bool,
    /// The files of a certificate and its key; `None`: requests are not encrypted.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The proxies whose header `X-Forwarded-For` is believed.
    pub proxies: Vec<IpNet>,
    /// Which pages are there.
    pub pages: Pages,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpPlace {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Which clients may use the REST interfaces beside administrators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpAccess {
    pub allowed_hosts: Vec<String>,
    pub legacy_open: bool,
    /// Whether administrators may change the plugin directory.
    pub manage_plugins: bool,
    pub login_pre_scope: LoginPreScope,
    /// Whether a server without administrators makes a code for the first one.
    pub first_administrator_code: bool,
    pub auth_user_file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseSettings {
    Sqlite(PathBuf),
    Postgresql(Box<DatabaseServerSettings>),
    /// In MySQL or MariaDB.
    Mysql(Box<DatabaseServerSettings>),
    /// A file of key/value tables, which one process has open.
    Bolt(PathBuf),
    /// In memory, with the accounts of a dump if one is named.
    Memory(Option<PathBuf>),
    /// Accounts that another program keeps, and the file of everything else.
    ReadOnly {
        accounts: ReadOnly,
        own: PathBuf,
    },
}

impl DatabaseSettings {
    /// The value of `data_provider.driver`.
    pub fn driver(&self) -> &'static str {
        match self {
            Self::Sqlite(_) | Self::ReadOnly { accounts: ReadOnly::Sqlite(..), .. } => "sqlite",
            Self::Postgresql(_) | Self::ReadOnly { accounts: ReadOnly::Postgresql(_), .. } => "postgresql",
            Self::Mysql(_) | Self::ReadOnly { accounts: ReadOnly::Mysql(_), .. } => "mysql",
            Self::Bolt(_) => "bolt",
            Self::Memory(_) => "memory",
        }
    }

    /// The file that is the whole database, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(file) | Self::Bolt(file) => Some(file),
            Self::Postgresql(_) | Self::Mysql(_) | Self::Memory(_) | Self::ReadOnly { .. } => None,
        }
    }
}

/// A database of which only the accounts are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOnly {
    Sqlite(PathBuf, TableNames),
    Postgresql(Box<DatabaseServerSettings>),
    Mysql(Box<DatabaseServerSettings>),
}

/// The links of one hook point that the configuration names, in their order, and the settings for
/// plugins that are only in the directory.
#[derive(Debug, Clone, Default)]
pub struct HookSettings {
    pub links: Vec<LinkConfig>,
    pub dropped: LinkSettings,
}

#[derive(Debug, Clone)]
pub struct LinkConfig {
    pub target: HookTarget,
    pub settings: LinkSettings,
}

#[derive(Debug, Clone)]
pub enum HookTarget {
    Program {
        path: String,
        settings: ProgramSettings,
    },
    /// `timeout`: for one request.
    Http {
        url: String,
        flavour: Flavour,
        timeout: Duration,
    },
    Plugin(String),
}
