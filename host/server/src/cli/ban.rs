//! `tidegate ban`.

use clap::Subcommand;
use serde_json::json;
use tidegate_api_types::{
    AddBan, AddExemptNetwork, Ban, ExemptNetwork, ListBans, ListExemptNetworks, RemoveBan, RemoveExemptNetwork,
};

use super::Place;
use super::door::{Door, Purpose};
use crate::control::Control;

/// How many bans are read at once: the server puts all of them in order for each page.
const PAGE: u32 = 5000;

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
    /// List, add and remove networks whose addresses are never banned
    Exempt {
        #[command(subcommand)]
        command: ExemptCommand,
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

#[derive(Debug, Subcommand)]
pub enum ExemptCommand {
    /// List the networks whose addresses are never banned
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Exempt a network, also after a restart, and end the bans of its addresses
    Add {
        #[command(flatten)]
        place: Place,
        /// The network, such as 192.0.2.0/24, of at least 8 bits (16 of IPv6), or an address
        network: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Exempt a network no longer; those of the configuration are changed there
    Remove {
        #[command(flatten)]
        place: Place,
        /// The network, as in the list
        network: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

async fn exempt(command: ExemptCommand) -> anyhow::Result<()> {
    match command {
        ExemptCommand::List { place, json } => {
            let mut door = Door::open(&place, Purpose::Look).await?;
            let networks = door.call(ListExemptNetworks {}).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&networks)?);
            } else {
                networks.configured.iter().for_each(|network| println!("{network:<44} by the configuration"));
                networks.added.iter().for_each(|network| println!("{network:<44} by an administrator"));
            }
            door.finish().await;
        }
        ExemptCommand::Add { place, network, json } => {
            let mut door = Door::open(&place, Purpose::Change).await?;
            let ExemptNetwork { network } = door.call(AddExemptNetwork { network }).await?;
            told(json, &network, "are never banned");
            door.finish().await;
        }
        ExemptCommand::Remove { place, network, json } => {
            let mut door = Door::open(&place, Purpose::Change).await?;
            let ExemptNetwork { network } = door.call(RemoveExemptNetwork { network }).await?;
            told(json, &network, "can be banned again");
            door.finish().await;
        }
    }
    Ok(())
}

fn told(json: bool, network: &str, outcome: &str) {
    if json {
        println!("{}", json!({"network": network}));
    } else {
        println!("Addresses of {network} {outcome}.");
    }
}

pub async fn run(command: BanCommand) -> anyhow::Result<()> {
    match command {
        BanCommand::List { place, json } => list(&place, json).await,
        BanCommand::Add { place, ip, minutes, json } => add(&place, ip, minutes, json).await,
        BanCommand::Exempt { command } => exempt(command).await,
        BanCommand::Remove { place, ip, json } => remove(&place, ip, json).await,
    }
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let bans = match place.server().await? {
        Some(mut control) => all(&mut control).await?,
        // Bans end with the server.
        None => {
            place.settings_to_look_at()?;
            Vec::new()
        }
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&bans)?);
    } else {
        for ban in bans {
            println!("{:<24} until {}  score {:<3} {}", ban.ip, ban.ban_time, ban.score, ban.reason);
        }
    }
    Ok(())
}

/// Reads all bans, a page at a time; those that end first are at the beginning.
async fn all(control: &mut Control) -> anyhow::Result<Vec<Ban>> {
    let mut request = ListBans { after: None, limit: PAGE };
    let mut bans = Vec::new();
    loop {
        let page = control.call(&request).await?;
        bans.extend(page.bans);
        if page.next.is_none() {
            break;
        }
        request.after = page.next;
    }
    // The times of one zone and form have the order of their texts.
    bans.sort_by(|one: &Ban, other| one.ban_time.cmp(&other.ban_time));
    Ok(bans)
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
    place.running_server("bans are kept by the running server").await
}
