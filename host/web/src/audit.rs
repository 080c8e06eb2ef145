//! What was changed by whom.

use axum::response::Response;
use serde_json::json;
use tidegate_api::{AuditShape, audit_as_answer};
use tidegate_core::admin::UseCase;
use tidegate_core::ports::{AuditOutcome, AuditQuery, StoredAudit};

use crate::guard::Need;
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::route::Route;
use crate::text::{moment, time};
use crate::view::{Block, Cell, Control, Form, Input, InputKind, Table, Tone};

/// Records of a page.
const LIMIT: u32 = 100;
const FIELDS: [(&str, &str); 3] = [("author", "By"), ("kind", "Kind"), ("name", "Name")];

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/audit", Need::For(UseCase::ListAudit), list),
        Route::get("/web/audit/export", Need::For(UseCase::ListAudit), export),
    ]
}

fn query(asked: &Asked, limit: u32) -> Result<AuditQuery, Problem> {
    let given = |name: &str| asked.query.given(name);
    let before = asked.query.natural("before")?;
    let (author, kinds, name) = (given("author"), given("kind").into_iter().collect(), given("name"));
    Ok(AuditQuery { before, author, kinds, name, limit, ..AuditQuery::default() })
}

async fn list(asked: Asked) -> Result<Response, Problem> {
    let found = asked.web.administration.audit.list(asked.actor()?, query(&asked, LIMIT)?).await?;
    let head = ["Time", "By", "Door", "Address", "What", "Outcome", "Difference"];
    let mut table =
        Table::new("audit", "Changes, the newest first; times are in UTC", &head, "There are no such changes.");
    let mut fields: Vec<_> = FIELDS.map(|(name, _)| (name, asked.query.text(name))).into();
    let last = found.last().filter(|_| found.len() >= LIMIT as usize).map(|last| last.id.to_string());
    if let Some(last) = &last {
        fields.push(("before", last));
        table.next = Some(address("/web/audit", &fields));
    }
    table.rows = found.into_iter().map(row).collect();
    let input = |(name, label)| {
        Control::Input(Input::new(name, label, asked.query.text(name), InputKind::Search { is_first: false }))
    };
    let mut form = Form::search("filter", "/web/audit", FIELDS.map(input).into());
    form.live = "audit";
    // With what is typed there, whether or not the page was asked for since.
    form.also = Some(("Export as JSON lines", "/web/audit/export"));
    Ok(asked.page("Audit", vec![Block::Form(form), Block::Table(table)]))
}

fn row(stored: StoredAudit) -> Vec<Cell> {
    let record = stored.record;
    let tone = match record.outcome {
        AuditOutcome::Done => Tone::Good,
        AuditOutcome::Refused => Tone::Warning,
        AuditOutcome::Failed => Tone::Bad,
    };
    let parts = record.parts().into_iter().map(str::to_owned).collect();
    let author = if record.author.name.is_empty() { "the server".to_owned() } else { record.author.name };
    vec![
        time(record.at),
        Cell::text(author),
        Cell::text(record.author.door.as_str()),
        Cell::text(record.author.address.map(|address| address.to_string()).unwrap_or_default()),
        Cell::text(format!("{} {} {}", record.action, record.kind, record.name)),
        Cell::mark(tone, record.outcome.as_str()),
        Cell::Lines(parts),
    ]
}

/// One JSON object a line.
const EXPORT: AuditShape = AuditShape {
    content_type: "application/x-ndjson",
    content_disposition: "attachment; filename=\"audit.jsonl\"",
    begin: "",
    between: "",
    end: "",
    record: exported,
};

/// All records that match, the newest first.
async fn export(asked: Asked) -> Result<Response, Problem> {
    let audit = &asked.web.administration.audit;
    Ok(audit_as_answer(audit, asked.actor()?, query(&asked, 0)?, EXPORT).await?)
}

fn exported(StoredAudit { id, record, revision }: StoredAudit) -> String {
    let line = json!({
        "id": id,
        "at": moment(record.at).machine,
        "author": record.author.name,
        "door": record.author.door.as_str(),
        "address": record.author.address.map(|address| address.to_string()),
        "action": record.action,
        "kind": record.kind,
        "name": record.name,
        "outcome": record.outcome.as_str(),
        "detail": record.detail,
        "revision": revision,
    });
    format!("{line}\n")
}
