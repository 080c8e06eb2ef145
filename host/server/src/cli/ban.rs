//! `tidegate ban`.

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use tidegate_api_types::{AddBan, ListBans, RemoveBan};

use super::Place;
use crate::control::Control;

#[derive(Debug, Subcommand)]
pub enum BanCommand {
    /// List the banned addresses
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Ban an address; its open sessions are left alone
    Add {
        #[command(flatten)]
        place: Place,
        /// The address; of IPv6, its network of 64 bits is banned
        ip: String,
        /// Minutes that the ban lasts [default: common.defender.ban_time]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        minutes: Option<u32>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// End the ban of an address, and forget its score
    Remove {
        #[command(flatten)]
        place: Place,
        /// The address, or the network as in the list
        ip: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: BanCommand) -> anyhow::Result<()> {
    match command {
        BanCommand::List { place, json } => list(&place, json).await,
        BanCommand::Add { place, ip, minutes, json } => add(&place, ip, minutes, json).await,
        BanCommand::Remove { place, ip, json } => remove(&place, ip, json).await,
    }
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let bans = match Control::connect(&place.directory()).await? {
        Some(mut control) => control.call(&ListBans {}).await?.bans,
        // Bans end with the server.
        None => Vec::new(),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&bans)?);
    } else {
        bans.iter().for_each(|ban| println!("{:<24} until {}  score {}", ban.ip, ban.ban_time, ban.score));
    }
    Ok(())
}

async fn add(place: &Place, ip: String, minutes: Option<u32>, json: bool) -> anyhow::Result<()> {
    let seconds = minutes.map(|minutes| u64::from(minutes) * 60);
    let ban = server(place).await?.call(&AddBan { ip, seconds }).await?;
    if json {
        println!("{}", json!(ban));
    } else {
        println!("Connections from {} are refused until {}.", ban.ip, ban.ban_time);
    }
    Ok(())
}

async fn remove(place: &Place, ip: String, json: bool) -> anyhow::Result<()> {
    let removed = server(place).await?.call(&RemoveBan { ip }).await?;
    if json {
        println!("{}", json!(removed));
    } else {
        println!("The ban of {} has ended.", removed.removed);
    }
    Ok(())
}

/// The running server, which alone has bans.
async fn server(place: &Place) -> anyhow::Result<Control> {
    let directory = place.directory();
    let control = Control::connect(&directory).await?;
    control.with_context(|| format!("bans are kept by the running server, and none runs in {}", directory.display()))
}
