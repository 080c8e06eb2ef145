//! Records of hook calls.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::hook::HookRun;

/// Upper bounds of the histogram of durations, in microseconds; one more bucket has the longer ones.
pub const DURATION_BOUNDS: [u64; 11] =
    [50, 100, 200, 500, 1_000, 5_000, 20_000, 100_000, 500_000, 2_000_000, 10_000_000];

/// The number of newest records that a store keeps at least.
pub const RUNS_KEPT: usize = 10_000;

/// The records of hook calls: the newest ones, and counters over all.
///
/// # Errors
/// As those of [`Directory`](super::Directory).
#[async_trait]
pub trait HookRunStore: Send + Sync {
    /// Appends records, and counts those that [are counted](HookRun::is_counted).
    async fn append(&self, runs: Vec<HookRun>) -> Result<(), StoreError>;

    /// The newest records that match, or the oldest, if the filter wants them; the oldest of them first.
    async fn runs(&self, filter: RunFilter) -> Result<Vec<StoredRun>, StoreError>;

    /// One record, if it is still kept.
    async fn run(&self, id: i64) -> Result<Option<StoredRun>, StoreError>;

    /// All counters.
    async fn counters(&self) -> Result<Vec<HookCounter>, StoreError>;
}

/// Selects records; each field that is set has to match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// The hook point, or `login` for the outcomes of logins, `accept` for connections that were closed as they arrived, or
    /// `round` for questions to users.
    pub kind: Option<String>,
    /// The username that the call was about.
    pub username: Option<String>,
    /// The name of the hook.
    pub hook: Option<String>,
    /// The outcome, as [`HookRun::outcome`] has it.
    pub outcome: Option<String>,
    /// The client's address.
    pub address: Option<String>,
    /// The id of the client's connection.
    pub connection: Option<String>,
    /// Only calls that began then or later, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Only calls that began earlier, in milliseconds since 1970.
    pub until: Option<i64>,
    /// Only records with a smaller id.
    pub before: Option<i64>,
    /// Only records with a greater id.
    pub after: i64,
    /// Whether the oldest records are given.
    pub oldest: bool,
    /// The most records to give.
    pub limit: u32,
}

/// A [`HookRun`] as it is stored; see there for fields of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct StoredRun {
    /// Rises with each record.
    pub id: i64,
    /// When the call began, in milliseconds since 1970.
    pub at: i64,
    /// The hook point, or `login` for the outcome of a login, `accept` for a connection that was closed as it arrived, or
    /// `round` for questions to a user.
    pub kind: String,
    /// The name of the hook.
    pub hook: String,
    /// The adapter that made the call.
    pub adapter: String,
    /// The digest of the component that answered.
    pub version: Option<String>,
    /// The id of the client's connection.
    pub connection: Option<String>,
    /// The username that the call was about.
    pub username: Option<String>,
    /// The client's address.
    pub address: Option<String>,
    /// The login method or the file action.
    pub about: Option<String>,
    /// The verdict's name, or the kind of the error.
    pub outcome: String,
    /// The reason of a denial, or the text of an error.
    pub detail: String,
    /// Whether the call failed.
    pub is_error: bool,
    /// Whether the gate ended with this link.
    pub decided: bool,
    /// The duration in microseconds.
    pub duration_us: i64,
    /// What the hook was given, shortened.
    pub sent: String,
    /// What the hook answered, shortened.
    pub received: String,
    /// What the hook wrote to its standard error, shortened.
    pub standard_error: String,
    /// The time that a component computed, in microseconds.
    pub cpu_us: Option<i64>,
    /// The largest memory of a component, in bytes.
    pub memory: Option<i64>,
    /// The trace that the call was part of, as 32 hexadecimal digits.
    pub trace: Option<String>,
}

/// Counts the calls of one hook, in one version, with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HookCounter {
    /// The hook point.
    pub kind: String,
    /// The name of the hook.
    pub hook: String,
    /// The digest of the component; empty for other hooks.
    pub version: String,
    /// The verdict's name, or the kind of the error.
    pub outcome: String,
    /// Whether this outcome is a failure.
    pub is_error: bool,
    /// The number of calls.
    pub calls: i64,
    /// The sum of their durations, in microseconds.
    pub total_us: i64,
    /// The longest duration, in microseconds.
    pub max_us: i64,
    /// The sum of the time that components computed, in microseconds.
    pub cpu_us: i64,
    /// The largest memory of a component, in bytes.
    pub max_memory: i64,
    /// Calls by duration, in the buckets of [`DURATION_BOUNDS`].
    pub histogram: Vec<i64>,
}

impl RunFilter {
    /// Whether the record matches; the limit is not looked at.
    pub fn lets_through(&self, run: &StoredRun) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        run.id > self.after
            && self.before.is_none_or(|before| run.id < before)
            && self.since.is_none_or(|since| run.at >= since)
            && self.until.is_none_or(|until| run.at < until)
            && is(&self.address, run.address.as_deref())
            && is(&self.connection, run.connection.as_deref())
            && is(&self.kind, Some(&run.kind))
            && is(&self.username, run.username.as_deref())
            && is(&self.hook, Some(&run.hook))
            && is(&self.outcome, Some(&run.outcome))
    }
}

impl StoredRun {
    /// The record to store under this id.
    pub fn of(id: i64, run: &HookRun) -> Self {
        let exchange = &run.exchange;
        let (sent, received) = exchange.texts();
        Self {
            id,
            at: run.at,
            kind: run.kind.to_owned(),
            hook: run.hook.to_string(),
            adapter: run.adapter.to_owned(),
            version: exchange.version.as_deref().map(str::to_owned),
            connection: run.connection.as_ref().map(|id| id.as_str().to_owned()),
            username: run.username.clone(),
            address: run.address.map(|address| address.to_string()),
            about: run.about.clone(),
            outcome: run.outcome.to_owned(),
            detail: run.detail.clone(),
            is_error: run.is_error,
            decided: run.decided,
            duration_us: microseconds(run.duration),
            sent: sent.into_owned(),
            received: received.into_owned(),
            standard_error: exchange.standard_error.clone(),
            cpu_us: exchange.cpu.map(microseconds),
            memory: exchange.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            trace: exchange.trace.clone(),
        }
    }
}

impl HookCounter {
    /// A counter at 0 for the call's hook, version and outcome.
    pub fn for_run(run: &HookRun) -> Self {
        Self {
            kind: run.kind.to_owned(),
            hook: run.hook.to_string(),
            version: run.exchange.version.as_deref().unwrap_or_default().to_owned(),
            outcome: run.outcome.to_owned(),
            is_error: run.is_error,
            calls: 0,
            total_us: 0,
            max_us: 0,
            cpu_us: 0,
            max_memory: 0,
            histogram: vec![0; DURATION_BOUNDS.len() + 1],
        }
    }

    /// Counts one call.
    pub fn count(&mut self, run: &HookRun) {
        let duration = microseconds(run.duration);
        self.is_error = run.is_error;
        self.calls += 1;
        self.total_us += duration;
        self.max_us = self.max_us.max(duration);
        self.cpu_us += run.exchange.cpu.map_or(0, microseconds);
        let memory = run.exchange.memory.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        self.max_memory = self.max_memory.max(memory);
        let bucket = DURATION_BOUNDS.iter().filter(|bound| i64::try_from(**bound).is_ok_and(|b| duration > b)).count();
        if let Some(slot) = self.histogram.get_mut(bucket) {
            *slot += 1;
        }
    }
}

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
