//! Connections, and the state of the server.

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Map, Value, json};
use tidegate_core::admin::UseCase;
use tidegate_core::connection::ConnectionId;

use super::super::RestApi;
use super::super::extract::{Name, Query};
use super::super::guard::Caller;
use super::super::openapi::reference;
use super::super::pages;
use super::super::route::Route;
use crate::answer::{self, Refusal, done};
use crate::control::session;

pub fn routes() -> Vec<Route> {
    let any = || json!({"type": "object"});
    vec![
        Route::new(Method::GET, "/version", "get_version", "Say which release the server is.", version)
            .answers(200, any())
            .versioned(),
        Route::new(
            Method::GET,
            "/status",
            "get_status",
            "Say what the server serves, and whether the database answers.",
            status,
        )
        .needs(UseCase::ShowStatus)
        .answers(200, any())
        .live(),
        pages::partly(Route::new(
            Method::GET,
            "/connections",
            "get_connections",
            "List the sessions that are open, the oldest first; a page of them in the order of the ids.",
            connections,
        ))
        .needs(UseCase::ListSessions)
        .answers(200, json!({"type": "array", "items": any()})),
        Route::new(Method::DELETE, "/connections/{connection_id}", "close_connection", "Close a session.", close)
            .needs(UseCase::CloseSession)
            .answers(200, reference("Done")),
    ]
}

async fn version(State(api): State<RestApi>) -> Response {
    let facts = &api.facts;
    let (version, date, commit) = (facts.version, facts.build_date, facts.commit);
    answer::json(&json!({ "version": version, "build_date": date, "commit_hash": commit, "features": [] }))
}

async fn status(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let error = api.administration.status.store(&actor).await.err().map(|error| error.to_string());
    let facts = &api.facts;
    let bindings = facts.ssh_bindings.iter().map(|(address, port)| json!({ "address": address, "port": port }));
    let off = || json!({ "is_active": false });
    Ok(answer::json(&json!({
        "ssh": { "is_active": true, "bindings": bindings.collect::<Vec<_>>() },
        "ftp": off(),
        "webdav": off(),
        "data_provider": { "is_active": error.is_none(), "driver": facts.driver, "error": error.unwrap_or_default() },
    })))
}

async fn connections(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    uri: Uri,
    query: Query,
) -> Result<Response, Refusal> {
    let sessions = api.administration.sessions.list(&actor).await?;
    let documents = sessions.iter().map(|open| {
        // A session has texts, numbers and lists only: it can always be written.
        let value = serde_json::to_value(session(open)).unwrap_or_default();
        let mut document = value.as_object().cloned().unwrap_or_else(Map::new);
        // The older server's second interface has the command under another name.
        let command = document.remove("ssh_command").unwrap_or_default();
        document.insert("command".to_owned(), command);
        Value::Object(document)
    });
    let (documents, next) = pages::part(&query, pages::keyed(documents, "connection_id"))?;
    Ok(pages::list(&uri, &documents, next))
}

async fn close(State(api): State<RestApi>, Caller(actor): Caller, Name(id): Name) -> Result<Response, Refusal> {
    api.administration.sessions.close(&actor, &ConnectionId::new(id)).await?;
    Ok(done(StatusCode::OK, "Connection closed"))
}
