//! The records of hook calls, for `tidegate hook runs`. They are stored in batches, because writing
//! a row for each would take longer than many calls take.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use tidegate_core::hook::HookRun;
use tidegate_core::ports::{HookCounter, HookRunStore, RUNS_KEPT, RunFilter, StoreError, StoredRun};

use super::{SqliteDatabase, classify};
use crate::hook_records;

#[async_trait]
impl HookRunStore for SqliteDatabase {
    async fn append(&self, runs: Vec<HookRun>) -> Result<(), StoreError> {
        self.note(move |connection| append(connection, &runs)).await
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<StoredRun>, StoreError> {
        self.read(move |connection| find(connection, &filter)).await
    }

    async fn run(&self, id: i64) -> Result<Option<StoredRun>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT first, runs FROM hook_run_batches WHERE first <= ?1 ORDER BY first DESC LIMIT 1";
            let batch = connection.query_row(sql, [id], gathered).optional().map_err(classify)?;
            let runs = batch.map(|batch| batch.runs()).transpose()?.unwrap_or_default();
            Ok(runs.into_iter().find(|run| run.id == id))
        })
        .await
    }

    async fn counters(&self) -> Result<Vec<HookCounter>, StoreError> {
        self.read(|connection| counters(connection).map_err(classify)).await
    }
}

/// A row: records with consecutive numbers.
struct Gathered {
    first: i64,
    text: String,
}

fn gathered(row: &Row<'_>) -> Result<Gathered, rusqlite::Error> {
    Ok(Gathered { first: row.get("first")?, text: row.get("runs")? })
}

impl Gathered {
    fn runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        hook_records::numbered(self.first, self.text.as_bytes())
    }
}

fn append(connection: &mut Connection, runs: &[HookRun]) -> Result<(), StoreError> {
    let text = hook_records::text_of(runs)?;
    let mut store = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let number = i64::try_from(runs.len()).unwrap_or(i64::MAX);
        let next = "SELECT coalesce(max(first + count), 1) FROM hook_run_batches";
        let first: i64 = transaction.prepare_cached(next)?.query_row([], |row| row.get(0))?;
        let insert = "INSERT INTO hook_run_batches (first, count, runs) VALUES (?1, ?2, ?3)";
        transaction.prepare_cached(insert)?.execute(params![first, number, text])?;
        let forget = "DELETE FROM hook_run_batches WHERE first + count <= ?1";
        transaction.prepare_cached(forget)?.execute([first + number - i64::try_from(RUNS_KEPT).unwrap_or(i64::MAX)])?;
        hook_records::count(runs).into_iter().try_for_each(|counter| add(&transaction, counter))?;
        transaction.commit()
    };
    store().map_err(classify)
}

/// The newest or the oldest records that match the filter, the oldest first.
fn find(connection: &Connection, filter: &RunFilter) -> Result<Vec<StoredRun>, StoreError> {
    let order = if filter.oldest { "ASC" } else { "DESC" };
    let sql = format!("SELECT first, runs FROM hook_run_batches WHERE first + count > ?1 + 1 ORDER BY first {order}");
    let mut statement = connection.prepare_cached(&sql).map_err(classify)?;
    let batches = statement.query_map([filter.after], gathered).map_err(classify)?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for batch in batches {
        let mut runs = batch.map_err(classify)?.runs()?;
        runs.retain(|run| filter.lets_through(run));
        if !filter.oldest {
            runs.reverse();
        }
        found.extend(runs);
        if found.len() >= limit {
            found.truncate(limit);
            break;
        }
    }
    if !filter.oldest {
        found.reverse();
    }
    Ok(found)
}

/// Adds a batch to one counter.
fn add(connection: &Connection, mut batch: HookCounter) -> Result<(), rusqlite::Error> {
    let mut before = connection.prepare_cached(
        "SELECT histogram FROM hook_counters WHERE kind = ?1 AND hook = ?2 AND version = ?3 AND outcome = ?4",
    )?;
    let key = [&batch.kind, &batch.hook, &batch.version, &batch.outcome];
    let before: Option<String> = before.query_row(key, |row| row.get(0)).optional()?;
    for (slot, earlier) in batch
        .histogram
        .iter_mut()
        .zip(before.as_ref().map(|text| hook_records::histogram(text.as_bytes())).unwrap_or_default())
    {
        *slot += earlier;
    }
    let mut upsert = connection.prepare_cached(
        "INSERT INTO hook_counters VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)
         ON CONFLICT (kind, hook, version, outcome) DO UPDATE SET calls = calls + ?6, total_us = total_us + ?7,
         max_us = max(max_us, ?8), cpu_us = cpu_us + ?9, max_memory = max(max_memory, ?10), histogram = ?11",
    )?;
    let HookCounter { kind, hook, version, outcome, is_error, .. } = &batch;
    let HookCounter { calls, total_us, max_us, cpu_us, max_memory, histogram, .. } = &batch;
    let histogram = serde_json::Value::from(histogram.as_slice()).to_string();
    upsert.execute(params![
        kind, hook, version, outcome, is_error, calls, total_us, max_us, cpu_us, max_memory, histogram
    ])?;
    Ok(())
}

fn counters(connection: &Connection) -> Result<Vec<HookCounter>, rusqlite::Error> {
    let mut statement =
        connection.prepare_cached("SELECT * FROM hook_counters ORDER BY kind, hook, version, outcome")?;
    let rows = statement.query_map([], |row| {
        Ok(HookCounter {
            kind: row.get("kind")?,
            hook: row.get("hook")?,
            version: row.get("version")?,
            outcome: row.get("outcome")?,
            is_error: row.get("is_error")?,
            calls: row.get("calls")?,
            total_us: row.get("total_us")?,
            max_us: row.get("max_us")?,
            cpu_us: row.get("cpu_us")?,
            max_memory: row.get("max_memory")?,
            histogram: hook_records::histogram(row.get::<_, String>("histogram")?.as_bytes()),
        })
    })?;
    rows.collect()
}
