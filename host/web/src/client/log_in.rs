//! Log-in and log-out of users, and the landing of one-time links. A link is used by its button alone: programs that look
//! at links before people do ask for the page, and use up nothing.

use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::response::Response;
use tidegate_api::{Client, visit};
use tidegate_core::admin::{AuthenticationError, DoorClient, IssuedToken, PasswordOwner, ResetError};
use tidegate_core::secret::Secret;

use super::{HOME, LOG_IN, Place, Who, answer};
use crate::cookie::PERSON;
use crate::guard::{door_client, unavailable};
use crate::login::NOT_HERE;
use crate::page::Page;
use crate::problem::{Problem, sentence};
use crate::request::{Asked, see};
use crate::transport::Way;
use crate::view::{Block, Control, Form, Input, InputKind, Tone};

const LINK: &str = "/web/client/login-link";
const RESET: &str = "/web/client/reset";

pub fn places() -> Vec<Place> {
    vec![
        Place::get(LOG_IN, Who::Anyone, show),
        Place::post(LOG_IN, Who::Anyone, log_in),
        Place::post("/web/client/logout", Who::Anyone, log_out),
        Place::get(LINK, Who::Anyone, show_link),
        Place::post(LINK, Who::Anyone, use_link),
        Place::get(RESET, Who::Anyone, show_reset),
        Place::post(RESET, Who::Anyone, reset),
    ]
}

fn page(asked: &Asked, page: Page) -> Response {
    answer(page, None, &asked.path, asked.web.facts.version)
}

fn not_here(asked: &Asked, title: &str) -> Response {
    page(asked, Page::new(title, vec![Block::Note(Tone::Warning, NOT_HERE.to_owned())]))
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    if asked.way == Way::Plain {
        return Ok(not_here(&asked, "Log in"));
    }
    let note = match asked.query.text("done") {
        "logged-out" => Some("You have logged out."),
        "password" => Some("The password was changed. Log in with the new one."),
        _ => None,
    };
    let note = note.map(|text| Block::Note(Tone::Good, text.to_owned()));
    if asked.web.administration.own.passwords_are_elsewhere().await? {
        let text = sentence(&AuthenticationError::PasswordElsewhere.to_string());
        return Ok(page(&asked, Page::new("Log in", vec![Block::Note(Tone::Plain, text)])));
    }
    Ok(page(&asked, form("", note)))
}

/// The form. A password is never given back, so that it is typed again after a refusal.
fn form(username: &str, note: Option<Block>) -> Page {
    let text = |complete, is_needed, is_first| InputKind::Text { complete, is_needed, is_first };
    let controls = vec![
        Input::new("username", "Username", username, text("username", true, username.is_empty())),
        Input::new("password", "Password", "", InputKind::Password { complete: "current-password", is_needed: true }),
        Input::new("code", "One-time code", "", text("one-time-code", false, false))
            .about("The code that your authenticator shows, or a recovery code; empty if you have no one-time codes."),
    ];
    let controls = controls.into_iter().map(Control::Input).collect();
    let mut blocks: Vec<_> = note.into_iter().collect();
    blocks.push(Block::Form(Form::post("log-in", LOG_IN, controls, "Log in")));
    Page::new("Log in", blocks)
}

fn refuse_plain(asked: &Asked) -> Result<(), Problem> {
    if asked.way == Way::Plain { Err(Problem::new(StatusCode::FORBIDDEN, NOT_HERE)) } else { Ok(()) }
}

fn client_of(asked: &Asked) -> Result<DoorClient, Problem> {
    let client = asked.parts.extensions.get::<Client>().ok_or_else(Problem::no_visitor)?;
    let mut visit = visit(&asked.parts.headers);
    // The address of the page before may have the code of a link.
    visit.referer = visit.referer.split('?').next().unwrap_or_default().to_owned();
    Ok(DoorClient { visit, ..door_client(client) })
}

