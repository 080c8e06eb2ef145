//! Which objects were changed: one row for each change, with the id of its transaction.
//!
//! Transactions become visible in another order than they are numbered in. So a token is a snapshot: which
//! transactions the reader has seen. The next look tells of those that are visible now and were not then, each
//! once, whatever their order.

use std::collections::BTreeSet;

use tidegate_core::ports::{ChangeToken, ChangedObjects, Changes, StoreError};

use crate::sql::{Cell, Database, Failure, Patience, Row, Transaction, placeholders};

/// How many changes are kept for servers to read.
const CHANGES_KEPT: i64 = 10_000;
/// After how many changes older ones are forgotten.
const FORGOTTEN_AT_ONCE: i64 = 500;
/// The most rows that one statement adds.
const ROWS_AT_ONCE: usize = 1_000;

/// Which start of which server gave the token: numbers of transactions mean something only to it. A restart may
/// have made another server, a copy or an older backup the one that is asked.
const ORIGIN: &str = "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint";

/// Records changes; gives the number of the last one where it is time to [`forget`] older ones.
pub async fn announce(
    transaction: &mut dyn Transaction,
    objects: &[(&'static str, String)],
) -> Result<Option<i64>, Failure> {
    let (mut first, mut last) = (None, None);
    for some in objects.chunks(ROWS_AT_ONCE) {
        let rows = placeholders(some.len(), 2);
        let cells = some.iter().flat_map(|(kind, name)| [Cell::from(*kind), Cell::from(name.as_str())]);
        let sql = format!("INSERT INTO {{changes}} (kind, name) VALUES {rows} RETURNING id");
        for mut row in transaction.query(&sql, cells.collect()).await? {
            let id = row.integer(0)?;
            first = first.or(Some(id));
            last = last.max(Some(id));
        }
    }
    let is_time =
        first.zip(last).is_some_and(|(first, last)| (first - 1) / FORGOTTEN_AT_ONCE != last / FORGOTTEN_AT_ONCE);
    Ok(last.filter(|_| is_time))
}

/// Forgets what is older than the last changes, and keeps which transactions that were. One server at a time.
pub async fn forget(transaction: &mut dyn Transaction, last: i64) -> Result<(), Failure> {
    let lock = "SELECT 1::bigint FROM {change_horizon} FOR UPDATE SKIP LOCKED";
    if transaction.query(lock, Vec::new()).await?.is_empty() {
        return Ok(());
    }
    let sql = "WITH gone AS (DELETE FROM {changes} WHERE id <= ? RETURNING xid), \
         newest AS (SELECT xid FROM gone ORDER BY xid DESC LIMIT 1) \
         UPDATE {change_horizon} SET forgotten = newest.xid FROM newest WHERE forgotten < newest.xid";
    transaction.execute(sql, vec![last.saturating_sub(CHANGES_KEPT).into()]).await?;
    Ok(())
}

/// The changes that have become visible since the token was given.
pub async fn since(database: &dyn Database, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
    let none = || ChangedObjects::Named(Vec::new());
    let Some(since) = since else {
        let sql = format!("SELECT {ORIGIN}, pg_current_snapshot()::text");
        let rows = database.query(Patience::Short, &sql, Vec::new()).await?;
        return Ok(Changes { next: token(rows)?, objects: none() });
    };
    let Some((origin, snapshot)) = parsed(since) else {
        let begin = Box::pin(self::since(database, None)).await?;
        return Ok(Changes { objects: ChangedObjects::All, ..begin });
    };
    // Rows whose transaction is not visible by its number were copied from another server.
    let sql = format!(
        "WITH look AS (SELECT {ORIGIN} AS origin, pg_current_snapshot() AS snapshot, (?)::pg_snapshot AS seen) \
         SELECT look.origin, look.snapshot::text, look.origin = ? AND pg_snapshot_xmax(seen) <= pg_snapshot_xmax(snapshot) \
         AND forgotten < pg_snapshot_xmin(seen), kind, name \
         FROM look CROSS JOIN {{change_horizon}} LEFT JOIN {{changes}} AS change ON change.xid >= pg_snapshot_xmin(seen) \
         AND NOT pg_visible_in_snapshot(change.xid, seen) AND pg_visible_in_snapshot(change.xid, snapshot)"
    );
    let mut rows = database.query(Patience::Short, &sql, vec![snapshot.into(), origin.into()]).await?;
    let (mut names, mut is_known) = (BTreeSet::new(), !rows.is_empty());
    for row in &mut rows {
        is_known &= row.integer(2)? != 0;
        if let (Some(kind), Some(name)) = (row.optional_text(3)?, row.optional_text(4)?) {
            names.insert((kind, name));
        }
    }
    let objects = if is_known { ChangedObjects::Named(names.into_iter().collect()) } else { ChangedObjects::All };
    Ok(Changes { next: token(rows)?, objects })
}

fn token(rows: Vec<Row>) -> Result<ChangeToken, StoreError> {
    let Some(mut row) = rows.into_iter().next() else {
        let problem = "the database failed: the table change_horizon is empty; it was changed by another program";
        return Err(StoreError::Failed(problem.to_owned()));
    };
    Ok(ChangeToken(format!("{}/{}", row.integer(0)?, row.text(1)?)))
}

/// The parts of a token, if one of these stores has made it.
fn parsed(token: &ChangeToken) -> Option<(i64, &str)> {
    let (origin, snapshot) = token.0.split_once('/')?;
    let mut parts = snapshot.split(':');
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
    let (least, most, running) = (number(parts.next()?)?, number(parts.next()?)?, parts.next()?);
    let running = running.split(',').filter(|text| !text.is_empty()).map(number);
    let mut before = None;
    for id in running {
        let id = id.filter(|id| *id >= least && *id < most && Some(*id) > before)?;
        before = Some(id);
    }
    (parts.next().is_none() && least <= most).then_some((origin.parse().ok()?, snapshot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_of_these_stores_are_understood() {
        let check = |text: &str, expected: bool| {
            assert_eq!(parsed(&ChangeToken(text.to_owned())).is_some(), expected, "{text}");
        };
        check("5/10:10:", true);
        check("5/10:20:10,14,19", true);
        for wrong in ["", "99999", "nonsense", "5/", "5/10", "5/10:20", "5/20:10:", "5/10:20:9", "5/10:20:20"] {
            check(wrong, false);
        }
        for wrong in ["x/10:10:", "5/0:10:", "5/10:20:12,11", "5/10:20:11,11", "5/10:20:11:", "5/10:20:a", "5/1:2:-1"] {
            check(wrong, false);
        }
    }
}
