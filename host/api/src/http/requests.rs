//! Numbers, counts and logs requests (A20-05, A21-05).

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, USER_AGENT};
use axum::http::{HeaderName, HeaderValue, Method, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use tidegate_core::metrics::Metrics;

use super::{Client, logged_address};
use crate::answer;

static SERIAL: AtomicU64 = AtomicU64::new(1);
/// The header with the number of a request.
pub(super) const NUMBER: HeaderName = HeaderName::from_static("x-request-id");

/// The number of a request, for the log and for error answers; every request has it among its extensions.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Among the extensions of a request whose client is banned: it is refused, whatever it asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Banned;

/// The process, which the system would be asked for each time.
static PROCESS: LazyLock<u32> = LazyLock::new(std::process::id);

/// The number of the next request, for this server and process.
pub(super) fn next_number() -> String {
    format!("{:x}-{}", *PROCESS, SERIAL.fetch_add(1, Ordering::Relaxed))
}

/// Gives each request its number, and completes error answers with it.
pub(crate) async fn number(mut request: Request, next: Next) -> Response {
    let id = next_number();
    request.extensions_mut().insert(RequestId(id.clone()));
    let answered = if request.extensions().get::<Banned>().is_some() {
        ([(CONNECTION, HeaderValue::from_static("close"))], answer::banned()).into_response()
    } else {
        next.run(request).await
    };
    let mut response = answer::completed(answered, &id);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(NUMBER, value);
    }
    response
}

/// What the log says of a request.
pub(super) struct Line {
    started: Instant,
    version: Version,
    method: Method,
    uri: String,
    remote: String,
    agent: String,
}

impl Line {
    pub(super) fn of<B>(request: &Request<B>, client: Option<&Client>) -> Self {
        let started = Instant::now();
        let (method, uri, version) =
            (request.method().clone(), logged_address::shown(request.uri()), request.version());
        let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let remote = client.map(Client::remote).unwrap_or_default();
        Self { started, version, method, uri, remote, agent: agent.to_owned() }
    }

    /// Writes the line of a request that was answered in this way.
    pub(super) fn write(self, status: u16, size: u64, request_id: &str) {
        let Self { started, version, method, uri, remote, agent } = self;
        tracing::info!(
            sender = "httpd",
            remote_addr = remote,
            proto = ?version,
            method = %method,
            user_agent = agent,
            uri,
            resp_status = status,
            resp_size = size,
            elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            request_id,
        );
    }
}

/// Numbers each request, and counts and logs it: in one layer, as each is copied with all that it is around for every
/// request.
pub(crate) async fn record(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let line = Line::of(&request, request.extensions().get::<Client>());
    let response = number(request, next).await;
    let status = response.status().as_u16();
    metrics.http_request(status);
    let request_id = response.headers().get(NUMBER).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let line = move |size: u64| line.write(status, size, &request_id);
    match response.body().size_hint().exact() {
        Some(size) => {
            line(size);
            response
        }
        None => response.map(|body| Body::new(Counted { body, size: 0, ended: Some(Box::new(line)) })),
    }
}

/// A body whose size is known at its end, or when the client leaves.
struct Counted {
    body: Body,
    size: u64,
    ended: Option<Box<dyn FnOnce(u64) + Send>>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.size += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            ended(self.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::stream;
    use http_body_util::BodyExt as _;

    use super::*;

    /// What the line says of a body in two parts of which the client takes so many.
    async fn logged(taken: usize) -> Option<u64> {
        let parts = ["four", "seven77"].map(|part| Ok::<_, std::io::Error>(Bytes::from_static(part.as_bytes())));
        let size = Arc::new(Mutex::new(None));
        let noted = size.clone();
        let ended = Box::new(move |size| *noted.lock().unwrap() = Some(size));
        let mut body = Counted { body: Body::from_stream(stream::iter(parts)), size: 0, ended: Some(ended) };
        for _ in 0..taken {
            assert!(body.frame().await.unwrap().is_ok());
        }
        assert_eq!(*size.lock().unwrap(), None, "the body has not ended");
        drop(body);
        *size.lock().unwrap()
    }

    #[tokio::test]
    async fn what_was_sent_of_a_stream_is_logged_at_its_end() {
        // A21-05
        assert_eq!(logged(2).await, Some(11));
        assert_eq!(logged(1).await, Some(4));
        assert_eq!(logged(0).await, Some(0));
    }
}
