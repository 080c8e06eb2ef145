//! Databases that are away, hang, are read only, or want another password.

use mysql_async::prelude::Queryable;
use tidegate_core::ports::{Directory, StoreError, USERS, Write};
use tokio::time::{Duration, Instant};

use super::test_server::Server;
use super::*;
use crate::conformance::{add, commit};
use crate::sql::remote::test_cases::{self, TestServer};
use crate::sql::{Cell, Database};

#[tokio::test]
async fn a_database_that_is_gone_is_away_at_once() {
    test_cases::a_database_that_is_gone_is_away_at_once::<Server>("mysqld.sock").await;
}

#[tokio::test]
async fn an_old_primary_is_left() {
    test_cases::an_old_primary_is_left(async |first: &Server| {
        first.raw().await.query_drop("SET GLOBAL read_only = 1").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_host_that_refuses_the_user_is_passed_over() {
    // A3-33
    test_cases::a_host_that_refuses_the_user_is_passed_over(async |first: &Server| {
        first.raw().await.query_drop("ALTER USER tidegate@localhost IDENTIFIED BY 'other'").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_password_is_read_for_each_connection() {
    // A3-33
    let server = Server::start();
    drop(server.open());
    let mut raw = server.raw().await;
    raw.query_drop("ALTER USER tidegate@localhost IDENTIFIED BY 'first'").await.unwrap();
    test_cases::the_password_is_read_for_each_connection::<Server>(server.settings(), "1045", async || {
        raw.query_drop("ALTER USER tidegate@localhost IDENTIFIED BY 'second'").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_transaction_whose_database_dies_is_not_made() {
    let mut server = Server::start();
    add(&server.open(), "alice").await;
    let settings = server.settings();
    let remote = Remote::new(Connector::new(Mysql::new(&settings).unwrap(), settings)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut transaction = remote.begin(deadline).await.unwrap();
    let sql = "UPDATE {users} SET home_dir = ? WHERE username = ?";
    let values = vec![Cell::from("/other"), Cell::from("alice")];
    assert_eq!(transaction.execute(sql, values).await.unwrap(), 1);
    server.stop();
    let failure = transaction.commit().await.unwrap_err();
    assert!(!failure.may_be_repeated);
    let error = failure.error.to_string();
    assert!(error.contains("look before you repeat it"), "{error}");
    server.database().start_again();
    let found = server.open().find(&USERS, "alice").await.unwrap().unwrap();
    assert_eq!(found.document.get("home_dir").and_then(|home| home.as_str()), Some("/srv/home"));
}

#[tokio::test]
async fn connections_that_were_killed_are_made_anew() {
    let server = Server::start();
    let database = server.open();
    add(&database, "alice").await;
    let mut raw = server.raw().await;
    raw.query_drop("KILL USER tidegate@localhost").await.unwrap();
    assert!(database.find(&USERS, "alice").await.unwrap().is_some());
    raw.query_drop("KILL USER tidegate@localhost").await.unwrap();
    add(&database, "bob").await;
}

#[tokio::test]
async fn a_row_that_another_program_locks_is_waited_for_in_vain() {
    let server = Server::start();
    let settings = DatabaseServerSettings { answer_timeout: Duration::from_secs(4), ..server.settings() };
    let database = MysqlDatabase::open(settings).unwrap();
    add(&database, "alice").await;
    let mut raw = server.raw().await;
    raw.query_drop("START TRANSACTION; SELECT id FROM users WHERE username = 'alice' FOR UPDATE").await.unwrap();
    let delete = Write::Delete { expected: None };
    // The database says so itself, before the time for its answer is over.
    let error = commit(&database, "alice", delete.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy(_)), "{error}");
    // Readers go on.
    assert!(database.find(&USERS, "alice").await.unwrap().is_some());
    raw.query_drop("ROLLBACK").await.unwrap();
    commit(&database, "alice", delete).await.unwrap();
}
