//! `tidegate plugin`.

use clap::Subcommand;
use serde_json::json;

use super::Place;
use crate::wire::{self, Hooks, Stores};

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
    let (_, settings) = place.settings()?;
    let hooks = Hooks::open(&settings, &Stores::open(&settings.database)?, wire::silent_host()).await?;
    let plugins = hooks.plugins.plugins();
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
