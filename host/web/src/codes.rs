//! One-time codes: those of an account, of an administrator, and one's own. They are shown once, as a QR code and as
//! text.

use axum::response::Response;
use qrcode::{Color, QrCode};
use tidegate_core::admin::{NewCodes, UseCase};
use tidegate_core::secret::Secret;

use crate::guard::Need;
use crate::objects::Kind;
use crate::problem::Problem;
use crate::request::{Asked, address, see};
use crate::route::Route;
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Submit, Tone};

/// The room around a QR code (ISO/IEC 18004).
const QUIET: usize = 4;

pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/web/account/codes", Need::Administrator, own),
        Route::get("/web/users/codes", Need::For(UseCase::UpdateUser), async |asked| ask(Kind::User, asked)),
        Route::post("/web/users/codes", Need::For(UseCase::UpdateUser), of_user),
        Route::get("/web/admins/codes", Need::For(UseCase::UpdateAdmin), async |asked| ask(Kind::Admin, asked)),
        Route::post("/web/admins/codes", Need::For(UseCase::UpdateAdmin), of_administrator),
    ]
}

fn buttons() -> Vec<Submit> {
    let button = |value, text: &str, tone| Submit { name: "do", value, text: text.to_owned(), tone };
    vec![
        button("make", "Make new one-time codes", Tone::Good),
        button("remove", "Remove the one-time codes", Tone::Bad),
    ]
}

/// A part of the administrator's own page.
pub async fn section(asked: &Asked) -> Result<Vec<Block>, Problem> {
    let has_codes = asked.web.administration.admins.has_own_codes(asked.actor()?).await?;
    let password = InputKind::Password { complete: "current-password", is_needed: true };
    let mut input = Input::new("current", "Current password", "", password);
    let name = Input::new("name-for-codes", "Username", &asked.actor()?.author.name, InputKind::Fixed);
    // The form above has such an input as well.
    input.id = "current-for-codes".to_owned();
    let mut form = Form::post("own-codes", "/web/account/codes", vec![Control::Input(name), Control::Input(input)], "");
    form.buttons = buttons();
    form.buttons.truncate(if has_codes { 2 } else { 1 });
    let text = if has_codes {
        "You have one-time codes: a log-in needs one beside the password."
    } else {
        "You have no one-time codes. With them, a log-in needs a code of your authenticator beside the password."
    };
    Ok(vec![Block::Heading("One-time codes".to_owned()), Block::Text(text.to_owned()), Block::Form(form)])
}

async fn own(asked: Asked) -> Result<Response, Problem> {
    let (admins, actor) = (&asked.web.administration.admins, asked.actor()?);
    let current = Secret::new(asked.form.text("current"));
    match asked.form.text("do") {
        "make" => {
            let codes = admins.make_own_codes(actor, &current).await?;
            Ok(shown_once(&asked, &actor.author.name, &codes, "/web/account"))
        }
        "remove" => {
            admins.remove_own_codes(actor, &current).await?;
            Ok(see("/web/account?done=no-codes"))
        }
        _ => Err(nothing_to_do()),
    }
}

fn nothing_to_do() -> Problem {
    Problem::wrong("The form names no action that the server knows.")
}

fn ask(kind: Kind, asked: Asked) -> Response {
    let name = asked.query.text("name").to_owned();
    let text = match kind {
        Kind::User => {
            "With one-time codes, a log-in by password needs a code of an authenticator as well. New ones take the place of \
             those that the account has."
        }
        _ => {
            "New one-time codes take the place of those that the administrator has; without any, a log-in needs the password \
             alone."
        }
    };
    let mut form = Form::post("codes", format!("{}/codes", kind.path()), Vec::new(), "");
    form.hidden = vec![("name", name.clone())];
    form.buttons = buttons();
    let blocks = vec![Block::Note(Tone::Warning, text.to_owned()), Block::Form(form)];
    asked.page(format!("One-time codes of {name}"), blocks)
}

async fn of_user(asked: Asked) -> Result<Response, Problem> {
    let (users, actor, name) = (&asked.web.administration.users, asked.actor()?, asked.form.text("name"));
    match asked.form.text("do") {
        "make" => {
            let codes = users.make_codes(actor, name).await?;
            Ok(shown_once(&asked, name, &codes, &back(Kind::User, &asked, name)))
        }
        "remove" => {
            users.remove_codes(actor, name).await?;
            Ok(see(&back(Kind::User, &asked, name)))
        }
        _ => Err(nothing_to_do()),
    }
}

async fn of_administrator(asked: Asked) -> Result<Response, Problem> {
    let (admins, actor, name) = (&asked.web.administration.admins, asked.actor()?, asked.form.text("name"));
    match asked.form.text("do") {
        "make" => {
            let codes = admins.make_codes(actor, name).await?;
            Ok(shown_once(&asked, name, &codes, &back(Kind::Admin, &asked, name)))
        }
        "remove" => {
            admins.remove_codes(actor, name).await?;
            Ok(see(&back(Kind::Admin, &asked, name)))
        }
        _ => Err(nothing_to_do()),
    }
}

/// The page of the object, or the overview for administrators who may not see it.
fn back(kind: Kind, asked: &Asked, name: &str) -> String {
    if asked.may(kind.cases().show) {
        address(&format!("{}/show", kind.path()), &[("name", name), ("done", "saved")])
    } else {
        "/web".to_owned()
    }
}

/// The secret, which the server does not show again.
fn shown_once(asked: &Asked, name: &str, codes: &NewCodes, back: &str) -> Response {
    let note = "Scan the code with an authenticator now: it is shown this once.";
    let mut facts = Vec::new();
    if let Some(cell) = qr(codes.url.expose()) {
        facts.push(("QR code".to_owned(), cell));
    }
    facts.push(("Secret, where there is no camera".to_owned(), Cell::Code(codes.secret.expose().to_owned())));
    facts.push(("URL".to_owned(), Cell::Code(codes.url.expose().to_owned())));
    if !codes.recovery_codes.is_empty() {
        let codes = codes.recovery_codes.iter().map(|code| code.expose().to_owned()).collect();
        facts.push(("Recovery codes, each for one log-in without the device".to_owned(), Cell::Lines(codes)));
    }
    let action = Action { text: "Done".to_owned(), address: back.to_owned(), tone: Tone::Good };
    let blocks = vec![Block::Note(Tone::Warning, note.to_owned()), Block::Facts(facts), Block::Actions(vec![action])];
    asked.page(format!("New one-time codes of {name}"), blocks)
}

/// A QR code of the text; None: it is too long for one.
pub fn qr(text: &str) -> Option<Cell> {
    let code = QrCode::new(text).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (row, modules) in code.to_colors().chunks(width.max(1)).enumerate() {
        for (column, module) in modules.iter().enumerate() {
            if *module == Color::Dark {
                path.push_str(&format!("M{} {}h1v1h-1z", column + QUIET, row + QUIET));
            }
        }
    }
    Some(Cell::Qr { label: "QR code of the one-time codes".to_owned(), size: width + 2 * QUIET, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_is_made_of_squares() {
        let Some(Cell::Qr { size, path, .. }) = qr("otpauth://totp/Tidegate:a?secret=JBSWY3DPEHPK3PXP") else {
            panic!("no code")
        };
        // Version 4 has 33 modules; its corners are dark.
        assert!(size >= 29 && path.starts_with("M4 4h1v1h-1zM5 4"), "{size} {path}");
        assert!(qr(&"x".repeat(5_000)).is_none());
    }
}
