//! The first page: the server at a glance.

use axum::response::Response;
use tidegate_core::admin::UseCase;
use tidegate_core::history::{Calls, Span};
use tidegate_core::ports::AuditQuery;
use tidegate_core::session::TransferView;

use crate::guard::Need;
use crate::plot::{Range, per_second, plot};
use crate::problem::{Problem, WITHOUT_DATABASE, no_answer, sentence};
use crate::request::Asked;
use crate::route::Route;
use crate::text::{bytes, share, time};
use crate::view::{Block, Cell, Plot, Table, Tone};

/// The last changes that are shown.
const CHANGES: u32 = 8;
/// Thousandths of a disk from which on there is a warning.
const NEARLY_FULL: u64 = 900;

pub fn routes() -> Vec<Route> {
    vec![Route::get("/web", Need::Administrator, show)]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let (administration, actor) = (&asked.web.administration, asked.actor()?);
    let mut blocks = Vec::new();
    let driver = &asked.web.facts.driver;
    let database = match administration.status.store(actor).await {
        Ok(()) => Cell::mark(Tone::Good, format!("{driver}, answers")),
        Err(error) => {
            let text = format!("{} {}", no_answer(&asked.web.metrics), sentence(&error.to_string()));
            blocks.push(Block::Note(Tone::Bad, text));
            blocks.push(Block::Text(WITHOUT_DATABASE.to_owned()));
            Cell::mark(Tone::Bad, format!("{driver}, does not answer"))
        }
    };
    let version = asked.web.facts.version;
    let mut facts = vec![("Version".to_owned(), Cell::text(version)), ("Database".to_owned(), database)];
    if asked.may(UseCase::ListSessions) {
        let sessions = administration.sessions.list(actor).await?;
        facts.push(("Sessions".to_owned(), Cell::link(sessions.len().to_string(), "/web/connections")));
        let transfers: Vec<_> = sessions.iter().flat_map(|session| session.live.transfers()).collect();
        for (name, kind) in [("Uploads under way", "upload"), ("Downloads under way", "download")] {
            facts.push((name.to_owned(), Cell::link(under_way(&transfers, kind), "/web/connections")));
        }
    }
    if asked.may(UseCase::ShowStatus) {
        let counts = asked.web.metrics.counts();
        facts.push(("Attempts to log in, accepted".to_owned(), Cell::Number(counts.logins.accepted.to_string())));
        facts.push(("Attempts to log in, refused".to_owned(), Cell::Number(counts.logins.refused.to_string())));
        for (name, transfers) in [("Uploads", counts.uploads), ("Downloads", counts.downloads)] {
            let text = format!("{} done, {} failed, {}", transfers.done, transfers.failed, bytes(transfers.bytes));
            facts.push((name.to_owned(), Cell::Number(text)));
        }
        for disk in asked.web.disks.usages().await {
            let share = share(disk.used, disk.size);
            if share >= NEARLY_FULL {
                let free = bytes(disk.size.saturating_sub(disk.used));
                let text = format!("The disk with {} ({}) is nearly full: {free} are left.", disk.what, disk.path);
                blocks.push(Block::Note(Tone::Warning, text));
            }
            let (label, text) =
                (format!("Disk with {}", disk.what), format!("{} of {}", bytes(disk.used), bytes(disk.size)));
            facts.push((label.clone(), Cell::Bar { label, share, text }));
        }
    }
    if asked.may(UseCase::ListCounters) {
        facts.push(("Calls of hooks in the last hour".to_owned(), calls_of_hooks(&asked).await?));
    }
    if asked.may(UseCase::ListBans) {
        let bans = administration.bans.list(actor).await?.len();
        facts.push(("Banned addresses".to_owned(), Cell::link(bans.to_string(), "/web/bans")));
    }
    blocks.push(Block::Facts(facts));
    blocks.extend(plots(&asked));
    if asked.may(UseCase::ListAudit) {
        let query = AuditQuery { limit: CHANGES, ..AuditQuery::default() };
        let mut table =
            Table::new("changes", "The last changes", &["Time", "By", "Change", "Outcome"], "There are no changes.");
        // The database may go away while the page is made: what is in memory is shown all the same.
        let changes = administration.audit.list(actor, query).await;
        let unseen = changes.as_ref().err().map(|error| sentence(&format!("the last changes are not shown: {error}")));
        for stored in changes.unwrap_or_default() {
            let record = stored.record;
            table.rows.push(vec![
                time(record.at),
                Cell::text(record.author.name),
                Cell::text(format!("{} {} {}", record.action, record.kind, record.name)),
                Cell::text(record.outcome.as_str()),
            ]);
        }
        blocks.push(unseen.map_or_else(|| Block::Table(table), |text| Block::Note(Tone::Warning, text)));
    }
    Ok(asked.page("Overview", blocks))
}

