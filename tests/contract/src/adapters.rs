//! The hooks: one of each kind, for any hook point.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use tempfile::TempDir;
use tidegate_core::hook::{Hook, HookEvent, HookKind};
use tidegate_core::memory::MemoryStore;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::Passwords;
use tidegate_core::secret::Secret;
use tidegate_core::turns::Waiter;
use tidegate_hooks_external::{
    Environment, Flavour, HttpClients, HttpHook, HttpSettings, ProgramHook, ProgramSettings,
};
use tidegate_hooks_wasm::{PluginDirectory, PluginHook, PluginPorts, ServedGates, TrustedKeys};

use crate::web_server;

/// Of the accounts that the hooks make.
pub const HOME: &str = "/srv/contract";

/// A hook, under its adapter's name.
pub type Named<E> = (&'static str, Arc<dyn Hook<E>>);

/// All three, with a deadline that tests can wait for.
pub struct Adapters {
    directory: TempDir,
    script: PathBuf,
    url: String,
    clients: HttpClients,
    pub plugins: Arc<PluginDirectory>,
    deadline: Duration,
    pub flavour: Flavour,
}

impl Adapters {
    /// `settings`: of the component, in TOML.
    pub async fn new(component: &Path, settings: &str, deadline: Duration) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let script = directory.path().join("hook.sh");
        std::fs::write(&script, include_str!("hook.sh"))?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        let http = HttpSettings { timeout: deadline, retry_max: 0, ..HttpSettings::default() };
        let clients = HttpClients::new(http, false)?;
        let plugins = load(component, settings, directory.path()).await?;
        let url = web_server::serve(HOME).await?;
        Ok(Self { directory, script, url, clients, plugins, deadline, flavour: Flavour::default() })
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn program(&self, kind: HookKind) -> Result<ProgramHook> {
        let args = vec![kind.as_str().to_owned()];
        let environment = Environment { inherited: true, variables: Vec::new() };
        let settings = ProgramSettings { args, environment, deadline: self.deadline, flavour: self.flavour };
        Ok(ProgramHook::new(&self.script.display().to_string(), settings)?)
    }

    pub fn http(&self, kind: HookKind) -> Result<HttpHook> {
        Ok(HttpHook::new(&format!("{}{kind}", self.url), self.clients.clone(), self.flavour)?)
    }

    pub fn plugin(&self) -> Arc<PluginHook> {
        self.plugins.link("contract")
    }

    /// Under the names of the adapters.
    pub fn all<E: HookEvent>(&self) -> Result<Vec<Named<E>>>
    where
        ProgramHook: Hook<E>,
        HttpHook: Hook<E>,
        PluginHook: Hook<E>,
    {
        Ok(vec![
            ("program", Arc::new(self.program(E::KIND)?) as Arc<dyn Hook<E>>),
            ("http", Arc::new(self.http(E::KIND)?)),
            ("plugin", self.plugin()),
        ])
    }
}

/// Before the first look; `on_change`: called when the set of hooks changes.
pub fn plugin_directory(
    path: PathBuf,
    on_change: Box<dyn Fn(&PluginDirectory) + Send + Sync>,
) -> Result<Arc<PluginDirectory>> {
    let store = Arc::new(MemoryStore::default());
    let ports = PluginPorts {
        passwords: Arc::new(NoPasswords),
        store,
        authorities: Vec::new(),
        trusted_keys: TrustedKeys::default(),
    };
    Ok(PluginDirectory::new(path, BTreeMap::new(), ports, ServedGates::default(), on_change)?)
}

/// A plugin directory with that component as `contract`.
pub async fn load(component: &Path, settings: &str, directory: &Path) -> Result<Arc<PluginDirectory>> {
    let plugins = directory.join("plugins");
    std::fs::create_dir_all(&plugins)?;
    std::fs::copy(component, plugins.join("contract.wasm"))
        .with_context(|| format!("{} is missing; run tests/guests/build", component.display()))?;
    std::fs::write(plugins.join("contract.toml"), settings)?;
    let loaded = plugin_directory(plugins, Box::new(|_| {}))?;
    loaded.refresh().await;
    if let Some(error) = loaded.plugins().into_iter().find_map(|plugin| plugin.error) {
        anyhow::bail!("the component was not loaded: {error}");
    }
    Ok(loaded)
}

/// Matches nothing.
pub struct NoPasswords;

#[async_trait]
impl Passwords for NoPasswords {
    async fn matches(&self, _: Waiter<'_>, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
        Ok(false)
    }

    async fn hash(&self, _: Waiter<'_>, _: &Secret) -> Result<PasswordHash, PasswordError> {
        Err(PasswordError::PoolClosed)
    }
}
