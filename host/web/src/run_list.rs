//! The list of records of hook calls, with its filters.

use axum::response::Response;
use tidegate_core::admin::UseCase;
use tidegate_core::hook::HookKind;
use tidegate_core::hook::keyboard_interactive::ROUND;
use tidegate_core::ports::{RunFilter, StoredRun};

use crate::guard::Need;
use crate::judgement::{ACCEPT, LOGIN, tone};
use crate::live;
use crate::problem::Problem;
use crate::request::{Asked, Fields, address};
use crate::route::Route;
use crate::text::{at_time, microseconds, time};
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Rendered, Table, Tone};

/// Records of a page.
const LIMIT: u32 = 100;
const PATH: &str = "/web/runs";
const FIELDS: [(&str, &str); 8] = [
    ("kind", "Hook point"),
    ("username", "User"),
    ("hook", "Hook"),
    ("outcome", "Outcome"),
    ("address", "Address"),
    ("connection", "Connection"),
    ("since", "Since"),
    ("until", "Before"),
];

pub fn routes() -> Vec<Route> {
    vec![Route::get(PATH, Need::For(UseCase::ListRuns), list)]
}

/// What the fields select; None: a time cannot be read, which may be typed just now.
///
/// # Errors
/// There is no such kind or number.
fn filter(fields: &Fields) -> Result<Option<RunFilter>, Problem> {
    let points = HookKind::ALL.map(|point| point.to_string());
    let kinds: Vec<_> = [LOGIN, ACCEPT, ROUND].into_iter().chain(points.iter().map(String::as_str)).collect();
    fields.choice("kind", &kinds)?;
    let time = |name: &str| match fields.given(name) {
        Some(text) => at_time(&text).map(Some),
        None => Some(None),
    };
    let (Some(since), Some(until)) = (time("since"), time("until")) else { return Ok(None) };
    Ok(Some(RunFilter {
        kind: fields.given("kind"),
        username: fields.given("username"),
        hook: fields.given("hook"),
        outcome: fields.given("outcome"),
        address: fields.given("address"),
        connection: fields.given("connection"),
        since,
        until,
        before: fields.natural("before")?,
        limit: LIMIT,
        ..RunFilter::default()
    }))
}

async fn table(asked: &Asked) -> Result<Table, Problem> {
    let head = ["Time", "Hook point", "Hook", "User", "Address", "Outcome", "Took"];
    let (caption, none) = ("Calls, the newest first; times are in UTC", "There are no such calls.");
    let mut table = Table::new("runs", caption, &head, none);
    let Some(filter) = filter(&asked.query)? else {
        table.empty = "A time cannot be read: write it as 2030-12-31 23:59.";
        return Ok(table);
    };
    let mut runs = asked.web.administration.hook_runs.list(asked.actor()?, filter).await?;
    runs.reverse();
    let last = runs.last().filter(|_| runs.len() >= LIMIT as usize).map(|last| last.id.to_string());
    table.next = last.map(|last| {
        let fields = FIELDS.map(|(name, _)| (name, asked.query.text(name)));
        let fields: Vec<_> = fields.into_iter().chain([("before", last.as_str())]).collect();
        address(PATH, &fields)
    });
    table.rows = runs.iter().map(row).collect();
    table.ids = runs.iter().map(|run| format!("run-{}", run.id)).collect();
    Ok(table)
}

fn control(fields: &Fields, (name, label): (&'static str, &'static str)) -> Control {
    let kind = match name {
        "kind" => {
            let points = HookKind::ALL.map(|point| (point.to_string(), point.to_string()));
            let whole = [
                (String::new(), "all".to_owned()),
                (LOGIN.to_owned(), "login: outcomes of attempts".to_owned()),
                (ACCEPT.to_owned(), "accept: connections that were closed at once".to_owned()),
                (ROUND.to_owned(), "round: questions to users".to_owned()),
            ];
            InputKind::Choice { options: whole.into_iter().chain(points).collect() }
        }
        _ => InputKind::Search { is_first: false },
    };
    let input = Input::new(name, label, fields.text(name), kind);
    Control::Input(match name {
        "since" | "until" => input.about("In UTC, such as 2030-12-31 23:59."),
        _ => input,
    })
}

async fn list(asked: Asked) -> Result<Response, Problem> {
    if asked.is_fragment && asked.query.text("part") == "table" {
        return live::part(&asked, table(&asked)).await;
    }
    let table = table(&asked).await?;
    let mut form = Form::search("filter", PATH, FIELDS.map(|field| control(&asked.query, field)).into());
    let is_earlier = asked.query.natural("before")?.is_some();
    let is_live = asked.query.text("live") == "1" && !is_earlier;
    // The part that refreshes itself asks for what is shown.
    form.live = if is_live { "live-runs" } else { "runs" };
    if is_live {
        form.hidden.push(("live", "1".to_owned()));
    }
    let mut fields: Vec<_> = FIELDS.map(|(name, _)| (name, asked.query.text(name))).into();
    let mut actions = Vec::new();
    let mut action = |text: &str, address| actions.push(Action { text: text.to_owned(), address, tone: Tone::Plain });
    if is_earlier {
        action("To the newest", address(PATH, &fields));
    }
    let (text, live) = if is_live { ("Stop refreshing", "") } else { ("Refresh every two seconds", "1") };
    fields.push(("live", live));
    action(text, address(PATH, &fields));
    let mut blocks = vec![Block::Form(form), Block::Actions(actions)];
    blocks.push(if is_live {
        fields.pop();
        fields.push(("part", "table"));
        let inner = Rendered::blocks(&[Block::Table(table)]);
        Block::Live { id: "live-runs", address: address(PATH, &fields), inner }
    } else {
        Block::Table(table)
    });
    Ok(asked.page("Hook calls", blocks))
}

fn row(run: &StoredRun) -> Vec<Cell> {
    vec![
        time(run.at),
        Cell::link(run.kind.clone(), format!("/web/runs/show?id={}", run.id)),
        Cell::text(run.hook.clone()),
        Cell::text(run.username.clone().unwrap_or_default()),
        Cell::text(run.address.clone().unwrap_or_default()),
        Cell::mark(tone(run), run.outcome.clone()),
        Cell::Number(microseconds(run.duration_us)),
    ]
}
