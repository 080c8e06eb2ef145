//! The records of hook calls, for `tidegate hook runs`.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params, params_from_iter};
use tidegate_core::hook::HookRun;
use tidegate_core::ports::{DURATION_BOUNDS, HookCounter, HookRunStore, RunFilter, StoreError, StoredRun};

use super::{SqliteDatabase, classify};

/// Records that are kept.
const MAX_RUNS: i64 = 10_000;
const COLUMNS: &str = "id, at, kind, hook, adapter, version, connection, username, address, about, outcome, detail, \
                       is_error, decided, duration_us, sent, received, standard_error, cpu_us, memory";

#[async_trait]
impl HookRunStore for SqliteDatabase {
    async fn append(&self, runs: Vec<HookRun>) -> Result<(), StoreError> {
        self.note(move |connection| append(connection, &runs).map_err(classify)).await
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<StoredRun>, StoreError> {
        self.read(move |connection| runs(connection, &filter).map_err(classify)).await
    }

    async fn run(&self, id: i64) -> Result<Option<StoredRun>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM hook_runs WHERE id = ?1");
        self.read(move |connection| connection.query_row(&sql, [id], stored).optional().map_err(classify)).await
    }

    async fn counters(&self) -> Result<Vec<HookCounter>, StoreError> {
        self.read(|connection| counters(connection).map_err(classify)).await
    }
}

fn append(connection: &mut Connection, runs: &[HookRun]) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    insert(&transaction, runs)?;
    let newest = transaction.last_insert_rowid();
    transaction.prepare_cached("DELETE FROM hook_runs WHERE id <= ?1")?.execute([newest - MAX_RUNS])?;
    count(&transaction, runs)?;
    transaction.commit()
}

fn insert(connection: &Connection, runs: &[HookRun]) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO hook_runs ({}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)",
        COLUMNS.trim_start_matches("id, ")
    ))?;
    for run in runs {
        let exchange = &run.exchange;
        statement.execute(params![
            run.at,
            run.kind,
            run.hook,
            run.adapter,
            exchange.version,
            run.connection,
            run.username,
            run.address.map(|address| address.to_string()),
            run.about,
            run.outcome,
            run.detail,
            run.is_error,
            run.decided,
            microseconds(run.duration),
            exchange.sent,
            exchange.received,
            exchange.standard_error,
            exchange.cpu.map(microseconds),
            exchange.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        ])?;
    }
    Ok(())
}

/// What a batch adds to one counter.
#[derive(Default)]
struct Sum {
    is_error: bool,
    calls: i64,
    total_us: i64,
    max_us: i64,
    cpu_us: i64,
    max_memory: i64,
    histogram: Vec<i64>,
}

fn count(connection: &Connection, runs: &[HookRun]) -> Result<(), rusqlite::Error> {
    let mut sums: BTreeMap<(&str, &str, &str, &str), Sum> = BTreeMap::new();
    for run in runs {
        let version = run.exchange.version.as_deref().unwrap_or_default();
        let sum = sums.entry((run.kind, &run.hook, version, run.outcome)).or_default();
        let duration = microseconds(run.duration);
        sum.is_error = run.is_error;
        sum.calls += 1;
        sum.total_us += duration;
        sum.max_us = sum.max_us.max(duration);
        sum.cpu_us += run.exchange.cpu.map_or(0, microseconds);
        let memory = run.exchange.memory.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        sum.max_memory = sum.max_memory.max(memory);
        sum.histogram.resize(DURATION_BOUNDS.len() + 1, 0);
        let bucket = DURATION_BOUNDS.iter().filter(|bound| i64::try_from(**bound).is_ok_and(|b| duration > b)).count();
        if let Some(slot) = sum.histogram.get_mut(bucket) {
            *slot += 1;
        }
    }
    for ((kind, hook, version, outcome), sum) in sums {
        add(connection, [kind, hook, version, outcome], sum)?;
    }
    Ok(())
}

fn add(connection: &Connection, key: [&str; 4], mut sum: Sum) -> Result<(), rusqlite::Error> {
    let mut before = connection.prepare_cached(
        "SELECT histogram FROM hook_counters WHERE kind = ?1 AND hook = ?2 AND version = ?3 AND outcome = ?4",
    )?;
    let before: Option<String> = before.query_row(key, |row| row.get(0)).optional()?;
    for (slot, earlier) in sum.histogram.iter_mut().zip(before.as_deref().map(list).unwrap_or_default()) {
        *slot += earlier;
    }
    let mut upsert = connection.prepare_cached(
        "INSERT INTO hook_counters VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)
         ON CONFLICT (kind, hook, version, outcome) DO UPDATE SET calls = calls + ?6, total_us = total_us + ?7,
         max_us = max(max_us, ?8), cpu_us = cpu_us + ?9, max_memory = max(max_memory, ?10), histogram = ?11",
    )?;
    let [kind, hook, version, outcome] = key;
    let Sum { is_error, calls, total_us, max_us, cpu_us, max_memory, histogram } = sum;
    let histogram = serde_json::Value::from(histogram).to_string();
    upsert.execute(params![
        kind, hook, version, outcome, is_error, calls, total_us, max_us, cpu_us, max_memory, histogram
    ])?;
    Ok(())
}

fn list(text: &str) -> Vec<i64> {
    serde_json::from_str(text).unwrap_or_default()
}

fn runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<StoredRun>, rusqlite::Error> {
    let mut sql = format!("SELECT {COLUMNS} FROM hook_runs WHERE id > ?");
    let mut values = vec![Value::from(filter.after)];
    let wanted = [("username", &filter.username), ("hook", &filter.hook), ("outcome", &filter.outcome)];
    for (column, value) in wanted {
        if let Some(value) = value {
            sql.push_str(&format!(" AND {column} = ?"));
            values.push(Value::from(value.clone()));
        }
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    values.push(Value::from(filter.limit));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), stored)?;
    let mut runs = rows.collect::<Result<Vec<_>, _>>()?;
    runs.reverse();
    Ok(runs)
}

fn stored(row: &Row<'_>) -> Result<StoredRun, rusqlite::Error> {
    Ok(StoredRun {
        id: row.get("id")?,
        at: row.get("at")?,
        kind: row.get("kind")?,
        hook: row.get("hook")?,
        adapter: row.get("adapter")?,
        version: row.get("version")?,
        connection: row.get("connection")?,
        username: row.get("username")?,
        address: row.get("address")?,
        about: row.get("about")?,
        outcome: row.get("outcome")?,
        detail: row.get("detail")?,
        is_error: row.get("is_error")?,
        decided: row.get("decided")?,
        duration_us: row.get("duration_us")?,
        sent: row.get("sent")?,
        received: row.get("received")?,
        standard_error: row.get("standard_error")?,
        cpu_us: row.get("cpu_us")?,
        memory: row.get("memory")?,
    })
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
            histogram: list(&row.get::<_, String>("histogram")?),
        })
    })?;
    rows.collect()
}

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
