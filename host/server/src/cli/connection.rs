//! `tidegate connection`.

use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;
use tidegate_api_types::{CloseSession, ListSessions, Session};

use super::Place;
use crate::control::Control;

#[derive(Debug, Subcommand)]
pub enum ConnectionCommand {
    /// List who is logged in
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Close one connection
    Close {
        #[command(flatten)]
        place: Place,
        /// The connection, as in the list
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: ConnectionCommand) -> anyhow::Result<()> {
    match command {
        ConnectionCommand::List { place, json } => list(&place, json).await,
        ConnectionCommand::Close { place, id, json } => close(&place, &id, json).await,
    }
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let sessions = match Control::connect(&place.directory()).await? {
        Some(mut control) => control.call(&ListSessions {}).await?.sessions,
        // Without a server there is no connection.
        None => Vec::new(),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&sessions)?);
    } else {
        sessions.iter().for_each(print);
    }
    Ok(())
}

fn print(session: &Session) {
    let Session { connection_id, username, remote_address, protocol, client_version, .. } = session;
    let since = Timestamp::from_millisecond(session.connection_time).unwrap_or_default();
    let since = since.strftime("%Y-%m-%dT%H:%M:%SZ");
    println!("{connection_id}  {username:<16} {remote_address:<22} {protocol:<5} {since}  {client_version}");
    for transfer in &session.active_transfers {
        println!("    {} {} ({} bytes)", transfer.operation_type, transfer.path, transfer.size);
    }
}

async fn close(place: &Place, id: &str, json: bool) -> anyhow::Result<()> {
    let Some(mut control) = Control::connect(&place.directory()).await? else {
        bail!("there is no such connection: no server runs in {}", place.directory().display());
    };
    let closed = control.call(&CloseSession { connection_id: id.to_owned() }).await?;
    if json {
        println!("{}", json!(closed));
    } else {
        println!("The connection {} was closed.", closed.closed);
    }
    Ok(())
}
