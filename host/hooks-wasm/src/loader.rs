//! The plugin directory: what lies in it is loaded at start and whenever it changes. What is
//! gone or taken back is let go of first; then each plugin is loaded in a task of its own. A file
//! that cannot be loaded leaves what is in service as it is, and closes the gates that it may
//! have been meant for if nothing is.

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

/// Stands for all plugins when the directory cannot be looked into at start.
const WHOLE_DIRECTORY: &str = "(the plugin directory)";

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
    pub(crate) loading: Loading,
    state: Mutex<State>,
    /// Told when the set of hooks changes.
    on_change: Box<dyn Fn(&PluginDirectory) + Send + Sync>,
}

#[derive(Default)]
pub(crate) struct State {
    pub links: BTreeMap<String, Arc<PluginHook>>,
    pub served: ServedGates,
    /// Of plugins that are there and cannot be used, or not yet.
    pub assumed: BTreeMap<String, BTreeSet<HookKind>>,
    /// Names in the directory; none before the first look.
    pub present: Option<BTreeSet<String>>,
    /// What was last looked at under a name, whether it could be loaded or not.
    pub seen: BTreeMap<String, Seen>,
    /// What was last compiled, by its digest: other settings need no other compilation.
    compiled: BTreeMap<String, (String, Component)>,
    /// Names that a task is busy with, and whether it is to begin again.
    busy: BTreeMap<String, bool>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    digest: String,
    settings: Option<String>,
    signature: Option<String>,
    pub error: Option<LoadError>,
}

impl Seen {
    fn of(files: &Files) -> Self {
        let Files { digest, settings, signature, .. } = files;
        Self { digest: digest.clone(), settings: settings.clone(), signature: signature.clone(), error: None }
    }

    fn unreadable(error: LoadError) -> Self {
        Self { digest: String::new(), settings: None, signature: None, error: Some(error) }
    }

    fn has_passing_error(&self) -> bool {
        self.error.as_ref().is_some_and(LoadError::is_passing)
    }
}

impl PluginDirectory {
    pub fn new(
        directory: PathBuf,
        configured: BTreeMap<String, PluginSettings>,
        ports: PluginPorts,
        served: ServedGates,
        on_change: Box<dyn Fn(&PluginDirectory) + Send + Sync>,
    ) -> Result<Arc<Self>, EngineError> {
        let loading = Loading::new(directory, configured, ports)?;
        let state = Mutex::new(State { served, ..State::default() });
        Ok(Arc::new(Self { loading, state, on_change }))
    }

    /// Whether a file in `directory` may export that hook: a look at its bytes, without the time
    /// that loading takes.
    pub fn may_hold(directory: &Path, kind: HookKind) -> bool {
        loading::may_hold(directory, kind)
    }

    pub fn path(&self) -> &Path {
        &self.loading.directory
    }

    /// The link of that name, whether something is loaded under it or not.
    pub fn link(&self, name: &str) -> Arc<PluginHook> {
        self.lock().link(name)
    }

    /// Plugins with that hook, in the order of their names.
    pub fn links_of(&self, kind: HookKind) -> Vec<Arc<PluginHook>> {
        let mut state = self.lock();
        let mut names = state.names();
        names.retain(|name| state.is_linked(name, kind));
        names.iter().map(|name| state.link(name)).collect()
    }

    /// Looks at the directory and loads what is new; done when all of it is loaded. Errors are
    /// logged: one bad file does not keep the others from being loaded.
    pub async fn refresh(self: &Arc<Self>) {
        for task in self.look().await {
            // A task that ended early has said so.
            let _ = task.await;
        }
    }

    /// Lets go of what is gone, and begins to load what is new.
    pub(crate) async fn look(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let names = match self.loading.names().await {
            Ok(names) => names,
            // It went with all that was in it.
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
        }
        (self.on_change)(self);
        names.into_iter().filter_map(|name| self.begin(name)).collect()
    }

