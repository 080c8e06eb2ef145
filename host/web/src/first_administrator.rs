//! The page on which the first administrator is added, with the code that the server has written to its log. No page leads
//! here, and it looks the same whether there is an administrator or not.

use axum::http::StatusCode;
use axum::response::Response;
use tidegate_api::{Client, visit};
use tidegate_core::admin::{DoorClient, FirstAdministratorError};
use tidegate_core::secret::Secret;

use crate::guard::{Need, door_client};
use crate::login::NOT_HERE;
use crate::page::Page;
use crate::problem::{Problem, sentence};
use crate::request::{Asked, see};
use crate::route::Route;
use crate::transport::Way;
use crate::view::{Block, Control, Form, Input, InputKind, Tone};

/// Where the page is.
pub const ADDRESS: &str = "/web/first";
const TITLE: &str = "First administrator";

pub fn routes() -> Vec<Route> {
    vec![Route::get(ADDRESS, Need::Nothing, show), Route::post(ADDRESS, Need::Nothing, add)]
}

async fn show(asked: Asked) -> Response {
    if asked.way == Way::Plain {
        return asked.answer(Page::new(TITLE, vec![Block::Note(Tone::Warning, NOT_HERE.to_owned())]));
    }
    asked.answer(form("", "", None))
}

/// The form. A password is never given back, so that it is typed again after a refusal.
fn form(code: &str, username: &str, note: Option<Block>) -> Page {
    let text = |complete, is_first| InputKind::Text { complete, is_needed: true, is_first };
    let password = |name, label| {
        Control::Input(Input::new(name, label, "", InputKind::Password { complete: "new-password", is_needed: true }))
    };
    let controls = vec![
        Control::Input(
            Input::new("code", "Code", code, text("off", code.is_empty()))
                .about("A server that has no administrator writes it to its log as it starts."),
        ),
        Control::Input(Input::new("username", "Username", username, text("username", false))),
        password("password", "Password"),
        password("again", "Password again"),
    ];
    let mut blocks: Vec<_> = note.into_iter().collect();
    blocks.push(Block::Form(Form::post("first-administrator", ADDRESS, controls, "Add the administrator")));
    Page::new(TITLE, blocks)
}

async fn add(asked: Asked) -> Result<Response, Problem> {
    if asked.way == Way::Plain {
        return Err(Problem::new(StatusCode::FORBIDDEN, NOT_HERE));
    }
    let client = asked.parts.extensions.get::<Client>().ok_or_else(Problem::no_visitor)?;
    let client = DoorClient { visit: visit(&asked.parts.headers), ..door_client(client) };
    let (code, username) = (asked.form.text("code").trim(), asked.form.text("username"));
    let password = asked.form.text("password");
    let refused = |status, text: String| {
        let note = Block::Note(Tone::Bad, text);
        Ok(asked.answer(form(code, username, Some(note)).with_status(status)))
    };
    // Before the code is looked at: it says nothing of it.
    if password.is_empty() || password != asked.form.text("again") {
        let text = "The password has to be typed twice in the same way.";
        return refused(StatusCode::BAD_REQUEST, text.to_owned());
    }
    let first = &asked.web.administration.first_administrator;
    match first.add(&client, code, username, Secret::new(password)).await {
        Ok(()) => Ok(see("/web/login?done=added")),
        Err(error @ FirstAdministratorError::Denied) => refused(StatusCode::FORBIDDEN, sentence(&error.to_string())),
        Err(error @ FirstAdministratorError::TooMany) => {
            refused(StatusCode::TOO_MANY_REQUESTS, sentence(&error.to_string()))
        }
        Err(error @ FirstAdministratorError::Hook) => {
            refused(StatusCode::SERVICE_UNAVAILABLE, sentence(&error.to_string()))
        }
        Err(FirstAdministratorError::Admin(error)) => {
            let problem = Problem::for_stranger(error);
            // A name or a password that cannot be used is replaced by another.
            match problem.status {
                StatusCode::UNPROCESSABLE_ENTITY => refused(problem.status, problem.text),
                _ => Err(problem),
            }
        }
    }
}
