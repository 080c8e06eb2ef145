//! A user's own public keys.

use axum::response::Response;
use tidegate_core::admin::OwnChange;

use super::confirmation::{given, inputs};
use super::{Place, Who, closed, person, shown};
use crate::problem::Problem;
use crate::request::{Asked, see};
use crate::view::{Block, Button, Cell, Control, Form, Input, InputKind, Table, Tone};

pub fn places() -> Vec<Place> {
    vec![
        Place::get("/web/client/keys", Who::Person, show),
        Place::post("/web/client/keys/add", Who::Person, add),
        Place::post("/web/client/keys/remove", Who::Person, remove),
    ]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let closed = closed(&asked, OwnChange::PublicKeys).await?;
    let mut blocks = Vec::new();
    match asked.query.text("done") {
        "added" => blocks.push(Block::Note(Tone::Good, "The key was added.".to_owned())),
        "removed" => blocks.push(Block::Note(Tone::Good, "The key was removed.".to_owned())),
        _ => {}
    }
    let mut table = Table::new("keys", "Your keys", &["Fingerprint", "Algorithm", "Comment"], "There are no keys.");
    table.head.extend(closed.is_none().then_some("Remove"));
    for key in &person(&asked)?.account.user().public_keys {
        let fingerprint = key.fingerprint();
        let mut row = vec![Cell::Code(fingerprint.clone()), Cell::text(key.algorithm()), Cell::text(key.comment())];
        if closed.is_none() {
            row.push(Cell::Buttons(vec![Button {
                id: format!("remove-{}", table.rows.len()),
                text: "Remove",
                of: format!("the key {fingerprint}"),
                address: "/web/client/keys/remove".to_owned(),
                hidden: vec![("fingerprint", fingerprint)],
                tone: Tone::Bad,
            }]));
        }
        table.rows.push(row);
    }
    blocks.push(Block::Table(table));
    blocks.push(match closed {
        Some(note) => note,
        None => match inputs(&asked).await? {
            Err(note) => note,
            Ok(confirmation) => {
                let about = "The line of the file that ends in .pub, such as \"ssh-ed25519 AAAA… me@laptop\". Several keys are \
                             several lines.";
                let input = Input::new("key", "Public key", "", InputKind::Area { rows: 3 }).about(about);
                let controls = std::iter::once(Control::Input(input)).chain(confirmation).collect();
                Block::Form(Form::post("add-key", "/web/client/keys/add", controls, "Add the key"))
            }
        },
    });
    Ok(shown(&asked, "Public keys", blocks))
}

async fn add(asked: Asked) -> Result<Response, Problem> {
    let line = asked.form.text("key").trim();
    asked.web.administration.own.add_key(person(&asked)?, line, &given(&asked)).await?;
    Ok(see("/web/client/keys?done=added"))
}

async fn remove(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.own.remove_key(person(&asked)?, asked.form.text("fingerprint")).await?;
    Ok(see("/web/client/keys?done=removed"))
}
