//! Trying the file systems of accounts, and what uploads have left in object storage.

use std::time::Duration;

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use serde_json::json;
use tidegate_api_types::{StorageReport, SweptStorage};
use tidegate_core::admin::UseCase;

use super::super::RestApi;
use super::super::extract::Query;
use super::super::guard::Caller;
use super::super::openapi::{reference, word};
use super::super::route::Route;
use crate::answer::{self, Refusal};
use crate::control::{file_system, swept};

/// Hours after which an upload that has not ended is taken for one that a killed server has left.
const OLD: u32 = 24;

pub fn routes() -> Vec<Route> {
    let hours = json!({"type": "integer", "minimum": 0, "maximum": 4294967295_u32, "default": OLD});
    vec![
        Route::new(
            Method::POST,
            "/storage/check",
            "check_storage",
            "Try the file systems of an account: open, list, and put, get and delete a file with a random name.",
            check,
        )
        .needs(UseCase::CheckStorage)
        .required("username", word(), "The account whose home and folders are tried.")
        .answers(200, reference("StorageReport")),
        Route::new(
            Method::POST,
            "/storage/sweep",
            "sweep_storage",
            "Remove what killed servers have left of uploads to object storage; what other programs upload there counts, too.",
            sweep,
        )
        .needs(UseCase::SweepStorage)
        .query("username", json!({"type": "string"}), "Only the home and the folders of this account.")
        .query("older_than", hours, "Only uploads that were begun more than so many hours ago.")
        .answers(200, reference("SweptStorage")),
    ]
}

async fn check(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let username = query.text("username").filter(|username| !username.is_empty());
    let missing = || Refusal::of_field("username", "the parameter \"username\" is missing");
    let username = username.ok_or_else(missing)?.to_owned();
    let checked = api.administration.storage.check(&actor, &username).await?;
    let file_systems = checked.into_iter().map(file_system).collect();
    Ok(answer::json(&StorageReport { username, file_systems }))
}

async fn sweep(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let username = query.text("username").filter(|username| !username.is_empty());
    let hours = query.value::<u32>("older_than", "a whole number of hours")?.unwrap_or(OLD);
    let age = Duration::from_secs(u64::from(hours) * 3_600);
    let found = api.administration.storage.sweep(&actor, username, age).await?;
    Ok(answer::json(&SweptStorage { file_systems: found.into_iter().map(swept).collect() }))
}
