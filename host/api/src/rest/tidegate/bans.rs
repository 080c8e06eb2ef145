//! Banned addresses (B14), by the texts that the list shows.

use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tidegate_api_types::{AddBan, AddExemptNetwork, ExemptNetwork};
use tidegate_core::admin::UseCase;

use super::super::RestApi;
use super::super::extract::{Body, Query};
use super::super::guard::Caller;
use super::super::openapi::{address, reference};
use super::super::pages;
use super::super::route::Route;
use crate::answer::{self, Refusal, done};
use crate::control;

pub fn routes() -> Vec<Route> {
    vec![
        pages::partly(Route::new(
            Method::GET,
            "/bans",
            "list_bans",
            "List the banned addresses, those first whose ban ends first; a page of them in the order of the addresses.",
            list,
        ))
        .needs(UseCase::ListBans)
        .answers(200, reference("Bans")),
        Route::new(Method::POST, "/bans", "add_ban", "Ban an address; of IPv6, its whole network of 64 bits.", add)
            .needs(UseCase::AddBan)
            .body(reference("AddBan"))
            .answers(201, reference("Ban")),
        Route::new(Method::DELETE, "/bans", "remove_ban", "End the ban of an address, and forget its score.", remove)
            .needs(UseCase::RemoveBan)
            .required("ip", address(), "The address, or the network as the list shows it.")
            .answers(200, reference("Done")),
        Route::new(
            Method::GET,
            "/bans/exempt",
            "list_exempt_networks",
            "List the networks whose addresses are never banned.",
            exempt_networks,
        )
        .needs(UseCase::ListBans)
        .answers(200, reference("ExemptNetworks")),
        Route::new(
            Method::POST,
            "/bans/exempt",
            "add_exempt_network",
            "Exempt a network from bans, also after a restart, and end those of its addresses.",
            exempt,
        )
        .needs(UseCase::AddExemption)
        .body(reference("AddExemptNetwork"))
        .answers(201, reference("ExemptNetwork")),
        Route::new(
            Method::DELETE,
            "/bans/exempt",
            "remove_exempt_network",
            "Exempt a network no longer that an administrator has exempted.",
            exempt_no_longer,
        )
        .needs(UseCase::RemoveExemption)
        .required("network", json!({"type": "string"}), "The network, as the list shows it.")
        .answers(200, reference("Done")),
    ]
}

async fn list(State(api): State<RestApi>, Caller(actor): Caller, uri: Uri, query: Query) -> Result<Response, Refusal> {
    let bans = api.administration.bans.list(&actor).await?;
    // A ban has texts and a number only: it can always be written.
    let bans = bans.into_iter().map(|ban| serde_json::to_value(control::ban(ban)).unwrap_or_default());
    let (bans, next) = pages::part(&query, pages::keyed(bans, "ip"))?;
    Ok(pages::linked(answer::json(&json!({ "bans": bans })), &uri, next))
}

async fn add(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Body(request): Body<AddBan>,
) -> Result<Response, Refusal> {
    let time = request.seconds.map(Duration::from_secs);
    let added = api.administration.bans.add(&actor, &request.ip, time).await?;
    Ok((StatusCode::CREATED, answer::json(&control::ban(added))).into_response())
}

async fn remove(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    api.administration.bans.remove(&actor, query.text("ip").unwrap_or_default()).await?;
    Ok(done(StatusCode::OK, "Ban removed"))
}

async fn exempt_networks(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let networks = api.administration.bans.exempt_networks(&actor).await?;
    Ok(answer::json(&control::exempt_networks(networks)))
}

async fn exempt(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Body(request): Body<AddExemptNetwork>,
) -> Result<Response, Refusal> {
    let network = api.administration.bans.exempt(&actor, &request.network).await?;
    Ok((StatusCode::CREATED, answer::json(&ExemptNetwork { network })).into_response())
}

async fn exempt_no_longer(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    query: Query,
) -> Result<Response, Refusal> {
    api.administration.bans.exempt_no_longer(&actor, query.text("network").unwrap_or_default()).await?;
    Ok(done(StatusCode::OK, "Network exempted no longer"))
}
