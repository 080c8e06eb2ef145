//! The records of hook calls, for `tidegate hook runs`: a row for each batch.

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use tidegate_core::hook::HookRun;
use tidegate_core::ports::{HookCounter, HookRunStore, RUNS_KEPT, RunFilter, StoreError, StoredRun};

use super::RedbDatabase;
use super::failure::Failure;
use super::tables::{COUNTERS, RUNS, opened};
use crate::hook_records;

#[async_trait]
impl HookRunStore for RedbDatabase {
    async fn append(&self, runs: Vec<HookRun>) -> Result<(), StoreError> {
        self.engine.note(move |transaction| append(transaction, &runs)).await
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<StoredRun>, StoreError> {
        self.engine.read(move |transaction| find(transaction, &filter)).await
    }

    async fn run(&self, id: i64) -> Result<Option<StoredRun>, StoreError> {
        let found = self.engine.read(move |transaction| {
            let Some(batches) = opened(transaction, RUNS)? else { return Ok(None) };
            let Some(batch) = batches.range(..=id)?.next_back() else { return Ok(None) };
            let (first, batch) = batch?;
            let runs = hook_records::numbered(first.value(), batch.value().1)?;
            Ok(runs.into_iter().find(|run| run.id == id))
        });
        found.await
    }

    async fn counters(&self) -> Result<Vec<HookCounter>, StoreError> {
        self.engine.read(counters).await
    }
}

fn append(transaction: &WriteTransaction, runs: &[HookRun]) -> Result<(), Failure> {
    let text = hook_records::text_of(runs)?;
    let number = i64::try_from(runs.len()).unwrap_or(i64::MAX);
    let mut batches = transaction.open_table(RUNS)?;
    let first = batches.last()?.map_or(1, |(first, batch)| first.value() + batch.value().0);
    batches.insert(first, (number, text.as_bytes()))?;
    let oldest = first + number - i64::try_from(RUNS_KEPT).unwrap_or(i64::MAX);
    loop {
        let begin = batches.first()?.map(|(first, batch)| (first.value(), batch.value().0));
        match begin {
            Some((first, count)) if first + count <= oldest => drop(batches.remove(first)?),
            Some(_) | None => break,
        }
    }
    hook_records::count(runs).into_iter().try_for_each(|counter| add(transaction, counter))
}

/// The newest or the oldest records that match the filter, the oldest first.
fn find(transaction: &ReadTransaction, filter: &RunFilter) -> Result<Vec<StoredRun>, Failure> {
    let Some(batches) = opened(transaction, RUNS)? else { return Ok(Vec::new()) };
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut rows = batches.iter()?;
    while found.len() < limit {
        let batch = if filter.oldest { rows.next() } else { rows.next_back() };
        let Some(batch) = batch else { break };
        let (first, batch) = batch?;
        let (count, text) = batch.value();
        let is_too_old = first.value().saturating_add(count) <= filter.after.saturating_add(1);
        if is_too_old && filter.oldest {
            continue;
        }
        if is_too_old {
            break;
        }
        let mut runs = hook_records::numbered(first.value(), text)?;
        runs.retain(|run| filter.lets_through(run));
        if !filter.oldest {
            runs.reverse();
        }
        found.extend(runs);
    }
    found.truncate(limit);
    if !filter.oldest {
        found.reverse();
    }
    Ok(found)
}

/// Adds a batch to one counter.
fn add(transaction: &WriteTransaction, mut sum: HookCounter) -> Result<(), Failure> {
    let mut counters = transaction.open_table(COUNTERS)?;
    let names = [sum.kind.clone(), sum.hook.clone(), sum.version.clone(), sum.outcome.clone()];
    let [kind, hook, version, outcome] = names.each_ref().map(String::as_bytes);
    let key = (kind, hook, version, outcome);
    if let Some(before) = counters.get(key)? {
        let (is_error, calls, total_us, max_us, cpu_us, max_memory, histogram) = before.value();
        sum.is_error = is_error != 0;
        sum.calls += calls;
        sum.total_us += total_us;
        sum.max_us = sum.max_us.max(max_us);
        sum.cpu_us += cpu_us;
        sum.max_memory = sum.max_memory.max(max_memory);
        for (slot, earlier) in sum.histogram.iter_mut().zip(hook_records::histogram(histogram)) {
            *slot += earlier;
        }
    }
    let HookCounter { is_error, calls, total_us, max_us, cpu_us, max_memory, histogram, .. } = &sum;
    let histogram = serde_json::Value::from(histogram.as_slice()).to_string();
    let row = (u8::from(*is_error), *calls, *total_us, *max_us, *cpu_us, *max_memory, histogram.as_bytes());
    counters.insert(key, row)?;
    Ok(())
}

fn counters(transaction: &ReadTransaction) -> Result<Vec<HookCounter>, Failure> {
    let Some(table) = opened(transaction, COUNTERS)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for row in table.iter()? {
        let (key, row) = row?;
        let (kind, hook, version, outcome) = key.value();
        let [kind, hook, version, outcome] =
            [kind, hook, version, outcome].map(|name| String::from_utf8_lossy(name).into_owned());
        let (is_error, calls, total_us, max_us, cpu_us, max_memory, histogram) = row.value();
        found.push(HookCounter {
            kind,
            hook,
            version,
            outcome,
            is_error: is_error != 0,
            calls,
            total_us,
            max_us,
            cpu_us,
            max_memory,
            histogram: hook_records::histogram(histogram),
        });
    }
    Ok(found)
}
