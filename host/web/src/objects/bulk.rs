//! What is done with several accounts at once, after their number was looked at.

use axum::response::Response;
use serde_json::{Map, json};
use tidegate_core::admin::{DocumentChange, UseCase};

use crate::problem::{Problem, sentence};
use crate::request::{Asked, see};
use crate::view::{Block, Cell, Form, Table, Tone};

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Enable,
    Disable,
    Delete,
}

impl Action {
    const ALL: [Self; 3] = [Self::Enable, Self::Disable, Self::Delete];

    fn name(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Delete => "delete",
        }
    }

    fn case(self) -> UseCase {
        match self {
            Self::Enable | Self::Disable => UseCase::UpdateUser,
            Self::Delete => UseCase::DeleteUser,
        }
    }

    fn consequence(self) -> &'static str {
        match self {
            Self::Enable => "They may log in.",
            Self::Disable => "They may not log in, and their sessions end.",
            Self::Delete => "They are deleted, and their sessions end. Their files stay.",
        }
    }

    fn of(asked: &Asked) -> Result<Self, Problem> {
        let name = asked.form.text("action");
        let action = Self::ALL.into_iter().find(|action| action.name() == name);
        let action = action.ok_or_else(|| Problem::wrong("The form says nothing that can be done."))?;
        asked.actor()?.require(action.case())?;
        Ok(action)
    }
}

pub async fn ask(asked: Asked) -> Result<Response, Problem> {
    let action = Action::of(&asked)?;
    let names: Vec<_> = asked.form.all("name").map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Problem::wrong("No account is ticked."));
    }
    let count = names.len();
    let title = format!("{} {count} account(s)?", super::show::capital(action.name()));
    let mut table = Table::new("ticked", format!("{count} account(s)"), &["Name"], "");
    table.rows = names.iter().map(|name| vec![Cell::text(name.clone())]).collect();
    let mut form = Form::post(
        "bulk",
        "/web/users/bulk/do",
        Vec::new(),
        &format!("{} {count} account(s)", super::show::capital(action.name())),
    );
    form.hidden = names.into_iter().map(|name| ("name", name)).collect();
    form.hidden.push(("action", action.name().to_owned()));
    let note = Block::Note(Tone::Warning, action.consequence().to_owned());
    Ok(asked.page(title, vec![note, Block::Form(form), Block::Table(table)]))
}

pub async fn carry_out(asked: Asked) -> Result<Response, Problem> {
    let (action, users, actor) = (Action::of(&asked)?, &asked.web.administration.users, asked.actor()?);
    let mut failures = Table::new("failures", "Where it was not done", &["Name", "Why"], "");
    for name in asked.form.all("name") {
        let status = |status: i32| DocumentChange::Fields {
            patches: vec![Map::from_iter([("status".to_owned(), json!(status))])],
            replaced: Vec::new(),
        };
        let outcome = match action {
            Action::Enable => users.update(actor, name, status(1), None).await.map(drop),
            Action::Disable => users.update(actor, name, status(0), None).await.map(drop),
            Action::Delete => users.delete(actor, name).await,
        };
        if let Err(error) = outcome {
            failures.rows.push(vec![Cell::text(name), Cell::text(sentence(&error.to_string()))]);
        }
    }
    if failures.rows.is_empty() {
        return Ok(see("/web/users?done=bulk"));
    }
    let text = format!("It was not done with {} account(s).", failures.rows.len());
    Ok(asked.page("Users", vec![Block::Note(Tone::Bad, text), Block::Table(failures)]))
}
