//! The first page: the server at a glance.

use axum::response::Response;
use tidegate_core::admin::UseCase;
use tidegate_core::ports::AuditQuery;

use crate::guard::Need;
use crate::problem::{Problem, sentence};
use crate::request::Asked;
use crate::route::Route;
use crate::text::{bytes, time};
use crate::view::{Block, Cell, Table, Tone};

/// The last changes that are shown.
const CHANGES: u32 = 8;

pub fn routes() -> Vec<Route> {
    vec![Route::get("/web", Need::Administrator, show)]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let (administration, actor) = (&asked.web.administration, asked.actor()?);
    let mut blocks = Vec::new();
    if let Err(error) = administration.status.store(actor).await {
        blocks.push(Block::Note(Tone::Bad, format!("The database does not answer. {}", sentence(&error.to_string()))));
    }
    let mut facts = vec![
        ("Version".to_owned(), Cell::text(asked.web.facts.version)),
        ("Database".to_owned(), Cell::text(asked.web.facts.driver.clone())),
    ];
    if asked.may(UseCase::ListSessions) {
        let sessions = administration.sessions.list(actor).await?;
        let transfers: usize = sessions.iter().map(|session| session.live.transfers().len()).sum();
        facts.push(("Sessions".to_owned(), Cell::link(sessions.len().to_string(), "/web/connections")));
        facts.push(("Transfers under way".to_owned(), Cell::Number(transfers.to_string())));
    }
    if asked.may(UseCase::ShowStatus) {
        let counts = asked.web.metrics.counts();
        facts.push(("Attempts to log in, accepted".to_owned(), Cell::Number(counts.logins.accepted.to_string())));
        facts.push(("Attempts to log in, refused".to_owned(), Cell::Number(counts.logins.refused.to_string())));
        for (name, transfers) in [("Uploads", counts.uploads), ("Downloads", counts.downloads)] {
            let text = format!("{} done, {} failed, {}", transfers.done, transfers.failed, bytes(transfers.bytes));
            facts.push((name.to_owned(), Cell::Number(text)));
        }
    }
    blocks.push(Block::Facts(facts));
    if asked.may(UseCase::ListAudit) {
        let query = AuditQuery { limit: CHANGES, ..AuditQuery::default() };
        let mut table =
            Table::new("changes", "The last changes", &["Time", "By", "Change", "Outcome"], "There are no changes.");
        for stored in administration.audit.list(actor, query).await? {
            let record = stored.record;
            table.rows.push(vec![
                time(record.at),
                Cell::text(record.author.name),
                Cell::text(format!("{} {} {}", record.action, record.kind, record.name)),
                Cell::text(record.outcome.as_str()),
            ]);
        }
        blocks.push(Block::Table(table));
    }
    Ok(asked.page("Overview", blocks))
}
