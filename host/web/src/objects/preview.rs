//! What a change would do, before it is made.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::admin::{AdminError, AdminErrorKind, SessionForecast, UseCase, UserEdit};

use super::Kind;
use super::show::capital;
use crate::difference::differences;
use crate::fields::{is_new_secret, unknown, without_new_secrets};
use crate::page::Page;
use crate::problem::{Problem, sentence};
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

    /// Whether there is a new password, be it typed into the form or written into the JSON.
    fn sets_password(&self) -> bool {
        let in_document = self.document.get("password").and_then(Value::as_str);
        !self.password.is_empty() || in_document.is_some_and(is_new_secret)
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

/// The fields that differ. Of secrets only that they do is shown.
fn table(kind: Kind, before: &Map<String, Value>, wanted: &Wanted) -> Table {
    let head = ["Field", "Before", "After"];
    let mut table = Table::new("difference", "What will be different", &head, "Nothing is different.");
    for field in differences(before, &without_new_secrets(kind.fields(), &wanted.document)) {
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
    let table = table(kind, &wanted.base, wanted);
    let is_empty = table.rows.is_empty() && wanted.name.is_some();
    let mut blocks = vec![Block::Table(table)];
    let unknown = unknown(kind.fields(), &wanted.document);
    if !unknown.is_empty() {
        let text = format!(
            "The server does not know these stored fields, and will not store them again: {}.",
            unknown.join(", ")
        );
        blocks.push(Block::Note(Tone::Warning, text));
    }
    if !wanted.stays.is_empty() {
        let text =
            format!("The server maintains these itself, and they stay as they are: {}.", wanted.stays.join(", "));
        blocks.push(Block::Note(Tone::Warning, text));
    }
    if !is_empty {
        let texts = consequences(kind, asked, wanted).await?;
        blocks.extend(texts.into_iter().map(|text| Block::Note(Tone::Warning, text)));
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
    if kind == Kind::Admin && (is_disabled || wanted.sets_password()) {
        return Ok(vec!["This ends all sessions of the administrator.".to_owned()]);
    }
    let mut texts = Vec::new();
    if matches!(kind, Kind::Group | Kind::Folder) {
        texts.push("Accounts that have it change with it at once, in open sessions as well.".to_owned());
    }
    if asked.may(UseCase::ListSessions) {
        let (forecasts, actor) = (&asked.web.administration.forecasts, asked.actor()?);
        let forecast = match (kind, kind.object()) {
            (Kind::User, _) => forecasts.of_edit(actor, name, &UserEdit::Replace(wanted.with_password())).await,
            (Kind::Group | Kind::Folder, Some(object)) => {
                forecasts.of_object(actor, object, name, &wanted.document).await
            }
            (Kind::Group | Kind::Folder | Kind::Role | Kind::Admin, _) => return Ok(texts),
        };
        texts.extend(foretold(forecast)?);
    }
    Ok(texts)
}

/// What becomes of sessions, in sentences.
pub fn foretold(forecast: Result<SessionForecast, AdminError>) -> Result<Vec<String>, Problem> {
    let SessionForecast { end, go_on, of_hooks, not_looked_at } = match forecast {
        Ok(forecast) => forecast,
        Err(error) if matches!(error.kind(), AdminErrorKind::Unavailable | AdminErrorKind::Failed) => {
            return Err(error.into());
        }
        // Saving it all the same shows the error at the field.
        Err(error) => return Ok(vec![format!("This cannot be saved. {}", sentence(&error.to_string()))]),
    };
    let ending = end.into_iter().map(|(why, count)| {
        format!("This ends {count} open session(s). The log will give this reason for the account: {why}.")
    });
    let others = [
        (go_on, "go on, and have the new rights and limits at once"),
        (of_hooks, "stay as they are: a hook has made their account for them"),
        (not_looked_at, "were not checked, because they belong to too many accounts"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0);
    Ok(ending.chain(others.map(|(count, text)| format!("{count} open session(s) {text}."))).collect())
}

/// Says what another administrator has saved meanwhile, and offers to make the changes to that.
pub async fn conflict(kind: Kind, asked: &Asked, wanted: &Wanted) -> Result<Response, Problem> {
    let name = wanted.name.clone().unwrap_or_default();
    let now = kind.show(&asked.web.administration, asked.actor()?, &name).await?;
    let head = ["Field", "When you began", "Now"];
    let mut theirs = Table::new("theirs", "What was saved meanwhile", &head, "Only values that you may not see.");
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
    let mut mine = table(kind, &merged.base, &merged);
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

#[cfg(test)]
mod tests {
    use tidegate_core::ports::StoreError;

    use super::*;

    #[test]
    fn sessions_are_foretold_in_sentences() {
        let check = |forecast: Result<SessionForecast, AdminError>, expected: &[&str]| {
            assert_eq!(foretold(forecast).unwrap_or_else(|problem| vec![problem.text]), expected);
        };
        check(Ok(SessionForecast::default()), &[]);
        let end = [("it has expired", 2), ("it was disabled", 1)].into();
        check(
            Ok(SessionForecast { end, go_on: 3, of_hooks: 1, not_looked_at: 4 }),
            &[
                "This ends 2 open session(s). The log will give this reason for the account: it has expired.",
                "This ends 1 open session(s). The log will give this reason for the account: it was disabled.",
                "3 open session(s) go on, and have the new rights and limits at once.",
                "1 open session(s) stay as they are: a hook has made their account for them.",
                "4 open session(s) were not checked, because they belong to too many accounts.",
            ],
        );
        check(Err(AdminError::NoSession), &["This cannot be saved. There is no such connection."]);
        let away = AdminError::from(StoreError::Unavailable("the database is away".to_owned()));
        assert_eq!(foretold(Err(away)).map_err(|problem| problem.status.as_u16()), Err(503));
    }
}
