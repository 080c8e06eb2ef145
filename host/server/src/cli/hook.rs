//! `tidegate hook`.

use clap::Subcommand;
use serde_json::json;
use tidegate_core::hook::{HookKind, OnError};

use super::{Place, plugin};

#[derive(Debug, Subcommand)]
pub enum HookCommand {
    /// List the links of every hook point, in the order in which they are asked
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: HookCommand) -> anyhow::Result<()> {
    let HookCommand::List { place, json } = command;
    let (_directory, chain) = plugin::open(&place).await?;
    let links = chain.links();
    let kind = HookKind::ExternalAuth;
    let on_error = |on_error| match on_error {
        OnError::Deny => "deny",
        OnError::Skip => "skip",
    };
    if json {
        let links: Vec<_> = links
            .iter()
            .map(|link| {
                let description = link.description();
                json!({
                    "hook": kind.as_str(),
                    "adapter": description.adapter,
                    "target": description.target,
                    "deadline_seconds": description.deadline.as_secs_f64(),
                    "on_error": on_error(link.on_error()),
                    "health": description.health,
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&links)?);
        return Ok(());
    }
    if links.is_empty() {
        println!("{kind}: no links; the stored accounts decide");
    }
    for (index, link) in links.iter().enumerate() {
        let description = link.description();
        let (number, adapter, target) = (index + 1, description.adapter, description.target);
        let (deadline, health) = (description.deadline, description.health);
        println!(
            "{kind} {number}. {adapter:<8} {target}  (deadline {deadline:?}, on error {}, {health})",
            on_error(link.on_error())
        );
    }
    Ok(())
}
