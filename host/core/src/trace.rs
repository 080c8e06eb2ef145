//! Spans of logins, hooks and file operations, for a tracing system. Where there is none, nothing wants them: making one
//! is a comparison then, and allocates nothing.

use futures_util::FutureExt as _;
use tracing::{Instrument as _, Span};

use crate::files::FileError;

/// The target of all spans, which tells them from those of libraries.
pub const TARGET: &str = "tidegate::trace";

/// Knows the place of a span in its trace.
pub trait TraceContext: Send + Sync {
    /// The header `traceparent` of requests that are part of the span (W3C Trace Context); None: the span is not recorded.
    fn trace_parent(&self, span: &Span) -> Option<String>;
}

/// A server without traces.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTraces;

impl TraceContext for NoTraces {
    fn trace_parent(&self, _span: &Span) -> Option<String> {
        None
    }
}

/// The trace of a header `traceparent`, as 32 hexadecimal digits.
pub fn trace_of(parent: &str) -> Option<&str> {
    parent.split('-').nth(1)
}

/// The span of all attempts to log in on one connection. What it records later: `username`, `method`, `outcome`.
pub(crate) fn login_span(connection: &crate::connection::Connection) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "login",
        connection_id = connection.id.as_str(),
        client.address = %connection.remote.ip(),
        username = tracing::field::Empty,
        method = tracing::field::Empty,
        outcome = tracing::field::Empty,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
    )
}

/// Runs a file operation in its span, which gets the error if there is one.
pub(crate) fn operation<T>(
    span: Span,
    work: impl Future<Output = Result<T, FileError>>,
) -> impl Future<Output = Result<T, FileError>> {
    work.instrument(span.clone()).map(move |outcome| {
        if let Err(error) = &outcome {
            failed(&span, error);
        }
        outcome
    })
}

/// Notes that what the span is about has failed.
pub(crate) fn failed(span: &Span, error: &dyn std::fmt::Display) {
    if !span.is_disabled() {
        span.record("otel.status_code", "ERROR");
        span.record("error", tracing::field::display(error));
    }
}
