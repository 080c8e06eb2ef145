//! What was changed by whom: one record for each change.

use std::sync::Arc;

use super::{Actor, AdminError, AdminPermission};
use crate::ports::{AuditQuery, AuditRecord, AuditStore, Clock, StoredAudit};

/// Writes the records of use cases that change no document, and lists all.
#[derive(Clone)]
pub struct Audit {
    pub store: Arc<dyn AuditStore>,
    pub clock: Arc<dyn Clock>,
}

impl Audit {
    /// `kind` and `name`: of what it was done to. What was done cannot be taken back any more: a record
    /// that cannot be kept is logged.
    pub(super) async fn done(&self, actor: &Actor, action: &str, kind: &str, name: &str, detail: String) {
        let record = AuditRecord { detail, ..actor.author.did(action, kind, name, self.clock.now()) };
        if let Err(error) = self.store.append_audit(vec![record]).await {
            let author = &actor.author.name;
            let message =
                format!("that \"{author}\" did \"{action}\" to the {kind} \"{name}\" is not recorded: {error}");
            tracing::error!(sender = "audit", message);
        }
    }

    /// The newest first.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
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
