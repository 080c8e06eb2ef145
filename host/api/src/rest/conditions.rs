//! The conditions of requests for changes: `If-Match` and `If-None-Match`, in the order of RFC 9110 section 13.2.2. What
//! a reading request has of them is in `versions`.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::Serialize;
use serde_json::{Map, Value};
use tidegate_api_types::{ErrorAnswer, ErrorCode};
use tidegate_core::admin::{AdminError, AdminErrorKind};
use tidegate_core::ports::Version;

use super::versions::{content_tag, is_of, version_of};
use crate::answer::Refusal;

/// The versions that one header names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// The request has no such header.
    Nothing,
    /// Any of an object that is there: `*`.
    Any,
    /// These tags.
    Tags(Vec<String>),
}

impl Named {
    fn of(headers: &HeaderMap, header: &'static str) -> Result<Self, Refusal> {
        let malformed = |text: &str| Refusal::new(ErrorCode::Malformed, format!("the header {header} {text}"));
        if !headers.contains_key(header) {
            return Ok(Self::Nothing);
        }
        let mut tags = Vec::new();
        for line in headers.get_all(header) {
            let line = line.to_str().map_err(|_| malformed("cannot be read"))?;
            // A tag may have a comma between its quotes.
            let mut is_quoted = false;
            let parts = line.split(|character: char| {
                is_quoted ^= character == '"';
                character == ',' && !is_quoted
            });
            tags.extend(parts.map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
        }
        match tags.as_slice() {
            // What is empty may be a variable that was not set: the change would be based on nothing.
            [] => Err(malformed("names no version; give it an ETag, or leave it out")),
            [all] if all == "*" => Ok(Self::Any),
            tags if tags.iter().any(|tag| tag == "*") => {
                Err(malformed("has * beside other versions; give it one or the other"))
            }
            _ => Ok(Self::Tags(tags)),
        }
    }
}

/// The version that a request for a change wants of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`: the versions on which the change may be based.
    matching: Named,
    /// `If-None-Match`: the versions that the object must not have. Weak tags are as good as others there.
    none_of: Named,
}

impl Conditions {
    /// What the headers say.
    ///
    /// # Errors
    /// A header cannot be read, or names neither a version nor all of them.
    pub fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let (matching, none_of) = (Named::of(headers, "If-Match")?, Named::of(headers, "If-None-Match")?);
        // No object has what is no tag: in If-Match, nothing is changed then, and here everything would be.
        if let Named::Tags(tags) = &none_of
            && tags.iter().any(|tag| !is_tag(tag))
        {
            let text = "the header If-None-Match names what is no ETag; write each in its quotes";
            return Err(Refusal::new(ErrorCode::Malformed, text));
        }
        Ok(Self { matching, none_of })
    }

    /// What the headers of a request say that only reads: `If-None-Match` asks for no answer there, and refuses none.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_reading(headers: &HeaderMap) -> Result<Self, Refusal> {
        Ok(Self { matching: Named::of(headers, "If-Match")?, none_of: Named::Nothing })
    }

    /// Checks an operation that is about no object with a version: none could be named. `is_shown`: whether its path is
    /// read as well, such as that of a list.
    ///
    /// # Errors
    /// It would need a version, or that nothing is there.
    pub fn require_no_object(&self, is_shown: bool) -> Result<(), Refusal> {
        if matches!(self.matching, Named::Tags(_)) {
            let text =
                "this operation is not based on a version of an object; leave the header If-Match out, or send *";
            return Err(Refusal::new(ErrorCode::Changed, text));
        }
        if is_shown && self.none_of == Named::Any {
            let text = "there is always something under this path; leave the header If-None-Match out (what is added here \
                        replaces nothing)";
            return Err(Refusal::new(ErrorCode::Changed, text));
        }
        Ok(())
    }

    /// Whether it depends on the stored object whether the change is made.
    fn need_object(&self) -> bool {
        matches!(self.matching, Named::Tags(_)) || self.none_of != Named::Nothing
    }

    /// The version that the stored object has to have; None: any. `now`: reads the object with its revision, where the
    /// request depends on it, and `given`: the document of the request.
    ///
    /// # Errors
    /// The stored object has a version that it must not have, and the fields in which it differs from the request are
    /// named; or it cannot be read.
    pub async fn expected(
        &self,
        now: impl Future<Output = Result<(Map<String, Value>, i64), AdminError>>,
        given: Option<&Map<String, Value>>,
    ) -> Result<Option<Version>, Refusal> {
        if !self.need_object() {
            return Ok(None);
        }
        let (now, revision) = now.await?;
        let version = version_of(&now, revision);
        let expected = match &self.matching {
            Named::Nothing | Named::Any => None,
            Named::Tags(tags) if tags.iter().any(|tag| is_of(tag, version)) => Some(version),
            Named::Tags(_) => return Err(changed(given.map(|given| differing(&now, given)).unwrap_or_default())),
        };
        self.require_none_of(|tag| is_of(tag, version))?;
        Ok(expected)
    }

    /// Checks an object without a revision, whose version is its content. `now`: reads what is shown of it, where the
    /// request depends on it.
    ///
    /// # Errors
    /// The object has a content that it must not have, or cannot be read.
    pub async fn require<T: Serialize>(&self, now: impl Future<Output = Result<T, Refusal>>) -> Result<(), Refusal> {
        if self.need_object() { self.require_content(&now.await?) } else { Ok(()) }
    }

    /// As [`require`](Self::require), for a request that makes the object where there is none, which then has none of the
    /// versions.
    ///
    /// # Errors
    /// There is an object, or none, against the conditions; it has another content, or it cannot be read.
    pub async fn require_stored<T: Serialize>(
        &self,
        now: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<(), Refusal> {
        if self.matching == Named::Nothing && self.none_of == Named::Nothing {
            return Ok(());
        }
        match now.await {
            Ok(now) => self.require_content(&now),
            Err(refusal) if refusal.0.code != ErrorCode::NotFound => Err(refusal),
            Err(_) if self.matching == Named::Nothing => Ok(()),
            Err(_) => Err(not_stored()),
        }
    }

    fn require_content(&self, now: &impl Serialize) -> Result<(), Refusal> {
        // What is shown of an object can always be written.
        let now = content_tag(&serde_json::to_vec(now).unwrap_or_default());
        match &self.matching {
            Named::Tags(tags) if !tags.contains(&now) => Err(changed(Vec::new())),
            Named::Nothing | Named::Any | Named::Tags(_) => self.require_none_of(|tag| tag == now),
        }
    }

    /// Checks an object that is there against `If-None-Match`.
    fn require_none_of(&self, is_its: impl Fn(&str) -> bool) -> Result<(), Refusal> {
        let text = match &self.none_of {
            Named::Any => "the object is there already, and If-None-Match is *; leave the header out to change it",
            Named::Tags(tags) if tags.iter().any(|tag| is_its(tag.strip_prefix("W/").unwrap_or(tag))) => {
                "the object has a version that If-None-Match names; leave the header out to change it"
            }
            Named::Nothing | Named::Tags(_) => return Ok(()),
        };
        Err(Refusal::new(ErrorCode::Changed, text))
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
        is_conflict && matches!(self.matching, Named::Tags(_))
    }
}

