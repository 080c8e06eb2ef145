//! The chains of hook points with what their hooks did, and made-up events.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::admin::{HookLink, UseCase};
use tidegate_core::hook::HookKind;
use tidegate_core::ports::{DURATION_BOUNDS, HookCounter};

use tidegate_core::history::Span;

use crate::guard::Need;
use crate::plot::{Range, plot};
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::route::Route;
use crate::text::{microseconds, natural};
use crate::view::{Action, Block, Cell, Control, Form, Input, InputKind, Plot, Table, Tone};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/hooks", Need::For(UseCase::ListHooks), show),
        Route::get("/web/hooks/test", Need::For(UseCase::TestHooks), form),
        Route::post("/web/hooks/test", Need::For(UseCase::TestHooks), test),
    ]
}

/// The calls of one hook at one point.
#[derive(Default)]
struct Calls {
    all: i64,
    failed: BTreeMap<String, i64>,
    denied: i64,
    histogram: Vec<i64>,
    longest: i64,
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let (administration, actor) = (&asked.web.administration, asked.actor()?);
    let links = administration.plugins.links(actor).await?;
    let mut calls: BTreeMap<(String, String), Calls> = BTreeMap::new();
    let knows_calls = asked.may(UseCase::ListCounters);
    if knows_calls {
        for counter in administration.hook_runs.counters(actor).await? {
            count(calls.entry((counter.kind.clone(), counter.hook.clone())).or_default(), &counter);
        }
    }
    let mut blocks = Vec::new();
    let mut actions = Vec::new();
    if asked.may(UseCase::ExplainHooks) {
        actions.push(("Which hooks would a login meet?", "/web/explain"));
    }
    if asked.may(UseCase::TestHooks) {
        actions.push(("Ask about a made-up event", "/web/hooks/test"));
    }
    let action = |(text, address): (&str, &str)| Action {
        text: text.to_owned(),
        address: address.to_owned(),
        tone: Tone::Plain,
    };
    blocks.push(Block::Actions(actions.into_iter().map(action).collect()));
    let mut points: Vec<(&'static str, Vec<HookLink>)> = Vec::new();
    for link in links {
        match points.last_mut().filter(|(hook, _)| *hook == link.hook) {
            Some((_, links)) => links.push(link),
            None => points.push((link.hook, vec![link])),
        }
    }
    if points.is_empty() {
        blocks.push(Block::Text("No hook is configured.".to_owned()));
    }
    let range = Range::of(&asked);
    let spans = if knows_calls { range.spans(&asked) } else { Vec::new() };
    let asked_now = points.iter().flat_map(|(hook, links)| links.iter().map(move |link| (*hook, link.target.as_str())));
    if let Some(((hook, target), calls)) = slowest(asked_now, &calls) {
        let text = format!("{target} at {hook}, {} for 99 of 100 calls", percentile(calls, 99));
        blocks.push(Block::Facts(vec![("The slowest hook".to_owned(), Cell::link(text, format!("#chain-{hook}")))]));
    }
    if knows_calls && !points.is_empty() {
        blocks.push(range.tabs("/web/hooks"));
    }
    for (hook, links) in points {
        blocks.push(Block::Heading(hook.to_owned()));
        let mut table = Table::new(
            format!("chain-{hook}"),
            format!("The hooks of {hook}, in the order in which they are asked"),
            &[],
            "",
        );
        table.head = vec!["Hook", "State", "For", "On error", "Limits", "Grants"];
        if knows_calls {
            table.head.extend(["Calls", "Denied", "Failed", "p50", "p99"]);
        }
        for link in links {
            let calls = calls.get(&(hook.to_owned(), link.target.clone()));
            table.rows.push(row(&link, calls.filter(|_| knows_calls), knows_calls));
        }
        blocks.push(Block::Table(table));
        if spans.iter().any(|span| span.calls.contains_key(hook)) {
            blocks.push(Block::Plots(plots(hook, (range, &spans))));
        }
    }
    Ok(asked.page("Hooks", blocks))
}

fn count(calls: &mut Calls, counter: &HookCounter) {
    calls.all += counter.calls;
    calls.longest = calls.longest.max(counter.max_us);
    if counter.is_error {
        *calls.failed.entry(counter.outcome.clone()).or_default() += counter.calls;
    } else if matches!(counter.outcome.as_str(), "deny" | "reject") {
        calls.denied += counter.calls;
    }
    calls.histogram.resize(counter.histogram.len().max(calls.histogram.len()), 0);
    for (sum, one) in calls.histogram.iter_mut().zip(&counter.histogram) {
        *sum += one;
    }
}

fn row(link: &HookLink, calls: Option<&Calls>, knows_calls: bool) -> Vec<Cell> {
    let health = if link.health == "ready" {
        Cell::mark(Tone::Good, "ready")
    } else {
        Cell::mark(Tone::Bad, link.health.clone())
    };
    let mut limits = vec![format!("{} s", link.deadline.as_secs_f64())];
    limits.extend((!link.limits.is_empty()).then(|| link.limits.clone()));
    let runs = address("/web/runs", &[("hook", &link.target)]);
    let target = match &link.version {
        Some(version) => format!("{}\n{}", link.target, version.chars().take(12).collect::<String>()),
        None => link.target.clone(),
    };
    let every = || vec!["every event".to_owned()];
    let selectors = if link.selectors.is_empty() { every() } else { link.selectors.clone() };
    let mut cells = vec![
        if knows_calls { Cell::link(target, runs) } else { Cell::text(target) },
        health,
        Cell::Lines(selectors),
        Cell::text(link.on_error),
        Cell::Lines(limits),
        Cell::Lines(link.grants.clone()),
    ];
    if knows_calls {
        let none = Calls::default();
        let calls = calls.unwrap_or(&none);
        let failed = calls.failed.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        cells.extend([
            Cell::Number(calls.all.to_string()),
            Cell::Number(calls.denied.to_string()),
            Cell::Lines(failed),
            Cell::Number(percentile(calls, 50)),
            Cell::Number(percentile(calls, 99)),
        ]);
    }
    cells
}

/// The bound below which so many of a hundred calls were.
fn percentile(calls: &Calls, hundredths: u64) -> String {
    let histogram: Vec<u64> = calls.histogram.iter().map(|count| natural(*count)).collect();
    let Some(bucket) = bucket(&histogram, hundredths) else { return String::new() };
    let bound = DURATION_BOUNDS.get(bucket).map(|bound| i64::try_from(*bound).unwrap_or(i64::MAX));
    format!("≤ {}", microseconds(bound.unwrap_or(calls.longest)))
}

/// The hook whose calls took longest, but for one of a hundred.
fn slowest<'a>(
    links: impl Iterator<Item = (&'a str, &'a str)>,
    calls: &'a BTreeMap<(String, String), Calls>,
) -> Option<((&'a str, &'a str), &'a Calls)> {
    let time = |calls: &Calls| {
        let histogram: Vec<u64> = calls.histogram.iter().map(|count| natural(*count)).collect();
        bucket(&histogram, 99).map(|bucket| (bucket, calls.longest))
    };
    let known = links.filter_map(|link| {
        let calls = calls.get(&(link.0.to_owned(), link.1.to_owned()))?;
        Some((time(calls)?, link, calls))
    });
    known.max_by_key(|(time, ..)| *time).map(|(_, link, calls)| (link, calls))
}

