//! The audit records of changes.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, TransactionBehavior, params, params_from_iter};
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
    let mut sql = "SELECT id, at, author, door, address, action, kind, name, revision, outcome, detail FROM audit \
         WHERE id < ? AND id > ? AND at >= ? AND at < ?"
        .to_owned();
    let AuditQuery { before, after, since, until, actions, outcome, address, author, kinds, name, .. } = query;
    let (begin, end) = (i64::MIN, i64::MAX);
    let bounds = [before.unwrap_or(end), after.unwrap_or(begin), since.unwrap_or(begin), until.unwrap_or(end)];
    let mut values = bounds.map(Value::from).to_vec();
    let one = |text: Option<String>| text.into_iter().collect::<Vec<_>>();
    let texts = [
        ("author", one(author.clone())),
        ("action", actions.clone()),
        ("kind", kinds.clone()),
        ("name", one(name.clone())),
        ("outcome", one(outcome.map(|outcome| outcome.as_str().to_owned()))),
        ("address", one(address.map(|address| address.to_string()))),
    ];
    for (column, wanted) in texts.into_iter().filter(|(_, wanted)| !wanted.is_empty()) {
        sql.push_str(&format!(" AND {column} IN ({})", vec!["?"; wanted.len()].join(", ")));
        values.extend(wanted.into_iter().map(Value::from));
    }
    sql.push_str(if query.oldest_first { " ORDER BY id LIMIT ?" } else { " ORDER BY id DESC LIMIT ?" });
    values.push(i64::from(query.limit).into());
    let mut statement = connection.prepare_cached(&sql)?;
    let records = statement.query_map(params_from_iter(values), read)?;
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
        role: None,
        is_self: false,
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
