//! What the counters were, minute by minute: the last hour, and the last day in longer steps. It is bounded, and lost
//! when the server stops; monitoring keeps more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::metrics::{Counts, Metrics};
use crate::ports::{Clock, HookCounter, HookRunStore};
use crate::session::SessionRegistry;

/// The time between two readings.
pub const STEP: Duration = Duration::from_secs(60);
/// Readings that make one step of a day.
const STEPS_OF_DAY: usize = 10;
const HOUR: usize = 60;
const DAY: usize = 24 * 60 / STEPS_OF_DAY;
/// Hook points that are kept; there are fewer.
const POINTS: usize = 32;
/// Hooks that are kept of a span, each at its point.
const HOOKS: usize = 256;

/// A hook at a point: the name of the point, and that of the hook.
pub type HookAt = (String, String);

/// What happened in a span of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// When it ended, in milliseconds since 1970.
    pub until: i64,
    /// How long it was, in milliseconds.
    pub length: u64,
    /// Sessions at its end; of a longer span, the most at the end of a minute.
    pub sessions: u64,
    /// Attempts to log in that were accepted.
    pub accepted: u64,
    /// Attempts to log in that were refused.
    pub refused: u64,
    /// Bytes that came from clients, also of transfers that still run.
    pub received: u64,
    /// Bytes that went to clients, also of transfers that still run.
    pub sent: u64,
    /// Hook calls by point.
    pub calls: BTreeMap<String, Calls>,
    /// The same calls by hook.
    pub hooks: BTreeMap<HookAt, Calls>,
}

/// Calls of one hook, or of the hooks of one point.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// All calls.
    pub all: u64,
    /// Calls after which the hook denied or rejected.
    pub denied: u64,
    /// Calls that failed, by the kind of the error.
    pub errors: BTreeMap<String, u64>,
    /// The sum of their durations, in microseconds.
    pub total_us: u64,
    /// Calls by duration, in the buckets of [`DURATION_BOUNDS`](crate::ports::DURATION_BOUNDS).
    pub histogram: Vec<u64>,
}

/// What is counted at one moment, from the start of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Milliseconds since 1970.
    pub at: i64,
    /// The numbers of the server.
    pub counts: Counts,
    /// Bytes of uploads and downloads that still run.
    pub running: (u64, u64),
    /// The numbers of hook calls; None: the store does not answer.
    pub hooks: Option<Vec<HookCounter>>,
}

/// The last hour and the last day.
#[derive(Debug, Default)]
pub struct History {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Totals>,
    hour: VecDeque<Span>,
    day: VecDeque<Span>,
    /// Minutes that are not a step of the day yet.
    pending: Vec<Span>,
}

/// A reading, summed up.
#[derive(Debug, Default)]
struct Totals {
    at: i64,
    accepted: u64,
    refused: u64,
    received: u64,
    sent: u64,
    /// None: the store has not answered yet.
    counted: Option<Counted>,
}

/// The hook calls since the first record.
#[derive(Debug, Clone, Default)]
struct Counted {
    points: BTreeMap<String, Calls>,
    hooks: BTreeMap<HookAt, Calls>,
}

/// Where the numbers come from.
pub struct Sources {
    /// The counters of the server.
    pub metrics: Arc<Metrics>,
    /// The sessions, with transfers that still run.
    pub sessions: Arc<SessionRegistry>,
    /// The counters of hook calls.
    pub hook_runs: Arc<dyn HookRunStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Sources {
    /// The numbers as they are now.
    pub async fn read(&self) -> Reading {
        let mut running = (0_u64, 0_u64);
        for transfer in self.sessions.sessions().iter().flat_map(|session| session.live.transfers()) {
            let sum = if transfer.operation_type == "upload" { &mut running.0 } else { &mut running.1 };
            *sum = sum.saturating_add(transfer.size);
        }
        let hooks = self.hook_runs.counters().await.ok();
        Reading { at: self.clock.now(), counts: self.metrics.counts(), running, hooks }
    }
}

impl History {
    /// Reads the sources each minute; never returns.
    pub async fn follow(&self, sources: Sources) {
        let mut ticks = tokio::time::interval(STEP);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.record(&sources.read().await);
        }
    }

