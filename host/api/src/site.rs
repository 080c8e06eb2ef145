//! Puts routers together to what a socket serves.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tidegate_core::metrics::Metrics;

use crate::answer;
use crate::http::{number, record};

/// What a socket serves: the router, a page that says that the server is alive, and errors in one shape for
/// everything else.
pub fn site(router: Router) -> Router {
    router
        .route("/healthz", get(async || "ok\n"))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(from_fn(number))
}

/// The site with each request counted and logged (A20-05, A21-05).
pub fn counted(site: Router, metrics: Arc<Metrics>) -> Router {
    site.layer(from_fn_with_state(metrics, record))
}
