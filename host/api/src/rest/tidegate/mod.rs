//! `/api/tidegate`: hooks, plugins, banned addresses, and the server itself.

mod bans;
mod hooks;
mod plugins;
mod server;

use super::route::Route;

pub fn routes() -> Vec<Route> {
    hooks::routes().into_iter().chain(plugins::routes()).chain(bans::routes()).chain(server::routes()).collect()
}
