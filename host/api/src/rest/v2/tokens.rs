//! Tokens: a name and a password once, and a token from then on.

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde_json::json;
use tidegate_api_types::ErrorCode;

use super::super::RestApi;
use super::super::credentials;
use super::super::guard::Caller;
use super::super::openapi::reference;
use super::super::route::{Need, Route};
use crate::answer::{self, Refusal, done};

pub fn routes() -> Vec<Route> {
    let token = json!({
        "type": "object",
        "properties": { "access_token": {"type": "string"}, "expires_at": {"type": "string", "format": "date-time"} },
        "required": ["access_token", "expires_at"],
    });
    vec![
        Route::new(
            Method::GET,
            "/token",
            "get_token",
            "Give a token for a name and a password; a one-time code goes in the header X-SFTPGO-OTP.",
            get_token,
        )
        .needs_only(Need::Password)
        .answers(200, token),
        Route::new(Method::GET, "/logout", "logout", "End the token of the request.", logout)
            .answers(200, reference("Done"))
            .changing(),
    ]
}

async fn get_token(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let token = api.authentication.issue_token(&actor).await?;
    let expires_at = jiff::Timestamp::from_millisecond(token.expires_at);
    let expires_at = expires_at.map_err(|error| Refusal::new(ErrorCode::Failed, error.to_string()))?;
    Ok(answer::json(&json!({ "access_token": token.text.expose(), "expires_at": expires_at.to_string() })))
}

async fn logout(State(api): State<RestApi>, headers: HeaderMap) -> Result<Response, Refusal> {
    let token = credentials::token(&headers);
    let token = token.ok_or_else(|| Refusal::new(ErrorCode::Conflict, "the request has no token that could end"))?;
    let revoked = api.authentication.revoke(&token).await;
    revoked.map_err(|error| Refusal::new(ErrorCode::Unavailable, error.to_string()))?;
    Ok(done(StatusCode::OK, "Your token has been invalidated"))
}
