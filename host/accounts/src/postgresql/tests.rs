//! What is PostgreSQL's own. What holds for all stores is in the suite `conformance`.

use std::sync::Arc;

use serde_json::json;
use tidegate_core::account::find_user;
use tidegate_core::ports::{
    AccountKey, ChangedObjects, Directory, FOLDERS, HookRunStore, PluginStore, RunFilter, USERS, UsageStore, Write,
};
use tidegate_core::quota::{Scope, UsedQuota};

use super::test_server::{Pooler, Server};
use super::*;
use crate::conformance::{add, change, commit, document};
use crate::sql::TableNames;

#[tokio::test]
async fn four_servers_that_start_at_once_make_the_tables_once() {
    let server = Server::start();
    let settings = server.settings();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let settings = settings.clone();
            std::thread::spawn(move || PostgresqlDatabase::open(settings).map(drop))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    let raw = server.raw().await;
    let rows = raw.query_typed("SELECT version FROM tidegate_version", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    raw.batch_execute("UPDATE tidegate_version SET version = 99999999").await.unwrap();
    let refused = PostgresqlDatabase::open(settings).err().unwrap();
    assert!(matches!(&refused, StoreError::Refused(text) if text.contains("made by a newer release")), "{refused}");
}

#[tokio::test]
async fn the_older_servers_table_is_taken_over() {
    // A9-01
    let server = Server::start();
    let raw = server.raw().await;
    let script = include_str!("../../../../sql/postgresql/20200131.sql").replace("BIGSERIAL", "SERIAL");
    raw.batch_execute(&PostgresqlDialect(TableNames::default()).render(&script)).await.unwrap();
    raw.batch_execute(
        r#"INSERT INTO users VALUES (7,'old','$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/','[]','/srv/old',0,0,0,0,0,'{"/":["*"]}',5,1,0,0,0,0,0,1,'{"allowed_ip":[],"denied_ip":[]}','{"provider":0}')"#,
    )
    .await
    .unwrap();
    raw.batch_execute("SELECT setval('users_id_seq', 7)").await.unwrap();
    let database = server.open();
    let found = find_user(&database, "old").await.unwrap().unwrap();
    assert_eq!((found.id, found.usage.used_quota_size), (7, 5));
    assert_eq!(add(&database, "new").await.id, 8);
}

#[tokio::test]
async fn tables_are_where_the_configuration_wants_them() {
    // A3-35
    let server = Server::start();
    let tables = TableNames { schema: "Files".into(), prefix: "tg_".into(), users: "people".into() };
    let database = PostgresqlDatabase::open(PostgresqlSettings { tables, ..server.settings() }).unwrap();
    add(&database, "alice").await;
    let raw = server.raw().await;
    let names = raw.query_typed(r#"SELECT username FROM "Files".tg_people"#, &[]).await.unwrap();
    assert_eq!(names.first().unwrap().get::<_, &str>(0), "alice");
    // Another installation in the same database.
    let other = server.open();
    assert!(other.find(&USERS, "alice").await.unwrap().is_none());
}

#[tokio::test]
async fn a_broken_row_is_named_and_harms_no_other() {
    let server = Server::start();
    let database = server.open();
    add(&database, "alice").await;
    add(&database, "bob").await;
    let raw = server.raw().await;
    raw.batch_execute("UPDATE users SET permissions = '{' WHERE username = 'alice'").await.unwrap();
    let error = find_user(&database, "alice").await.unwrap_err().to_string();
    assert!(error.contains("\"alice\"") && error.contains("permissions"), "{error}");
    assert!(find_user(&database, "bob").await.unwrap().is_some());
}

#[tokio::test]
async fn a_change_that_becomes_visible_late_is_told_of() {
    let server = Server::start();
    let (database, mut raw) = (server.open(), server.raw().await);
    let begin = database.changes(None).await.unwrap().next;
    let late = raw.transaction().await.unwrap();
    late.batch_execute("INSERT INTO changes (kind, name) VALUES ('user', 'late')").await.unwrap();
    add(&database, "alice").await;
    let named = |name: &str| ChangedObjects::Named(vec![("user".to_owned(), name.to_owned())]);
    let first = database.changes(Some(&begin)).await.unwrap();
    assert_eq!(first.objects, named("alice"));
    assert!(database.changes(Some(&first.next)).await.unwrap().is_empty());
    late.commit().await.unwrap();
    let second = database.changes(Some(&first.next)).await.unwrap();
    assert_eq!(second.objects, named("late"));
    assert!(database.changes(Some(&second.next)).await.unwrap().is_empty());
}

#[tokio::test]
async fn changes_that_were_forgotten_are_everything() {
    let server = Server::start();
    let database = server.open();
    let begin = database.changes(None).await.unwrap().next;
    let before = database.changes(None).await.unwrap().next;
    for batch in 0..11 {
        let names = (0..1_000).map(|number| format!("{batch}-{number}"));
        let changes = names.map(|name| change(&name, Write::Add(document("/srv")))).collect();
        database.commit(changes).await.unwrap();
    }
    let changes = database.changes(Some(&begin)).await.unwrap();
    assert_eq!(changes.objects, ChangedObjects::All);
    assert!(database.changes(Some(&changes.next)).await.unwrap().is_empty());
    assert_ne!(before, changes.next);
    let raw = server.raw().await;
    let kept: i64 = raw.query_typed("SELECT count(*) FROM changes", &[]).await.unwrap().first().unwrap().get(0);
    assert_eq!(kept, 10_000);
}

#[tokio::test]
async fn a_server_is_told_everything_after_a_restart_of_the_database() {
    let mut server = Server::start();
    let database = server.open();
    let alice = add(&database, "alice").await;
    let begin = database.changes(None).await.unwrap().next;
    database.record_login(&AccountKey { username: "alice".into(), id: alice.id }, 1234).await.unwrap();
    server.crash();
    // The connections of the pool are gone; none of that is seen.
    assert!(database.find(&USERS, "alice").await.unwrap().is_some());
    add(&database, "bob").await;
    assert_eq!(database.changes(Some(&begin)).await.unwrap().objects, ChangedObjects::All);
    // The time of the login was stored late, or is stored now.
    drop(database);
    let found = server.open().find(&USERS, "alice").await.unwrap().unwrap();
    assert_eq!(found.document.get("last_login"), Some(&json!(1234)));
}

#[tokio::test]
async fn several_servers_write_at_once() {
    let server = Server::start();
    let store = Arc::new(server.open());
    let run = |hook: &str| tidegate_core::hook::HookRun {
        at: 5,
        kind: "connect",
        hook: hook.into(),
        adapter: "program",
        connection: None,
        username: None,
        address: None,
        about: None,
        outcome: "allow",
        detail: String::new(),
        is_error: false,
        decided: true,
        duration: Duration::from_micros(5),
        exchange: Default::default(),
    };
    for name in ["alice", "bob"] {
        add(&*store, name).await;
        store.replace_usage(&Scope::Account(name.into()), UsedQuota::default(), 1).await.unwrap();
    }
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let store = Arc::new(server.open());
            let runs = vec![run("a"), run("b")];
            tokio::spawn(async move {
                let names = if number % 2 == 0 { ["alice", "bob"] } else { ["bob", "alice"] };
                for _ in 0..25 {
                    let by = UsedQuota { size: 1, files: 1 };
                    let changes = names.map(|name| (Scope::Account(name.into()), by)).to_vec();
                    store.add_usage(changes, 2).await.unwrap();
                    store.append(runs.clone()).await.unwrap();
                    store.increment("p", "n", 1, None).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for name in ["alice", "bob"] {
        let found = store.find(&USERS, name).await.unwrap().unwrap();
        assert_eq!(found.document.get("used_quota_size"), Some(&json!(100)), "{name}");
    }
    assert_eq!(store.counters().await.unwrap().iter().map(|counter| counter.calls).collect::<Vec<_>>(), [100, 100]);
    let all = RunFilter { username: None, hook: None, outcome: None, after: 0, limit: 1_000 };
    let ids: Vec<_> = store.runs(all).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!(ids, (1..=200).collect::<Vec<i64>>());
}

#[tokio::test]
async fn what_is_too_long_for_an_index_is_refused() {
    let server = Server::start();
    let database = server.open();
    let mut long = String::new();
    for number in 0..2_000 {
        long.push_str(&format!("{:x}", number * 7919));
    }
    let refused = commit(&database, &long, Write::Add(document("/srv"))).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(text) if text.contains("too long")), "{refused}");
    assert!(database.find(&FOLDERS, &long).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pooler_may_stand_between() {
    let server = Server::start();
    let (_pooler, settings) = Pooler::start(&server);
    let tasks: Vec<_> = (0..8)
        .map(|writer| {
            let settings = PostgresqlSettings { pool_size: Some(2), ..settings.clone() };
            tokio::spawn(async move {
                let database = PostgresqlDatabase::open(settings).unwrap();
                let begin = database.changes(None).await.unwrap().next;
                for number in 0..20 {
                    let name = format!("{writer}-{number}");
                    add(&database, &name).await;
                    assert_eq!(database.find(&USERS, &name).await.unwrap().unwrap().name, name);
                    database.increment("p", "n", 1, None).await.unwrap();
                }
                assert!(!database.changes(Some(&begin)).await.unwrap().is_empty());
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let database = PostgresqlDatabase::open(settings).unwrap();
    assert_eq!(database.get("p", "n").await.unwrap().as_deref(), Some(&b"160"[..]));
}
