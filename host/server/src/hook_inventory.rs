//! What administrators' commands show of hooks and plugins: of the server that runs, or, without
//! one, of what a server would have.

use std::path::Path;

use hyper::Method;
use tidegate_core::hook::HookKind;
use tidegate_hooks_wasm::{PluginInfo, ServedGates};
use tidegate_httpd::{HookInventory, HookLinkView, PluginView};

use crate::config::Settings;
use crate::config::settings::DatabaseSettings;
use crate::control::Control;
use crate::hook_points::LinkInfo;
use crate::wire::{self, Hooks, Stores};

pub fn link_view(kind: HookKind, link: &LinkInfo) -> HookLinkView {
    let description = link.description.clone();
    HookLinkView {
        hook: kind.as_str().to_owned(),
        adapter: link.adapter.to_owned(),
        target: description.target,
        deadline_seconds: description.deadline.as_secs_f64(),
        on_error: link.on_error.to_owned(),
        limits: description.limits,
        version: description.version,
        grants: description.grants,
        health: description.health.to_owned(),
    }
}

fn plugin_view(plugin: PluginInfo) -> PluginView {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    PluginView {
        name: plugin.name,
        sha256: plugin.digest,
        hooks: owned(plugin.hooks),
        grants: plugin.grants,
        closed_gates: owned(plugin.closed_gates),
        error: plugin.error,
    }
}

impl HookInventory for Hooks {
    fn links(&self) -> Vec<HookLinkView> {
        let points = self.points.points().iter();
        points.flat_map(|point| point.links().into_iter().map(|link| link_view(point.kind(), &link))).collect()
    }

    fn plugins(&self) -> Vec<PluginView> {
        self.plugins.plugins().into_iter().map(plugin_view).collect()
    }

    fn forget(&self, plugin: &str) -> Result<(), String> {
        self.plugins.forget(plugin).map_err(|error| error.to_string())
    }
}

/// As a server would have them that starts now; `directory`: its state.
pub async fn as_at_start(directory: &Path, settings: &Settings) -> anyhow::Result<Hooks> {
    // A look leaves nothing behind.
    let stores = Stores::open(&DatabaseSettings::Memory(None))?;
    Hooks::open(settings, &stores, wire::silent_host(), ServedGates::look(directory)?).await
}

pub async fn links(directory: &Path, settings: &Settings) -> anyhow::Result<Vec<HookLinkView>> {
    match Control::connect(directory).await? {
        Some(control) => Ok(serde_json::from_value(control.ask(Method::GET, "/hooks", None).await?)?),
        None => Ok(as_at_start(directory, settings).await?.links()),
    }
}

pub async fn plugins(directory: &Path, settings: &Settings) -> anyhow::Result<Vec<PluginView>> {
    match Control::connect(directory).await? {
        Some(control) => Ok(serde_json::from_value(control.ask(Method::GET, "/plugins", None).await?)?),
        None => Ok(HookInventory::plugins(&as_at_start(directory, settings).await?)),
    }
}

/// What is wrong with a plugin, in a sentence.
pub fn problem(plugin: &PluginView) -> Option<String> {
    let error = plugin.error.as_ref()?;
    let state = if plugin.sha256.is_none() { " is not loaded" } else { "" };
    let mut text = format!("the plugin \"{}\"{state}: {error}", plugin.name);
    if !plugin.closed_gates.is_empty() {
        text.push_str(&format!("; until then this is refused: {}", plugin.closed_gates.join(", ")));
    }
    Some(text)
}
