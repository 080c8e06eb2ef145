//! The request that loads a dump. Its body, a [`LoadDump`], is never in memory as a whole.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use tidegate_api_types::{ErrorCode, LoadDump, LoadReport, Operation};
use tidegate_core::account::{Dump, ObjectKind};
use tidegate_core::dump_text::{DumpText, Entry, kinds_in_order, list_of};
use tidegate_core::ports::Spool;

use super::peer::stranger;
use super::{AdminApi, MAX_REQUEST, Peer, answers};
use crate::answer::Refusal;
use crate::loads::{DumpLoad, LoadFailure, load_dump, next_part, read_dump};
use crate::rest::{BodyLimit, spooled};

const LIMIT: BodyLimit = BodyLimit { size: MAX_REQUEST, time: Duration::from_secs(600) };
const FLAGS: [&str; 4] = ["dry_run", "moves_in", "restores", "skips_invalid"];
/// The list of administrators.
const ADMINS: &str = "admins";

pub async fn serve(State(api): State<AdminApi>, peer: Peer, request: Request) -> Response {
    match load(&api, peer, request).await {
        Ok(report) => Json(report).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn load(api: &AdminApi, peer: Peer, request: Request) -> Result<LoadReport, Refusal> {
    let administration = &api.administration;
    let mut spool = administration.backups.spools.begin();
    spooled(request, LIMIT, &mut *spool).await?;
    let dump = read_dump(Arc::<dyn Spool>::from(spool)).await?;
    let is_known =
        |name: &&str| *name == ADMINS || FLAGS.contains(name) || kinds_in_order().any(|kind| list_of(kind) == *name);
    if let Some(name) = dump.names().find(|name| !is_known(name)) {
        return Err(malformed(&format!("there is no field \"{name}\"")));
    }
    let rules = Dump {
        moves_in: flag(&dump, "moves_in")?,
        restores: flag(&dump, "restores")?,
        skips_invalid: flag(&dump, "skips_invalid")?,
        ..Dump::default()
    };
    let is_trial = flag(&dump, "dry_run")?;
    // Before anything is stored: of a request that cannot be read, nothing is.
    let admins = administrators(&dump).await?;
    let Some(actor) = peer.actor().await else { return Err(Refusal(Box::new(stranger()))) };
    let mut roles = std::collections::HashSet::new();
    let note = |kind: Option<ObjectKind>, document: &Map<String, Value>| {
        let name = document.get("name").and_then(Value::as_str).filter(|_| kind == Some(ObjectKind::Role));
        roles.extend(name.map(str::to_owned));
    };
    let loaded = load_dump(&administration.backups, &actor, &dump, (rules, is_trial), note).await?;
    let DumpLoad { loaded, is_stored } = loaded;
    let mut report = answers::load_report(loaded, is_stored);
    if !admins.is_empty() {
        let moved = administration.admins.move_in(&actor, &admins, &roles, is_trial).await?;
        report.admins = moved.into_iter().map(answers::moved_administrator).collect();
    }
    Ok(report)
}

async fn administrators(dump: &DumpText) -> Result<Vec<Map<String, Value>>, LoadFailure> {
    let mut found = Vec::new();
    let Some(mut entries) = dump.entries(ADMINS)? else { return Ok(found) };
    loop {
        let (rest, part) = next_part(entries).await?;
        entries = rest;
        if part.is_empty() {
            return Ok(found);
        }
        for document in part.into_iter().map(Entry::document) {
            found.push(document?);
        }
    }
}

fn flag(dump: &DumpText, name: &str) -> Result<bool, Refusal> {
    match dump.names().any(|known| known == name) && !dump.has(name, "false") {
        false => Ok(false),
        true if dump.has(name, "true") => Ok(true),
        true => Err(malformed(&format!("\"{name}\" must be true or false"))),
    }
}

fn malformed(problem: &str) -> Refusal {
    Refusal::new(ErrorCode::Malformed, format!("the request \"{}\" cannot be read: {problem}", LoadDump::NAME))
}
