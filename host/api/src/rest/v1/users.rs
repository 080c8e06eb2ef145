//! Accounts by number (A18-06 to A18-09).

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use tidegate_core::account::OffsetPage;
use tidegate_core::admin::{AdminErrorKind, UseCase, UserEdit};
use tidegate_core::ports::AccountFilter;

use super::super::RestApi;
use super::super::changes::{self, delete_user, documents, edit_user};
use super::super::conditions::Conditions;
use super::super::extract::{Body, Document, Name, Query};
use super::super::guard::Caller;
use super::super::openapi::{list_of, reference};
use super::super::pages::{DEFAULT_LIMIT, MAX_LIMIT};
use super::super::route::Route;
use crate::answer::{self, Refusal, done};

pub fn routes() -> Vec<Route> {
    let number = || json!({"type": "integer", "minimum": 0, "maximum": 4294967295_u32});
    vec![
        Route::new(Method::GET, "/user", "get_users", "List accounts.", list)
            .needs(UseCase::ListUsers)
            .query("offset", number(), "The number of accounts to pass over.")
            .query("limit", number(), "The most accounts to give, 500 at most; 100 if it is missing.")
            .query("order", json!({"type": "string", "enum": ["ASC", "DESC"]}), "The order of the names.")
            .query("username", json!({"type": "string"}), "Only the account with this name.")
            .answers(200, list_of("User")),
        Route::new(Method::POST, "/user", "add_user", "Add an account.", add)
            .needs(UseCase::AddUser)
            .body(reference("User"))
            .answers(200, reference("User"))
            .versioned(),
        Route::new(Method::GET, "/user/{id}", "get_user_by_id", "Show an account.", show)
            .needs(UseCase::ShowUser)
            .answers(200, reference("User"))
            .stored(),
        Route::new(Method::PUT, "/user/{id}", "update_user", "Change the fields that the body names.", update)
            .needs(UseCase::UpdateUser)
            .body(reference("User"))
            .answers(200, reference("Done"))
            .versioned(),
        Route::new(Method::DELETE, "/user/{id}", "delete_user", "Delete an account; its files stay.", delete)
            .needs(UseCase::DeleteUser)
            .answers(200, reference("Done"))
            .versioned(),
    ]
}

async fn list(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let users = &api.administration.users;
    let number = |name: &'static str| {
        let value = query.value::<u32>(name, "");
        value.map_err(|_| Refusal::of_field(name, format!("Invalid {name}")))
    };
    let limit = number("limit")?.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let offset = number("offset")?.unwrap_or(0);
    let descending = match query.text("order") {
        None | Some("" | "ASC") => false,
        Some("DESC") => true,
        Some(_) => return Err(Refusal::of_field("order", "Invalid order")),
    };
    if let Some(name) = query.text("username").filter(|name| !name.is_empty()) {
        let found = match users.show(&actor, name).await {
            Ok(shown) if offset == 0 && limit > 0 => vec![shown.document],
            Ok(_) => Vec::new(),
            Err(error) if error.kind() == AdminErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        return Ok(answer::json(&found));
    }
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let page = OffsetPage { offset, limit, descending, prefix: None };
    let page = users.page_at(&actor, &AccountFilter::default(), page).await?;
    let found: Vec<Value> = documents(page, descending).into_iter().map(|(_, document)| document).collect();
    Ok(answer::json(&found))
}

async fn add(State(api): State<RestApi>, Caller(actor): Caller, Body(document): Document) -> Result<Response, Refusal> {
    Ok(changes::user(&api.administration.users.add(&actor, document, None).await?))
}

async fn show(State(api): State<RestApi>, Caller(actor): Caller, Name(id): Name) -> Result<Response, Refusal> {
    let (_, shown) = api.administration.users.show_by_id(&actor, number(&id)?).await?;
    Ok(changes::user(&shown))
}

async fn update(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(id): Name,
    based: Conditions,
    Body(document): Document,
) -> Result<Response, Refusal> {
    let id = number(&id)?;
    if document.get("id").is_some_and(|given| given.as_i64() != Some(id)) {
        return Err(Refusal::of_field("id", "the id in the body must be the one in the path"));
    }
    let name = api.administration.users.name_to_edit(&actor, id).await?;
    // A18-08
    let replaced = if document.get("permissions").is_some_and(Value::is_object) { vec!["permissions"] } else { vec![] };
    let edit = UserEdit::Merge { document, replaced };
    Ok(changes::changed(&edit_user(&api, &actor, (&name, Some(id)), edit, &based).await?))
}

async fn delete(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(id): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    let id = number(&id)?;
    let name = api.administration.users.name_to_delete(&actor, id).await?;
    delete_user(&api, &actor, (&name, Some(id)), &based).await?;
    Ok(done(StatusCode::OK, "User deleted"))
}

fn number(id: &str) -> Result<i64, Refusal> {
    id.parse().map_err(|_| Refusal::of_field("id", "the id of an account is a whole number"))
}
