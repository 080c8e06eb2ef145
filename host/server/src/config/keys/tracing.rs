//! The section `tracing`.

use serde::{Deserialize, Serialize};

/// Traces of logins, hooks and file operations, for a collector of OpenTelemetry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tracing {
    /// The URL of a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`; `/v1/traces` is added where it
    /// is missing. Empty: there are no traces.
    pub otlp_endpoint: String,
}
