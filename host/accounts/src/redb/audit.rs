//! The audit records of changes, each as JSON.

use std::borrow::Cow;
use std::net::IpAddr;

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};
use tidegate_core::ports::{
    AUDIT_KEPT, AuditOutcome, AuditQuery, AuditRecord, AuditStore, Author, Door, StoreError, StoredAudit,
};

use super::RedbDatabase;
use super::failure::Failure;
use super::tables::{AUDIT, opened};

#[async_trait]
impl AuditStore for RedbDatabase {
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
        let append = move |transaction: &WriteTransaction| {
            records.iter().try_for_each(|record| append(transaction, record, None))
        };
        self.engine.note(append).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<StoredAudit>, StoreError> {
        self.engine.read(move |transaction| find(transaction, &query)).await
    }
}

/// A record as it is stored; doors and outcomes by name, since a newer program may know others.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    at: i64,
    author: Cow<'a, str>,
    door: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    action: Cow<'a, str>,
    kind: Cow<'a, str>,
    name: Cow<'a, str>,
    outcome: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    detail: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
}

/// `revision`: the revision that the change made.
pub fn append(transaction: &WriteTransaction, record: &AuditRecord, revision: Option<i64>) -> Result<(), Failure> {
    let AuditRecord { at, author, action, kind, name, outcome, detail } = record;
    let record = Record {
        at: *at,
        author: author.name.as_str().into(),
        door: author.door.as_str().into(),
        address: author.address,
        action: action.as_str().into(),
        kind: kind.as_str().into(),
        name: name.as_str().into(),
        outcome: outcome.as_str().into(),
        detail: detail.as_str().into(),
        revision,
    };
    let text = serde_json::to_vec(&record).map_err(|error| StoreError::Failed(error.to_string()))?;
    let mut table = transaction.open_table(AUDIT)?;
    let id = table.last()?.map_or(0, |(id, _)| id.value()) + 1;
    table.insert(id, text.as_slice())?;
    while table.first()?.is_some_and(|(oldest, _)| oldest.value() <= id - AUDIT_KEPT) {
        table.pop_first()?;
    }
    Ok(())
}

fn find(transaction: &ReadTransaction, query: &AuditQuery) -> Result<Vec<StoredAudit>, Failure> {
    let Some(table) = opened(transaction, AUDIT)? else { return Ok(Vec::new()) };
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let (from, to) = (query.after.map_or(i64::MIN, |after| after.saturating_add(1)), query.before.unwrap_or(i64::MAX));
    if from >= to {
        return Ok(found);
    }
    let mut rows = table.range(from..to)?;
    while found.len() < limit {
        let row = if query.oldest_first { rows.next() } else { rows.next_back() };
        let Some(row) = row else { break };
        let (id, text) = row?;
        let record: Record<'_> = serde_json::from_slice(text.value()).map_err(|error| {
            StoreError::Failed(format!("the database failed: an audit record cannot be read: {error}"))
        })?;
        let stored = record.stored(id.value());
        if query.lets_through(&stored) {
            found.push(stored);
        }
    }
    Ok(found)
}

impl Record<'_> {
    fn stored(self, id: i64) -> StoredAudit {
        let author = Author {
            name: self.author.into_owned(),
            door: Door::from_name(&self.door).unwrap_or(Door::System),
            address: self.address,
            role: None,
            is_self: false,
        };
        let record = AuditRecord {
            at: self.at,
            author,
            action: self.action.into_owned(),
            kind: self.kind.into_owned(),
            name: self.name.into_owned(),
            outcome: AuditOutcome::from_name(&self.outcome).unwrap_or(AuditOutcome::Failed),
            detail: self.detail.into_owned(),
        };
        StoredAudit { id, record, revision: self.revision }
    }
}
