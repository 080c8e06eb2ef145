//! `tidegate audit`: which actor changed what.

use std::net::IpAddr;

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use jiff::Timestamp;
use tidegate_api_types::{AuditEntry, ListAudit};
use tidegate_core::admin::UseCase;
use tidegate_core::terminal::on_one_line;

use super::Place;
use super::door::{Door, Purpose};
use super::times::milliseconds;

/// Records that are asked for at once.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List changes, the newest first
    List(ListArguments),
    /// Write all changes as JSON, one line a record, the newest first
    Export(ExportArguments),
}

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    selection: Selection,
    /// How many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// As JSON, one line a record
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct ExportArguments {
    #[command(flatten)]
    selection: Selection,
    /// As JSON, which it is in any case
    #[arg(long, hide = true)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Selection {
    #[command(flatten)]
    place: Place,
    /// Only by this actor
    #[arg(long)]
    actor: Option<String>,
    /// Only from this address
    #[arg(long)]
    address: Option<IpAddr>,
    /// Only of this action, such as update
    #[arg(long)]
    action: Option<String>,
    /// Only with this outcome
    #[arg(long, value_parser = ["done", "refused", "failed"])]
    outcome: Option<String>,
    /// Only of objects of this kind, such as user or session
    #[arg(long, value_parser = PossibleValuesParser::new(kinds()))]
    kind: Option<String>,
    /// Only of the object of this name
    #[arg(long)]
    name: Option<String>,
    /// Only of that time or later: a time as in RFC 3339, or milliseconds since 1970
    #[arg(long)]
    since: Option<String>,
    /// Only of an earlier time
    #[arg(long)]
    until: Option<String>,
    /// Only records with a smaller number
    #[arg(long)]
    before: Option<i64>,
}

/// The kinds of objects that records are about.
fn kinds() -> Vec<&'static str> {
    let mut kinds: Vec<_> = UseCase::ALL.iter().map(|case| case.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

pub async fn run(command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::List(ListArguments { selection, limit, json }) => write(selection, Some(limit), json).await,
        AuditCommand::Export(ExportArguments { selection, json: _ }) => write(selection, None, true).await,
    }
}

/// Writes the records page by page; `limit`: None: all.
async fn write(selection: Selection, limit: Option<u32>, json: bool) -> anyhow::Result<()> {
    let Selection { place, actor, address, action, outcome, kind, name, since, until, before } = selection;
    let (since, until) =
        (since.as_deref().map(milliseconds).transpose()?, until.as_deref().map(milliseconds).transpose()?);
    let outcome = outcome.map(|name| serde_json::from_value(name.into())).transpose()?;
    let mut request = ListAudit { before, actor, address, action, outcome, kind, name, since, until, limit: 0 };
    let mut left = limit;
    let mut door = Door::open(&place, Purpose::Look).await?;
    let outcome = loop {
        request.limit = left.unwrap_or(PAGE).min(PAGE);
        let page = match door.call(request.clone()).await {
            Ok(page) => page.entries,
            Err(error) => break Err(error),
        };
        for entry in &page {
            if json { println!("{}", serde_json::to_string(entry)?) } else { println!("{}", line(entry)) }
        }
        let read = u32::try_from(page.len()).unwrap_or(u32::MAX);
        left = left.map(|left| left.saturating_sub(read));
        request.before = page.last().map(|last| last.id);
        if read < request.limit || left == Some(0) {
            break Ok(());
        }
    };
    door.finish().await;
    outcome
}

fn line(entry: &AuditEntry) -> String {
    let AuditEntry { id, actor, door, action, kind, name, outcome, detail, .. } = entry;
    let at = Timestamp::from_millisecond(entry.at).unwrap_or_default();
    let address = entry.address.as_deref().unwrap_or("-");
    let outcome = if outcome == "done" { String::new() } else { format!(" ({outcome})") };
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    // Names are those that clients have tried.
    on_one_line(&format!("{id:>7} {at} {actor} ({door}, {address}) {action} {kind} \"{name}\"{outcome}{detail}"))
}
