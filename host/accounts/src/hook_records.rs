//! Records of hook calls as JSON text, a batch in one text, since writing each by itself would take longer than
//! many calls take; and what is counted of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_core::hook::HookRun;
use tidegate_core::ports::{HookCounter, StoreError, StoredRun};

/// A batch as text.
pub fn text_of(runs: &[HookRun]) -> Result<String, StoreError> {
    let records: Vec<Record<'_>> = runs.iter().map(Record::from).collect();
    serde_json::to_string(&records).map_err(|error| StoreError::Failed(error.to_string()))
}

/// The records of a batch, of which the first has the number `first`.
pub fn numbered(first: i64, text: &[u8]) -> Result<Vec<StoredRun>, StoreError> {
    let records: Vec<Record<'_>> = serde_json::from_slice(text).map_err(|error| {
        StoreError::Failed(format!("the database failed: records of hook calls cannot be read: {error}"))
    })?;
    Ok((first..).zip(records).map(|(id, record)| record.numbered(id)).collect())
}

/// Counters over these calls alone, in the order of their keys.
pub fn count(runs: &[HookRun]) -> Vec<HookCounter> {
    let mut batch: BTreeMap<(&str, &str, &str, &str), HookCounter> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.is_counted()) {
        let version = run.exchange.version.as_deref().unwrap_or_default();
        let key = (run.kind, &*run.hook, version, run.outcome);
        batch.entry(key).or_insert_with(|| HookCounter::for_run(run)).count(run);
    }
    batch.into_values().collect()
}

/// A histogram as it is stored.
pub fn histogram(text: &[u8]) -> Vec<i64> {
    serde_json::from_slice(text).unwrap_or_default()
}

/// One record in a batch, without its empty fields: most records have few.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Record<'a> {
    at: i64,
    kind: Cow<'a, str>,
    hook: Cow<'a, str>,
    adapter: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_nothing")]
    version: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "is_nothing")]
    connection: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "is_nothing")]
    username: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "is_nothing")]
    address: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "is_nothing")]
    about: Option<Cow<'a, str>>,
    outcome: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_nothing")]
    detail: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_nothing")]
    is_error: bool,
    #[serde(skip_serializing_if = "is_nothing")]
    decided: bool,
    duration_us: i64,
    #[serde(skip_serializing_if = "is_nothing")]
    sent: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_nothing")]
    received: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_nothing")]
    standard_error: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_nothing")]
    cpu_us: Option<i64>,
    #[serde(skip_serializing_if = "is_nothing")]
    memory: Option<i64>,
    #[serde(skip_serializing_if = "is_nothing")]
    trace: Option<Cow<'a, str>>,
}

fn is_nothing<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl<'a> From<&'a HookRun> for Record<'a> {
    fn from(run: &'a HookRun) -> Self {
        let exchange = &run.exchange;
        let (sent, received) = exchange.texts();
        Self {
            at: run.at,
            kind: run.kind.into(),
            hook: (&*run.hook).into(),
            adapter: run.adapter.into(),
            version: exchange.version.as_deref().map(Cow::from),
            connection: run.connection.as_ref().map(|id| id.as_str().into()),
            username: run.username.as_deref().map(Cow::from),
            address: run.address.map(|address| address.to_string().into()),
            about: run.about.as_deref().map(Cow::from),
            outcome: run.outcome.into(),
            detail: run.detail.as_str().into(),
            is_error: run.is_error,
            decided: run.decided,
            duration_us: microseconds(run.duration),
            sent,
            received,
            standard_error: exchange.standard_error.as_str().into(),
            cpu_us: exchange.cpu.map(microseconds),
            memory: exchange.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            trace: exchange.trace.as_deref().map(Cow::from),
        }
    }
}

impl Record<'_> {
    fn numbered(self, id: i64) -> StoredRun {
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        StoredRun {
            id,
            at: self.at,
            kind: self.kind.into_owned(),
            hook: self.hook.into_owned(),
            adapter: self.adapter.into_owned(),
            version: owned(self.version),
            connection: owned(self.connection),
            username: owned(self.username),
            address: owned(self.address),
            about: owned(self.about),
            outcome: self.outcome.into_owned(),
            detail: self.detail.into_owned(),
            is_error: self.is_error,
            decided: self.decided,
            duration_us: self.duration_us,
            sent: self.sent.into_owned(),
            received: self.received.into_owned(),
            standard_error: self.standard_error.into_owned(),
            cpu_us: self.cpu_us,
            memory: self.memory,
            trace: owned(self.trace),
        }
    }
}

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
