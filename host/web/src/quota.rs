//! Quota scans: those under way, and a form that begins one.

use std::sync::Arc;

use axum::response::Response;
use tidegate_core::admin::UseCase;
use tidegate_core::ports::{Clock, SystemClock};
use tidegate_core::quota::Scope;

use crate::guard::Need;
use crate::live;
use crate::problem::Problem;
use crate::request::{Asked, see};
use crate::route::Route;
use crate::text::{natural, seconds};
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Rendered, Table, Tone};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/quota", Need::For(UseCase::ListScans), show),
        Route::post("/web/quota/scan", Need::For(UseCase::Scan), scan),
    ]
}

async fn table(asked: &Asked) -> Result<Table, Problem> {
    let scans = asked.web.administration.scans.list(asked.actor()?).await?;
    let head = ["Of", "Name", "For", "Files", "Directories"];
    let mut table = Table::new("scans", "Scans under way", &head, "No scan is under way.");
    let now = SystemClock.now();
    for scan in scans {
        table.rows.push(vec![
            Cell::text(scan.scope.collection().noun),
            Cell::text(scan.scope.name()),
            Cell::Number(seconds(natural(now.saturating_sub(scan.started_at)) / 1000)),
            Cell::Number(scan.files.to_string()),
            Cell::Number(scan.directories.to_string()),
        ]);
    }
    Ok(table)
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    if asked.is_fragment {
        return live::part(&asked, table(&asked)).await;
    }
    let table = table(&asked).await?;
    let mut blocks = Vec::new();
    if asked.query.text("done") == "begun" {
        blocks.push(Block::Note(Tone::Good, "The scan has begun. The usage is stored when it ends.".to_owned()));
    }
    if asked.may(UseCase::Scan) {
        let kinds =
            [("account", "Account"), ("folder", "Folder")].map(|(value, text)| (value.to_owned(), text.to_owned()));
        let line = InputKind::Text { complete: "off", is_needed: true, is_first: false };
        let controls = vec![
            Control::Input(Input::new("kind", "Of", "account", InputKind::Choice { options: kinds.into() })),
            Control::Input(Input::new("name", "Name", "", line)),
        ];
        blocks.push(Block::Form(Form::post("scan", "/web/quota/scan", controls, "Count its files again")));
    }
    if asked.query.text("live") == "0" {
        let to = Action {
            text: "Refresh every two seconds".to_owned(),
            address: "/web/quota".to_owned(),
            tone: Tone::Plain,
        };
        blocks.extend([Block::Actions(vec![to]), Block::Table(table)]);
    } else {
        let to =
            Action { text: "Stop refreshing".to_owned(), address: "/web/quota?live=0".to_owned(), tone: Tone::Plain };
        let inner = Rendered::blocks(&[Block::Table(table)]);
        let live = Block::Live { id: "live-scans", address: "/web/quota".to_owned(), inner };
        blocks.extend([Block::Actions(vec![to]), live]);
    }
    Ok(asked.page("Quota", blocks))
}

async fn scan(asked: Asked) -> Result<Response, Problem> {
    let name = asked.form.text("name").to_owned();
    let scope = if asked.form.text("kind") == "folder" { Scope::Folder(name) } else { Scope::Account(name) };
    let actor = asked.actor()?.clone();
    let started = asked.web.administration.scans.begin(&actor, &scope).await?;
    let administration = Arc::clone(&asked.web.administration);
    tokio::spawn(async move {
        if let Err(error) = administration.scans.finish(&actor, started).await {
            let message = format!("the scan of \"{}\" failed: {error}", scope.name());
            tracing::warn!(sender = "web", message);
        }
    });
    Ok(see("/web/quota?done=begun"))
}
