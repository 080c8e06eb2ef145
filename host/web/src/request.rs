//! What handlers take from a request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use http_body_util::{BodyExt, Limited};
use tidegate_core::admin::{Actor, BackupPlace, BackupRoom, UseCase};
use tidegate_core::ports::{Spool, SpooledText, Spools};
use tokio::time::timeout;
use url::form_urlencoded;

use crate::WebAdmin;
use crate::page::Page;
use crate::problem::Problem;
use crate::transport::Way;
use crate::upload;
use crate::view::Block;

/// Bytes of a form: an account document twice, and the texts around it.
const MAX_BODY: usize = 8 << 20;
/// Bytes of a form with a file, for administrators alone.
const MAX_FILE: usize = 64 << 20;
/// Bytes of a form of a browser that has not logged in.
const MAX_BODY_BEFORE_LOG_IN: usize = 16 << 10;
/// The time in which a form has to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);
/// The time in which a form with a file has to arrive.
const FILE_TIME: Duration = Duration::from_secs(600);
/// Fields of a form: each takes many times its bytes, and is looked for among all of them.
const MAX_FIELDS: usize = 20_000;

/// An administrator who has logged in.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub actor: Actor,
    pub token: String,
}

/// The fields of an address or a form, in their order.
#[derive(Debug, Clone, Default)]
pub struct Fields(pub Vec<(String, String)>);

/// A file of a form, which may be too large for memory.
pub type SentFile = (Arc<dyn SpooledText>, BackupPlace);

/// A request, read as a whole.
pub struct Asked {
    pub web: WebAdmin,
    visitor: Option<Visitor>,
    pub way: Way,
    pub path: String,
    pub query: Fields,
    pub form: Fields,
    /// The file `dump` of the form, with its room.
    pub file: Option<SentFile>,
    /// Whether the page asks for a part of itself.
    pub is_fragment: bool,
    pub parts: Parts,
}

impl Fields {
    pub fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The fields of a form; None: there are too many.
    pub fn of_form(text: &[u8]) -> Option<Self> {
        (form_urlencoded::parse(text).take(MAX_FIELDS + 1).count() <= MAX_FIELDS).then(|| Self::parse(text))
    }

    /// The first value of that name; an empty text where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The value without blanks around it, where there is one.
    pub fn given(&self, name: &str) -> Option<String> {
        Some(self.text(name).trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The value as it is, where there is one: names of stored objects may begin or end with blanks.
    pub fn exact(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).trim().parse().ok()
    }

    /// A number from 0 on of an address, where there is one.
    ///
    /// # Errors
    /// The text is no such number: what would be shown without it is not what was asked for.
    pub fn natural(&self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.given(name) else { return Ok(None) };
        let number = text.parse::<i64>().ok().filter(|number| *number >= 0);
        let wrong =
            || Problem::wrong(format!("The address has “{text}” as “{name}”, which must be a whole number from 0 on."));
        number.map(Some).ok_or_else(wrong)
    }

    /// One of the texts that a field of an address may have, or an empty one where there is none.
    ///
    /// # Errors
    /// It is none of them, as for [`natural`](Self::natural).
    pub fn choice<'k>(&self, name: &str, known: &[&'k str]) -> Result<&'k str, Problem> {
        let Some(text) = self.given(name) else { return Ok("") };
        let wrong = || {
            let known = known.join(", ");
            Problem::wrong(format!("The address has “{text}” as “{name}”, which must be one of: {known}."))
        };
        known.iter().find(|known| **known == text).copied().ok_or_else(wrong)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequest<WebAdmin> for Asked {
    type Rejection = Problem;

    async fn from_request(request: Request, web: &WebAdmin) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let (form, file) =
            form_of(&parts, body, &web.administration.backups.room, &*web.administration.backups.spools).await?;
        let visitor = parts.extensions.get().cloned();
        Ok(Self {
            web: web.clone(),
            visitor,
            way: parts.extensions.get().copied().unwrap_or(Way::Plain),
            path: parts.uri.path().to_owned(),
            query: Fields::parse(parts.uri.query().unwrap_or_default().as_bytes()),
            form,
            file,
            is_fragment: parts.headers.contains_key("hx-request"),
            parts,
        })
    }
}

