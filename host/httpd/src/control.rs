//! What administrators' commands ask of a running server.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use tidegate_core::connection::ConnectionId;
use tidegate_core::quota::{QuotaError, ScanError, Scope};
use tidegate_core::session::{EndReason, Session, TransferView};

use crate::{HookLinkView, PluginView, Subjects, answer};

/// A session, as administrators see it (A18-03). Times in milliseconds since 1970.
#[derive(Debug, Serialize)]
pub struct ConnectionView {
    pub username: String,
    pub connection_id: String,
    pub client_version: String,
    pub remote_address: String,
    pub connection_time: i64,
    pub last_activity: i64,
    pub protocol: &'static str,
    pub active_transfers: Vec<TransferView>,
    pub ssh_command: String,
}

impl ConnectionView {
    fn of(session: &Session) -> Self {
        let (protocol, ssh_command) = session.live.channel();
        Self {
            username: session.account.username.clone(),
            connection_id: session.id.to_string(),
            client_version: session.connection.client_software().unwrap_or_default().to_owned(),
            remote_address: session.connection.remote.to_string(),
            connection_time: session.opened_at,
            last_activity: session.live.last_activity(),
            protocol,
            active_transfers: session.live.transfers(),
            ssh_command,
        }
    }
}

pub fn control(subjects: Subjects) -> Router {
    Router::new()
        .route("/connections", get(connections))
        .route("/connections/{id}", delete(close))
        .route("/scans", get(scans).post(scan))
        .route("/hooks", get(hooks))
        .route("/plugins", get(plugins))
        .route("/plugins/{name}", delete(forget_plugin))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .with_state(subjects)
}

async fn connections(State(subjects): State<Subjects>) -> Json<Vec<ConnectionView>> {
    let sessions = subjects.sessions.sessions();
    Json(sessions.iter().map(|session| ConnectionView::of(session)).collect())
}

async fn close(State(subjects): State<Subjects>, Path(id): Path<String>) -> Response {
    if subjects.sessions.close(&ConnectionId::new(id), EndReason::AdminClosed) {
        answer::message(StatusCode::OK, "Connection closed")
    } else {
        answer::error(StatusCode::NOT_FOUND, "there is no such connection")
    }
}

async fn scans(State(subjects): State<Subjects>) -> Response {
    let scans = subjects.scans.keeper.scans().into_iter();
    let views: Vec<_> = scans
        .map(|(scope, files, directories)| json!({ "scope": scope, "files": files, "directories": directories }))
        .collect();
    Json(views).into_response()
}

/// Answers when the scan is done.
async fn scan(State(subjects): State<Subjects>, Json(scope): Json<Scope>) -> Response {
    match subjects.scans.scan(&scope).await {
        Ok(report) => Json(report).into_response(),
        Err(error) => {
            let status = match &error {
                ScanError::InProgress => StatusCode::CONFLICT,
                ScanError::NotTracked => StatusCode::FORBIDDEN,
                ScanError::Quota(QuotaError::Store(tidegate_core::ports::StoreError::NotFound(_))) => {
                    StatusCode::NOT_FOUND
                }
                ScanError::Quota(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            answer::error(status, &error.to_string())
        }
    }
}

async fn hooks(State(subjects): State<Subjects>) -> Json<Vec<HookLinkView>> {
    Json(subjects.inventory.links())
}

async fn plugins(State(subjects): State<Subjects>) -> Json<Vec<PluginView>> {
    Json(subjects.inventory.plugins())
}

async fn forget_plugin(State(subjects): State<Subjects>, Path(name): Path<String>) -> Response {
    match subjects.inventory.forget(&name) {
        Ok(()) => answer::message(StatusCode::OK, "Plugin forgotten"),
        Err(error) => answer::error(StatusCode::NOT_FOUND, &error),
    }
}
