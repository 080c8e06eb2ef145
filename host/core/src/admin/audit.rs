//! Audit records: author, object and outcome of each change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, stream};

use super::{Actor, AdminError, DoorClient, PAGE, UseCase};
use crate::guard::Source;
use crate::ports::{AuditOutcome, AuditQuery, AuditRecord, AuditStore, Author, Clock, StoreError, StoredAudit};

/// Refusals that are remembered, so that each is recorded once in a while.
const REFUSALS: usize = 1_000;
/// Milliseconds after which the same refusal is recorded again.
const REFUSAL_PAUSE: i64 = 60_000;

/// Records about clients without credentials, which any client can cause, within a minute and within a day. The store
/// keeps 100,000 records of all kinds.
const OF_MINUTE: u32 = 60;
const OF_DAY: u32 = 2_000;
const DAY: i64 = 24 * 60 * 60_000;

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
    /// The records about clients without credentials, apart from those about actors.
    strangers: Arc<Mutex<Strangers>>,
}

/// What was recorded about clients without credentials.
#[derive(Debug, Default)]
struct Strangers {
    recorded: HashMap<Refusal, i64>,
    /// The minute and the day, and how many records were made in them.
    minute: (i64, u32),
    day: (i64, u32),
    left_out: u32,
}

impl Strangers {
    /// Whether that is to be recorded, and how many were left out before.
    fn take(&mut self, what: Refusal, now: i64) -> Option<u32> {
        for (counted, length) in [(&mut self.minute, REFUSAL_PAUSE), (&mut self.day, DAY)] {
            let period = now.div_euclid(length);
            if counted.0 != period {
                *counted = (period, 0);
            }
        }
        if self.recorded.get(&what).is_some_and(|at| now - at < REFUSAL_PAUSE) {
            return None;
        }
        if self.minute.1 >= OF_MINUTE || self.day.1 >= OF_DAY {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        if self.recorded.len() >= REFUSALS {
            self.recorded.retain(|_, at| now - *at < REFUSAL_PAUSE);
        }
        self.recorded.insert(what, now);
        self.minute.1 += 1;
        self.day.1 += 1;
        Some(std::mem::take(&mut self.left_out))
    }
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

    /// Records that a login was denied. `kind`: of the object with that name, an administrator or a user.
    pub(super) async fn denied_login(&self, kind: &'static str, username: &str, client: &DoorClient) {
        let record = |author: &Author, username: &str| {
            let done = author.did("login", kind, username, self.clock.now());
            AuditRecord { outcome: AuditOutcome::Refused, ..done }
        };
        self.of_stranger("login", kind, username, client, record).await;
    }

    /// Records that a client says that a password was lost, once in a while for each name and address. `problem`: why a
    /// code would be of no use.
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
        let author = Author { name: String::new(), door: client.door, address: client.address };
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

    /// At most 500 audit records, the newest first.
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
        let first = Some(AuditQuery { limit: PAGE, ..query });
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

/// A name as it was asked for, which need not be one, and may be of any length.
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
        let now = SystemClock.now();
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
        // One IPv6 network is one client.
        let mut strangers = Strangers::default();
        let source = |text: &str| Source::from(text.parse::<core::net::IpAddr>().unwrap()).to_string();
        let what = |address: &str| (source(address), "login", "admin ann".to_owned());
        assert_eq!(strangers.take(what("2001:db8::1"), now), Some(0));
        assert_eq!(strangers.take(what("2001:db8::2"), now), None);
        assert_eq!(strangers.take(what("2001:db8::1"), now + REFUSAL_PAUSE), Some(0));
        let actor =
            Actor { permissions: crate::admin::Permissions::Only([].into()), ..Actor::local("ann", Door::Rest) };
        assert!(audit.allow(&actor, UseCase::ListUsers, "").await.is_err());
        assert_eq!(kept.lines().len(), recorded + 1);
        // What was left out is counted, and there is an end for each day.
        let mut strangers = Strangers::default();
        let taken = (0..10_000_i64).filter_map(|number| {
            strangers.take((number.to_string(), "login", String::new()), now / DAY * DAY + number * 1_000)
        });
        let taken: Vec<_> = taken.collect();
        assert_eq!(taken.len(), 2_000);
        let mut strangers = Strangers::default();
        let all =
            (0..100_i64).filter(|number| strangers.take((number.to_string(), "login", String::new()), 0).is_some());
        assert_eq!(all.count(), 60);
        assert_eq!(strangers.take((String::new(), "login", String::new()), REFUSAL_PAUSE), Some(40));
    }

    pub fn audit() -> (Arc<Kept>, Audit) {
        let kept = Arc::new(Kept::default());
        (kept.clone(), Audit::new(kept, Arc::new(SystemClock)))
    }
}
