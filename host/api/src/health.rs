//! `/readyz`: whether clients should be sent to the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tidegate_core::metrics::Metrics;
use tokio_util::sync::CancellationToken;

/// What decides whether clients should be sent to this server. It is looked at, and never asks the database: the
/// server watches that anyway.
pub struct Readiness {
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    is_listening: AtomicBool,
}

impl Readiness {
    /// A server that does not listen yet. `stop`: cancelled when it takes no more connections.
    pub fn new(metrics: Arc<Metrics>, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { metrics, stop, is_listening: AtomicBool::new(false) })
    }

    /// The server takes connections from now on.
    pub fn listens(&self) {
        self.is_listening.store(true, Ordering::Release);
    }

    /// Why no clients should be sent to the server.
    fn problem(&self) -> Option<&'static str> {
        if self.stop.is_cancelled() {
            Some("the server is stopping")
        } else if !self.is_listening.load(Ordering::Acquire) {
            Some("the server is starting")
        } else if self.metrics.counts().store_available == 0 {
            Some("the database is away")
        } else {
            None
        }
    }
}

/// `/readyz`, without authentication: it tells only what a login attempt tells as well.
pub fn health(readiness: Arc<Readiness>) -> Router {
    Router::new().route("/readyz", get(ready)).with_state(readiness)
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    match readiness.problem() {
        Some(problem) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            (status, Json(json!({ "error": problem, "message": "", "status": status.as_u16() }))).into_response()
        }
        None => Json(json!({ "status": "ready" })).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(readiness: &Arc<Readiness>, expected: Option<&str>) {
        assert_eq!(readiness.problem(), expected);
        let status = ready(State(readiness.clone())).await.status();
        assert_eq!(status.as_u16(), if expected.is_none() { 200 } else { 503 }, "{expected:?}");
    }

    #[tokio::test]
    async fn a_server_is_ready_while_it_can_decide_logins() {
        // A9-05
        let (metrics, stop) = (Arc::new(Metrics::default()), CancellationToken::new());
        let readiness = Readiness::new(metrics.clone(), stop.clone());
        metrics.store_answers(true);
        check(&readiness, Some("the server is starting")).await;
        readiness.listens();
        check(&readiness, None).await;
        metrics.store_answers(false);
        check(&readiness, Some("the database is away")).await;
        metrics.store_answers(true);
        check(&readiness, None).await;
        stop.cancel();
        check(&readiness, Some("the server is stopping")).await;
    }
}
