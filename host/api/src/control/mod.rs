//! The control socket: commands send typed requests to a running server (`tidegate_api_types`). A
//! command that finds no server hands the same requests to an [`AdminApi`] of its own.

mod admin_handlers;
mod answers;
mod errors;
mod handlers;
mod link_handlers;
mod load;
mod object_handlers;
mod peer;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, body::Bytes};
use tidegate_api_types::{
    AddAdmin, AddApiKey, AddBan, AddExemptNetwork, AddLoginLink, AddObject, AddUser, CheckStorage, CloseSession,
    DeleteAdmin, DeleteApiKey, DeleteLoginLink, DeleteObject, DeleteUser, DumpObjects, DumpUsers, ErrorCode,
    ExplainLogin, ForgetCredentials, ForgetPlugin, Impersonate, ListAdmins, ListApiKeys, ListAudit, ListBans,
    ListExemptNetworks, ListFileEvents, ListHookCounters, ListHookLinks, ListHookRuns, ListLoginLinks, ListObjects,
    ListPlugins, ListScans, ListSessions, ListTokens, ListUsers, LoadDump, MakeResetCode, OneClickLogin, Operation,
    ReloadPlugins, RemoveBan, RemoveExemptNetwork, RevokeToken, RotateApiKey, Scan, SetAdminCodes, SetUsage, ShowAdmin,
    ShowApiKey, ShowHookRun, ShowObject, ShowStatus, ShowUser, SweepStorage, UpdateAdmin, UpdateApiKey, UpdateObject,
    UpdateUser, path_of,
};
use tidegate_core::admin::{Actor, AdminError, Administration};

use crate::answer::Refusal;
use crate::client_pages::ClientPages;
pub(crate) use admin_handlers::{admin_codes, token};
pub(crate) use answers::{
    audit_entry, ban, dumped, exempt_networks, file_event, file_system, hook_counter, hook_run, load_report, session,
    swept,
};
pub use answers::{explained_login, hook_link, plugin};
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
    /// The pages of users; None: no binding has them.
    pub client_pages: Option<ClientPages>,
}

/// Handles one kind of request.
pub trait Handle<O: Operation> {
    fn handle(&self, actor: &Actor, operation: O) -> impl Future<Output = Result<O::Answer, AdminError>> + Send;
}

/// The router of the requests of commands.
pub fn control(api: AdminApi) -> Router {
    let mut router = Router::new();
    macro_rules! route_all {
        ($($operation:ident,)*) => { $(router = route::<$operation>(router);)* };
    }
    tidegate_api_types::for_each_operation!(route_all);
    router.layer(DefaultBodyLimit::max(MAX_REQUEST)).with_state(api)
}

/// The router for the owner of the server and for root only.
pub fn for_owner(router: Router, owner: Owner) -> Router {
    router.layer(from_fn_with_state(owner, peer::refuse_others))
}

fn route<O: Operation>(router: Router<AdminApi>) -> Router<AdminApi>
where
    AdminApi: Handle<O>,
{
    let handler = if O::NAME == LoadDump::NAME { post(load::serve) } else { post(serve::<O>) };
    router.route(&path_of(O::NAME), handler)
}

async fn serve<O: Operation>(State(api): State<AdminApi>, peer: Peer, body: Bytes) -> Response
where
    AdminApi: Handle<O>,
{
    let operation: O = match serde_json::from_slice(&body) {
        Ok(operation) => operation,
        Err(error) => {
            let error = format!("the request \"{}\" cannot be read: {error}", O::NAME);
            return Refusal::new(ErrorCode::Malformed, error).into_response();
        }
    };
    let Some(actor) = peer.actor().await else {
        return Refusal(Box::new(peer::stranger())).into_response();
    };
    match api.handle(&actor, operation).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}
