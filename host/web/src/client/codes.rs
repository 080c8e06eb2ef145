//! A user's own second factor: a secret is shown as a QR code, and is in force once a code of it was given.

use axum::response::Response;
use tidegate_core::admin::OwnChange;
use tidegate_core::secret::Secret;

use super::{Place, Who, closed, person, shown};
use crate::codes::qr;
use crate::problem::Problem;
use crate::request::{Asked, see};
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Tone};

const PATH: &str = "/web/client/codes";
const TITLE: &str = "Second factor";

pub fn places() -> Vec<Place> {
    vec![
        Place::get(PATH, Who::Person, show),
        Place::post("/web/client/codes/make", Who::Person, make),
        Place::post("/web/client/codes/confirm", Who::Person, confirm),
        Place::post("/web/client/codes/remove", Who::Person, remove),
    ]
}

fn code_input() -> Control {
    let kind = InputKind::Text { complete: "one-time-code", is_needed: true, is_first: false };
    Control::Input(Input::new("code", "One-time code", "", kind))
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    if let Some(note) = closed(&asked, OwnChange::SecondFactor).await? {
        return Ok(shown(&asked, TITLE, vec![note]));
    }
    let mut blocks = Vec::new();
    if asked.query.text("done") == "removed" {
        blocks.push(Block::Note(Tone::Good, "You have no one-time codes any more.".to_owned()));
    }
    let (text, form) = if asked.web.administration.own.has_codes(person(&asked)?) {
        let text = "You have one-time codes: a login by password needs one as well. Without your authenticator, a \
                    recovery code does here.";
        (text, Form::post("remove-codes", "/web/client/codes/remove", vec![code_input()], "Switch them off"))
    } else {
        let text = "You have no one-time codes. With them, a login by password needs a code of your authenticator as well, \
                    over SFTP and here.";
        (text, Form::post("make-codes", "/web/client/codes/make", Vec::new(), "Set them up"))
    };
    blocks.extend([Block::Text(text.to_owned()), Block::Form(form)]);
    Ok(shown(&asked, TITLE, blocks))
}

async fn make(asked: Asked) -> Result<Response, Problem> {
    let codes = asked.web.administration.own.offer_codes(person(&asked)?).await?;
    let mut facts = Vec::new();
    if let Some(cell) = qr(codes.url.expose()) {
        facts.push(("QR code".to_owned(), cell));
    }
    facts.push(("Secret, where there is no camera".to_owned(), Cell::Code(codes.secret.expose().to_owned())));
    facts.push(("URL".to_owned(), Cell::Code(codes.url.expose().to_owned())));
    let text = "Scan the QR code with an authenticator, and give the code that it shows. Nothing is changed before.";
    let mut form = Form::post("confirm-codes", "/web/client/codes/confirm", vec![code_input()], "Switch them on");
    form.hidden = vec![("secret", codes.secret.expose().to_owned())];
    Ok(shown(&asked, TITLE, vec![Block::Text(text.to_owned()), Block::Facts(facts), Block::Form(form)]))
}

async fn confirm(asked: Asked) -> Result<Response, Problem> {
    let (secret, code) = (Secret::new(asked.form.text("secret")), Secret::new(asked.form.text("code")));
    let recovery = asked.web.administration.own.confirm_codes(person(&asked)?, &secret, &code).await?;
    let recovery = recovery.iter().map(|code| code.expose().to_owned()).collect();
    let note = "Your one-time codes are on. Keep the recovery codes now: they are shown this once.";
    let label = "Recovery codes, each for one log-in here without the device".to_owned();
    let action = Action { text: "Done".to_owned(), address: super::HOME.to_owned(), tone: Tone::Good };
    let facts = Block::Facts(vec![(label, Cell::Lines(recovery))]);
    let blocks = vec![Block::Note(Tone::Warning, note.to_owned()), facts, Block::Actions(vec![action])];
    Ok(shown(&asked, TITLE, blocks))
}

async fn remove(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.own.remove_codes(person(&asked)?, asked.form.text("code")).await?;
    Ok(see("/web/client/codes?done=removed"))
}
