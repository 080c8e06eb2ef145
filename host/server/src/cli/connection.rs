//! `tidegate connection`.

use std::net::IpAddr;

use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;
use tidegate_api_types::{CloseSession, FileEvent, ListFileEvents, ListSessions, Session};
use tidegate_core::terminal::on_one_line;

use super::Place;
use super::lines::print_line;
use super::times::milliseconds;

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
    /// List what sessions did to files most recently, the newest first
    Files(FilesArguments),
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

#[derive(Debug, clap::Args)]
pub struct FilesArguments {
    #[command(flatten)]
    place: Place,
    /// Only of this user
    #[arg(long, visible_alias = "username")]
    user: Option<String>,
    /// Only of clients at this address
    #[arg(long)]
    address: Option<IpAddr>,
    /// Only of this connection, or of one of its channels
    #[arg(long)]
    connection: Option<String>,
    /// Only this operation, such as upload or rename; may be given several times
    #[arg(long)]
    action: Vec<String>,
    /// Only files whose path on the host, or its target, begins with this
    #[arg(long)]
    path: Option<String>,
    /// Only of that time or later: a time as in RFC 3339, or milliseconds since 1970
    #[arg(long)]
    since: Option<String>,
    /// Only of an earlier time
    #[arg(long)]
    until: Option<String>,
    /// Only events with a smaller number
    #[arg(long)]
    before: Option<i64>,
    /// How many, 500 at most
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// As JSON, one line an event
    #[arg(long)]
    json: bool,
}

pub async fn run(command: ConnectionCommand) -> anyhow::Result<()> {
    match command {
        ConnectionCommand::List { place, json } => list(&place, json).await,
        ConnectionCommand::Files(arguments) => files(arguments).await,
        ConnectionCommand::Close { place, id, json } => close(&place, &id, json).await,
    }
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let sessions = match place.server().await? {
        Some(mut control) => control.call(&ListSessions {}).await?.sessions,
        // Without a server there is no connection.
        None => {
            place.settings_to_look_at()?;
            Vec::new()
        }
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
    print_line!("{connection_id}  {username:<16} {remote_address:<22} {protocol:<5} {since}  {client_version}");
    for transfer in &session.active_transfers {
        print_line!("    {} {} ({} bytes)", transfer.operation_type, transfer.path, transfer.size);
    }
}

async fn files(arguments: FilesArguments) -> anyhow::Result<()> {
    let FilesArguments { place, user, address, connection, action, path, since, until, before, limit, json } =
        arguments;
    let (since, until) =
        (since.as_deref().map(milliseconds).transpose()?, until.as_deref().map(milliseconds).transpose()?);
    let Some(mut control) = place.server().await? else {
        let directory = place.directory();
        bail!("no server runs in {}: it keeps this in memory; the log has more", directory.display());
    };
    let (username, actions) = (user, action);
    let request = ListFileEvents { before, since, until, username, address, connection, actions, path, limit };
    for event in control.call(&request).await?.events {
        let text = if json { serde_json::to_string(&event)? } else { on_one_line(&line(&event)) };
        println!("{text}");
    }
    Ok(())
}

fn line(event: &FileEvent) -> String {
    let FileEvent { id, action, username, address, connection, protocol, path, .. } = event;
    let at = Timestamp::from_millisecond(event.at).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ");
    let target = event.target.as_ref().map(|target| format!(" -> {target}")).unwrap_or_default();
    let size = event.size.map(|size| format!(" ({size} bytes)")).unwrap_or_default();
    let error = event.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{id} {at} {username} ({address}, {connection}, {protocol}) {action} {path}{target}{size}{error}")
}

async fn close(place: &Place, id: &str, json: bool) -> anyhow::Result<()> {
    let Some(mut control) = place.server().await? else {
        bail!("there is no such connection: no server runs in {}", place.directory().display());
    };
    let closed = control.call(&CloseSession { connection_id: id.to_owned() }).await?;
    if json {
        println!("{}", json!(closed));
    } else {
        print_line!("The connection {} was closed.", closed.closed);
    }
    Ok(())
}
