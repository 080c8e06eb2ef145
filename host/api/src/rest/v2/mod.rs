//! `/api/v2`, compatible with the older server's second interface for what this server has of it (A18-17).

mod administrators;
mod backups;
mod defender;
mod events;
mod login_links;
mod objects;
mod passwords;
mod quotas;
mod server;
mod tokens;
mod user;
mod users;

use super::route::Route;

pub fn routes() -> Vec<Route> {
    let all = [
        tokens::routes(),
        server::routes(),
        users::routes(),
        objects::routes(),
        quotas::routes(),
        backups::routes(),
        administrators::routes(),
        defender::routes(),
        events::routes(),
        passwords::routes(),
        login_links::routes(),
        user::routes(),
    ];
    all.into_iter().flatten().collect()
}
