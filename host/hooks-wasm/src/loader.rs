//! Loads the plugins of the plugin directory, at start and whenever the directory changes. Plugins
//! whose file is gone are taken out of service first; then each plugin is loaded in a task of its
//! own. If a file cannot be loaded, the version in service stays; if there is none, the gates that
//! the file may have been meant for are closed, also while it is being loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_core::hook::HookKind;
use tidegate_core::ports::{Passwords, PluginStore};
use tokio::task::JoinHandle;
use wasmtime::component::Component;

use crate::claimed_gates::{all_gates, claimed_gates, gates_among};
use crate::component_file::LoadError;
use crate::engine::EngineError;
use crate::loading::{self, Files, Loading, Unusable};
use crate::plugin::{Loaded, PluginHook};
use crate::served_gates::ServedGates;
use crate::settings::PluginSettings;
use crate::signature::TrustedKeys;

/// The name that stands for all plugins when the directory cannot be read at start.
const WHOLE_DIRECTORY: &str = "(the plugin directory)";

/// What the server offers to all plugins alike.
#[derive(Clone)]
pub struct PluginPorts {
    /// Compares passwords with hashes for plugins.
    pub passwords: Arc<dyn Passwords>,
    /// Keeps the values of the interface `kv`.
    pub store: Arc<dyn PluginStore>,
    /// PEM files with certificates of authorities that plugins' HTTPS requests trust beside the system's.
    pub authorities: Vec<PathBuf>,
    /// Unless it is empty, only components that one of these keys signed are loaded.
    pub trusted_keys: TrustedKeys,
}

/// The plugin directory: the links of its plugins, and the gates that are closed because of them.
pub struct PluginDirectory {
    pub(crate) loading: Loading,
    state: Mutex<State>,
    /// Held during a look: of two at once, the one that has read older names could end last.
    looking: tokio::sync::Mutex<()>,
    /// Called when the set of hooks, or of closed gates, may have changed.
    on_change: Box<dyn Fn(&PluginDirectory) + Send + Sync>,
    /// Held during that call: of two at once, the one that has seen less could end last.
    announcing: Mutex<()>,
}

#[derive(Default)]
pub(crate) struct State {
    /// The links of plugins, by name; a link may have nothing loaded.
    pub links: BTreeMap<String, Arc<PluginHook>>,
    /// The gates that plugins have served.
    pub served: ServedGates,
    /// Gates assumed of plugins that are present and cannot be used, or not yet.
    pub assumed: BTreeMap<String, BTreeSet<HookKind>>,
    /// Gates of files that a look has found, until a task has read the file.
    pub claimed: BTreeMap<String, BTreeSet<HookKind>>,
    /// Names in the directory; `None` before the first look.
    pub present: Option<BTreeSet<String>>,
    /// The files that were last read under a name, whether they could be loaded or not.
    pub seen: BTreeMap<String, Seen>,
    /// By the plugin's name: the digest of the file that was last compiled, and the result, which
    /// is used again when only the settings change.
    compiled: BTreeMap<String, (String, Component)>,
    /// Names that a task is loading, and whether that task has to begin again.
    pub busy: BTreeMap<String, bool>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    digest: String,
    settings: Option<String>,
    schema: Option<String>,
    signature: Option<String>,
    /// Why the plugin could not be loaded; `None` if it was.
    pub error: Option<LoadError>,
}

impl Seen {
    fn of(files: &Files) -> Self {
        let Files { digest, settings, schema, signature, .. } = files.clone();
        Self { digest, settings, schema, signature, error: None }
    }

    fn unreadable(error: LoadError) -> Self {
        Self { digest: String::new(), settings: None, schema: None, signature: None, error: Some(error) }
    }

    fn has_passing_error(&self) -> bool {
        self.error.as_ref().is_some_and(LoadError::is_passing)
    }
}

impl PluginDirectory {
    /// A directory that has not been read yet: [`Self::refresh`] does that. `configured`: settings
    /// from the server's configuration, which replace those of the file `NAME.toml`.
    ///
    /// # Errors
    /// If the WebAssembly engine cannot be made.
    pub fn new(
        directory: PathBuf,
        configured: BTreeMap<String, PluginSettings>,
        ports: PluginPorts,
        served: ServedGates,
        on_change: Box<dyn Fn(&PluginDirectory) + Send + Sync>,
    ) -> Result<Arc<Self>, EngineError> {
        let loading = Loading::new(directory, configured, ports)?;
        let state = Mutex::new(State { served, ..State::default() });
        let looking = tokio::sync::Mutex::default();
        Ok(Arc::new(Self { loading, state, looking, on_change, announcing: Mutex::new(()) }))
    }

