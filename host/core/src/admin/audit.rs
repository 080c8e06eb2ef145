//! Audit records: author, object and outcome of each change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Actor, AdminError, DoorClient, UseCase};
use crate::ports::{AuditOutcome, AuditQuery, AuditRecord, AuditStore, Author, Clock, StoredAudit};

/// Refusals that are remembered, so that each is recorded once in a while.
const REFUSALS: usize = 1_000;
/// Milliseconds after which the same refusal is recorded again.
const REFUSAL_PAUSE: i64 = 60_000;

/// Actor or address, use case and object of a refusal.
type Refusal = (String, &'static str, String);

/// Writes the audit records of refusals, and of use cases that change no document, and lists all records. Changes
/// of documents bring theirs in the same transaction.
#[derive(Clone)]
pub struct Audit {
    /// Where records are kept.
    store: Arc<dyn AuditStore>,
    /// Gives the times of records.
    pub(super) clock: Arc<dyn Clock>,
    /// When refusals were recorded last: a client that asks again and again does not fill the store.
    refusals: Arc<Mutex<HashMap<Refusal, i64>>>,
}

impl Audit {
    /// An audit whose records are kept in `store`.
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, refusals: Arc::default() }
    }

    /// Checks that the use case is for the actor, and records a refusal. `name`: the object; empty: none or all.
    ///
    /// # Errors
    /// The actor lacks the permission, or the use case is for other actors.
    pub async fn allow(&self, actor: &Actor, case: UseCase, name: &str) -> Result<(), AdminError> {
        match actor.require(case) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.refuse(actor, case, name, error).await),
        }
    }

    /// Records that the actor was refused, for that reason, which is given back.
    pub(super) async fn refuse(&self, actor: &Actor, case: UseCase, name: &str, error: AdminError) -> AdminError {
        let name = cut(name);
        if self.is_to_be_recorded((actor.author.name.clone(), case.name(), name.clone())) {
            let done = actor.author.did(case.action(), case.kind(), &name, self.clock.now());
            let record = AuditRecord { outcome: AuditOutcome::Refused, detail: error.to_string(), ..done };
            self.append(record).await;
        }
        error
    }

    /// Records that a login was denied.
    pub(super) async fn denied_login(&self, username: &str, client: &DoorClient) {
        let address = client.address.map(|address| address.to_string()).unwrap_or_default();
        let username = cut(username);
        if self.is_to_be_recorded((address, "login", username.clone())) {
            let author = Author { name: String::new(), door: client.door, address: client.address };
            let done = author.did("login", "admin", &username, self.clock.now());
            self.append(AuditRecord { outcome: AuditOutcome::Refused, ..done }).await;
        }
    }

    /// Records that a client says that a password was lost, once in a while for each name and address.
    pub(super) async fn lost_password(&self, kind: &str, username: &str, client: &DoorClient) {
        let address = client.address.map(|address| address.to_string()).unwrap_or_default();
        let username = cut(username);
        if self.is_to_be_recorded((address, "lost", format!("{kind} {username}"))) {
            let author = Author { name: String::new(), door: client.door, address: client.address };
            self.append(author.did("lost-password", kind, &username, self.clock.now())).await;
        }
    }

    fn is_to_be_recorded(&self, refusal: Refusal) -> bool {
        let now = self.clock.now();
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.get(&refusal).is_some_and(|at| now - at < REFUSAL_PAUSE) {
            return false;
        }
        if refusals.len() >= REFUSALS {
            refusals.retain(|_, at| now - *at < REFUSAL_PAUSE);
        }
        let has_room = refusals.len() < REFUSALS;
        if has_room {
            refusals.insert(refusal, now);
        }
        has_room
    }

    async fn append(&self, record: AuditRecord) {
        let AuditRecord { author, action, kind, name, outcome, .. } = &record;
        let what = format!("\"{}\": \"{action}\", {kind} \"{name}\", {}", author.name, outcome.as_str());
        if let Err(error) = self.store.append_audit(vec![record]).await {
            tracing::error!(sender = "audit", message = format!("this is not recorded: {what}: {error}"));
        }
    }

    /// Records that `action` was done to the object with that kind and name. The action cannot be taken back,
    /// so that a record which cannot be stored is only logged.
    pub(super) async fn done(&self, actor: &Actor, action: &str, kind: &str, name: &str, detail: String) {
        self.append(AuditRecord { detail, ..actor.author.did(action, kind, name, self.clock.now()) }).await;
    }

    /// Audit records, the newest first.
    ///
    /// # Errors
    /// The actor lacks `view_events`, or the store fails.
    pub async fn list(&self, actor: &Actor, query: AuditQuery) -> Result<Vec<StoredAudit>, AdminError> {
        self.allow(actor, UseCase::ListAudit, "").await?;
        Ok(self.store.audit(query).await?)
    }
}

/// A name as it was asked for, which need not be one, and may be of any length.
fn cut(name: &str) -> String {
    name.chars().take(255).collect()
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
                let AuditRecord { author, action, kind, name, outcome, .. } = record;
                let refused = if *outcome == AuditOutcome::Done { "" } else { " refused" };
                format!("{} {action} {kind} {name}{refused}", author.name)
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
        (kept.clone(), Audit::new(kept, Arc::new(SystemClock)))
    }
}
