//! Accounts.

mod list;

use tidegate_core::admin::UseCase;

use crate::guard::Need;
use crate::route::Route;

pub fn routes() -> Vec<Route> {
    vec![Route::get("/web/users", Need::For(UseCase::ListUsers), list::show)]
}
