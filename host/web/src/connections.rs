//! Open sessions and their transfers, as they are now.

use std::sync::Arc;

use axum::response::Response;
use tidegate_core::admin::UseCase;
use tidegate_core::connection::ConnectionId;
use tidegate_core::hook::DecidingCall;
use tidegate_core::ports::{Clock, SystemClock};
use tidegate_core::session::{Session, TransferView};

use crate::guard::Need;
use crate::live;
use crate::problem::Problem;
use crate::request::{Asked, address, see};
use crate::route::Route;
use crate::text::{bytes, natural, seconds, share};
use crate::view::{Action, Block, Button, Cell, Control, Form, Input, InputKind, Rendered, Running, Table, Tone};

const HEAD: [&str; 7] = ["User", "Address", "Client", "Protocol", "Transfers", "Decided by", "End"];

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/connections", Need::For(UseCase::ListSessions), show),
        Route::post("/web/connections/close", Need::For(UseCase::CloseSession), close),
        Route::post("/web/connections/ban", Need::For(UseCase::CloseSession), close_and_ban),
    ]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let search = asked.query.given("search").unwrap_or_default();
    if asked.is_fragment && asked.query.text("part") == "table" {
        return live::part(&asked, table(&asked, &search)).await;
    }
    let table = table(&asked, &search).await?;
    let is_live = asked.query.text("live") != "0";
    let mut blocks = Vec::new();
    match asked.query.text("done") {
        "closed" => blocks.push(Block::Note(Tone::Good, "The connection was closed.".to_owned())),
        "banned" => {
            blocks.push(Block::Note(Tone::Good, "The connection was closed, and its address is banned.".to_owned()))
        }
        _ => {}
    }
    let input = Input::new("search", "Filter", &search, InputKind::Search { is_first: false })
        .about("A part of the name, the address, the client, the connection or a path.");
    let mut form = Form::search("filter", "/web/connections", vec![Control::Input(input)]);
    form.live = if is_live { "connections" } else { "sessions" };
    if !is_live {
        form.hidden.push(("live", "0".to_owned()));
    }
    blocks.push(Block::Form(form));
    let at = |live: &str| address("/web/connections", &[("search", &search), ("live", live)]);
    let (text, to) = if is_live { ("Stop refreshing", at("0")) } else { ("Refresh every two seconds", at("")) };
    let again =
        Action { text: "Refresh now".to_owned(), address: at(if is_live { "" } else { "0" }), tone: Tone::Plain };
    blocks.push(Block::Actions(vec![Action { text: text.to_owned(), address: to, tone: Tone::Plain }, again]));
    let table = Block::Table(table);
    blocks.push(if is_live {
        let address = address("/web/connections", &[("part", "table"), ("search", &search)]);
        Block::Live { id: "connections", address, inner: Rendered::blocks(&[table]) }
    } else {
        table
    });
    Ok(asked.page("Connections", blocks))
}

async fn table(asked: &Asked, search: &str) -> Result<Table, Problem> {
    let (administration, actor) = (&asked.web.administration, asked.actor()?);
    let now = SystemClock.now();
    let mut sessions = administration.sessions.list(actor).await?;
    let all = sessions.len();
    sessions.retain(|session| search.is_empty() || is_meant(session, search));
    let caption = match sessions.len() {
        shown if shown == all => format!("{all} open session(s)"),
        shown => format!("{shown} of {all} open session(s)"),
    };
    let mut table = Table::new("sessions", caption, &HEAD, "No session is open.");
    for session in &sessions {
        let id = session.id.as_str();
        let decided = match deciding(&session.live.decisions()) {
            // An administrator that may not see calls does not see them here, either.
            Some(text) if asked.may(UseCase::ListRuns) => Cell::link(text, address("/web/runs", &[("connection", id)])),
            Some(_) | None => Cell::text(""),
        };
        let (protocol, command) = session.live.channel();
        let open = natural(now.saturating_sub(session.opened_at)) / 1000;
        let name = session.account.username.clone();
        let user = match asked.may(UseCase::ShowUser) {
            true => Cell::link(name.clone(), address("/web/users/show", &[("name", &name)])),
            false => Cell::text(name),
        };
        let transfers = session.live.transfers();
        table.ids.push(format!("session-{id}"));
        table.rows.push(vec![
            user,
            Cell::text(session.connection.remote.to_string()),
            Cell::text(session.connection.client_software().unwrap_or_default()),
            Cell::text(format!("{protocol} {command}\nfor {}", seconds(open))),
            Cell::Transfers(transfers.iter().map(|transfer| running(transfer, now)).collect()),
            decided,
            Cell::Buttons(buttons(asked, session)),
        ]);
    }
    Ok(table)
}

fn is_meant(session: &Arc<Session>, search: &str) -> bool {
    let search = search.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&search);
    has(&session.account.username)
        || has(&session.connection.remote.to_string())
        || has(session.connection.client_software().unwrap_or_default())
        || has(session.id.as_str())
        || session.live.transfers().iter().any(|transfer| has(&transfer.path))
}

