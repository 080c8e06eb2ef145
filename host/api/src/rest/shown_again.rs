//! Documents that were shown, and are shown again for as long as nothing in the store has changed: they are not found,
//! checked and written each time that a program asks for the same one.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use tidegate_core::admin::Administration;
use tidegate_core::ports::Stamp;
use tidegate_core::remembered::Remembered;

use super::guard::Caller;

/// Documents of one route that are kept.
const KEPT: usize = 256;
/// Bytes of them all.
const KEPT_BYTES: usize = 1 << 20;
/// Bytes of a path whose document is kept.
const LONGEST: usize = 512;
/// What a document takes beside its text, about.
const DOCUMENT: usize = 256;

/// The documents that a route has shown. What it shows depends on nothing but the path, what is stored of accounts, and
/// the role of the administrator.
pub struct ShownAgain {
    administration: Arc<Administration>,
    shown: Remembered<Shown>,
}

/// A document as it was sent.
#[derive(Debug, Clone)]
pub struct Shown {
    pub tag: HeaderValue,
    kind: HeaderValue,
    content: Bytes,
}

/// What is asked for, and the stamp that the store had before it was looked for.
pub struct Question {
    path: String,
    stamp: Stamp,
}

impl ShownAgain {
    pub fn new(administration: Arc<Administration>) -> Self {
        Self { administration, shown: Remembered::new(KEPT, KEPT_BYTES) }
    }

    /// What a request asks for that the guard has let through; None: its answer is made for it alone, as who has a role
    /// sees accounts of that role only, or the store has no stamp.
    pub fn question(&self, request: &Request) -> Option<Question> {
        let caller = request.extensions().get::<Caller>()?;
        let (uri, is_read) = (request.uri(), *request.method() == Method::GET);
        let is_for_all = is_read && caller.0.role.is_none() && uri.query().is_none() && uri.path().len() <= LONGEST;
        if !is_for_all {
            return None;
        }
        let stamp = self.administration.users.accounts.stamp()?;
        Some(Question { path: uri.path().to_owned(), stamp })
    }

    pub fn known(&self, question: &Question) -> Option<Shown> {
        self.shown.get(Some(question.stamp), &question.path)
    }

    /// Keeps the document that was sent.
    pub fn keep(&self, question: &Question, headers: &HeaderMap, tag: &HeaderValue, content: &Bytes) {
        let Some(kind) = headers.get(CONTENT_TYPE).cloned() else { return };
        let bytes = DOCUMENT + content.len();
        let shown = Shown { tag: tag.clone(), kind, content: content.clone() };
        self.shown.keep(Some(question.stamp), &question.path, shown, bytes);
    }
}

impl Shown {
    pub fn answer(self) -> Response {
        ([(CONTENT_TYPE, self.kind), (ETAG, self.tag)], Body::from(self.content)).into_response()
    }
}
