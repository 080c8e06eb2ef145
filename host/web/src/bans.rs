//! Banned addresses.

use std::time::Duration;

use axum::response::Response;
use serde_json::Value;
use tidegate_core::admin::UseCase;
use tidegate_core::ports::{Clock, SystemClock};

use crate::guard::Need;
use crate::problem::Problem;
use crate::request::{Asked, address, see};
use crate::route::Route;
use crate::text::{natural, seconds, time};
use crate::view::{Block, Button, Cell, Control, Form, Input, InputKind, Table, Tone};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/bans", Need::For(UseCase::ListBans), list),
        Route::post("/web/bans/add", Need::For(UseCase::AddBan), add),
        Route::post("/web/bans/remove", Need::For(UseCase::RemoveBan), remove),
    ]
}

async fn list(asked: Asked) -> Result<Response, Problem> {
    let bans = asked.web.administration.bans.list(asked.actor()?).await?;
    let (can_end, knows_runs) = (asked.may(UseCase::RemoveBan), asked.may(UseCase::ListRuns));
    let mut table = Table::new("bans", "Banned addresses; times are in UTC", &[], "No address is banned.");
    table.head = vec!["Address", "Why", "Until", "Left"];
    table.head.extend(can_end.then_some("End"));
    let now = SystemClock.now();
    for ban in bans {
        let why = if ban.score == 0 { "by an administrator".to_owned() } else { format!("score {}", ban.score) };
        let link = address("/web/refused", &[("who", &ban.address)]);
        let mut cells = vec![
            if knows_runs { Cell::link(ban.address.clone(), link) } else { Cell::text(ban.address.clone()) },
            Cell::text(why),
            time(ban.until),
            Cell::Number(seconds(natural(ban.until.saturating_sub(now)) / 1000)),
        ];
        if can_end {
            cells.push(Cell::Buttons(vec![Button {
                id: format!("end-{}", ban.address),
                text: "End",
                of: format!("the ban of {}", ban.address),
                address: "/web/bans/remove".to_owned(),
                hidden: vec![("address", ban.address)],
                tone: Tone::Plain,
            }]));
        }
        table.rows.push(cells);
    }
    let mut blocks = Vec::new();
    match asked.query.text("done") {
        "added" => blocks.push(Block::Note(Tone::Good, "The address is banned.".to_owned())),
        "removed" => blocks.push(Block::Note(Tone::Good, "The ban was ended.".to_owned())),
        _ => {}
    }
    if asked.may(UseCase::AddBan) {
        let line = InputKind::Text { complete: "off", is_needed: true, is_first: false };
        let minutes = InputKind::Number { min: "1".to_owned(), max: "525600".to_owned() };
        let controls = vec![
            Control::Input(Input::new("address", "Address", "", line)),
            Control::Input(Input::new("minutes", "Minutes", "", minutes).about("Empty: as long as a first ban.")),
        ];
        blocks.push(Block::Form(Form::post("ban", "/web/bans/add", controls, "Ban the address")));
    }
    blocks.push(Block::Table(table));
    let exempt = asked.web.facts.configuration.pointer("/values/common/defender/exempt").and_then(Value::as_array);
    let exempt: Vec<&str> = exempt.into_iter().flatten().filter_map(Value::as_str).collect();
    let exempt = if exempt.is_empty() { "none".to_owned() } else { exempt.join(", ") };
    blocks.push(Block::Text(format!(
        "Networks that are never banned (common.defender.exempt): {exempt}. They are changed in the configuration."
    )));
    Ok(asked.page("Bans", blocks))
}

async fn add(asked: Asked) -> Result<Response, Problem> {
    let minutes = match asked.form.given("minutes") {
        Some(text) => Some(text.parse::<u32>().map_err(|_| Problem::wrong("The minutes are no whole number."))?),
        None => None,
    };
    let time = minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
    asked.web.administration.bans.add(asked.actor()?, asked.form.text("address"), time).await?;
    Ok(see("/web/bans?done=added"))
}

async fn remove(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.bans.remove(asked.actor()?, asked.form.text("address")).await?;
    Ok(see("/web/bans?done=removed"))
}
