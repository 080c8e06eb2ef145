//! The web admin: a door to the use cases of `core::admin` for people with a browser. It authenticates, shows and
//! reads forms, and decides nothing.

mod account;
mod assets;
mod audit;
mod bans;
mod configuration;
mod connections;
mod cookie;
mod difference;
mod fields;
mod guard;
mod hooks;
mod keys;
mod login;
mod navigation;
mod objects;
mod overview;
mod page;
mod plugins;
mod problem;
mod quota;
mod request;
mod route;
mod runs;
mod text;
mod transport;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use tidegate_api::ServerFacts;
use tidegate_core::admin::Administration;
use tidegate_core::metrics::Metrics;

/// What the pages stand on.
#[derive(Clone)]
pub struct WebAdmin {
    pub administration: Arc<Administration>,
    pub metrics: Arc<Metrics>,
    pub facts: Arc<ServerFacts>,
    /// Names, with or without a port, by which browsers may call the server; empty: any.
    pub allowed_hosts: Arc<[String]>,
}

/// The router of all pages.
pub fn web(web: WebAdmin) -> Router {
    let router = route::router(&web).route("/web/static/{name}", get(assets::serve));
    router.layer(from_fn(guard::finish)).with_state(web)
}
