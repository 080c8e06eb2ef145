//! What holds for every database that is reached over a connection: when it hangs, goes away, and comes back, and
//! when several servers write at once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidegate_core::ports::{
    AccountKey, Change, ChangeToken, ChangedObjects, Directory, PageRequest, RunFilter, StoreError, Stores, USERS,
    Write,
};
use tidegate_core::quota::{Scope, UsedQuota};
use tidegate_core::secret::Secret;
use tidegate_tests::databases::Database;
use tokio::time::Instant;

pub use super::harm_cases::{
    a_conversation_that_breaks_off_in_any_step_leaves_all_or_nothing, a_host_that_refuses_the_user_is_passed_over,
    a_thousand_logins_around_a_restart_get_no_wrong_answer, no_more_connections_are_made_than_the_pool_may_have,
};
use super::step_cases::Life;
pub use super::step_cases::a_crash_between_two_steps_leaves_all_or_nothing;
use super::test_files::Certificates;
use super::{DatabaseServerSettings, ForeignTable, TlsMode};
use crate::conformance::{add, change, document};

/// A server of a database, which a test has for itself.
pub trait TestServer: Sized + Send + 'static {
    fn start() -> Self;
    /// How it is reached.
    fn settings(&self) -> DatabaseServerSettings;
    fn try_open(settings: DatabaseServerSettings) -> Result<Arc<dyn Stores>, StoreError>;
    /// Stores of a process that dies, in a database whose tables are up to date.
    fn mortal(settings: DatabaseServerSettings, life: Arc<Life>) -> Arc<dyn Stores>;
    /// The server itself.
    fn database(&mut self) -> &mut Database;

    /// Stops it as a crash does.
    fn stop(&mut self) {
        self.database().stop();
    }

    /// Stops it as a crash does, and starts it again.
    fn crash(&mut self) {
        self.stop();
        self.database().start_again();
    }

    fn store(&self) -> Arc<dyn Stores> {
        Self::try_open(self.settings()).unwrap()
    }
}

/// The tests of these cases on a kind of server.
macro_rules! of_every_server {
    ($server:ty) => {
        $crate::sql::remote::test_cases::of_every_server! { $server:
            a_database_that_hangs_is_away_within_two_seconds,
            a_host_that_hangs_is_passed_over,
            a_server_gets_all_changes_after_a_restart_of_the_database,
            several_servers_write_at_once,
            a_crash_between_two_steps_leaves_all_or_nothing,
            a_conversation_that_breaks_off_in_any_step_leaves_all_or_nothing,
            a_thousand_logins_around_a_restart_get_no_wrong_answer,
            no_more_connections_are_made_than_the_pool_may_have,
        }
    };
    ($server:ty: $($case:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::sql::remote::test_cases::$case::<$server>().await;
            }
        )*
    };
}
pub(crate) use of_every_server;

fn refused<S: TestServer>(settings: DatabaseServerSettings) -> String {
    S::try_open(settings).err().unwrap().to_string()
}

/// Four of ours open the database at once.
pub fn four_servers_start_at_once<S: TestServer>(server: &S) {
    let open = |settings| std::thread::spawn(move || S::try_open(settings).map(drop));
    let threads: Vec<_> = (0..4).map(|_| open(server.settings())).collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
}

pub async fn a_database_that_hangs_is_away_within_two_seconds<S: TestServer>() {
    let mut server = S::start();
    let database = server.store();
    add(&*database, "alice").await;
    server.database().hang();
    // The clock goes on only while everything waits: how fast the machine is makes no difference.
    tokio::time::pause();
    // With a connection that exists, and with one that has to be made.
    for _ in 0..2 {
        let begin = Instant::now();
        let error = database.find(&USERS, "alice").await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("does not answer")), "{error}");
        assert!(begin.elapsed() < Duration::from_millis(2_010), "{:?}", begin.elapsed());
    }
    tokio::time::resume();
    server.database().go_on();
    assert!(database.find(&USERS, "alice").await.unwrap().is_some());
}

pub async fn a_database_that_is_gone_is_away_at_once<S: TestServer>(socket: &str) {
    let mut server = S::start();
    let database = server.store();
    server.stop();
    let error = database.find(&USERS, "alice").await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("cannot be reached")), "{error}");
    let error = refused::<S>(server.settings());
    assert!(error.contains(socket) && error.contains("start it"), "{error}");
}

