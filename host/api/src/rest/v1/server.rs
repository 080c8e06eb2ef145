//! Connections, quota scans, backups, and the state of the server (A18-01 to A18-05, A18-10, A18-11).

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use tidegate_api_types::ErrorCode;
use tidegate_core::admin::UseCase;
use tidegate_core::connection::ConnectionId;
use tidegate_core::quota::Scope;

use super::super::RestApi;
use super::super::dumps::{self, ScanAfterLoad, begin_scan};
use super::super::extract::{Body, Document, Name, Query};
use super::super::guard::Caller;
use super::super::openapi::{list_of, reference, word};
use super::super::route::Route;
use crate::answer::{self, Refusal, done};
use crate::control::session;

pub fn routes() -> Vec<Route> {
    let text = || json!({"type": "string"});
    let scan = json!({"type": "object", "properties": {"username": text(), "start_time": {"type": "integer"}}});
    let version = json!({"version": text(), "build_date": text(), "commit_hash": text()});
    vec![
        Route::new(Method::GET, "/version", "get_version", "Say which release the server is.", version_of)
            .answers(200, json!({"type": "object", "properties": version}))
            .versioned(),
        Route::new(
            Method::GET,
            "/providerstatus",
            "get_provider_status",
            "Say whether the database answers.",
            provider,
        )
        .answers(200, reference("Done")),
        Route::new(Method::GET, "/connection", "get_connections", "List the sessions that are open.", connections)
            .needs(UseCase::ListSessions)
            .answers(200, list_of("Session")),
        Route::new(Method::DELETE, "/connection/{connection_id}", "close_connection", "Close a session.", close)
            .needs(UseCase::CloseSession)
            .answers(200, reference("Done")),
        Route::new(Method::GET, "/quota_scan", "get_quota_scans", "List the quota scans under way.", scans)
            .needs(UseCase::ListScans)
            .answers(200, json!({"type": "array", "items": scan})),
        Route::new(Method::POST, "/quota_scan", "start_quota_scan", "Count the files of an account again.", start_scan)
            .needs(UseCase::Scan)
            .body(json!({"type": "object", "properties": {"username": word()}, "required": ["username"]}))
            .answers(201, reference("Done")),
        Route::new(Method::GET, "/dumpdata", "dumpdata", "Write all accounts, with their secrets, to a file.", dump)
            .needs(UseCase::Dump)
            .required("output_file", word(), "The file, below the directory of backups.")
            .answers(200, reference("Done")),
        Route::new(Method::GET, "/loaddata", "loaddata", "Load a file with accounts: all of them, or none.", load)
            .needs(UseCase::Load)
            .required("input_file", word(), "The file, below the directory of backups.")
            .query(
                "scan_quota",
                json!({"type": "integer", "enum": [0, 1, 2]}),
                "1: count the files of all accounts; 2: of those with a quota.",
            )
            .answers(200, reference("Done"))
            .changing(),
    ]
}

async fn version_of(State(api): State<RestApi>) -> Response {
    let facts = &api.facts;
    answer::json(&json!({ "version": facts.version, "build_date": facts.build_date, "commit_hash": facts.commit }))
}

async fn provider(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let answers = api.administration.status.store(&actor).await;
    answers.map_err(|error| Refusal::new(ErrorCode::Failed, error.to_string()))?;
    Ok(done(StatusCode::OK, "Alive"))
}

async fn connections(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let sessions = api.administration.sessions.list(&actor).await?;
    Ok(answer::json(&sessions.iter().map(|open| session(open)).collect::<Vec<_>>()))
}

async fn close(State(api): State<RestApi>, Caller(actor): Caller, Name(id): Name) -> Result<Response, Refusal> {
    api.administration.sessions.close(&actor, &ConnectionId::new(id)).await?;
    Ok(done(StatusCode::OK, "Connection closed"))
}

async fn scans(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let scans = api.administration.scans.list(&actor).await?.into_iter();
    let of_accounts = scans.filter_map(|scan| match scan.scope {
        Scope::Account(username) => Some(json!({ "username": username, "start_time": scan.started_at })),
        Scope::Folder(_) => None,
    });
    Ok(answer::json(&of_accounts.collect::<Vec<Value>>()))
}

async fn start_scan(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Body(document): Document,
) -> Result<Response, Refusal> {
    let name = document.get("username").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::of_field("username", "the body must have a username"))?;
    begin_scan(&api, &actor, Scope::Account(name.to_owned())).await?;
    Ok(done(StatusCode::CREATED, "Scan started"))
}

async fn dump(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let path = query.text("output_file").unwrap_or_default().to_owned();
    dumps::to_file(&api, &actor, "output_file", path).await?;
    Ok(done(StatusCode::OK, "Data saved"))
}

async fn load(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let scans = ScanAfterLoad::of_query(&query, "scan_quota")?;
    let path = query.text("input_file").unwrap_or_default().to_owned();
    let text = dumps::from_file(&api, "input_file", path).await?;
    let loaded = dumps::load(&api, &actor, text, scans).await?;
    Ok(done(StatusCode::OK, &loaded.message()))
}
