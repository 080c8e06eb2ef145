//! Open sessions and their transfers, as they are now.

use axum::response::{Html, IntoResponse, Response};
use std::sync::Arc;
use tidegate_core::admin::UseCase;
use tidegate_core::connection::ConnectionId;
use tidegate_core::ports::{Clock, RunFilter, SystemClock};
use tidegate_core::session::{Session, TransferView};

use crate::guard::Need;
use crate::problem::Problem;
use crate::request::{Asked, address, see};
use crate::route::Route;
use crate::text::{bytes, natural, seconds};
use crate::view::{Action, Block, Button, Cell, Control, Form, Input, InputKind, Rendered, Table, Tone};

/// Records of hook calls in which the last one of each connection is looked for.
const RUNS: u32 = 500;
const HEAD: [&str; 7] = ["User", "Address", "Client", "Protocol", "Transfers", "Last hook", "End"];

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/connections", Need::For(UseCase::ListSessions), show),
        Route::post("/web/connections/close", Need::For(UseCase::CloseSession), close),
        Route::post("/web/connections/ban", Need::For(UseCase::CloseSession), close_and_ban),
    ]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let search = asked.query.given("search").unwrap_or_default();
    let table = table(&asked, &search).await?;
    if asked.is_fragment && asked.query.text("part") == "table" {
        return Ok(Html(Rendered::blocks(&[Block::Table(table)]).html().to_owned()).into_response());
    }
    let is_live = asked.query.text("live") != "0";
    let mut blocks = Vec::new();
    match asked.query.text("done") {
        "closed" => blocks.push(Block::Note(Tone::Good, "The connection was closed.".to_owned())),
        "banned" => {
            blocks.push(Block::Note(Tone::Good, "The connection was closed, and its address is banned.".to_owned()))
        }
        _ => {}
    }
    let input = Input::new("search", "Filter", &search, InputKind::Search)
        .about("A part of the name, the address, the client, the connection or a path.");
    let mut form = Form::search("filter", "/web/connections", vec![Control::Input(input)]);
    form.live = "connections";
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
    let last_hooks = if asked.may(UseCase::ListRuns) && !sessions.is_empty() {
        let since = sessions.iter().map(|session| session.connection.opened_at).min();
        administration.hook_runs.list(actor, RunFilter { since, limit: RUNS, ..RunFilter::default() }).await?
    } else {
        Vec::new()
    };
    let caption = match sessions.len() {
        shown if shown == all => format!("{all} open session(s)"),
        shown => format!("{shown} of {all} open session(s)"),
    };
    let mut table = Table::new("sessions", caption, &HEAD, "No session is open.");
    for session in &sessions {
        let id = session.id.as_str();
        let run = last_hooks.iter().rev().find(|run| run.connection.as_deref() == Some(id) && run.kind != "login");
        let hook = match run {
            Some(run) => Cell::link(format!("{}: {}", run.kind, run.outcome), format!("/web/runs/show?id={}", run.id)),
            None => Cell::text(""),
        };
        let (protocol, command) = session.live.channel();
        let open = natural(now.saturating_sub(session.opened_at)) / 1000;
        let name = session.account.username.clone();
        let user = match asked.may(UseCase::ShowUser) {
            true => Cell::link(name.clone(), address("/web/users/show", &[("name", &name)])),
            false => Cell::text(name),
        };
        let transfers = session.live.transfers();
        table.rows.push(vec![
            user,
            Cell::text(session.connection.remote.to_string()),
            Cell::text(session.connection.client_software().unwrap_or_default()),
            Cell::text(format!("{protocol} {command}\nfor {}", seconds(open))),
            Cell::Lines(transfers.iter().map(|transfer| transfer_text(transfer, now)).collect()),
            hook,
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

/// What a transfer has moved, and how fast. How much is left is not known: clients of SFTP do not say how long a file
/// will be.
fn transfer_text(transfer: &TransferView, now: i64) -> String {
    let took = natural(now.saturating_sub(transfer.start_time));
    let rate = transfer.size.saturating_mul(1000) / took.max(1);
    let TransferView { operation_type, path, size, .. } = transfer;
    format!("{operation_type} {path}: {}, {}/s, for {}", bytes(*size), bytes(rate), seconds(took / 1000))
}

fn buttons(asked: &Asked, session: &Session) -> Vec<Button> {
    if !asked.may(UseCase::CloseSession) {
        return Vec::new();
    }
    let (id, name) = (session.id.as_str(), &session.account.username);
    let button = |what: &str, text, label: String, tone| Button {
        id: format!("{what}-{id}"),
        text,
        label,
        address: format!("/web/connections/{what}"),
        hidden: vec![("id", id.to_owned())],
        tone,
    };
    let mut buttons = vec![button("close", "Close", format!("Close the connection of {name}"), Tone::Plain)];
    if asked.may(UseCase::AddBan) {
        let label = format!("Close the connection of {name}, and ban its address");
        buttons.push(button("ban", "Close and ban", label, Tone::Bad));
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
    let sessions = administration.sessions.list(actor).await?;
    let session = sessions.iter().find(|session| session.id.as_str() == id);
    let address = session.map(|session| session.connection.remote.ip().to_canonical().to_string());
    let address = address.ok_or_else(|| Problem::from(tidegate_core::admin::AdminError::NoSession))?;
    // Before it is closed: a client that comes back at once is refused.
    administration.bans.add(actor, &address, None).await?;
    administration.sessions.close(actor, &ConnectionId::new(id)).await?;
    Ok(see("/web/connections?done=banned"))
}
