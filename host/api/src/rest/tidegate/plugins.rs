//! Plugins.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use tidegate_api_types::{Plugin, Plugins};
use tidegate_core::admin::{Actor, SignedPlugin, UseCase};

use super::super::RestApi;
use super::super::conditions::Conditions;
use super::super::dumps;
use super::super::extract::{BodyLimit, Name, bytes, parse};
use super::super::guard::Caller;
use super::super::openapi::reference;
use super::super::route::Route;
use crate::answer::{self, Refusal, done};
use crate::control::plugin;

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/plugins", "list_plugins", "List the plugins.", list)
            .needs(UseCase::ListPlugins)
            .answers(200, reference("Plugins")),
        Route::new(
            Method::GET,
            "/plugins/{name}",
            "show_plugin",
            "Show a plugin: its digest, hooks and grants, and why it is not in service.",
            show,
        )
        .needs(UseCase::ListPlugins)
        .answers(200, reference("Plugin"))
        .versioned(),
        Route::new(Method::POST, "/plugins/reload", "reload_plugins", "Read the plugin directory again.", reload)
            .needs(UseCase::ReloadPlugins)
            .answers(200, reference("Done")),
        Route::new(
            Method::PUT,
            "/plugins/{name}",
            "install_plugin",
            "Install a plugin, or replace one, if httpd.manage_plugins allows it and a trusted key has signed it.",
            install,
        )
        .needs(UseCase::InstallPlugin)
        .body(json!({
            "type": "object",
            "properties": {
                "component": {"type": "string", "contentEncoding": "base64"},
                "signature": {"type": "string", "description": "An SSH signature, as tidegate plugin sign writes it."},
            },
            "required": ["component", "signature"],
            "additionalProperties": false,
        }))
        .answers(200, reference("Done"))
        .versioned(),
        Route::new(
            Method::DELETE,
            "/plugins/{name}",
            "remove_plugin",
            "Remove a plugin, if httpd.manage_plugins allows it; the gates that it served refuse until they are let go.",
            remove,
        )
        .needs(UseCase::RemovePlugin)
        .answers(200, reference("Done"))
        .versioned(),
        Route::new(
            Method::DELETE,
            "/plugins/{name}/gates",
            "forget_plugin",
            "Let go of the gates that a missing plugin served, if httpd.manage_plugins allows it.",
            forget,
        )
        .needs(UseCase::ForgetPlugin)
        .answers(200, reference("Done"))
        .versioned(),
    ]
}

/// A component of 64 MiB in Base64, and the texts around it.
const PLUGIN: BodyLimit = BodyLimit { size: 88 << 20, time: Duration::from_secs(600) };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Installation {
    component: String,
    signature: String,
}

async fn list(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let plugins = api.administration.plugins.list(&actor).await?;
    Ok(answer::json(&Plugins { plugins: plugins.into_iter().map(plugin).collect() }))
}

async fn show(State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name) -> Result<Response, Refusal> {
    Ok(answer::json(&shown(&api, &actor, &name).await?))
}

async fn shown(api: &RestApi, actor: &Actor, name: &str) -> Result<Plugin, Refusal> {
    Ok(plugin(api.administration.plugins.show(actor, name).await?))
}

async fn reload(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    api.administration.plugins.reload(&actor).await?;
    Ok(done(StatusCode::OK, "Plugins loaded"))
}

async fn forget(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    based.require(shown(&api, &actor, &name)).await?;
    api.administration.plugins.forget(&actor, &name).await?;
    Ok(done(StatusCode::OK, "Gates let go"))
}

async fn install(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    based: Conditions,
    request: Request,
) -> Result<Response, Refusal> {
    let _place = dumps::room_for(&api, dumps::length_of(&request), PLUGIN).await?;
    let Installation { component, signature } = parse(&bytes(request, PLUGIN).await?)?;
    let component = STANDARD.decode(component);
    let component = component.map_err(|error| Refusal::of_field("component", format!("is no Base64: {error}")))?;
    based.require_stored(shown(&api, &actor, &name)).await?;
    api.administration.plugins.install(&actor, &name, SignedPlugin { component, signature }).await?;
    Ok(done(StatusCode::OK, "Plugin installed"))
}

async fn remove(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    based.require(shown(&api, &actor, &name)).await?;
    api.administration.plugins.remove(&actor, &name).await?;
    Ok(done(StatusCode::OK, "Plugin removed"))
}
