//! A user's own second factor: a secret is shown as a QR code, and is in force once a code of it was given.

use axum::response::Response;
use tidegate_core::admin::OwnChange;
use tidegate_core::secret::Secret;

use super::confirmation::{given, inputs};
use super::{CODES, Place, Who, closed, person, shown};
use crate::codes::qr;
use crate::problem::Problem;
use crate::request::{Asked, see};
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Submit, Tone};

const TITLE: &str = "Second factor";

pub fn places() -> Vec<Place> {
    vec![
        Place::get(CODES, Who::AnyPerson, show),
        Place::post(CODES, Who::AnyPerson, change),
        Place::post("/web/client/codes/confirm", Who::AnyPerson, confirm),
    ]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let person = person(&asked)?;
    let mut blocks = Vec::new();
    if person.has_to_set_up_codes {
        let text = "Your account demands a second factor. Set it up here; nothing else can be done before.";
        blocks.push(Block::Note(Tone::Warning, text.to_owned()));
    }
    if let Some(note) = closed(&asked, OwnChange::SecondFactor).await? {
        blocks.push(note);
        return Ok(shown(&asked, TITLE, blocks));
    }
    if asked.query.text("done") == "removed" {
        blocks.push(Block::Note(Tone::Good, "You have no one-time codes any more.".to_owned()));
    }
    let button = |value, text: &str, tone| Submit { name: "do", value, text: text.to_owned(), tone };
    let (text, buttons) = if asked.web.administration.own.has_codes(person) {
        let text = "You have one-time codes: a login by password needs one as well. Without your authenticator, \
                    use a recovery code here.";
        let buttons = vec![
            button("recovery", "Make new recovery codes", Tone::Good),
            button("make", "Replace them", Tone::Warning),
            button("remove", "Switch them off", Tone::Bad),
        ];
        (text, buttons)
    } else {
        let text = "You have no one-time codes. With them, a login by password needs a code of your authenticator as well, \
                    over SFTP and here.";
        (text, vec![button("make", "Set them up", Tone::Good)])
    };
    blocks.push(Block::Text(text.to_owned()));
    blocks.push(match inputs(&asked).await? {
        Ok(controls) => Block::Form(Form { buttons, ..Form::post("change-codes", CODES, controls, "") }),
        Err(note) => note,
    });
    Ok(shown(&asked, TITLE, blocks))
}

async fn change(asked: Asked) -> Result<Response, Problem> {
    let (own, confirmation) = (&asked.web.administration.own, given(&asked));
    match asked.form.text("do") {
        "make" => offer(&asked).await,
        "recovery" => {
            let codes = own.renew_recovery_codes(person(&asked)?, &confirmation).await?;
            Ok(recovery(&asked, "These recovery codes take the place of the earlier ones.", &codes))
        }
        "remove" => {
            own.remove_codes(person(&asked)?, &confirmation).await?;
            Ok(see("/web/client/codes?done=removed"))
        }
        _ => Err(Problem::wrong("The form names no action that the server knows.")),
    }
}

async fn offer(asked: &Asked) -> Result<Response, Problem> {
    let codes = asked.web.administration.own.offer_codes(person(asked)?, &given(asked)).await?;
    let mut facts = Vec::new();
    if let Some(cell) = qr(codes.url.expose()) {
        facts.push(("QR code".to_owned(), cell));
    }
    facts.push(("Secret, where there is no camera".to_owned(), Cell::Code(codes.secret.expose().to_owned())));
    facts.push(("URL".to_owned(), Cell::Code(codes.url.expose().to_owned())));
    let text = "Scan the QR code with an authenticator, and type the code that it shows within ten minutes. The server changes \
                nothing before that; then it ends your other sessions here.";
    let kind = InputKind::Text { complete: "one-time-code", is_needed: true, is_first: false };
    let code = Control::Input(Input::new("code", "One-time code", "", kind));
    let form = Form::post("confirm-codes", "/web/client/codes/confirm", vec![code], "Switch them on");
    Ok(shown(asked, TITLE, vec![Block::Text(text.to_owned()), Block::Facts(facts), Block::Form(form)]))
}

async fn confirm(asked: Asked) -> Result<Response, Problem> {
    let code = Secret::new(asked.form.text("code"));
    let codes = asked.web.administration.own.confirm_codes(person(&asked)?, &code).await?;
    Ok(recovery(&asked, "Your one-time codes are on.", &codes))
}

fn recovery(asked: &Asked, done: &str, codes: &[Secret]) -> Response {
    let codes = codes.iter().map(|code| code.expose().to_owned()).collect();
    let note = format!("{done} Keep the recovery codes now: they are shown this once.");
    let label = "Recovery codes, each for one log-in here without the device".to_owned();
    let action = Action { text: "Done".to_owned(), address: super::HOME.to_owned(), tone: Tone::Good };
    let facts = Block::Facts(vec![(label, Cell::Lines(codes))]);
    shown(asked, TITLE, vec![Block::Note(Tone::Warning, note), facts, Block::Actions(vec![action])])
}