/// What all hooks did in the last hour, up to now.
async fn calls_of_hooks(asked: &Asked) -> Result<Cell, Problem> {
    let history = &asked.web.history;
    // What comes from the database is not known while it is away; the rest of the page is.
    let Ok(counters) = asked.web.administration.hook_runs.counters(asked.actor()?).await else {
        return Ok(Cell::text("not known"));
    };
    let calls = history.calls_of_hooks(&history.hour(), &counters);
    let sum = |of: fn(&Calls) -> u64| -> u64 { calls.values().map(of).sum() };
    let (all, denied, failed) = (sum(|calls| calls.all), sum(|calls| calls.denied), sum(Calls::failed));
    let text = format!("{all}, {denied} denied, {failed} failed");
    Ok(if asked.may(UseCase::ListHooks) { Cell::link(text, "/web/hooks") } else { Cell::Number(text) })
}

/// How many transfers of a kind there are, and how fast they are together now.
fn under_way(transfers: &[TransferView], kind: &str) -> String {
    let of_kind = transfers.iter().filter(|transfer| transfer.operation_type == kind);
    let add = |(count, sum): (usize, u64), transfer: &TransferView| (count + 1, sum.saturating_add(transfer.rate));
    match of_kind.fold((0, 0), add) {
        (0, _) => "none".to_owned(),
        (count, rate) => format!("{count}, {}/s", bytes(rate)),
    }
}

/// What was counted lately, as far as the administrator may know.
fn plots(asked: &Asked) -> Vec<Block> {
    let range = Range::of(asked);
    let spans = range.spans(asked);
    let of = (range, spans.as_slice());
    let count = |count: u64| count.to_string();
    let mut plots: Vec<Plot> = Vec::new();
    if asked.may(UseCase::ShowStatus) {
        plots.push(plot(
            ("plot-logins", "Attempts to log in"),
            of,
            &[("accepted", &|span| Some(span.accepted)), ("refused", &|span| Some(span.refused))],
            &count,
        ));
        plots.push(plot(
            ("plot-rates", "Transfers, bytes a second"),
            of,
            &[
                ("uploads", &|span| Some(per_second(span.received, span))),
                ("downloads", &|span| Some(per_second(span.sent, span))),
            ],
            &|rate| format!("{}/s", bytes(rate)),
        ));
        plots.push(plot(("plot-sessions", "Sessions"), of, &[("sessions", &|span| Some(span.sessions))], &count));
    }
    if asked.may(UseCase::ListCounters) {
        let all = |span: &Span| Some(span.calls.values().map(|calls| calls.all).sum());
        let failed = |span: &Span| Some(span.calls.values().map(Calls::failed).sum());
        plots.push(plot(("plot-hooks", "Calls of hooks"), of, &[("calls", &all), ("failed", &failed)], &count));
    }
    if plots.is_empty() { Vec::new() } else { vec![range.tabs("/web"), Block::Plots(plots)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_under_way_have_a_rate_together() {
        let of = |operation_type: &'static str, rate: u64| TransferView {
            operation_type,
            path: "/a".to_owned(),
            start_time: 0,
            offset: 0,
            size: 1 << 40,
            rate,
            total: None,
            last_activity: 0,
        };
        let transfers = [of("upload", 1024), of("upload", 2048), of("download", 0)];
        for (kind, expected) in [("upload", "2, 3.0 KiB/s"), ("download", "1, 0 B/s"), ("copy", "none")] {
            assert_eq!(under_way(&transfers, kind), expected);
        }
    }
}
