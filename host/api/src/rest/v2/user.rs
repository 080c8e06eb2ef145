//! Users themselves: a token for the code of a login link, and what a token is good for.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_api_types::ErrorCode;
use tidegate_core::account::Audience;
use tidegate_core::admin::IssuedToken;

use super::super::RestApi;
use super::super::credentials::{self, door_client};
use super::super::extract::Body;
use super::super::guard::User;
use super::super::openapi::reference;
use super::super::route::{Need, Route};
use crate::answer::{self, Refusal, done};
use crate::http::Client;

pub fn routes() -> Vec<Route> {
    let code = json!({
        "type": "object",
        "properties": { "code": {"type": "string"} },
        "required": ["code"],
        "additionalProperties": false,
    });
    vec![
        Route::new(
            Method::POST,
            "/user/token",
            "redeem_login_link",
            "Give a token of the user for the code of a login link, which has one use less; where the account has one-time codes, \
             one of them goes in the header X-SFTPGO-OTP.",
            redeem,
        )
        .needs_only(Need::Nothing)
        .body(code)
        .answers(200, token_schema()),
        Route::new(Method::GET, "/user/logout", "user_logout", "End the session of the user's token.", log_out)
            .needs_only(Need::User)
            .answers(200, reference("Done"))
            .changing(),
        Route::new(Method::GET, "/user/profile", "get_user_profile", "Show the user's own account.", profile)
            .needs_only(Need::User)
            .answers(200, reference("User"))
            .versioned(),
    ]
}

pub fn token_schema() -> Value {
    json!({
        "type": "object",
        "properties": { "access_token": {"type": "string"}, "expires_at": {"type": "string", "format": "date-time"} },
        "required": ["access_token", "expires_at"],
    })
}

/// A token, as clients of the older server know it.
pub fn issued(token: &IssuedToken) -> Result<Response, Refusal> {
    let expires_at = jiff::Timestamp::from_millisecond(token.expires_at);
    let expires_at = expires_at.map_err(|error| Refusal::new(ErrorCode::Failed, error.to_string()))?;
    Ok(answer::json(&json!({ "access_token": token.text.expose(), "expires_at": expires_at.to_string() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: String,
}

async fn redeem(
    State(api): State<RestApi>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Body(wanted): Body<Code>,
) -> Result<Response, Refusal> {
    let (client, one_time_code) = (door_client(&client, &headers), credentials::one_time_code(&headers)?);
    let redeemed = api.administration.login_links.redeem(&wanted.code, one_time_code.as_deref(), &client).await;
    issued(&redeemed.map_err(credentials::refusal)?)
}

async fn log_out(State(api): State<RestApi>, headers: HeaderMap) -> Result<Response, Refusal> {
    let token = credentials::token(&headers).unwrap_or_default();
    let ended = api.administration.user_sessions.log_out(&token).await;
    ended.map_err(|error| Refusal::new(ErrorCode::Unavailable, error.to_string()))?;
    Ok(done(StatusCode::OK, "Your token has been invalidated"))
}

async fn profile(User(user): User) -> Result<Response, Refusal> {
    Ok(answer::json(&user.account()?.to_document(Audience::Redacted)))
}
