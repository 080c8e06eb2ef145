//! "Why was X refused?": the attempts of a user, from an address or of a connection. The reason stands above the steps
//! of each.

use std::net::IpAddr;

use axum::response::Response;
use tidegate_core::admin::{BannedAddress, UseCase};
use tidegate_core::connection::LoginMethod;
use tidegate_core::guard::Source;
use tidegate_core::ports::{AuditOutcome, AuditQuery, StoredRun};

use crate::attempts::{Attempts, Search, of_search};
use crate::guard::Need;
use crate::judgement::{LOGIN, reason_of, refused_operation, said_of};
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::route::Route;
use crate::runs::step;
use crate::text::{moment, time};
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Table, Tone};

/// Log-ins over the web and over REST that are shown.
const OTHER_DOORS: u32 = 5;

pub fn routes() -> Vec<Route> {
    vec![Route::get("/web/refused", Need::For(UseCase::ListRuns), refused)]
}

/// What was asked about a user, an address or a connection: one field, whose text decides which of the three it is.
async fn refused(asked: Asked) -> Result<Response, Problem> {
    let who = asked.query.given("who").unwrap_or_default();
    let field = Input::new("who", "User, address or connection", &who, InputKind::Search { is_first: who.is_empty() })
        .about("The user whose login was refused, or the address or connection that it came from.");
    let mut blocks = vec![Block::Form(Form::search("why", "/web/refused", vec![Control::Input(field)]))];
    if who.is_empty() {
        return Ok(asked.page("Why refused?", blocks));
    }
    let (is_all, before) = (asked.query.choice("all", &["1"])? == "1", asked.query.natural("before")?);
    let found = of_search(&asked, &Search { who: &who, is_all, before }).await?;
    let ban = ban_of(&asked, &who).await?;
    let mut elsewhere = if before.is_none() { of_other_doors(&asked, &who).await? } else { None };
    if let Some(ban) = &ban {
        let text = format!(
            "The address is banned until {} UTC, so that its connections are refused before any log-in. The reason: {}.",
            moment(ban.until).text,
            ban.reason()
        );
        blocks.push(Block::Note(Tone::Bad, text));
        blocks.push(Block::Actions(vec![action("To the bans", "/web/bans".to_owned())]));
    }
    if found.shown.is_empty() && before.is_some() {
        blocks.push(Block::Text("There are no older ones.".to_owned()));
    } else if found.shown.is_empty() && ban.is_none() && elsewhere.is_none() {
        let text = format!(
            "No hook was asked about “{who}” lately, and no login of it is recorded. Look at the spelling: upper and \
             lower case are different."
        );
        blocks.push(Block::Note(Tone::Plain, text));
    }
    if found.has_no_refusal {
        // Those stand first, as they are what was asked about.
        blocks.extend(elsewhere.take().map(Block::Table));
        let text = "No log-in over SFTP was refused lately. These are the last connections.";
        blocks.push(Block::Note(Tone::Plain, text.to_owned()));
    }
    for runs in &found.shown {
        blocks.extend(attempt(&asked, runs));
    }
    let ways = ways_on(&who, &found);
    blocks.extend((!ways.is_empty()).then_some(Block::Actions(ways)));
    blocks.extend(elsewhere.map(Block::Table));
    Ok(asked.page(format!("Why was {who} refused?"), blocks))
}

fn action(text: &str, address: String) -> Action {
    Action { text: text.to_owned(), address, tone: Tone::Plain }
}

/// To older attempts, and to those that were accepted or back.
fn ways_on(who: &str, found: &Attempts) -> Vec<Action> {
    let all = if found.is_all { "1" } else { "" };
    let mut ways = Vec::new();
    if let Some(older) = found.older {
        let older = older.to_string();
        let fields = [("who", who), ("all", all), ("before", older.as_str())];
        ways.push(action("Older ones", address("/web/refused", &fields)));
    }
    if !found.is_of_connection && !found.has_no_refusal {
        ways.push(if found.is_all {
            action("Refused ones alone", address("/web/refused", &[("who", who)]))
        } else {
            action("Accepted ones as well", address("/web/refused", &[("who", who), ("all", "1")]))
        });
    }
    ways
}

