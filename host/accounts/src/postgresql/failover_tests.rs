//! Databases that are away, hang, are read only, or want another password.

use tidegate_core::ports::{Directory, USERS};
use tidegate_core::secret::Secret;

use super::test_server::Server;
use super::*;
use crate::conformance::add;

#[tokio::test]
async fn a_database_that_hangs_is_away_within_two_seconds() {
    let server = Server::start();
    let database = server.open();
    add(&database, "alice").await;
    server.signal_all("STOP");
    // With a connection that exists, and with one that has to be made.
    for _ in 0..2 {
        let begin = Instant::now();
        let error = database.find(&USERS, "alice").await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("does not answer")), "{error}");
        assert!(begin.elapsed() < Duration::from_millis(2_500), "{:?}", begin.elapsed());
    }
    server.signal_all("CONT");
    assert!(database.find(&USERS, "alice").await.unwrap().is_some());
}

#[tokio::test]
async fn a_database_that_is_gone_is_away_at_once() {
    let mut server = Server::start();
    let database = server.open();
    server.stop();
    let error = database.find(&USERS, "alice").await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("cannot be reached")), "{error}");
    let error = PostgresqlDatabase::open(server.settings()).err().unwrap().to_string();
    assert!(error.contains(".s.PGSQL.5432") && error.contains("start it"), "{error}");
}

#[tokio::test]
async fn an_old_primary_is_left() {
    let (first, second) = (Server::start(), Server::start());
    let both = [first.settings().hosts, second.settings().hosts].concat();
    drop(second.open());
    let database = PostgresqlDatabase::open(PostgresqlSettings { hosts: both, ..first.settings() }).unwrap();
    add(&database, "alice").await;
    assert!(first.open().find(&USERS, "alice").await.unwrap().is_some());
    // The connections of the pool stay, and go on to answer.
    first.raw().await.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    first.reload();
    while first.raw().await.batch_execute("CREATE TEMPORARY TABLE probe ()").await.is_ok() {}
    add(&database, "bob").await;
    assert!(second.open().find(&USERS, "bob").await.unwrap().is_some());
    assert!(database.find(&USERS, "bob").await.unwrap().is_some());
    let only = PostgresqlDatabase::open(first.settings()).err().unwrap().to_string();
    assert!(only.contains("does not allow writes") && only.contains("name the primary"), "{only}");
}

#[tokio::test]
async fn a_host_that_hangs_is_passed_over() {
    let (first, second) = (Server::start(), Server::start());
    drop(second.open());
    let hosts = [first.settings().hosts, second.settings().hosts].concat();
    first.signal_all("STOP");
    let database = PostgresqlDatabase::open(PostgresqlSettings { hosts, ..first.settings() }).unwrap();
    let begin = Instant::now();
    assert!(database.find(&USERS, "alice").await.unwrap().is_none());
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn the_password_is_read_for_each_connection() {
    let server = Server::start();
    drop(server.open());
    let raw = server.raw().await;
    raw.batch_execute("CREATE ROLE tidegate LOGIN SUPERUSER PASSWORD 'first'").await.unwrap();
    std::fs::write(server.data().join("pg_hba.conf"), "local all postgres trust\nlocal all all scram-sha-256\n")
        .unwrap();
    server.reload();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let settings = PostgresqlSettings {
        username: "tidegate".into(),
        password_file: Some(file.path().to_owned()),
        max_age: Duration::ZERO,
        ..server.settings()
    };
    // Until the server has read its configuration, any password will do.
    let wrong = PostgresqlSettings { password_file: None, password: Some(Secret::new("x")), ..settings.clone() };
    let refused = loop {
        if let Err(error) = PostgresqlDatabase::open(wrong.clone()) {
            break error.to_string();
        }
    };
    assert!(refused.contains("28P01") && refused.contains("data_provider.username"), "{refused}");
    let database = PostgresqlDatabase::open(settings).unwrap();
    assert!(database.find(&USERS, "alice").await.unwrap().is_none());
    raw.batch_execute("ALTER ROLE tidegate PASSWORD 'second'").await.unwrap();
    assert!(matches!(database.find(&USERS, "alice").await, Err(StoreError::Unavailable(_))));
    std::fs::write(file.path(), "second").unwrap();
    assert!(database.find(&USERS, "alice").await.unwrap().is_none());
}

#[tokio::test]
async fn a_lock_that_another_program_holds_is_waited_for_in_vain() {
    let server = Server::start();
    let database = server.open();
    add(&database, "alice").await;
    let mut raw = server.raw().await;
    let other = raw.transaction().await.unwrap();
    other.batch_execute("LOCK TABLE users IN EXCLUSIVE MODE").await.unwrap();
    let delete = tidegate_core::ports::Write::Delete { expected: None };
    let error = crate::conformance::commit(&database, "alice", delete.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy(_) | StoreError::Unavailable(_)), "{error}");
    // Readers go on.
    assert!(database.find(&USERS, "alice").await.unwrap().is_some());
    other.rollback().await.unwrap();
    crate::conformance::commit(&database, "alice", delete).await.unwrap();
}
