//! The chains of hook points with what their hooks did.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use tidegate_core::admin::{HookLink, UseCase};
use tidegate_core::history::{Calls, HookAt, Span};
use tidegate_core::hook::{Family, HookKind};
use tidegate_core::ports::DURATION_BOUNDS;

use crate::guard::Need;
use crate::plot::{Range, plot};
use crate::problem::Problem;
use crate::request::{Asked, address};
use crate::route::Route;
use crate::text::{microseconds, natural};
use crate::view::{Action, Block, Cell, Plot, Table, Tone};

pub fn routes() -> Vec<Route> {
    vec![Route::get("/web/hooks", Need::For(UseCase::ListHooks), show)]
}

/// What hooks did in the time that is shown.
struct Counted {
    range: Range,
    spans: Vec<Span>,
    lately: BTreeMap<HookAt, Calls>,
    /// Calls since the first record.
    ever: BTreeMap<HookAt, u64>,
}

impl Counted {
    async fn of(asked: &Asked) -> Result<Self, Problem> {
        let counters = asked.web.administration.hook_runs.counters(asked.actor()?).await?;
        let range = Range::of(asked);
        let spans = range.spans(asked);
        let lately = asked.web.history.calls_of_hooks(&spans, &counters);
        let mut ever: BTreeMap<HookAt, u64> = BTreeMap::new();
        for counter in counters {
            *ever.entry((counter.kind, counter.hook)).or_default() += natural(counter.calls);
        }
        Ok(Self { range, spans, lately, ever })
    }
}

fn at(link: &HookLink) -> HookAt {
    (link.hook.to_owned(), link.target.clone())
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let links = asked.web.administration.plugins.links(asked.actor()?).await?;
    let counted = if asked.may(UseCase::ListCounters) { Some(Counted::of(&asked).await?) } else { None };
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
    let mut blocks = vec![Block::Actions(actions.into_iter().map(action).collect())];
    if links.is_empty() {
        blocks.push(Block::Text("No hook is configured.".to_owned()));
    } else if let Some(counted) = &counted {
        let fact = ("The slowest hook".to_owned(), said_of_slowest(&links, counted));
        blocks.extend([Block::Facts(vec![fact]), counted.range.tabs("/web/hooks")]);
    }
    for point in HookKind::ALL {
        let links: Vec<_> = links.iter().filter(|link| link.hook == point.as_str()).collect();
        if !links.is_empty() {
            blocks.extend(chain(point, &links, counted.as_ref()));
        }
    }
    let served: BTreeSet<_> = links.iter().map(|link| link.hook).collect();
    let mut table = Table::new(
        "without",
        "Hook points at which no hook is asked",
        &["Hook point", "Hooks of it", "Of several"],
        "Each point has a hook.",
    );
    for point in HookKind::ALL.into_iter().filter(|point| !served.contains(point.as_str())) {
        table.rows.push([point.as_str(), role(point), point.composition()].map(Cell::text).into());
    }
    blocks.push(Block::Table(table));
    Ok(asked.page("Hooks", blocks))
}

/// What hooks of the point are for.
fn role(point: HookKind) -> &'static str {
    match point.family() {
        Family::Gate => "decide while the client waits",
        Family::Observer => "get events afterwards",
    }
}

fn said_of_slowest(links: &[HookLink], counted: &Counted) -> Cell {
    let range = counted.range.in_words();
    let Some(((hook, target), calls)) = slowest(links.iter().map(at), &counted.lately) else {
        return Cell::text(format!("no hook was called in {range}"));
    };
    let text = format!("{target} at {hook}, {} for 99 of 100 calls in {range}", percentile(calls, 99));
    Cell::link(text, format!("#chain-{hook}"))
}

/// The hooks of a point, and what they did.
fn chain(point: HookKind, links: &[&HookLink], counted: Option<&Counted>) -> Vec<Block> {
    let mut caption = format!("The hooks of {point}, in the order in which they are asked: they {}", role(point));
    let mut head = vec!["Hook", "State", "For", "On error", "Limits", "Grants"];
    if let Some(counted) = counted {
        caption.push_str(&format!("; numbers of {}", counted.range.in_words()));
        head.extend(["Calls", "Denied", "Failed", "p50", "p99", "Calls ever"]);
    }
    let mut table = Table::new(format!("chain-{point}"), caption, &head, "");
    table.rows = links.iter().map(|link| row(link, counted)).collect();
    let mut blocks = vec![Block::Heading(point.to_string()), Block::Table(table)];
    let Some(counted) = counted else { return blocks };
    let mut drawn = plots((&format!("plot-{point}"), &format!("at {point}")), counted, (point.as_str(), None));
    // A hook that is alone has the lines of its point.
    let several: &[&HookLink] = if links.len() > 1 { links } else { &[] };
    for (index, link) in several.iter().enumerate() {
        let (id, title) = (format!("plot-{point}-{index}"), format!("of {} at {point}", link.target));
        drawn.extend(plots((&id, &title), counted, (point.as_str(), Some(&at(link)))));
    }
    blocks.extend((!drawn.is_empty()).then_some(Block::Plots(drawn)));
    blocks
}

