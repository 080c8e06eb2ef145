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

    /// Closes the gates that the file exports which is being loaded, and no others, if no version is in
    /// service. Returns whether that makes a difference.
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
        self.claimed.insert(name, gates);
    }

    /// Closes the gates of the file that a task has read, and opens those that were closed because
    /// of the file before; those that a later look has claimed, for another one, stay closed.
    pub fn assume(&mut self, name: &str, gates: BTreeSet<HookKind>) {
        self.assumed.insert(name.to_owned(), gates);
        if self.busy.get(name) != Some(&true) {
            self.claimed.remove(name);
        }
    }

    /// Opens the gates that were closed because of the files of this name.
    pub fn open(&mut self, name: &str) {
        self.assumed.remove(name);
        self.claimed.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::hook::HookKind::{CheckPassword, Connect, ExternalAuth};

    use super::*;

    /// What happens to a file that is present, and of which no version is in service.
    #[derive(Debug)]
    enum Step {
        /// The server starts.
        Start,
        /// A look finds a file that exports these gates.
        Look(&'static [HookKind]),
        /// A task begins to read, because of the look or once more.
        Begin,
        /// The task has read a file that exports these gates.
        Read(&'static [HookKind]),
    }

    #[test]
    fn gates_are_closed_for_the_files_that_are_not_superseded() {
        // G-01
        use Step::{Begin, Look, Read, Start};
        let check = |steps: &[Step], expected: &[HookKind]| {
            let mut state = State::default();
            state.present = Some(BTreeSet::from(["a".to_owned()]));
            for step in steps {
                match step {
                    Start => state.assume("a", all_gates()),
                    Look(gates) => state.claim("a".to_owned(), gates.iter().copied().collect()),
                    Begin => {
                        state.busy.insert("a".to_owned(), false);
                    }
                    Read(gates) => state.assume("a", gates.iter().copied().collect()),
                }
            }
            let closed: Vec<_> = state.closed_gates("a").into_iter().collect();
            assert_eq!(closed, expected, "{steps:?}");
        };
        let all: Vec<_> = all_gates().into_iter().collect();
        check(&[Look(&[Connect])], &[Connect]);
        check(&[Look(&[Connect]), Begin, Read(&[Connect])], &[Connect]);
        check(&[Start, Begin], &all);
        check(&[Start, Begin, Read(&[])], &[]);
        // Other files change while one waits for its reader: it closes no more than what it exports.
        check(&[Start, Begin, Look(&[])], &all);
        check(&[Start, Begin, Look(&[]), Read(&[])], &[]);
        check(&[Start, Begin, Look(&[Connect]), Read(&[Connect])], &[Connect]);
        // The task has read the file before, or the one that the look has found; it cannot tell.
        check(&[Look(&[Connect]), Begin, Look(&[CheckPassword]), Read(&[Connect])], &[Connect, CheckPassword]);
        check(&[Look(&[Connect]), Begin, Read(&[Connect]), Look(&[ExternalAuth])], &[Connect, ExternalAuth]);
        let again = [Look(&[Connect]), Begin, Read(&[Connect]), Look(&[ExternalAuth]), Begin, Read(&[ExternalAuth])];
        check(&again, &[ExternalAuth]);
        // A copy that has ended.
        check(&[Look(&[Connect]), Look(&[ExternalAuth])], &[ExternalAuth]);
    }
}
