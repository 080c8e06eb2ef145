//! Versions of objects: `ETag` in answers, and `If-None-Match` in requests that read (RFC 9110 sections 8.8.3 and 13.1.2).
//! The tag of an object that is shown says its revision, where the store counts one, and its content, parts of which
//! (usages, references, last log-ins) have no revision. What requests for changes have of it is in `conditions`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tidegate_api_types::ErrorCode;
use tidegate_core::ports::Version;

use super::shown_again::ShownAgain;
use crate::answer::Refusal;

/// The version of a document that an administrator is shown.
pub fn version_of(document: &Map<String, Value>, revision: i64) -> Version {
    Version { id: document.get("id").and_then(Value::as_i64).unwrap_or_default(), revision }
}

/// An object that is added again under its name has another id, so that its versions never repeat.
fn tag(version: Version) -> String {
    format!("\"{}-{}\"", version.id, version.revision)
}

/// Whether a tag is of this version: as the answer to a change has it, or with the content after it.
pub fn is_of(text: &str, version: Version) -> bool {
    let tag = tag(version);
    let shown = tag.strip_suffix('"').and_then(|revision| text.strip_prefix(revision));
    text == tag || shown.is_some_and(|rest| rest.starts_with('-') && rest.ends_with('"'))
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The tag of an object without a revision.
pub fn content_tag(content: &[u8]) -> String {
    format!("\"{}\"", digest(content))
}

/// What is known of a route that shows one object.
#[derive(Clone)]
pub struct Shows {
    /// The object changes by itself all the time, and no change can be based on what it was; its tag is weak.
    pub is_live: bool,
    /// What is shown again; None: it depends on more than what is stored.
    pub again: Option<Arc<ShownAgain>>,
}

/// Completes the answer to a request for one object: its tag says the content, and a client that has this content gets
/// no other.
pub async fn shown(State(shows): State<Shows>, request: Request, next: Next) -> Response {
    let known: Vec<HeaderValue> = request.headers().get_all(IF_NONE_MATCH).iter().cloned().collect();
    let asked = shows.again.as_ref().and_then(|again| Some((again, again.question(&request)?)));
    if let Some(shown) = asked.as_ref().and_then(|(again, question)| again.known(question)) {
        return if shown.tag.to_str().is_ok_and(|tag| is_known(&known, tag)) {
            not_modified(shown.tag)
        } else {
            shown.answer()
        };
    }
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // An object was written as a whole.
    let Ok(content) = body.collect().await.map(|collected| collected.to_bytes()) else {
        return Refusal::new(ErrorCode::Failed, "the object could not be written").into_response();
    };
    let revision = parts.headers.get(ETAG).and_then(|tag| tag.to_str().ok()?.strip_suffix('"'));
    let tag = match revision {
        Some(revision) => format!("{revision}-{}\"", digest(&content)),
        None if shows.is_live => format!("W/{}", content_tag(&content)),
        None => content_tag(&content),
    };
    let Ok(value) = HeaderValue::from_str(&tag) else { return Response::from_parts(parts, Body::from(content)) };
    if let Some((again, question)) = asked {
        again.keep(&question, &parts.headers, &value, &content);
    }
    if is_known(&known, &tag) {
        return not_modified(value);
    }
    parts.headers.insert(ETAG, value);
    Response::from_parts(parts, Body::from(content))
}

fn not_modified(tag: HeaderValue) -> Response {
    (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response()
}

/// Whether the lines of `If-None-Match` name the tag. Weak tags are as good as others there, and what cannot be read names
/// none: the client gets the object.
fn is_known(lines: &[HeaderValue], tag: &str) -> bool {
    let strong = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let lines = lines.iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).any(|known| known == "*" || strong(known) == strong(tag))
}

/// The answer with its `ETag`.
pub fn tagged(mut response: Response, version: Version) -> Response {
    if let Ok(value) = HeaderValue::from_str(&tag(version)) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_has_is_recognised() {
        let check = |lines: &[&str], expected: bool| {
            let values: Vec<_> = lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect();
            assert_eq!(is_known(&values, "\"3-7-0a\""), expected, "{lines:?}");
            assert_eq!(is_known(&values, "W/\"3-7-0a\""), expected, "{lines:?}");
        };
        for lines in [&["\"3-7-0a\""][..], &["W/\"3-7-0a\""], &["*"], &["\"x\", \"3-7-0a\""], &["\"x\"", "\"3-7-0a\""]]
        {
            check(lines, true);
        }
        for lines in [&[] as &[&str], &[""], &["\"3-7\""], &["3-7-0a"], &["\"x\""]] {
            check(lines, false);
        }
    }
}
