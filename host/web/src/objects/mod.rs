//! Objects with documents: accounts, groups, folders, roles and administrators. Their pages are the same; only what is
//! asked of the use cases differs.

mod bulk;
mod change;
mod effective;
mod entries;
mod kind;
mod list;
mod preview;
mod show;
mod usage;
mod users;

pub use kind::Kind;

use axum::response::{IntoResponse, Redirect, Response};
use tidegate_core::admin::UseCase;

use crate::guard::Need;
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::route::Route;

pub fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::get("/web/users", Need::For(UseCase::ListUsers), users::show),
        Route::get("/web/users/effective", Need::For(UseCase::ShowUser), effective::show),
        // Addresses of the older server (A19-01).
        Route::get("/web/user", Need::For(UseCase::AddUser), async |_: Asked| moved("/web/users/new")),
        Route::get("/web/user/{id}", Need::For(UseCase::ShowUser), by_number),
    ];
    for kind in Kind::ALL {
        let (cases, path) = (kind.cases(), |rest: &str| format!("{}{rest}", kind.path()));
        if kind != Kind::User {
            routes.push(Route::get(path(""), Need::For(cases.list), move |asked| list::show(kind, asked)));
        }
        if kind != Kind::Admin {
            routes.push(Route::post(path("/bulk"), Need::For(cases.list), move |asked| bulk::ask(kind, asked)));
            routes
                .push(Route::post(path("/bulk/do"), Need::For(cases.list), move |asked| bulk::carry_out(kind, asked)));
        }
        routes.push(Route::get(path("/show"), Need::For(cases.show), move |asked| show::show(kind, asked)));
        routes.push(Route::get(path("/json"), Need::For(cases.show), move |asked| show::json(kind, asked)));
        routes.push(Route::get(path("/new"), Need::For(cases.add), move |asked| change::new(kind, asked)));
        routes.push(Route::post(path("/new"), Need::For(cases.add), move |asked| change::take(kind, None, asked)));
        routes.push(Route::get(path("/edit"), Need::For(cases.update), move |asked| change::edit(kind, asked)));
        routes.push(Route::post(path("/edit"), Need::For(cases.update), move |asked| change::edited(kind, asked)));
        routes.push(Route::get(path("/delete"), Need::For(cases.delete), move |asked| change::ask_delete(kind, asked)));
        routes.push(Route::post(path("/delete"), Need::For(cases.delete), move |asked| change::delete(kind, asked)));
    }
    routes
}

/// To the account with the number in the path.
async fn by_number(asked: Asked) -> Result<Response, Problem> {
    let number = asked.path.rsplit('/').next().and_then(|number| number.parse().ok()).ok_or_else(Problem::no_page)?;
    let (name, _) = asked.web.administration.users.show_by_id(asked.actor()?, number).await?;
    Ok(moved(&address("/web/users/show", &[("name", &name)])))
}

/// The page of a user; without the right to see it there is nothing to go to.
pub fn back_to_user(asked: &Asked, name: &str) -> String {
    match asked.may(UseCase::ShowUser) {
        true => address("/web/users/show", &[("name", name)]),
        false => "/web".to_owned(),
    }
}

fn moved(address: &str) -> Response {
    Redirect::to(address).into_response()
}
