//! Events: changes of objects, from the audit records, the outcomes of logins, from the records of hook calls, and what
//! sessions did to files most recently.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use serde_json::{Value, json};
use tidegate_core::admin::UseCase;
use tidegate_core::file_history::{FileRecord, FileRecordFilter};
use tidegate_core::ports::{AuditOutcome, AuditQuery, RunFilter, StoredAudit, StoredRun};

use super::super::RestApi;
use super::super::extract::Query;
use super::super::guard::Caller;
use super::super::openapi::address_or_none;
use super::super::pages::{self, DEFAULT_LIMIT, MAX_LIMIT};
use super::super::route::Route;
use crate::answer::{self, Refusal};

const NANOSECONDS: i64 = 1_000_000;

pub fn routes() -> Vec<Route> {
    let text = || json!({"type": "string"});
    let number = || json!({"type": "integer", "minimum": 0, "maximum": i64::MAX});
    let events = || json!({"type": "array", "items": {"type": "object"}});
    let selected = |route: Route| {
        route
            .query("start_timestamp", number(), "Only events of that time or later, in nanoseconds since 1970.")
            .query("end_timestamp", number(), "Only events of that time or earlier, in nanoseconds since 1970.")
            .query("username", text(), "Only events of this name.")
            .query("ip", address_or_none(), "Only events from this address.")
            .query("from_id", number(), "Only events after this one in the list: the last id of the page before.")
            .query(
                "order",
                json!({"type": "string", "enum": ["ASC", "DESC"], "default": "DESC"}),
                "DESC: the newest events, the newest first; ASC: the oldest, the oldest first.",
            )
            .query(
                "limit",
                json!({"type": "integer", "minimum": 1, "maximum": 4294967295_u32, "default": 100}),
                "The most events to give, 500 at most.",
            )
            .answers(200, events())
    };
    vec![
        selected(Route::new(
            Method::GET,
            "/events/provider",
            "get_provider_events",
            "List what was added, changed and deleted by whom.",
            provider,
        ))
        .needs(UseCase::ListAudit)
        .query("actions", text(), "Only these actions, separated by commas, such as add,update,delete.")
        .query("object_types", text(), "Only objects of these kinds, separated by commas, such as user,folder.")
        .query("object_name", text(), "Only the object of this name."),
        selected(Route::new(
            Method::GET,
            "/events/logs",
            "get_log_events",
            "List the outcomes of logins that hooks were asked about.",
            logs,
        ))
        .needs(UseCase::ListRuns),
        selected(Route::new(
            Method::GET,
            "/events/fs",
            "get_fs_events",
            "List what sessions of this server did to files most recently. It keeps the last 10,000 until it stops.",
            files,
        ))
        .needs(UseCase::ListFileEvents)
        .query("actions", text(), "Only these operations, separated by commas, such as upload,rename.")
        .query("protocols", text(), "Only over these protocols, separated by commas: SFTP, SCP and SSH.")
        .query(
            "statuses",
            json!({"type": "string", "pattern": "^([12](,[12])*)?$"}),
            "Only what ended so, separated by commas: 1, done, or 2, failed.",
        )
        .query("ssh_cmd", text(), "Only this SSH command.")
        .query("session_id", text(), "Only of this connection, or of one of its channels."),
    ]
}

/// What all lists select by.
struct Selection {
    since: Option<i64>,
    until: Option<i64>,
    before: Option<i64>,
    after: Option<i64>,
    oldest_first: bool,
    limit: u32,
}

impl Selection {
    fn of(query: &Query) -> Result<Self, Refusal> {
        let number = |name: &str| query.natural(name);
        let limit = query.value::<u32>("limit", "a whole number from 1 to 500")?.unwrap_or(DEFAULT_LIMIT);
        if limit == 0 {
            return Err(Refusal::of_field("limit", "the parameter \"limit\" must be a whole number from 1 to 500"));
        }
        let oldest_first = !pages::descends(query)?.unwrap_or(true);
        let from = number("from_id")?;
        // Times are kept in milliseconds: one that begins within the first or the last millisecond is meant, too.
        Ok(Self {
            since: number("start_timestamp")?.map(|at| at.div_euclid(NANOSECONDS)),
            until: number("end_timestamp")?.map(|at| at.div_euclid(NANOSECONDS).saturating_add(1)),
            before: from.filter(|_| !oldest_first),
            after: from.filter(|_| oldest_first),
            oldest_first,
            limit: limit.min(MAX_LIMIT),
        })
    }
}

