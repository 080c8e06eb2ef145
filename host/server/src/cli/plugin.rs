//! `tidegate plugin`.

use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;
use tidegate_core::hook::Chain;
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_hooks_wasm::PluginDirectory;

use super::Place;
use crate::config::Settings;
use crate::wire::{self, ExternalAuthLinks, Stores};

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// List the plugins in the directory, with what they export and what is wrong with them
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: PluginCommand) -> anyhow::Result<()> {
    let PluginCommand::List { place, json } = command;
    let (directory, _) = open(&place).await?;
    let plugins = directory.plugins();
    if json {
        let documents: Vec<_> = plugins
            .iter()
            .map(|plugin| {
                json!({
                    "name": plugin.name,
                    "sha256": plugin.digest,
                    "hooks": plugin.hooks,
                    "grants": plugin.grants,
                    "error": plugin.error,
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&documents)?);
        return Ok(());
    }
    for plugin in &plugins {
        let digest = plugin.digest.as_deref().and_then(|digest| digest.get(..12)).unwrap_or("-");
        let state = plugin.error.clone().unwrap_or_else(|| format!("exports {}", plugin.hooks.join(", ")));
        println!("{:<20} {digest:<13} {state}", plugin.name);
    }
    Ok(())
}

/// The plugins and the chain as a server would have them, without serving.
pub async fn open(place: &Place) -> anyhow::Result<(Arc<PluginDirectory>, Arc<Chain<ExternalAuth>>)> {
    let (_, settings) = place.settings()?;
    let Settings { database, users_base_dir, external_auth, program_environment, plugin_directory, plugins, .. } =
        settings;
    let stores = Stores::open(&database, users_base_dir)?;
    let chain = Arc::new(Chain::default());
    let links = ExternalAuthLinks::new(&external_auth, program_environment)?;
    let directory = wire::open_plugins(plugin_directory, plugins, &stores, links, chain.clone()).await?;
    Ok((directory, chain))
}