/// An attempt: its outcome, its steps, and links to more.
fn attempt(asked: &Asked, runs: &[StoredRun]) -> Vec<Block> {
    let Some(first) = runs.first() else { return Vec::new() };
    let name = runs.iter().find_map(|run| run.username.as_deref());
    let from = first.address.as_deref();
    let heading = format!("{}: {} from {}", moment(first.at).text, name.unwrap_or("?"), from.unwrap_or("?"));
    let mut blocks = vec![Block::Heading(heading)];
    blocks.extend(said_of(runs).map(|(tone, text)| Block::Note(tone, text)));
    if let Some(operation) = refused_operation(runs) {
        let text = format!("After the log-in, an operation was refused {}.", reason_of(operation));
        blocks.push(Block::Note(Tone::Bad, text));
    }
    blocks.push(Block::Steps(runs.iter().map(|run| step(asked, run, false)).collect()));
    let mut actions = Vec::new();
    if let Some(name) = name {
        if asked.may(UseCase::ExplainHooks) {
            let fields = [("username", name), ("method", method_of(runs)), ("address", from.unwrap_or_default())];
            actions.push(action("Ask again, without effects", address("/web/explain", &fields)));
        }
        if asked.may(UseCase::ShowUser) {
            actions.push(action("Show this user", address("/web/users/show", &[("name", name)])));
        }
    }
    if let Some(connection) = &first.connection {
        let calls = address("/web/runs", &[("connection", connection)]);
        actions.push(action("All calls about this connection", calls));
    }
    blocks.push(Block::Actions(actions));
    blocks
}

/// The method of the try that is judged, which is the last one. Other calls are about file operations as well.
fn method_of(runs: &[StoredRun]) -> &str {
    let is_method = |about: &&str| LoginMethod::ALL.iter().any(|method| method.as_str() == *about);
    let outcomes = runs.iter().rev().filter(|run| run.kind == LOGIN);
    outcomes.chain(runs.iter().rev()).filter_map(|run| run.about.as_deref()).find(is_method).unwrap_or_default()
}

/// The ban of an address, as far as the administrator may know.
async fn ban_of(asked: &Asked, who: &str) -> Result<Option<BannedAddress>, Problem> {
    let Ok(address) = who.parse::<IpAddr>() else { return Ok(None) };
    if !asked.may(UseCase::ListBans) {
        return Ok(None);
    }
    let source = Source::from(address).to_string();
    let bans = asked.web.administration.bans.list(asked.actor()?).await?;
    Ok(bans.into_iter().find(|ban| ban.address == source))
}

/// Log-ins over the web and over REST that were refused, of which the audit has records; where a hook refused, its call is
/// among the attempts as well. None: there are none, or the administrator may not know.
async fn of_other_doors(asked: &Asked, who: &str) -> Result<Option<Table>, Problem> {
    if !asked.may(UseCase::ListAudit) {
        return Ok(None);
    }
    let refused = || AuditQuery {
        actions: vec!["login".to_owned()],
        outcome: Some(AuditOutcome::Refused),
        limit: OTHER_DOORS,
        ..AuditQuery::default()
    };
    let (audit, actor) = (&asked.web.administration.audit, asked.actor()?);
    let mut found = audit.list(actor, AuditQuery { name: Some(who.to_owned()), ..refused() }).await?;
    if let Ok(address) = who.parse::<IpAddr>() {
        let address = Some(address.to_canonical());
        found.extend(audit.list(actor, AuditQuery { address, ..refused() }).await?);
    }
    if found.is_empty() {
        return Ok(None);
    }
    let head = ["Time", "Door", "Kind", "Name", "Address", "Reason"];
    let mut table =
        Table::new("other-doors", "Refused log-ins over the web and over REST; times are in UTC", &head, "");
    let rows = found.into_iter().map(|stored| {
        let record = stored.record;
        let from = record.author.address.map(|address| address.to_string()).unwrap_or_default();
        vec![
            time(record.at),
            Cell::text(record.author.door.as_str()),
            Cell::text(record.kind),
            Cell::text(record.name),
            Cell::text(from),
            Cell::text(record.detail),
        ]
    });
    table.rows = rows.collect();
    Ok(Some(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_that_of_the_last_try() {
        let check = |runs: &[(&str, &str)], expected: &str| {
            let run = |(kind, about): &(&str, &str)| StoredRun {
                kind: (*kind).to_owned(),
                about: Some((*about).to_owned()),
                ..StoredRun::default()
            };
            let runs: Vec<_> = runs.iter().map(run).collect();
            assert_eq!(method_of(&runs), expected, "{runs:?}");
        };
        check(&[], "");
        // As OpenSSH does: the keys first.
        check(&[("login", "publickey"), ("login-pre", "password"), ("login", "password")], "password");
        check(&[("login", "publickey"), ("login-pre", "password")], "publickey");
        check(&[("login-pre", "password"), ("pre-upload", "upload")], "password");
        check(&[("pre-upload", "upload")], "");
    }
}