fn text(query: &Query, name: &str) -> Option<String> {
    query.text(name).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The names in a list that commas separate, each once.
fn names(query: &Query, name: &str) -> Vec<String> {
    query.names(name).into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

async fn provider(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let Selection { since, until, before, after, oldest_first, limit } = Selection::of(&query)?;
    let wanted = AuditQuery {
        before,
        after,
        oldest_first,
        since,
        until,
        actions: names(&query, "actions"),
        outcome: Some(AuditOutcome::Done),
        address: query.value("ip", "an address")?,
        author: text(&query, "username"),
        kinds: names(&query, "object_types"),
        name: text(&query, "object_name"),
        limit,
    };
    let found = api.administration.audit.list(&actor, wanted).await?;
    Ok(answer::json(&found.iter().map(change).collect::<Vec<_>>()))
}

async fn logs(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let Selection { since, until, before, after, oldest_first, limit } = Selection::of(&query)?;
    let filter = RunFilter {
        kind: Some("login".to_owned()),
        username: text(&query, "username"),
        address: query.value::<IpAddr>("ip", "an address")?.map(|address| address.to_string()),
        since,
        until,
        before,
        after: after.unwrap_or(0),
        oldest: oldest_first,
        limit,
        ..RunFilter::default()
    };
    let mut found = api.administration.hook_runs.list(&actor, filter).await?;
    if !oldest_first {
        found.reverse();
    }
    Ok(answer::json(&found.iter().map(login).collect::<Vec<_>>()))
}

async fn files(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let Selection { since, until, before, after, oldest_first, limit } = Selection::of(&query)?;
    let filter = FileRecordFilter {
        before,
        after,
        oldest_first,
        since,
        until,
        username: text(&query, "username"),
        address: query.value("ip", "an address")?,
        connection: text(&query, "session_id"),
        actions: query.names("actions"),
        protocols: query.names("protocols"),
        failed: failed(&query)?,
        ssh_command: text(&query, "ssh_cmd"),
        path: None,
    };
    let found = api.administration.file_events.list(&actor, &filter, limit).await?;
    Ok(answer::json(&found.iter().map(|record| file(record)).collect::<Vec<_>>()))
}

/// What `statuses` selects; a third one of the older server, an exceeded quota, is a failure here.
fn failed(query: &Query) -> Result<Option<bool>, Refusal> {
    let names = query.names("statuses");
    let (mut done, mut failed) = (false, false);
    for name in &names {
        match name.as_str() {
            "1" => done = true,
            "2" => failed = true,
            _ => return Err(Refusal::of_field("statuses", "the parameter \"statuses\" must have 1 and 2 only")),
        }
    }
    Ok((done != failed).then_some(failed))
}

fn file(record: &FileRecord) -> Value {
    json!({
        "id": record.id.to_string(),
        "timestamp": record.at.saturating_mul(NANOSECONDS),
        "action": record.action,
        "username": record.username,
        "fs_path": record.path,
        "fs_target_path": record.target,
        "ssh_cmd": record.ssh_command,
        "file_size": record.size,
        "elapsed": record.elapsed,
        "status": if record.failure.is_some() { 2 } else { 1 },
        "error": record.failure,
        "protocol": record.protocol.as_str(),
        "ip": record.address.to_string(),
        "session_id": record.channel,
    })
}

fn change(stored: &StoredAudit) -> Value {
    let record = &stored.record;
    json!({
        "id": stored.id.to_string(),
        "timestamp": record.at.saturating_mul(NANOSECONDS),
        "action": record.action,
        "username": record.author.name,
        "ip": record.author.address.map(|address| address.to_string()),
        "object_type": record.kind,
        "object_name": record.name,
        "object_data": record.detail,
    })
}

fn login(run: &StoredRun) -> Value {
    json!({
        "id": run.id.to_string(),
        "timestamp": run.at.saturating_mul(NANOSECONDS),
        "outcome": run.outcome,
        "protocol": "SSH",
        "username": run.username,
        "ip": run.address,
        "method": run.about,
        "message": run.detail,
    })
}
