//! Log-in and log-out.

use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::response::Response;
use tidegate_api::{Client, visit};
use tidegate_core::admin::{AuthenticationError, DoorClient};
use tidegate_core::secret::Secret;

use crate::cookie::ADMIN;
use crate::guard::{Need, door_client, unavailable};
use crate::page::Page;
use crate::problem::{Problem, sentence};
use crate::request::{Asked, see};
use crate::route::Route;
use crate::transport::Way;
use crate::view::{Block, Control, Form, Input, InputKind, Tone};

pub const NOT_HERE: &str = "Passwords are not taken here, because the connection is not encrypted. Ask for this page by https, \
                        with a certificate in httpd.certificate_file or behind a proxy in httpd.proxy_allowed that sends \
                        \"X-Forwarded-Proto: https\"; or on the server itself by http://localhost.";

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/login", Need::Nothing, show),
        Route::post("/web/login", Need::Nothing, log_in),
        Route::post("/web/logout", Need::Nothing, log_out),
    ]
}

async fn show(asked: Asked) -> Response {
    if asked.way == Way::Plain {
        return asked.answer(Page::new("Log in", vec![Block::Note(Tone::Warning, NOT_HERE.to_owned())]));
    }
    let note = match asked.query.text("done") {
        "logged-out" => Some("You have logged out."),
        "added" => Some("The administrator was added. Log in with the name and the password."),
        _ => None,
    };
    let note = note.map(|text| Block::Note(Tone::Good, text.to_owned()));
    asked.answer(form(&asked, "", asked.query.text("next"), note))
}

/// The form. A password is never given back, so that it is typed again after a refusal.
fn form(asked: &Asked, username: &str, next: &str, note: Option<Block>) -> Page {
    let text = |complete, is_needed, is_first| InputKind::Text { complete, is_needed, is_first };
    let controls = vec![
        Input::new("username", "Username", username, text("username", true, username.is_empty())),
        Input::new("password", "Password", "", InputKind::Password { complete: "current-password", is_needed: true }),
        Input::new("code", "One-time code", "", text("one-time-code", false, false))
            .about("The code that your authenticator shows, or a recovery code; empty if you have no one-time codes."),
    ];
    let controls = controls.into_iter().map(Control::Input).collect();
    let mut form = Form::post("log-in", "/web/login", controls, "Log in");
    form.hidden = vec![("next", own_path(next).to_owned())];
    let mut blocks: Vec<_> = note.into_iter().collect();
    if asked.way == Way::Loopback {
        let text = "This connection is not encrypted; it does not leave this machine.";
        blocks.push(Block::Note(Tone::Plain, text.to_owned()));
    }
    blocks.push(Block::Form(form));
    Page::new("Log in", blocks)
}

/// A page of the web admin to go to; another address would lead people from here to a page that looks like this one.
fn own_path(next: &str) -> &str {
    let is_own = next == "/web" || next.starts_with("/web/") || next.starts_with("/web?");
    // A header has no control characters.
    let is_odd = |character: char| character == '\\' || character.is_control();
    if is_own && !next.contains(is_odd) { next } else { "/web" }
}

async fn log_in(asked: Asked) -> Result<Response, Problem> {
    if asked.way == Way::Plain {
        return Err(Problem::new(StatusCode::FORBIDDEN, NOT_HERE));
    }
    let Some(client) = asked.parts.extensions.get::<Client>() else { return Err(Problem::no_visitor()) };
    let (form_fields, authentication) = (&asked.form, &asked.web.administration.authentication);
    let (username, next) = (form_fields.text("username"), form_fields.text("next"));
    let (password, code) = (Secret::new(form_fields.text("password")), form_fields.given("code"));
    let client = DoorClient { visit: visit(&asked.parts.headers), ..door_client(client) };
    let actor = match authentication.basic(username, &password, code.as_deref(), &client).await {
        Ok(actor) => actor,
        Err(error) => return refused(&asked, username, next, &error),
    };
    let issued = match authentication.begin_session(&actor, &client, password).await {
        Ok(issued) => issued,
        Err(error) => return refused(&asked, username, next, &error),
    };
    // The session that the browser had before, its own or one that was planted there, is no longer good.
    if let Some(former) = ADMIN.token(&asked.parts.headers, asked.way) {
        authentication.revoke(&former).await?;
    }
    let mut response = see(own_path(next));
    if let Some(header) = ADMIN.header(issued.text.expose(), asked.way) {
        response.headers_mut().insert(SET_COOKIE, header);
    }
    Ok(response)
}

fn refused(asked: &Asked, username: &str, next: &str, error: &AuthenticationError) -> Result<Response, Problem> {
    let (status, text) = match error {
        AuthenticationError::Denied => (
            StatusCode::UNAUTHORIZED,
            "The name, the password or the code is wrong, or may not be used from here.".to_owned(),
        ),
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
    };
    let note = Block::Note(Tone::Bad, text);
    let mut response = asked.answer(form(asked, username, next, Some(note)).with_status(status));
    if let AuthenticationError::Paused(seconds) | AuthenticationError::TooOften(seconds) = error {
        response.headers_mut().insert(RETRY_AFTER, (*seconds).into());
    }
    Ok(response)
}

async fn log_out(asked: Asked) -> Result<Response, Problem> {
    if let Some(token) = ADMIN.token(&asked.parts.headers, asked.way) {
        asked.web.administration.authentication.revoke(&token).await?;
    }
    let mut response = see("/web/login?done=logged-out");
    if let Some(header) = ADMIN.header("", asked.way) {
        response.headers_mut().insert(SET_COOKIE, header);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_to_own_pages_only() {
        let check = |next: &str, expected: &str| assert_eq!(own_path(next), expected, "{next}");
        for own in ["/web/users?name=a%20b", "/web/users?name=jörg"] {
            check(own, own);
        }
        for other in [
            "",
            "/",
            "//evil.example",
            "https://evil.example",
            "/webx",
            "/web/\\evil",
            "/api/v2/users",
            "/web/\u{1}",
            "/web/\n",
            "/web/\u{7f}",
        ] {
            check(other, "/web");
        }
    }
}
