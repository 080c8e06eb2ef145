//! Hooks and plugins as administrators see them: those of the running server, or, without one,
//! those that a server would have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tidegate_core::admin::{HookInventory, HookLink, PluginState};
use tidegate_core::hook::HookKind;
use tidegate_core::terminal::on_one_line;
use tidegate_hooks_wasm::{ForgetError, PluginInfo, ServedGates};

use crate::config::Settings;
use crate::wire::{self, Hooks, LinkInfo, Stores};

pub fn hook_link(kind: HookKind, link: &LinkInfo) -> HookLink {
    let description = link.description.clone();
    HookLink {
        hook: kind.as_str(),
        adapter: link.adapter,
        target: description.target,
        deadline: description.deadline,
        on_error: link.on_error,
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
    }
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

#[async_trait]
impl HookInventory for Hooks {
    async fn links(&self) -> Result<Vec<HookLink>, String> {
        Ok(Hooks::links(self))
    }

    async fn plugins(&self) -> Result<Vec<PluginState>, String> {
        Ok(self.plugin_states())
    }

    async fn reload(&self) -> Result<(), String> {
        self.load().await;
        Ok(())
    }

    async fn forget(&self, plugin: &str) -> Result<(), String> {
        self.forget_gates(plugin).await.map_err(|error| error.to_string())
    }
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
