//! API keys.

use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::admin::{KEY_OBJECT, NewKey, ShownObject, UseCase};
use tidegate_core::ports::PageRequest;

use crate::fields::{Errors, applied, controls};
use crate::guard::Need;
use crate::problem::{Problem, sentence};
use crate::request::{Asked, address, see};
use crate::route::Route;
use crate::text::time;
use crate::view::{Block, Button, Cell, Control, Form, Table, Tone};

/// Keys of a page.
const LIMIT: u32 = 100;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/keys", Need::For(UseCase::ListApiKeys), list),
        Route::get("/web/keys/new", Need::For(UseCase::AddApiKey), new),
        Route::post("/web/keys/new", Need::For(UseCase::AddApiKey), add),
        Route::post("/web/keys/rotate", Need::For(UseCase::RotateApiKey), rotate),
        Route::post("/web/keys/delete", Need::For(UseCase::DeleteApiKey), delete),
    ]
}

async fn list(asked: Asked) -> Result<Response, Problem> {
    let (administration, actor) = (&asked.web.administration, asked.actor()?);
    let request = PageRequest { after: asked.query.exact("after"), prefix: None, limit: LIMIT };
    let keys = administration.api_keys.list(actor, request).await?;
    let head = ["Name", "Of", "For", "Not for", "From", "Until", "Last use", "Do"];
    let mut table = Table::new("keys", "API keys; times are in UTC", &head, "There are no keys.");
    let last = keys.last().filter(|_| keys.len() >= LIMIT as usize).map(|key| text(&key.document, "key_id"));
    table.next = last.map(|last| address("/web/keys", &[("after", &last)]));
    table.rows = keys.iter().map(|key| row(&asked, key)).collect();
    let mut blocks = Vec::new();
    if asked.query.text("done") == "revoked" {
        blocks.push(Block::Note(Tone::Good, "It was revoked.".to_owned()));
    }
    if asked.may(UseCase::AddApiKey) {
        let (text, address) = ("Make a key".to_owned(), "/web/keys/new".to_owned());
        blocks.push(Block::Actions(vec![crate::view::Action { text, address, tone: Tone::Good }]));
    }
    blocks.push(Block::Table(table));
    Ok(asked.page("API keys", blocks))
}

fn text(document: &Map<String, Value>, field: &str) -> String {
    document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn row(asked: &Asked, key: &ShownObject) -> Vec<Cell> {
    let document = &key.document;
    let texts = |field: &str, none: &str| match document.get(field).and_then(Value::as_array) {
        Some(items) if !items.is_empty() => {
            Cell::Lines(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        _ => Cell::text(none),
    };
    let number = |field: &str| document.get(field).and_then(Value::as_i64).unwrap_or(0);
    let (id, name) = (text(document, "key_id"), text(document, "name"));
    let button = |what: &str, text, of: String, tone| Button {
        id: format!("{what}-{id}"),
        text,
        of,
        address: format!("/web/keys/{what}"),
        hidden: vec![("id", id.clone())],
        tone,
    };
    let mut buttons = Vec::new();
    if asked.may(UseCase::RotateApiKey) {
        buttons.push(button("rotate", "New text", format!("for the key {name}"), Tone::Plain));
    }
    if asked.may(UseCase::DeleteApiKey) {
        buttons.push(button("delete", "Revoke", format!("the key {name}"), Tone::Bad));
    }
    let shown = match &key.problem {
        Some(problem) => Cell::mark(Tone::Bad, sentence(problem)),
        None => Cell::text(format!("{name}\n{id}")),
    };
    vec![
        shown,
        Cell::text(text(document, "admin")),
        texts("allow", "everything"),
        texts("deny", ""),
        texts("ips", "anywhere"),
        time(number("expires_at")),
        time(number("last_use_at")),
        Cell::Buttons(buttons),
    ]
}

/// Use cases that a key may be for; those with which a key could widen its permissions are left out.
fn choices(path: &str) -> Vec<&'static str> {
    let is_for_keys = |case: &&UseCase| case.reach() != tidegate_core::admin::Reach::People;
    match path {
        "allow" | "deny" => UseCase::ALL.iter().filter(is_for_keys).map(|case| case.name()).collect(),
        _ => Vec::new(),
    }
}

fn form(document: &Map<String, Value>, errors: &Errors) -> Form {
    let mut inputs: Vec<Control> = controls(KEY_OBJECT, document, errors, choices, false);
    inputs.retain(|control| !matches!(control, Control::Input(input) if input.name == "id"));
    Form::post("key", "/web/keys/new", inputs, "Make the key")
}

async fn new(asked: Asked) -> Response {
    asked.page("Make an API key", vec![Block::Form(form(&Map::new(), &Errors::default()))])
}

async fn add(asked: Asked) -> Result<Response, Problem> {
    let (document, errors) = applied(KEY_OBJECT, &Map::new(), &asked.form);
    let outcome = match errors.is_empty() {
        true => asked.web.administration.api_keys.add(asked.actor()?, &document).await.map_err(Problem::from),
        false => Err(Problem::wrong("Some fields cannot be read; each of them shows its error.")),
    };
    match outcome {
        Ok(made) => Ok(shown_once(&asked, &made)),
        Err(problem) if problem.status.is_server_error() => Err(problem),
        Err(problem) => {
            let blocks = vec![Block::Note(Tone::Bad, problem.text), Block::Form(form(&document, &errors))];
            Ok(asked.answer(crate::page::Page::new("Make an API key", blocks).with_status(problem.status)))
        }
    }
}

/// The text of a key, which is stored nowhere.
fn shown_once(asked: &Asked, made: &NewKey) -> Response {
    let facts = vec![
        ("Name".to_owned(), Cell::text(text(&made.key.document, "name"))),
        ("Key".to_owned(), Cell::Code(made.text.expose().to_owned())),
        ("Header".to_owned(), Cell::Code("X-SFTPGO-API-KEY".to_owned())),
    ];
    let text = "Save the key now: it is shown this once, and the server stores no copy of it.";
    let back =
        crate::view::Action { text: "To all keys".to_owned(), address: "/web/keys".to_owned(), tone: Tone::Plain };
    let blocks = vec![Block::Note(Tone::Warning, text.to_owned()), Block::Facts(facts), Block::Actions(vec![back])];
    asked.page("The new key", blocks)
}

async fn rotate(asked: Asked) -> Result<Response, Problem> {
    let made = asked.web.administration.api_keys.rotate(asked.actor()?, asked.form.text("id")).await?;
    Ok(shown_once(&asked, &made))
}

async fn delete(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.api_keys.delete(asked.actor()?, asked.form.text("id")).await?;
    Ok(see("/web/keys?done=revoked"))
}