pub async fn a_host_that_hangs_is_passed_over<S: TestServer>() {
    let (mut first, second) = (S::start(), S::start());
    drop(second.store());
    let hosts = [first.settings().hosts, second.settings().hosts].concat();
    first.database().hang();
    let database = S::try_open(DatabaseServerSettings { hosts, ..first.settings() }).unwrap();
    assert!(database.find(&USERS, "alice").await.unwrap().is_none());
    first.database().go_on();
}

/// `old_primary`: lets a server refuse writes while it goes on to answer.
pub async fn an_old_primary_is_left<S: TestServer>(old_primary: impl AsyncFnOnce(&S)) {
    let (first, second) = (S::start(), S::start());
    let both = [first.settings().hosts, second.settings().hosts].concat();
    drop(second.store());
    let database = S::try_open(DatabaseServerSettings { hosts: both.clone(), ..first.settings() }).unwrap();
    add(&*database, "alice").await;
    assert!(first.store().find(&USERS, "alice").await.unwrap().is_some());
    let reading = S::try_open(DatabaseServerSettings { hosts: both, ..first.settings() }).unwrap();
    let any = S::try_open(DatabaseServerSettings { only_writable: false, ..first.settings() }).unwrap();
    for store in [&reading, &any] {
        assert!(store.find(&USERS, "alice").await.unwrap().is_some());
    }
    // The connections of the pool stay, and go on to answer.
    old_primary(&first).await;
    add(&*second.store(), "carol").await;
    // Also a server that writes nothing looks at the host, before long.
    for _ in 0..10 {
        reading.changes(None).await.unwrap();
        any.changes(None).await.unwrap();
    }
    assert!(reading.find(&USERS, "carol").await.unwrap().is_some());
    assert!(any.find(&USERS, "alice").await.unwrap().is_some());
    add(&*database, "bob").await;
    assert!(second.store().find(&USERS, "bob").await.unwrap().is_some());
    assert!(database.find(&USERS, "bob").await.unwrap().is_some());
    let only = refused::<S>(first.settings());
    assert!(only.contains("does not allow writes") && only.contains("name the primary"), "{only}");
}

/// `settings`: those of a user with the password `first`; `change` makes it `second`.
pub async fn the_password_is_read_for_each_connection<S: TestServer>(
    settings: DatabaseServerSettings,
    code: &str,
    change: impl AsyncFnOnce(),
) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let settings = DatabaseServerSettings {
        password: None,
        password_file: Some(file.path().to_owned()),
        max_age: Duration::ZERO,
        ..settings
    };
    let wrong = DatabaseServerSettings { password_file: None, password: Some(Secret::new("x")), ..settings.clone() };
    let refused = refused::<S>(wrong);
    assert!(refused.contains(code) && refused.contains("data_provider.username"), "{refused}");
    let database = S::try_open(settings).unwrap();
    assert!(database.find(&USERS, "alice").await.unwrap().is_none());
    change().await;
    assert!(matches!(database.find(&USERS, "alice").await, Err(StoreError::Unavailable(_))));
    std::fs::write(file.path(), "second").unwrap();
    assert!(database.find(&USERS, "alice").await.unwrap().is_none());
}

pub async fn changes_that_were_forgotten_are_everything<S: TestServer>() -> S {
    let server = S::start();
    let database = server.store();
    let begin = database.changes(None).await.unwrap().next;
    for batch in 0..11 {
        let names = (0..1_000).map(|number| format!("{batch}-{number}"));
        let changes = names.map(|name| change(&name, Write::Add(document("/srv")))).collect();
        database.commit(changes).await.unwrap();
    }
    let changes = database.changes(Some(&begin)).await.unwrap();
    assert_eq!(changes.objects, ChangedObjects::All);
    assert!(database.changes(Some(&changes.next)).await.unwrap().is_empty());
    assert_ne!(begin, changes.next);
    server
}

pub async fn a_server_gets_all_changes_after_a_restart_of_the_database<S: TestServer>() {
    let mut server = S::start();
    let database = server.store();
    let alice = add(&*database, "alice").await;
    let begin = database.changes(None).await.unwrap().next;
    database.record_login(&AccountKey { username: "alice".into(), id: alice.id }, 1234).await.unwrap();
    server.crash();
    // The connections of the pool are gone; none of that is seen.
    assert!(database.find(&USERS, "alice").await.unwrap().is_some());
    add(&*database, "bob").await;
    assert_eq!(database.changes(Some(&begin)).await.unwrap().objects, ChangedObjects::All);
    // The time of the login was stored late, or is stored now.
    drop(database);
    let found = server.store().find(&USERS, "alice").await.unwrap().unwrap();
    assert_eq!(found.document.get("last_login"), Some(&json!(1234)));
}

