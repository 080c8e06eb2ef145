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
}

/// Calls of the hooks of one point.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// All calls.
    pub all: u64,
    /// Calls that failed.
    pub failed: u64,
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
    calls: BTreeMap<String, Calls>,
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
            totals.calls = former.as_ref().map(|former| former.calls.clone()).unwrap_or_default();
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
        let mut calls: BTreeMap<String, Calls> = BTreeMap::new();
        for counter in reading.hooks.iter().flatten() {
            if calls.len() >= POINTS && !calls.contains_key(&counter.kind) {
                continue;
            }
            calls.entry(counter.kind.clone()).or_default().count(counter);
        }
        Self {
            at: reading.at,
            accepted: logins.accepted,
            refused: logins.refused,
            received: uploads.bytes.saturating_add(reading.running.0),
            sent: downloads.bytes.saturating_add(reading.running.1),
            calls,
        }
    }

    /// A counter that is smaller than before began anew; then nothing is said of the time between.
    fn since(&self, former: &Self, sessions: u64) -> Span {
        let none = Calls::default();
        let calls = self.calls.iter().map(|(point, calls)| {
            let former = former.calls.get(point).unwrap_or(&none);
            (point.clone(), calls.since(former))
        });
        Span {
            until: self.at,
            length: u64::try_from(self.at.saturating_sub(former.at)).unwrap_or(0),
            sessions,
            accepted: self.accepted.saturating_sub(former.accepted),
            refused: self.refused.saturating_sub(former.refused),
            received: self.received.saturating_sub(former.received),
            sent: self.sent.saturating_sub(former.sent),
            calls: calls.filter(|(_, calls)| calls.all > 0).collect(),
        }
    }
}

impl Calls {
    fn count(&mut self, counter: &HookCounter) {
        let natural = |count: i64| u64::try_from(count).unwrap_or(0);
        self.all += natural(counter.calls);
        self.failed += if counter.is_error { natural(counter.calls) } else { 0 };
        self.add_histogram(counter.histogram.iter().map(|count| natural(*count)));
    }

    fn since(&self, former: &Self) -> Self {
        let before = former.histogram.iter().copied().chain(std::iter::repeat(0));
        Self {
            all: self.all.saturating_sub(former.all),
            failed: self.failed.saturating_sub(former.failed),
            histogram: self.histogram.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.failed += other.failed;
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
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Logins, Transfers};

    fn reading(minute: i64, refused: u64, bytes: u64, running: u64, calls: Option<i64>) -> Reading {
        let counter = |calls| HookCounter {
            kind: "login-pre".to_owned(),
            hook: "a".to_owned(),
            version: String::new(),
            outcome: "timeout".to_owned(),
            is_error: true,
            calls,
            total_us: 0,
            max_us: 0,
            cpu_us: 0,
            max_memory: 0,
            histogram: vec![calls, 0],
        };
        let logins = Logins { attempts: refused, accepted: 0, refused };
        let uploads = Transfers { done: 1, failed: 0, bytes };
        Reading {
            at: minute * 60_000,
            counts: Counts { active_connections: refused, logins, uploads, ..Counts::default() },
            running: (running, 0),
            hooks: calls.map(|calls| vec![counter(calls)]),
        }
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
        let calls = |count: u64| Calls { all: count, failed: count, histogram: vec![count, 0] };
        let seen: Vec<_> = history
            .hour()
            .into_iter()
            .map(|span| (span.until / 60_000, span.refused, span.received, span.calls.get("login-pre").cloned()))
            .collect();
        assert_eq!(seen, [(2, 3, 40, Some(calls(2))), (3, 0, 10, None), (4, 0, 0, Some(calls(3)))]);
        let day = history.day();
        assert_eq!(day.len(), 1);
        let whole = day.first().cloned().unwrap_or_default();
        assert_eq!((whole.length, whole.sessions, whole.refused, whole.received), (180_000, 8, 3, 50));
        assert_eq!(whole.calls.get("login-pre"), Some(&calls(5)));
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
