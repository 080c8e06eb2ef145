//! `/api/tidegate`: hooks, plugins, and the server itself.

mod hooks;
mod plugins;
mod server;

use super::route::Route;

pub fn routes() -> Vec<Route> {
    hooks::routes().into_iter().chain(plugins::routes()).chain(server::routes()).collect()
}
