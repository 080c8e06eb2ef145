//! One record of a hook call, as a page and as a step of an attempt, and which hooks a login would meet.

use axum::response::Response;
use tidegate_core::admin::{LoginQuestion, UseCase};
use tidegate_core::connection::LoginMethod;
use tidegate_core::hook::keyboard_interactive::ROUND;
use tidegate_core::ports::StoredRun;

use crate::guard::Need;
use crate::judgement::{ACCEPT, LOGIN, tone};
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::route::Route;
use crate::text::{bytes, microseconds, natural, time};
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Step, Table, Tone};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/runs/show", Need::For(UseCase::ShowRun), one),
        Route::get("/web/explain", Need::For(UseCase::ExplainHooks), explain),
    ]
}

async fn one(asked: Asked) -> Result<Response, Problem> {
    let id =
        asked.query.number("id").ok_or_else(|| Problem::wrong("The address does not contain the number of a call."))?;
    let run = asked.web.administration.hook_runs.show(asked.actor()?, id).await?;
    let title = format!("Call {id} of {}", run.hook);
    Ok(asked.page(
        title,
        vec![Block::Heading("What was asked and answered".to_owned()), Block::Steps(vec![step(&asked, &run, true)])],
    ))
}

/// A call as a step of an attempt.
pub fn step(asked: &Asked, run: &StoredRun, is_alone: bool) -> Step {
    let mut facts = vec![("Time".to_owned(), time(run.at))];
    let mut fact = |name: &str, cell| facts.push((name.to_owned(), cell));
    let is_of_hook = run.kind != LOGIN && run.kind != ACCEPT;
    if is_of_hook {
        fact("Hook", Cell::text(run.hook.clone()));
        fact("Took", Cell::Number(microseconds(run.duration_us)));
    }
    let texts = [("Version", &run.version), ("Method or action", &run.about)];
    for (name, text) in texts {
        if let Some(text) = text {
            fact(name, Cell::Code(text.clone()));
        }
    }
    if is_alone {
        for (name, text) in [("User", &run.username), ("Address", &run.address), ("Connection", &run.connection)] {
            fact(name, Cell::text(text.clone().unwrap_or_default()));
        }
    }
    if let Some(cpu) = run.cpu_us {
        fact("Computed for", Cell::Number(microseconds(cpu)));
    }
    if let Some(memory) = run.memory {
        fact("Memory", Cell::Number(bytes(natural(memory))));
    }
    if !run.detail.is_empty() {
        let name = match run.kind.as_str() {
            _ if run.is_error => "Error",
            ROUND => "Questions",
            _ => "Reason",
        };
        fact(name, Cell::text(run.detail.clone()));
    }
    if run.decided {
        fact("Decided", Cell::text("the answer of this call decided"));
    }
    let folds = [("Sent", &run.sent), ("Received", &run.received), ("Standard error", &run.standard_error)];
    let folds =
        folds.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, text.clone())).collect();
    let mut links = Vec::new();
    let mut link =
        |text: &str, address: String| links.push(Action { text: text.to_owned(), address, tone: Tone::Plain });
    if is_alone {
        if let Some(connection) = &run.connection {
            link("The whole attempt", address("/web/refused", &[("who", connection)]));
        }
        if let Some(name) = run.username.as_ref().filter(|_| asked.may(UseCase::ShowUser)) {
            link("Show this user", address("/web/users/show", &[("name", name)]));
        }
    } else if is_of_hook {
        link("Open this call", format!("/web/runs/show?id={}", run.id));
    }
    let title = match run.kind.as_str() {
        LOGIN => "Outcome of the attempt".to_owned(),
        ROUND => "Questions to the user".to_owned(),
        kind => kind.to_owned(),
    };
    Step { title, tone: tone(run), verdict: run.outcome.clone(), facts, folds, links }
}

/// Which hooks a login would meet, without running any.
async fn explain(asked: Asked) -> Result<Response, Problem> {
    let name = asked.query.text("username");
    let methods = LoginMethod::ALL.map(|method| (method.as_str().to_owned(), method.as_str().to_owned()));
    let given = asked.query.choice("method", &LoginMethod::ALL.map(LoginMethod::as_str))?;
    let method = LoginMethod::ALL.into_iter().find(|method| method.as_str() == given);
    let method = method.unwrap_or(LoginMethod::Password);
    let from = asked.query.given("address").unwrap_or_else(|| "127.0.0.1".to_owned());
    let controls = vec![
        Input::new("username", "User", name, InputKind::Search { is_first: false }),
        Input::new("method", "Method", method.as_str(), InputKind::Choice { options: methods.into() }),
        Input::new("address", "Address", &from, InputKind::Search { is_first: false }),
    ];
    let controls = controls.into_iter().map(Control::Input).collect();
    let mut blocks = vec![Block::Form(Form::search("explain", "/web/explain", controls))];
    if name.is_empty() {
        return Ok(asked.page("Which hooks would be asked?", blocks));
    }
    let address = from.parse().map_err(|_| Problem::wrong(format!("“{from}” is no address.")))?;
    let login = LoginQuestion { username: name.to_owned(), method, address };
    let explanation = asked.web.administration.plugins.explain(asked.actor()?, &login).await?;
    let stored =
        if explanation.is_stored { "An account of this name is stored." } else { "No account of this name is stored." };
    blocks.push(Block::Text(format!("{stored} No hook was run.")));
    let head = ["Hook point", "Hook", "Asked?", "On error"];
    let mut table = Table::new("explained", "The hooks of a login, in their order", &head, "There are no hooks.");
    for point in explanation.points {
        for (link, reason) in point.links {
            let reason = point.not_asked.clone().or(reason);
            let is_asked = match reason {
                Some(reason) => Cell::text(format!("no: {reason}")),
                None => Cell::mark(Tone::Good, "yes"),
            };
            table.rows.push(vec![Cell::text(point.hook), Cell::text(link.target), is_asked, Cell::text(link.on_error)]);
        }
    }
    blocks.push(Block::Table(table));
    Ok(asked.page(format!("Which hooks would be asked about {name}?"), blocks))
}
