//! `/metrics` in Prometheus' text format (A18-13, A20).

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder, TextEncoder};
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::{DURATION_BOUNDS, HookCounter, HookRunStore};

use crate::answer;

/// What `/metrics` shows.
#[derive(Clone)]
pub struct Measured {
    pub metrics: Arc<Metrics>,
    pub hook_runs: Arc<dyn HookRunStore>,
}

pub fn metrics(measured: Measured) -> Router {
    Router::new()
        .route("/metrics", get(show))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .with_state(measured)
}

async fn show(State(measured): State<Measured>) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    if let Err(error) = encoder.encode(&measured.metrics.registry.gather(), &mut text) {
        return answer::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
    }
    let mut text = String::from_utf8_lossy(&text).into_owned();
    put_process(&mut text);
    // Without the counters of hooks, the other metrics are still shown.
    if let Ok(counters) = measured.hook_runs.counters().await {
        put_hooks(&mut text, &counters);
    }
    ([(CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response()
}

/// A20-07
fn put_process(text: &mut String) {
    let process = metrics_process::collector::collect();
    let mut put = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    };
    let number = |value: Option<u64>| value.map(|value| value as f64);
    put("process_cpu_seconds_total", "counter", "CPU time used, in seconds", process.cpu_seconds_total);
    put("process_open_fds", "gauge", "Open file descriptors", number(process.open_fds));
    put("process_max_fds", "gauge", "Most file descriptors that may be open", number(process.max_fds));
    put("process_resident_memory_bytes", "gauge", "Resident memory", number(process.resident_memory_bytes));
    put("process_virtual_memory_bytes", "gauge", "Virtual memory", number(process.virtual_memory_bytes));
    put("process_start_time_seconds", "gauge", "Start, in seconds since 1970", number(process.start_time_seconds));
    put("process_threads", "gauge", "Threads", number(process.threads));
}

/// Metrics of hooks, which the older server does not have (A20-09).
fn put_hooks(text: &mut String, counters: &[HookCounter]) {
    if counters.is_empty() {
        return;
    }
    let labels = |counter: &HookCounter| {
        let HookCounter { kind, hook, version, outcome, .. } = counter;
        let (hook, version) = (escaped(hook), escaped(version));
        format!("kind=\"{kind}\",hook=\"{hook}\",version=\"{version}\",outcome=\"{outcome}\"")
    };
    let mut family = |name: &str, help: &str, value: &dyn Fn(&HookCounter) -> f64| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
        for counter in counters {
            let _ = writeln!(text, "{name}{{{}}} {}", labels(counter), value(counter));
        }
    };
    family("tidegate_hook_calls_total", "Calls of hooks, by outcome", &|counter| counter.calls as f64);
    family("tidegate_hook_errors_total", "Calls that ended in an error", &|counter| {
        if counter.is_error { counter.calls as f64 } else { 0.0 }
    });
    family("tidegate_hook_cpu_seconds_total", "CPU time of plugins", &|counter| counter.cpu_us as f64 / 1e6);
    let name = "tidegate_hook_duration_seconds";
    let _ = write!(text, "# HELP {name} How long hooks took\n# TYPE {name} histogram\n");
    for counter in counters {
        let labels = labels(counter);
        let mut so_far = 0;
        for (bound, calls) in DURATION_BOUNDS.iter().zip(&counter.histogram) {
            so_far += calls;
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{}\"}} {so_far}", *bound as f64 / 1e6);
        }
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", counter.calls);
        let _ = writeln!(text, "{name}_sum{{{labels}}} {}", counter.total_us as f64 / 1e6);
        let _ = writeln!(text, "{name}_count{{{labels}}} {}", counter.calls);
    }
}

/// Escapes the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
