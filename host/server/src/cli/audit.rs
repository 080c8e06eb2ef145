//! `tidegate audit`: which actor changed what.

use clap::Subcommand;
use jiff::Timestamp;
use tidegate_api_types::{AuditEntry, ListAudit};

use super::Place;
use super::door::{Door, Purpose};

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List changes, the newest first
    List(ListArguments),
}

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    place: Place,
    /// Only by this actor
    #[arg(long)]
    actor: Option<String>,
    /// Only of objects of this kind, such as user or session
    #[arg(long)]
    kind: Option<String>,
    /// Only of the object of this name
    #[arg(long)]
    name: Option<String>,
    /// Only records with a smaller number
    #[arg(long)]
    before: Option<i64>,
    /// How many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// As JSON, one line a record
    #[arg(long)]
    json: bool,
}

pub async fn run(command: AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::List(arguments) = command;
    let ListArguments { place, actor, kind, name, before, limit, json } = arguments;
    let mut door = Door::open(&place, Purpose::Look).await?;
    let found = door.call(ListAudit { before, actor, kind, name, limit }).await;
    door.finish().await;
    for entry in &found?.entries {
        if json { println!("{}", serde_json::to_string(entry)?) } else { println!("{}", line(entry)) }
    }
    Ok(())
}

fn line(entry: &AuditEntry) -> String {
    let AuditEntry { id, actor, door, action, kind, name, outcome, detail, .. } = entry;
    let at = Timestamp::from_millisecond(entry.at).unwrap_or_default();
    let address = entry.address.as_deref().unwrap_or("-");
    let outcome = if outcome == "done" { String::new() } else { format!(" ({outcome})") };
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("{id:>7} {at} {actor} ({door}, {address}) {action} {kind} \"{name}\"{outcome}{detail}")
}
