//! What is in force for an account, and where it comes from.

use std::collections::BTreeSet;

use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::account::Audience;
use tidegate_core::admin::{ShownEffective, UseCase};

use super::Kind;
use super::show::{capital, fact, tabs};
use crate::difference::{differences, flat};
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::view::{Action, Block, Cell, Table, Tone};

/// Fields that the server maintains, and that differ between a session and the store.
const COUNTED: [&str; 4] = ["used_", "last_", "first_", "updated_at"];

pub async fn show(asked: Asked) -> Result<Response, Problem> {
    let name = asked.query.text("name").to_owned();
    let (administration, actor) = (&asked.web.administration, asked.actor()?);
    let shown = administration.users.effective(actor, &name).await?;
    let about = "The values of sessions that begin now: the account's own, and those that its groups give it. Hooks may \
                 change them for a session, or change the stored account.";
    let mut blocks = vec![tabs(Kind::User, &name, &asked, "effective"), Block::Text(about.to_owned())];
    blocks.push(Block::Table(taken(&shown)));
    if asked.may(UseCase::ListSessions) {
        let sessions = administration.sessions.list(actor).await?;
        for session in sessions.iter().filter(|session| session.account.username == name) {
            let account = session.live.account();
            let document = account.to_document(Audience::Redacted);
            let by = if account.is_of_session() { "a hook, for this session" } else { "a hook, or an earlier state" };
            blocks.extend(of_session(session.id.as_str(), &shown.in_force, &document, by));
        }
    }
    if asked.may(UseCase::ListAudit) {
        let to = address("/web/audit", &[("kind", "user"), ("name", &name)]);
        let text = "Changes of the stored account, by hooks as well".to_owned();
        blocks.push(Block::Actions(vec![Action { text, address: to, tone: Tone::Plain }]));
    }
    let facts = flat(&shown.in_force).into_iter().filter(|(path, _)| path != "public_keys");
    blocks.push(Block::Heading("All that is in force".to_owned()));
    blocks.push(Block::Facts(facts.map(|(path, text)| fact(path, text)).collect()));
    Ok(asked.page(format!("{} {name}", capital(Kind::User.noun())), blocks))
}

/// What the account takes from its groups.
fn taken(shown: &ShownEffective) -> Table {
    let head = ["Field", "Of the account", "In force", "From"];
    let empty = "No group gives the account anything: its own values are in force.";
    let mut table = Table::new("taken", "Values in force that are not the account's own", &head, empty);
    for field in differences(&shown.stored, &shown.in_force) {
        let giving = shown.groups.iter().filter(|group| group.has(&field.path));
        let from: Vec<_> = giving
            .map(
                |group| {
                    if group.is_primary { format!("{}, its primary group", group.name) } else { group.name.clone() }
                },
            )
            .collect();
        let from = if from.is_empty() { vec!["its groups".to_owned()] } else { from };
        let cells = [Cell::Code(field.path), Cell::text(field.before), Cell::text(field.after), Cell::Lines(from)];
        table.rows.push(cells.into());
    }
    table
}

/// What an open session has that a new one would not have.
fn of_session(id: &str, in_force: &Map<String, Value>, document: &Map<String, Value>, by: &str) -> Option<Block> {
    let found: BTreeSet<_> = differences(in_force, document)
        .into_iter()
        .filter(|field| !COUNTED.iter().any(|counted| field.path.starts_with(counted)))
        .map(|field| (field.path, field.before, field.after))
        .collect();
    if found.is_empty() {
        return None;
    }
    let caption = format!("Values of the open session {id} that a new session would not have");
    let mut table = Table::new(format!("session-{id}"), caption, &["Field", "A new session", "This one", "From"], "");
    table.rows = found
        .into_iter()
        .map(|(path, before, after)| vec![Cell::Code(path), Cell::text(before), Cell::text(after), Cell::text(by)])
        .collect();
    Some(Block::Table(table))
}
