//! The control socket: commands send typed requests to a running server (`tidegate_api_types`). A
//! command that finds no server hands the same requests to an [`AdminApi`] of its own.

mod admin_handlers;
mod answers;
mod errors;
mod handlers;
mod object_handlers;
mod peer;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, body::Bytes};
use tidegate_api_types::{
    AddAdmin, AddApiKey, AddBan, AddObject, AddUser, CheckStorage, CloseSession, DeleteAdmin, DeleteApiKey,
    DeleteObject, DeleteUser, DumpObjects, DumpUsers, ErrorAnswer, ErrorCode, ForgetPlugin, ListAdmins, ListApiKeys,
    ListAudit, ListBans, ListHookCounters, ListHookLinks, ListHookRuns, ListObjects, ListPlugins, ListScans,
    ListSessions, ListTokens, ListUsers, LoadDump, Operation, RemoveBan, RevokeToken, RotateApiKey, Scan,
    SetAdminCodes, ShowAdmin, ShowApiKey, ShowHookRun, ShowObject, ShowStatus, ShowUser, UpdateAdmin, UpdateObject,
    UpdateUser, path_of,
};
use tidegate_core::admin::{Actor, AdminError, Administration};

use crate::answer;
pub use answers::{hook_link, plugin};
pub use errors::error_answer;
pub use peer::{Owner, Peer, user_name};

/// Most bytes of a request: enough to load a dump of a hundred thousand accounts.
const MAX_REQUEST: usize = 256 << 20;

/// The use cases, with requests and answers in the types of the interface.
#[derive(Clone)]
pub struct AdminApi {
    pub administration: Arc<Administration>,
    /// The version of this release.
    pub version: &'static str,
}

/// Handles one kind of request.
pub trait Handle<O: Operation> {
    fn handle(&self, actor: &Actor, operation: O) -> impl Future<Output = Result<O::Answer, AdminError>> + Send;
}

/// The router of the control socket, which only the server's own user and root may use.
pub fn control(api: AdminApi, owner: Owner) -> Router {
    let mut router = Router::new();
    macro_rules! route_all {
        ($($operation:ident,)*) => { $(router = route::<$operation>(router);)* };
    }
    tidegate_api_types::for_each_operation!(route_all);
    router
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .layer(from_fn_with_state(owner, peer::refuse_others))
        .with_state(api)
}

fn route<O: Operation>(router: Router<AdminApi>) -> Router<AdminApi>
where
    AdminApi: Handle<O>,
{
    router.route(&path_of(O::NAME), post(serve::<O>))
}

async fn serve<O: Operation>(State(api): State<AdminApi>, ConnectInfo(peer): ConnectInfo<Peer>, body: Bytes) -> Response
where
    AdminApi: Handle<O>,
{
    let operation: O = match serde_json::from_slice(&body) {
        Ok(operation) => operation,
        Err(error) => {
            let error = format!("the request \"{}\" cannot be read: {error}", O::NAME);
            return refusal(ErrorAnswer::new(ErrorCode::Malformed, error));
        }
    };
    let Some(actor) = peer.actor().await else {
        return refusal(peer::stranger());
    };
    match api.handle(&actor, operation).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => refusal(error_answer(&error)),
    }
}

fn refusal(error: ErrorAnswer) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(error)).into_response()
}
