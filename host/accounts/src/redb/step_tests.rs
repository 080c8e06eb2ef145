//! What is stored when the process dies, or the power is cut, between any two steps of a change.

use std::sync::Arc;

use serde_json::json;
use tidegate_core::account::{AccountDraft, Accounts, OnConflict};
use tidegate_core::ports::{
    AccountKey, AuditQuery, AuditStore, Author, ChangeToken, Directory, Door, PluginStore, USERS,
};

use super::test_disk::Disk;
use crate::conformance::{NoPasswords, add, author, user};

/// The account's quota, `None` if the account does not exist, and the numbers of audit records and
/// of announcements.
async fn state(file: Vec<u8>) -> (Option<i64>, usize, i64) {
    let database = Disk::of(file).open().unwrap();
    let found = database.find(&USERS, "alice").await.unwrap();
    let quota = found.map(|stored| stored.document["quota_size"].as_i64().unwrap());
    let records = database.audit(AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap().len();
    let ChangeToken(announced) = database.changes(None).await.unwrap().next;
    (quota, records, announced.parse().unwrap())
}

#[tokio::test]
async fn a_crash_between_two_steps_leaves_all_or_nothing() {
    let disk = Disk::default();
    let database = Arc::new(disk.open().unwrap());
    let accounts = Accounts::new(database.clone(), Arc::new(NoPasswords), None);
    disk.platter().crashes = Some(Vec::new());
    let acknowledge = || disk.platter().acknowledged += 1;
    let change = async |quota: i64, by: &Author| {
        let mut draft = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
        draft.set("quota_size", json!(quota));
        accounts.update(draft, OnConflict::Merge, by).await.unwrap();
        acknowledge();
    };
    accounts.add(AccountDraft::of(&user("alice")), &author()).await.unwrap();
    acknowledge();
    change(5, &author()).await;
    // A hook's change is not announced.
    change(7, &Author::new("alice", Door::Hook)).await;
    accounts.delete("alice", &author()).await.unwrap();
    acknowledge();
    // Quota, records and announcements, after each change.
    let whole = [(None, 0, 0), (Some(0), 1, 1), (Some(5), 2, 2), (Some(7), 3, 2), (None, 4, 3)];
    let crashes = disk.platter().crashes.take().unwrap();
    let steps = crashes.len();
    let mut seen = Vec::new();
    for (number, crash) in crashes.into_iter().enumerate() {
        for (kind, file) in crash.files.into_iter().enumerate() {
            let state = state(file).await;
            let position = whole.iter().position(|whole| *whole == state);
            let position = position.unwrap_or_else(|| panic!("step {number}, crash {kind}: {state:?}"));
            assert!(position >= crash.acknowledged, "step {number}, crash {kind}: {state:?} after it was acknowledged");
            if kind == 0 && seen.last() != Some(&state) {
                seen.push(state);
            }
        }
    }
    let end = disk.platter().acknowledged;
    assert_eq!((seen.as_slice(), end), (&whole[..seen.len()], 4), "in {steps} steps");
    assert!(seen.len() >= 4 && steps > 20, "{} states in {steps} steps", seen.len());
}

#[tokio::test]
async fn a_confirmed_value_of_a_plugin_is_there_after_a_power_cut() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    disk.platter().crashes = Some(Vec::new());
    for _ in 0..5 {
        database.increment("p", "n", 1, None).await.unwrap();
        disk.platter().acknowledged += 1;
    }
    let crashes = disk.platter().crashes.take().unwrap();
    for (number, crash) in crashes.into_iter().enumerate() {
        for file in crash.files {
            let found = Disk::of(file).open().unwrap().get("p", "n").await.unwrap();
            let counted: usize = found.map_or(0, |text| String::from_utf8(text).unwrap().parse().unwrap());
            let expected = crash.acknowledged..=crash.acknowledged + 1;
            assert!(expected.contains(&counted), "step {number}: {counted} of {}", crash.acknowledged);
        }
    }
}

#[tokio::test]
async fn many_logins_are_one_change() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    let mut accounts = Vec::new();
    for number in 0..50 {
        let username = format!("user{number}");
        accounts.push(AccountKey { id: add(&database, &username).await.id, username });
    }
    disk.platter().crashes = Some(Vec::new());
    for account in &accounts {
        database.record_login(account, 1234).await.unwrap();
        let found = database.find(&USERS, &account.username).await.unwrap().unwrap();
        assert_eq!(found.document["last_login"], 1234);
    }
    // What waits is stored when the database is closed.
    drop(database);
    let steps = disk.platter().crashes.take().unwrap().len();
    assert!(steps < 300, "{steps} steps for {} logins", accounts.len());
    let database = disk.open().unwrap();
    for account in &accounts {
        let found = database.find(&USERS, &account.username).await.unwrap().unwrap();
        assert_eq!(found.document["last_login"], 1234, "{}", account.username);
    }
}
