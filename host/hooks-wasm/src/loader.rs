//! The plugin directory: what lies in it is loaded at start and whenever it changes. A file
//! that cannot be loaded leaves what is in service as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tidegate_core::ports::{Passwords, PluginStore};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::component_file::{self, LoadError};
use crate::engine::{self, EngineError};
use crate::plugin::{Loaded, PluginHook};
use crate::settings::PluginSettings;
use crate::v0_1::{self, CallState, Shared, external_auth};

/// Largest component.
const MAX_FILE: u64 = 256 << 20;
const EXTERNAL_AUTH: &str = "external-auth";

/// What plugins are lent.
#[derive(Clone)]
pub struct PluginPorts {
    pub passwords: Arc<dyn Passwords>,
    pub store: Arc<dyn PluginStore>,
}

pub struct PluginDirectory {
    directory: PathBuf,
    /// `[plugin.NAME]` of the configuration; wins over `NAME.toml`.
    configured: BTreeMap<String, PluginSettings>,
    ports: PluginPorts,
    engine: Engine,
    linker: Linker<CallState>,
    state: Mutex<State>,
    /// Told when the set of hooks changes.
    on_change: Box<dyn Fn(&PluginDirectory) + Send + Sync>,
}

#[derive(Default)]
struct State {
    links: BTreeMap<String, Arc<PluginHook>>,
    /// Names that were once loaded with the hook: they stay in the chain.
    external_auth: BTreeSet<String>,
    /// What was last looked at under a name, whether it could be loaded or not.
    seen: BTreeMap<String, Seen>,
}

#[derive(Clone, PartialEq, Eq)]
struct Seen {
    digest: String,
    settings: Option<String>,
    error: Option<LoadError>,
}

/// For `tidegate plugin list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginInfo {
    pub name: String,
    /// Of what is in service; none if nothing is.
    pub digest: Option<String>,
    pub hooks: Vec<String>,
    pub grants: Vec<&'static str>,
    /// Why the file in the directory is not in service.
    pub error: Option<String>,
}

