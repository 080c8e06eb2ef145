//! What handlers take from a request.

use axum::extract::{FromRequest, Request};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use http_body_util::{BodyExt, Limited};
use tidegate_core::admin::{Actor, UseCase};
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

/// An administrator who has logged in.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub actor: Actor,
    pub token: String,
}

/// The fields of an address or a form, in their order.
#[derive(Debug, Clone, Default)]
pub struct Fields(pub Vec<(String, String)>);

/// A request, read as a whole.
pub struct Asked {
    pub web: WebAdmin,
    visitor: Option<Visitor>,
    pub way: Way,
    pub path: String,
    pub query: Fields,
    pub form: Fields,
    /// The file `dump` of the form.
    pub file: Option<Vec<u8>>,
    /// Whether the page asks for a part of itself.
    pub is_fragment: bool,
    pub parts: Parts,
}

impl Fields {
    pub fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first value of that name; an empty text where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The value without blanks around it, where there is one.
    pub fn given(&self, name: &str) -> Option<String> {
        Some(self.text(name).trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).trim().parse().ok()
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequest<WebAdmin> for Asked {
    type Rejection = Problem;

    async fn from_request(request: Request, web: &WebAdmin) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let visitor: Option<Visitor> = parts.extensions.get().cloned();
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let has_file = kind.starts_with("multipart/form-data") && visitor.is_some();
        let (form, file) = match parts.method {
            Method::POST => {
                let read = Limited::new(body, if has_file { MAX_FILE } else { MAX_BODY }).collect().await;
                let body = read.map_err(|_| Problem::wrong("The form is too large, or broke off."))?.to_bytes();
                if has_file {
                    (Fields::default(), upload::file(kind, &body, "dump"))
                } else {
                    (Fields::parse(&body), None)
                }
            }
            _ => (Fields::default(), None),
        };
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
        self.actor().is_ok_and(|actor| actor.require(case).is_ok())
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

/// An address with fields, such as `/web/users/show?name=a%20b`.
pub fn address(path: &str, fields: &[(&str, &str)]) -> String {
    let mut serializer = form_urlencoded::Serializer::new(String::new());
    serializer.extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
    match serializer.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}
