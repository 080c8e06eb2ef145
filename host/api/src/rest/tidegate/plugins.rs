//! Plugins.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use tidegate_api_types::Plugins;
use tidegate_core::admin::UseCase;

use super::super::RestApi;
use super::super::extract::Name;
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
        .answers(200, reference("Plugin")),
        Route::new(Method::POST, "/plugins/reload", "reload_plugins", "Read the plugin directory again.", reload)
            .needs(UseCase::ReloadPlugins)
            .answers(200, reference("Done")),
        Route::new(
            Method::DELETE,
            "/plugins/{name}/gates",
            "forget_plugin",
            "Let go of the gates that a missing plugin served.",
            forget,
        )
        .needs(UseCase::ForgetPlugin)
        .answers(200, reference("Done")),
    ]
}

async fn list(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let plugins = api.administration.plugins.list(&actor).await?;
    Ok(answer::json(&Plugins { plugins: plugins.into_iter().map(plugin).collect() }))
}

async fn show(State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name) -> Result<Response, Refusal> {
    Ok(answer::json(&plugin(api.administration.plugins.show(&actor, &name).await?)))
}

async fn reload(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    api.administration.plugins.reload(&actor).await?;
    Ok(done(StatusCode::OK, "Plugins loaded"))
}

async fn forget(State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name) -> Result<Response, Refusal> {
    api.administration.plugins.forget(&actor, &name).await?;
    Ok(done(StatusCode::OK, "Gates let go"))
}
