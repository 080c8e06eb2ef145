//! Versions of objects: `ETag` in answers, `If-Match` in requests for changes, and `If-None-Match` in those that read (RFC
//! 9110 sections 8.8.3, 13.1.1 and 13.1.2). The tag of an object that is shown says its revision, where the store counts
//! one, and its content, parts of which (usages, references, last log-ins) have no revision.

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tidegate_api_types::{ErrorAnswer, ErrorCode};
use tidegate_core::admin::{AdminError, AdminErrorKind};
use tidegate_core::ports::Version;

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
fn is_of(text: &str, version: Version) -> bool {
    let tag = tag(version);
    let shown = tag.strip_suffix('"').and_then(|revision| text.strip_prefix(revision));
    text == tag || shown.is_some_and(|rest| rest.starts_with('-') && rest.ends_with('"'))
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The tag of an object without a revision.
fn content_tag(content: &[u8]) -> String {
    format!("\"{}\"", digest(content))
}

/// Completes the answer to a request for one object: its tag says the content, and a client that has this content gets
/// no other. `is_live`: the object changes by itself all the time, and no change can be based on what it was; its tag is
/// weak.
pub async fn shown(State(is_live): State<bool>, request: Request, next: Next) -> Response {
    let known: Vec<HeaderValue> = request.headers().get_all(IF_NONE_MATCH).iter().cloned().collect();
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
        None if is_live => format!("W/{}", content_tag(&content)),
        None => content_tag(&content),
    };
    let Ok(value) = HeaderValue::from_str(&tag) else { return Response::from_parts(parts, Body::from(content)) };
    if is_known(&known, &tag) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, value)]).into_response();
    }
    parts.headers.insert(ETAG, value);
    Response::from_parts(parts, Body::from(content))
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

/// The versions on which a request may be based.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// Any: the request has no such header.
    Nothing,
    /// Any of an object that is there: `*`.
    Any,
    /// One of these tags.
    One(Vec<String>),
}

impl IfMatch {
    /// The versions that the headers name.
    ///
    /// # Errors
    /// A header cannot be read, or names neither a version nor all of them.
    pub fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let malformed = |text: &str| Refusal::new(ErrorCode::Malformed, text);
        if !headers.contains_key(IF_MATCH) {
            return Ok(Self::Nothing);
        }
        let mut tags = Vec::new();
        for line in headers.get_all(IF_MATCH) {
            let line = line.to_str().map_err(|_| malformed("the header If-Match cannot be read"))?;
            tags.extend(line.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
        }
        match tags.as_slice() {
            // What is empty may be a variable that was not set: the change would be based on nothing.
            [] => Err(malformed("the header If-Match names no version; give it an ETag, or leave it out")),
            [all] if all == "*" => Ok(Self::Any),
            tags if tags.iter().any(|tag| tag == "*") => {
                Err(malformed("the header If-Match has * beside other versions; give it one or the other"))
            }
            _ => Ok(Self::One(tags)),
        }
    }

    /// The version that the stored object has to have; None: any. `now`: the object as it is stored, and `given`: the
    /// document of the request.
    ///
    /// # Errors
    /// The stored object has another version; the fields in which it differs from the request are named.
    pub fn expected(
        &self,
        now: &Map<String, Value>,
        revision: i64,
        given: Option<&Map<String, Value>>,
    ) -> Result<Option<Version>, Refusal> {
        let version = version_of(now, revision);
        match self {
            Self::Nothing | Self::Any => Ok(None),
            Self::One(tags) if tags.iter().any(|tag| is_of(tag, version)) => Ok(Some(version)),
            Self::One(_) => Err(changed(given.map(|given| differing(now, given)).unwrap_or_default())),
        }
    }

    /// Checks an object without a revision, whose version is its content. `now`: reads what is shown of it, where the
    /// request names a version.
    ///
    /// # Errors
    /// The object has another content, or cannot be read.
    pub async fn require<T: Serialize>(&self, now: impl Future<Output = Result<T, Refusal>>) -> Result<(), Refusal> {
        let Self::One(tags) = self else { return Ok(()) };
        // What is shown of an object can always be written.
        let content = serde_json::to_vec(&now.await?).unwrap_or_default();
        if tags.contains(&content_tag(&content)) { Ok(()) } else { Err(changed(Vec::new())) }
    }

