//! Records of hook calls: lists, one record, and the calls of one attempt as a timeline.

use std::net::IpAddr;

use axum::response::Response;
use tidegate_core::admin::{BannedAddress, LoginQuestion, UseCase};
use tidegate_core::connection::LoginMethod;
use tidegate_core::guard::Source;
use tidegate_core::ports::{RunFilter, StoredRun};

use crate::guard::Need;
use crate::live;
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::route::Route;
use crate::text::{bytes, microseconds, natural, time};
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Rendered, Step, Table, Tone};

/// Records of a page.
const LIMIT: u32 = 100;
/// Records among which the attempts of a user are looked for.
const LOOKED_AT: u32 = 500;
/// Attempts that are shown.
const ATTEMPTS: usize = 5;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/runs", Need::For(UseCase::ListRuns), list),
        Route::get("/web/runs/show", Need::For(UseCase::ShowRun), one),
        Route::get("/web/refused", Need::For(UseCase::ListRuns), refused),
        Route::get("/web/explain", Need::For(UseCase::ExplainHooks), explain),
    ]
}

fn input(asked: &Asked, name: &str, label: &str) -> Control {
    Control::Input(Input::new(name, label, asked.query.text(name), InputKind::Search))
}

async fn table(asked: &Asked) -> Result<Table, Problem> {
    let filter = RunFilter {
        username: asked.query.given("username"),
        hook: asked.query.given("hook"),
        outcome: asked.query.given("outcome"),
        address: asked.query.given("address"),
        connection: asked.query.given("connection"),
        limit: LIMIT,
        ..RunFilter::default()
    };
    let mut runs = asked.web.administration.hook_runs.list(asked.actor()?, filter).await?;
    runs.reverse();
    let head = ["Time", "Hook point", "Hook", "User", "Address", "Outcome", "Took"];
    let mut table = Table::new("runs", "The newest calls; times are in UTC", &head, "There are no such calls.");
    table.rows = runs.iter().map(row).collect();
    table.ids = runs.iter().map(|run| format!("run-{}", run.id)).collect();
    Ok(table)
}

