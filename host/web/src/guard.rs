//! What is checked before the handler of a page, and what every answer gets.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use http_body_util::{BodyExt, Limited};
use tidegate_api::Client;
use tidegate_core::admin::{AuthenticationError, DoorClient, UseCase};
use tidegate_core::connection::WebVisit;
use tidegate_core::ports::Door;
use tokio::time::timeout;
use url::form_urlencoded;

use crate::WebAdmin;
use crate::assets::{gzip, takes_gzip};
use crate::cookie::ADMIN;
use crate::problem::{Problem, STALE, sentence};
use crate::request::{Visitor, address, see};
use crate::transport::{Foreign, Way, refuse_foreign, way};

/// Nothing but the server's own files; no script or style inside a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Headers of every answer. A page elsewhere that opens one of these in a window gets no cookie with it (SameSite=Strict), so
/// that there is no `Cross-Origin-Opener-Policy`, which costs a new process of the browser at each first visit.
const HEADERS: [(HeaderName, &str); 5] = [
    (HeaderName::from_static("content-security-policy"), POLICY),
    (HeaderName::from_static("x-content-type-options"), "nosniff"),
    (HeaderName::from_static("x-frame-options"), "DENY"),
    // With none at all, browsers name no origin where they change something.
    (HeaderName::from_static("referrer-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
/// Answers that are smaller gain nothing by compression.
pub const COMPRESSED_FROM: usize = 1_000;
/// Bytes of a form that is refused, and the time in which it has to arrive, so that its record has the name of the object.
const READ_OF_REFUSED: usize = 16 << 10;
const READ_TIME_OF_REFUSED: Duration = Duration::from_secs(5);
/// The headers of a request on which a page depends.
pub const VARIES: &str = "Accept-Encoding, Cookie, HX-Request";

/// What a page needs of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// To be an administrator, whatever the permissions.
    Administrator,
    /// What this use case needs.
    For(UseCase),
}

/// A page, for the checks before its handler.
#[derive(Clone)]
pub struct Guarded {
    /// Shared, because it is copied several times for each request.
    pub web: Arc<WebAdmin>,
    pub need: Need,
}

pub fn door_client(client: &Client) -> DoorClient {
    DoorClient { door: Door::Web, address: client.address, visit: WebVisit::default() }
}

/// Checks a request, carries it out, and makes the page of a problem.
pub async fn check(State(guarded): State<Guarded>, mut request: Request, next: Next) -> Response {
    let web = &guarded.web;
    let path = request.uri().path().to_owned();
    let visitor = match passed(&guarded, &mut request).await {
        Ok(visitor) => visitor,
        Err(Stop::Answer(answer)) => return *answer,
        Err(Stop::Problem(problem)) => return answer(web, &problem, None, &path),
    };
    if let (Need::For(case), Some(visitor)) = (guarded.need, &visitor)
        && let Err(error) = visitor.actor.require(case)
    {
        let name = object_of(request).await;
        let error = web.administration.audit.refuse(&visitor.actor, case, &name, error).await;
        return answer(web, &Problem::from(error), Some(visitor), &path);
    }
    let mut response = next.run(request).await;
    match (response.extensions_mut().remove::<Problem>(), visitor) {
        (Some(problem), None) => answer(web, &problem.for_others(), None, &path),
        (Some(problem), Some(visitor)) => answer(web, &problem, Some(&visitor), &path),
        (None, _) => response,
    }
}

fn answer(web: &WebAdmin, problem: &Problem, visitor: Option<&Visitor>, path: &str) -> Response {
    let mut response = problem.page(&web.metrics).answer(visitor, path, web.facts.version);
    if problem.is_database_away {
        response.headers_mut().extend([STALE]);
    }
    response
}

/// The object that the address of a page or a small form names, for the record of a refusal; empty: none does.
async fn object_of(request: Request) -> String {
    let in_address = named_in(request.uri().query().unwrap_or_default().as_bytes());
    if let Some(name) = in_address {
        return name;
    }
    let body = Limited::new(request.into_body(), READ_OF_REFUSED).collect();
    let Ok(Ok(form)) = timeout(READ_TIME_OF_REFUSED, body).await else { return String::new() };
    named_in(&form.to_bytes()).unwrap_or_default()
}

fn named_in(fields: &[u8]) -> Option<String> {
    const NAMES: [&str; 5] = ["name", "username", "address", "network", "id"];
    let mut pairs = form_urlencoded::parse(fields);
    pairs.find(|(name, _)| NAMES.contains(&name.as_ref())).map(|(_, value)| value.into_owned())
}

enum Stop {
    Answer(Box<Response>),
    Problem(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Refuses requests of banned addresses and of pages of other origins; gives the client, and the way of its request.
pub fn screened(web: &WebAdmin, request: &mut Request) -> Result<(Client, Way), Problem> {
    let Some(client) = request.extensions().get::<Client>().cloned() else {
        let text = "The connection of the request is not known.";
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text));
    };
    if client.address.is_some_and(|address| web.administration.bans.refuses(address)) {
        let text = "Requests from this address are refused for a while.";
        return Err(Problem::new(StatusCode::FORBIDDEN, text));
    }
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    refuse_foreign(method, uri, headers, &client, &web.allowed_hosts).map_err(|foreign| {
        let text = match foreign {
            Foreign::Origin => "Pages of another origin may not use the server.",
            Foreign::Host => {
                "The server does not answer to this host name; the operator can add it to httpd.allowed_hosts."
            }
        };
        Problem::new(StatusCode::FORBIDDEN, text)
    })?;
    let way = way(uri, headers, &client);
    request.extensions_mut().insert(way);
    Ok((client, way))
}

async fn passed(guarded: &Guarded, request: &mut Request) -> Result<Option<Visitor>, Stop> {
    let web = &guarded.web;
    let (client, way) = screened(web, request)?;
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let token = ADMIN.token(headers, way);
    let target = uri.path_and_query().map(|target| target.as_str().to_owned()).unwrap_or_default();
    let next = if *method == Method::GET { target } else { String::new() };
    let is_fragment = headers.contains_key("hx-request");
    if guarded.need == Need::Nothing {
        return Ok(None);
    }
    let Some(token) = token else { return Err(log_in_first(&next, is_fragment)) };
    match web.administration.authentication.token(&token, &door_client(&client)).await {
        Ok(actor) => {
            let visitor = Visitor { actor, token };
            request.extensions_mut().insert(visitor.clone());
            Ok(Some(visitor))
        }
        Err(error) if error.is_denial() => Err(log_in_first(&next, is_fragment)),
        Err(error) => Err(unavailable(&error).into()),
    }
}

/// The credentials were not judged.
pub fn unavailable(error: &AuthenticationError) -> Problem {
    let mut problem = match error {
        // The server cannot identify the client: where the database is, and what is wrong with it, is in the log.
        AuthenticationError::Store(error) => Problem::for_stranger(error.clone().into()),
        error => Problem::new(StatusCode::SERVICE_UNAVAILABLE, sentence(&error.to_string())),
    };
    problem.status = StatusCode::SERVICE_UNAVAILABLE;
    problem
}

fn log_in_first(next: &str, is_fragment: bool) -> Stop {
    if !is_fragment {
        return Stop::Answer(Box::new(see(&address("/web/login", &[("next", next)]))));
    }
    // A part of a page cannot show a log-in: the whole page goes there.
    let mut response = StatusCode::UNAUTHORIZED.into_response();
    response.headers_mut().insert("hx-redirect", HeaderValue::from_static("/web/login"));
    Stop::Answer(Box::new(response))
}

/// Gives every answer its headers, and compresses pages.
pub async fn finish(request: Request, next: Next) -> Response {
    let takes_gzip = takes_gzip(request.headers());
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if !is_page(response.headers()) {
        return response;
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static(VARIES));
    if !takes_gzip {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // Pages are made whole: their bodies cannot fail.
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if bytes.len() < COMPRESSED_FROM {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.remove("content-length");
    Response::from_parts(parts, Body::from(gzip(&bytes, Compression::fast())))
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html")) && !headers.contains_key(CONTENT_ENCODING)
}