/// The bucket in which the last of so many of a hundred calls is; None: there were no calls.
fn bucket(histogram: &[u64], hundredths: u64) -> Option<usize> {
    let all: u64 = histogram.iter().sum();
    let (wanted, mut sum) = ((all * hundredths).div_ceil(100), 0);
    let reaches = |count: &u64| {
        sum += count;
        sum >= wanted
    };
    if all == 0 { None } else { histogram.iter().position(reaches) }
}

/// What the hooks of a point did lately, and how long they took.
fn plots(hook: &str, of: (Range, &[Span])) -> Vec<Plot> {
    let all = |span: &Span| Some(span.calls.get(hook).map_or(0, |calls| calls.all));
    let failed = |span: &Span| Some(span.calls.get(hook).map_or(0, |calls| calls.failed));
    // Of the calls beyond the last bound it is only known that they took longer.
    let longest = DURATION_BOUNDS.last().copied().unwrap_or_default();
    let took = |span: &Span, hundredths: u64| {
        let bucket = bucket(&span.calls.get(hook)?.histogram, hundredths)?;
        Some(DURATION_BOUNDS.get(bucket).copied().unwrap_or(longest + 1))
    };
    let duration = |bound: u64| {
        let text = |bound: u64| microseconds(i64::try_from(bound).unwrap_or(i64::MAX));
        if bound > longest { format!("> {}", text(longest)) } else { format!("≤ {}", text(bound)) }
    };
    vec![
        plot(
            (&format!("plot-{hook}-calls"), &format!("Calls at {hook}")),
            of,
            &[("calls", &all), ("failed", &failed)],
            &|count| count.to_string(),
        ),
        plot(
            (&format!("plot-{hook}-times"), &format!("Durations at {hook}")),
            of,
            &[("p50", &|span| took(span, 50)), ("p99", &|span| took(span, 99))],
            &duration,
        ),
    ]
}

