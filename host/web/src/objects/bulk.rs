//! What is done with several objects at once, after their number was looked at.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Map, json};
use tidegate_core::admin::{Actor, AdminError, DocumentChange, UseCase, UserEdit};
use tidegate_core::quota::Scope;

use super::Kind;
use super::preview::foretold;
use crate::problem::{Problem, sentence};
use crate::request::{Asked, see};
use crate::view::{Block, Bulk, Cell, Form, Table, Tone};

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Enable,
    Disable,
    Scan,
    Delete,
}

impl Action {
    const ALL: [Self; 4] = [Self::Enable, Self::Disable, Self::Scan, Self::Delete];

    fn name(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Scan => "scan",
            Self::Delete => "delete",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Enable => "Enable",
            Self::Disable => "Disable",
            Self::Scan => "Count the files of",
            Self::Delete => "Delete",
        }
    }

    /// The button that asks for it.
    fn button(self) -> &'static str {
        match self {
            Self::Enable => "Enable…",
            Self::Disable => "Disable…",
            Self::Scan => "Count files…",
            Self::Delete => "Delete…",
        }
    }

    /// None: it cannot be done with objects of that kind.
    fn case(self, kind: Kind) -> Option<UseCase> {
        match (self, kind) {
            (Self::Enable | Self::Disable, Kind::User) => Some(UseCase::UpdateUser),
            (Self::Scan, Kind::User | Kind::Folder) => Some(UseCase::Scan),
            (Self::Delete, Kind::User | Kind::Group | Kind::Folder | Kind::Role) => Some(kind.cases().delete),
            (Self::Enable | Self::Disable | Self::Scan | Self::Delete, _) => None,
        }
    }

    fn consequence(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Enable, _) => "They may log in.",
            (Self::Disable, _) => "They may not log in, and their sessions end.",
            (Self::Scan, _) => {
                "All their files are looked at, which may take a while. Their usages are stored at the end."
            }
            (Self::Delete, Kind::User) => "They are deleted, and their sessions end. Their files stay.",
            (Self::Delete, _) => "They are deleted, if nothing refers to them.",
        }
    }

    fn of(kind: Kind, asked: &Asked) -> Result<Self, Problem> {
        let name = asked.form.text("action");
        let action = Self::ALL.into_iter().find(|action| action.name() == name && action.case(kind).is_some());
        let action = action.ok_or_else(|| Problem::wrong("The form names no action that the server knows."))?;
        if let Some(case) = action.case(kind) {
            asked.actor()?.require(case)?;
        }
        Ok(action)
    }
}

/// What the administrator may do with the ticked ones; None: nothing, so that there is nothing to tick.
pub fn bulk(kind: Kind, asked: &Asked) -> Option<Bulk> {
    let may = |action: &Action| action.case(kind).is_some_and(|case| asked.may(case));
    let actions: Vec<_> = Action::ALL.into_iter().filter(may).map(|action| (action.name(), action.button())).collect();
    (!actions.is_empty()).then(|| Bulk { address: format!("{}/bulk", kind.path()), actions })
}

pub fn tick(name: &str) -> Cell {
    Cell::Check { name: "name", value: name.to_owned(), label: format!("Tick {name}") }
}

fn count_of(kind: Kind, count: usize) -> String {
    match kind {
        Kind::User => format!("{count} account(s)"),
        Kind::Group | Kind::Folder | Kind::Role | Kind::Admin => format!("{count} {}(s)", kind.noun()),
    }
}