/// The fields of the form, and its file; none for other methods. Only administrators send files.
async fn form_of(
    parts: &Parts,
    body: Body,
    room: &BackupRoom,
    spools: &dyn Spools,
) -> Result<(Fields, Option<SentFile>), Problem> {
    if parts.method != Method::POST {
        return Ok((Fields::default(), None));
    }
    let has_logged_in = parts.extensions.get::<Visitor>().is_some();
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let has_file = has_logged_in && kind.starts_with("multipart/form-data");
    let (limit, time) = match (has_logged_in, has_file) {
        (false, _) => (MAX_BODY_BEFORE_LOG_IN, BODY_TIME),
        (true, false) => (MAX_BODY, BODY_TIME),
        (true, true) => (MAX_FILE, FILE_TIME),
    };
    let (late, broken) = ("The form did not arrive in time.", "The form is too large, or broke off.");
    if has_file {
        // A form whose length is not said may be as large as any.
        let most = u64::try_from(limit).unwrap_or(u64::MAX);
        let place = room.to_load(body.size_hint().upper().map_or(most, |length| length.min(most))).await?;
        let (mut body, mut spool) = (Limited::new(body, limit), spools.begin());
        let receive = async {
            while let Some(frame) = body.frame().await {
                if let Ok(data) = frame.map_err(|_| Problem::wrong(broken))?.into_data() {
                    spool.append(data.to_vec()).await?;
                }
            }
            Ok::<(), Problem>(())
        };
        timeout(time, receive).await.map_err(|_| Problem::wrong(late))??;
        let file = file_in(kind.to_owned(), Arc::<dyn Spool>::from(spool)).await?;
        return Ok((Fields::default(), file.map(|file| (file, place))));
    }
    let read = timeout(time, Limited::new(body, limit).collect()).await.map_err(|_| Problem::wrong(late))?;
    let read = read.map_err(|_| Problem::wrong(broken))?.to_bytes();
    let fields = Fields::of_form(&read).ok_or_else(|| Problem::wrong("The form has too many fields."))?;
    Ok((fields, None))
}

/// The file `dump` of a form, which is looked for on a thread that may wait for a disk.
async fn file_in(kind: String, form: Arc<dyn SpooledText>) -> Result<Option<Arc<dyn SpooledText>>, Problem> {
    let found = tokio::task::spawn_blocking(move || upload::file(&kind, &form, "dump")).await;
    let broken_off = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The form could not be read.");
    let found = found.map_err(broken_off)??;
    Ok(found.map(|file| -> Arc<dyn SpooledText> { Arc::new(file) }))
}

impl Asked {
    /// The administrator; the guard has let no other request through.
    pub fn actor(&self) -> Result<&Actor, Problem> {
        self.visitor.as_ref().map(|visitor| &visitor.actor).ok_or_else(Problem::no_visitor)
    }

    pub fn visitor(&self) -> Option<&Visitor> {
        self.visitor.as_ref()
    }

    /// Whether a button for that is shown.
    pub fn may(&self, case: UseCase) -> bool {
        self.actor().is_ok_and(|actor| actor.may(case))
    }

    pub fn page(&self, title: impl Into<String>, blocks: Vec<Block>) -> Response {
        self.answer(Page::new(title, blocks))
    }

    pub fn answer(&self, page: Page) -> Response {
        page.answer(self.visitor(), &self.path, self.web.facts.version)
    }
}

/// To a page that shows what was done; the browser asks for it anew.
pub fn see(address: &str) -> Response {
    Redirect::to(address).into_response()
}

/// The address without slashes at the end of its path; None: it has none there.
pub fn without_slash(uri: &Uri) -> Option<String> {
    let path = uri.path().trim_end_matches('/');
    if path.is_empty() || path.len() == uri.path().len() {
        return None;
    }
    Some(uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
}

/// An address with fields, such as `/web/users/show?name=a%20b`.
pub fn address(path: &str, fields: &[(&str, &str)]) -> String {
    let mut serializer = form_urlencoded::Serializer::new(String::new());
    serializer.extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
    match serializer.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::ports::SpoolsInMemory;

    use super::*;

    #[tokio::test]
    async fn forms_are_bounded() {
        let visitor = || Visitor { actor: Actor::system(), token: String::new() };
        let read = async |body: Body, has_logged_in: bool| {
            let mut request = axum::http::Request::post("/web/login").body(body).unwrap();
            if has_logged_in {
                request.extensions_mut().insert(visitor());
            }
            let (parts, body) = request.into_parts();
            form_of(&parts, body, &BackupRoom::default(), &SpoolsInMemory).await.is_ok()
        };
        let check = async |text: String, before: bool, after: bool| {
            let bytes = text.len();
            assert_eq!(read(text.clone().into(), false).await, before, "{bytes} bytes before a log-in");
            assert_eq!(read(text.into(), true).await, after, "{bytes} bytes after a log-in");
        };
        check("username=a&password=b".to_owned(), true, true).await;
        check(format!("a={}", "x".repeat(MAX_BODY_BEFORE_LOG_IN)), false, true).await;
        check("a&".repeat(MAX_FIELDS), false, true).await;
        check("a&".repeat(MAX_FIELDS + 1), false, false).await;
        check("x".repeat(MAX_BODY + 1), false, false).await;
    }
}
