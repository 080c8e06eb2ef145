//! Hooks and plugins as administrators see them: those of the running server, or, without one,
//! those that a server would have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::{Map, Value};
use tidegate_core::admin::{
    HookInventory, HookLink, InventoryError, KeptValue, LoginExplanation, LoginQuestion, PluginDetails, PluginState,
    SignedPlugin,
};
use tidegate_core::hook::HookKind;
use tidegate_core::ports::{Clock, SystemClock};
use tidegate_core::terminal::on_one_line;
use tidegate_hooks_wasm::{ForgetError, Limits, PluginInfo, ServedGates};
use tokio::sync::Mutex;

use crate::config::Settings;
use crate::hook_explanation;
use crate::hook_test::{Bench, Case};
use crate::plugin_installation;
use crate::wire::{self, Hooks, LinkInfo, Stores};

pub fn hook_link(kind: HookKind, link: &LinkInfo) -> HookLink {
    let description = link.description.clone();
    HookLink {
        hook: kind.as_str(),
        adapter: link.adapter,
        target: description.target,
        deadline: description.deadline,
        on_error: link.on_error,
        selectors: link.selectors.clone(),
        limits: description.limits,
        version: description.version,
        grants: description.grants,
        health: description.health,
    }
}

fn plugin_state(plugin: PluginInfo) -> PluginState {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    PluginState {
        name: plugin.name,
        digest: plugin.digest,
        hooks: owned(plugin.hooks),
        grants: plugin.grants,
        closed_gates: owned(plugin.closed_gates),
        error: plugin.error,
        details: PluginDetails {
            contract: plugin.contract,
            wants: plugin.wants.into_iter().map(|wanted| (wanted.what.to_owned(), wanted.is_granted)).collect(),
            signer: plugin.signer,
            limits: plugin.limits.map(limits).unwrap_or_default(),
            config: plugin.config,
            left_of_schema: plugin.left_of_schema,
        },
    }
}

fn limits(limits: Limits) -> Vec<(&'static str, String)> {
    let Limits { deadline_ms, cpu_ms, memory_mib, concurrency, log_lines, instances, ready } = limits;
    vec![
        ("Time for a call", format!("{deadline_ms} ms")),
        ("Time of computing in a call", format!("{cpu_ms} ms")),
        ("Memory of an instance", format!("{memory_mib} MiB")),
        ("Calls at once", concurrency.to_string()),
        ("Lines that a call may log", log_lines.to_string()),
        ("Instances", format!("{}, {ready} ready", instances.as_str())),
    ]
}

impl Hooks {
    pub fn links(&self) -> Vec<HookLink> {
        let points = self.points.points().iter();
        points.flat_map(|point| point.links().into_iter().map(|link| hook_link(point.kind(), &link))).collect()
    }

    pub fn plugin_states(&self) -> Vec<PluginState> {
        self.plugins().into_iter().map(plugin_state).collect()
    }
}

/// The inventory of the server that runs.
pub struct Running {
    pub hooks: Hooks,
    pub settings: Settings,
    pub stores: Stores,
    /// The server's state.
    pub directory: PathBuf,
    /// A test loads all plugins: one is made at a time.
    pub testing: Mutex<()>,
}

#[async_trait]
impl HookInventory for Running {
    async fn links(&self) -> Result<Vec<HookLink>, String> {
        Ok(self.hooks.links())
    }

    async fn plugins(&self) -> Result<Vec<PluginState>, String> {
        Ok(self.hooks.plugin_states())
    }

    async fn reload(&self) -> Result<(), String> {
        self.hooks.load().await;
        Ok(())
    }

    async fn forget(&self, plugin: &str) -> Result<(), String> {
        self.hooks.forget_gates(plugin).await.map_err(|error| error.to_string())
    }

    async fn explain(&self, login: &LoginQuestion) -> Result<LoginExplanation, String> {
        hook_explanation::explain(login, &self.settings, &self.stores, &self.hooks).await.map_err(sentence)
    }

    async fn test(&self, event: Map<String, Value>) -> Result<Value, InventoryError> {
        let case = event_of(event)?;
        let Ok(_turn) = self.testing.try_lock() else {
            return Err(InventoryError::Failed(
                "another test of hooks is under way; try again when it has ended".to_owned(),
            ));
        };
        let failed = |error| InventoryError::Failed(sentence(error));
        let bench = Bench::of_server(self.settings.clone(), self.stores.clone(), &self.directory);
        let report = bench.await.map_err(failed)?.run(case).await;
        report.map(|report| report.to_json()).map_err(|error| InventoryError::Invalid(sentence(error)))
    }

    async fn kept(&self, plugin: &str, limit: u32) -> Result<Vec<KeptValue>, String> {
        let kept = self.stores.database.list_values(plugin, limit).await.map_err(|error| error.to_string())?;
        let now = SystemClock.now();
        let age = |at: i64| now.saturating_sub(at).max(0);
        let kept =
            kept.into_iter().map(|facts| KeptValue { key: facts.key, size: facts.size, age: facts.stored_at.map(age) });
        Ok(kept.collect())
    }

    fn may_change(&self) -> Result<(), InventoryError> {
        if self.settings.http_access.manage_plugins {
            return Ok(());
        }
        let problem = "plugins are not changed over the network; set httpd.manage_plugins to allow it";
        Err(InventoryError::Refused(problem.to_owned()))
    }

