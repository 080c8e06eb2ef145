//! Records of hook calls.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::hook::HookRun;

/// Bounds of the histogram of durations, in microseconds; what is longer is in one more.
pub const DURATION_BOUNDS: [u64; 11] =
    [50, 100, 200, 500, 1_000, 5_000, 20_000, 100_000, 500_000, 2_000_000, 10_000_000];

/// Records that are kept, at least.
pub const RUNS_KEPT: usize = 10_000;

/// The records of hook calls: the last ones, and counts of all.
#[async_trait]
pub trait HookRunStore: Send + Sync {
    async fn append(&self, runs: Vec<HookRun>) -> Result<(), StoreError>;

    /// The newest that match, oldest first.
    async fn runs(&self, filter: RunFilter) -> Result<Vec<StoredRun>, StoreError>;

    async fn run(&self, id: i64) -> Result<Option<StoredRun>, StoreError>;

    async fn counters(&self) -> Result<Vec<HookCounter>, StoreError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    pub username: Option<String>,
    pub hook: Option<String>,
    pub outcome: Option<String>,
    /// Only newer ones.
    pub after: i64,
    pub limit: u32,
}

/// As in [`HookRun`], after it was stored.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoredRun {
    pub id: i64,
    pub at: i64,
    pub kind: String,
    pub hook: String,
    pub adapter: String,
    pub version: Option<String>,
    pub connection: Option<String>,
    pub username: Option<String>,
    pub address: Option<String>,
    pub about: Option<String>,
    pub outcome: String,
    pub detail: String,
    pub is_error: bool,
    pub decided: bool,
    pub duration_us: i64,
    pub sent: String,
    pub received: String,
    pub standard_error: String,
    pub cpu_us: Option<i64>,
    pub memory: Option<i64>,
}

/// Calls of one hook in one version with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HookCounter {
    pub kind: String,
    pub hook: String,
    pub version: String,
    pub outcome: String,
    pub is_error: bool,
    pub calls: i64,
    pub total_us: i64,
    pub max_us: i64,
    pub cpu_us: i64,
    pub max_memory: i64,
    /// By [`DURATION_BOUNDS`].
    pub histogram: Vec<i64>,
}

impl RunFilter {
    pub fn lets_through(&self, run: &StoredRun) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        run.id > self.after
            && is(&self.username, run.username.as_deref())
            && is(&self.hook, Some(&run.hook))
            && is(&self.outcome, Some(&run.outcome))
    }
}

impl StoredRun {
    pub fn of(id: i64, run: &HookRun) -> Self {
        let exchange = &run.exchange;
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
            sent: exchange.sent.clone(),
            received: exchange.received.clone(),
            standard_error: exchange.standard_error.clone(),
            cpu_us: exchange.cpu.map(microseconds),
            memory: exchange.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        }
    }
}

impl HookCounter {
    /// Of the call's hook, version and outcome, without a call.
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
