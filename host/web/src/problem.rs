//! Requests that were not carried out.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tidegate_core::admin::{AdminError, AdminErrorKind};
use tidegate_core::ports::StoreError;

use crate::page::Page;
use crate::view::{Block, Tone};

/// Why a request was not carried out, in a sentence. The page for it is made where the administrator is known.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    pub text: String,
}

impl Problem {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// The request is wrong.
    pub fn wrong(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub fn no_visitor() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "The page needs an administrator who has logged in.")
    }

    pub fn no_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such page.")
    }

    pub fn page(&self) -> Page {
        let title = match self.status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN => "Not permitted",
            StatusCode::UNAUTHORIZED => "Not logged in",
            _ => "Not done",
        };
        Page::new(title, vec![Block::Note(Tone::Bad, self.text.clone())]).with_status(self.status)
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let status = match error.kind() {
            AdminErrorKind::Forbidden => StatusCode::FORBIDDEN,
            AdminErrorKind::NotFound => StatusCode::NOT_FOUND,
            AdminErrorKind::Exists | AdminErrorKind::Conflict => StatusCode::CONFLICT,
            AdminErrorKind::Invalid | AdminErrorKind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            AdminErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            AdminErrorKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, sentence(&error.to_string()))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        AdminError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The text of an error as a sentence.
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let rest = characters.as_str();
    let end = if rest.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{rest}{end}")
}