    async fn install(&self, name: &str, plugin: SignedPlugin) -> Result<(), InventoryError> {
        self.may_change()?;
        let (directory, keys) = (self.settings.plugin_directory.clone(), self.settings.trusted_plugin_keys.clone());
        let name = name.to_owned();
        let SignedPlugin { component, signature } = plugin;
        Self::on_files(move || plugin_installation::install(&directory, &keys, &name, &component, &signature)).await?;
        self.hooks.load().await;
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), InventoryError> {
        self.may_change()?;
        let (directory, name) = (self.settings.plugin_directory.clone(), name.to_owned());
        Self::on_files(move || plugin_installation::remove(&directory, &name)).await?;
        self.hooks.load().await;
        Ok(())
    }
}

impl Running {
    /// Runs work on files apart from the tasks of connections.
    async fn on_files(
        work: impl FnOnce() -> Result<(), InventoryError> + Send + 'static,
    ) -> Result<(), InventoryError> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| InventoryError::Failed(format!("the work on the plugin broke off: {error}")))?
    }
}

/// # Errors
/// A key is not known or has another type, or the event names a hook of its own: what clients over the network could
/// name would be any program of the machine.
fn event_of(event: Map<String, Value>) -> Result<Case, InventoryError> {
    let case: Case = serde_json::from_value(Value::Object(event))
        .map_err(|error| InventoryError::Invalid(format!("the event cannot be read: {error}")))?;
    if !case.link.is_empty() {
        let problem = "an event over the network cannot name a link; the configured hooks are asked, or the one of them \
                       that \"only\" names";
        return Err(InventoryError::Invalid(problem.to_owned()));
    }
    case.kind().map_err(|error| InventoryError::Invalid(sentence(error)))?;
    Ok(case)
}

/// The inventory of a server that would start now. Nothing is loaded before it is asked.
pub struct AtStart {
    pub directory: PathBuf,
    pub settings: Settings,
}

#[async_trait]
impl HookInventory for AtStart {
    async fn links(&self) -> Result<Vec<HookLink>, String> {
        as_at_start(&self.directory, &self.settings).await.map(|hooks| hooks.links()).map_err(sentence)
    }

    async fn plugins(&self) -> Result<Vec<PluginState>, String> {
        as_at_start(&self.directory, &self.settings).await.map(|hooks| hooks.plugin_states()).map_err(sentence)
    }

    async fn reload(&self) -> Result<(), String> {
        Err("no server runs that could load plugins again".to_owned())
    }

    async fn explain(&self, _: &LoginQuestion) -> Result<LoginExplanation, String> {
        Err("no server runs; see: tidegate hook explain".to_owned())
    }

    async fn test(&self, _: Map<String, Value>) -> Result<Value, InventoryError> {
        Err(InventoryError::Failed("no server runs; see: tidegate hook test".to_owned()))
    }

    async fn install(&self, _: &str, _: SignedPlugin) -> Result<(), InventoryError> {
        Err(InventoryError::Refused("no server runs; copy the file into the plugin directory".to_owned()))
    }

    async fn remove(&self, _: &str) -> Result<(), InventoryError> {
        Err(InventoryError::Refused("no server runs; remove the file from the plugin directory".to_owned()))
    }

    /// Changes the record that the next server reads.
    async fn forget(&self, plugin: &str) -> Result<(), String> {
        let mut gates = ServedGates::open(&self.directory).map_err(|error| error.to_string())?;
        let forgotten = gates.forget(plugin, &BTreeSet::new());
        let forgotten = forgotten.map_err(|error| ForgetError::NotWritten(error).to_string())?;
        if forgotten { Ok(()) } else { Err(ForgetError::NothingToForget(plugin.to_owned()).to_string()) }
    }
}

fn sentence(error: anyhow::Error) -> String {
    format!("{error:#}")
}

/// The hooks of a server that would start now. `directory`: its state.
pub async fn as_at_start(directory: &Path, settings: &Settings) -> anyhow::Result<Hooks> {
    // In memory, so that a look leaves nothing behind.
    let stores = Stores::in_memory()?;
    Hooks::open(settings, &stores, wire::silent_host(), ServedGates::look(directory)?).await
}

/// The problem of a plugin, in a sentence.
pub fn problem(plugin: &PluginState) -> Option<String> {
    let error = plugin.error.as_ref()?;
    let state = if plugin.digest.is_none() { " is not loaded" } else { "" };
    let mut text = format!("the plugin \"{}\"{state}: {error}", plugin.name);
    if !plugin.closed_gates.is_empty() {
        text.push_str(&format!("; until then this is refused: {}", plugin.closed_gates.join(", ")));
    }
    Some(on_one_line(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_over_the_network_name_no_programs() {
        let check = |event: Value, expected: Result<&str, &str>| match (
            event_of(event.as_object().cloned().unwrap()),
            expected,
        ) {
            (Ok(case), Ok(hook)) => assert_eq!(case.hook, hook),
            (Err(InventoryError::Invalid(problem)), Err(part)) => assert!(problem.contains(part), "{problem}"),
            (found, expected) => panic!("{found:?} {expected:?}"),
        };
        check(json!({"hook": "login-pre", "user": "ann"}), Ok("login-pre"));
        check(json!({"hook": "login-pre", "only": "/opt/one-that-is-configured"}), Ok("login-pre"));
        check(json!({}), Err("hook point"));
        check(json!({"hook": "login-never"}), Err("login-never"));
        check(json!({"hook": "login-pre", "link": "/bin/sh"}), Err("cannot name a link"));
        check(json!({"hook": "login-pre", "command": "/bin/sh"}), Err("command"));
        check(json!({"hook": "login-pre", "ip": "here"}), Err("cannot be read"));
    }
}