fn row(link: &HookLink, counted: Option<&Counted>) -> Vec<Cell> {
    let health = if link.health == "ready" {
        Cell::mark(Tone::Good, "ready")
    } else {
        Cell::mark(Tone::Bad, link.health.clone())
    };
    let mut limits = vec![format!("{} s", link.deadline.as_secs_f64())];
    limits.extend((!link.limits.is_empty()).then(|| link.limits.clone()));
    let runs = address("/web/runs", &[("kind", link.hook), ("hook", &link.target)]);
    let target = match &link.version {
        Some(version) => format!("{}\n{}", link.target, version.chars().take(12).collect::<String>()),
        None => link.target.clone(),
    };
    let every = || vec!["every event".to_owned()];
    let selectors = if link.selectors.is_empty() { every() } else { link.selectors.clone() };
    let mut cells = vec![
        if counted.is_some() { Cell::link(target, runs) } else { Cell::text(target) },
        health,
        Cell::Lines(selectors),
        Cell::text(link.on_error),
        Cell::Lines(limits),
        Cell::Lines(link.grants.clone()),
    ];
    if let Some(counted) = counted {
        let (at, none) = (at(link), Calls::default());
        let calls = counted.lately.get(&at).unwrap_or(&none);
        let failed = calls.errors.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        cells.extend([
            Cell::Number(calls.all.to_string()),
            Cell::Number(calls.denied.to_string()),
            Cell::Lines(failed),
            Cell::Number(percentile(calls, 50)),
            Cell::Number(percentile(calls, 99)),
            Cell::Number(counted.ever.get(&at).copied().unwrap_or(0).to_string()),
        ]);
    }
    cells
}

/// The bound below which so many of a hundred calls were.
fn percentile(calls: &Calls, hundredths: u64) -> String {
    bucket(&calls.histogram, hundredths).map(|bucket| shown(bound(bucket))).unwrap_or_default()
}