/// The hooks that have decided, a line each; None: none has.
fn deciding(calls: &[Arc<DecidingCall>]) -> Option<String> {
    let line = |call: &Arc<DecidingCall>| {
        let DecidingCall { kind, hook, about, outcome } = &**call;
        let about = about.as_deref().map(|about| format!(" ({about})")).unwrap_or_default();
        format!("{hook}: {outcome}, {kind}{about}")
    };
    (!calls.is_empty()).then(|| calls.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// What a transfer has moved, and how fast it is now. How much is left is known of downloads, and of uploads whose client
/// says how long the file will be, as scp does; most clients of SFTP do not. A transfer that goes on after an earlier one
/// has done what that has.
fn running(transfer: &TransferView, now: i64) -> Running {
    let took = natural(now.saturating_sub(transfer.start_time));
    let TransferView { operation_type, path, offset, size, rate, total, .. } = transfer;
    let done = offset.saturating_add(*size);
    let moved = match total {
        Some(total) => format!("{} of {}", bytes(done), bytes(*total)),
        None if *offset > 0 => format!("{} after {}", bytes(*size), bytes(*offset)),
        None => bytes(*size),
    };
    let left = total.and_then(|total| total.saturating_sub(done).checked_div(*rate));
    let left = left.map(|left| format!(", {} left", seconds(left))).unwrap_or_default();
    Running {
        path: format!("{operation_type} {path}"),
        text: format!("{moved}, {}/s, for {}{left}", bytes(*rate), seconds(took / 1000)),
        share: total.map(|total| share(done, total)),
    }
}

fn buttons(asked: &Asked, session: &Session) -> Vec<Button> {
    if !asked.may(UseCase::CloseSession) {
        return Vec::new();
    }
    let id = session.id.as_str();
    let of = format!("the connection of {} from {}", session.account.username, session.connection.remote);
    let button = |what: &str, text, of: String, tone| Button {
        id: format!("{what}-{id}"),
        text,
        of,
        address: format!("/web/connections/{what}"),
        hidden: vec![("id", id.to_owned())],
        tone,
    };
    let mut buttons = vec![button("close", "Close", of.clone(), Tone::Plain)];
    if asked.may(UseCase::AddBan) {
        buttons.push(button("ban", "Close and ban", of, Tone::Bad));
    }
    buttons
}

async fn close(asked: Asked) -> Result<Response, Problem> {
    let id = ConnectionId::new(asked.form.text("id"));
    asked.web.administration.sessions.close(asked.actor()?, &id).await?;
    Ok(see("/web/connections?done=closed"))
}

async fn close_and_ban(asked: Asked) -> Result<Response, Problem> {
    let (administration, actor, id) = (&asked.web.administration, asked.actor()?, asked.form.text("id"));
    // Before anything is said about the connection.
    administration.audit.allow(actor, UseCase::AddBan, id).await?;
    let sessions = administration.sessions.list(actor).await?;
    let session = sessions.iter().find(|session| session.id.as_str() == id);
    let address = session.map(|session| session.connection.remote.ip().to_canonical().to_string());
    let address = address.ok_or_else(|| Problem::from(tidegate_core::admin::AdminError::NoSession))?;
    // Before it is closed: a client that comes back at once is refused.
    administration.bans.add(actor, &address, None).await?;
    administration.sessions.close(actor, &ConnectionId::new(id)).await?;
    Ok(see("/web/connections?done=banned"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_that_decided_are_named_with_what_they_said() {
        let call = |kind, hook: &str, about: Option<&str>, outcome| {
            Arc::new(DecidingCall { kind, hook: hook.into(), about: about.map(str::to_owned), outcome })
        };
        let login = call("external-auth", "ldap", Some("password"), "accept");
        let file = call("pre-action", "scanner", Some("upload"), "timeout");
        for (calls, expected) in [
            (vec![], None),
            (vec![login.clone()], Some("ldap: accept, external-auth (password)")),
            (vec![call("connect", "x", None, "deny")], Some("x: deny, connect")),
            (vec![login, file], Some("ldap: accept, external-auth (password)\nscanner: timeout, pre-action (upload)")),
        ] {
            assert_eq!(deciding(&calls).as_deref(), expected);
        }
    }

    #[test]
    fn transfers_say_what_is_left_where_that_is_known() {
        let check = |(offset, size, total): (u64, u64, Option<u64>), rate: u64, expected: (&str, Option<u64>)| {
            let (operation_type, path) = ("upload", "/a".to_owned());
            let view =
                TransferView { operation_type, path, start_time: 0, offset, size, rate, total, last_activity: 0 };
            let Running { text, share, .. } = running(&view, 2000);
            assert_eq!((text.as_str(), share), expected);
        };
        check((0, 2048, None), 1024, ("2.0 KiB, 1.0 KiB/s, for 2 s", None));
        check((0, 2048, Some(8192)), 1024, ("2.0 KiB of 8.0 KiB, 1.0 KiB/s, for 2 s, 6 s left", Some(250)));
        check((0, 0, Some(8192)), 0, ("0 B of 8.0 KiB, 0 B/s, for 2 s", Some(0)));
        // It was fast, and stalls.
        check((0, 4096, Some(8192)), 0, ("4.0 KiB of 8.0 KiB, 0 B/s, for 2 s", Some(500)));
        // What an earlier transfer has moved is done.
        check((4096, 2048, Some(8192)), 1024, ("6.0 KiB of 8.0 KiB, 1.0 KiB/s, for 2 s, 2 s left", Some(750)));
        check((4096, 2048, None), 1024, ("2.0 KiB after 4.0 KiB, 1.0 KiB/s, for 2 s", None));
        // A client may send more than it said.
        check((0, 8192, Some(4096)), 8192, ("8.0 KiB of 4.0 KiB, 8.0 KiB/s, for 2 s, 0 s left", Some(1000)));
    }
}
