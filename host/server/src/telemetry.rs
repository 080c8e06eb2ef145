//! Traces by OTLP over HTTP, as protobuf. Spans wait in a bounded queue, from which a thread of its own takes them: a
//! collector that is away delays nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use reqwest::redirect::Policy;
use tidegate_core::trace::{TARGET, TraceContext};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use crate::version::VERSION;

/// Where collectors expect traces, below the endpoint.
const PATH: &str = "v1/traces";
/// Longest time for a request to the collector.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Least time in which the last spans are sent at the end.
const LEAST_FLUSH_TIME: Duration = Duration::from_secs(1);
/// Longest answer of the collector that is read.
const MAX_ANSWER: usize = 64 << 10;

/// The exporter of the process.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts the exporter. `endpoint`: of the collector, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it, or with the whole path.
    pub fn start(endpoint: &Url) -> anyhow::Result<Self> {
        let client = Client::new(endpoint.scheme() == "https").context("the client of traces could not be made")?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(traces_url(endpoint))
            .with_timeout(REQUEST_TIME)
            .build()
            .context("the exporter of traces could not be made; check tracing.otlp_endpoint")?;
        let version = opentelemetry::KeyValue::new("service.version", VERSION);
        let resource = Resource::builder().with_service_name("tidegate").with_attribute(version).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        Ok(Self(provider))
    }

    /// What turns spans into those of OpenTelemetry.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let ours = Targets::new().with_target(TARGET, LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("tidegate"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(ours)
    }

    /// Sends what is left, for as long as `grace` at most.
    pub async fn finish(self, grace: Duration) {
        let time = grace.max(LEAST_FLUSH_TIME);
        // It waits for the exporter's thread.
        let flushed = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(time)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(sender = "tracing", message = format!("the last traces may be lost: {error}"));
        }
    }
}

fn traces_url(endpoint: &Url) -> String {
    let text = endpoint.as_str();
    if text.ends_with(PATH) { text.to_owned() } else { format!("{}/{PATH}", text.trim_end_matches('/')) }
}

/// Tells where spans are in their traces.
pub struct SpanContexts;

impl TraceContext for SpanContexts {
    fn trace_parent(&self, span: &Span) -> Option<String> {
        if span.is_disabled() {
            return None;
        }
        let context = span.context();
        let at = context.span().span_context().clone();
        let flags = at.trace_flags().to_u8();
        at.is_valid().then(|| format!("00-{}-{}-{flags:02x}", at.trace_id(), at.span_id()))
    }
}

/// The HTTP client of the exporter, whose thread has no runtime of its own.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
    /// Whether the last request failed: an outage is logged once.
    is_failing: Arc<AtomicBool>,
}

impl Client {
    fn new(secure: bool) -> reqwest::Result<Self> {
        let builder = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(REQUEST_TIME);
        // On a machine without certificates, a client for TLS could not be made.
        let builder = if secure { builder } else { builder.tls_certs_only(std::iter::empty()) };
        let runtime = tokio::runtime::Handle::current();
        Ok(Self { client: builder.build()?, runtime, is_failing: Arc::default() })
    }

    fn note(&self, problem: Option<String>) {
        let was_failing = self.is_failing.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(problem) if !was_failing => {
                let message = format!("traces are lost until the collector takes them again: {problem}");
                tracing::warn!(sender = "tracing", message);
            }
            None if was_failing => tracing::info!(sender = "tracing", message = "the collector takes traces again"),
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string();
        let request = self.client.request(parts.method, url).headers(parts.headers).body(body);
        let exchange = self.runtime.spawn(async move {
            let mut response = request.send().await?;
            let (status, mut body) = (response.status(), Vec::new());
            while let Some(chunk) = response.chunk().await? {
                if body.len() + chunk.len() > MAX_ANSWER {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            Ok::<_, reqwest::Error>((status, body))
        });
        let outcome = exchange.await?;
        self.note(match &outcome {
            Ok((status, _)) if status.is_success() => None,
            Ok((status, _)) => Some(format!("it answered with status {status}")),
            Err(error) => Some(error.to_string()),
        });
        let (status, body) = outcome?;
        Ok(Response::builder().status(status).body(body.into())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_those_of_the_specification() {
        // G-11
        let check = |endpoint: &str, expected: &str| {
            assert_eq!(traces_url(&endpoint.parse::<Url>().unwrap()), expected);
        };
        check("http://collector:4318", "http://collector:4318/v1/traces");
        check("https://collector/otlp/", "https://collector/otlp/v1/traces");
        check("http://collector:4318/v1/traces", "http://collector:4318/v1/traces");
    }
}
