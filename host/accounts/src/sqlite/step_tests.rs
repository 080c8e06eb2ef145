//! The steps of a change: how many there are, and what is stored when the process dies between two of them.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use serde_json::json;
use tidegate_core::account::{AccountDraft, Accounts, OnConflict, User};
use tidegate_core::ports::{AuditQuery, AuditStore, Author, ChangeToken, Directory, Door, USERS};

use super::*;
use crate::conformance::{NoPasswords, author, user};

/// Calls `told` for each statement before it is executed.
fn trace(database: &SqliteDatabase, told: impl Fn(&str) + Clone + Send + 'static) {
    let shared = [&database.reader, &database.writer, &database.background].map(|connection| &**connection);
    for connection in shared.into_iter().chain(&*database.inline) {
        let told = told.clone();
        let each = move |event: TraceEvent<'_>| {
            if let TraceEvent::Stmt(_, sql) = event {
                told(sql);
            }
        };
        connection.lock().unwrap().trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(each)).unwrap();
    }
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tidegate.db");
    (directory, path)
}

fn accounts(database: &Arc<SqliteDatabase>) -> Accounts {
    Accounts::new(database.clone(), Arc::new(NoPasswords), None)
}

/// Changes the quota as `tidegate user update --quota-size 5` does.
async fn change_quota(accounts: &Accounts, by: &Author) -> User {
    let mut draft = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
    draft.set("quota_size", json!(5));
    accounts.update(draft, OnConflict::Merge, by).await.unwrap()
}

#[tokio::test]
async fn a_change_costs_one_look_and_one_transaction() {
    let (_directory, path) = file();
    let database = Arc::new(SqliteDatabase::open(&path).unwrap());
    let accounts = accounts(&database);
    accounts.add(AccountDraft::of(&user("alice")), &author()).await.unwrap();
    let statements = Arc::new(Mutex::new(Vec::new()));
    trace(&database, {
        let statements = statements.clone();
        move |sql| statements.lock().unwrap().push(sql.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
    });
    assert_eq!(change_quota(&accounts, &author()).await.quota_size, 5);
    assert_eq!(
        *statements.lock().unwrap(),
        [
            "SELECT id, revision,",
            "BEGIN IMMEDIATE",
            "UPDATE users SET",
            "DELETE FROM account_references",
            "INSERT INTO audit",
            "DELETE FROM audit",
            "INSERT INTO account_changes",
            "DELETE FROM account_changes",
            "COMMIT",
        ]
    );
}

/// Copies the database as a process that dies now would leave it on disk.
fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        if name(from).exists() {
            std::fs::copy(name(from), name(to)).unwrap();
        }
    }
}

/// The account's quota, `None` if the account does not exist, and the numbers of audit records and
/// of announcements.
async fn state(path: &Path) -> (Option<i64>, usize, i64) {
    let database = SqliteDatabase::open(path).unwrap();
    let found = database.find(&USERS, "alice").await.unwrap();
    let quota = found.map(|stored| stored.document["quota_size"].as_i64().unwrap());
    let records = database.audit(AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap().len();
    let ChangeToken(announced) = database.changes(None).await.unwrap().next;
    (quota, records, announced.parse().unwrap())
}

#[tokio::test]
async fn a_crash_between_two_steps_leaves_all_or_nothing() {
    // A9-06
    let (directory, path) = file();
    let database = Arc::new(SqliteDatabase::open(&path).unwrap());
    let images = Arc::new(Mutex::new(0));
    let image = |number: usize| directory.path().join(format!("image{number}.db"));
    trace(&database, {
        let (images, path, directory) = (images.clone(), path.clone(), directory.path().to_owned());
        move |_| {
            let mut images = images.lock().unwrap();
            copy(&path, &directory.join(format!("image{images}.db")));
            *images += 1;
        }
    });
    let accounts = accounts(&database);
    let hook = Author::new("alice", Door::Hook);
    accounts.add(AccountDraft::of(&user("alice")), &author()).await.unwrap();
    change_quota(&accounts, &author()).await;
    let mut draft = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
    draft.set("quota_size", json!(7));
    // A hook's change is not announced.
    accounts.update(draft, OnConflict::Merge, &hook).await.unwrap();
    accounts.delete("alice", &author()).await.unwrap();
    let number = *images.lock().unwrap();
    copy(&path, &image(number));
    // Quota, records and announcements, after each change.
    let whole = [(None, 0, 0), (Some(0), 1, 1), (Some(5), 2, 2), (Some(7), 3, 2), (None, 4, 3)];
    let mut seen = Vec::new();
    for number in 0..=number {
        let state = state(&image(number)).await;
        assert!(whole.contains(&state), "image {number}: {state:?}");
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    assert_eq!(seen, whole, "in {number} steps");
    assert!(number > 20, "in {number} steps");
}
