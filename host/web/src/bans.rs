//! Banned addresses.

use std::time::Duration;

use axum::response::Response;
use tidegate_core::admin::{BannedAddress, UseCase};
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
        Route::post("/web/bans/exempt", Need::For(UseCase::AddExemption), exempt),
        Route::post("/web/bans/exempt/remove", Need::For(UseCase::RemoveExemption), exempt_no_longer),
    ]
}

async fn list(asked: Asked) -> Result<Response, Problem> {
    let bans = asked.web.administration.bans.list(asked.actor()?).await?;
    let (can_end, knows_runs) = (asked.may(UseCase::RemoveBan), asked.may(UseCase::ListRuns));
    let mut table = Table::new("bans", "Banned addresses; times are in UTC", &[], "No address is banned.");
    table.head = vec!["Address", "Why", "Score", "Until", "Left"];
    table.head.extend(can_end.then_some("End"));
    let now = SystemClock.now();
    table.rows = bans.into_iter().map(|ban| row(ban, now, (knows_runs, can_end))).collect();
    let mut blocks = Vec::new();
    match asked.query.text("done") {
        "added" => blocks.push(Block::Note(Tone::Good, "The address is banned.".to_owned())),
        "exempted" => blocks.push(Block::Note(Tone::Good, "The network is exempt from bans.".to_owned())),
        "not-exempted" => blocks.push(Block::Note(Tone::Good, "The network is no longer exempt.".to_owned())),
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
    blocks.extend(exempt_networks(&asked).await?);
    Ok(asked.page("Bans", blocks))
}

/// A ban at the time `now`; `knows_runs`: whether the administrator may see why log-ins were refused.
fn row(ban: BannedAddress, now: i64, (knows_runs, can_end): (bool, bool)) -> Vec<Cell> {
    let link = address("/web/refused", &[("who", &ban.address)]);
    let mut cells = vec![
        if knows_runs { Cell::link(ban.address.clone(), link) } else { Cell::text(ban.address.clone()) },
        Cell::text(ban.reason()),
        Cell::Number(ban.score.to_string()),
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
    cells
}

/// Networks that are never banned, and a form for another one.
async fn exempt_networks(asked: &Asked) -> Result<Vec<Block>, Problem> {
    let networks = asked.web.administration.bans.exempt_networks(asked.actor()?).await?;
    let can_end = asked.may(UseCase::RemoveExemption);
    let mut table = Table::new("exempt", "Networks whose addresses are never banned", &[], "There are none.");
    table.head = vec!["Network", "By"];
    table.head.extend(can_end.then_some("End"));
    for network in networks.configured {
        let by = Cell::text("the configuration: common.defender.exempt, or proxies");
        let end = can_end.then(|| Cell::text("in the file"));
        table.rows.push([Cell::text(network), by].into_iter().chain(end).collect());
    }
    for network in networks.added {
        let button = Button {
            id: format!("exempt-{network}"),
            text: "End",
            of: format!("the exemption of {network}"),
            address: "/web/bans/exempt/remove".to_owned(),
            hidden: vec![("network", network.clone())],
            tone: Tone::Plain,
        };
        let end = can_end.then(|| Cell::Buttons(vec![button]));
        table.rows.push([Cell::text(network), Cell::text("an administrator")].into_iter().chain(end).collect());
    }
    let mut blocks = vec![Block::Heading("Exempt networks".to_owned())];
    if asked.may(UseCase::AddExemption) {
        let line = InputKind::Text { complete: "off", is_needed: true, is_first: false };
        let input = Input::new("network", "Network", "", line).about(
            "Such as 192.0.2.0/24, of at least 8 bits (16 of IPv6), or an address. Bans of its addresses end. It is exempt \
             after a restart as well.",
        );
        blocks.push(Block::Form(Form::post(
            "exempt-network",
            "/web/bans/exempt",
            vec![Control::Input(input)],
            "Exempt the network",
        )));
    }
    blocks.push(Block::Table(table));
    Ok(blocks)
}

async fn exempt(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.bans.exempt(asked.actor()?, asked.form.text("network")).await?;
    Ok(see("/web/bans?done=exempted"))
}

async fn exempt_no_longer(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.bans.exempt_no_longer(asked.actor()?, asked.form.text("network")).await?;
    Ok(see("/web/bans?done=not-exempted"))
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

#[cfg(test)]
mod tests {
    use tidegate_core::hook::observation::Offences;

    use super::*;
    use crate::tests::texts_of;
    use crate::view::Rendered;

    #[test]
    fn a_ban_says_why_with_which_score_and_for_how_long() {
        let check = |score: u32, login_failed: u16, shown: (bool, bool), expected: &[&str]| {
            let offences = Offences { login_failed, ..Offences::default() };
            let ban = BannedAddress { address: "192.0.2.7".to_owned(), score, offences, until: 1_700_000_065_000 };
            let mut table = Table::new("bans", "", &[], "");
            table.rows.push(row(ban, 1_700_000_000_000, shown));
            let html = Rendered::blocks(&[Block::Table(table)]).html().to_owned();
            let mut cells: Vec<_> = html.split("<tr>").nth(2).unwrap().split("</td>").map(texts_of).collect();
            // What comes after the last cell.
            cells.pop();
            assert_eq!(cells, expected, "{html}");
            let has = |text: &str| html.contains(text);
            assert_eq!((has("/web/refused?who=192.0.2.7"), has("/web/bans/remove")), shown, "{html}");
        };
        let (until, left) = ("2023-11-14 22:14:25", "1 min 5 s");
        check(16, 8, (true, true), &["192.0.2.7", "8 denied logins", "16", until, left, "End"]);
        check(0, 0, (true, false), &["192.0.2.7", "by an administrator", "0", until, left]);
        check(2, 1, (false, true), &["192.0.2.7", "1 denied login", "2", until, left, "End"]);
    }
}
