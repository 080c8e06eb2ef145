//! The pages. Each names its method, its path and what it needs of the client: from these the router and the checks
//! before each handler are made.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::WebAdmin;
use crate::guard::{self, Guarded, Need};
use crate::problem::Problem;
use crate::request::{Asked, see, without_slash};

/// One method of one path.
pub struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "tests go through the pages by their methods"))]
    pub method: Method,
    pub path: String,
    pub need: Need,
    handler: MethodRouter<WebAdmin>,
}

impl Route {
    pub fn get<H: Handler<T, WebAdmin>, T: 'static>(path: impl Into<String>, need: Need, handler: H) -> Self {
        Self { method: Method::GET, path: path.into(), need, handler: on(MethodFilter::GET, handler) }
    }

    pub fn post<H: Handler<T, WebAdmin>, T: 'static>(path: impl Into<String>, need: Need, handler: H) -> Self {
        Self { method: Method::POST, path: path.into(), need, handler: on(MethodFilter::POST, handler) }
    }
}

/// All pages.
pub fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::get("/", Need::Nothing, async |_: Asked| see("/web")),
        Route::get("/web/{*rest}", Need::Administrator, async |asked: Asked| missing(&asked)),
    ];
    routes.extend(crate::login::routes());
    routes.extend(crate::first_administrator::routes());
    routes.extend(crate::account::routes());
    routes.extend(crate::overview::routes());
    routes.extend(crate::objects::routes());
    routes.extend(crate::connections::routes());
    routes.extend(crate::runs::routes());
    routes.extend(crate::refused::routes());
    routes.extend(crate::run_list::routes());
    routes.extend(crate::hooks::routes());
    routes.extend(crate::made_up::routes());
    routes.extend(crate::plugins::routes());
    routes.extend(crate::bans::routes());
    routes.extend(crate::quota::routes());
    routes.extend(crate::audit::routes());
    routes.extend(crate::keys::routes());
    routes.extend(crate::tokens::routes());
    routes.extend(crate::configuration::routes());
    routes.extend(crate::codes::routes());
    routes.extend(crate::links::routes());
    routes.extend(crate::dump::routes());
    routes
}

/// The address of a page with a slash at its end leads to it.
fn missing(asked: &Asked) -> Result<Response, Problem> {
    without_slash(&asked.parts.uri).map(|address| see(&address)).ok_or_else(Problem::no_page)
}

pub fn router(web: &WebAdmin) -> Router<WebAdmin> {
    let (mut router, web) = (Router::new(), Arc::new(web.clone()));
    for route in routes() {
        let guarded = Guarded { web: web.clone(), need: route.need };
        router = router.route(&route.path, route.handler.layer(from_fn_with_state(guarded, guard::check)));
    }
    router
}
