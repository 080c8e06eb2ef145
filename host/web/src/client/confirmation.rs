//! The inputs with which users prove that they themselves change their password, keys or one-time codes.

use tidegate_core::admin::Confirmation;
use tidegate_core::secret::Secret;

use super::person;
use crate::problem::{Problem, sentence};
use crate::request::Asked;
use crate::view::{Block, Control, Input, InputKind, Tone};

/// The inputs that the user has to fill in, or what stands in the place of a form that it cannot confirm.
pub async fn inputs(asked: &Asked) -> Result<Result<Vec<Control>, Block>, Problem> {
    let person = person(asked)?;
    let needed = asked.web.administration.own.needed_confirmation(person).await?;
    if let Some(reason) = needed.why_not() {
        let text = format!("This cannot be changed here: {}", sentence(reason));
        return Ok(Err(Block::Note(Tone::Plain, text)));
    }
    let mut inputs = vec![Input::new("own-name", "Username", &person.account.username, InputKind::Fixed)];
    if needed.password {
        let kind = InputKind::Password { complete: "current-password", is_needed: true };
        inputs.push(Input::new("current", "Current password", "", kind));
    }
    if needed.code {
        let kind = InputKind::Text { complete: "one-time-code", is_needed: true, is_first: false };
        let about = "The code that your authenticator shows, or a recovery code.";
        inputs.push(Input::new("code", "One-time code", "", kind).about(about));
    }
    Ok(Ok(inputs.into_iter().map(Control::Input).collect()))
}

/// What the user has filled in.
pub fn given(asked: &Asked) -> Confirmation {
    let secret = |name| Secret::new(asked.form.text(name));
    Confirmation { password: secret("current"), code: secret("code") }
}
