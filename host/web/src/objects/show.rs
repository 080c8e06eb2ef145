//! One object: what it is, and its document.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::admin::UseCase;
use tidegate_core::public_key::PublicKey;

use super::Kind;
use super::entries::lists;
use super::kind::Stored;
use super::usage;
use super::users::done;
use crate::difference::flat;
use crate::page::Page;
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::text::moment;
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Tab, Table, Tone};

/// Fields that are times.
const TIMES: [&str; 10] = [
    "created_at",
    "updated_at",
    "last_login",
    "last_quota_update",
    "expiration_date",
    "first_download",
    "first_upload",
    "last_password_change",
    "disabled_at",
    "expires_at",
];

pub async fn show(kind: Kind, asked: Asked) -> Result<Response, Problem> {
    let name = asked.query.text("name").to_owned();
    let stored = kind.show(&asked.web.administration, asked.actor()?, &name).await?;
    let mut blocks: Vec<_> = done(kind, asked.query.text("done")).into_iter().collect();
    blocks.push(tabs(kind, &name, &asked, "show"));
    blocks.extend(stored.problem.iter().map(|problem| Block::Note(Tone::Bad, problem.clone())));
    blocks.extend(stored.notes.iter().map(|note| Block::Note(Tone::Plain, note.clone())));
    blocks.extend(actions(kind, &name, &asked));
    if matches!(kind, Kind::User | Kind::Folder) && asked.may(UseCase::Scan) {
        blocks.push(Block::Form(scan(kind, &name)));
    }
    match kind {
        Kind::User => {
            blocks.extend(usage::of_account(&asked, &name, &stored).await?);
            blocks.extend(keys(&stored.document));
        }
        Kind::Folder => blocks.extend(usage::of_shared(&asked, &name, &stored).await?),
        Kind::Group => blocks.extend(usage::of_group(&asked, &stored)),
        Kind::Role | Kind::Admin => {}
    }
    let (mut shown, has_folders) = (vec!["public_keys".to_owned()], matches!(kind, Kind::User | Kind::Group));
    for (path, table) in lists(kind.fields(), &stored.document) {
        // Those of users and groups are there with their limits.
        if !has_folders || path != "virtual_folders" {
            blocks.push(Block::Table(table));
        }
        shown.push(path);
    }
    let facts = flat(&stored.document).into_iter().filter(|(path, _)| !shown.contains(path));
    blocks.push(Block::Heading("Fields".to_owned()));
    blocks.push(Block::Facts(facts.map(|(path, text)| fact(path, text)).collect()));
    Ok(asked.page(format!("{} {name}", capital(kind.noun())), blocks))
}

pub fn fact(path: String, text: String) -> (String, Cell) {
    let cell = match text.parse::<i64>() {
        Ok(at) if TIMES.contains(&path.as_str()) => Cell::Time(moment(at)),
        Ok(_) => Cell::Number(text),
        Err(_) => Cell::Text(text),
    };
    (path, cell)
}

pub fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// The views of an object.
pub fn tabs(kind: Kind, name: &str, asked: &Asked, current: &str) -> Block {
    let mut tabs = vec![("Overview", "show"), ("JSON", "json")];
    if asked.may(kind.cases().update) {
        tabs.insert(1, ("Edit", "edit"));
    }
    if kind == Kind::User {
        tabs.push(("In force", "effective"));
    }
    let tab = |(text, view): (&'static str, &str)| Tab {
        text,
        address: address(&format!("{}/{view}", kind.path()), &[("name", name)]),
        is_current: view == current,
    };
    Block::Tabs(tabs.into_iter().map(tab).collect())
}