    /// Adds a reading: what happened since the one before it. The first one says only where to begin.
    pub fn record(&self, reading: &Reading) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut totals = Totals::of(reading);
        let former = state.last.take();
        if reading.hooks.is_none() {
            // What was called meanwhile is counted when the store answers again.
            totals.counted = former.as_ref().and_then(|former| former.counted.clone());
        }
        if let Some(former) = former {
            let span = totals.since(&former, reading.counts.active_connections);
            state.add(span);
        }
        state.last = Some(totals);
    }

    /// The minutes of the last hour, the oldest first.
    pub fn hour(&self) -> Vec<Span> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).hour.iter().cloned().collect()
    }

    /// The last day in steps of ten minutes, the oldest first.
    pub fn day(&self) -> Vec<Span> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = (!state.pending.is_empty()).then(|| Span::sum(&state.pending));
        state.day.iter().cloned().chain(pending).collect()
    }

    /// What each hook did in these spans, and since the last reading. `counters`: as they are now.
    pub fn calls_of_hooks(&self, spans: &[Span], counters: &[HookCounter]) -> BTreeMap<HookAt, Calls> {
        let now = Counted::of(counters);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let last = state.last.as_ref().and_then(|last| last.counted.as_ref());
        let mut calls = last.map(|last| since(&now.hooks, &last.hooks)).unwrap_or_default();
        drop(state);
        for (hook, of_span) in spans.iter().flat_map(|span| &span.hooks) {
            calls.entry(hook.clone()).or_default().add(of_span);
        }
        calls
    }
}

impl State {
    fn add(&mut self, span: Span) {
        self.pending.push(span.clone());
        push(&mut self.hour, span, HOUR);
        if self.pending.len() >= STEPS_OF_DAY {
            let step = Span::sum(&self.pending);
            self.pending.clear();
            push(&mut self.day, step, DAY);
        }
    }
}

fn push(spans: &mut VecDeque<Span>, span: Span, most: usize) {
    spans.push_back(span);
    while spans.len() > most {
        spans.pop_front();
    }
}

impl Totals {
    fn of(reading: &Reading) -> Self {
        let Counts { logins, uploads, downloads, .. } = &reading.counts;
        Self {
            at: reading.at,
            accepted: logins.accepted,
            refused: logins.refused,
            received: uploads.bytes.saturating_add(reading.running.0),
            sent: downloads.bytes.saturating_add(reading.running.1),
            counted: reading.hooks.as_deref().map(Counted::of),
        }
    }

    /// A counter that is smaller than before began anew; then nothing is said of the time between.
    fn since(&self, former: &Self, sessions: u64) -> Span {
        // Of the time before the store answered first, it is not known what was called when.
        let (calls, hooks) = match (&self.counted, &former.counted) {
            (Some(now), Some(former)) => (since(&now.points, &former.points), since(&now.hooks, &former.hooks)),
            (_, _) => (BTreeMap::new(), BTreeMap::new()),
        };
        Span {
            until: self.at,
            length: u64::try_from(self.at.saturating_sub(former.at)).unwrap_or(0),
            sessions,
            accepted: self.accepted.saturating_sub(former.accepted),
            refused: self.refused.saturating_sub(former.refused),
            received: self.received.saturating_sub(former.received),
            sent: self.sent.saturating_sub(former.sent),
            calls,
            hooks: hooks.into_iter().take(HOOKS).collect(),
        }
    }
}

