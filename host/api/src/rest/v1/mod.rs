//! `/api/v1`, as the older server's README describes it (A18-01 to A18-12). Two things differ: it needs credentials
//! unless its place is trusted, and a load is made as a whole or not at all.

mod server;
mod users;

use super::route::Route;

pub fn routes() -> Vec<Route> {
    users::routes().into_iter().chain(server::routes()).collect()
}
