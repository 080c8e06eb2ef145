//! Answers in the shape that clients of the older server know (A18-12).

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

pub fn error(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error, "message": "", "status": status.as_u16() }))).into_response()
}

pub async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "there is no such page")
}

pub async fn wrong_method() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "the method is not allowed here")
}
