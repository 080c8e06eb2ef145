//! The records of hook calls. They are stored in batches, because writing a row for each would take longer than
//! many calls take.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_core::hook::HookRun;
use tidegate_core::ports::{HookCounter, HookRunStore, RUNS_KEPT, RunFilter, StoreError, StoredRun};

use super::{SqlStore, first, lock};
use crate::hook_records;
use crate::sql::{Cell, Database, Dialect, Failure, Patience, Row, Transaction, placeholders, transact};

const COUNTER_KEY: [&str; 4] = ["kind", "hook", "version", "outcome"];
const COUNTS: [&str; 7] = ["is_error", "calls", "total_us", "max_us", "cpu_us", "max_memory", "histogram"];
/// Batches that are read at once, the newest first.
const BATCHES_AT_ONCE: i64 = 50;

#[async_trait]
impl<D: Database> HookRunStore for SqlStore<D> {
    async fn append(&self, runs: Vec<HookRun>) -> Result<(), StoreError> {
        let (runs, database) = (Arc::new(runs), self.database.clone());
        transact(&*self.database, Patience::Long, move |transaction| {
            let (runs, database) = (runs.clone(), database.clone());
            Box::pin(async move { append(transaction, database.dialect(), &runs).await })
        })
        .await
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<StoredRun>, StoreError> {
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let (bound, mut from) = if filter.oldest { ("first > ?", 0) } else { ("first < ?", i64::MAX) };
        let order = if filter.oldest { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT first, runs FROM {{hook_run_batches}} WHERE {bound} AND first + count > ? ORDER BY first {order} LIMIT ?"
        );
        let mut found = Vec::new();
        while found.len() < limit {
            let after = filter.after.saturating_add(1);
            let values = vec![from.into(), after.into(), BATCHES_AT_ONCE.into()];
            let batches = self.database.query(Patience::Long, &sql, values).await?;
            if batches.is_empty() {
                break;
            }
            for mut batch in batches {
                from = batch.integer(0)?;
                let mut runs = hook_records::numbered(from, batch.text(1)?.as_bytes())?;
                runs.retain(|run| filter.lets_through(run));
                if !filter.oldest {
                    runs.reverse();
                }
                found.extend(runs);
            }
        }
        found.truncate(limit);
        if !filter.oldest {
            found.reverse();
        }
        Ok(found)
    }

    async fn run(&self, id: i64) -> Result<Option<StoredRun>, StoreError> {
        let sql = "SELECT first, runs FROM {hook_run_batches} WHERE first <= ? ORDER BY first DESC LIMIT 1";
        let rows = self.database.query(Patience::Long, sql, vec![id.into()]).await?;
        let runs = first(rows, |mut row| hook_records::numbered(row.integer(0)?, row.text(1)?.as_bytes()))?;
        Ok(runs.unwrap_or_default().into_iter().find(|run| run.id == id))
    }

    async fn counters(&self) -> Result<Vec<HookCounter>, StoreError> {
        let [key, counts] = [COUNTER_KEY.join(", "), COUNTS.join(", ")];
        let sql = format!("SELECT {key}, {counts} FROM {{hook_counters}} ORDER BY {key}");
        let rows = self.database.query(Patience::Long, &sql, Vec::new()).await?;
        rows.into_iter().map(counter).collect()
    }
}

fn counter(mut row: Row) -> Result<HookCounter, StoreError> {
    Ok(HookCounter {
        kind: row.text(0)?,
        hook: row.text(1)?,
        version: row.text(2)?,
        outcome: row.text(3)?,
        is_error: row.integer(4)? != 0,
        calls: row.integer(5)?,
        total_us: row.integer(6)?,
        max_us: row.integer(7)?,
        cpu_us: row.integer(8)?,
        max_memory: row.integer(9)?,
        histogram: hook_records::histogram(row.text(10)?.as_bytes()),
    })
}

async fn append(transaction: &mut dyn Transaction, dialect: &dyn Dialect, runs: &[HookRun]) -> Result<(), Failure> {
    let text = hook_records::text_of(runs)?;
    // Batches are numbered, and counters added up, by one server at a time.
    lock(transaction, dialect, "hook_runs").await?;
    let next = "SELECT coalesce(max(first + count), 1) FROM {hook_run_batches}";
    let begin = first(transaction.query(next, Vec::new()).await?, |mut row| row.integer(0))?.unwrap_or(1);
    let number = i64::try_from(runs.len()).unwrap_or(i64::MAX);
    let insert = "INSERT INTO {hook_run_batches} (first, count, runs) VALUES (?, ?, ?)";
    transaction.execute(insert, vec![begin.into(), number.into(), text.into()]).await?;
    let forgotten = begin + number - i64::try_from(RUNS_KEPT).unwrap_or(i64::MAX);
    transaction.execute("DELETE FROM {hook_run_batches} WHERE first + count <= ?", vec![forgotten.into()]).await?;
    for counter in hook_records::count(runs) {
        add(transaction, dialect, counter).await?;
    }
    Ok(())
}

/// Adds a batch to one counter.
async fn add(transaction: &mut dyn Transaction, dialect: &dyn Dialect, mut batch: HookCounter) -> Result<(), Failure> {
    let [key, counts] = [COUNTER_KEY.join(", "), COUNTS.join(", ")];
    let is_it = COUNTER_KEY.map(|column| format!("{column} = ?")).join(" AND ");
    let sql = format!("SELECT {key}, {counts} FROM {{hook_counters}} WHERE {is_it}");
    let cells = [&batch.kind, &batch.hook, &batch.version, &batch.outcome].map(|text| Cell::from(text.as_str()));
    if let Some(before) = first(transaction.query(&sql, cells.to_vec()).await?, counter)? {
        batch.calls += before.calls;
        batch.total_us += before.total_us;
        batch.max_us = batch.max_us.max(before.max_us);
        batch.cpu_us += before.cpu_us;
        batch.max_memory = batch.max_memory.max(before.max_memory);
        for (slot, earlier) in batch.histogram.iter_mut().zip(before.histogram) {
            *slot += earlier;
        }
    }
    let places = placeholders(1, COUNTER_KEY.len() + COUNTS.len());
    let insert = format!("INSERT INTO {{hook_counters}} ({key}, {counts}) VALUES {places}");
    let sql = dialect.or_update(&insert, &COUNTER_KEY, &COUNTS);
    let histogram = serde_json::Value::from(batch.histogram.as_slice()).to_string();
    let values = cells.into_iter().chain([
        batch.is_error.into(),
        batch.calls.into(),
        batch.total_us.into(),
        batch.max_us.into(),
        batch.cpu_us.into(),
        batch.max_memory.into(),
        histogram.into(),
    ]);
    transaction.execute(&sql, values.collect()).await?;
    Ok(())
}
