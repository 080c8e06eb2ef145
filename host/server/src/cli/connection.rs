//! `tidegate connection`.

use anyhow::bail;
use clap::Subcommand;
use hyper::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

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
    let connections = match Control::connect(&place.directory()).await? {
        Some(control) => control.ask(Method::GET, "/connections", None).await?,
        // Without a server there is no connection.
        None => json!([]),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&connections)?);
        return Ok(());
    }
    for connection in connections.as_array().into_iter().flatten() {
        let text = |field: &str| connection.get(field).and_then(Value::as_str).unwrap_or_default();
        let since = connection.get("connection_time").and_then(Value::as_i64).unwrap_or(0);
        let since = Timestamp::from_millisecond(since).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ");
        let (id, user, address) = (text("connection_id"), text("username"), text("remote_address"));
        println!("{id}  {user:<16} {address:<22} {:<5} {since}  {}", text("protocol"), text("client_version"));
        for transfer in connection.get("active_transfers").and_then(Value::as_array).into_iter().flatten() {
            let text = |field: &str| transfer.get(field).and_then(Value::as_str).unwrap_or_default();
            let size = transfer.get("size").and_then(Value::as_u64).unwrap_or(0);
            println!("    {} {} ({size} bytes)", text("operation_type"), text("path"));
        }
    }
    Ok(())
}

async fn close(place: &Place, id: &str, json: bool) -> anyhow::Result<()> {
    let Some(control) = Control::connect(&place.directory()).await? else {
        bail!("there is no such connection: no server runs in {}", place.directory().display());
    };
    let safe = id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
    if !safe || id.is_empty() {
        bail!("there is no such connection");
    }
    control.ask(Method::DELETE, &format!("/connections/{id}"), None).await?;
    if json {
        println!("{}", json!({ "closed": id }));
    } else {
        println!("The connection {id} was closed.");
    }
    Ok(())
}
