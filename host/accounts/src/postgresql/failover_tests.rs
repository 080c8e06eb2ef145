//! Databases that are away, hang, are read only, or want another password.

use std::time::Duration;

use tidegate_core::ports::{Directory, StoreError, USERS};

use super::test_server::Server;
use super::*;
use crate::conformance::add;
use crate::sql::remote::test_cases;

#[tokio::test]
async fn a_database_that_is_gone_is_away_at_once() {
    test_cases::a_database_that_is_gone_is_away_at_once::<Server>(".s.PGSQL.5432").await;
}

#[tokio::test]
async fn an_old_primary_is_left() {
    // A3-33
    test_cases::an_old_primary_is_left(async |first: &Server| {
        first.raw().await.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
        first.reload();
        while first.raw().await.batch_execute("CREATE TEMPORARY TABLE probe ()").await.is_ok() {}
    })
    .await;
}

#[tokio::test]
async fn a_host_that_refuses_the_user_is_passed_over() {
    // A3-33
    test_cases::a_host_that_refuses_the_user_is_passed_over(async |first: &Server| {
        std::fs::write(first.data().join("pg_hba.conf"), "local all all reject\n").unwrap();
        first.reload();
        while PostgresqlDatabase::open(first.settings()).is_ok() {}
    })
    .await;
}

#[tokio::test]
async fn the_password_is_read_for_each_connection() {
    // A3-33
    let server = Server::start();
    drop(server.open());
    let raw = server.raw().await;
    raw.batch_execute("CREATE ROLE tidegate LOGIN SUPERUSER PASSWORD 'first'").await.unwrap();
    std::fs::write(server.data().join("pg_hba.conf"), "local all postgres trust\nlocal all all scram-sha-256\n")
        .unwrap();
    server.reload();
    // Until the server has read its configuration, any password will do.
    let settings = DatabaseServerSettings { username: "tidegate".into(), ..server.settings() };
    while PostgresqlDatabase::open(settings.clone()).is_ok() {}
    test_cases::the_password_is_read_for_each_connection::<Server>(settings, "28P01", async || {
        raw.batch_execute("ALTER ROLE tidegate PASSWORD 'second'").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lock_that_another_program_holds_is_waited_for_in_vain() {
    let server = Server::start();
    let settings = DatabaseServerSettings { answer_timeout: Duration::from_secs(4), ..server.settings() };
    let database = PostgresqlDatabase::open(settings).unwrap();
    add(&database, "alice").await;
    let mut raw = server.raw().await;
    let other = raw.transaction().await.unwrap();
    other.batch_execute("LOCK TABLE users IN EXCLUSIVE MODE").await.unwrap();
    // The database says so itself, before the time for its answer is over.
    let delete = tidegate_core::ports::Write::Delete { expected: None };
    let error = crate::conformance::commit(&database, "alice", delete.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy(_)), "{error}");
    // Readers go on.
    assert!(database.find(&USERS, "alice").await.unwrap().is_some());
    other.rollback().await.unwrap();
    crate::conformance::commit(&database, "alice", delete).await.unwrap();
}
