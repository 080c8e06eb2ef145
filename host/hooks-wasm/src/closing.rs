//! Closes the gates of plugins of which no version is in service, from the look that finds their
//! file: until it is loaded, it may be the one that denies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_core::hook::HookKind;
use tokio::task::JoinSet;

use crate::claimed_gates::{all_gates, claimed_gates};
use crate::loader::{PluginDirectory, State, names_of};

impl PluginDirectory {
    /// Closes all gates for each plugin that is present at start, when nothing is served yet: until
    /// its file is read, it may be meant for any of them.
    pub(crate) fn await_all(&self, names: &BTreeSet<String>) {
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

    /// Closes the gates that these files export, where no version is in service. That is known
    /// before the files are loaded, which may have to wait for the file before.
    pub(crate) async fn claim_gates(self: &Arc<Self>, names: &BTreeSet<String>) {
        let waiting: Vec<_> = {
            let state = self.lock();
            names.iter().filter(|name| state.is_waiting(name)).cloned().collect()
        };
        let mut reading = JoinSet::new();
        for name in waiting.clone() {
            let directory = self.clone();
            reading.spawn(async move {
                let gates = directory.loading.claims(&name).await;
                (name, gates)
            });
        }
        let mut claims: BTreeMap<_, _> = waiting.into_iter().map(|name| (name, all_gates())).collect();
        while let Some(read) = reading.join_next().await {
            // One that failed has logged the reason, and all gates stay claimed.
            if let Ok((name, gates)) = read {
                claims.insert(name, gates);
            }
        }
        let mut state = self.lock();
        for (name, gates) in claims {
            state.claim(name, gates);
        }
    }

    /// Closes the gates that the file exports which is being loaded, and no others, if no version is in service. Returns
    /// whether that makes a difference.
    pub(crate) fn close_until_in_service(&self, name: &str, component: &[u8]) -> bool {
        if !self.lock().is_waiting(name) {
            return false;
        }
        let gates = claimed_gates(component);
        let mut state = self.lock();
        // The file may have been removed meanwhile.
        if !state.is_waiting(name) {
            return false;
        }
        let before = state.closed_gates(name);
        state.assume(name, gates);
        state.closed_gates(name) != before
    }
}

impl State {
    /// Whether there is a file of this name, and no version in service.
    fn is_waiting(&self, name: &str) -> bool {
        self.is_present(name) && self.links.get(name).and_then(|link| link.loaded()).is_none()
    }

    /// Closes gates because of a file that a look has found. Those of the file before stay closed
    /// until this one is read by the task that loads it, which has to begin again.
    fn claim(&mut self, name: String, gates: BTreeSet<HookKind>) {
        if !self.is_waiting(&name) {
            return;
        }
        if let Some(again) = self.busy.get_mut(&name) {
            *again = true;
        }
        self.assumed.entry(name).or_default().extend(gates);
    }

    /// Closes the gates of the file that a task has read, and opens those that were closed because
    /// of the file before, unless a later look has claimed gates for another one.
    pub fn assume(&mut self, name: &str, gates: BTreeSet<HookKind>) {
        if self.busy.get(name) == Some(&true) {
            self.assumed.entry(name.to_owned()).or_default().extend(gates);
        } else {
            self.assumed.insert(name.to_owned(), gates);
        }
    }
}
