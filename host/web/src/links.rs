//! Login links of a user: a text that logs the user in without a password, which is shown once.

use axum::response::Response;
use tidegate_api::CodePage;
use tidegate_core::admin::{LinkWish, NewLink, ShownLink, UseCase};
use tidegate_core::ports::{Clock, SystemClock};

use crate::guard::Need;
use crate::objects::back_to_user;
use crate::problem::Problem;
use crate::request::{Asked, address, see};
use crate::route::Route;
use crate::text::time;
use crate::view::{Action, Block, Button, Cell, Control, Form, Input, InputKind, Table, Tone};

const PATH: &str = "/web/users/link";
const MILLISECONDS: i64 = 60 * 60_000;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get(PATH, Need::For(UseCase::AddLoginLink), show),
        Route::post(PATH, Need::For(UseCase::AddLoginLink), make),
        Route::post("/web/users/link/revoke", Need::For(UseCase::DeleteLoginLink), revoke),
    ]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let name = asked.query.text("name").to_owned();
    let mut blocks = Vec::new();
    if asked.query.text("done") == "revoked" {
        blocks.push(Block::Note(Tone::Good, "The login link was revoked.".to_owned()));
    }
    let about = "A login link is a code that gives the user a token for the interfaces over HTTP without the password, \
                 for a number of uses, until it expires. It opens no SFTP session.";
    blocks.push(Block::Text(about.to_owned()));
    let whole = |min: &str, max: &str| InputKind::Number { min: min.to_owned(), max: max.to_owned() };
    let controls = vec![
        Control::Input(Input::text("label", "Name", "").about("A name for administrators; hooks get it as well.")),
        Control::Input(Input::new("uses", "Uses", "1", whole("1", "1000"))),
        Control::Input(Input::new("hours", "Hours", "24", whole("1", "87600")).about("How long the link can be used.")),
        Control::Input(
            Input::new("ips", "Networks", "", InputKind::Area { rows: 2 })
                .about("One a line, such as 192.0.2.0/24, from which it may be used. Empty: from any."),
        ),
    ];
    let mut form = Form::post("link", PATH, controls, "Make a login link");
    form.hidden = vec![("name", name.clone())];
    blocks.push(Block::Form(form));
    if asked.may(UseCase::ListLoginLinks) {
        let links = asked.web.administration.login_links.list(asked.actor()?, &name).await?;
        blocks.push(Block::Table(table(&asked, &name, links)));
    }
    blocks.push(Block::Actions(vec![back(&asked, &name, Tone::Plain)]));
    Ok(asked.page(format!("Login links of {name}"), blocks))
}

fn table(asked: &Asked, name: &str, links: Vec<ShownLink>) -> Table {
    let mut table = Table::new("links", "Links that are still good; times are in UTC", &[], "There are none.");
    table.head = vec!["Name", "Used", "Until", "From", "Made by"];
    let can_revoke = asked.may(UseCase::DeleteLoginLink);
    table.head.extend(can_revoke.then_some("End"));
    for link in links {
        let mut cells = vec![
            Cell::text(link.name.clone()),
            Cell::Number(format!("{} of {}", link.uses, link.max_uses)),
            time(link.expires_at),
            Cell::Lines(link.ips),
            Cell::text(link.created_by),
        ];
        if can_revoke {
            cells.push(Cell::Buttons(vec![Button {
                id: format!("revoke-{}", link.id),
                text: "Revoke",
                of: format!("the link {}", link.name),
                address: "/web/users/link/revoke".to_owned(),
                hidden: vec![("name", name.to_owned()), ("id", link.id)],
                tone: Tone::Bad,
            }]));
        }
        table.rows.push(cells);
    }
    table
}

fn back(asked: &Asked, name: &str, tone: Tone) -> Action {
    Action { text: "To the user".to_owned(), address: back_to_user(asked, name), tone }
}

async fn make(asked: Asked) -> Result<Response, Problem> {
    let number = |field: &str, what: &str| match asked.form.given(field) {
        Some(text) => text.parse::<i64>().map(Some).map_err(|_| Problem::wrong(format!("{what} is no whole number."))),
        None => Ok(None),
    };
    let hours = number("hours", "The number of hours")?;
    let wish = LinkWish {
        name: asked.form.given("label").unwrap_or_default(),
        max_uses: number("uses", "The number of uses")?,
        expires_at: hours.map(|hours| SystemClock.now().saturating_add(hours.saturating_mul(MILLISECONDS))),
        ips: asked.form.text("ips").split_whitespace().map(str::to_owned).collect(),
    };
    let name = asked.form.text("name");
    let made = asked.web.administration.login_links.add(asked.actor()?, name, wish).await?;
    Ok(shown_once(&asked, name, &made))
}

/// The text of a link, of which the server keeps a digest alone.
fn shown_once(asked: &Asked, name: &str, made: &NewLink) -> Response {
    let mut facts = vec![
        ("Code".to_owned(), Cell::Code(made.text.expose().to_owned())),
        ("Good for".to_owned(), Cell::text(format!("{} use(s)", made.link.max_uses))),
        ("Until, in UTC".to_owned(), time(made.link.expires_at)),
        ("For programs".to_owned(), Cell::Code("POST /api/v2/user/token with {\"code\": \"…\"}".to_owned())),
    ];
    if let Some(pages) = &asked.web.facts.client_pages {
        let CodePage { path, url } = pages.login_link(made.text.expose());
        facts.insert(
            1,
            match url {
                Some(url) => ("Link".to_owned(), Cell::Code(url)),
                None => ("Link, below the address of the pages of users".to_owned(), Cell::Code(path)),
            },
        );
    }
    let note = "Save the code now: it is shown this once, and the server stores no copy of it.";
    let blocks = vec![
        Block::Note(Tone::Warning, note.to_owned()),
        Block::Facts(facts),
        Block::Actions(vec![back(asked, name, Tone::Good)]),
    ];
    asked.page(format!("A login link of {name}"), blocks)
}

async fn revoke(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.login_links.delete(asked.actor()?, asked.form.text("id")).await?;
    Ok(see(&address(PATH, &[("name", asked.form.text("name")), ("done", "revoked")])))
}
