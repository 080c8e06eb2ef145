//! What a database server does to those that talk to it: it dies in any step of any transaction, answers nonsense, is
//! restarted among many logins, or refuses a user. Nothing may be half done, lost, or counted twice, and each
//! answer about an account is right or an error.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tidegate_core::ports::{
    AccountKey, AuditQuery, BatchName, PageRequest, StoreError, StoredDocument, Stores, USERS, Write,
};
use tidegate_core::quota::{Scope, UsedQuota};
use tokio::sync::{Barrier, watch};

use super::DatabaseServerSettings;
use super::test_cases::TestServer;
use super::test_proxy::Proxy;
use crate::conformance::{add, author, change, document, find};

/// Changes an account and adds another one, and looks whether both was done or nothing. Returns whether it was done.
async fn commit_through(store: &dyn Stores, direct: &dyn Stores, name: &str) -> bool {
    let expected = find(direct, "alice").await.version;
    let write = Write::Replace { document: document(&format!("/srv/{name}")), expected, reset: Vec::new() };
    let mut moved = change("alice", write);
    moved.audit = Some(author().did("update", "user", "alice", 1));
    let outcome = store.commit(vec![change(name, Write::Add(document("/srv/home"))), moved]).await;
    let is_added = direct.find(&USERS, name).await.unwrap().is_some();
    assert_eq!(is_added, find(direct, "alice").await.version != expected, "{name}: {outcome:?}");
    match outcome {
        Ok(versions) => assert!(is_added && versions.len() == 2, "{name}: {versions:?}"),
        // Only the end of the transaction may have been done without an answer.
        Err(StoreError::Unavailable(text)) if is_added => assert!(text.contains("look before you repeat it"), "{text}"),
        Err(error) => assert!(!is_added && is_of_database(&error), "{name}: {error:?}"),
    }
    is_added
}

/// Whether an error says that the database cannot be asked, and nothing of the account.
fn is_of_database(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::Busy(_) | StoreError::Failed(_) | StoreError::Refused(_))
}

pub async fn a_conversation_that_breaks_off_in_any_step_leaves_all_or_nothing<S: TestServer>() {
    // A9-06, A10-03; ADR 9
    let server = S::start();
    let direct = server.store();
    let alice = Scope::Account("alice".into());
    add(&*direct, "alice").await;
    direct.replace_usage(&alice, UsedQuota::default(), 1).await.unwrap();
    let (proxy, settings) = Proxy::start(&server.settings());
    // Each use begins with a new connection, whose steps count as well.
    let store = S::try_open(DatabaseServerSettings { max_age: Duration::ZERO, ..settings }).unwrap();
    let (mut done, mut number) = (0, 0);
    proxy
        .in_every_step(async |name: &str| {
            done += usize::from(commit_through(&*store, &*direct, name).await);
        })
        .await;
    proxy
        .in_every_step(async |name: &str| {
            // As the ledger does: the batch is sent until it is stored.
            number += 1;
            let batch = BatchName { writer: "usages of here".into(), number };
            let by = vec![(alice.clone(), UsedQuota { size: 1, files: 1 })];
            while let Err(error) = store.add_usage(Some(&batch), by.clone(), 2).await {
                assert!(is_of_database(&error), "{name}: {error:?}");
            }
        })
        .await;
    proxy
        .in_every_step(async |name: &str| match store.find(&USERS, "alice").await {
            Ok(found) => assert!(found.is_some(), "{name}: the account is there"),
            Err(error) => assert!(is_of_database(&error), "{name}: {error:?}"),
        })
        .await;
    let used = find(&*direct, "alice").await.document.get("used_quota_size").cloned();
    assert_eq!(used, Some(json!(number)));
    let records = direct.audit(AuditQuery { limit: 10_000, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(records.len(), done);
    let accounts = direct.list(&USERS, PageRequest { limit: 10_000, ..PageRequest::default() }).await.unwrap();
    assert_eq!(accounts.len(), done + 1);
}

fn last_login(stored: &StoredDocument) -> i64 {
    stored.document.get("last_login").and_then(serde_json::Value::as_i64).unwrap_or_default()
}

pub async fn a_thousand_logins_around_a_restart_get_no_wrong_answer<S: TestServer>() {
    // A9-05
    const TASKS: usize = 4;
    const LOGINS: i64 = 250;
    let mut server = S::start();
    let store = server.store();
    let names: Vec<String> = (0..TASKS).map(|number| format!("user{number}")).collect();
    for name in &names {
        add(&*store, name).await;
    }
    let half = Arc::new(Barrier::new(TASKS + 1));
    let (is_back, _) = watch::channel(false);
    let log_in = |name: String| {
        let (store, half, mut back) = (store.clone(), half.clone(), is_back.subscribe());
        async move {
            let mut decided = 0;
            while decided < LOGINS || !*back.borrow() {
                match store.find(&USERS, &name).await {
                    Ok(found) => {
                        decided += 1;
                        let id = found.unwrap_or_else(|| panic!("{name} is there")).version.id;
                        store.record_login(&AccountKey { username: name.clone(), id }, decided).await.unwrap();
                        if decided == LOGINS / 2 {
                            half.wait().await;
                        }
                    }
                    Err(StoreError::Unavailable(_)) => drop(back.wait_for(|is_back| *is_back).await.unwrap()),
                    Err(error) => panic!("{error:?}"),
                }
            }
            decided
        }
    };
    let tasks: Vec<_> = names.iter().cloned().map(|name| tokio::spawn(log_in(name))).collect();
    half.wait().await;
    let restarted = tokio::task::spawn_blocking(move || {
        server.crash();
        server
    });
    let server = restarted.await.unwrap();
    is_back.send(true).unwrap();
    let other = server.store();
    for (name, task) in names.iter().zip(tasks) {
        let decided = task.await.unwrap();
        // The times of logins have waited for the database, and the last one is stored before long.
        while last_login(&find(&*other, name).await) != decided {}
    }
}

/// `refuse`: lets a server refuse the user that logs in to it.
pub async fn a_host_that_refuses_the_user_is_passed_over<S: TestServer>(refuse: impl AsyncFnOnce(&S)) {
    let (first, second) = (S::start(), S::start());
    let hosts = [first.settings().hosts, second.settings().hosts].concat();
    refuse(&first).await;
    assert!(matches!(S::try_open(first.settings()), Err(StoreError::Unavailable(_))));
    let database = S::try_open(DatabaseServerSettings { hosts, ..first.settings() }).unwrap();
    add(&*database, "alice").await;
    assert!(second.store().find(&USERS, "alice").await.unwrap().is_some());
}

pub async fn no_more_connections_are_made_than_the_pool_may_have<S: TestServer>() {
    // A3-38
    let server = S::start();
    let (proxy, settings) = Proxy::start(&server.settings());
    let store = S::try_open(DatabaseServerSettings { pool_size: Some(2), ..settings }).unwrap();
    let opening = proxy.connections();
    let found = join_all((0..20).map(|_| store.find(&USERS, "alice"))).await;
    assert!(found.into_iter().all(|found| found == Ok(None)));
    assert_eq!(proxy.connections() - opening, 2);
}
