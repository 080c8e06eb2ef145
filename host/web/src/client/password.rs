//! A user's own password.

use axum::http::header::SET_COOKIE;
use axum::response::Response;
use tidegate_core::admin::OwnChange;
use tidegate_core::secret::Secret;

use super::{Place, Who, closed, person, shown};
use crate::cookie::PERSON;
use crate::problem::Problem;
use crate::request::{Asked, see};
use crate::view::{Block, Control, Form, Input, InputKind};

const PATH: &str = "/web/client/password";

pub fn places() -> Vec<Place> {
    vec![Place::get(PATH, Who::Person, show), Place::post(PATH, Who::Person, change)]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    if let Some(note) = closed(&asked, OwnChange::Password).await? {
        return Ok(shown(&asked, "Password", vec![note]));
    }
    let password = |name, label, complete| {
        Control::Input(Input::new(name, label, "", InputKind::Password { complete, is_needed: true }))
    };
    let controls = vec![
        Control::Input(Input::new("own-name", "Username", &person(&asked)?.account.username, InputKind::Fixed)),
        password("current", "Current password", "current-password"),
        password("new", "New password", "new-password"),
        password("again", "New password again", "new-password"),
    ];
    let text = "The new password holds for SFTP and for these pages. You log in anew afterwards.";
    let form = Form::post("own-password", PATH, controls, "Change the password");
    Ok(shown(&asked, "Password", vec![Block::Text(text.to_owned()), Block::Form(form)]))
}

async fn change(asked: Asked) -> Result<Response, Problem> {
    let (current, new) = (asked.form.text("current"), asked.form.text("new"));
    if new.is_empty() || new != asked.form.text("again") {
        return Err(Problem::wrong("The new password has to be typed twice in the same way."));
    }
    let own = &asked.web.administration.own;
    own.change_password(person(&asked)?, &Secret::new(current), Secret::new(new)).await?;
    // All sessions have ended, this one as well.
    let mut response = see("/web/client/login?done=password");
    if let Some(header) = PERSON.header("", asked.way) {
        response.headers_mut().insert(SET_COOKIE, header);
    }
    Ok(response)
}
