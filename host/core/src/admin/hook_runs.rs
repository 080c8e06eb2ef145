//! Use cases about the records of hook calls.

use std::sync::Arc;

use super::{Actor, AdminError, Audit, UseCase};
use crate::ports::{HookCounter, HookRunStore, RunFilter, StoredRun};

/// Use cases about the records of hook calls.
pub struct HookRunAdministration {
    /// The store with the records.
    pub runs: Arc<dyn HookRunStore>,
    /// Records refusals.
    pub audit: Audit,
}

impl HookRunAdministration {
    /// The newest records that match, or the oldest, if the filter wants them; the oldest of them first.
    ///
    /// # Errors
    /// The actor lacks `view_events`, or the store fails.
    pub async fn list(&self, actor: &Actor, filter: RunFilter) -> Result<Vec<StoredRun>, AdminError> {
        self.audit.allow(actor, UseCase::ListRuns, "").await?;
        Ok(self.runs.runs(filter).await?)
    }

    /// The record of one call.
    ///
    /// # Errors
    /// The actor lacks `view_events`, there is no such record, or the store fails.
    pub async fn show(&self, actor: &Actor, id: i64) -> Result<StoredRun, AdminError> {
        self.audit.allow(actor, UseCase::ShowRun, &id.to_string()).await?;
        self.runs.run(id).await?.ok_or(AdminError::NoHookRun(id))
    }

    /// The number of all calls, by hook, version and outcome.
    ///
    /// # Errors
    /// The actor lacks `view_events`, or the store fails.
    pub async fn counters(&self, actor: &Actor) -> Result<Vec<HookCounter>, AdminError> {
        self.audit.allow(actor, UseCase::ListCounters, "").await?;
        Ok(self.runs.counters().await?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::{AdminErrorKind, AdminPermission, Permissions, audit};
    use super::*;
    use crate::hook::{Exchange, HookRun};
    use crate::memory::MemoryStore;
    use crate::ports::Door;

    fn run(hook: &str, username: &str, outcome: &'static str) -> HookRun {
        HookRun {
            at: 1,
            kind: "login-pre",
            hook: hook.into(),
            adapter: "plugin",
            connection: None,
            username: Some(username.to_owned()),
            address: None,
            about: None,
            outcome,
            detail: String::new(),
            is_error: false,
            decided: true,
            duration: Duration::from_micros(7),
            exchange: Exchange::default(),
        }
    }

    async fn house() -> (HookRunAdministration, Actor) {
        let store = Arc::new(MemoryStore::default());
        let runs = [("a", "alice", "allow"), ("b", "alice", "deny"), ("a", "bob", "allow"), ("a", "alice", "deny")];
        store.append(runs.map(|(hook, username, outcome)| run(hook, username, outcome)).into()).await.unwrap();
        (HookRunAdministration { runs: store, audit: audit::tests::audit().1 }, Actor::local("root", Door::Socket))
    }

    #[tokio::test]
    async fn records_are_filtered_and_come_by_page() {
        let (administration, root) = house().await;
        let check = async |filter: RunFilter, expected: &[i64]| {
            let found = administration.list(&root, filter.clone()).await.unwrap();
            assert_eq!(found.iter().map(|run| run.id).collect::<Vec<_>>(), expected, "{filter:?}");
        };
        let all = RunFilter { limit: 10, ..RunFilter::default() };
        let of = |text: &str| Some(text.to_owned());
        check(all.clone(), &[1, 2, 3, 4]).await;
        check(RunFilter { limit: 2, ..all.clone() }, &[3, 4]).await;
        check(RunFilter { after: 2, ..all.clone() }, &[3, 4]).await;
        check(RunFilter { before: Some(3), limit: 1, ..all.clone() }, &[2]).await;
        check(RunFilter { after: 4, ..all.clone() }, &[]).await;
        check(RunFilter { oldest: true, after: 1, limit: 2, ..all.clone() }, &[2, 3]).await;
        check(RunFilter { username: of("alice"), ..all.clone() }, &[1, 2, 4]).await;
        check(RunFilter { kind: of("login-pre"), hook: of("b"), ..all.clone() }, &[2]).await;
        check(RunFilter { kind: of("login"), ..all.clone() }, &[]).await;
        check(RunFilter { hook: of("b"), ..all.clone() }, &[2]).await;
        check(RunFilter { outcome: of("allow"), ..all.clone() }, &[1, 3]).await;
        check(RunFilter { username: of("alice"), outcome: of("deny"), limit: 1, ..all.clone() }, &[4]).await;
        check(RunFilter { username: of("carol"), ..all }, &[]).await;
    }

    #[tokio::test]
    async fn one_record_is_shown_and_all_calls_are_counted() {
        let (administration, root) = house().await;
        let shown = administration.show(&root, 3).await.unwrap();
        assert_eq!((shown.username.as_deref(), &*shown.outcome), (Some("bob"), "allow"));
        let missing = administration.show(&root, 5).await.unwrap_err();
        assert_eq!((missing.clone(), missing.kind()), (AdminError::NoHookRun(5), AdminErrorKind::NotFound));
        let counters = administration.counters(&root).await.unwrap();
        let counted: Vec<_> = counters.iter().map(|one| (&*one.hook, &*one.outcome, one.calls)).collect();
        assert_eq!(counted, [("a", "allow", 2), ("a", "deny", 1), ("b", "deny", 1)]);
    }

    #[tokio::test]
    async fn only_administrators_that_may_view_events_see_them() {
        let (administration, root) = house().await;
        for permission in AdminPermission::ALL {
            let actor = Actor { permissions: Permissions::Only(BTreeSet::from([permission])), ..root.clone() };
            let all = RunFilter { limit: 10, ..RunFilter::default() };
            let outcomes = [
                administration.list(&actor, all).await.map(drop),
                administration.show(&actor, 1).await.map(drop),
                administration.counters(&actor).await.map(drop),
            ];
            for outcome in outcomes {
                let refused = outcome.map_err(|error| error.kind());
                let expected =
                    if permission == AdminPermission::ViewEvents { Ok(()) } else { Err(AdminErrorKind::Forbidden) };
                assert_eq!(refused, expected, "{permission:?}");
            }
        }
    }
}
