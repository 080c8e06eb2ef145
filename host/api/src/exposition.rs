//! `/metrics` in Prometheus' text format (A18-13, A20).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::TEXT_FORMAT;
use tidegate_api_types::ErrorCode;
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::HookRunStore;

use crate::answer::Refusal;
use crate::snapshot::Snapshot;

/// What `/metrics` shows.
#[derive(Clone)]
pub struct Measured {
    pub metrics: Arc<Metrics>,
    pub hook_runs: Arc<dyn HookRunStore>,
}

pub fn metrics(measured: Measured) -> Router {
    Router::new().route("/metrics", get(show)).with_state(measured)
}

async fn show(State(measured): State<Measured>) -> Response {
    let snapshot = Snapshot {
        counts: measured.metrics.counts(),
        process: metrics_process::collector::collect(),
        // Without the counters of hooks, the other metrics are still shown.
        hooks: measured.hook_runs.counters().await.unwrap_or_default(),
    };
    match snapshot.into_text() {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => Refusal::new(ErrorCode::Failed, error.to_string()).into_response(),
    }
}