impl PluginDirectory {
    pub fn new(
        directory: PathBuf,
        configured: BTreeMap<String, PluginSettings>,
        ports: PluginPorts,
        on_change: Box<dyn Fn(&PluginDirectory) + Send + Sync>,
    ) -> Result<Arc<Self>, EngineError> {
        let engine = engine::engine()?;
        let linker = v0_1::linker(&engine).map_err(|error| EngineError::Engine(error.root_cause().to_string()))?;
        let state = Mutex::default();
        Ok(Arc::new(Self { directory, configured, ports, engine, linker, state, on_change }))
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The link of that name, whether something is loaded under it or not.
    pub fn link(&self, name: &str) -> Arc<PluginHook> {
        self.lock().links.entry(name.to_owned()).or_insert_with(|| Arc::new(PluginHook::new(name))).clone()
    }

    /// Plugins that decide logins, in the order of their names.
    pub fn external_auth_links(&self) -> Vec<Arc<PluginHook>> {
        let names = self.lock().external_auth.clone();
        names.iter().map(|name| self.link(name)).collect()
    }

    pub fn plugins(&self) -> Vec<PluginInfo> {
        let state = self.lock();
        let names: BTreeSet<&String> = state.links.keys().chain(state.seen.keys()).collect();
        names.into_iter().map(|name| info(&state, name)).collect()
    }

    /// Looks at the directory and loads what is new. Errors are logged: one bad file does
    /// not keep the others from being loaded.
    pub async fn refresh(self: &Arc<Self>) {
        let names = match self.names() {
            Ok(names) => names,
            Err(error) => {
                let message = format!("the plugin directory {} could not be read: {error}", self.directory.display());
                tracing::error!(sender = "plugins", message);
                (self.on_change)(self);
                return;
            }
        };
        for name in &names {
            self.refresh_one(name).await;
        }
        self.forget_missing(&names);
        (self.on_change)(self);
    }

    fn names(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "wasm")
                && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
                && !name.starts_with('.')
            {
                names.insert(name.to_owned());
            }
        }
        Ok(names)
    }

    async fn refresh_one(self: &Arc<Self>, name: &str) {
        let (bytes, settings_text) = match self.read(name) {
            Ok(read) => read,
            Err(error) => {
                self.keep_in_chain(name, &error);
                return self.report(name, Seen { digest: String::new(), settings: None, error: Some(error) });
            }
        };
        let digest = hexadecimal(&Sha256::digest(&bytes));
        let seen = self.lock().seen.get(name).cloned();
        if seen.is_some_and(|seen| seen.digest == digest && seen.settings == settings_text) {
            return;
        }
        let outcome = self.load(name, bytes, settings_text.as_deref(), &digest).await;
        let mut seen = Seen { digest: digest.clone(), settings: settings_text, error: None };
        match outcome {
            Ok(loaded) => {
                let decides_logins = loaded.external_auth.is_some();
                let message = format!("the plugin \"{name}\" is in service");
                tracing::info!(sender = "plugins", plugin = name, digest, hooks = loaded.hooks.join(","), message);
                self.link(name).replace(Some(Arc::new(loaded)));
                let mut state = self.lock();
                if decides_logins {
                    state.external_auth.insert(name.to_owned());
                }
                state.seen.insert(name.to_owned(), seen);
            }
            Err(error) => {
                self.keep_in_chain(name, &error);
                seen.error = Some(error);
                self.report(name, seen);
            }
        }
    }

    /// A component that is there but cannot be used may be the one that refuses: its link
    /// stays, or comes, and fails. What is no component at all decides nothing.
    fn keep_in_chain(&self, name: &str, error: &LoadError) {
        if matches!(error, LoadError::Settings(_) | LoadError::Unlinkable(_) | LoadError::Unreadable(_)) {
            self.lock().external_auth.insert(name.to_owned());
        }
    }

    /// Logs an error once for each version of a file.
    fn report(&self, name: &str, seen: Seen) {
        let known = self.lock().seen.get(name) == Some(&seen);
        if known {
            return;
        }
        if let Some(error) = &seen.error {
            let in_service = self.link(name).loaded().is_some();
            let consequence = if in_service { "; the version before it stays in service" } else { "" };
            let message =
                format!("the plugin {}/{name}.wasm was not loaded: {error}{consequence}", self.directory.display());
            tracing::error!(sender = "plugins", plugin = name, message);
        }
        self.lock().seen.insert(name.to_owned(), seen);
    }

    /// The component and the text of its settings file.
    fn read(&self, name: &str) -> Result<(Vec<u8>, Option<String>), LoadError> {
        let valid = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
        if name.is_empty() || !name.chars().all(valid) {
            return Err(LoadError::Name);
        }
        let unreadable = |error: io::Error| LoadError::Unreadable(error.to_string());
        let path = self.directory.join(format!("{name}.wasm"));
        if path.metadata().map_err(unreadable)?.len() > MAX_FILE {
            return Err(LoadError::Invalid(format!("it is larger than {} MiB", MAX_FILE >> 20)));
        }
        let bytes = std::fs::read(&path).map_err(unreadable)?;
        let settings = match std::fs::read_to_string(self.directory.join(format!("{name}.toml"))) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(LoadError::Settings(error.to_string())),
        };
        Ok((bytes, settings))
    }

    async fn load(
        &self,
        name: &str,
        bytes: Vec<u8>,
        settings: Option<&str>,
        digest: &str,
    ) -> Result<Loaded, LoadError> {
        let settings = self.settings(name, settings)?;
        let engine = self.engine.clone();
        let compiled = tokio::task::spawn_blocking(move || component_file::compile(&engine, &bytes)).await;
        let component = compiled.map_err(|error| LoadError::Invalid(error.to_string()))??;
        let hooks = component_file::exported_hooks(&self.engine, &component)?;
        let unlinkable =
            |error: wasmtime::Error| LoadError::Unlinkable(format!("{error:#}").lines().collect::<Vec<_>>().join(" "));
        let instance = self.linker.instantiate_pre(&component).map_err(unlinkable)?;
        let calls = Semaphore::new(settings.limits.concurrency);
        let PluginPorts { passwords, store } = self.ports.clone();
        let shared = Arc::new(Shared { name: name.to_owned(), settings, passwords, store });
        let external_auth = if hooks.iter().any(|hook| hook == EXTERNAL_AUTH) {
            let export = external_auth::Export::find(&instance).map_err(unlinkable)?;
            export.try_out(&self.engine, shared.clone()).await.map_err(unlinkable)?;
            Some(export)
        } else {
            None
        };
        for hook in hooks.iter().filter(|hook| *hook != EXTERNAL_AUTH) {
            let message =
                format!("the plugin \"{name}\" exports \"{hook}\", which this version of the server never calls");
            tracing::warn!(sender = "plugins", plugin = name, message);
        }
        Ok(Loaded { engine: self.engine.clone(), shared, digest: digest.to_owned(), hooks, external_auth, calls })
    }

    fn settings(&self, name: &str, text: Option<&str>) -> Result<PluginSettings, LoadError> {
        match (self.configured.get(name), text) {
            (Some(configured), _) => Ok(configured.clone()),
            (None, Some(text)) => {
                PluginSettings::from_toml(text).map_err(|error| LoadError::Settings(format!("{name}.toml: {error}")))
            }
            (None, None) => Ok(PluginSettings::default()),
        }
    }

    /// A file that vanished stays in the chain as a link that fails: deleting a file must
    /// not open a door. The next start forgets it.
    fn forget_missing(&self, present: &BTreeSet<String>) {
        let mut state = self.lock();
        state.seen.retain(|name, _| present.contains(name));
        let missing: Vec<_> =
            state.links.iter().filter(|(name, link)| !present.contains(*name) && link.loaded().is_some()).collect();
        for (name, link) in missing {
            link.replace(None);
            let message =
                format!("the plugin \"{name}\" was removed; what it decided is refused until the server is restarted");
            tracing::error!(sender = "plugins", plugin = name, message);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn info(state: &State, name: &str) -> PluginInfo {
    let loaded = state.links.get(name).and_then(|link| link.loaded());
    let error = state.seen.get(name).and_then(|seen| seen.error.as_ref()).map(ToString::to_string);
    PluginInfo {
        name: name.to_owned(),
        digest: loaded.as_ref().map(|loaded| loaded.digest.clone()),
        hooks: loaded.as_ref().map(|loaded| loaded.hooks.clone()).unwrap_or_default(),
        grants: loaded
            .iter()
            .flat_map(|loaded| loaded.shared.settings.grants.iter().map(|grant| grant.as_str()))
            .collect(),
        error: error.or_else(|| loaded.is_none().then(|| "there is no such file".to_owned())),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
