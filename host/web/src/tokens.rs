//! Administrators and users that are logged in to the pages and over REST, on every server of the database.

use axum::response::Response;
use tidegate_core::admin::{ShownToken, UseCase};
use tidegate_core::ports::PageRequest;

use crate::guard::Need;
use crate::problem::Problem;
use crate::request::{Asked, address, see};
use crate::route::Route;
use crate::text::time;
use crate::view::{Block, Button, Cell, Table, Tone};

/// Tokens of a page.
const LIMIT: u32 = 100;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/tokens", Need::For(UseCase::ListTokens), list),
        Route::post("/web/tokens/revoke", Need::For(UseCase::RevokeToken), revoke),
    ]
}

async fn list(asked: Asked) -> Result<Response, Problem> {
    let request = PageRequest { after: asked.query.exact("after"), prefix: None, limit: LIMIT };
    let tokens = asked.web.administration.tokens.list(asked.actor()?, request).await?;
    let head = ["Of", "Door", "Address", "Since", "Until", "Do"];
    let caption = "Where administrators and users are logged in; times are in UTC";
    let mut table = Table::new("tokens", caption, &head, "There are no more.");
    let last = tokens.last().filter(|_| tokens.len() >= LIMIT as usize).map(ShownToken::after);
    table.next = last.map(|last| address("/web/tokens", &[("after", &last)]));
    let may_end = asked.may(UseCase::RevokeToken);
    table.rows = tokens.into_iter().map(|token| row(token, may_end)).collect();
    let mut blocks = Vec::new();
    if asked.query.text("done") == "ended" {
        blocks.push(Block::Note(Tone::Good, "It was ended.".to_owned()));
    }
    blocks.push(Block::Table(table));
    Ok(asked.page("Logged in", blocks))
}

fn row(token: ShownToken, may_end: bool) -> Vec<Cell> {
    let of = token.admin;
    let button = may_end.then(|| Button {
        id: format!("revoke-{}", token.id),
        text: "End",
        of: format!("the session of {of} from {}", token.address),
        address: "/web/tokens/revoke".to_owned(),
        hidden: vec![("id", token.id)],
        tone: Tone::Bad,
    });
    vec![
        Cell::text(of),
        Cell::text(token.door.as_str()),
        Cell::text(token.address),
        time(token.created_at),
        time(token.expires_at),
        Cell::Buttons(button.into_iter().collect()),
    ]
}

async fn revoke(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.tokens.revoke_by_id(asked.actor()?, asked.form.text("id")).await?;
    Ok(see("/web/tokens?done=ended"))
}
