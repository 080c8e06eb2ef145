//! Puts routers together to what a socket serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tidegate_core::metrics::Metrics;

use crate::answer;
use crate::http::{Repeated, Repeats, number, record};

static SITES: AtomicU64 = AtomicU64::new(0);

/// What a binding serves.
#[derive(Clone)]
pub struct Served {
    pub(crate) router: Router,
    /// None: every request goes to the router.
    pub(crate) repeats: Option<Repeats>,
}

impl From<Router> for Served {
    fn from(router: Router) -> Self {
        Self { router, repeats: None }
    }
}

/// What a socket serves: the router, a page that says that the server is alive, and errors in one shape for
/// everything else.
pub fn site(router: Router) -> Router {
    whole(router).layer(from_fn(number))
}

/// The site of a router with each request counted and logged (A20-05, A21-05). `repeated`: the answers that are given again, for
/// all sites whose requests may change what the others show.
pub fn counted(router: Router, metrics: Arc<Metrics>, repeated: Arc<Repeated>) -> Served {
    let router = whole(router).layer(from_fn_with_state(metrics.clone(), record));
    let repeats = Repeats { repeated, metrics, site: SITES.fetch_add(1, Ordering::Relaxed) };
    Served { router, repeats: Some(repeats) }
}

fn whole(router: Router) -> Router {
    router
        .route("/healthz", get(async || "ok\n"))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use tidegate_core::metrics::HttpRequests;

    use super::*;

    #[tokio::test]
    async fn each_request_is_counted_by_the_status_of_its_answer() {
        // A20-05
        let metrics = Arc::new(Metrics::default());
        let router = Router::new()
            .route("/made", get(async || StatusCode::CREATED))
            .route("/moved", get(async || StatusCode::SEE_OTHER))
            .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
            .route("/away", get(async || StatusCode::SERVICE_UNAVAILABLE));
        let site = TowerToHyperService::new(counted(router, metrics.clone(), Arc::default()).router);
        let mut expected = HttpRequests::default();
        for (method, path, status, [ok, client_error, server_error]) in [
            ("GET", "/healthz", 200, [1, 0, 0]),
            ("GET", "/made", 201, [1, 0, 0]),
            ("GET", "/moved", 303, [0, 0, 0]),
            ("GET", "/none", 404, [0, 1, 0]),
            ("POST", "/made", 405, [0, 1, 0]),
            ("GET", "/broken", 500, [0, 0, 1]),
            ("GET", "/away", 503, [0, 0, 1]),
        ] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            assert_eq!(site.call(request).await.unwrap().status().as_u16(), status, "{method} {path}");
            expected.all += 1;
            expected.ok += ok;
            expected.client_errors += client_error;
            expected.server_errors += server_error;
            assert_eq!(metrics.counts().http, expected, "{method} {path}");
        }
    }
}