    /// Whether a file in `directory` may export the hook. Searches the bytes of each file, which is
    /// faster than loading; a file that cannot be read may export any hook.
    pub fn may_hold(directory: &Path, kind: HookKind) -> bool {
        loading::may_hold(directory, kind)
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.loading.directory
    }

    /// The link of this name, whether something is loaded under it or not; made if there is none.
    pub fn link(&self, name: &str) -> Arc<PluginHook> {
        self.lock().link(name)
    }

    /// The links of a hook point, in the order of the plugins' names: plugins that export the hook,
    /// and plugins because of which this gate is closed.
    pub fn links_of(&self, kind: HookKind) -> Vec<Arc<PluginHook>> {
        let mut state = self.lock();
        let mut names = state.names();
        names.retain(|name| state.is_linked(name, kind));
        names.iter().map(|name| state.link(name)).collect()
    }

    /// Reads the directory and loads what is new; returns when everything is loaded. Errors are
    /// logged: one bad file does not keep the others from being loaded.
    pub async fn refresh(self: &Arc<Self>) {
        for task in self.look().await {
            // A task that failed has logged the reason.
            let _ = task.await;
        }
    }

    /// Takes plugins whose file is gone out of service, closes the gates of new files, and begins to load these.
    pub(crate) async fn look(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let _looking = self.looking.lock().await;
        let names = match self.loading.names().await {
            Ok(names) => names,
            // The directory was removed with everything in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => {
                self.not_looked_into(&error);
                return Vec::new();
            }
        };
        let is_first = self.lock().present.is_none();
        self.forget_missing(&names);
        if is_first {
            self.await_all(&names);
        } else {
            self.claim_gates(&names).await;
        }
        self.changed();
        names.into_iter().filter_map(|name| self.begin(name)).collect()
    }

    /// Loads plugins again whose last error may have passed.
    pub(crate) async fn look_again(self: &Arc<Self>) {
        let failed = self.names_with_passing_errors();
        if failed.iter().any(|name| name == WHOLE_DIRECTORY) {
            self.look().await;
            return;
        }
        for name in failed {
            self.begin(name);
        }
    }

    fn names_with_passing_errors(&self) -> Vec<String> {
        let state = self.lock();
        let failed = state.seen.iter().filter(|(_, seen)| seen.has_passing_error());
        failed.map(|(name, _)| name.clone()).collect()
    }

    fn not_looked_into(&self, error: &io::Error) {
        let mut state = self.lock();
        // Plugins in service stay in service.
        if state.present.is_none() {
            state.assumed.insert(WHOLE_DIRECTORY.to_owned(), all_gates());
        }
        let seen = Seen::unreadable(LoadError::Unreadable(error.to_string()));
        let is_known = state.seen.insert(WHOLE_DIRECTORY.to_owned(), seen.clone()).as_ref() == Some(&seen);
        drop(state);
        if !is_known {
            let message = format!("the plugin directory {} could not be read: {error}", self.path().display());
            tracing::error!(sender = "plugins", message);
        }
        self.changed();
    }

    /// Takes plugins whose file is gone out of service. The link of a plugin that served a gate
    /// stays in the chain and fails: deleting a file must not open a gate.
    fn forget_missing(&self, present: &BTreeSet<String>) {
        let mut state = self.lock();
        state.present = Some(present.clone());
        let missing: Vec<_> = state.names().into_iter().filter(|name| !present.contains(name)).collect();
        for name in missing {
            state.compiled.remove(&name);
            state.open(&name);
            let was_loaded = state.links.get(&name).and_then(|link| link.replace(None)).is_some();
            let was_seen = state.seen.remove(&name).is_some() && name != WHOLE_DIRECTORY;
            let gates = state.served.of(&name);
            if gates.is_empty() {
                // A chain whose configuration names the plugin gets a new link when the chains are made again.
                state.links.remove(&name);
            }
            if !was_loaded && !was_seen {
                continue;
            }
            if gates.is_empty() {
                let message = format!("the plugin \"{name}\" was removed; it decided nothing");
                tracing::info!(sender = "plugins", plugin = name, message);
            } else {
                let message = format!(
                    "the plugin \"{name}\" was removed; what it decided ({}) is refused until the file is back, or \
                     until: tidegate plugin forget {name}",
                    names_of(&gates)
                );
                tracing::error!(sender = "plugins", plugin = name, message);
            }
        }
    }

    /// Starts a task that loads a plugin. `None` if a task is loading it already; that task then begins again.
    fn begin(self: &Arc<Self>, name: String) -> Option<JoinHandle<()>> {
        let mut state = self.lock();
        if let Some(again) = state.busy.get_mut(&name) {
            *again = true;
            return None;
        }
        state.busy.insert(name.clone(), false);
        drop(state);
        let directory = self.clone();
        Some(tokio::spawn(async move {
            loop {
                directory.bring_up_to_date_or_explain(&name).await;
                if !directory.begins_again(&name) {
                    return;
                }
            }
        }))
    }

    fn begins_again(&self, name: &str) -> bool {
        let mut state = self.lock();
        let again = state.busy.get_mut(name).is_some_and(std::mem::take);
        if !again {
            state.busy.remove(name);
        }
        again
    }

    async fn bring_up_to_date_or_explain(self: &Arc<Self>, name: &str) {
        let (directory, plugin) = (self.clone(), name.to_owned());
        // In a task of its own, so that a panic over one plugin does not keep the others from being loaded.
        let work = tokio::spawn(async move { directory.bring_up_to_date(&plugin).await });
        if work.await.is_err() {
            let error = LoadError::Invalid("the server failed (its log has more)".to_owned());
            self.keep_out(name, all_gates(), Seen::unreadable(error));
        }
        self.announce().await;
    }

    /// As [`Self::changed`]; a panic is logged, and must not leave a name busy for ever.
    async fn announce(self: &Arc<Self>) {
        let directory = self.clone();
        let _ = tokio::spawn(async move { directory.changed() }).await;
    }

    async fn bring_up_to_date(self: &Arc<Self>, name: &str) {
        let files = match self.loading.read(name).await {
            Ok(files) => files,
            Err(Unusable { is_gone: true, .. }) => return,
            Err(Unusable { error, gates, .. }) => return self.keep_out(name, gates, Seen::unreadable(error)),
        };
        let mut seen = Seen::of(&files);
        let before = self.lock().seen.get(name).cloned();
        let is_known =
            before.is_some_and(|before| !before.has_passing_error() && Seen { error: None, ..before } == seen);
        if !is_known {
            self.take_back(name, &files);
        }
        if self.close_until_in_service(name, &files.component) {
            self.announce().await;
        }
        if is_known {
            return;
        }
        match self.load(name, &files).await {
            Ok(loaded) => self.put_in_service(name, loaded, seen).await,
            Err(error) => {
                seen.error = Some(error);
                self.keep_out(name, claimed_gates(&files.component), seen);
            }
        }
    }

    /// Ends grants that the new settings lack at once, and not only when the plugin has been loaded anew.
    fn take_back(&self, name: &str, files: &Files) {
        let Some(loaded) = self.link(name).loaded() else { return };
        let Ok(settings) = self.loading.settings(name, files.settings.as_deref()) else { return };
        if settings.takes_back_from(loaded.settings()) {
            self.link(name).replace(None);
            let message =
                format!("something that was granted to the plugin \"{name}\" is taken back; it is loaded anew");
            tracing::info!(sender = "plugins", plugin = name, message);
        }
    }

    async fn load(&self, name: &str, files: &Files) -> Result<Loaded, LoadError> {
        let known = self.lock().compiled.get(name).filter(|(digest, _)| *digest == files.digest).cloned();
        let component = match known {
            Some((_, component)) => component,
            None => self.loading.compile(name, files).await?,
        };
        self.lock().compiled.insert(name.to_owned(), (files.digest.clone(), component.clone()));
        self.loading.load(name, files, &component).await
    }

    async fn put_in_service(&self, name: &str, loaded: Loaded, seen: Seen) {
        // The operator may have taken back a grant while the plugin was being loaded.
        let current = self.loading.current_settings(name).await;
        let is_outdated = current.is_some_and(|settings| settings.takes_back_from(loaded.settings()));
        let gates = gates_among(&loaded.hooks);
        let (hooks, digest) = (names_of(&loaded.hooks), loaded.digest.clone());
        let mut state = self.lock();
        if is_outdated || !state.is_present(name) {
            if let Some(again) = state.busy.get_mut(name) {
                *again |= is_outdated;
            }
            return;
        }
        state.link(name).replace(Some(Arc::new(loaded)));
        state.open(name);
        state.seen.insert(name.to_owned(), seen);
        let recorded = state.served.add(name, &gates);
        let lost = state.closed_gates(name);
        drop(state);
        let message = format!("the plugin \"{name}\" is in service");
        tracing::info!(sender = "plugins", plugin = name, digest, hooks, message);
        if let Err(error) = recorded {
            let message = format!(
                "that \"{name}\" serves {hooks} could not be recorded, so a restart without its file would not refuse: \
                 {error}"
            );
            tracing::error!(sender = "plugins", plugin = name, message);
        }
        if !lost.is_empty() {
            let message = format!(
                "the plugin \"{name}\" served {} before and does not now: that is refused until it does, or until: \
                 tidegate plugin forget {name}",
                names_of(&lost)
            );
            tracing::error!(sender = "plugins", plugin = name, message);
        }
    }

    /// Records that a file is present and cannot be used. The plugin may be meant to deny: its link
    /// stays in the chain, or is added, and fails. The error is logged once for each version of a file.
    fn keep_out(&self, name: &str, gates: BTreeSet<HookKind>, seen: Seen) {
        let mut state = self.lock();
        if !state.is_present(name) {
            return;
        }
        let is_in_service = state.link(name).loaded().is_some();
        if is_in_service {
            state.open(name);
        } else {
            state.assume(name, gates);
        }
        let is_known = state.seen.insert(name.to_owned(), seen.clone()).as_ref() == Some(&seen);
        let closed = state.closed_gates(name);
        drop(state);
        let Some(error) = seen.error.filter(|_| !is_known) else { return };
        let consequence = if is_in_service {
            "; the version before it stays in service".to_owned()
        } else if closed.is_empty() {
            String::new()
        } else {
            format!("; until it is replaced or removed, this is refused: {}", names_of(&closed))
        };
        let message = format!("the plugin {}/{name}.wasm was not loaded: {error}{consequence}", self.path().display());
        tracing::error!(sender = "plugins", plugin = name, message);
    }

    pub(crate) fn changed(&self) {
        let _announcing = self.announcing.lock().unwrap_or_else(PoisonError::into_inner);
        (self.on_change)(self);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The link of this name; made if there is none.
    pub fn link(&mut self, name: &str) -> Arc<PluginHook> {
        self.links.entry(name.to_owned()).or_insert_with(|| Arc::new(PluginHook::new(name))).clone()
    }

    /// Every name that has a link, a file, or a recorded gate.
    pub fn names(&self) -> BTreeSet<String> {
        let names = self.links.keys().chain(self.assumed.keys()).chain(self.claimed.keys());
        names.chain(self.seen.keys()).chain(self.served.names()).cloned().collect()
    }

    /// Whether the last look has found the name.
    pub fn is_present(&self, name: &str) -> bool {
        self.present.as_ref().is_some_and(|present| present.contains(name))
    }

    fn is_linked(&self, name: &str, kind: HookKind) -> bool {
        let loaded = self.links.get(name).and_then(|link| link.loaded());
        loaded.is_some_and(|loaded| loaded.hooks.contains(&kind)) || self.closed_gates(name).contains(&kind)
    }

    /// Gates that refuse because the plugin of this name does not serve them.
    pub fn closed_gates(&self, name: &str) -> BTreeSet<HookKind> {
        let mut closed = self.served.of(name);
        let because_of_file = [&self.assumed, &self.claimed].map(|gates| gates.get(name));
        closed.extend(because_of_file.into_iter().flatten().flatten());
        if let Some(loaded) = self.links.get(name).and_then(|link| link.loaded()) {
            closed.retain(|kind| !loaded.hooks.contains(kind));
        }
        closed
    }
}

/// The names of hooks, as text for messages.
pub(crate) fn names_of<'a>(hooks: impl IntoIterator<Item = &'a HookKind>) -> String {
    hooks.into_iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}