/// The hook whose calls took longest, but for one of a hundred.
fn slowest(hooks: impl Iterator<Item = HookAt>, calls: &BTreeMap<HookAt, Calls>) -> Option<(HookAt, &Calls)> {
    let known = hooks.filter_map(|hook| {
        let calls = calls.get(&hook)?;
        let mean = calls.total_us.checked_div(calls.all)?;
        Some(((bucket(&calls.histogram, 99)?, mean), hook, calls))
    });
    known.max_by_key(|(time, ..)| *time).map(|(_, hook, calls)| (hook, calls))
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

/// The upper bound of a bucket. Of the calls beyond the last one it is only known that they took longer.
fn bound(bucket: usize) -> u64 {
    DURATION_BOUNDS.get(bucket).copied().unwrap_or(longest() + 1)
}

fn longest() -> u64 {
    DURATION_BOUNDS.last().copied().unwrap_or_default()
}

fn shown(bound: u64) -> String {
    let text = |bound: u64| microseconds(i64::try_from(bound).unwrap_or(i64::MAX));
    if bound > longest() { format!("> {}", text(longest())) } else { format!("≤ {}", text(bound)) }
}

/// What the hooks of a point, or one of them, did lately, and how long they took; nothing if they were not called.
fn plots((id, title): (&str, &str), counted: &Counted, (point, hook): (&str, Option<&HookAt>)) -> Vec<Plot> {
    let calls = |span: &Span| calls_in(span, point, hook).cloned();
    if counted.spans.iter().all(|span| calls(span).is_none()) {
        return Vec::new();
    }
    let of = (counted.range, counted.spans.as_slice());
    let all = |span: &Span| Some(calls(span).map_or(0, |calls| calls.all));
    let failed = |span: &Span| Some(calls(span).map_or(0, |calls| calls.failed()));
    let took = |span: &Span, hundredths: u64| bucket(&calls(span)?.histogram, hundredths).map(bound);
    vec![
        plot(
            (&format!("{id}-calls"), &format!("Calls {title}")),
            of,
            &[("calls", &all), ("failed", &failed)],
            &|count| count.to_string(),
        ),
        plot(
            (&format!("{id}-times"), &format!("Durations {title}")),
            of,
            &[("p50", &|span| took(span, 50)), ("p99", &|span| took(span, 99))],
            &shown,
        ),
    ]
}

fn calls_in<'a>(span: &'a Span, point: &str, hook: Option<&HookAt>) -> Option<&'a Calls> {
    match hook {
        Some(hook) => span.hooks.get(hook),
        None => span.calls.get(point),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tests::texts_of;
    use crate::view::Rendered;

    fn calls(histogram: &[u64], total_us: u64) -> Calls {
        Calls { all: histogram.iter().sum(), histogram: histogram.to_vec(), total_us, ..Calls::default() }
    }

    #[test]
    fn the_slowest_hook_is_that_with_the_longest_usual_call() {
        let check = |hooks: &[(&str, Calls)], expected: Option<&str>| {
            let at = |hook: &str| ("login-pre".to_owned(), hook.to_owned());
            let known = hooks.iter().map(|(hook, calls)| (at(hook), calls.clone())).collect();
            let found = slowest(hooks.iter().map(|(hook, _)| at(hook)), &known);
            assert_eq!(found.map(|((_, hook), _)| hook).as_deref(), expected);
        };
        check(&[], None);
        check(&[("never-called", calls(&[], 0))], None);
        check(&[("a", calls(&[9], 270)), ("b", calls(&[0, 9], 720)), ("c", calls(&[3], 120))], Some("b"));
        check(&[("a", calls(&[0, 9], 810)), ("b", calls(&[0, 9], 720))], Some("a"));
        // One call of many that took longer does not make a hook slow.
        check(&[("a", calls(&[199, 0, 1], 400)), ("b", calls(&[0, 5], 400))], Some("b"));
    }

    #[test]
    fn percentiles_are_bounds() {
        let check = |histogram: &[u64], expected: (&str, &str)| {
            let calls = calls(histogram, 0);
            assert_eq!((percentile(&calls, 50).as_str(), percentile(&calls, 99).as_str()), expected, "{histogram:?}");
        };
        check(&[], ("", ""));
        check(&[1], ("≤ 50 µs", "≤ 50 µs"));
        check(&[50, 49, 1], ("≤ 50 µs", "≤ 100 µs"));
        check(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], ("> 10.0 s", "> 10.0 s"));
    }

    #[test]
    fn a_chain_shows_its_hooks_in_their_order_with_what_they_did() {
        let link = |target: &str, health: &str| HookLink {
            hook: "login-pre",
            adapter: "program",
            target: target.to_owned(),
            deadline: Duration::from_millis(1500),
            on_error: "skip",
            selectors: vec!["users: al*".to_owned()],
            limits: "memory 64 MiB".to_owned(),
            version: Some("0123456789abcdef".to_owned()),
            grants: vec!["datagrams".to_owned()],
            health: health.to_owned(),
        };
        let (first, second) = (link("zeta", "ready"), link("alpha", "the file is gone"));
        let errors = BTreeMap::from([("timeout".to_owned(), 2), ("trap".to_owned(), 1)]);
        let did = Calls { denied: 4, errors, ..calls(&[0, 9], 720) };
        let counted = Counted {
            range: Range::Hour,
            spans: Vec::new(),
            lately: BTreeMap::from([(at(&first), did)]),
            ever: BTreeMap::from([(at(&first), 70)]),
        };
        let check = |counted: Option<&Counted>, expected: [&[&str]; 2]| {
            let blocks = chain(HookKind::LoginPre, &[&first, &second], counted);
            let html = Rendered::blocks(&blocks).html().to_owned();
            let cells = |row: &str| row.split("</td>").map(texts_of).collect::<Vec<_>>();
            let mut rows: Vec<_> = html.split("<tr>").skip(2).map(cells).collect();
            // What comes after the last cell.
            rows.iter_mut().for_each(|row| drop(row.pop()));
            assert_eq!(rows, expected, "{html}");
        };
        let of = ["users: al*", "skip", "1.5 s memory 64 MiB", "datagrams"];
        let did = ["9", "4", "2 timeout 1 trap", "≤ 100 µs", "≤ 100 µs", "70"];
        let row = |target: &'static str, health: &'static str| [&[target, health][..], &of].concat();
        let (zeta, alpha) = (row("zeta\n0123456789ab", "ready"), row("alpha\n0123456789ab", "the file is gone"));
        check(None, [&zeta, &alpha]);
        let (zeta, alpha) = ([&zeta[..], &did].concat(), [&alpha[..], &["0", "0", "", "", "", "0"]].concat());
        check(Some(&counted), [&zeta, &alpha]);
    }
}
