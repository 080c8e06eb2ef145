//! What a change would do, before it is made.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::admin::UseCase;

use super::Kind;
use super::show::capital;
use crate::difference::differences;
use crate::fields::unknown;
use crate::page::Page;
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::view::{Action, Block, Cell, Form, Submit, Table, Tone};

/// A change that was asked for.
pub struct Wanted {
    /// The stored name; None: the object is new.
    pub name: Option<String>,
    /// What the change was made from.
    pub base: Map<String, Value>,
    pub revision: i64,
    /// What is to be stored, without the password.
    pub document: Map<String, Value>,
    /// A new password; empty: it stays.
    pub password: String,
    /// What the change would have made otherwise, and the server alone maintains.
    pub stays: Vec<String>,
}

impl Wanted {
    pub fn address(&self, kind: Kind) -> String {
        match &self.name {
            Some(name) => address(&format!("{}/edit", kind.path()), &[("name", name)]),
            None => format!("{}/new", kind.path()),
        }
    }

    /// The document to store.
    pub fn with_password(&self) -> Map<String, Value> {
        let mut document = self.document.clone();
        if !self.password.is_empty() {
            document.insert("password".to_owned(), self.password.clone().into());
        }
        document
    }

    /// A button by which the change is asked for again.
    fn form(&self, kind: Kind, buttons: Vec<Submit>) -> Form {
        let mut form = Form::post("save", self.address(kind), Vec::new(), "");
        form.hidden = vec![
            ("revision", self.revision.to_string()),
            ("base", Value::Object(self.base.clone()).to_string()),
            ("document", Value::Object(self.document.clone()).to_string()),
            ("password", self.password.clone()),
        ];
        form.buttons = buttons;
        form
    }
}

/// The fields that differ.
fn table(before: &Map<String, Value>, wanted: &Wanted) -> Table {
    let head = ["Field", "Before", "After"];
    let mut table = Table::new("difference", "What will be different", &head, "Nothing is different.");
    for field in differences(before, &wanted.document) {
        table.rows.push(vec![Cell::Code(field.path), Cell::text(field.before), Cell::text(field.after)]);
    }
    if !wanted.password.is_empty() {
        let cells = vec![Cell::Code("password".to_owned()), Cell::text("not shown"), Cell::text("a new one")];
        table.rows.push(cells);
    }
    table
}

/// Shows the difference, what follows from it, and a button that saves it.
pub async fn show(kind: Kind, asked: &Asked, wanted: &Wanted) -> Result<Response, Problem> {
    let name = wanted.name.clone().unwrap_or_else(|| kind.name_of(&wanted.document));
    let table = table(&wanted.base, wanted);
    let is_empty = table.rows.is_empty() && wanted.name.is_some();
    let mut blocks = vec![Block::Table(table)];
    let unknown = unknown(kind.fields(), &wanted.document);
    if !unknown.is_empty() {
        let text =
            format!("Stored is what the server does not know, which it will not store again: {}.", unknown.join(", "));
        blocks.push(Block::Note(Tone::Warning, text));
    }
    if !wanted.stays.is_empty() {
        let text =
            format!("The server maintains these itself, and they stay as they are: {}.", wanted.stays.join(", "));
        blocks.push(Block::Note(Tone::Warning, text));
    }
    for text in consequences(kind, asked, wanted).await? {
        blocks.push(Block::Note(Tone::Warning, text));
    }
    let save = Submit { name: "step", value: "save", text: "Save".to_owned(), tone: Tone::Good };
    let back = Submit { name: "step", value: "back", text: "Back to the form".to_owned(), tone: Tone::Plain };
    let buttons = if is_empty { vec![back] } else { vec![save, back] };
    blocks.push(Block::Form(wanted.form(kind, buttons)));
    Ok(asked.page(format!("Save {} {name}?", kind.noun()), blocks))
}

/// What else happens, as far as the administrator may know.
async fn consequences(kind: Kind, asked: &Asked, wanted: &Wanted) -> Result<Vec<String>, Problem> {
    let Some(name) = &wanted.name else { return Ok(Vec::new()) };
    let is_disabled = wanted.document.get("status").and_then(Value::as_i64) == Some(0);
    match kind {
        Kind::User if asked.may(UseCase::ListSessions) => {
            let sessions = asked.web.administration.sessions.list(asked.actor()?).await?;
            let open = sessions.iter().filter(|session| session.account.username == *name).count();
            Ok(match (open, is_disabled) {
                (0, _) => Vec::new(),
                (open, true) => vec![format!("This ends {open} open session(s).")],
                (open, false) => vec![format!(
                    "{open} open session(s) have the new rights and limits at once; those that could not log in with \
                     them end."
                )],
            })
        }
        Kind::Admin if is_disabled || !wanted.password.is_empty() => {
            Ok(vec!["This ends all sessions of the administrator.".to_owned()])
        }
        Kind::Group | Kind::Folder => {
            Ok(vec!["Accounts that have it change with it at once, in open sessions as well.".to_owned()])
        }
        Kind::User | Kind::Role | Kind::Admin => Ok(Vec::new()),
    }
}

/// Says what another administrator has saved meanwhile, and offers to make the changes to that.
pub async fn conflict(kind: Kind, asked: &Asked, wanted: &Wanted) -> Result<Response, Problem> {
    let name = wanted.name.clone().unwrap_or_default();
    let now = kind.show(&asked.web.administration, asked.actor()?, &name).await?;
    let head = ["Field", "When you began", "Now"];
    let mut theirs = Table::new("theirs", "What was saved meanwhile", &head, "Only what you are not shown.");
    for field in differences(&wanted.base, &now.document) {
        theirs.rows.push(vec![Cell::Code(field.path), Cell::text(field.before), Cell::text(field.after)]);
    }
    let merged = Wanted {
        document: crate::difference::changes_on(&wanted.base, &wanted.document, &now.document),
        base: now.document,
        revision: now.revision,
        name: wanted.name.clone(),
        password: wanted.password.clone(),
        stays: Vec::new(),
    };
    let text = "Another change was saved meanwhile. Nothing of yours was saved.".to_owned();
    let mut mine = table(&merged.base, &merged);
    (mine.id, mine.caption) = ("mine".to_owned(), "Your changes, made to what is stored now".to_owned());
    let review = Submit { name: "step", value: "preview", text: "Review and save them".to_owned(), tone: Tone::Good };
    let text_of_discard = "Discard your changes".to_owned();
    let discard = address(&format!("{}/show", kind.path()), &[("name", &name)]);
    let blocks = vec![
        Block::Note(Tone::Bad, text),
        Block::Table(theirs),
        Block::Table(mine),
        Block::Form(merged.form(kind, vec![review])),
        Block::Actions(vec![Action { text: text_of_discard, address: discard, tone: Tone::Plain }]),
    ];
    let page = Page::new(format!("{} {name} was changed meanwhile", capital(kind.noun())), blocks);
    Ok(asked.answer(page.with_status(StatusCode::CONFLICT)))
}
