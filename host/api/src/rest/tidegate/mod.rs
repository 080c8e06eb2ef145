//! `/api/tidegate`: hooks, plugins, banned addresses, what sessions did to files, file systems, the first administrator, and
//! the server itself.

mod bans;
mod files;
mod first_administrator;
mod hooks;
mod plugins;
mod server;
mod storage;

use super::route::Route;

pub fn routes() -> Vec<Route> {
    let routes = [
        hooks::routes(),
        plugins::routes(),
        bans::routes(),
        files::routes(),
        server::routes(),
        storage::routes(),
        first_administrator::routes(),
    ];
    routes.into_iter().flatten().collect()
}
