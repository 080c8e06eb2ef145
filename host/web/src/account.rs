//! The administrator's own page: the browsers and programs that are logged in, and the password.

use axum::response::Response;
use tidegate_core::admin::ShownToken;
use tidegate_core::ports::{Clock, Door, SystemClock};
use tidegate_core::secret::Secret;

use crate::guard::Need;
use crate::problem::Problem;
use crate::request::{Asked, see};
use crate::route::Route;
use crate::text::{moment, time};
use crate::view::{Block, Button, Cell, Control, Form, Input, InputKind, Table, Tone};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/account", Need::Administrator, show),
        Route::post("/web/account/password", Need::Administrator, change_password),
        Route::post("/web/account/revoke", Need::Administrator, revoke),
    ]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let administration = &asked.web.administration;
    let current = asked.visitor().map(|visitor| administration.authentication.token_id(&visitor.token));
    let mut table = Table::new(
        "sessions",
        "Where you are logged in; times are in UTC",
        &["Session", "Address", "Since", "Until", "End"],
        "You have no open sessions.",
    );
    for token in administration.tokens.own(asked.actor()?).await? {
        let is_this = current.as_deref() == Some(&token.id);
        table.rows.push(row(token, is_this));
    }
    let mut blocks = Vec::new();
    match asked.query.text("done") {
        "password" => blocks.push(Block::Note(Tone::Good, "The password was changed.".to_owned())),
        "no-codes" => blocks.push(Block::Note(Tone::Good, "You have no one-time codes any more.".to_owned())),
        "ended" => blocks.push(Block::Note(Tone::Good, "The session was ended.".to_owned())),
        _ => {}
    }
    let permissions = match &asked.actor()?.permissions {
        tidegate_core::admin::Permissions::All => "all".to_owned(),
        tidegate_core::admin::Permissions::Only(some) => {
            some.iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(", ")
        }
    };
    blocks.push(Block::Facts(vec![
        ("Name".to_owned(), Cell::text(asked.actor()?.author.name.clone())),
        ("Permissions".to_owned(), Cell::text(permissions)),
        ("Role".to_owned(), Cell::text(asked.actor()?.role.clone().unwrap_or_else(|| "none".to_owned()))),
        ("Now".to_owned(), Cell::Time(moment(SystemClock.now()))),
    ]));
    blocks.push(Block::Table(table));
    blocks.push(Block::Heading("Password".to_owned()));
    let password = |name, label, complete| {
        Control::Input(Input::new(name, label, "", InputKind::Password { complete, is_needed: true }))
    };
    let name = &asked.actor()?.author.name;
    let controls = vec![
        Control::Input(Input::new("own-name", "Username", name, InputKind::Fixed)),
        password("current", "Current password", "current-password"),
        password("new", "New password", "new-password"),
        password("again", "New password again", "new-password"),
    ];
    blocks.push(Block::Form(Form::post("own-password", "/web/account/password", controls, "Change the password")));
    blocks.extend(crate::codes::section(&asked).await?);
    Ok(asked.page("Your account", blocks))
}

fn row(token: ShownToken, is_this: bool) -> Vec<Cell> {
    let what = match token.door {
        Door::Web => "browser",
        Door::Cli | Door::Socket | Door::Rest | Door::Hook | Door::System => "program",
    };
    let what = if is_this { format!("{what} (this one)") } else { what.to_owned() };
    let address = if token.address.is_empty() { "this machine".to_owned() } else { token.address };
    let end = Button {
        id: format!("end-{}", token.id),
        text: "End",
        of: format!("the session from {address}"),
        address: "/web/account/revoke".to_owned(),
        hidden: vec![("id", token.id)],
        tone: Tone::Bad,
    };
    vec![
        Cell::text(what),
        Cell::text(address),
        time(token.created_at),
        time(token.expires_at),
        Cell::Buttons(vec![end]),
    ]
}

async fn change_password(asked: Asked) -> Result<Response, Problem> {
    let (current, new) = (asked.form.text("current"), asked.form.text("new"));
    if new.is_empty() || new != asked.form.text("again") {
        return Err(Problem::wrong("The new password has to be typed twice in the same way."));
    }
    let administration = &asked.web.administration;
    administration.admins.change_own_password(asked.actor()?, &Secret::new(current), Secret::new(new)).await?;
    // All its tokens have ended, this one as well.
    Ok(see("/web/login"))
}

async fn revoke(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.tokens.revoke_own(asked.actor()?, asked.form.text("id")).await?;
    Ok(see("/web/account?done=ended"))
}
