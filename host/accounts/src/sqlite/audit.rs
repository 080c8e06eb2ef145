//! The audit records of changes.

use async_trait::async_trait;
use rusqlite::{Connection, Row, TransactionBehavior, params};
use tidegate_core::ports::{
    AUDIT_KEPT, AuditOutcome, AuditQuery, AuditRecord, AuditStore, Author, Door, StoreError, StoredAudit,
};

use super::{SqliteDatabase, classify};

#[async_trait]
impl AuditStore for SqliteDatabase {
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
        self.write(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(classify)?;
            records.iter().try_for_each(|record| append(&transaction, record, None))?;
            transaction.commit().map_err(classify)
        })
        .await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<StoredAudit>, StoreError> {
        self.read(move |connection| find(connection, &query).map_err(classify)).await
    }
}

/// `revision`: the revision that the change made.
pub fn append(connection: &Connection, record: &AuditRecord, revision: Option<i64>) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit (at, author, door, address, action, kind, name, revision, outcome, detail) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let AuditRecord { at, author, action, kind, name, outcome, detail } = record;
    let address = author.address.map(|address| address.to_string());
    let (door, outcome) = (author.door.as_str(), outcome.as_str());
    let values = params![at, author.name, door, address, action, kind, name, revision, outcome, detail];
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(classify)?;
    let sql = "DELETE FROM audit WHERE id <= ?1";
    let oldest = [connection.last_insert_rowid() - AUDIT_KEPT];
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(oldest)).map_err(classify)?;
    Ok(())
}

fn find(connection: &Connection, query: &AuditQuery) -> Result<Vec<StoredAudit>, rusqlite::Error> {
    let sql = "SELECT id, at, author, door, address, action, kind, name, revision, outcome, detail FROM audit \
         WHERE id < ?1 AND (?2 IS NULL OR author = ?2) AND (?3 IS NULL OR kind = ?3) AND (?4 IS NULL OR name = ?4) \
         AND (?5 IS NULL OR at >= ?5) AND (?6 IS NULL OR at < ?6) AND (?7 IS NULL OR action = ?7) \
         AND (?8 IS NULL OR outcome = ?8) AND (?9 IS NULL OR address = ?9) ORDER BY id DESC LIMIT ?10";
    let AuditQuery { before, since, until, action, outcome, address, author, kind, name, limit } = query;
    let (before, outcome) = (before.unwrap_or(i64::MAX), outcome.map(AuditOutcome::as_str));
    let address = address.map(|address| address.to_string());
    let mut statement = connection.prepare_cached(sql)?;
    let values = params![before, author, kind, name, since, until, action, outcome, address, limit];
    let records = statement.query_map(values, read)?;
    records.collect()
}

fn read(row: &Row<'_>) -> Result<StoredAudit, rusqlite::Error> {
    let (door, outcome): (String, String) = (row.get("door")?, row.get("outcome")?);
    let address: Option<String> = row.get("address")?;
    let author = Author {
        name: row.get("author")?,
        // A newer program may have written another name.
        door: Door::from_name(&door).unwrap_or(Door::System),
        address: address.and_then(|address| address.parse().ok()),
    };
    let record = AuditRecord {
        at: row.get("at")?,
        author,
        action: row.get("action")?,
        kind: row.get("kind")?,
        name: row.get("name")?,
        outcome: AuditOutcome::from_name(&outcome).unwrap_or(AuditOutcome::Failed),
        detail: row.get("detail")?,
    };
    Ok(StoredAudit { id: row.get("id")?, record, revision: row.get("revision")? })
}
