//! The plugin directory: what lies in it is loaded at start and whenever it changes. A file
//! that cannot be loaded leaves what is in service as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tidegate_core::hook::{Family, HookKind};
use tidegate_core::ports::{Passwords, PluginStore};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::capability::egress::Egress;
use crate::component_file::{self, LoadError};
use crate::engine::{self, EngineError};
use crate::plugin::{Loaded, PluginHook};
use crate::settings::PluginSettings;
use crate::signature::TrustedKeys;
use crate::v0_1::{self, CallState, Exports, Guest, Shared};

/// Largest component.
const MAX_FILE: u64 = 256 << 20;
/// Points that a plugin may have been in when it cannot be read: all that decide.
fn gates() -> impl Iterator<Item = HookKind> {
    HookKind::ALL.into_iter().filter(|kind| kind.family() == Family::Gate)
}

/// What plugins are lent.
#[derive(Clone)]
pub struct PluginPorts {
    pub passwords: Arc<dyn Passwords>,
    pub store: Arc<dyn PluginStore>,
    /// Certificates (PEM) of authorities that plugins' requests trust beside the system's.
    pub authorities: Vec<PathBuf>,
    /// With any, only what one of them signed is loaded.
    pub trusted_keys: TrustedKeys,
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
    /// Names that were once loaded with a hook: they stay in its chain.
    linked: BTreeMap<HookKind, BTreeSet<String>>,
    /// Names that are linked because nobody could look at what they export.
    feared: BTreeSet<String>,
    /// What was last looked at under a name, whether it could be loaded or not.
    seen: BTreeMap<String, Seen>,
}

#[derive(Clone, PartialEq, Eq)]
struct Seen {
    digest: String,
    settings: Option<String>,
    signature: Option<String>,
    error: Option<LoadError>,
}

/// What the directory has under a name.
struct Files {
    component: Vec<u8>,
    settings: Option<String>,
    /// Read only if it matters.
    signature: Option<String>,
}

/// Why a component is not in service, and the hooks that it exports as far as that is known.
struct NotLoaded {
    error: LoadError,
    hooks: Vec<HookKind>,
}

impl From<LoadError> for NotLoaded {
    /// What is no component of ours decides nothing.
    fn from(error: LoadError) -> Self {
        Self { error, hooks: Vec::new() }
    }
}

