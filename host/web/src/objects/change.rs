//! Adding, changing and deleting an object: a form, then the difference, then the change.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::admin::{AdminErrorKind, UseCase};
use tidegate_core::password::PasswordHash;
use tidegate_core::ports::Version;

use super::Kind;
use super::preview::{self, Wanted};
use super::show::{json_again, tabs};
use crate::fields::{Errors, applied, controls, keep_maintained, sections, take_secrets_out, unknown};
use crate::page::Page;
use crate::problem::{Problem, sentence};
use crate::request::{Asked, address, see};
use crate::view::{Block, Control, Form, Rendered, Submit, Tone};

/// Fields of a copy that are not those of the original.
const NOT_COPIED: [&str; 4] = ["id", "username", "name", "public_keys"];

pub async fn new(kind: Kind, asked: Asked) -> Result<Response, Problem> {
    let (mut document, mut has_secrets) = (Map::new(), false);
    if let Some(from) = asked.query.exact("from") {
        document = kind.show(&asked.web.administration, asked.actor()?, &from).await?.document;
        let unknown = unknown(kind.fields(), &document);
        document.retain(|field, _| !NOT_COPIED.contains(&field.as_str()) && !unknown.contains(field));
        for field in
            kind.fields().iter().filter(|field| field.maintainer == tidegate_core::account::fields::Maintainer::Server)
        {
            document.remove(field.name);
        }
        has_secrets = take_secrets_out(kind.fields(), &mut document);
    }
    let wanted =
        Wanted { name: None, base: Map::new(), revision: 0, document, password: String::new(), stays: Vec::new() };
    let mut page = form(kind, &asked, &wanted, &Errors::default(), None);
    if has_secrets {
        let text = "Secrets of the original and its one-time codes are not copied: fill in what the copy needs.";
        page.blocks.insert(0, Block::Note(Tone::Warning, text.to_owned()));
    }
    Ok(asked.answer(page))
}

pub async fn edit(kind: Kind, asked: Asked) -> Result<Response, Problem> {
    let name = asked.query.text("name").to_owned();
    let stored = kind.show(&asked.web.administration, asked.actor()?, &name).await?;
    let (revision, base) = (stored.revision, stored.document.clone());
    let wanted = Wanted {
        name: Some(name),
        base,
        revision,
        document: stored.document,
        password: String::new(),
        stays: Vec::new(),
    };
    Ok(asked.answer(form(kind, &asked, &wanted, &Errors::default(), None)))
}

pub async fn edited(kind: Kind, asked: Asked) -> Result<Response, Problem> {
    let name = asked.query.text("name").to_owned();
    take(kind, Some(name), asked).await
}

/// The form with the values of the document.
fn form(kind: Kind, asked: &Asked, wanted: &Wanted, errors: &Errors, note: Option<String>) -> Page {
    let is_stored = wanted.name.is_some();
    let mut parts = Vec::new();
    for (title, about, fields) in sections(kind.fields()) {
        let inner = controls(fields, &wanted.document, errors, kind.choices(), is_stored);
        if inner.is_empty() {
            continue;
        }
        let (id, legend) = (format!("section-{}", title.to_lowercase()), title.to_owned());
        let (about, inner) = (about.to_owned(), Rendered::controls(&inner));
        parts.push(Control::Group { id, legend, about, is_folded: false, is_open: true, inner });
    }
    let mut form = Form::post("edit", wanted.address(kind), parts, "");
    let text = |document: &Map<String, Value>| Value::Object(document.clone()).to_string();
    form.hidden = vec![
        ("form", "1".to_owned()),
        ("revision", wanted.revision.to_string()),
        ("base", text(&wanted.base)),
        ("rest", text(&wanted.document)),
    ];
    form.buttons =
        vec![Submit { name: "step", value: "preview", text: "See the difference".to_owned(), tone: Tone::Good }];
    let mut blocks = Vec::new();
    blocks.extend(wanted.name.as_ref().map(|name| tabs(kind, name, asked, "edit")));
    blocks.extend(note.map(|note| Block::Note(Tone::Bad, note)));
    if !errors.is_empty() {
        let text = format!("{} field(s) cannot be read; each of them shows its error.", errors.len());
        blocks.push(Block::Note(Tone::Bad, text));
    }
    blocks.push(Block::Form(form));
    let title = match &wanted.name {
        Some(name) => format!("Edit {} {name}", kind.noun()),
        None => format!("Add {} {}", if kind == Kind::Admin { "an" } else { "a" }, kind.noun()),
    };
    Page::new(title, blocks)
}

