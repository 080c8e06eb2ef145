//! The pages of users: each user reaches its own account, and nothing else. They are off unless a binding has them.

mod codes;
mod confirmation;
mod keys;
mod log_in;
mod overview;
mod password;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, any, on};
use tidegate_core::admin::{OwnChange, Person};

use crate::WebAdmin;
use crate::cookie::PERSON;
use crate::guard::{door_client, screened, unavailable};
use crate::navigation::Entry;
use crate::page::{Frame, Page};
use crate::problem::Problem;
use crate::request::{Asked, see, without_slash};
use crate::view::{Block, Tone};

/// The page that one sees first.
const HOME: &str = "/web/client";
const LOG_IN: &str = "/web/client/login";
const CODES: &str = "/web/client/codes";
const MENU: [(&str, &str); 4] = [
    ("Overview", HOME),
    ("Password", "/web/client/password"),
    ("Public keys", "/web/client/keys"),
    ("Second factor", CODES),
];

/// Which clients may ask for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Every client, logged in or not.
    Anyone,
    /// A user who has logged in, with the second factor that the account demands.
    Person,
    /// A user who has logged in, even where a second factor has to be set up first.
    AnyPerson,
}

/// One method of one path.
pub struct Place {
    pub method: Method,
    pub path: &'static str,
    pub who: Who,
    handler: MethodRouter<WebAdmin>,
}

impl Place {
    fn get<H: Handler<T, WebAdmin>, T: 'static>(path: &'static str, who: Who, handler: H) -> Self {
        Self { method: Method::GET, path, who, handler: on(MethodFilter::GET, handler) }
    }

    fn post<H: Handler<T, WebAdmin>, T: 'static>(path: &'static str, who: Who, handler: H) -> Self {
        Self { method: Method::POST, path, who, handler: on(MethodFilter::POST, handler) }
    }
}

/// All pages of users.
pub fn places() -> Vec<Place> {
    let mut places = log_in::places();
    places.extend(overview::places());
    places.extend(password::places());
    places.extend(keys::places());
    places.extend(codes::places());
    places
}

/// The pages of users.
pub fn router(web: &WebAdmin) -> Router<WebAdmin> {
    let mut router = Router::new();
    for place in places() {
        let guarded = Guarded { web: web.clone(), who: place.who };
        router = router.route(place.path, place.handler.layer(from_fn_with_state(guarded, check)));
    }
    router
}

/// What is not there: all of the pages of users where they are off. Where they are on, the address of one with a slash at
/// its end leads to it.
pub fn missing(router: Router<WebAdmin>, is_on: bool) -> Router<WebAdmin> {
    let nothing = move |State(web): State<WebAdmin>, method: Method, uri: Uri| async move {
        let is_page = |path: &str| places().iter().any(|place| place.path == path && place.method == Method::GET);
        match without_slash(&uri) {
            Some(address) if is_on && method == Method::GET && is_page(uri.path().trim_end_matches('/')) => {
                see(&address)
            }
            Some(_) | None => answer(Problem::no_page().page(&web.metrics), None, "", web.facts.version),
        }
    };
    let router = router.route("/web/client/", any(nothing)).route("/web/client/{*rest}", any(nothing));
    if is_on { router } else { router.route(HOME, any(nothing)) }
}

#[derive(Clone)]
struct Guarded {
    web: WebAdmin,
    who: Who,
}

/// Checks a request, carries it out, and makes the page of a problem.
async fn check(State(guarded): State<Guarded>, mut request: Request, next: Next) -> Response {
    let (version, metrics) = (guarded.web.facts.version, guarded.web.metrics.clone());
    let path = request.uri().path().to_owned();
    let person = match passed(&guarded, &mut request).await {
        Ok(Passed::As(person)) => person,
        Ok(Passed::LogInFirst) => return see(LOG_IN),
        Ok(Passed::SetUpFirst) => return see(CODES),
        Err(problem) => return answer(problem.for_others().page(&metrics), None, &path, version),
    };
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => answer(problem.for_others().page(&metrics), person.as_deref(), &path, version),
        None => response,
    }
}

enum Passed {
    As(Option<Box<Person>>),
    LogInFirst,
    SetUpFirst,
}

async fn passed(guarded: &Guarded, request: &mut Request) -> Result<Passed, Problem> {
    let web = &guarded.web;
    let (client, way) = screened(web, request)?;
    if guarded.who == Who::Anyone {
        return Ok(Passed::As(None));
    }
    let Some(token) = PERSON.token(request.headers(), way) else { return Ok(Passed::LogInFirst) };
    match web.administration.own.of_token(&token, &door_client(&client)).await {
        Ok(person) if person.has_to_set_up_codes && guarded.who == Who::Person => Ok(Passed::SetUpFirst),
        Ok(person) => {
            request.extensions_mut().insert(person.clone());
            Ok(Passed::As(Some(Box::new(person))))
        }
        Err(error) if error.is_denial() => Ok(Passed::LogInFirst),
        Err(error) => Err(unavailable(&error)),
    }
}

fn answer(page: Page, person: Option<&Person>, path: &str, version: &str) -> Response {
    let name = person.map(|person| person.account.username.as_str()).unwrap_or_default();
    let entry = |(text, address): (&'static str, &'static str)| Entry { text, address, is_current: path == address };
    let entries = if person.is_some() { MENU.map(entry).into() } else { Vec::new() };
    page.answer_in(Frame { entries, name, home: HOME, own: HOME, log_out: "/web/client/logout" }, version)
}

/// The user who asks; the guard has let no other request through.
fn person(asked: &Asked) -> Result<&Person, Problem> {
    asked
        .parts
        .extensions
        .get::<Person>()
        .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "The page needs a user who has logged in."))
}

fn shown(asked: &Asked, title: &str, blocks: Vec<Block>) -> Response {
    let person = asked.parts.extensions.get::<Person>();
    answer(Page::new(title, blocks), person, &asked.path, asked.web.facts.version)
}

/// What stands in the place of a form that the user may not use; None: it may.
async fn closed(asked: &Asked, change: OwnChange) -> Result<Option<Block>, Problem> {
    let reason = asked.web.administration.own.why_not(person(asked)?, change).await?;
    Ok(reason.map(|reason| Block::Note(Tone::Plain, format!("This is not changed here: {reason}."))))
}