    /// As [`require`](Self::require), for a request that makes the object where there is none, which then has none of the
    /// versions (RFC 9110 section 13.1.1).
    ///
    /// # Errors
    /// There is no object, it has another content, or it cannot be read.
    pub async fn require_stored<T: Serialize>(
        &self,
        now: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<(), Refusal> {
        let outcome = match self {
            Self::Nothing => return Ok(()),
            Self::Any => now.await.map(drop),
            Self::One(_) => self.require(now).await,
        };
        outcome.map_err(|refusal| if refusal.0.code == ErrorCode::NotFound { not_stored() } else { refusal })
    }

    /// The refusal for an error of an operation without a document that was based on a version.
    pub fn refusal(&self, error: AdminError) -> Refusal {
        if self.is_overtaken(&error) { changed(Vec::new()) } else { error.into() }
    }

    /// The refusal for an error of a change to the document `given` that was based on a version. `now`: reads the object
    /// again, to name the fields in which it differs by now.
    pub async fn refusal_of_change(
        &self,
        error: AdminError,
        now: impl Future<Output = Result<Map<String, Value>, AdminError>>,
        given: &Map<String, Value>,
    ) -> Refusal {
        if !self.is_overtaken(&error) {
            return error.into();
        }
        changed(now.await.map(|now| differing(&now, given)).unwrap_or_default())
    }

    /// Whether another change came between the look and the change.
    fn is_overtaken(&self, error: &AdminError) -> bool {
        let is_conflict = error.kind() == AdminErrorKind::Conflict && matches!(error, AdminError::Store(_));
        is_conflict && matches!(self, Self::One(_))
    }
}

fn not_stored() -> Refusal {
    let text = "there is no object that could have a version in If-Match; leave the header out to add it";
    Refusal::new(ErrorCode::Changed, text)
}

fn changed(differs: Vec<String>) -> Refusal {
    let mut error = "the object was changed since the version in If-Match; read it again".to_owned();
    if !differs.is_empty() {
        error = format!("{error} (the stored one differs in: {})", differs.join(", "));
    }
    Refusal(Box::new(ErrorAnswer { differs, ..ErrorAnswer::new(ErrorCode::Changed, error) }))
}

/// What refers to an object, which is shown with it and not stored in it.
const REFERENCES: [&str; 3] = ["users", "groups", "admins"];

/// The fields of the request in which the stored object differs.
fn differing(now: &Map<String, Value>, given: &Map<String, Value>) -> Vec<String> {
    let differs = |name: &str, value: &Value| match now.get(name) {
        // Passwords are not shown, so that they cannot be compared.
        _ if name == "password" => false,
        Some(stored) => stored != value,
        None => !REFERENCES.contains(&name),
    };
    given.iter().filter(|(name, value)| differs(name, value)).map(|(name, _)| name.clone()).collect()
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Self::of(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_core::ports::{StoreError, USERS};

    use super::*;

    #[test]
    fn requests_are_based_on_a_version() {
        // A18-17
        let now = json!({"id": 3, "uid": 1, "email": "a"}).as_object().cloned().unwrap();
        // As it was read, with what refers to the object.
        let given = json!({"uid": 2, "email": "a", "users": ["u"], "groups": [], "admins": []});
        let given = given.as_object().cloned().unwrap();
        let check = |line: Option<&str>, expected: Result<Option<i64>, &[&str]>| {
            let mut headers = HeaderMap::new();
            line.map(|line| headers.insert(IF_MATCH, HeaderValue::from_str(line).unwrap()));
            let found = IfMatch::of(&headers).unwrap().expected(&now, 7, Some(&given));
            let found = found.map(|version| version.map(|version| version.revision));
            let found = found.map_err(|refusal| (refusal.0.status, refusal.0.differs));
            let expected = expected.map_err(|differs| (412, differs.iter().map(ToString::to_string).collect()));
            assert_eq!(found, expected, "{line:?}");
        };
        check(None, Ok(None));
        check(Some("*"), Ok(None));
        check(Some("\"3-7\""), Ok(Some(7)));
        check(Some("\"3-6\", \"3-7\""), Ok(Some(7)));
        check(Some("\"3-6\""), Err(&["uid"]));
        check(Some("\"4-7\""), Err(&["uid"]));
        // As an answer that shows it has it.
        check(Some("\"3-7-0a1b\""), Ok(Some(7)));
        check(Some("\"3-71\""), Err(&["uid"]));
        check(Some("\"3-71-0a1b\""), Err(&["uid"]));
        check(Some("\"3-7-0a1b"), Err(&["uid"]));
        // A weak tag never matches (RFC 9110 section 13.1.1).
        check(Some("W/\"3-7\""), Err(&["uid"]));
        check(Some("nope"), Err(&["uid"]));
    }

    #[tokio::test]
    async fn content_is_the_version_of_what_has_no_revision() {
        let now = json!({"ip": "192.0.2.1", "score": 2});
        let tag = content_tag(now.to_string().as_bytes());
        // `gone`, `to_make`: where there is no object, for a request that needs one, and for one that makes it.
        for (based, expected, gone, to_make) in [
            (IfMatch::Nothing, Ok(()), Ok(()), Ok(())),
            (IfMatch::Any, Ok(()), Ok(()), Err(412)),
            (IfMatch::One(vec!["\"x\"".to_owned(), tag.clone()]), Ok(()), Err(404), Err(412)),
            (IfMatch::One(vec!["\"x\"".to_owned()]), Err(412), Err(404), Err(412)),
            (IfMatch::One(vec![format!("W/{tag}")]), Err(412), Err(404), Err(412)),
        ] {
            let status = |refusal: Refusal| refusal.0.status;
            let missing = async || Err::<Value, _>(Refusal::new(ErrorCode::NotFound, "gone"));
            assert_eq!(based.require(async { Ok(now.clone()) }).await.map_err(status), expected, "{based:?}");
            assert_eq!(based.require_stored(async { Ok(now.clone()) }).await.map_err(status), expected, "{based:?}");
            assert_eq!(based.require(missing()).await.map_err(status), gone, "{based:?}");
            assert_eq!(based.require_stored(missing()).await.map_err(status), to_make, "{based:?}");
        }
    }

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

    #[tokio::test]
    async fn a_change_that_was_overtaken_says_what_differs() {
        // A18-17
        let now = json!({"id": 3, "uid": 1, "email": "a"}).as_object().cloned().unwrap();
        let given = json!({"uid": 2, "email": "a"}).as_object().cloned().unwrap();
        let (conflict, missing) = (StoreError::Conflict(USERS.object("a")), StoreError::NotFound(USERS.object("a")));
        let (one, any) = (IfMatch::One(vec!["\"3-7\"".to_owned()]), IfMatch::Any);
        for (based, error, stored, status, differs) in [
            (&one, &conflict, Ok(now.clone()), 412, "uid"),
            (&one, &conflict, Err(missing.clone()), 412, ""),
            (&one, &missing, Ok(now.clone()), 404, ""),
            (&any, &conflict, Ok(now.clone()), 409, ""),
        ] {
            let stored = stored.map_err(AdminError::from);
            let refused = based.refusal_of_change(error.clone().into(), async { stored }, &given).await;
            assert_eq!((refused.0.status, refused.0.differs.join(",").as_str()), (status, differs), "{error:?}");
        }
    }

    #[test]
    fn headers_that_name_no_version_are_refused() {
        // A18-17
        for lines in [&[""][..], &[" "], &[","], &["", ""], &["*, \"3-7\""], &["\"3-7\"", "*"]] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_MATCH, HeaderValue::from_str(line).unwrap());
            }
            let refused = IfMatch::of(&headers).map_err(|refusal| refusal.0.status);
            assert_eq!(refused, Err(400), "{lines:?}");
        }
    }
}
