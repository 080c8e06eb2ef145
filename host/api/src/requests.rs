//! Counts and logs requests (A20-05, A21-05).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::USER_AGENT;
use axum::middleware::Next;
use axum::response::Response;
use tidegate_core::metrics::Metrics;

static SERIAL: AtomicU64 = AtomicU64::new(1);

pub async fn record(
    State(metrics): State<Arc<Metrics>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let (method, uri, version) = (request.method().clone(), request.uri().clone(), request.version());
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    metrics.http_request(status.as_u16());
    let size = response.body().size_hint().exact();
    let request_id = format!("{:x}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
    tracing::info!(
        sender = "httpd",
        remote_addr = %remote,
        proto = ?version,
        method = %method,
        user_agent = agent,
        uri = %uri,
        resp_status = status.as_u16(),
        resp_size = size.unwrap_or(0),
        elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        request_id,
    );
    response
}
