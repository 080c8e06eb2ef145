//! Dumps and loads.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::json;
use tidegate_core::admin::{Actor, UseCase};

use super::super::RestApi;
use super::super::dumps::{self, ScanAfterLoad, Text};
use super::super::extract::Query;
use super::super::guard::Caller;
use super::super::openapi::{reference, switch, word};
use super::super::route::Route;
use crate::answer::{Refusal, done};

pub fn routes() -> Vec<Route> {
    let load = |route: Route| {
        route
            .needs(UseCase::Load)
            .query(
                "scan-quota",
                json!({"type": "integer", "enum": [0, 1, 2]}),
                "1: count the files of all accounts; 2: of those with a quota.",
            )
            .query("mode", json!({"type": "integer", "enum": [0]}), "0: add new objects and replace stored ones.")
            .answers(200, reference("Done"))
    };
    vec![
        Route::new(
            Method::GET,
            "/dumpdata",
            "dumpdata",
            "Dump accounts, folders, groups and roles, with their secrets, as an answer or to a file.",
            dump,
        )
        .needs(UseCase::Dump)
        .query("output-file", word(), "The file, below the directory of backups; not with output-data.")
        .query("output-data", switch(), "1: the dump is the answer.")
        .query("indent", json!({"type": "integer", "enum": [0, 1]}), "Has no effect: one object is one line.")
        .answers(200, json!({ "anyOf": [reference("Dump"), reference("Done")] })),
        load(Route::new(
            Method::GET,
            "/loaddata",
            "loaddata_from_file",
            "Load a file: all of it, or nothing.",
            load_file,
        ))
        .required("input-file", word(), "The file, below the directory of backups.")
        .changing(),
        load(Route::new(
            Method::POST,
            "/loaddata",
            "loaddata_from_request_body",
            "Load the body: all of it, or nothing.",
            load_body,
        ))
        .body(reference("Dump")),
    ]
}

async fn dump(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    query.flag("indent")?;
    let path = query.text("output-file").filter(|path| !path.is_empty());
    match (query.flag("output-data")?, path) {
        (true, None) => Ok(dumps::streamed(api.administration.clone(), actor).await?),
        (true, Some(_)) => Err(Refusal::of_field("output-file", "give either output-file or output-data")),
        (false, path) => {
            dumps::to_file(&api, &actor, "output-file", path.unwrap_or_default().to_owned()).await?;
            Ok(done(StatusCode::OK, "Data saved"))
        }
    }
}

async fn load_file(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    check_mode(&query)?;
    let path = query.text("input-file").unwrap_or_default().to_owned();
    let text = dumps::from_file(&api, "input-file", path).await?;
    load(&api, &actor, &query, text).await
}

async fn load_body(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    query: Query,
    request: Request,
) -> Result<Response, Refusal> {
    check_mode(&query)?;
    let text = dumps::from_body(&api, request).await?;
    load(&api, &actor, &query, text).await
}

async fn load(api: &RestApi, actor: &Actor, query: &Query, text: Text) -> Result<Response, Refusal> {
    let scans = ScanAfterLoad::of_query(query, "scan-quota")?;
    let loaded = dumps::load(api, actor, text, scans).await?;
    Ok(done(StatusCode::OK, &loaded.message()))
}

/// The older server has two modes more, which this one does not have.
fn check_mode(query: &Query) -> Result<(), Refusal> {
    match query.text("mode") {
        None | Some("" | "0") => Ok(()),
        Some(_) => {
            Err(Refusal::of_field("mode", "this server has the mode 0 only: new objects are added, others replaced"))
        }
    }
}