pub async fn several_servers_write_at_once<S: TestServer>() {
    let server = S::start();
    let store = server.store();
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
            let store = server.store();
            let runs = vec![run("a"), run("b")];
            tokio::spawn(async move {
                let names = if number % 2 == 0 { ["alice", "bob"] } else { ["bob", "alice"] };
                for _ in 0..25 {
                    let by = UsedQuota { size: 1, files: 1 };
                    let changes = names.map(|name| (Scope::Account(name.into()), by)).to_vec();
                    store.add_usage(None, changes, 2).await.unwrap();
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
    let all = RunFilter { limit: 1_000, ..RunFilter::default() };
    let ids: Vec<_> = store.runs(all).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!(ids, (1..=200).collect::<Vec<i64>>());
}

/// One attempt to connect with TLS.
pub struct Attempt<'a> {
    pub host: &'a str,
    pub tls: TlsMode,
    pub root: Option<&'a PathBuf>,
    pub own: Option<&'a (PathBuf, PathBuf)>,
}

/// `expected`: a part of the error; empty if the attempt succeeds.
pub fn check_attempt<S: TestServer>(server: &S, port: u16, attempt: Attempt<'_>, expected: &str) {
    let Attempt { host, tls, root, own } = attempt;
    let settings = DatabaseServerSettings {
        hosts: vec![(host.to_owned(), port)],
        tls,
        root_cert: root.cloned(),
        client_cert: own.cloned(),
        ..server.settings()
    };
    match S::try_open(settings) {
        Ok(_) => assert_eq!(expected, "", "{host} {tls:?}"),
        Err(error) => {
            let error = error.to_string();
            assert!(!expected.is_empty() && error.contains(expected), "{host} {tls:?} {expected}: {error}");
        }
    }
}

pub fn the_mode_says_what_is_checked<S: TestServer>(server: &S, port: u16, files: &Certificates) {
    let (trusted, untrusted, key) = (Some(&files.trusted), Some(&files.untrusted), Some(&files.server.1));
    for (host, root, tls, expected) in [
        ("localhost", None, TlsMode::Disable, ""),
        ("localhost", None, TlsMode::Prefer, ""),
        ("localhost", None, TlsMode::Require, ""),
        ("localhost", untrusted, TlsMode::Require, ""),
        ("localhost", trusted, TlsMode::VerifyCa, ""),
        ("127.0.0.1", trusted, TlsMode::VerifyCa, ""),
        ("localhost", untrusted, TlsMode::VerifyCa, "UnknownIssuer"),
        ("localhost", None, TlsMode::VerifyCa, "data_provider.root_cert"),
        ("localhost", trusted, TlsMode::VerifyFull, ""),
        ("127.0.0.1", trusted, TlsMode::VerifyFull, "not valid for name"),
        ("localhost", untrusted, TlsMode::VerifyFull, "UnknownIssuer"),
        ("localhost", key, TlsMode::VerifyFull, "data_provider.root_cert"),
    ] {
        check_attempt(server, port, Attempt { host, tls, root, own: None }, expected);
    }
    // A host whose certificate is for another name is passed over.
    let hosts = ["127.0.0.1", "localhost"].map(|host| (host.to_owned(), port)).to_vec();
    let root_cert = trusted.cloned();
    let settings = DatabaseServerSettings { hosts, tls: TlsMode::VerifyFull, root_cert, ..server.settings() };
    assert!(S::try_open(settings).is_ok());
}

/// From here on the server admits only clients with a certificate of the role; `refused` is a part of the error of others.
pub fn a_certificate_is_shown<S: TestServer>(server: &S, port: u16, files: &Certificates, refused: [&str; 2]) {
    let no_key = (files.client.0.clone(), files.trusted.clone());
    let trusted = Some(&files.trusted);
    for (tls, root, own, expected) in [
        (TlsMode::VerifyFull, trusted, None, refused[0]),
        (TlsMode::VerifyFull, trusted, Some(&files.client), ""),
        (TlsMode::Require, None, Some(&files.client), ""),
        (TlsMode::Require, None, Some(&files.stranger), "cannot be reached"),
        (TlsMode::Require, None, Some(&no_key), "data_provider.client_key"),
        (TlsMode::Disable, None, None, refused[1]),
    ] {
        check_attempt(server, port, Attempt { host: "localhost", tls, root, own }, expected);
    }
}

pub fn a_server_without_tls_is_refused_where_tls_is_wanted<S: TestServer>(server: &S, port: u16) {
    let attempt = |tls| Attempt { host: "localhost", tls, root: None, own: None };
    check_attempt(server, port, attempt(TlsMode::Require), "data_provider.sslmode");
    check_attempt(server, port, attempt(TlsMode::Prefer), "");
}

/// What another program's tables have, of which `users` is wanted; see [`FOREIGN`].
pub fn check_foreign(tables: &[ForeignTable]) {
    let names: Vec<_> = tables.iter().map(|table| (table.name.as_str(), table.is_view)).collect();
    assert_eq!(names, [("folders", true), ("shares", false), ("users", false)]);
    assert_eq!((tables[0].count, tables[1].count, tables[1].rows.len()), (0, 2, 0));
    let users = &tables[2];
    assert_eq!(users.columns, ["id", "username", "home_dir", "email"]);
    let rows: Vec<_> = users.rows.iter().map(|row| json!(row)).collect();
    let expected = [
        json!({"id": 1, "username": "alice", "home_dir": "/srv/\u{fc}", "email": null}),
        json!({"id": 2, "username": "bob", "home_dir": "/srv/bob", "email": "b@b"}),
    ];
    assert_eq!((users.count, rows.as_slice()), (2, &expected[..]));
}

/// The statements that make these tables.
pub const FOREIGN: [&str; 5] = [
    "CREATE TABLE users (ID INTEGER PRIMARY KEY, username VARCHAR(255), home_dir VARCHAR(255), email VARCHAR(255))",
    "INSERT INTO users VALUES (2, 'bob', '/srv/bob', 'b@b'), (1, 'alice', '/srv/\u{fc}', NULL)",
    "CREATE TABLE shares (id INTEGER)",
    "INSERT INTO shares VALUES (1), (2)",
    "CREATE VIEW folders AS SELECT id FROM shares",
];

/// A server that runs while a newer release changes the tables says so, and decides about no login any more.
pub async fn a_server_beside_newer_tables_refuses(running: &dyn Directory, token: &ChangeToken) {
    let error = running.wait_for_changes(token).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("newer release")), "{error}");
    let error = running.find(&USERS, "alice").await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("update it")), "{error}");
    // Nor does it write what the newer tables may have another form for.
    let write = Write::Delete { expected: None };
    let name = "alice".to_owned();
    let change = Change { collection: &USERS, name, write, announce: false, audit: None };
    assert!(matches!(running.commit(vec![change]).await, Err(StoreError::Unavailable(_))));
}

