//! Numbers, counts and logs requests (A20-05, A21-05).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tidegate_core::metrics::Metrics;

use super::Client;
use crate::answer;

static SERIAL: AtomicU64 = AtomicU64::new(1);
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The number of a request, for the log and for error answers; every request has it among its extensions.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Gives each request its number, and completes error answers with it.
pub(crate) async fn number(mut request: Request, next: Next) -> Response {
    let id = format!("{:x}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = answer::completed(next.run(request).await, &id);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// Counts and logs each request.
pub(crate) async fn record(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, uri, version) = (request.method().clone(), request.uri().clone(), request.version());
    let remote = request.extensions().get::<Client>().map(Client::remote).unwrap_or_default();
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    metrics.http_request(status.as_u16());
    let size = response.body().size_hint().exact();
    let request_id = response.headers().get(HEADER).and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::info!(
        sender = "httpd",
        remote_addr = remote,
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
