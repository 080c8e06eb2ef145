//! Accounts by name.

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tidegate_core::admin::{UseCase, UserEdit};
use tidegate_core::ports::AccountFilter;

use super::super::RestApi;
use super::super::changes::{self, delete_user, documents, edit_user};
use super::super::conditions::Conditions;
use super::super::extract::{Body, Document, Name, Query};
use super::super::guard::Caller;
use super::super::openapi::{list_of, reference};
use super::super::pages::{self, Page, paged};
use super::super::route::Route;
use crate::answer::{Refusal, done};

pub fn routes() -> Vec<Route> {
    vec![
        paged(Route::new(Method::GET, "/users", "get_users", "List accounts in the order of their names.", list))
            .needs(UseCase::ListUsers)
            .query("role", json!({"type": "string"}), "Only accounts with this role.")
            .query("group", json!({"type": "string"}), "Only accounts in this group, by whatever kind of membership.")
            .query(
                "status",
                json!({"type": "integer", "enum": [0, 1]}),
                "Only enabled accounts (1) or disabled ones (0).",
            )
            .query("search", json!({"type": "string"}), "Only accounts whose name has this text anywhere.")
            .answers(200, list_of("User")),
        Route::new(Method::POST, "/users", "add_user", "Add an account.", add)
            .needs(UseCase::AddUser)
            .body(reference("User"))
            .answers(201, reference("User"))
            .versioned(),
        Route::new(Method::GET, "/users/{username}", "get_user_by_username", "Show an account.", show)
            .needs(UseCase::ShowUser)
            .answers(200, reference("User"))
            .stored(),
        Route::new(
            Method::PUT,
            "/users/{username}",
            "update_user",
            "Replace an account; its password and other secrets stay where the body does not name them.",
            update,
        )
        .needs(UseCase::UpdateUser)
        .body(reference("User"))
        .answers(200, reference("Done"))
        .versioned(),
        Route::new(Method::DELETE, "/users/{username}", "delete_user", "Delete an account; its files stay.", delete)
            .needs(UseCase::DeleteUser)
            .answers(200, reference("Done"))
            .versioned(),
    ]
}

async fn list(State(api): State<RestApi>, Caller(actor): Caller, uri: Uri, query: Query) -> Result<Response, Refusal> {
    let (page, filter, users) = (Page::of(&query)?, filter(&query)?, &api.administration.users);
    let (found, descending) = match &page {
        Page::After(request) => (users.list(&actor, &filter, pages::and_one(request)).await?, false),
        Page::At(offset) => (users.page_at(&actor, &filter, offset.clone()).await?, offset.descending),
    };
    let (items, next) = pages::cut(&page, documents(found, descending));
    Ok(pages::list(&uri, &items, next))
}

/// The accounts that the query asks for; a parameter that is empty asks for all.
fn filter(query: &Query) -> Result<AccountFilter, Refusal> {
    let given = |name: &str| query.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let kind = "1 for enabled accounts or 0 for disabled ones";
    let enabled = match query.value::<u8>("status", kind)? {
        None => None,
        Some(0) => Some(false),
        Some(1) => Some(true),
        Some(_) => return Err(Refusal::of_field("status", format!("the parameter \"status\" must be {kind}"))),
    };
    Ok(AccountFilter { role: given("role"), group: given("group"), enabled, contains: given("search") })
}

async fn add(State(api): State<RestApi>, Caller(actor): Caller, Body(document): Document) -> Result<Response, Refusal> {
    let added = api.administration.users.add(&actor, document, None).await?;
    Ok((StatusCode::CREATED, changes::user(&added)).into_response())
}

async fn show(State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name) -> Result<Response, Refusal> {
    Ok(changes::user(&api.administration.users.show(&actor, &name).await?))
}

async fn update(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    based: Conditions,
    Body(document): Document,
) -> Result<Response, Refusal> {
    Ok(changes::changed(&edit_user(&api, &actor, (&name, None), UserEdit::Replace(document), &based).await?))
}

async fn delete(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    delete_user(&api, &actor, (&name, None), &based).await?;
    Ok(done(StatusCode::OK, "User deleted"))
}