async fn log_in(asked: Asked) -> Result<Response, Problem> {
    refuse_plain(&asked)?;
    let (fields, client) = (&asked.form, client_of(&asked)?);
    let (username, code) = (fields.text("username"), fields.given("code"));
    let password = Secret::new(fields.text("password"));
    match asked.web.administration.own.log_in(username, password, code.as_deref(), &client).await {
        Ok(issued) => begun(&asked, &issued).await,
        Err(error) => {
            let (status, text) =
                refusal(&error, "The name, the password or the code is wrong, or may not be used here.")?;
            let note = Block::Note(Tone::Bad, text);
            let mut response = page(&asked, form(username, Some(note)).with_status(status));
            if let AuthenticationError::Paused(seconds) | AuthenticationError::TooOften(seconds) = error {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            Ok(response)
        }
    }
}

/// `denied`: what is said of wrong credentials.
fn refusal(error: &AuthenticationError, denied: &str) -> Result<(StatusCode, String), Problem> {
    Ok(match error {
        AuthenticationError::Denied => (StatusCode::UNAUTHORIZED, denied.to_owned()),
        AuthenticationError::SecondFactorNeeded => (
            StatusCode::UNAUTHORIZED,
            "A one-time code is needed as well: type the password again, and the code.".to_owned(),
        ),
        AuthenticationError::SecondFactorMissing | AuthenticationError::PasswordElsewhere => {
            (StatusCode::FORBIDDEN, sentence(&error.to_string()))
        }
        AuthenticationError::Paused(_) | AuthenticationError::TooOften(_) => {
            (StatusCode::TOO_MANY_REQUESTS, sentence(&error.to_string()))
        }
        AuthenticationError::Hook | AuthenticationError::Store(_) | AuthenticationError::Password(_) => {
            return Err(unavailable(error));
        }
    })
}

/// Gives the browser its session. The one that it had before, its own or one that was planted there, is no longer good.
async fn begun(asked: &Asked, issued: &IssuedToken) -> Result<Response, Problem> {
    if let Some(former) = PERSON.token(&asked.parts.headers, asked.way) {
        asked.web.administration.user_sessions.log_out(&former).await?;
    }
    let mut response = see(HOME);
    if let Some(header) = PERSON.header(issued.text.expose(), asked.way) {
        response.headers_mut().insert(SET_COOKIE, header);
    }
    Ok(response)
}

async fn log_out(asked: Asked) -> Result<Response, Problem> {
    if let Some(token) = PERSON.token(&asked.parts.headers, asked.way) {
        asked.web.administration.user_sessions.log_out(&token).await?;
    }
    let mut response = see("/web/client/login?done=logged-out");
    if let Some(header) = PERSON.header("", asked.way) {
        response.headers_mut().insert(SET_COOKIE, header);
    }
    Ok(response)
}

async fn show_link(asked: Asked) -> Response {
    if asked.way == Way::Plain {
        return not_here(&asked, "Login link");
    }
    let text = "This link logs you in. It is used by the button, not by looking at this page.";
    let form = link_form(asked.query.text("code"), Vec::new());
    page(&asked, Page::new("Login link", vec![Block::Text(text.to_owned()), form]))
}

fn link_form(link: &str, controls: Vec<Control>) -> Block {
    let form = Form::post("use-link", LINK, controls, "Log in");
    Block::Form(Form { hidden: vec![("code", link.to_owned())], ..form })
}

async fn use_link(asked: Asked) -> Result<Response, Problem> {
    refuse_plain(&asked)?;
    let links = &asked.web.administration.login_links;
    let (link, code) = (asked.form.text("code"), asked.form.given("one_time_code"));
    match links.redeem(link, code.as_deref(), &client_of(&asked)?).await {
        Ok(issued) => begun(&asked, &issued).await,
        Err(error) => {
            let denied = match code {
                None => "The link is wrong, was used, has expired, or may not be used from here. Ask for another one.",
                Some(_) => "The one-time code is wrong or was used before, or the link is no longer valid.",
            };
            let (status, text) = match &error {
                AuthenticationError::SecondFactorNeeded => (
                    StatusCode::UNAUTHORIZED,
                    "A one-time code is needed as well. The link has not been used yet.".to_owned(),
                ),
                error => refusal(error, denied)?,
            };
            let mut blocks = vec![Block::Note(Tone::Bad, text)];
            // The link is good still.
            if code.is_some() || error == AuthenticationError::SecondFactorNeeded {
                let kind = InputKind::Text { complete: "one-time-code", is_needed: true, is_first: true };
                let input = Input::new("one_time_code", "One-time code", "", kind)
                    .about("The code that your authenticator shows, or a recovery code.");
                blocks.push(link_form(link, vec![Control::Input(input)]));
            }
            let mut response = page(&asked, Page::new("Login link", blocks).with_status(status));
            if let AuthenticationError::Paused(seconds) | AuthenticationError::TooOften(seconds) = error {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            Ok(response)
        }
    }
}

async fn show_reset(asked: Asked) -> Response {
    if asked.way == Way::Plain {
        return not_here(&asked, "New password");
    }
    page(&asked, reset_form(asked.query.text("username"), asked.query.text("code"), None))
}

fn reset_form(username: &str, code: &str, note: Option<Block>) -> Page {
    let text = |complete| InputKind::Text { complete, is_needed: true, is_first: false };
    let password = |name, label| {
        Control::Input(Input::new(name, label, "", InputKind::Password { complete: "new-password", is_needed: true }))
    };
    let controls = vec![
        Control::Input(Input::new("username", "Username", username, text("username"))),
        Control::Input(Input::new("code", "Code", code, text("off")).about("You get it from an administrator.")),
        password("new", "New password"),
        password("again", "New password again"),
    ];
    let mut blocks: Vec<_> = note.into_iter().collect();
    blocks.push(Block::Form(Form::post("reset", RESET, controls, "Set the password")));
    Page::new("New password", blocks)
}

async fn reset(asked: Asked) -> Result<Response, Problem> {
    refuse_plain(&asked)?;
    let (form, client) = (&asked.form, client_of(&asked)?);
    let (username, code, new) = (form.text("username"), form.text("code"), form.text("new"));
    let refused = |status, text: String| {
        let note = Block::Note(Tone::Bad, text);
        Ok(page(&asked, reset_form(username, code, Some(note)).with_status(status)))
    };
    if new.is_empty() || new != form.text("again") {
        let text = "The new password has to be typed twice in the same way.";
        return refused(StatusCode::BAD_REQUEST, text.to_owned());
    }
    let resets = &asked.web.administration.password_resets;
    match resets.redeem(PasswordOwner::User, &client, username, code, Secret::new(new)).await {
        Ok(()) => Ok(see("/web/client/login?done=password")),
        Err(error @ ResetError::Denied) => refused(StatusCode::FORBIDDEN, sentence(&error.to_string())),
        Err(error @ ResetError::TooMany) => refused(StatusCode::TOO_MANY_REQUESTS, sentence(&error.to_string())),
        Err(error @ ResetError::Overtaken) => refused(StatusCode::CONFLICT, sentence(&error.to_string())),
        Err(error @ ResetError::Hook) => refused(StatusCode::SERVICE_UNAVAILABLE, sentence(&error.to_string())),
        Err(ResetError::Admin(error)) => {
            let problem = Problem::for_stranger(error);
            // A password that cannot be used is replaced by another.
            match problem.status {
                StatusCode::UNPROCESSABLE_ENTITY => refused(problem.status, problem.text),
                _ => Err(problem),
            }
        }
    }
}