impl Counted {
    fn of(counters: &[HookCounter]) -> Self {
        let mut counted = Self::default();
        for counter in counters {
            let at = (counter.kind.clone(), counter.hook.clone());
            counted.hooks.entry(at).or_default().count(counter);
            if counted.points.len() < POINTS || counted.points.contains_key(&counter.kind) {
                counted.points.entry(counter.kind.clone()).or_default().count(counter);
            }
        }
        counted
    }
}

/// The calls since, of those that were called.
fn since<K: Clone + Ord>(now: &BTreeMap<K, Calls>, former: &BTreeMap<K, Calls>) -> BTreeMap<K, Calls> {
    let none = Calls::default();
    let calls = now.iter().map(|(key, calls)| (key.clone(), calls.since(former.get(key).unwrap_or(&none))));
    calls.filter(|(_, calls)| calls.all > 0).collect()
}

impl Calls {
    /// The number of calls that failed.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    fn count(&mut self, counter: &HookCounter) {
        let natural = |count: i64| u64::try_from(count).unwrap_or(0);
        let calls = natural(counter.calls);
        self.all += calls;
        if counter.is_error {
            *self.errors.entry(counter.outcome.clone()).or_default() += calls;
        } else if matches!(counter.outcome.as_str(), "deny" | "reject") {
            self.denied += calls;
        }
        self.total_us += natural(counter.total_us);
        self.add_histogram(counter.histogram.iter().map(|count| natural(*count)));
    }

    fn since(&self, former: &Self) -> Self {
        let before = former.histogram.iter().copied().chain(std::iter::repeat(0));
        let errors = self.errors.iter().map(|(kind, count)| {
            let before = former.errors.get(kind).copied().unwrap_or(0);
            (kind.clone(), count.saturating_sub(before))
        });
        Self {
            all: self.all.saturating_sub(former.all),
            denied: self.denied.saturating_sub(former.denied),
            errors: errors.filter(|(_, count)| *count > 0).collect(),
            total_us: self.total_us.saturating_sub(former.total_us),
            histogram: self.histogram.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.denied += other.denied;
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        self.total_us += other.total_us;
        self.add_histogram(other.histogram.iter().copied());
    }

    fn add_histogram(&mut self, counts: impl ExactSizeIterator<Item = u64>) {
        self.histogram.resize(counts.len().max(self.histogram.len()), 0);
        self.histogram.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
}

impl Span {
    /// Several spans as one.
    fn sum(spans: &[Self]) -> Self {
        let mut whole = Self::default();
        for span in spans {
            whole.until = span.until;
            whole.length += span.length;
            whole.sessions = whole.sessions.max(span.sessions);
            whole.accepted += span.accepted;
            whole.refused += span.refused;
            whole.received += span.received;
            whole.sent += span.sent;
            for (point, calls) in &span.calls {
                whole.calls.entry(point.clone()).or_default().add(calls);
            }
            for (hook, calls) in &span.hooks {
                whole.hooks.entry(hook.clone()).or_default().add(calls);
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Logins, Transfers};

    fn reading(minute: i64, refused: u64, bytes: u64, running: u64, calls: Option<i64>) -> Reading {
        let logins = Logins { attempts: refused, accepted: 0, refused };
        let uploads = Transfers { done: 1, failed: 0, bytes };
        Reading {
            at: minute * 60_000,
            counts: Counts { active_connections: refused, logins, uploads, ..Counts::default() },
            running: (running, 0),
            hooks: calls.map(|calls| vec![counter("a", "timeout", &[calls, 0])]),
        }
    }

    /// Calls with one outcome; each lasts for 10 µs.
    fn counter(hook: &str, outcome: &str, histogram: &[i64]) -> HookCounter {
        let calls: i64 = histogram.iter().sum();
        HookCounter {
            kind: "login-pre".to_owned(),
            hook: hook.to_owned(),
            version: String::new(),
            outcome: outcome.to_owned(),
            is_error: outcome == "timeout",
            calls,
            total_us: calls * 10,
            max_us: 10,
            cpu_us: 0,
            max_memory: 0,
            histogram: histogram.to_vec(),
        }
    }

    fn timeouts(count: u64) -> Calls {
        let errors = BTreeMap::from([("timeout".to_owned(), count)]);
        Calls { all: count, denied: 0, errors, total_us: count * 10, histogram: vec![count, 0] }
    }

    #[test]
    fn a_span_is_what_happened_since_the_reading_before() {
        let history = History::default();
        history.record(&reading(1, 5, 100, 0, Some(7)));
        assert!(history.hour().is_empty() && history.day().is_empty());
        history.record(&reading(2, 8, 100, 40, Some(9)));
        // The transfer ended, and the counters of the store were away; later, they began anew.
        history.record(&reading(3, 8, 150, 0, None));
        history.record(&reading(4, 1, 0, 0, Some(12)));
        let seen: Vec<_> = history
            .hour()
            .into_iter()
            .map(|span| (span.until / 60_000, span.refused, span.received, span.calls.get("login-pre").cloned()))
            .collect();
        assert_eq!(seen, [(2, 3, 40, Some(timeouts(2))), (3, 0, 10, None), (4, 0, 0, Some(timeouts(3)))]);
        let day = history.day();
        assert_eq!(day.len(), 1);
        let whole = day.first().cloned().unwrap_or_default();
        assert_eq!((whole.length, whole.sessions, whole.refused, whole.received), (180_000, 8, 3, 50));
        assert_eq!(whole.calls.get("login-pre"), Some(&timeouts(5)));
    }

    #[test]
    fn hooks_are_counted_up_to_now() {
        let history = History::default();
        let read = |hooks: Option<Vec<HookCounter>>| Reading { hooks, ..reading(1, 0, 0, 0, None) };
        let called = |history: &History, counters: &[HookCounter]| {
            let calls = history.calls_of_hooks(&history.hour(), counters);
            calls
                .into_iter()
                .map(|((_, hook), calls)| (hook, calls.all, calls.denied, calls.failed()))
                .collect::<Vec<_>>()
        };
        // As long as nothing was read, it is not known what is old.
        assert!(called(&history, &[counter("a", "allow", &[0, 7])]).is_empty());
        history.record(&read(None));
        history.record(&read(Some(vec![counter("a", "allow", &[1_000_000, 0]), counter("b", "deny", &[9, 0])])));
        assert!(history.hour().iter().all(|span| span.calls.is_empty() && span.hooks.is_empty()));
        let minute =
            [counter("a", "allow", &[1_000_000, 7]), counter("a", "timeout", &[0, 2]), counter("b", "deny", &[9, 0])];
        assert_eq!(called(&history, &minute), [("a".to_owned(), 9, 0, 2)]);
        history.record(&read(Some(minute.to_vec())));
        assert_eq!(called(&history, &minute), [("a".to_owned(), 9, 0, 2)]);
        let [_, timeouts, _] = minute;
        let now = [counter("a", "allow", &[1_000_000, 8]), timeouts, counter("b", "deny", &[12, 0])];
        assert_eq!(called(&history, &now), [("a".to_owned(), 10, 0, 2), ("b".to_owned(), 3, 3, 0)]);
        let calls = history.calls_of_hooks(&history.day(), &now);
        let a = calls.get(&("login-pre".to_owned(), "a".to_owned())).cloned().unwrap_or_default();
        assert_eq!((a.histogram, a.total_us), (vec![0, 10], 100));
    }

    #[test]
    fn it_is_bounded() {
        let history = History::default();
        (0..3_000).for_each(|minute| history.record(&reading(minute, 0, 0, 0, Some(minute))));
        let (hour, day) = (history.hour(), history.day());
        assert_eq!((hour.len(), day.len()), (60, 145));
        assert_eq!(hour.last().map(|span| span.until), day.last().map(|span| span.until));
    }
}
