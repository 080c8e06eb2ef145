//! The HTTP server: bindings with or without TLS, limits, proxies, and what every request gets.

mod address;
mod binding;
mod certificates;
mod logged_address;
mod repeated;
mod requests;
mod serving;
#[cfg(test)]
mod serving_tests;
mod shares;
mod stalled;
mod to_its_end;

use axum::http::HeaderName;

pub use address::{Client, Entrance, TrustedProxies, is_forwarded, visit};
pub use binding::{Binding, Socket};
pub use certificates::{CertificateError, Certificates};
pub use repeated::{Repeatable, Repeated};
pub use requests::RequestId;
pub use serving::{HttpLimits, serve};

pub(crate) use repeated::{Changed, Repeats};
pub(crate) use requests::{number, record};
pub(crate) use to_its_end::ToItsEnd;

/// The header with an API key.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-sftpgo-api-key");
