//! Which objects were changed: one row for each change, with its number.
//!
//! A server that announces changes takes the next numbers from a row, which is locked until the end of the transaction:
//! changes become visible in the order of their numbers, and a token is the last number that a reader has seen. The
//! price is that transactions with announcements commit one after the other. MySQL shows no program which transactions
//! a look has seen, as PostgreSQL does.

use std::collections::BTreeSet;

use tidegate_core::ports::{ChangeToken, ChangedObjects, Changes, StoreError};

use super::connect::{Mysql, last_id};
use crate::sql::remote::RemoteTransaction;
use crate::sql::{Cell, Database, Failure, Patience, Row, Transaction, placeholders};

/// How many changes are kept for servers to read.
const CHANGES_KEPT: i64 = 10_000;
/// After how many changes older ones are forgotten.
const FORGOTTEN_AT_ONCE: i64 = 500;
/// The most rows that one statement adds.
const ROWS_AT_ONCE: usize = 1_000;

/// Which start of which server gave the token: after a restart another server, a copy or an older backup may be the
/// one that is asked. `@tidegate_origin` is set at the begin of each connection; without it, each look tells of
/// everything. It has the time of the start in whole seconds; the clock sequence of UUIDs (RFC 4122, section 4.1.5)
/// tells two starts in one second apart, because each chooses its own. (UUID() is of a type of its own in MariaDB.)
const ORIGIN: &str = "CAST(COALESCE(CONCAT(@tidegate_origin, ' ', SUBSTRING(CAST(UUID() AS CHAR), 20, 4)), \
                      CAST(UUID() AS CHAR)) AS CHAR)";

/// Records changes; gives the number of the last one where it is time to [`forget`] older ones.
pub async fn announce(
    transaction: &mut RemoteTransaction<Mysql>,
    objects: &[(&'static str, String)],
) -> Result<Option<i64>, Failure> {
    let count = i64::try_from(objects.len()).unwrap_or(i64::MAX);
    let take = "UPDATE {change_horizon} SET last = LAST_INSERT_ID(last + ?)";
    if transaction.execute(take, vec![count.into()]).await? == 0 {
        return Err(no_horizon().into());
    }
    let last = last_id(transaction.connection()?);
    let first = last - count + 1;
    let mut numbers = first..;
    for some in objects.chunks(ROWS_AT_ONCE) {
        let sql = format!("INSERT INTO {{changes}} (id, kind, name) VALUES {}", placeholders(some.len(), 3));
        let cells = some.iter().zip(&mut numbers);
        let cells = cells.flat_map(|((kind, name), id)| [id.into(), Cell::from(*kind), Cell::from(name.as_str())]);
        transaction.execute(&sql, cells.collect()).await?;
    }
    let is_time = (first - 1) / FORGOTTEN_AT_ONCE != last / FORGOTTEN_AT_ONCE;
    Ok(Some(last).filter(|_| is_time))
}

/// Forgets what is older than the last changes.
pub async fn forget(transaction: &mut dyn Transaction, last: i64) -> Result<(), Failure> {
    let until = last.saturating_sub(CHANGES_KEPT);
    if until > 0 {
        let sql = "UPDATE {change_horizon} SET forgotten = GREATEST(forgotten, ?)";
        transaction.execute(sql, vec![until.into()]).await?;
        transaction.execute("DELETE FROM {changes} WHERE id <= ?", vec![until.into()]).await?;
    }
    Ok(())
}

/// The changes that have become visible since the token was given.
pub async fn since(database: &dyn Database, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
    let Some(since) = since else {
        let sql = format!("SELECT {ORIGIN}, last FROM {{change_horizon}}");
        let rows = database.query(Patience::Short, &sql, Vec::new()).await?;
        return Ok(Changes { next: token(rows)?, objects: ChangedObjects::Named(Vec::new()) });
    };
    let Some((origin, seen)) = parsed(since) else {
        let begin = Box::pin(self::since(database, None)).await?;
        return Ok(Changes { objects: ChangedObjects::All, ..begin });
    };
    let sql = format!(
        "SELECT {ORIGIN}, last, forgotten, kind, name FROM {{change_horizon}} AS horizon \
         LEFT JOIN {{changes}} AS announced ON announced.id > ?"
    );
    let mut rows = database.query(Patience::Short, &sql, vec![seen.into()]).await?;
    let (mut names, mut is_known) = (BTreeSet::new(), !rows.is_empty());
    for row in &mut rows {
        let given = matches!(row.0.first(), Some(Cell::Text(now)) if now == origin);
        let last = matches!(row.0.get(1), Some(Cell::Integer(last)) if *last >= seen);
        is_known &= given && last && row.integer(2)? <= seen;
        if let (Some(kind), Some(name)) = (row.optional_text(3)?, row.optional_text(4)?) {
            names.insert((kind, name));
        }
    }
    let objects = if is_known { ChangedObjects::Named(names.into_iter().collect()) } else { ChangedObjects::All };
    Ok(Changes { next: token(rows)?, objects })
}

fn token(rows: Vec<Row>) -> Result<ChangeToken, StoreError> {
    let mut row = rows.into_iter().next().ok_or_else(no_horizon)?;
    Ok(ChangeToken(format!("{}/{}", row.text(0)?, row.integer(1)?)))
}

fn no_horizon() -> StoreError {
    let problem = "the database failed: the table change_horizon is empty; it was changed by another program";
    StoreError::Failed(problem.to_owned())
}

/// The parts of a token, if one of these stores has made it.
fn parsed(token: &ChangeToken) -> Option<(&str, i64)> {
    let (origin, number) = token.0.rsplit_once('/')?;
    let number = number.parse().ok().filter(|number| *number >= 0)?;
    (!origin.is_empty()).then_some((origin, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_of_these_stores_are_understood() {
        let check = |text: &str, expected: Option<(&str, i64)>| {
            assert_eq!(parsed(&ChangeToken(text.to_owned())), expected, "{text}");
        };
        check("db 3306 1795943250/17", Some(("db 3306 1795943250", 17)));
        check("a/b/0", Some(("a/b", 0)));
        for wrong in ["", "99999", "nonsense", "a/", "/1", "a/x", "a/-1"] {
            check(wrong, None);
        }
    }
}