async fn list(asked: Asked) -> Result<Response, Problem> {
    if asked.is_fragment && asked.query.text("part") == "table" {
        return live::part(&asked, table(&asked)).await;
    }
    let table = table(&asked).await?;
    let controls = vec![
        input(&asked, "username", "User"),
        input(&asked, "hook", "Hook"),
        input(&asked, "outcome", "Outcome"),
        input(&asked, "address", "Address"),
        input(&asked, "connection", "Connection"),
    ];
    let mut form = Form::search("filter", "/web/runs", controls);
    let is_live = asked.query.text("live") == "1";
    // The part that refreshes itself asks for what is shown.
    form.live = if is_live { "live-runs" } else { "runs" };
    if is_live {
        form.hidden.push(("live", "1".to_owned()));
    }
    let mut fields: Vec<_> =
        ["username", "hook", "outcome", "address", "connection"].map(|name| (name, asked.query.text(name))).into();
    let (text, live) = if is_live { ("Stop refreshing", "") } else { ("Refresh every two seconds", "1") };
    fields.push(("live", live));
    let action = Action { text: text.to_owned(), address: address("/web/runs", &fields), tone: Tone::Plain };
    let mut blocks = vec![Block::Form(form), Block::Actions(vec![action])];
    blocks.push(if is_live {
        fields.pop();
        fields.push(("part", "table"));
        let inner = Rendered::blocks(&[Block::Table(table)]);
        Block::Live { id: "live-runs", address: address("/web/runs", &fields), inner }
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

/// Whether the outcome lets a client go on. What is not known here is shown without a judgement.
fn tone(run: &StoredRun) -> Tone {
    match run.outcome.as_str() {
        _ if run.is_error => Tone::Warning,
        "deny" | "denied" | "reject" | "rejected" | "refused" => Tone::Bad,
        "allow" | "accept" | "accepted" | "allowed" => Tone::Good,
        _ => Tone::Plain,
    }
}

async fn one(asked: Asked) -> Result<Response, Problem> {
    let id = asked.query.number("id").ok_or_else(|| Problem::wrong("The address says no number of a call."))?;
    let run = asked.web.administration.hook_runs.show(asked.actor()?, id).await?;
    let title = format!("Call {id} of {}", run.hook);
    Ok(asked.page(
        title,
        vec![Block::Heading("What was asked and answered".to_owned()), Block::Steps(vec![step(&asked, &run, true)])],
    ))
}

/// A call as a step of an attempt.
fn step(asked: &Asked, run: &StoredRun, is_alone: bool) -> Step {
    let mut facts = vec![("Time".to_owned(), time(run.at))];
    let mut fact = |name: &str, cell| facts.push((name.to_owned(), cell));
    if run.kind != "login" {
        fact("Hook", Cell::text(run.hook.clone()));
        fact("Took", Cell::Number(microseconds(run.duration_us)));
    }
    let texts = [("Version", &run.version), ("Method or action", &run.about)];
    for (name, text) in texts {
        if let Some(text) = text {
            fact(name, Cell::Code(text.clone()));
        }
    }
    if is_alone {
        for (name, text) in [("User", &run.username), ("Address", &run.address), ("Connection", &run.connection)] {
            fact(name, Cell::text(text.clone().unwrap_or_default()));
        }
    }
    if let Some(cpu) = run.cpu_us {
        fact("Computed for", Cell::Number(microseconds(cpu)));
    }
    if let Some(memory) = run.memory {
        fact("Memory", Cell::Number(bytes(natural(memory))));
    }
    if !run.detail.is_empty() {
        fact(if run.is_error { "Error" } else { "Reason" }, Cell::text(run.detail.clone()));
    }
    if run.decided {
        fact("Decided", Cell::text("with this the question was answered"));
    }
    let folds = [("Sent", &run.sent), ("Received", &run.received), ("Standard error", &run.standard_error)];
    let folds =
        folds.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, text.clone())).collect();
    let mut links = Vec::new();
    let mut link =
        |text: &str, address: String| links.push(Action { text: text.to_owned(), address, tone: Tone::Plain });
    if is_alone {
        if let Some(connection) = &run.connection {
            link("The whole attempt", address("/web/refused", &[("who", connection)]));
        }
        if let Some(name) = run.username.as_ref().filter(|_| asked.may(UseCase::ShowUser)) {
            link("Show this user", address("/web/users/show", &[("name", name)]));
        }
    } else if run.kind != "login" {
        link("Open this call", format!("/web/runs/show?id={}", run.id));
    }
    let title = if run.kind == "login" { "Outcome of the attempt".to_owned() } else { run.kind.clone() };
    Step { title, tone: tone(run), verdict: run.outcome.clone(), facts, folds, links }
}

/// What was asked about a user, an address or a connection: one field, of which the three are told apart.
async fn refused(asked: Asked) -> Result<Response, Problem> {
    let who = asked.query.given("who").unwrap_or_default();
    let field = Input::new("who", "User, address or connection", &who, InputKind::Search)
        .about("Whose login was refused, or from where it came.");
    let mut blocks = vec![Block::Form(Form::search("why", "/web/refused", vec![Control::Input(field)]))];
    if who.is_empty() {
        return Ok(asked.page("Why refused?", blocks));
    }
    let attempts = attempts(&asked, &who).await?;
    let ban = ban_of(&asked, &who).await?;
    if let Some(ban) = &ban {
        let text = format!(
            "The address is banned until {} UTC, so that its connections are refused before any log-in. The reason: {}.",
            crate::text::moment(ban.until).text,
            ban.reason()
        );
        blocks.push(Block::Note(Tone::Bad, text));
        let (text, address) = ("To the bans".to_owned(), "/web/bans".to_owned());
        blocks.push(Block::Actions(vec![Action { text, address, tone: Tone::Plain }]));
    }
    if attempts.is_empty() && ban.is_none() {
        let text = format!(
            "No hook was asked about “{who}” lately, and no login of it is recorded. Look at the spelling: upper and \
             lower case are different."
        );
        blocks.push(Block::Note(Tone::Plain, text));
    }
    for (index, runs) in attempts.iter().enumerate() {
        let Some(first) = runs.first() else { continue };
        let moment = crate::text::moment(first.at).text;
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
        let name = runs.iter().find_map(|run| run.username.clone());
        blocks.push(Block::Heading(format!("{moment}: {} from {}", text(&name), text(&first.address))));
        blocks.extend(refusal(runs).filter(|_| index == 0).map(|reason| Block::Note(Tone::Bad, said_of(reason))));
        blocks.push(Block::Steps(runs.iter().map(|run| step(&asked, run, false)).collect()));
        let mut actions = Vec::new();
        let mut add =
            |text: &str, address: String| actions.push(Action { text: text.to_owned(), address, tone: Tone::Plain });
        if let Some(name) = &name {
            let method = runs.iter().find_map(|run| run.about.clone()).unwrap_or_default();
            if asked.may(UseCase::ExplainHooks) {
                let fields = [
                    ("username", name.as_str()),
                    ("method", method.as_str()),
                    ("address", first.address.as_deref().unwrap_or_default()),
                ];
                add("Ask again, without effects", address("/web/explain", &fields));
            }
            if asked.may(UseCase::ShowUser) {
                add("Show this user", address("/web/users/show", &[("name", name)]));
            }
        }
        blocks.push(Block::Actions(actions));
    }
    Ok(asked.page(format!("Why was {who} refused?"), blocks))
}

/// The ban of an address, as far as the administrator may know.
async fn ban_of(asked: &Asked, who: &str) -> Result<Option<BannedAddress>, Problem> {
    let Ok(address) = who.parse::<IpAddr>() else { return Ok(None) };
    if !asked.may(UseCase::ListBans) {
        return Ok(None);
    }
    let source = Source::from(address).to_string();
    let bans = asked.web.administration.bans.list(asked.actor()?).await?;
    Ok(bans.into_iter().find(|ban| ban.address == source))
}

/// The call that refused: of a hook, if it decided so, else the server's own outcome.
fn refusal(runs: &[StoredRun]) -> Option<&StoredRun> {
    let is_refusal = |run: &StoredRun| tone(run) == Tone::Bad || run.is_error;
    let at = runs.iter().rposition(is_refusal)?;
    let last = runs.get(at)?;
    if last.kind != "login" {
        return Some(last);
    }
    // A connection may have had other tries before; each ends with its outcome.
    let mut of_this_try = runs.iter().take(at).rev().take_while(|run| run.kind != "login");
    of_this_try.find(|run| run.decided && is_refusal(run)).or(Some(last))
}

fn said_of(run: &StoredRun) -> String {
    let by = match (run.kind.as_str(), run.is_error) {
        ("login", _) => "by the server".to_owned(),
        (kind, false) => format!("by the hook {} at {kind}", run.hook),
        (kind, true) => format!("because the hook {} failed at {kind}", run.hook),
    };
    let detail = if run.detail.is_empty() { "without a reason" } else { &run.detail };
    format!("It was refused {by}: {} ({detail}).", run.outcome)
}

/// The calls of the newest attempts, each with its calls in their order.
async fn attempts(asked: &Asked, who: &str) -> Result<Vec<Vec<StoredRun>>, Problem> {
    let (runs, actor) = (&asked.web.administration.hook_runs, asked.actor()?);
    let filter = |filter: RunFilter| RunFilter { limit: LOOKED_AT, ..filter };
    let some = Some(who.to_owned());
    let mut found = runs.list(actor, filter(RunFilter { connection: some.clone(), ..RunFilter::default() })).await?;
    if found.is_empty() {
        found = runs.list(actor, filter(RunFilter { username: some.clone(), ..RunFilter::default() })).await?;
    }
    if found.is_empty() {
        found = runs.list(actor, filter(RunFilter { address: some, ..RunFilter::default() })).await?;
    }
    let mut connections: Vec<Option<String>> = Vec::new();
    for run in found.iter().rev() {
        if !connections.contains(&run.connection) {
            connections.push(run.connection.clone());
        }
    }
    let mut attempts = Vec::new();
    for connection in connections.into_iter().take(ATTEMPTS) {
        // The calls before a name was known belong to the attempt as well.
        attempts.push(match connection {
            Some(connection) => {
                let of = RunFilter { connection: Some(connection), ..RunFilter::default() };
                runs.list(actor, filter(of)).await?
            }
            None => found.iter().filter(|run| run.connection.is_none()).cloned().collect(),
        });
    }
    Ok(attempts)
}

/// Which hooks a login would meet, without running any.
async fn explain(asked: Asked) -> Result<Response, Problem> {
    let name = asked.query.text("username");
    let methods = LoginMethod::ALL.map(|method| (method.as_str().to_owned(), method.as_str().to_owned()));
    let method = LoginMethod::ALL.into_iter().find(|method| method.as_str() == asked.query.text("method"));
    let method = method.unwrap_or(LoginMethod::Password);
    let from = asked.query.given("address").unwrap_or_else(|| "127.0.0.1".to_owned());
    let controls = vec![
        Input::new("username", "User", name, InputKind::Search),
        Input::new("method", "Method", method.as_str(), InputKind::Choice { options: methods.into() }),
        Input::new("address", "Address", &from, InputKind::Search),
    ];
    let controls = controls.into_iter().map(Control::Input).collect();
    let mut blocks = vec![Block::Form(Form::search("explain", "/web/explain", controls))];
    if name.is_empty() {
        return Ok(asked.page("Which hooks would be asked?", blocks));
    }
    let address = from.parse().map_err(|_| Problem::wrong(format!("“{from}” is no address.")))?;
    let login = LoginQuestion { username: name.to_owned(), method, address };
    let explanation = asked.web.administration.plugins.explain(asked.actor()?, &login).await?;
    let stored =
        if explanation.is_stored { "An account of this name is stored." } else { "No account of this name is stored." };
    blocks.push(Block::Text(format!("{stored} No hook was run.")));
    let head = ["Hook point", "Hook", "Asked?", "On error"];
    let mut table = Table::new("explained", "The hooks of a login, in their order", &head, "There are no hooks.");
    for point in explanation.points {
        for (link, reason) in point.links {
            let reason = point.not_asked.clone().or(reason);
            let is_asked = match reason {
                Some(reason) => Cell::text(format!("no: {reason}")),
                None => Cell::mark(Tone::Good, "yes"),
            };
            table.rows.push(vec![Cell::text(point.hook), Cell::text(link.target), is_asked, Cell::text(link.on_error)]);
        }
    }
    blocks.push(Block::Table(table));
    Ok(asked.page(format!("Which hooks would be asked about {name}?"), blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: &str, outcome: &str, decided: bool, is_error: bool) -> StoredRun {
        let text = |text: &str| text.to_owned();
        StoredRun { kind: text(kind), outcome: text(outcome), decided, is_error, ..StoredRun::default() }
    }

    #[test]
    fn a_refusal_names_the_hook_that_decided_it() {
        let check = |runs: &[StoredRun], expected: Option<&str>| {
            assert_eq!(refusal(runs).map(|run| run.kind.as_str()), expected, "{runs:?}");
        };
        let refused = || run("login", "refused", true, false);
        check(&[], None);
        check(&[run("login-pre", "allow", false, false), run("login", "accepted", true, false)], None);
        check(&[run("session-create", "deny", true, false), refused()], Some("session-create"));
        check(&[run("external-auth", "timeout", true, true), refused()], Some("external-auth"));
        // A hook that failed and was skipped, and one of an earlier try, have not refused this one.
        check(&[run("pre-login", "timeout", false, true), refused()], Some("login"));
        check(&[run("login-pre", "deny", true, false), refused(), refused()], Some("login"));
        check(&[refused(), run("pre-upload", "deny", true, false)], Some("pre-upload"));
    }
}