/// Accounts of the older server, with a secret that can be decrypted and with one that cannot.
pub const OLD_SECRETS: &[&str] = &[
    r#"INSERT INTO users VALUES (1,'open','','[]','/srv',0,0,0,0,0,'{"/":["*"]}',0,0,0,0,0,0,0,1,'{}','{"provider":1,"secret":"$aes$good"}')"#,
    r#"INSERT INTO users VALUES (2,'shut','','[]','/srv',0,0,0,0,0,'{"/":["*"]}',0,0,0,0,0,0,0,1,'{}','{"provider":1,"secret":"$aes$bad"}')"#,
];
/// Stores a text that looks like such a secret when the tables are ours.
pub const SECRET_OF_LATER: &str =
    r#"UPDATE users SET filesystem = '{"provider":1,"secret":"$aes$good"}' WHERE username = 'shut'"#;

/// What stands for decryption.
pub fn decrypted(text: &str) -> Option<String> {
    text.contains("$aes$good").then(|| text.replace("$aes$good", "hush"))
}

/// Four of ours have opened the database with these accounts at once.
pub async fn check_taken_over(store: &dyn Stores) {
    let stored = store.list(&USERS, PageRequest { limit: 10, ..PageRequest::default() }).await.unwrap();
    let found: Vec<_> = stored.iter().map(|stored| (stored.version.id, stored.name.as_str())).collect();
    assert_eq!(found, [(1, "open"), (2, "shut")]);
}

async fn secret_of(store: &dyn Stores, name: &str) -> serde_json::Value {
    let stored = store.find(&USERS, name).await.unwrap().unwrap();
    stored.document.get("filesystem").and_then(|filesystem| filesystem.get("secret")).cloned().unwrap()
}

pub async fn check_decrypted(store: &dyn Stores) {
    assert_eq!((secret_of(store, "open").await, secret_of(store, "shut").await), ("hush".into(), "$aes$bad".into()));
}

pub async fn check_not_decrypted(store: &dyn Stores) {
    assert_eq!(secret_of(store, "shut").await, "$aes$good");
}