/// For `tidegate plugin list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginInfo {
    pub name: String,
    /// Of what is in service; none if nothing is.
    pub digest: Option<String>,
    pub hooks: Vec<&'static str>,
    pub grants: Vec<String>,
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

    /// Whether a file in `directory` may export that hook: a look at its bytes, without the time
    /// that loading takes.
    pub fn may_hold(directory: &Path, kind: HookKind) -> bool {
        let name = format!("{}{kind}@", component_file::PACKAGE);
        let Ok(entries) = std::fs::read_dir(directory) else { return false };
        let files = entries.flatten().map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")).any(|path| {
            // What cannot be read may hold anything.
            std::fs::read(path).map_or(true, |bytes| bytes.windows(name.len()).any(|part| part == name.as_bytes()))
        })
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The link of that name, whether something is loaded under it or not.
    pub fn link(&self, name: &str) -> Arc<PluginHook> {
        self.lock().links.entry(name.to_owned()).or_insert_with(|| Arc::new(PluginHook::new(name))).clone()
    }

    /// Plugins with that hook, in the order of their names.
    pub fn links_of(&self, kind: HookKind) -> Vec<Arc<PluginHook>> {
        let names = self.lock().linked.get(&kind).cloned().unwrap_or_default();
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
        let files = match self.read(name) {
            Ok(read) => read,
            Err(error) => {
                // Without a look at its exports, it may be any of them.
                let unknown = matches!(error, LoadError::Unreadable(_) | LoadError::Settings(_));
                self.keep_in_chain(name, &error, gates().filter(|_| unknown).collect());
                return self
                    .report(name, Seen { digest: String::new(), settings: None, signature: None, error: Some(error) });
            }
        };
        let digest = hexadecimal(&Sha256::digest(&files.component));
        let mut seen = Seen {
            digest: digest.clone(),
            settings: files.settings.clone(),
            signature: files.signature.clone(),
            error: None,
        };
        let before = self.lock().seen.get(name).cloned();
        if before.is_some_and(|before| Seen { error: None, ..before } == seen) {
            return;
        }
        let outcome = self.load(name, files, &digest).await;
        match outcome {
            Ok(loaded) => {
                let message = format!("the plugin \"{name}\" is in service");
                tracing::info!(
                    sender = "plugins",
                    plugin = name,
                    digest,
                    hooks = names(&loaded.hooks).join(","),
                    message
                );
                let hooks = loaded.hooks.clone();
                self.link(name).replace(Some(Arc::new(loaded)));
                let mut state = self.lock();
                // What the file was feared to be before it could be read, and is not.
                if state.feared.remove(name) {
                    let others = state.linked.iter_mut().filter(|(kind, _)| !hooks.contains(kind));
                    others.for_each(|(_, names)| {
                        names.remove(name);
                    });
                }
                for kind in hooks {
                    state.linked.entry(kind).or_default().insert(name.to_owned());
                }
                state.seen.insert(name.to_owned(), seen);
            }
            Err(NotLoaded { error, hooks }) => {
                self.keep_in_chain(name, &error, hooks);
                seen.error = Some(error);
                self.report(name, seen);
            }
        }
    }

    /// A component that is there but cannot be used may be the one that refuses: its link
    /// stays, or comes, and fails. What is no component at all decides nothing.
    fn keep_in_chain(&self, name: &str, error: &LoadError, hooks: Vec<HookKind>) {
        let gone = matches!(error, LoadError::Unreadable(_)) && !self.directory.join(format!("{name}.wasm")).exists();
        let mut state = self.lock();
        let known = state.linked.values().any(|names| names.contains(name));
        if gone || known || matches!(error, LoadError::Name) {
            return;
        }
        state.feared.insert(name.to_owned());
        for kind in hooks {
            state.linked.entry(kind).or_default().insert(name.to_owned());
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

    fn read(&self, name: &str) -> Result<Files, LoadError> {
        let valid = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
        if name.is_empty() || !name.chars().all(valid) {
            return Err(LoadError::Name);
        }
        let unreadable = |error: io::Error| LoadError::Unreadable(error.to_string());
        let path = self.directory.join(format!("{name}.wasm"));
        if path.metadata().map_err(unreadable)?.len() > MAX_FILE {
            return Err(LoadError::Invalid(format!("it is larger than {} MiB", MAX_FILE >> 20)));
        }
        let component = std::fs::read(&path).map_err(unreadable)?;
        let settings = match std::fs::read_to_string(self.directory.join(format!("{name}.toml"))) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(LoadError::Settings(error.to_string())),
        };
        let signed = !self.ports.trusted_keys.is_empty();
        let signature = || std::fs::read_to_string(self.directory.join(format!("{name}.wasm.sig"))).ok();
        Ok(Files { component, settings, signature: if signed { signature() } else { None } })
    }

    /// A signature vouches for the component; its name and its settings are the directory's.
    fn check_signature(&self, files: &Files) -> Result<(), LoadError> {
        let keys = &self.ports.trusted_keys;
        if keys.is_empty() {
            return Ok(());
        }
        let signature = files.signature.as_ref().ok_or(LoadError::Unsigned)?;
        keys.verify(&files.component, signature).map(drop).map_err(LoadError::Untrusted)
    }

    async fn load(&self, name: &str, files: Files, digest: &str) -> Result<Loaded, NotLoaded> {
        let trusted = self.check_signature(&files);
        let Files { component: bytes, settings, .. } = files;
        let engine = self.engine.clone();
        let compiled = tokio::task::spawn_blocking(move || component_file::compile(&engine, &bytes)).await;
        let component = compiled.map_err(|error| LoadError::Invalid(error.to_string()))??;
        let hooks = component_file::exported_hooks(&self.engine, &component)?;
        let refused = |error: LoadError| NotLoaded { error, hooks: hooks.clone() };
        let unlinkable = |error: wasmtime::Error| {
            refused(LoadError::Unlinkable(format!("{error:#}").lines().collect::<Vec<_>>().join(" ")))
        };
        trusted.map_err(refused)?;
        let settings = self.settings(name, settings.as_deref()).map_err(refused)?;
        if let Some(wanted) = settings.sha256.as_ref().filter(|wanted| !wanted.eq_ignore_ascii_case(digest)) {
            let found = digest.to_owned();
            return Err(refused(LoadError::OtherDigest { found, wanted: wanted.clone() }));
        }
        let secrets = settings.read_secrets().map_err(|error| refused(LoadError::Settings(error.to_string())))?;
        let instance = self.linker.instantiate_pre(&component).map_err(unlinkable)?;
        let exports = Exports::find(&instance, &hooks).map_err(unlinkable)?;
        let calls = Semaphore::new(settings.limits.concurrency);
        let PluginPorts { passwords, store, authorities, .. } = self.ports.clone();
        let egress = Egress::new(name, &settings.http, &authorities);
        let egress = egress.map_err(|problem| refused(LoadError::Settings(format!("http: {problem}"))))?;
        let shared = Arc::new(Shared { name: name.to_owned(), settings, secrets, passwords, store, egress });
        let guest = Guest::new(self.engine.clone(), instance, shared);
        guest.try_out().await.map_err(unlinkable)?;
        let version = digest.get(..12).unwrap_or_default().into();
        Ok(Loaded { guest, digest: digest.to_owned(), version, hooks, exports, calls })
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
        hooks: loaded.as_ref().map(|loaded| names(&loaded.hooks)).unwrap_or_default(),
        grants: loaded.as_ref().map(|loaded| loaded.settings().grant_names()).unwrap_or_default(),
        error: error.or_else(|| loaded.is_none().then(|| "there is no such file".to_owned())),
    }
}

fn names(hooks: &[HookKind]) -> Vec<&'static str> {
    hooks.iter().map(|kind| kind.as_str()).collect()
}

pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
