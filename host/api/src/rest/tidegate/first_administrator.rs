//! The first administrator, with the code that a server without any has written to its log.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use tidegate_api_types::ErrorCode;
use tidegate_core::admin::FirstAdministratorError;
use tidegate_core::secret::Secret;

use super::super::RestApi;
use super::super::credentials::door_client;
use super::super::extract::Body;
use super::super::openapi::{reference, word};
use super::super::route::{Need, Route};
use crate::answer::{Refusal, done};
use crate::http::Client;

pub fn routes() -> Vec<Route> {
    let body = json!({
        "type": "object",
        "properties": { "code": {"type": "string"}, "username": word(), "password": word() },
        "required": ["code", "username", "password"],
        "additionalProperties": false,
    });
    vec![
        Route::new(
            Method::POST,
            "/first-administrator",
            "add_first_administrator",
            "Add the first administrator, who may do everything, with the code that a server without administrators writes to \
             its log as it starts. The answer is the same whatever is wrong with the code, and where there is an \
             administrator.",
            add,
        )
        .needs_only(Need::Nothing)
        .body(body)
        .answers(201, reference("Done")),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    code: String,
    username: String,
    password: String,
}

async fn add(
    State(api): State<RestApi>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Refusal> {
    let Wanted { code, username, password } = wanted;
    if password.is_empty() {
        return Err(Refusal::of_field("password", "the password is empty"));
    }
    let (first, client) = (&api.administration.first_administrator, door_client(&client, &headers));
    first.add(&client, &code, &username, Secret::new(password)).await.map_err(refusal)?;
    Ok(done(StatusCode::CREATED, "Administrator added"))
}

fn refusal(error: FirstAdministratorError) -> Refusal {
    match error {
        FirstAdministratorError::Denied => Refusal::new(ErrorCode::Forbidden, error.to_string()),
        FirstAdministratorError::Hook => Refusal::new(ErrorCode::Unavailable, error.to_string()),
        FirstAdministratorError::TooMany => Refusal::new(ErrorCode::TooMany, error.to_string()),
        FirstAdministratorError::Admin(error) => Refusal::for_stranger(error),
    }
}