pub async fn ask(kind: Kind, asked: Asked) -> Result<Response, Problem> {
    let action = Action::of(kind, &asked)?;
    let names: Vec<_> = asked.form.all("name").map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Problem::wrong("Nothing is ticked."));
    }
    let count = count_of(kind, names.len());
    let what = format!("{} {count}", action.text());
    let mut table = Table::new("ticked", count, &["Name"], "");
    table.rows = names.iter().map(|name| vec![Cell::text(name.clone())]).collect();
    let mut form = Form::post("bulk", format!("{}/bulk/do", kind.path()), Vec::new(), &what);
    form.hidden = names.iter().map(|name| ("name", name.clone())).collect();
    form.hidden.push(("action", action.name().to_owned()));
    let mut blocks = vec![Block::Note(Tone::Warning, action.consequence(kind).to_owned())];
    let sessions = sessions(kind, action, &asked, &names).await?;
    blocks.extend(sessions.into_iter().map(|text| Block::Note(Tone::Warning, text)));
    blocks.extend([Block::Form(form), Block::Table(table)]);
    Ok(asked.page(format!("{what}?"), blocks))
}

/// What becomes of open sessions, as far as the administrator may know.
async fn sessions(kind: Kind, action: Action, asked: &Asked, names: &[String]) -> Result<Vec<String>, Problem> {
    if kind != Kind::User || !asked.may(UseCase::ListSessions) {
        return Ok(Vec::new());
    }
    let (forecasts, actor) = (&asked.web.administration.forecasts, asked.actor()?);
    foretold(match action {
        Action::Disable => {
            let document = Map::from_iter([("status".to_owned(), json!(0))]);
            forecasts.of_edits(actor, names, &UserEdit::Merge { document, replaced: Vec::new() }).await
        }
        Action::Delete => forecasts.of_deletions(actor, names).await,
        Action::Enable | Action::Scan => return Ok(Vec::new()),
    })
}

pub async fn carry_out(kind: Kind, asked: Asked) -> Result<Response, Problem> {
    let (action, actor) = (Action::of(kind, &asked)?, asked.actor()?);
    if action == Action::Scan {
        let names = asked.form.all("name").map(str::to_owned);
        let scope = |name| if kind == Kind::Folder { Scope::Folder(name) } else { Scope::Account(name) };
        scan(&asked, actor.clone(), names.map(scope).collect());
        return Ok(see(&if asked.may(UseCase::ListScans) {
            "/web/quota?done=begun".to_owned()
        } else {
            format!("{}?done=bulk", kind.path())
        }));
    }
    let mut failures = Table::new("failures", "Objects that were not changed", &["Name", "Why"], "");
    for name in asked.form.all("name") {
        if let Err(error) = one(kind, action, &asked, actor, name).await {
            failures.rows.push(vec![Cell::text(name), Cell::text(sentence(&error.to_string()))]);
        }
    }
    if failures.rows.is_empty() {
        return Ok(see(&format!("{}?done=bulk", kind.path())));
    }
    let text = format!("It was not done with {}.", count_of(kind, failures.rows.len()));
    Ok(asked.page(kind.title(), vec![Block::Note(Tone::Bad, text), Block::Table(failures)]))
}

async fn one(kind: Kind, action: Action, asked: &Asked, actor: &Actor, name: &str) -> Result<(), AdminError> {
    let administration = &asked.web.administration;
    let status = |status: i32| DocumentChange::Fields {
        patches: vec![Map::from_iter([("status".to_owned(), json!(status))])],
        replaced: Vec::new(),
    };
    match action {
        Action::Enable => administration.users.update(actor, name, status(1), None).await.map(drop),
        Action::Disable => administration.users.update(actor, name, status(0), None).await.map(drop),
        Action::Delete => kind.delete(administration, actor, name).await,
        Action::Scan => Ok(()),
    }
}

/// Counts the files, of one after the other, after the answer.
fn scan(asked: &Asked, actor: Actor, scopes: Vec<Scope>) {
    let administration = Arc::clone(&asked.web.administration);
    tokio::spawn(async move {
        for scope in scopes {
            if let Err(error) = administration.scans.scan(&actor, &scope).await {
                let message = format!("the scan of \"{}\" failed: {error}", scope.name());
                tracing::warn!(sender = "web", message);
            }
        }
    });
}
