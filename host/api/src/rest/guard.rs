//! What is checked before the handler of a route: that the address is not banned, that no page in a browser asks, which
//! administrator asks, and whether it may.

use std::sync::Arc;
use std::time::Duration;

use axum::RequestExt;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use tidegate_api_types::ErrorCode;
use tidegate_core::admin::{Actor, UserActor};
use url::form_urlencoded;

use super::conditions::Conditions;
use super::extract::{self, BodyLimit};
use super::route::{Interface, Need};
use super::{RestApi, browser, credentials};
use crate::answer::{self, Refusal};
use crate::http::Client;

/// A route, for the checks before its handler.
pub struct Guarded {
    pub api: RestApi,
    pub interface: Interface,
    pub need: Need,
    /// The names of the parameters that the query may have.
    pub query: Arc<[&'static str]>,
    /// The parameter of the query that the request has to have; None: there is none.
    pub named_by: Option<&'static str>,
    /// Whether the request has a body.
    pub takes_body: bool,
    /// Whether the handler minds the version that the request wants of its object. What all others are about has no version
    /// that a client could know, and is there or is not found.
    pub takes_version: bool,
    /// Whether the path is one that is read as well, such as that of a list.
    pub is_shown: bool,
}

/// The administrator of a request.
#[derive(Debug, Clone)]
pub struct Caller(pub Actor);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // The guard of each route that needs an administrator has put it there.
        parts.extensions.get().cloned().ok_or_else(credentials::missing)
    }
}

/// The user of a request.
#[derive(Debug, Clone)]
pub struct User(pub UserActor);

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // As of an administrator.
        parts.extensions.get().cloned().ok_or_else(credentials::missing)
    }
}

pub async fn check(State(guarded): State<Arc<Guarded>>, request: Request, next: Next) -> Response {
    match passed(&guarded, request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => {
            let is_unauthenticated = refusal.0.code == ErrorCode::Unauthenticated;
            let mut response = refusal.into_response();
            if is_unauthenticated {
                credentials::challenge(guarded.interface, guarded.need, &mut response);
            }
            response
        }
    }
}

async fn passed(guarded: &Guarded, mut request: Request) -> Result<Request, Refusal> {
    let Some(client) = request.extensions().get::<Client>().cloned() else {
        return Err(Refusal::new(ErrorCode::Failed, "the connection of the request is not known"));
    };
    if client.address.is_some_and(|address| guarded.api.administration.bans.refuses(address)) {
        return Err(answer::banned());
    }
    let settings = &guarded.api.settings;
    browser::refuse_pages(settings, &client, request.headers(), request.uri())?;
    let caller = match guarded.need {
        Need::Nothing => None,
        Need::User => {
            let user = credentials::user(&guarded.api, request.headers(), &client).await?;
            request.extensions_mut().insert(User(user));
            None
        }
        Need::Password => Some(credentials::password(&guarded.api, request.headers(), &client).await?),
        Need::Administrator | Need::For(_) => {
            let found = credentials::actor(&guarded.api, guarded.interface, request.headers(), &client).await?;
            if found.is_trusted_place {
                browser::refuse_browsers(settings, &client, request.headers(), request.uri())?;
            }
            Some(found.actor)
        }
    };
    if let (Need::For(case), Some(actor)) = (guarded.need, &caller)
        && let Err(error) = actor.require(case)
    {
        let name = object_of(guarded, request).await;
        return Err(guarded.api.administration.audit.refuse(actor, case, &name, error).await.into());
    }
    refuse_unknown_parameters(guarded, request.uri().query().unwrap_or_default())?;
    if !guarded.takes_version {
        let conditions = match request.method().is_safe() {
            true => Conditions::of_reading(request.headers())?,
            false => Conditions::of(request.headers())?,
        };
        conditions.require_no_object(guarded.is_shown)?;
    }
    request.extensions_mut().insert(BodyLimit::of(guarded.need));
    if let Some(actor) = caller {
        request.extensions_mut().insert(Caller(actor));
    }
    Ok(request)
}

/// The object that a request names in its path, in a parameter that it has to have, or in its body, for the record of a
/// refusal; empty: it names none there.
async fn object_of(guarded: &Guarded, mut request: Request) -> String {
    if let Ok(parameters) = request.extract_parts::<RawPathParams>().await
        && let Some((field, value)) = parameters.iter().next()
    {
        // A number must not be taken for a name.
        return if field == "id" { format!("id {value}") } else { value.to_owned() };
    }
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let named = pairs.find(|(name, _)| guarded.named_by == Some(name.as_ref())).map(|(_, value)| value.into_owned());
    if let Some(named) = named {
        return named;
    }
    if guarded.takes_body { named_in(request).await } else { String::new() }
}

/// The object that a small body names; empty: it names none, is no JSON object, or is larger or slower than is waited for.
async fn named_in(request: Request) -> String {
    let Ok(bytes) = extract::bytes(request, BodyLimit { size: 16 << 10, time: Duration::from_secs(5) }).await else {
        return String::new();
    };
    let document: Map<String, Value> = serde_json::from_slice(&bytes).unwrap_or_default();
    let named = ["username", "name", "ip", "network"].iter().find_map(|field| document.get(*field)?.as_str());
    named.unwrap_or_default().to_owned()
}

/// A misspelt parameter that is passed over would give an answer to another question.
fn refuse_unknown_parameters(guarded: &Guarded, query: &str) -> Result<(), Refusal> {
    let mut seen = Vec::new();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        if seen.contains(&name) {
            return Err(Refusal::of_field(&name, format!("the parameter \"{name}\" is there twice")));
        }
        if !guarded.interface.ignores_parameters() && !guarded.query.contains(&name.as_ref()) {
            let known = match guarded.query.as_ref() {
                [] => "this path has none".to_owned(),
                known => format!("there are: {}", known.join(", ")),
            };
            return Err(Refusal::of_field(&name, format!("there is no parameter \"{name}\"; {known}")));
        }
        seen.push(name);
    }
    Ok(())
}
