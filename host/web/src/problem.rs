//! Requests that were not carried out.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tidegate_core::admin::{AdminError, AdminErrorKind};
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::StoreError;

use crate::page::Page;
use crate::text::moment;
use crate::view::{Block, Tone};

/// What goes on without the database, and what does not.
pub const WITHOUT_DATABASE: &str = "Open sessions and their transfers go on. Until the database is back, the server \
                                    refuses all log-ins, over SFTP and here, and can neither show nor change what is \
                                    stored. It tries to reach the database again by itself.";
/// What those who are no administrators are told of a server that fails.
const FAILED: &str = "The server cannot do this now. Its log says why.";
/// Says to a part of an open page why it cannot be refreshed.
pub const STALE: (HeaderName, HeaderValue) =
    (HeaderName::from_static("stale-because"), HeaderValue::from_static("database"));

/// Why a request was not carried out, in a sentence. The page for it is made where the administrator is known.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    pub text: String,
    /// Whether it is that the database does not answer; `text` is then what is known of it, which may be nothing.
    pub is_database_away: bool,
    /// Whether `text` is about the server itself, and may name the places of what has failed.
    is_of_server: bool,
}

impl Problem {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), is_database_away: false, is_of_server: false }
    }

    /// The database does not answer. `reason`: for administrators that may know where it is.
    pub fn database_away(reason: impl Into<String>) -> Self {
        Self { is_database_away: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, reason) }
    }

    /// The error as a stranger is shown it.
    pub fn for_stranger(error: AdminError) -> Self {
        Self::from(error).for_others()
    }

    /// The problem as it is shown to those who are no administrators: without the places of what has failed, and why.
    pub fn for_others(self) -> Self {
        if self.is_database_away {
            return Self { text: String::new(), ..self };
        }
        if !self.is_of_server {
            return self;
        }
        let message = format!("a page could not be made: {}", self.text);
        tracing::error!(sender = "web", message);
        Self { text: FAILED.to_owned(), ..self }
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

    /// `metrics`: know since when the database is away.
    pub fn page(&self, metrics: &Metrics) -> Page {
        if self.is_database_away {
            let texts = [self.text.as_str(), WITHOUT_DATABASE].into_iter().filter(|text| !text.is_empty());
            let mut blocks = vec![Block::Note(Tone::Bad, no_answer(metrics))];
            blocks.extend(texts.map(|text| Block::Text(text.to_owned())));
            return Page::new("The database does not answer", blocks).with_status(self.status);
        }
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
        if let AdminError::Store(StoreError::Unavailable(reason)) = &error {
            return Self::database_away(sentence(reason));
        }
        let status = match error.kind() {
            AdminErrorKind::Forbidden => StatusCode::FORBIDDEN,
            AdminErrorKind::NotFound => StatusCode::NOT_FOUND,
            AdminErrorKind::Exists | AdminErrorKind::Conflict => StatusCode::CONFLICT,
            AdminErrorKind::Invalid | AdminErrorKind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            AdminErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            AdminErrorKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { is_of_server: error.is_of_server(), ..Self::new(status, sentence(&error.to_string())) }
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

/// That the database does not answer, and since when. A moment passes until the server has noticed it.
pub fn no_answer(metrics: &Metrics) -> String {
    match metrics.store_away_since() {
        Some(since) => format!("The database has not answered since {} (UTC).", moment(since).text),
        None => "The database does not answer.".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_not_told_where_the_database_is_and_what_is_wrong_with_it() {
        type Made = fn(String) -> StoreError;
        const PLACE: &str = "the database at db.internal failed";
        let check = |error: AdminError, status: u16, text: &str| {
            let shown = Problem::from(error.clone());
            assert_eq!(shown.status.as_u16(), status, "{error:?}");
            let others = Problem::for_stranger(error);
            assert_eq!((others.status.as_u16(), others.text.as_str()), (status, text), "{shown:?}");
        };
        let of_store: [(Made, u16, &str); 6] = [
            (StoreError::Unavailable, 503, ""),
            (StoreError::Busy, 503, FAILED),
            (StoreError::ReadOnly, 503, FAILED),
            (StoreError::Full, 503, FAILED),
            (StoreError::Failed, 500, FAILED),
            (StoreError::Refused, 422, "The database at db.internal failed."),
        ];
        for (error, status, text) in of_store {
            check(error(PLACE.to_owned()).into(), status, text);
        }
        check(AdminError::Inventory("/etc/plugins cannot be read".to_owned()), 500, FAILED);
        check(AdminError::NoSession, 404, "There is no such connection.");
        check(
            AdminError::NotForActor("the current password is another".to_owned()),
            403,
            "The current password is another.",
        );
    }
}