fn actions(kind: Kind, name: &str, asked: &Asked) -> Option<Block> {
    let mut actions = Vec::new();
    let mut add = |text: &str, address: String, tone| actions.push(Action { text: text.to_owned(), address, tone });
    let (cases, at) =
        (kind.cases(), |view: &str, field: &str| address(&format!("{}/{view}", kind.path()), &[(field, name)]));
    if asked.may(cases.add) && kind != Kind::Admin {
        add("Copy…", at("new", "from"), Tone::Plain);
    }
    if kind == Kind::User && asked.may(UseCase::ListRuns) {
        add("Why refused?", address("/web/refused", &[("who", name)]), Tone::Plain);
    }
    if kind == Kind::User && asked.may(UseCase::ListSessions) {
        add("Sessions", address("/web/connections", &[("search", name)]), Tone::Plain);
    }
    if matches!(kind, Kind::User | Kind::Admin) && asked.may(cases.update) {
        add("One-time codes…", at("codes", "name"), Tone::Plain);
    }
    if kind == Kind::User && asked.may(UseCase::AddLoginLink) {
        add("Login link…", at("link", "name"), Tone::Plain);
    }
    if asked.may(cases.delete) {
        add("Delete…", at("delete", "name"), Tone::Bad);
    }
    (!actions.is_empty()).then_some(Block::Actions(actions))
}

fn scan(kind: Kind, name: &str) -> Form {
    let mut form = Form::post("scan", "/web/quota/scan", Vec::new(), "Count its files again");
    form.buttons.iter_mut().for_each(|button| button.tone = Tone::Plain);
    let of = if kind == Kind::Folder { "folder" } else { "account" };
    form.hidden = vec![("kind", of.to_owned()), ("name", name.to_owned())];
    form
}

/// Keys with their fingerprints.
fn keys(document: &Map<String, Value>) -> Option<Block> {
    let lines = document.get("public_keys").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut table = Table::new("keys", "Public keys", &["Fingerprint", "Algorithm", "Comment"], "There are no keys.");
    for line in lines {
        table.rows.push(match PublicKey::parse(line) {
            Ok(key) => vec![Cell::Code(key.fingerprint()), Cell::text(key.algorithm()), Cell::text(key.comment())],
            Err(error) => vec![Cell::mark(Tone::Bad, error.to_string()), Cell::text(""), Cell::Code(line.to_owned())],
        });
    }
    (!table.rows.is_empty()).then_some(Block::Table(table))
}

/// The document, to look at and to change.
pub async fn json(kind: Kind, asked: Asked) -> Result<Response, Problem> {
    let name = asked.query.text("name").to_owned();
    let Stored { revision, document, .. } = kind.show(&asked.web.administration, asked.actor()?, &name).await?;
    let text = pretty(&document);
    let mut blocks = vec![tabs(kind, &name, &asked, "json")];
    if asked.may(kind.cases().update) {
        let base = Value::Object(document).to_string();
        blocks.push(json_form(kind, &name, &text, revision, base, None));
    } else {
        blocks.push(Block::Fold { summary: "Document".to_owned(), text });
    }
    Ok(asked.page(format!("{} {name}", capital(kind.noun())), blocks))
}

/// The form of the document again, with the text that was refused and the reason.
pub fn json_again(kind: Kind, name: &str, asked: &Asked, problem: &str) -> Response {
    let sent = &asked.form;
    let (text, base) = (sent.text("document"), sent.text("base").to_owned());
    let form = json_form(kind, name, text, sent.number("revision").unwrap_or(0), base, Some(problem.to_owned()));
    let blocks = vec![tabs(kind, name, asked, "json"), Block::Note(Tone::Bad, problem.to_owned()), form];
    let page = Page::new(format!("{} {name}", capital(kind.noun())), blocks);
    asked.answer(page.with_status(StatusCode::UNPROCESSABLE_ENTITY))
}

/// A document as people read it.
pub fn pretty(document: &Map<String, Value>) -> String {
    // A document read from JSON can be written as JSON.
    serde_json::to_string_pretty(document).unwrap_or_default()
}

fn json_form(kind: Kind, name: &str, text: &str, revision: i64, base: String, error: Option<String>) -> Block {
    let rows = text.lines().count().clamp(10, 40);
    let mut input = Input::new("document", "Document", text, InputKind::Area { rows }).about(
        "Fields that the server keeps for other programs stay as they are, and so do secrets that are not shown. A \
         field that it does not know is refused.",
    );
    input.error = error;
    let action = address(&format!("{}/edit", kind.path()), &[("name", name)]);
    let mut form = Form::post("json", action, vec![Control::Input(input)], "See the difference");
    form.hidden = vec![("revision", revision.to_string()), ("base", base)];
    Block::Form(form)
}
