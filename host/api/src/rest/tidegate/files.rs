//! What sessions did to files most recently.

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use serde_json::json;
use tidegate_api_types::FileEvents;
use tidegate_core::admin::UseCase;
use tidegate_core::file_history::FileRecordFilter;

use super::super::RestApi;
use super::super::extract::Query;
use super::super::guard::Caller;
use super::super::openapi::{address_or_none, reference};
use super::super::route::Route;
use super::server::limit;
use crate::answer::{self, Refusal};
use crate::control::file_event;

pub fn routes() -> Vec<Route> {
    let text = || json!({"type": "string"});
    let number = || json!({"type": "integer", "minimum": 0, "maximum": i64::MAX});
    vec![
        Route::new(
            Method::GET,
            "/files/events",
            "list_file_events",
            "List what sessions of this server did to files most recently, the newest first. It keeps the last 10,000 until it \
             stops.",
            list,
        )
        .needs(UseCase::ListFileEvents)
        .query("before", number(), "Only events with a smaller number.")
        .query("since", number(), "Only events of that time or later, in milliseconds since 1970.")
        .query("until", number(), "Only events of an earlier time, in milliseconds since 1970.")
        .query("username", text(), "Only of this account.")
        .query("address", address_or_none(), "Only of clients at this address.")
        .query("connection", text(), "Only of this connection, or of one of its channels.")
        .query("action", text(), "Only these operations, separated by commas, such as upload,rename.")
        .query("protocol", text(), "Only over these protocols, separated by commas: SFTP, SCP and SSH.")
        .query(
            "outcome",
            json!({"type": "string", "enum": ["done", "failed"]}),
            "Only operations that ended in this way.",
        )
        .query("path", text(), "Only files whose path on the host, or its target, begins with this.")
        .query(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": 4294967295_u32, "default": 100}),
            "The most events to give, 500 at most.",
        )
        .answers(200, reference("FileEvents")),
    ]
}

async fn list(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let text = |name: &str| query.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let failed = match query.text("outcome") {
        None | Some("") => None,
        Some("done") => Some(false),
        Some("failed") => Some(true),
        Some(_) => return Err(Refusal::of_field("outcome", "the parameter \"outcome\" must be done or failed")),
    };
    let filter = FileRecordFilter {
        before: query.natural("before")?,
        since: query.natural("since")?,
        until: query.natural("until")?,
        username: text("username"),
        address: query.value("address", "an address")?,
        connection: text("connection"),
        actions: query.names("action"),
        protocols: query.names("protocol"),
        failed,
        path: text("path"),
        ..FileRecordFilter::default()
    };
    let found = api.administration.file_events.list(&actor, &filter, limit(&query)?).await?;
    Ok(answer::json(&FileEvents { events: found.iter().map(|record| file_event(record)).collect() }))
}
