//! The REST interfaces: `/api/v1` and `/api/v2` of the older server, and `/api/tidegate`. They are doors: they
//! authenticate, read and write JSON, and leave everything else to the use cases of `core::admin`.

mod auth_users;
mod authentication;
mod backup_directory;
mod browser;
mod changes;
mod conditions;
mod credentials;
mod document_schema;
mod dumps;
mod extract;
mod guard;
mod openapi;
mod pages;
mod route;
mod shown_again;
mod tidegate;
mod v1;
mod v2;
mod versions;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;
use tidegate_core::admin::Administration;
use tidegate_core::ports::Passwords;

pub use auth_users::AuthUsers;
pub use authentication::Authenticate;
pub use backup_directory::BackupDirectory;
pub use dumps::streamed as dump_as_answer;
pub use extract::parse as read_body;
pub(crate) use extract::{BodyLimit, spooled};
use route::Interface;

use crate::client_pages::ClientPages;

/// The settings of the interfaces.
#[derive(Debug, Default)]
pub struct RestSettings {
    /// Names, with or without a port, by which clients may call the server; empty: any, where credentials are needed.
    pub allowed_hosts: Vec<String>,
    /// Whether `/api/v1` needs no credentials on a loopback address.
    pub legacy_open: bool,
    /// Users of `/api/v1` beside the administrators.
    pub auth_users: Option<AuthUsers>,
}

/// What is known of the server, for its status.
#[derive(Debug, Clone, Default)]
pub struct ServerFacts {
    pub version: &'static str,
    /// The commit that the server was built from.
    pub commit: &'static str,
    pub build_date: &'static str,
    /// The driver of the database, as the configuration names it.
    pub driver: String,
    /// Addresses and ports of the SSH server.
    pub ssh_bindings: Vec<(String, u16)>,
    /// The configuration in force, without secrets.
    pub configuration: Value,
    /// Remarks on the configuration that are no errors, in sentences.
    pub remarks: Vec<String>,
    /// The pages of users, where login links are used; None: no binding has them.
    pub client_pages: Option<ClientPages>,
}

/// The services that the interfaces use.
#[derive(Clone)]
pub struct RestApi {
    pub administration: Arc<Administration>,
    pub authentication: Arc<dyn Authenticate>,
    /// Compares the passwords of `auth_users`.
    pub passwords: Arc<dyn Passwords>,
    pub backups: Arc<BackupDirectory>,
    pub settings: Arc<RestSettings>,
    pub facts: Arc<ServerFacts>,
}

/// Answers may have secrets, and a request with a key has no `Authorization`, which would keep shared caches from storing
/// the answer (RFC 9111 section 3.5).
async fn not_stored(mut response: Response) -> Response {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The router of all interfaces, with their descriptions under `/openapi`.
pub fn rest(api: RestApi) -> Router {
    let mut router = Router::new();
    for interface in Interface::ALL {
        router = router.merge(interface.router(&api));
        // As text, which is a tenth of the tree. JSON with texts for keys can always be written.
        let description = Bytes::from(serde_json::to_vec(&openapi::description(interface)).unwrap_or_default());
        let path = format!("/openapi/{}.json", interface.name());
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        router = router.route(&path, get(async move || (headers.clone(), description.clone())));
    }
    router.layer(map_response(not_stored)).with_state(api)
}
