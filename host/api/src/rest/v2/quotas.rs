//! Quota scans, and usages that an administrator gives.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use tidegate_core::admin::{Actor, UseCase};
use tidegate_core::quota::{NewUsage, Scope, UsedQuota};

use super::super::RestApi;
use super::super::dumps::begin_scan;
use super::super::extract::{Body, Document, Name, Query, only_fields};
use super::super::guard::Caller;
use super::super::openapi::reference;
use super::super::route::Route;
use crate::answer::{self, Refusal, done};

pub fn routes() -> Vec<Route> {
    let text = || json!({"type": "string"});
    let scans = |name: &str| {
        let scan = json!({"type": "object", "properties": {name: text(), "start_time": {"type": "integer"}}});
        json!({"type": "array", "items": scan})
    };
    let usage = || {
        let number = json!({"type": "integer"});
        json!({"type": "object", "properties": {"used_quota_size": number, "used_quota_files": number}, "additionalProperties": false})
    };
    let mode = || json!({"type": "string", "enum": ["add", "reset"], "default": "reset"});
    let about = "reset: the body is the usage; add: it is added to the usage.";
    vec![
        Route::new(
            Method::GET,
            "/quotas/users/scans",
            "get_users_quota_scans",
            "List the scans of accounts.",
            user_scans,
        )
        .needs(UseCase::ListScans)
        .answers(200, scans("username")),
        Route::new(
            Method::POST,
            "/quotas/users/{username}/scan",
            "start_user_quota_scan",
            "Count the files of an account again.",
            scan_user,
        )
        .needs(UseCase::Scan)
        .answers(202, reference("Done")),
        Route::new(
            Method::PUT,
            "/quotas/users/{username}/usage",
            "user_quota_update_usage",
            "Set the usage of an account, or add to it.",
            set_user,
        )
        .needs(UseCase::SetUsage)
        .query("mode", mode(), about)
        .body(usage())
        .answers(200, reference("Done")),
        Route::new(
            Method::GET,
            "/quotas/folders/scans",
            "get_folders_quota_scans",
            "List the scans of folders.",
            folder_scans,
        )
        .needs(UseCase::ListScans)
        .answers(200, scans("name")),
        Route::new(
            Method::POST,
            "/quotas/folders/{name}/scan",
            "start_folder_quota_scan",
            "Count the files of a folder again.",
            scan_folder,
        )
        .needs(UseCase::Scan)
        .answers(202, reference("Done")),
        Route::new(
            Method::PUT,
            "/quotas/folders/{name}/usage",
            "folder_quota_update_usage",
            "Set the usage of a folder, or add to it.",
            set_folder,
        )
        .needs(UseCase::SetUsage)
        .query("mode", mode(), about)
        .body(usage())
        .answers(200, reference("Done")),
    ]
}

async fn user_scans(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let scans = api.administration.scans.list(&actor).await?.into_iter();
    let scans = scans.filter_map(|scan| match scan.scope {
        Scope::Account(name) => Some(json!({ "username": name, "start_time": scan.started_at })),
        Scope::Folder(_) => None,
    });
    Ok(answer::json(&scans.collect::<Vec<_>>()))
}

async fn folder_scans(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let scans = api.administration.scans.list(&actor).await?.into_iter();
    let scans = scans.filter_map(|scan| match scan.scope {
        Scope::Folder(name) => Some(json!({ "name": name, "start_time": scan.started_at })),
        Scope::Account(_) => None,
    });
    Ok(answer::json(&scans.collect::<Vec<_>>()))
}

async fn scan_user(State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name) -> Result<Response, Refusal> {
    begin_scan(&api, &actor, Scope::Account(name)).await?;
    Ok(done(StatusCode::ACCEPTED, "Scan started"))
}

async fn scan_folder(State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name) -> Result<Response, Refusal> {
    begin_scan(&api, &actor, Scope::Folder(name)).await?;
    Ok(done(StatusCode::ACCEPTED, "Scan started"))
}

async fn set_user(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    query: Query,
    Body(document): Document,
) -> Result<Response, Refusal> {
    set(&api, &actor, &Scope::Account(name), &query, &document).await
}

async fn set_folder(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    query: Query,
    Body(document): Document,
) -> Result<Response, Refusal> {
    set(&api, &actor, &Scope::Folder(name), &query, &document).await
}

async fn set(
    api: &RestApi,
    actor: &Actor,
    scope: &Scope,
    query: &Query,
    document: &Map<String, Value>,
) -> Result<Response, Refusal> {
    only_fields(document, &["used_quota_size", "used_quota_files"])?;
    let number = |field: &'static str| match document.get(field) {
        None => Ok(0),
        Some(value) => {
            value.as_i64().ok_or_else(|| Refusal::of_field(field, format!("\"{field}\" must be a whole number")))
        }
    };
    let usage = UsedQuota { size: number("used_quota_size")?, files: number("used_quota_files")? };
    let is_negative = usage.size < 0 || usage.files < 0;
    let usage = match query.text("mode") {
        None | Some("" | "reset") if is_negative => {
            return Err(Refusal::of_field("used_quota_size", "a usage is not below 0"));
        }
        None | Some("" | "reset") => NewUsage::Is(usage),
        Some("add") => NewUsage::Add(usage),
        Some(_) => return Err(Refusal::of_field("mode", "the parameter \"mode\" must be add or reset")),
    };
    api.administration.scans.set_usage(actor, scope, usage).await?;
    Ok(done(StatusCode::OK, "Quota updated"))
}