/// Takes a form, a document, or a change that was looked at.
pub async fn take(kind: Kind, name: Option<String>, asked: Asked) -> Result<Response, Problem> {
    let sent = &asked.form;
    let object = |field: &str| serde_json::from_str::<Map<String, Value>>(sent.text(field));
    let base = match sent.text("base") {
        "" => Map::new(),
        _ => object("base")
            .map_err(|_| Problem::wrong("The form lacks the state of the object; open the page again."))?,
    };
    let mut wanted = Wanted {
        name,
        base,
        revision: sent.number("revision").unwrap_or(0),
        document: Map::new(),
        password: sent.text("password").to_owned(),
        stays: Vec::new(),
    };
    if sent.text("document").is_empty() {
        let rest = object("rest").unwrap_or_else(|_| wanted.base.clone());
        let (mut document, mut errors) = applied(kind.fields(), &rest, sent);
        document.remove("password");
        wanted.document = document;
        if PasswordHash::recognise(&wanted.password).is_some() {
            let text = "This is a hash. Give hashes in the JSON of the account; this is for the password itself.";
            errors.add("password", text);
        }
        if !errors.is_empty() {
            let page = form(kind, &asked, &wanted, &errors, None);
            return Ok(asked.answer(page.with_status(StatusCode::UNPROCESSABLE_ENTITY)));
        }
    } else {
        match document_of(kind, &wanted.base, sent.text("document")) {
            Ok(mut document) => {
                wanted.stays = keep_maintained(kind.fields(), &wanted.base, &mut document);
                wanted.document = document;
            }
            Err(problem) => return refused_document(kind, &asked, &wanted, problem),
        }
    }
    match sent.text("step") {
        "save" => save(kind, &asked, &wanted).await,
        "back" => Ok(asked.answer(form(kind, &asked, &wanted, &Errors::default(), None))),
        _ => preview::show(kind, &asked, &wanted).await,
    }
}

/// The document that was sent. What the table of fields does not have is refused: the store has no place for it, and a
/// name that was mistyped would look as if it held.
fn document_of(kind: Kind, base: &Map<String, Value>, text: &str) -> Result<Map<String, Value>, String> {
    let document = serde_json::from_str::<Map<String, Value>>(text);
    let document = document.map_err(|error| format!("The document is not a JSON object: {error}."))?;
    let stored = unknown(kind.fields(), base);
    let new: Vec<_> = unknown(kind.fields(), &document).into_iter().filter(|path| !stored.contains(path)).collect();
    if new.is_empty() {
        return Ok(document);
    }
    Err(format!(
        "The server does not know {}, and could not keep it; correct the name, or take it out. A text of your own can be \
         in additional_info of a user, or in a description.",
        new.join(", ")
    ))
}

fn refused_document(kind: Kind, asked: &Asked, wanted: &Wanted, problem: String) -> Result<Response, Problem> {
    match &wanted.name {
        Some(name) => Ok(json_again(kind, name, asked, &problem)),
        None => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, problem)),
    }
}

async fn save(kind: Kind, asked: &Asked, wanted: &Wanted) -> Result<Response, Problem> {
    let (of, actor, document) = (&asked.web.administration, asked.actor()?, wanted.with_password());
    let outcome = match &wanted.name {
        Some(name) => {
            let id = wanted.base.get("id").and_then(Value::as_i64).unwrap_or(0);
            let expected = Version { id, revision: wanted.revision };
            kind.replace(of, actor, name, document, expected).await
        }
        None => kind.add(of, actor, document).await,
    };
    let error = match outcome {
        Ok(()) => {
            let done = if wanted.name.is_some() { "saved" } else { "added" };
            let name = wanted.name.clone().unwrap_or_else(|| kind.name_of(&wanted.document));
            // The page of the object is refused to administrators who may not see it.
            let address = if asked.may(kind.cases().show) {
                address(&format!("{}/show", kind.path()), &[("name", &name), ("done", done)])
            } else {
                "/web".to_owned()
            };
            return Ok(see(&address));
        }
        Err(error) => error,
    };
    match error.kind() {
        AdminErrorKind::Conflict if wanted.name.is_some() => preview::conflict(kind, asked, wanted).await,
        AdminErrorKind::NotFound => Err(error.into()),
        // What was typed is not lost, whatever the reason is.
        AdminErrorKind::Invalid
        | AdminErrorKind::Refused
        | AdminErrorKind::Exists
        | AdminErrorKind::Conflict
        | AdminErrorKind::Forbidden
        | AdminErrorKind::Unavailable
        | AdminErrorKind::Failed => {
            let status = Problem::from(error.clone()).status;
            let note = sentence(&error.to_string());
            let errors = match error.field() {
                Some(field) => Errors::at(field, &note),
                None => Errors::default(),
            };
            Ok(asked.answer(form(kind, asked, wanted, &errors, Some(note)).with_status(status)))
        }
    }
}

pub async fn ask_delete(kind: Kind, asked: Asked) -> Result<Response, Problem> {
    let name = asked.query.text("name").to_owned();
    let text = match kind {
        Kind::User => "The account is deleted, and its sessions end. Its files stay.",
        Kind::Group | Kind::Folder | Kind::Role => "It is deleted, if nothing refers to it.",
        Kind::Admin => "The administrator is deleted; its sessions end, and its API keys are no longer valid.",
    };
    let mut form = Form::post("delete", format!("{}/delete", kind.path()), Vec::new(), "Delete");
    form.hidden = vec![("name", name.clone())];
    let mut blocks = vec![Block::Note(Tone::Warning, text.to_owned())];
    if kind == Kind::User && asked.may(UseCase::ListSessions) {
        let forecasts = &asked.web.administration.forecasts;
        let texts = preview::foretold(forecasts.of_deletions(asked.actor()?, std::slice::from_ref(&name)).await)?;
        blocks.extend(texts.into_iter().map(|text| Block::Note(Tone::Warning, text)));
    }
    blocks.push(Block::Form(form));
    Ok(asked.page(format!("Delete {} {name}?", kind.noun()), blocks))
}

pub async fn delete(kind: Kind, asked: Asked) -> Result<Response, Problem> {
    let name = asked.form.text("name");
    kind.delete(&asked.web.administration, asked.actor()?, name).await?;
    let address =
        if asked.may(kind.cases().list) { format!("{}?done=deleted", kind.path()) } else { "/web".to_owned() };
    Ok(see(&address))
}