    /// Tries again what failed for a reason that may have passed.
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
        // What is in service stays there.
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
        (self.on_change)(self);
    }

    /// Until it is known what a plugin that was there before the server decides, it may be
    /// anything.
    fn await_all(&self, names: &BTreeSet<String>) {
        let mut state = self.lock();
        for name in names {
            state.assumed.insert(name.clone(), all_gates());
        }
        for name in state.served.names().filter(|name| !names.contains(*name)) {
            let gates = names_of(&state.served.of(name));
            let message = format!(
                "the plugin \"{name}\" is not in {}, but it served {gates}: that is refused until the file is back, or \
                 until: tidegate plugin forget {name}",
                self.path().display()
            );
            tracing::error!(sender = "plugins", plugin = name.as_str(), message);
        }
    }

    /// A name that served a gate stays in its chain as a link that fails: deleting a file must
    /// not open a door.
    fn forget_missing(&self, present: &BTreeSet<String>) {
        let mut state = self.lock();
        state.present = Some(present.clone());
        let missing: Vec<_> = state.names().into_iter().filter(|name| !present.contains(name)).collect();
        for name in missing {
            state.compiled.remove(&name);
            state.assumed.remove(&name);
            let was_loaded = state.links.get(&name).and_then(|link| link.replace(None)).is_some();
            let was_seen = state.seen.remove(&name).is_some() && name != WHOLE_DIRECTORY;
            let gates = state.served.of(&name);
            if gates.is_empty() {
                // Those that the configuration names ask for theirs again.
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

    /// None: a task is busy with that name, and will look again.
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
        // A fault of ours with one plugin is not one with the next.
        let work = tokio::spawn(async move { directory.bring_up_to_date(&plugin).await });
        if work.await.is_err() {
            let error = LoadError::Invalid("the server failed (its log has more)".to_owned());
            self.keep_out(name, all_gates(), Seen::unreadable(error));
        }
        let directory = self.clone();
        // A panic has its line in the log; the name must not stay busy for ever.
        let _ = tokio::spawn(async move { directory.changed() }).await;
    }

    async fn bring_up_to_date(&self, name: &str) {
        let files = match self.loading.read(name).await {
            Ok(files) => files,
            Err(Unusable { is_gone: true, .. }) => return,
            Err(Unusable { error, gates, .. }) => return self.keep_out(name, gates, Seen::unreadable(error)),
        };
        let mut seen = Seen::of(&files);
        let before = self.lock().seen.get(name).cloned();
        if before.is_some_and(|before| !before.has_passing_error() && Seen { error: None, ..before } == seen) {
            return;
        }
        self.take_back(name, &files);
        match self.load(name, &files).await {
            Ok(loaded) => self.put_in_service(name, loaded, seen).await,
            Err(error) => {
                seen.error = Some(error);
                self.keep_out(name, claimed_gates(&files.component), seen);
            }
        }
    }

    /// Grants that the settings no longer give end now, not when everything is loaded anew.
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
            None => self.loading.compile(files).await?,
        };
        self.lock().compiled.insert(name.to_owned(), (files.digest.clone(), component.clone()));
        self.loading.load(name, files, &component).await
    }

    async fn put_in_service(&self, name: &str, loaded: Loaded, seen: Seen) {
        // Loading takes a while, in which the operator may have taken something back.
        let current = self.loading.current_settings(name).await;
        let is_outdated = current.is_some_and(|settings| settings.takes_back_from(loaded.settings()));
        let gates = gates_among(&loaded.hooks);
        let (hooks, digest) = (names_of(&loaded.hooks), loaded.digest.clone());
        let mut state = self.lock();
        if is_outdated || !state.present.as_ref().is_some_and(|present| present.contains(name)) {
            if let Some(again) = state.busy.get_mut(name) {
                *again |= is_outdated;
            }
            return;
        }
        state.link(name).replace(Some(Arc::new(loaded)));
        state.assumed.remove(name);
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

    /// A file that is there but cannot be used may be the one that refuses: its link stays, or
    /// comes, and fails. Logged once for each version of a file.
    fn keep_out(&self, name: &str, gates: BTreeSet<HookKind>, seen: Seen) {
        let mut state = self.lock();
        if !state.present.as_ref().is_some_and(|present| present.contains(name)) {
            return;
        }
        let is_in_service = state.link(name).loaded().is_some();
        if is_in_service {
            state.assumed.remove(name);
        } else {
            state.assumed.insert(name.to_owned(), gates);
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
        (self.on_change)(self);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub fn link(&mut self, name: &str) -> Arc<PluginHook> {
        self.links.entry(name.to_owned()).or_insert_with(|| Arc::new(PluginHook::new(name))).clone()
    }

    /// All that there is, was, or should be.
    pub fn names(&self) -> BTreeSet<String> {
        let names = self.links.keys().chain(self.assumed.keys()).chain(self.seen.keys());
        names.chain(self.served.names()).cloned().collect()
    }

    fn is_linked(&self, name: &str, kind: HookKind) -> bool {
        let loaded = self.links.get(name).and_then(|link| link.loaded());
        loaded.is_some_and(|loaded| loaded.hooks.contains(&kind)) || self.closed_gates(name).contains(&kind)
    }

    /// Gates that refuse because of that name.
    pub fn closed_gates(&self, name: &str) -> BTreeSet<HookKind> {
        let mut closed = self.served.of(name);
        closed.extend(self.assumed.get(name).into_iter().flatten());
        if let Some(loaded) = self.links.get(name).and_then(|link| link.loaded()) {
            closed.retain(|kind| !loaded.hooks.contains(kind));
        }
        closed
    }
}

/// In words.
pub(crate) fn names_of<'a>(hooks: impl IntoIterator<Item = &'a HookKind>) -> String {
    hooks.into_iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}
