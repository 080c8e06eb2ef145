//! The list of plugins for administrators, and the command with which they let a gate go.

use std::sync::Arc;

use crate::claimed_gates::gates_among;
use crate::loader::{PluginDirectory, State, names_of};
use crate::settings::Limits;
use crate::wants::{Wanted, contract_version, wanted};

/// A line of `tidegate plugin list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginInfo {
    /// The plugin's name: that of its file without `.wasm`.
    pub name: String,
    /// Hexadecimal SHA-256 of the component in service; `None` if there is none.
    pub digest: Option<String>,
    /// The version of the contract that the component in service was made for, where it imports anything of it.
    pub contract: Option<String>,
    /// Hooks that the component in service exports.
    pub hooks: Vec<&'static str>,
    /// What the operator gave to the component in service, such as `credentials` or `home:/srv`.
    pub grants: Vec<String>,
    /// Gates that refuse because the plugin does not serve them.
    pub closed_gates: Vec<&'static str>,
    /// Why the file in the directory is not in service, or what is missing.
    pub error: Option<String>,
    /// What the component in service imports, and whether it was given.
    pub wants: Vec<Wanted>,
    /// The fingerprint of the key that has signed it; None: no signature is needed.
    pub signer: Option<String>,
    /// The limits of the component in service.
    pub limits: Option<Limits>,
    /// `[config]`, as it was given to the component in service.
    pub config: serde_json::Value,
    /// Keywords of the schema of its settings that are left to the component; None: there is no schema.
    pub left_of_schema: Option<Vec<String>>,
}

/// Why no gate was let go.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The plugin serves all gates that are recorded for it, or none is.
    #[error(
        "no gate waits for the plugin \"{0}\" to come back; see: tidegate plugin list (a file that cannot be loaded is to \
         be replaced or removed)"
    )]
    NothingToForget(String),
    /// The record could not be written; the gates stay closed.
    #[error("the record of the gates that plugins served could not be written: {0}")]
    NotWritten(std::io::Error),
}

impl PluginDirectory {
    /// All plugins that have a link, a file, or a recorded gate, in the order of their names.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        let state = self.lock();
        state.names().iter().map(|name| state.info(name)).collect()
    }

    /// Lets go of the gates that a plugin served and does not serve now.
    ///
    /// # Errors
    /// If there is no such gate, or the record cannot be written.
    pub async fn forget(self: &Arc<Self>, name: &str) -> Result<(), ForgetError> {
        // The file may have been removed a moment ago, before the watch noticed.
        self.look().await;
        let mut state = self.lock();
        let serves = state
            .links
            .get(name)
            .and_then(|link| link.loaded())
            .map(|loaded| gates_among(&loaded.hooks))
            .unwrap_or_default();
        let forgotten = state.served.forget(name, &serves).map_err(ForgetError::NotWritten)?;
        drop(state);
        if !forgotten {
            return Err(ForgetError::NothingToForget(name.to_owned()));
        }
        self.changed();
        let message = format!("the operator let go of the gates that the plugin \"{name}\" served");
        tracing::warn!(sender = "plugins", plugin = name, message);
        Ok(())
    }
}

impl State {
    fn info(&self, name: &str) -> PluginInfo {
        let loaded = self.links.get(name).and_then(|link| link.loaded());
        let closed = self.closed_gates(name);
        let hooks = loaded.as_ref().map(|loaded| loaded.hooks.iter().map(|kind| kind.as_str()).collect());
        let way_out = format!("or: tidegate plugin forget {name}");
        let error = match (self.seen.get(name), &loaded) {
            (Some(seen), _) if seen.error.is_some() => seen.error.as_ref().map(ToString::to_string),
            (Some(_), Some(_)) if !closed.is_empty() => {
                Some(format!("it no longer exports {}; make it do so, {way_out}", names_of(&closed)))
            }
            (_, Some(_)) => None,
            (Some(_), None) => Some("it is being loaded anew".to_owned()),
            (None, None) if self.is_present(name) => Some("it is being loaded".to_owned()),
            (None, None) if self.served.of(name).is_empty() => Some("there is no such file".to_owned()),
            (None, None) => Some(format!("there is no such file; put it back, {way_out}")),
        };
        PluginInfo {
            name: name.to_owned(),
            digest: loaded.as_ref().map(|loaded| loaded.digest.clone()),
            contract: loaded.as_ref().and_then(|loaded| contract_version(&loaded.imports)),
            hooks: hooks.unwrap_or_default(),
            grants: loaded.as_ref().map(|loaded| loaded.settings().grant_names()).unwrap_or_default(),
            closed_gates: closed.iter().map(|kind| kind.as_str()).collect(),
            error,
            wants: loaded.as_ref().map(|loaded| wanted(&loaded.imports, loaded.settings())).unwrap_or_default(),
            signer: loaded.as_ref().and_then(|loaded| loaded.signer.clone()),
            limits: loaded.as_ref().map(|loaded| loaded.settings().limits),
            config: loaded.as_ref().map(|loaded| loaded.settings().config.clone()).unwrap_or_default(),
            left_of_schema: loaded.as_ref().and_then(|loaded| loaded.left_of_schema.clone()),
        }
    }
}
