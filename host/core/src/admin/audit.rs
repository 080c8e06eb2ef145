//! Audit records: author, object and outcome of each change.

use std::sync::Arc;

use super::{Actor, AdminError, AdminPermission};
use crate::ports::{AuditQuery, AuditRecord, AuditStore, Clock, StoredAudit};

/// Writes the audit records of use cases that change no document, and lists all records. Changes of documents
/// bring theirs in the same transaction.
#[derive(Clone)]
pub struct Audit {
    /// Where records are kept.
    pub store: Arc<dyn AuditStore>,
    /// Gives the times of records.
    pub clock: Arc<dyn Clock>,
}

impl Audit {
    /// Records that `action` was done to the object with that kind and name. The action cannot be taken back,
    /// so that a record which cannot be stored is only logged.
    pub(super) async fn done(&self, actor: &Actor, action: &str, kind: &str, name: &str, detail: String) {
        let record = AuditRecord { detail, ..actor.author.did(action, kind, name, self.clock.now()) };
        if let Err(error) = self.store.append_audit(vec![record]).await {
            let author = &actor.author.name;
            let message =
                format!("that \"{author}\" did \"{action}\" to the {kind} \"{name}\" is not recorded: {error}");
            tracing::error!(sender = "audit", message);
        }
    }

    /// Audit records, the newest first.
    ///
    /// # Errors
    /// The actor lacks `view_events`, or the store fails.
    pub async fn list(&self, actor: &Actor, query: AuditQuery) -> Result<Vec<StoredAudit>, AdminError> {
        actor.require(AdminPermission::ViewEvents)?;
        Ok(self.store.audit(query).await?)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::ports::{StoreError, SystemClock};

    /// Keeps records in memory.
    #[derive(Default)]
    pub struct Kept(Mutex<Vec<AuditRecord>>);

    impl Kept {
        /// `author action kind name` of each record.
        pub fn lines(&self) -> Vec<String> {
            let records = self.0.lock().unwrap();
            let line = |record: &AuditRecord| {
                let AuditRecord { author, action, kind, name, .. } = record;
                format!("{} {action} {kind} {name}", author.name)
            };
            records.iter().map(line).collect()
        }
    }

    #[async_trait]
    impl AuditStore for Kept {
        async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
            self.0.lock().unwrap().extend(records);
            Ok(())
        }

        async fn audit(&self, _: AuditQuery) -> Result<Vec<StoredAudit>, StoreError> {
            Ok(Vec::new())
        }
    }

    pub fn audit() -> (Arc<Kept>, Audit) {
        let kept = Arc::new(Kept::default());
        (kept.clone(), Audit { store: kept, clock: Arc::new(SystemClock) })
    }
}