fn inputs(hook: &str, event: &str) -> Form {
    let kinds = HookKind::ALL.iter().map(|kind| (kind.to_string(), kind.to_string())).collect();
    let controls = vec![
        Control::Input(Input::new("hook", "Hook point", hook, InputKind::Choice { options: kinds })),
        Control::Input(Input::new("event", "Event", event, InputKind::Area { rows: 10 }).about(
            "As JSON, with the keys of “tidegate hook test --file”, such as username, password, method and ip. What is \
             left out is made up.",
        )),
    ];
    Form::post("test", "/web/hooks/test", controls, "Ask the configured hooks")
}

async fn form(asked: Asked) -> Response {
    let text = "The configured hooks are really asked. What they do themselves, such as sending mail, they do.";
    let event = "{\n  \"username\": \"alice\"\n}";
    asked.page(
        "Ask about a made-up event",
        vec![Block::Note(Tone::Warning, text.to_owned()), Block::Form(inputs("login-pre", event))],
    )
}

async fn test(asked: Asked) -> Result<Response, Problem> {
    let (hook, text) = (asked.form.text("hook"), asked.form.text("event"));
    let event = if text.trim().is_empty() { Ok(Map::new()) } else { serde_json::from_str::<Map<String, Value>>(text) };
    let mut event = event.map_err(|error| Problem::wrong(format!("The event is no JSON object: {error}.")))?;
    event.insert("hook".to_owned(), hook.into());
    let report = asked.web.administration.plugins.test(asked.actor()?, event).await?;
    let mut facts: Vec<_> = Vec::new();
    if let Value::Object(fields) = &report {
        facts.extend(crate::difference::flat(fields).into_iter().map(|(name, text)| (name, Cell::Text(text))));
    }
    let report = serde_json::to_string_pretty(&report).unwrap_or_default();
    let blocks = vec![
        Block::Facts(facts),
        Block::Fold { summary: "The whole answer".to_owned(), text: report },
        Block::Heading("Ask again".to_owned()),
        Block::Form(inputs(hook, text)),
    ];
    Ok(asked.page(format!("What the hooks of {hook} say"), blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_hook_is_that_with_the_longest_usual_call() {
        let of = |histogram: &[i64], longest| Calls { histogram: histogram.to_vec(), longest, ..Calls::default() };
        let check = |hooks: &[(&'static str, Calls)], expected: Option<&str>| {
            let links = hooks.iter().map(|(hook, _)| ("login-pre", *hook));
            let calls = hooks.iter().map(|(hook, calls)| {
                let Calls { histogram, longest, .. } = calls;
                (("login-pre".to_owned(), (*hook).to_owned()), of(histogram, *longest))
            });
            let calls = calls.collect();
            assert_eq!(slowest(links, &calls).map(|((_, hook), _)| hook), expected);
        };
        check(&[], None);
        check(&[("never-called", of(&[], 0))], None);
        check(&[("a", of(&[9], 30)), ("b", of(&[0, 9], 80)), ("c", of(&[3], 40))], Some("b"));
        check(&[("a", of(&[0, 9], 90)), ("b", of(&[0, 9], 80))], Some("a"));
        // One call of many that took longer does not make a hook slow.
        check(&[("a", of(&[199, 0, 1], 400)), ("b", of(&[0, 5], 80))], Some("b"));
    }

    #[test]
    fn percentiles_are_bounds() {
        let check = |histogram: &[i64], expected: (&str, &str)| {
            let calls = Calls { histogram: histogram.to_vec(), longest: 12_000_000, ..Calls::default() };
            assert_eq!((percentile(&calls, 50).as_str(), percentile(&calls, 99).as_str()), expected, "{histogram:?}");
        };
        check(&[], ("", ""));
        check(&[1], ("≤ 50 µs", "≤ 50 µs"));
        check(&[50, 49, 1], ("≤ 50 µs", "≤ 100 µs"));
        check(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], ("≤ 12.0 s", "≤ 12.0 s"));
    }
}
