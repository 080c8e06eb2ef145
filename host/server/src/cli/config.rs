//! `tidegate config`.

use std::path::Path;

use anyhow::ensure;
use clap::Subcommand;

use super::Place;
use crate::config::{Settings, shown};
use crate::{hook_inventory, wire};

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration, and the plugins that it or the directory has, without starting
    Check(Place),
    /// Print the configuration in force, without secrets
    Show {
        #[command(flatten)]
        place: Place,
        /// As JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check(place) => check(&place).await,
        ConfigCommand::Show { place, json } => show(&place, json),
    }
}

async fn check(place: &Place) -> anyhow::Result<()> {
    let directory = place.directory();
    let loaded = place.load(&directory)?;
    let settings = loaded.validate(&directory, false)?;
    for warning in settings.warnings.iter().chain(&loaded.notes) {
        eprintln!("tidegate: warning: {warning}");
    }
    let mut problems: Vec<String> = settings.host_keys.problems().iter().map(ToString::to_string).collect();
    problems.extend(wire::later_database(&settings.database));
    problems.extend(plugin_problems(&directory, &settings).await?);
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    match &loaded.source.path {
        Some(path) => println!("{} is valid.", path.display()),
        None => println!("The defaults are valid."),
    }
    Ok(())
}

/// The problems of plugins that cannot be loaded, whether they are named, only in the directory, or
/// missing: their gates would be closed.
async fn plugin_problems(directory: &Path, settings: &Settings) -> anyhow::Result<Vec<String>> {
    let hooks = hook_inventory::as_at_start(directory, settings).await?;
    let plugins = hooks.plugin_states();
    let mut problems: Vec<String> = plugins.iter().filter_map(hook_inventory::problem).collect();
    // Plugins that are not loaded are among the problems already.
    problems.extend(hooks.points.unusable().filter(|unusable| unusable.is_loaded).map(|unusable| unusable.to_string()));
    for name in settings.plugins.keys().filter(|name| !plugins.iter().any(|plugin| plugin.name == **name)) {
        let directory = settings.plugin_directory.display();
        eprintln!("tidegate: warning: key \"plugin.{name}\": there is no plugin of that name in {directory}");
    }
    Ok(problems)
}

fn show(place: &Place, json: bool) -> anyhow::Result<()> {
    let config = shown(&place.load(&place.directory())?.config)?;
    let text = if json { serde_json::to_string_pretty(&config)? } else { toml::to_string(&config)? };
    println!("{text}");
    Ok(())
}
