//! Routes. Each names, in one place, its method, its path, the use case that it is for, what it takes and what it
//! answers: from these the router, the checks before each handler and the OpenAPI document are made.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Value, json};
use tidegate_core::admin::UseCase;

use super::RestApi;
use super::guard::{self, Guarded};
use super::shown_again::ShownAgain;
use super::versions::{self, Shows};
use crate::http::{Changed, ToItsEnd};

/// An interface: a set of routes below one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// The older server's first interface.
    V1,
    /// The older server's second interface, with what this server has of it.
    V2,
    /// Routes that only this server has.
    Tidegate,
}

/// What a route needs of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// A name and a password.
    Password,
    /// To be an administrator, whatever the permissions.
    Administrator,
    /// To be the user of an account.
    User,
    /// What this use case needs.
    For(UseCase),
}

/// A parameter of the query.
#[derive(Debug, Clone)]
pub struct Parameter {
    pub name: &'static str,
    pub about: &'static str,
    pub schema: Value,
    pub is_required: bool,
}

/// One method of one path.
pub struct Route {
    pub method: Method,
    /// Below the interface's path, with parameters in braces.
    pub path: &'static str,
    /// The name of the operation in descriptions.
    pub operation: &'static str,
    pub summary: &'static str,
    pub need: Need,
    pub query: Vec<Parameter>,
    /// The schema of the body; None: it takes none.
    pub body: Option<Value>,
    /// Whether the body may be left out.
    pub is_body_optional: bool,
    /// Status and schema of the answer.
    pub answer: (u16, Value),
    /// Whether the answer has an `ETag`, and `If-Match` and `If-None-Match` are honoured where there is an object already.
    pub is_versioned: bool,
    /// Whether the object changes by itself all the time, so that no change can be based on what it was.
    pub is_live: bool,
    /// Whether what is shown depends on nothing but the path, what is stored of accounts, and the administrator's role.
    pub is_as_stored: bool,
    /// Whether a GET changes what others are shown or may see.
    pub changes_by_get: bool,
    handler: MethodRouter<RestApi>,
}

impl Route {
    /// A route that needs an administrator and answers with any JSON.
    pub fn new<H, T>(
        method: Method,
        path: &'static str,
        operation: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, RestApi>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        Self {
            method,
            path,
            operation,
            summary,
            need: Need::Administrator,
            query: Vec::new(),
            body: None,
            is_body_optional: false,
            answer: (200, json!({})),
            is_versioned: false,
            is_live: false,
            is_as_stored: false,
            changes_by_get: false,
            handler: on(filter, handler),
        }
    }

    pub fn needs(self, case: UseCase) -> Self {
        Self { need: Need::For(case), ..self }
    }

    pub fn needs_only(self, need: Need) -> Self {
        Self { need, ..self }
    }

    pub fn query(mut self, name: &'static str, schema: Value, about: &'static str) -> Self {
        self.query.push(Parameter { name, about, schema, is_required: false });
        self
    }

    /// A parameter that has to be there.
    pub fn required(mut self, name: &'static str, schema: Value, about: &'static str) -> Self {
        self.query.push(Parameter { name, about, schema, is_required: true });
        self
    }

    pub fn body(self, schema: Value) -> Self {
        Self { body: Some(schema), ..self }
    }

    /// A body that may be left out, as all of its fields may.
    pub fn optional_body(self, schema: Value) -> Self {
        Self { body: Some(schema), is_body_optional: true, ..self }
    }

    pub fn answers(self, status: u16, schema: Value) -> Self {
        Self { answer: (status, schema), ..self }
    }

    pub fn versioned(self) -> Self {
        Self { is_versioned: true, ..self }
    }

    /// As [`versioned`](Self::versioned), of an object that changes by itself all the time.
    pub fn live(self) -> Self {
        Self { is_versioned: true, is_live: true, ..self }
    }

    /// As [`versioned`](Self::versioned), of an account as it is stored, which may be shown again as it was.
    pub fn stored(self) -> Self {
        Self { is_versioned: true, is_as_stored: true, ..self }
    }

    /// As clients of the older server know it: its GET changes something.
    pub fn changing(self) -> Self {
        Self { changes_by_get: true, ..self }
    }

    /// Whether the operation shows one object with its version.
    pub fn shows_version(&self) -> bool {
        self.is_versioned && self.method == Method::GET
    }

    /// Whether the operation minds the version that the request wants of its object: it changes one, which is there.
    pub fn takes_version(&self) -> bool {
        self.is_versioned && self.method != Method::GET && self.path_parameters().next().is_some()
    }

    /// The names of the parameters in the path.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

impl Interface {
    pub const ALL: [Self; 3] = [Self::V1, Self::V2, Self::Tidegate];

    pub fn path(self) -> &'static str {
        match self {
            Self::V1 => "/api/v1",
            Self::V2 => "/api/v2",
            Self::Tidegate => "/api/tidegate",
        }
    }

    /// The name in `/openapi/NAME.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Tidegate => "tidegate",
        }
    }

    pub fn routes(self) -> Vec<Route> {
        match self {
            Self::V1 => super::v1::routes(),
            Self::V2 => super::v2::routes(),
            Self::Tidegate => super::tidegate::routes(),
        }
    }

    /// Whether a query may have parameters that the route does not name: the oldest clients send some.
    pub fn ignores_parameters(self) -> bool {
        self == Self::V1
    }

    pub(super) fn router(self, api: &RestApi) -> Router<RestApi> {
        let (mut router, routes) = (Router::new(), self.routes());
        let of_reads = routes.iter().filter(|route| route.method == Method::GET);
        let shown: Vec<&'static str> = of_reads.map(|route| route.path).collect();
        for route in routes {
            let query = route.query.iter().map(|parameter| parameter.name).collect();
            let (takes_body, takes_version) = (route.body.is_some(), route.takes_version());
            let named_by = route.query.iter().find(|parameter| parameter.is_required).map(|parameter| parameter.name);
            let again = route.is_as_stored.then(|| Arc::new(ShownAgain::new(api.administration.clone())));
            let (shows_version, shows) = (route.shows_version(), Shows { is_live: route.is_live, again });
            let (api, need) = (api.clone(), route.need);
            let is_shown = shown.contains(&route.path);
            let guarded = Guarded { api, interface: self, need, query, named_by, takes_body, takes_version, is_shown };
            // Each layer is copied for each request.
            let (guarded, mut handler) = (Arc::new(guarded), route.handler);
            if shows_version {
                handler = handler.layer(from_fn_with_state(shows, versions::shown));
            }
            if route.changes_by_get {
                handler = handler.layer(from_fn(changed));
            }
            let handler = handler.layer(from_fn_with_state(guarded, guard::check));
            router = router.route(&format!("{}{}", self.path(), route.path), handler);
        }
        router
    }
}

/// Carries out a change that is asked for by GET, and marks its answer, also where it failed: a part of it may have been
/// done.
async fn changed(request: Request, next: Next) -> Response {
    let mut response = ToItsEnd::new(next.run(request)).await;
    response.extensions_mut().insert(Changed);
    response
}
