//! Audit records: author, object and outcome of each change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, stream};

use super::{Actor, AdminError, DoorClient, PAGE, UseCase};
use crate::guard::Source;
use crate::guard::strangers::{PAUSE, REMEMBERED, Strangers};
use crate::ports::{AuditOutcome, AuditQuery, AuditRecord, AuditStore, Author, Clock, StoreError, StoredAudit};

/// Actor, use case and object of a refusal.
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
    /// The records about clients without credentials, apart from those about actors.
    strangers: Arc<Mutex<Strangers>>,
}

impl Audit {
    /// An audit whose records are kept in `store`.
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, refusals: Arc::default(), strangers: Arc::default() }
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

    /// Records that the actor was refused, for that reason, which is given back. The same refusal, of an object with the same
    /// name, is recorded once in a minute.
    pub async fn refuse(&self, actor: &Actor, case: UseCase, name: &str, error: AdminError) -> AdminError {
        let name = cut(name);
        if self.is_to_be_recorded((actor.author.name.clone(), case.name(), name.clone())) {
            let done = actor.author.did(case.action(), case.kind(), &name, self.clock.now());
            let record = AuditRecord { outcome: AuditOutcome::Refused, detail: error.to_string(), ..done };
            self.append(record).await;
        }
        error
    }

    /// Records that a login was denied, and why, which the client is not told. `kind`: of the object with that name, an
    /// administrator or a user.
    pub(super) async fn denied_login(&self, kind: &'static str, username: &str, client: &DoorClient, why: &str) {
        let record = |author: &Author, username: &str| {
            let done = author.did("login", kind, username, self.clock.now());
            AuditRecord { outcome: AuditOutcome::Refused, detail: cut(why), ..done }
        };
        self.of_stranger("login", kind, username, client, record).await;
    }

    /// Records that a client says that a password was lost, once in a while for each name and address. `problem`: why the
    /// server would refuse a code.
    pub(super) async fn lost_password(&self, kind: &str, username: &str, client: &DoorClient, problem: Option<String>) {
        let record = |author: &Author, username: &str| {
            let done = author.did("lost-password", kind, username, self.clock.now());
            match problem {
                Some(detail) => AuditRecord { outcome: AuditOutcome::Refused, detail, ..done },
                None => done,
            }
        };
        self.of_stranger("lost", kind, username, client, record).await;
    }

    /// Records what a client without credentials did, once in a while for each name and address, and only so many of all.
    async fn of_stranger(
        &self,
        what: &'static str,
        kind: &str,
        username: &str,
        client: &DoorClient,
        record: impl FnOnce(&Author, &str) -> AuditRecord,
    ) {
        let source = client.address.map(|address| Source::from(address).to_string()).unwrap_or_default();
        let (username, now) = (cut(username), self.clock.now());
        let taken = {
            let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
            strangers.take((source, what, format!("{kind} {username}")), now)
        };
        let Some(left_out) = taken else { return };
        let author = Author { address: client.address, ..Author::new("", client.door) };
        let mut record = record(&author, &username);
        if left_out > 0 {
            let separator = if record.detail.is_empty() { "" } else { "; " };
            let left_out = format!("{left_out} before it, of this or other clients, were not recorded");
            record.detail.push_str(separator);
            record.detail.push_str(&left_out);
        }
        self.append(record).await;
    }

    fn is_to_be_recorded(&self, refusal: Refusal) -> bool {
        let now = self.clock.now();
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.get(&refusal).is_some_and(|at| now - at < PAUSE) {
            return false;
        }
        if refusals.len() >= REMEMBERED {
            refusals.retain(|_, at| now - *at < PAUSE);
        }
        let has_room = refusals.len() < REMEMBERED;
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

    /// The newest records of log-ins of the user of an account.
    pub(super) async fn logins(
        &self,
        username: &str,
        since: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StoredAudit>, StoreError> {
        let (actions, kinds) = (vec!["login".to_owned()], vec!["user".to_owned()]);
        let (name, outcome) = (Some(username.to_owned()), Some(AuditOutcome::Done));
        self.store.audit(AuditQuery { actions, kinds, name, outcome, since, limit, ..AuditQuery::default() }).await
    }

    /// At most 500 audit records, the newest first, unless the query wants the oldest.
    ///
    /// # Errors
    /// The actor lacks `view_events`, or the store fails.
    pub async fn list(&self, actor: &Actor, query: AuditQuery) -> Result<Vec<StoredAudit>, AdminError> {
        self.allow(actor, UseCase::ListAudit, "").await?;
        let limit = query.limit.min(PAGE);
        Ok(self.store.audit(AuditQuery { limit, ..query }).await?)
    }

    /// All audit records that match, the newest first, a page at a time; the limit of the query is not looked at.
    pub fn pages(
        &self,
        actor: Actor,
        query: AuditQuery,
    ) -> impl Stream<Item = Result<Vec<StoredAudit>, AdminError>> + Send + use<> {
        let first = Some(AuditQuery { limit: PAGE, oldest_first: false, ..query });
        stream::try_unfold((self.clone(), actor, first), |(audit, actor, query)| async move {
            let Some(query) = query else { return Ok(None) };
            let page = audit.list(&actor, query.clone()).await?;
            let Some(last) = page.last().map(|last| last.id) else { return Ok(None) };
            let is_full = u32::try_from(page.len()).is_ok_and(|length| length >= PAGE);
            let next = is_full.then_some(AuditQuery { before: Some(last), ..query });
            Ok(Some((page, (audit, actor, next))))
        })
    }
}

/// A text of others, such as a name that was asked for, which may be of any length.
fn cut(name: &str) -> String {
    name.chars().take(255).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::ports::{Door, StoreError, SystemClock};

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

    #[tokio::test]
    async fn strangers_neither_fill_the_records_nor_hide_refusals() {
        let (kept, audit) = audit();
        for number in 0..5_000_u32 {
            let address = Some(core::net::Ipv4Addr::from_bits(number).into());
            audit
                .lost_password(
                    "user",
                    "ann",
                    &DoorClient { door: Door::Rest, address, visit: Default::default() },
                    None,
                )
                .await;
        }
        let recorded = kept.lines().len();
        // The minute may have changed meanwhile.
        assert!((60..=180).contains(&recorded), "{recorded}");
        let actor =
            Actor { permissions: crate::admin::Permissions::Only([].into()), ..Actor::local("ann", Door::Rest) };
        assert!(audit.allow(&actor, UseCase::ListUsers, "").await.is_err());
        assert_eq!(kept.lines().len(), recorded + 1);
    }

    pub fn audit() -> (Arc<Kept>, Audit) {
        let kept = Arc::new(Kept::default());
        (kept.clone(), Audit::new(kept, Arc::new(SystemClock)))
    }
}
