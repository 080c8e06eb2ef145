//! The audit records of changes.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_core::ports::{
    AUDIT_KEPT, AuditOutcome, AuditQuery, AuditRecord, AuditStore, Author, Door, StoreError, StoredAudit,
};

use super::{SqlStore, limit};
use crate::sql::{Cell, Database, Failure, Patience, Row, Transaction, placeholders, transact};

const COLUMNS: &str = "at, author, door, address, action, kind, name, revision, outcome, detail";
const COLUMN_COUNT: usize = 10;
/// The most rows that one statement adds.
const ROWS_AT_ONCE: usize = 500;

#[async_trait]
impl<D: Database> AuditStore for SqlStore<D> {
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
        let records = Arc::new(records);
        transact(&*self.database, Patience::Short, move |transaction| {
            let records = records.clone();
            Box::pin(async move { append(transaction, records.iter().map(|record| (record, None))).await })
        })
        .await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<StoredAudit>, StoreError> {
        let mut sql = format!("SELECT id, {COLUMNS} FROM {{audit}} WHERE id < ?");
        let mut values = vec![Cell::Integer(query.before.unwrap_or(i64::MAX))];
        for (bound, value) in [("id > ?", query.after), ("at >= ?", query.since), ("at < ?", query.until)] {
            if let Some(value) = value {
                sql.push_str(&format!(" AND {bound}"));
                values.push(value.into());
            }
        }
        let one = |text: Option<String>| text.into_iter().collect::<Vec<_>>();
        let texts = [
            ("author", one(query.author)),
            ("action", query.actions),
            ("kind", query.kinds),
            ("name", one(query.name)),
            ("outcome", one(query.outcome.map(|outcome| outcome.as_str().to_owned()))),
            ("address", one(query.address.map(|address| address.to_string()))),
        ];
        for (column, wanted) in texts.into_iter().filter(|(_, wanted)| !wanted.is_empty()) {
            sql.push_str(&format!(" AND {column} IN {}", placeholders(1, wanted.len())));
            values.extend(wanted.into_iter().map(Cell::from));
        }
        sql.push_str(if query.oldest_first { " ORDER BY id LIMIT ?" } else { " ORDER BY id DESC LIMIT ?" });
        values.push(limit(query.limit));
        self.database.query(Patience::Long, &sql, values).await?.into_iter().map(read).collect()
    }
}

/// Appends records, each with the revision that the change made.
pub async fn append<'a>(
    transaction: &mut dyn Transaction,
    records: impl Iterator<Item = (&'a AuditRecord, Option<i64>)>,
) -> Result<(), Failure> {
    let cells: Vec<Cell> = records.flat_map(|(record, revision)| cells(record, revision)).collect();
    for some in cells.chunks(ROWS_AT_ONCE * COLUMN_COUNT) {
        let rows = placeholders(some.len() / COLUMN_COUNT, COLUMN_COUNT);
        transaction.execute(&format!("INSERT INTO {{audit}} ({COLUMNS}) VALUES {rows}"), some.to_vec()).await?;
    }
    if !cells.is_empty() {
        forget(transaction).await?;
    }
    Ok(())
}

/// Deletes records that are too old. The bounds are numbers: with a query for a bound, and without a lower one,
/// databases read the whole table.
async fn forget(transaction: &mut dyn Transaction) -> Result<(), Failure> {
    let rows = transaction.query("SELECT min(id), max(id) FROM {audit}", Vec::new()).await?;
    let bounds = |mut row: Row| Ok((row.optional_integer(0)?, row.optional_integer(1)?));
    if let Some((Some(oldest), Some(newest))) = super::first(rows, bounds)?
        && oldest <= newest - AUDIT_KEPT
    {
        let sql = "DELETE FROM {audit} WHERE id >= ? AND id <= ?";
        transaction.execute(sql, vec![oldest.into(), (newest - AUDIT_KEPT).into()]).await?;
    }
    Ok(())
}

fn cells(record: &AuditRecord, revision: Option<i64>) -> [Cell; COLUMN_COUNT] {
    let AuditRecord { at, author, action, kind, name, outcome, detail } = record;
    [
        (*at).into(),
        author.name.as_str().into(),
        author.door.as_str().into(),
        author.address.map(|address| address.to_string()).into(),
        action.as_str().into(),
        kind.as_str().into(),
        name.as_str().into(),
        revision.into(),
        outcome.as_str().into(),
        detail.as_str().into(),
    ]
}

fn read(mut row: Row) -> Result<StoredAudit, StoreError> {
    let author = Author {
        name: row.text(2)?,
        // A newer program may have written another name.
        door: Door::from_name(&row.text(3)?).unwrap_or(Door::System),
        address: row.optional_text(4)?.and_then(|address| address.parse().ok()),
        role: None,
        is_self: false,
    };
    let record = AuditRecord {
        at: row.integer(1)?,
        author,
        action: row.text(5)?,
        kind: row.text(6)?,
        name: row.text(7)?,
        outcome: AuditOutcome::from_name(&row.text(9)?).unwrap_or(AuditOutcome::Failed),
        detail: row.text(10)?,
    };
    Ok(StoredAudit { id: row.integer(0)?, record, revision: row.optional_integer(8)? })
}