/// Whether a text is a tag, weak or not (RFC 9110 section 8.8.3).
fn is_tag(text: &str) -> bool {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.is_some_and(|inside| inside.bytes().all(|byte| byte != b'"' && byte.is_ascii_graphic()))
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

impl<S: Sync> FromRequestParts<S> for Conditions {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Self::of(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
    use axum::http::{HeaderName, HeaderValue};
    use serde_json::json;
    use tidegate_core::ports::{StoreError, USERS};

    use super::*;

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name.clone(), HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    fn conditions(matching: Option<&str>, none_of: Option<&str>) -> Conditions {
        let lines = [(IF_MATCH, matching), (IF_NONE_MATCH, none_of)];
        let lines: Vec<_> = lines.into_iter().filter_map(|(name, line)| Some((name, line?))).collect();
        Conditions::of(&headers(&lines)).unwrap()
    }

    #[tokio::test]
    async fn requests_are_based_on_a_version() {
        // A18-17
        let now = json!({"id": 3, "uid": 1, "email": "a"}).as_object().cloned().unwrap();
        // As it was read, with what refers to the object.
        let given = json!({"uid": 2, "email": "a", "users": ["u"], "groups": [], "admins": []});
        let given = given.as_object().cloned().unwrap();
        let check = async |matching: Option<&str>, none_of: Option<&str>, expected: Result<Option<i64>, &[&str]>| {
            let based = conditions(matching, none_of);
            let found = based.expected(async { Ok((now.clone(), 7)) }, Some(&given)).await;
            let found = found.map(|version| version.map(|version| version.revision));
            let found = found.map_err(|refusal| (refusal.0.status, refusal.0.differs));
            let expected = expected.map_err(|differs| (412, differs.iter().map(ToString::to_string).collect()));
            assert_eq!(found, expected, "{matching:?} {none_of:?}");
        };
        let other: Result<Option<i64>, &[&str]> = Err(&["uid"]);
        for (matching, expected) in [
            (None, Ok(None)),
            (Some("*"), Ok(None)),
            (Some("\"3-7\""), Ok(Some(7))),
            (Some("\"3-6\", \"3-7\""), Ok(Some(7))),
            (Some("\"3-6\""), other),
            (Some("\"4-7\""), other),
            // As an answer that shows it has it.
            (Some("\"3-7-0a1b\""), Ok(Some(7))),
            (Some("\"3-71\""), other),
            (Some("\"3-71-0a1b\""), other),
            (Some("\"3-7-0a1b"), other),
            // A weak tag never matches (RFC 9110 section 13.1.1).
            (Some("W/\"3-7\""), other),
            (Some("nope"), other),
        ] {
            check(matching, None, expected).await;
            // What If-Match refuses, it refuses first; the other one never makes a change possible.
            check(matching, Some("\"3-6\""), expected).await;
            let refused = expected.and(Err(&[][..]));
            for none_of in ["*", "\"3-7\"", "W/\"3-7\"", "\"3-7-0a1b\"", "\"x\", \"3-7\""] {
                check(matching, Some(none_of), refused).await;
            }
        }
    }

    #[tokio::test]
    async fn content_is_the_version_of_what_has_no_revision() {
        // A18-17
        let now = json!({"ip": "192.0.2.1", "score": 2});
        let tag = content_tag(now.to_string().as_bytes());
        let (weak, both) = (format!("W/{tag}"), format!("\"x\", {tag}"));
        let (tag, weak, both, other) = (Some(tag.as_str()), Some(weak.as_str()), Some(both.as_str()), Some("\"x\""));
        let any = Some("*");
        // `gone`, `to_make`: where there is no object, for a request that needs one, and for one that makes it.
        for (matching, none_of, expected, gone, to_make) in [
            (None, None, Ok(()), Ok(()), Ok(())),
            (any, None, Ok(()), Ok(()), Err(412)),
            (both, None, Ok(()), Err(404), Err(412)),
            (other, None, Err(412), Err(404), Err(412)),
            (weak, None, Err(412), Err(404), Err(412)),
            (None, any, Err(412), Err(404), Ok(())),
            (None, tag, Err(412), Err(404), Ok(())),
            (None, weak, Err(412), Err(404), Ok(())),
            (None, both, Err(412), Err(404), Ok(())),
            (None, other, Ok(()), Err(404), Ok(())),
            (any, any, Err(412), Err(404), Err(412)),
            (tag, other, Ok(()), Err(404), Err(412)),
            (tag, tag, Err(412), Err(404), Err(412)),
        ] {
            let (based, what) = (conditions(matching, none_of), format!("{matching:?} {none_of:?}"));
            let status = |refusal: Refusal| refusal.0.status;
            let missing = async || Err::<Value, _>(Refusal::new(ErrorCode::NotFound, "gone"));
            assert_eq!(based.require(async { Ok(now.clone()) }).await.map_err(status), expected, "{what}");
            assert_eq!(based.require_stored(async { Ok(now.clone()) }).await.map_err(status), expected, "{what}");
            assert_eq!(based.require(missing()).await.map_err(status), gone, "{what}");
            assert_eq!(based.require_stored(missing()).await.map_err(status), to_make, "{what}");
        }
    }

    #[tokio::test]
    async fn a_change_that_was_overtaken_says_what_differs() {
        // A18-17
        let now = json!({"id": 3, "uid": 1, "email": "a"}).as_object().cloned().unwrap();
        let given = json!({"uid": 2, "email": "a"}).as_object().cloned().unwrap();
        let (conflict, missing) = (StoreError::Conflict(USERS.object("a")), StoreError::NotFound(USERS.object("a")));
        let (one, any) = (conditions(Some("\"3-7\""), None), conditions(Some("*"), None));
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
        let check = |name: &HeaderName, lines: &[&str], expected: Option<u16>| {
            let lines: Vec<_> = lines.iter().map(|line| (name.clone(), *line)).collect();
            let refused = Conditions::of(&headers(&lines)).err().map(|refusal| refusal.0.status);
            assert_eq!(refused, expected, "{lines:?}");
        };
        for name in [IF_MATCH, IF_NONE_MATCH] {
            for lines in [&[""][..], &[" "], &[","], &["", ""], &["*, \"3-7\""], &["\"3-7\"", "*"]] {
                check(&name, lines, Some(400));
            }
            for lines in [&["*"][..], &["\"\""], &["\"a,b\", W/\"*\""], &["\"3-7\"", ""]] {
                check(&name, lines, None);
            }
        }
        // The first of them would keep no change from being made.
        for line in ["nope", "\"3-7", "3-7\"", "w/\"3-7\"", "\"3-7\" \"x\"", "\"a b\""] {
            check(&IF_NONE_MATCH, &[line], Some(400));
            check(&IF_MATCH, &[line], None);
        }
    }
}
