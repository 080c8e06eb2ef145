//! Lost passwords (D-10): what a client without credentials may ask, and the codes that administrators hand out.

use std::net::{IpAddr, Ipv4Addr};

use axum::Extension;
use axum::extract::State;
use axum::http::header::{HeaderName, REFERER, USER_AGENT};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use tidegate_api_types::ErrorCode;
use tidegate_core::admin::{DoorClient, IssuedToken, PasswordOwner, ResetError, UseCase};
use tidegate_core::hook::review::WebRequest;
use tidegate_core::secret::Secret;

use super::super::RestApi;
use super::super::credentials::door_client;
use super::super::extract::{Body, Name};
use super::super::guard::Caller;
use super::super::openapi::{reference, word};
use super::super::route::{Need, Route};
use crate::answer::{self, Refusal, done};
use crate::http::Client;

pub fn routes() -> Vec<Route> {
    let text = || json!({"type": "string"});
    let new_password = || {
        let properties = json!({"code": text(), "password": word()});
        json!({"type": "object", "properties": properties, "required": ["code", "password"], "additionalProperties": false})
    };
    let code = || {
        let properties = json!({"code": text(), "expires_at": {"type": "integer"}});
        json!({"type": "object", "properties": properties, "required": ["code", "expires_at"]})
    };
    let asked = "Say that the password was lost. The answer is the same whether the name exists or not.";
    let redeemed = "Set a new password with a code that an administrator has handed out.";
    let handed_out = "Make a code, good once and for an hour, with which a new password can be set.";
    let open = |route: Route| route.needs_only(Need::Nothing).answers(200, reference("Done"));
    vec![
        open(Route::new(
            Method::POST,
            "/admins/{username}/forgot-password",
            "admin_forgot_password",
            asked,
            admin_forgot,
        )),
        open(Route::new(
            Method::POST,
            "/admins/{username}/reset-password",
            "admin_reset_password",
            redeemed,
            admin_reset,
        ))
        .body(new_password()),
        Route::new(Method::POST, "/admins/{username}/reset-code", "make_admin_reset_code", handed_out, admin_code)
            .needs(UseCase::ResetAdmin)
            .answers(200, code()),
        open(Route::new(Method::POST, "/users/{username}/forgot-password", "user_forgot_password", asked, user_forgot)),
        open(Route::new(Method::POST, "/users/{username}/reset-password", "user_reset_password", redeemed, user_reset))
            .body(new_password()),
        Route::new(Method::POST, "/users/{username}/reset-code", "make_user_reset_code", handed_out, user_code)
            .needs(UseCase::ResetUser)
            .answers(200, code()),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    code: String,
    password: String,
}

async fn admin_forgot(
    State(api): State<RestApi>,
    Extension(client): Extension<Client>,
    Name(name): Name,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    ask(&api, PasswordOwner::Administrator, &client, name, &headers)
}

async fn admin_reset(
    State(api): State<RestApi>,
    Extension(client): Extension<Client>,
    Name(name): Name,
    headers: HeaderMap,
    Body(wanted): Body<NewPassword>,
) -> Result<Response, Refusal> {
    redeem(&api, PasswordOwner::Administrator, &door_client(&client, &headers), &name, wanted).await
}

async fn admin_code(State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name) -> Result<Response, Refusal> {
    Ok(made(&api.administration.password_resets.hand_out(&actor, PasswordOwner::Administrator, &name).await?))
}

async fn user_forgot(
    State(api): State<RestApi>,
    Extension(client): Extension<Client>,
    Name(name): Name,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    ask(&api, PasswordOwner::User, &client, name, &headers)
}

async fn user_reset(
    State(api): State<RestApi>,
    Extension(client): Extension<Client>,
    Name(name): Name,
    headers: HeaderMap,
    Body(wanted): Body<NewPassword>,
) -> Result<Response, Refusal> {
    redeem(&api, PasswordOwner::User, &door_client(&client, &headers), &name, wanted).await
}

async fn user_code(State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name) -> Result<Response, Refusal> {
    Ok(made(&api.administration.password_resets.hand_out(&actor, PasswordOwner::User, &name).await?))
}

fn ask(
    api: &RestApi,
    owner: PasswordOwner,
    client: &Client,
    username: String,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let header = |name: HeaderName| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let request = WebRequest {
        username,
        address: client.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        referer: header(REFERER),
        user_agent: header(USER_AGENT),
        session_id: String::new(),
    };
    let taken = api.administration.password_resets.request(owner, &door_client(client, headers), request);
    let (taken, administration) = (taken.map_err(refusal)?, api.administration.clone());
    // After the answer: its time would tell whether the name exists.
    tokio::spawn(async move { administration.password_resets.follow_up(taken).await });
    Ok(done(StatusCode::OK, "If the name exists, an administrator can hand out a code for a new password"))
}

async fn redeem(
    api: &RestApi,
    owner: PasswordOwner,
    client: &DoorClient,
    username: &str,
    wanted: NewPassword,
) -> Result<Response, Refusal> {
    let NewPassword { code, password } = wanted;
    if password.is_empty() {
        return Err(Refusal::of_field("password", "the new password is empty"));
    }
    let resets = &api.administration.password_resets;
    let redeemed = resets.redeem(owner, client, username, &code, Secret::new(password)).await;
    redeemed.map_err(refusal)?;
    Ok(done(StatusCode::OK, "Password set"))
}

fn made(code: &IssuedToken) -> Response {
    answer::json(&json!({ "code": code.text.expose(), "expires_at": code.expires_at }))
}

fn refusal(error: ResetError) -> Refusal {
    match error {
        ResetError::Denied => Refusal::new(ErrorCode::Forbidden, error.to_string()),
        ResetError::Overtaken => Refusal::new(ErrorCode::Conflict, error.to_string()),
        ResetError::Hook => Refusal::new(ErrorCode::Unavailable, error.to_string()),
        ResetError::TooMany => Refusal::new(ErrorCode::TooMany, error.to_string()),
        ResetError::Admin(error) => Refusal::for_stranger(error),
    }
}
