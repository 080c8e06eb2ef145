//! Answers in the shape that clients of the older server know (A18-12), with a code, the field and the number of the
//! request beside it.

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tidegate_api_types::{ErrorAnswer, ErrorCode};
use tidegate_core::admin::AdminError;
use tidegate_core::ports::StoreError;

use crate::control::error_answer;

/// What a stranger is told while the store is away.
const DATABASE_AWAY: &str = "the database does not answer; the log says more";
/// What a stranger is told of a server that fails.
const SERVER_FAILED: &str = "the server cannot do this now; its log says why";

/// A request that was not carried out. Its answer is completed with the number of the request.
#[derive(Debug, Clone)]
pub struct Refusal(pub Box<ErrorAnswer>);

impl Refusal {
    pub fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self(Box::new(ErrorAnswer::new(code, error)))
    }

    /// The refusal of a value; `field`: the parameter, or the path in the document.
    pub fn of_field(field: &str, error: impl Into<String>) -> Self {
        Self(Box::new(ErrorAnswer { field: Some(field.to_owned()), ..ErrorAnswer::new(ErrorCode::Invalid, error) }))
    }

    /// The refusal of a client that has shown no credentials: without the places of what has failed, and why.
    pub fn for_stranger(error: AdminError) -> Self {
        if let AdminError::Store(StoreError::Unavailable(_)) = &error {
            return Self::new(ErrorCode::Unavailable, DATABASE_AWAY);
        }
        let is_of_server = error.is_of_server();
        let Self(answer) = Self::from(error);
        if !is_of_server {
            return Self(answer);
        }
        let message = format!("a request could not be carried out: {}", answer.error);
        tracing::error!(sender = "httpd", message);
        Self::new(answer.code, SERVER_FAILED)
    }
}

impl From<AdminError> for Refusal {
    fn from(error: AdminError) -> Self {
        Self(Box::new(error_answer(&error)))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of a refusal, with the number of the request.
pub fn completed(mut response: Response, request_id: &str) -> Response {
    let Some(Refusal(error)) = response.extensions_mut().remove::<Refusal>() else { return response };
    let error = ErrorAnswer { request_id: Some(request_id.to_owned()), ..*error };
    let (mut parts, _) = response.into_parts();
    // Texts and numbers only: they can always be written.
    let body = serde_json::to_vec(&error).unwrap_or_default();
    parts.headers.insert(CONTENT_TYPE, axum::http::HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(body))
}

/// Done, with a sentence, as the older server says it.
pub fn done(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": "", "message": message, "status": status.as_u16() }))).into_response()
}

pub fn json(value: &impl Serialize) -> Response {
    Json(value).into_response()
}

/// The refusal of a client whose address is banned.
pub fn banned() -> Refusal {
    Refusal::new(ErrorCode::Refused, "requests from this address are refused for a while")
}

pub async fn not_found() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no such page")
}

pub async fn wrong_method() -> Refusal {
    Refusal::new(ErrorCode::WrongMethod, "the method is not allowed here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_not_told_where_the_database_is_and_what_is_wrong_with_it() {
        for (error, code, text) in [
            (StoreError::Unavailable("db.internal is away".to_owned()), ErrorCode::Unavailable, DATABASE_AWAY),
            (StoreError::Busy("db.internal is busy".to_owned()), ErrorCode::Unavailable, SERVER_FAILED),
            (StoreError::ReadOnly("db.internal is a copy".to_owned()), ErrorCode::Unavailable, SERVER_FAILED),
            (StoreError::Full("db.internal is full".to_owned()), ErrorCode::Unavailable, SERVER_FAILED),
            (StoreError::Failed("db.internal failed".to_owned()), ErrorCode::Failed, SERVER_FAILED),
            (StoreError::Refused("refused".to_owned()), ErrorCode::Refused, "refused"),
        ] {
            let Refusal(answer) = Refusal::for_stranger(error.into());
            assert_eq!((answer.code, answer.error.as_str()), (code, text));
        }
    }
}
