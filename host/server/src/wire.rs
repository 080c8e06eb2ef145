//! The only place that names the concrete types behind the ports.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tidegate_accounts::SqliteDatabase;
use tidegate_core::account::Accounts;
use tidegate_core::hook::external_auth::{ExternalAuth, Scope};
use tidegate_core::hook::{Chain, Hook, Link, OnError};
use tidegate_core::login::{LoginPorts, LoginService};
use tidegate_core::ports::{Passwords, SystemClock};
use tidegate_core::session::SessionRegistry;
use tidegate_hooks_legacy::{Environment, HttpHook, ProgramHook};
use tidegate_hooks_wasm::{PluginDirectory, PluginHook, PluginPorts, PluginSettings};
use tidegate_storage::{LocalStorageFactory, LocalStorageSettings};

use crate::config::Settings;
use crate::config::settings::{DatabaseSettings, HookSettings, HookTarget};
use crate::password_pool::PasswordPool;

/// The chain lets a hook's own deadline speak first: it can say more.
const CHAIN_DEADLINE_MARGIN: Duration = Duration::from_secs(2);
/// Above every deadline that a plugin can have.
const PLUGIN_DEADLINE: Duration = Duration::from_secs(302);
const PLUGIN_CONCURRENCY: usize = 128;

pub fn open_database(settings: &DatabaseSettings) -> anyhow::Result<Arc<SqliteDatabase>> {
    Ok(Arc::new(match settings {
        DatabaseSettings::Sqlite(path) => SqliteDatabase::open(path)?,
        DatabaseSettings::Memory => SqliteDatabase::in_memory()?,
    }))
}

/// What the shell commands need of a server.
pub struct Stores {
    pub database: Arc<SqliteDatabase>,
    pub passwords: Arc<dyn Passwords>,
    pub accounts: Arc<Accounts>,
}

impl Stores {
    pub fn open(settings: &DatabaseSettings, users_base_dir: Option<String>) -> anyhow::Result<Self> {
        let database = open_database(settings)?;
        let passwords: Arc<dyn Passwords> = Arc::new(PasswordPool::new());
        let accounts = Arc::new(Accounts::new(database.clone(), passwords.clone(), users_base_dir));
        Ok(Self { database, passwords, accounts })
    }
}

/// The links that decide logins: those that the configuration names, then the plugins that
/// were dropped into the directory, in the order of their names.
pub struct ExternalAuthLinks {
    configured: Vec<Configured>,
    on_error: OnError,
}

enum Configured {
    Fixed(Arc<Link<ExternalAuth>>),
    Plugin(String),
}

impl ExternalAuthLinks {
    pub fn new(settings: &HookSettings, environment: Environment) -> anyhow::Result<Self> {
        let HookSettings { links, deadline, on_error, concurrency } = settings;
        let fixed = |hook: Arc<dyn Hook<ExternalAuth>>| {
            Configured::Fixed(Arc::new(Link::new(hook, *deadline + CHAIN_DEADLINE_MARGIN, *on_error, *concurrency)))
        };
        let configured = links
            .iter()
            .map(|target| {
                Ok(match target {
                    HookTarget::Program(path) => fixed(Arc::new(ProgramHook::new(path, environment, *deadline)?)),
                    HookTarget::Http(url) => fixed(Arc::new(HttpHook::new(url, *deadline)?)),
                    HookTarget::Plugin(name) => Configured::Plugin(name.clone()),
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { configured, on_error: *on_error })
    }

    /// The chain as the directory is now.
    pub fn with(&self, directory: &PluginDirectory) -> Vec<Arc<Link<ExternalAuth>>> {
        let mut links: Vec<_> = self
            .configured
            .iter()
            .map(|configured| match configured {
                Configured::Fixed(link) => link.clone(),
                Configured::Plugin(name) => self.plugin_link(directory.link(name)),
            })
            .collect();
        for plugin in directory.external_auth_links() {
            let named = self.configured.iter().any(|configured| match configured {
                Configured::Plugin(name) => name == Hook::<ExternalAuth>::name(&*plugin),
                Configured::Fixed(_) => false,
            });
            if !named {
                links.push(self.plugin_link(plugin));
            }
        }
        links
    }

    fn plugin_link(&self, plugin: Arc<PluginHook>) -> Arc<Link<ExternalAuth>> {
        Arc::new(Link::new(plugin, PLUGIN_DEADLINE, self.on_error, PLUGIN_CONCURRENCY))
    }
}

/// Loads the plugins and keeps the chain in step with the directory.
pub async fn open_plugins(
    directory: PathBuf,
    configured: BTreeMap<String, PluginSettings>,
    stores: &Stores,
    links: ExternalAuthLinks,
    chain: Arc<Chain<ExternalAuth>>,
) -> anyhow::Result<Arc<PluginDirectory>> {
    let ports = PluginPorts { passwords: stores.passwords.clone(), store: stores.database.clone() };
    let on_change = Box::new(move |directory: &PluginDirectory| chain.replace(links.with(directory)));
    let directory = PluginDirectory::new(directory, configured, ports, on_change)?;
    directory.refresh().await;
    Ok(directory)
}

pub fn login_service(
    stores: &Stores,
    external_auth: Arc<Chain<ExternalAuth>>,
    scope: Scope,
    storage: LocalStorageSettings,
    settings: &Settings,
) -> anyhow::Result<Arc<LoginService>> {
    let service = LoginService::new(LoginPorts {
        accounts: stores.accounts.clone(),
        passwords: stores.passwords.clone(),
        external_auth,
        external_auth_scope: scope,
        sessions: Arc::new(SessionRegistry::default()),
        storage: Arc::new(LocalStorageFactory { settings: storage }),
        set_attributes: settings.set_attributes,
        clock: Arc::new(SystemClock),
    });
    Ok(Arc::new(service.context("the login service could not be made")?))
}
