//! What handlers take from a request, with refusals in the shape of the interface.

use std::str::FromStr;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tidegate_api_types::ErrorCode;
use tidegate_core::admin::AdminError;
use tidegate_core::ports::Spool;
use tokio::time::timeout;
use url::form_urlencoded;

use super::route::Need;
use crate::answer::Refusal;

/// What a body may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit {
    /// The largest body, in bytes.
    pub size: usize,
    /// The time in which it has to arrive.
    pub time: Duration,
}

impl Default for BodyLimit {
    /// As much as an account document may have, and the texts around it.
    fn default() -> Self {
        Self { size: 2 << 20, time: Duration::from_secs(60) }
    }
}

impl BodyLimit {
    /// The limit of a route: clients without credentials have little to say.
    pub fn of(need: Need) -> Self {
        match need {
            Need::Nothing | Need::Password | Need::User => Self { size: 16 << 10, ..Self::default() },
            Need::Administrator | Need::For(_) => Self::default(),
        }
    }

    fn too_large(self) -> Refusal {
        Refusal::new(ErrorCode::TooLarge, format!("the body is larger than {} bytes", self.size))
    }

    fn too_slow(self) -> Refusal {
        let seconds = self.time.as_secs();
        Refusal::new(ErrorCode::TimedOut, format!("the body did not arrive within {seconds} seconds"))
    }

    /// Why a body could not be read.
    fn refused(self, error: &(dyn std::error::Error + 'static)) -> Refusal {
        match error.is::<LengthLimitError>() {
            true => self.too_large(),
            false => Refusal::new(ErrorCode::Malformed, format!("the body broke off: {error}")),
        }
    }
}

/// The parameters of the query.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A value of another type; None: the parameter is missing or empty.
    ///
    /// # Errors
    /// The text is no such value; `kind` says in words what it should be.
    pub fn value<T: FromStr>(&self, name: &str, kind: &str) -> Result<Option<T>, Refusal> {
        let text = self.text(name).filter(|text| !text.is_empty());
        let refused = |_| Refusal::of_field(name, format!("the parameter \"{name}\" must be {kind}"));
        text.map(|text| text.parse().map_err(refused)).transpose()
    }

    /// A number from 0 on; None: the parameter is missing or empty.
    ///
    /// # Errors
    /// The text is no such number.
    pub fn natural(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let kind = "a whole number from 0 on";
        match self.value::<i64>(name, kind)? {
            Some(..0) => Err(Refusal::of_field(name, format!("the parameter \"{name}\" must be {kind}"))),
            number => Ok(number),
        }
    }

    /// The names in a list that commas separate; none: the parameter is missing or empty.
    pub fn names(&self, name: &str) -> Vec<String> {
        let names = self.text(name).unwrap_or_default().split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a parameter is set: `1` or `true`.
    ///
    /// # Errors
    /// The text is something else than `0`, `1`, `true` and `false`.
    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            None | Some("" | "0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(_) => Err(Refusal::of_field(name, format!("the parameter \"{name}\" must be 0 or 1"))),
        }
    }
}

/// Whether a parameter is UTF-8: each character that stands for bytes that are not was written as such.
fn is_utf8(part: &str, name: &str, value: &str) -> bool {
    let read = [name, value].map(|text| text.matches('\u{fffd}').count()).iter().sum::<usize>();
    let written = part.to_ascii_lowercase().matches("%ef%bf%bd").count() + part.matches('\u{fffd}').count();
    read <= written
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let text = parts.uri.query().unwrap_or_default();
        let mut read = Vec::new();
        for part in text.split('&') {
            let Some((name, value)) = form_urlencoded::parse(part.as_bytes()).next() else { continue };
            if !is_utf8(part, &name, &value) {
                let error = format!("the parameter \"{name}\" is not written in UTF-8");
                return Err(Refusal::of_field(&name, error));
            }
            read.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(read))
    }
}

/// The parameter of a path with one.
#[derive(Debug, Clone)]
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal::new(ErrorCode::Malformed, format!("the path cannot be read: {error}")))?;
        Ok(Self(name))
    }
}

/// A body of JSON.
#[derive(Debug, Clone)]
pub struct Body<T>(pub T);

/// A body that is a JSON object, such as an account document.
pub type Document = Body<Map<String, Value>>;

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let limit = request.extensions().get::<BodyLimit>().copied().unwrap_or_default();
        let bytes = bytes(request, limit).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// A body of JSON all of whose fields may be left out; without a body, all of them are.
#[derive(Debug, Clone)]
pub struct OptionalBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let limit = request.extensions().get::<BodyLimit>().copied().unwrap_or_default();
        let bytes = bytes(request, limit).await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        Ok(Self(parse(text)?))
    }
}

/// Checks that a body has no other fields: a misspelt one that is passed over would do something else than was asked for.
///
/// # Errors
/// It has one; the field is named.
pub fn only_fields(document: &Map<String, Value>, known: &[&str]) -> Result<(), Refusal> {
    match document.keys().find(|field| !known.contains(&field.as_str())) {
        None => Ok(()),
        Some(field) => {
            let error = format!("there is no field \"{field}\"; there are: {}", known.join(", "));
            Err(Refusal::of_field(field, error))
        }
    }
}

/// Reads JSON.
///
/// # Errors
/// The text is not JSON, or not such a document; the field is named.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut deserializer);
    let parsed = parsed.and_then(|value| {
        let ended = deserializer.end().map(|()| value);
        ended.map_err(|error| serde_path_to_error::Error::new(serde_path_to_error::Track::new().path(), error))
    });
    parsed.map_err(|error| {
        let is_object = bytes.trim_ascii_start().starts_with(b"{");
        if error.inner().is_data() && !is_object {
            let text = "the body cannot be read: it must be a JSON object, {…}";
            return Refusal::new(ErrorCode::Malformed, text);
        }
        let is_document = error.inner().is_data();
        let text = format!("the body cannot be read: {}", error.inner());
        // Where a text is no JSON at all, its path says nothing.
        match error.path().to_string().as_str() {
            "." | "" | "?" => Refusal::new(ErrorCode::Malformed, text),
            _ if !is_document => Refusal::new(ErrorCode::Malformed, text),
            path => Refusal::of_field(path, text),
        }
    })
}

/// The whole body.
///
/// # Errors
/// It is larger or slower than the limit, or breaks off.
pub async fn bytes(request: Request, limit: BodyLimit) -> Result<Bytes, Refusal> {
    let body = limited(request, limit)?;
    let collected = timeout(limit.time, body.collect()).await.map_err(|_| limit.too_slow())?;
    Ok(collected.map_err(|error| limit.refused(&*error))?.to_bytes())
}

/// Puts the whole body into a spool: large ones are not kept in memory.
///
/// # Errors
/// As [`bytes`]; or there is no space for it.
pub async fn spooled(request: Request, limit: BodyLimit, spool: &mut dyn Spool) -> Result<(), Refusal> {
    let mut body = limited(request, limit)?;
    let read = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| limit.refused(&*error))?;
            if let Ok(data) = frame.into_data() {
                spool.append(data.to_vec()).await.map_err(AdminError::from)?;
            }
        }
        Ok::<(), Refusal>(())
    };
    timeout(limit.time, read).await.map_err(|_| limit.too_slow())?
}

fn limited(request: Request, limit: BodyLimit) -> Result<Limited<axum::body::Body>, Refusal> {
    if usize::try_from(request.body().size_hint().lower()).is_ok_and(|length| length > limit.size) {
        return Err(limit.too_large());
    }
    Ok(Limited::new(request.into_body(), limit.size))
}
