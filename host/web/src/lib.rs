//! The web admin: a door to the use cases of `core::admin` for people with a browser. It authenticates, shows and
//! reads forms, and decides nothing.

mod account;
mod assets;
mod attempts;
mod audit;
mod bans;
mod client;
mod codes;
mod configuration;
mod connections;
mod cookie;
mod difference;
mod dump;
mod fields;
mod first_administrator;
mod guard;
mod hooks;
mod judgement;
mod keys;
mod links;
mod live;
mod login;
mod made_up;
mod navigation;
mod objects;
mod overview;
mod page;
mod plot;
mod plugins;
mod problem;
mod quota;
mod refused;
mod request;
mod route;
mod run_list;
mod runs;
mod text;
mod tokens;
mod transport;
mod upload;
mod view;
mod visible;

#[cfg(test)]
mod tests;

pub use dump::Uploaded;
pub use fields::account_of_form;
pub use first_administrator::ADDRESS as FIRST_ADMINISTRATOR;
pub use live::LiveParts;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::get;
use tidegate_api::ServerFacts;
use tidegate_core::admin::Administration;
use tidegate_core::history::History;
use tidegate_core::metrics::Metrics;

use crate::problem::Problem;

/// The services that the pages use.
#[derive(Clone)]
pub struct WebAdmin {
    pub administration: Arc<Administration>,
    pub metrics: Arc<Metrics>,
    /// Earlier values of the counters, for plots.
    pub history: Arc<History>,
    /// The file systems that the server writes to.
    pub disks: Arc<dyn Disks>,
    pub facts: Arc<ServerFacts>,
    /// A dump that waits to be loaded.
    pub uploaded: Arc<Mutex<Option<Uploaded>>>,
    /// Parts of pages that refresh themselves, as they were a moment ago.
    pub live_parts: Arc<LiveParts>,
    /// Names, with or without a port, by which browsers may call the server; empty: any.
    pub allowed_hosts: Arc<[String]>,
}

impl WebAdmin {
    /// Keeps an uploaded dump in the place of the one before, which is given back.
    fn keep(&self, uploaded: Option<Uploaded>) -> Option<Uploaded> {
        std::mem::replace(&mut *self.uploaded.lock().unwrap_or_else(PoisonError::into_inner), uploaded)
    }
}

/// Looks at file systems of the host.
#[async_trait]
pub trait Disks: Send + Sync {
    /// How full those are that the server needs; one that does not answer in time is left out.
    async fn usages(&self) -> Vec<DiskUsage>;
}

/// How full a file system is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskUsage {
    /// What is there, such as `the state of the server`.
    pub what: &'static str,
    pub path: String,
    /// Bytes in use, with those that are kept for the system.
    pub used: u64,
    pub size: u64,
}

/// Which pages a binding has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// The web admin.
    pub has_admin: bool,
    /// The pages of users.
    pub has_client: bool,
}

/// The router of these pages.
pub fn web(web: WebAdmin, pages: Pages) -> Router {
    let mut router = Router::new();
    if pages.has_admin {
        router = router.merge(route::router(&web));
        for (address, page) in [("/web/", "/web"), ("/web/login/", "/web/login"), ("/web/first/", FIRST_ADMINISTRATOR)]
        {
            router = router.route(address, get(move || async move { request::see(page) }));
        }
    } else if pages.has_client {
        router = router.route("/", get(async || request::see("/web/client")));
    }
    if pages.has_client {
        router = router.merge(client::router(&web));
    }
    if pages.has_admin || pages.has_client {
        router = client::missing(router, pages.has_client).route("/web/static/{name}", get(assets::serve));
    }
    router.method_not_allowed_fallback(wrong_method).layer(from_fn(guard::finish)).with_state(web)
}

/// A page that is there, asked for in another way: the form of a log-out, for one, has no address of its own.
async fn wrong_method(State(web): State<WebAdmin>) -> Response {
    let text = "This address only takes forms that are sent; open the page that has the form.";
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, text);
    problem.page(&web.metrics).answer(None, "", web.facts.version)
}
