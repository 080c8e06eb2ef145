//! Several writers at once, each with its own handle of the store.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tidegate_core::account::{
    AccountDraft, AccountError, AccountWrite, CredentialRule, ObjectKind, ObjectWriting, OnConflict, PlannedChanges,
};
use tidegate_core::ports::{
    ADMINS, AccountKey, Author, Change, Door, PageRequest, StoreError, StoredDocument, Stores, USERS, Write,
};
use tidegate_core::turns::Waiter;

use super::{Adapter, add, author, change, commit, document, find, user};

const FIELDS: [&str; 7] =
    ["max_sessions", "quota_size", "quota_files", "upload_bandwidth", "download_bandwidth", "uid", "gid"];
/// Each writer has one of the fields; the last one is raised by all of them.
const WRITERS: usize = 4;
const SHARED: &str = "gid";
/// The commits of each writer; each changes every second account.
const ROUNDS: usize = 125;
/// How many changes all writers make, unless [`CHANGES`] says another number.
const FEW_CHANGES: usize = 4_000;
/// `tests/stores` sets it.
const CHANGES: &str = "TESTS_CHANGES";

pub async fn two_writers_lose_nothing(adapter: Adapter) {
    // A9-06
    adapter.accounts().add(AccountDraft::of(&user("alice")), &author()).await.unwrap();
    let barrier = Arc::new(tokio::sync::Barrier::new(FIELDS.len()));
    let change = |field: &'static str| {
        let (accounts, barrier) = (adapter.accounts(), barrier.clone());
        async move {
            // Each draft is made from the document before any of the changes.
            let mut draft = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
            barrier.wait().await;
            draft.set(field, json!(7));
            accounts.update(draft, OnConflict::Merge, &author()).await.unwrap()
        }
    };
    let tasks: Vec<_> = FIELDS.into_iter().map(|field| tokio::spawn(change(field))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let found = adapter.accounts().find("alice").await.unwrap().unwrap();
    assert_eq!((found.max_sessions, found.quota_size, found.quota_files), (7, 7, 7));
    assert_eq!((found.upload_bandwidth, found.download_bandwidth, found.uid, found.gid), (7, 7, 7, 7));
    assert_eq!(found.revision, 7);

    // A hook's answer that was made while an administrator disables the account.
    let (hook, admin) = (adapter.accounts(), adapter.accounts());
    let stored = Arc::new(found);
    let mut draft = AccountDraft::of(&stored);
    draft.merge_json(r#"{"filters":{"max_upload_file_size":5}}"#).unwrap();
    let attempt = Waiter { address: None, account: "alice" };
    let write = hook.prepare_from_hook(draft, attempt, Some(&stored), None).await.unwrap();
    let mut closed = AccountDraft::of_stored(admin.stored("alice").await.unwrap().unwrap());
    closed.set("status", json!(0));
    admin.update(closed, OnConflict::Merge, &author()).await.unwrap();
    let committed = hook.commit_from_hook(write, &Author::new("alice", Door::Hook)).await.unwrap();
    assert!(!committed.enabled && committed.filters.max_upload_file_size.most() == Some(5));
}

/// Raises two numbers of each of these accounts in one change, however often another writer is first.
async fn raise(store: &dyn Stores, names: Vec<String>, own: &'static str) {
    loop {
        let found = store.find_all(&USERS, names.clone()).await.unwrap();
        assert_eq!(found.len(), names.len());
        let changes = found.into_iter().map(|StoredDocument { name, version: expected, mut document, .. }| {
            for field in [own, SHARED] {
                let number = number(&document, field);
                document.insert(field.to_owned(), json!(number + 1));
            }
            change(&name, Write::Replace { document, expected, reset: Vec::new() })
        });
        match store.commit(changes.collect()).await {
            Ok(_) => return,
            Err(StoreError::Conflict(_) | StoreError::Busy(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn number(document: &Map<String, Value>, field: &str) -> i64 {
    document.get(field).and_then(Value::as_i64).unwrap_or(0)
}

pub async fn no_change_of_thousands_by_four_writers_is_lost(adapter: Adapter) {
    // A9-06
    let changes = std::env::var(CHANGES).map_or(FEW_CHANGES, |changes| changes.parse().unwrap());
    let accounts = changes * 2 / (WRITERS * ROUNDS);
    let store = adapter.open();
    let names: Vec<String> = (0..accounts).map(|number| format!("user{number:03}")).collect();
    store.commit(names.iter().map(|name| change(name, Write::Add(document("/srv/home")))).collect()).await.unwrap();
    let barrier = Arc::new(tokio::sync::Barrier::new(WRITERS));
    let write = |(writer, own): (usize, &'static str)| {
        let (store, barrier, names) = (adapter.open(), barrier.clone(), names.clone());
        async move {
            barrier.wait().await;
            for round in 0..ROUNDS {
                let some = names.iter().skip((writer + round) % 2).step_by(2).cloned().collect();
                raise(&*store, some, own).await;
            }
        }
    };
    let tasks: Vec<_> = FIELDS.into_iter().take(WRITERS).enumerate().map(|own| tokio::spawn(write(own))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut made = 0;
    for stored in adapter.open().find_all(&USERS, names).await.unwrap() {
        let all = number(&stored.document, SHARED);
        let own: i64 = FIELDS.into_iter().take(WRITERS).map(|field| number(&stored.document, field)).sum();
        assert_eq!((own, stored.version.revision), (all, all), "{}", stored.name);
        made += all;
    }
    assert_eq!(made, i64::try_from(changes).unwrap());
}

pub async fn a_whole_document_is_refused_after_another_change(adapter: Adapter) {
    let (accounts, other) = (adapter.accounts(), adapter.accounts());
    accounts.add(AccountDraft::of(&user("alice")), &author()).await.unwrap();
    let drafts = [&accounts, &other].map(|accounts| accounts.stored("alice"));
    let [mut mine, mut theirs] = [AccountDraft::default(), AccountDraft::default()];
    for (draft, stored) in [&mut mine, &mut theirs].into_iter().zip(drafts) {
        *draft = AccountDraft::of_stored(stored.await.unwrap().unwrap());
    }
    theirs.set("uid", json!(5));
    other.update(theirs, OnConflict::Refuse, &author()).await.unwrap();
    mine.set("gid", json!(6));
    let refused = accounts.update(mine.clone(), OnConflict::Refuse, &author()).await;
    assert_eq!(refused, Err(AccountError::Store(StoreError::Conflict(USERS.object("alice")))));
    let merged = accounts.update(mine, OnConflict::Merge, &author()).await.unwrap();
    assert_eq!((merged.uid, merged.gid, merged.revision), (5, 6, 2));
    // After it was deleted and added again, it is another account.
    let mut late = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
    other.delete("alice", &author()).await.unwrap();
    late.set("uid", json!(9));
    let gone = accounts.update(late.clone(), OnConflict::Merge, &author()).await;
    assert_eq!(gone, Err(AccountError::Store(StoreError::NotFound(USERS.object("alice")))));
    other.add(AccountDraft::of(&user("alice")), &author()).await.unwrap();
    assert!(accounts.update(late, OnConflict::Refuse, &author()).await.is_err());
}

pub async fn a_one_time_code_is_good_once(adapter: Adapter) {
    // B4-02
    let store = adapter.open();
    let version = add(&*store, "alice").await;
    let key = AccountKey { username: "alice".into(), id: version.id };
    let barrier = Arc::new(tokio::sync::Barrier::new(8));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, barrier, key) = (adapter.open(), barrier.clone(), key.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                store.use_code(&key, 100).await.unwrap()
            })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += usize::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
    // Not after a restart, and neither is an earlier one.
    let used = async |step: i64| adapter.open().use_code(&key, step).await.unwrap();
    assert_eq!((used(100).await, used(99).await), (false, false));
    // A change of the account does not bring it back.
    let write = Write::Replace { document: document("/srv/new"), expected: version, reset: Vec::new() };
    commit(&*store, "alice", write).await.unwrap();
    assert_eq!((used(100).await, used(101).await, used(101).await), (false, true, false));
    assert!(!find(&*store, "alice").await.document.contains_key("last_code_step"));
    let other = AccountKey { id: version.id + 1, ..key.clone() };
    assert!(!store.use_code(&other, 200).await.unwrap());
    let missing = AccountKey { username: "bob".into(), id: version.id };
    assert!(!store.use_code(&missing, 200).await.unwrap());
    // Steps of a deleted account are not those of a new one of its name.
    commit(&*store, "alice", Write::Delete { expected: None }).await.unwrap();
    let added = add(&*store, "alice").await;
    assert!(!store.use_code(&key, 200).await.unwrap());
    assert!(store.use_code(&AccountKey { id: added.id, ..key.clone() }, 100).await.unwrap());
}

pub async fn a_first_login_twice_at_once_makes_one_account(adapter: Adapter) {
    let hook = Author::new("alice", Door::Hook);
    let logins: Vec<_> = (0..4)
        .map(|number| {
            let (accounts, hook) = (adapter.accounts(), hook.clone());
            tokio::spawn(async move {
                let mut draft = AccountDraft::of(&user("alice"));
                draft.set("description", json!(format!("made by login {number}")));
                let made = draft.validate(CredentialRule::Optional).unwrap().account;
                accounts.commit_from_hook(AccountWrite::Insert(made), &hook).await.unwrap().id
            })
        })
        .collect();
    let mut ids = Vec::new();
    for login in logins {
        ids.push(login.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

pub async fn what_another_writer_refers_to_is_not_deleted(adapter: Adapter) {
    // C5-02, B9-04
    let (accounts, store) = (adapter.accounts(), adapter.open());
    for (kind, fields) in [
        (ObjectKind::Folder, json!({"virtual_folders": [{"name": "x", "virtual_path": "/x"}]})),
        (ObjectKind::Group, json!({"groups": [{"name": "x", "type": 1}]})),
        (ObjectKind::Role, json!({"role": "x"})),
    ] {
        let object = json!({"name": "x", "mapped_path": "/srv/x", "user_settings": {}});
        let document = kind.merged(Default::default(), object.as_object().unwrap()).unwrap();
        let (name, document) = kind.validated(document).unwrap();
        let (author, collection) = (author(), kind.collection());
        let writing = ObjectWriting { directory: &*store, author: &author, now: 1 };
        let changes = writing.changes(kind, &name, document, None, &PlannedChanges::default()).await.unwrap();
        store.commit(changes).await.unwrap();
        let stored = store.find(collection, "x").await.unwrap().unwrap();
        // One writer has searched, the other adds an account, and then the first deletes.
        assert!(writing.references(kind, "x").await.unwrap().is_empty());
        let mut draft = AccountDraft::of(&user("alice"));
        draft.merge_json(&fields.to_string()).unwrap();
        accounts.add(draft, &author).await.unwrap();
        let deleted = store.commit(writing.deletion(kind, &stored)).await;
        assert_eq!(deleted, Err(StoreError::Conflict(collection.object("x"))), "{kind:?}");
        assert!(store.find(collection, "x").await.unwrap().is_some());
        accounts.delete("alice", &author).await.unwrap();
        store.commit(writing.deletion(kind, &stored)).await.unwrap();
        assert_eq!(store.find(collection, "x").await.unwrap(), None);
    }
}

/// Adds an administrator, if there is none; whether it is the first.
async fn add_first(store: &dyn Stores, name: &str) -> bool {
    loop {
        let document = Map::from_iter([("status".to_owned(), json!(1))]);
        let changes = [Write::RequireEmpty, Write::Add(document)].map(|write| Change {
            collection: &ADMINS,
            name: name.to_owned(),
            write,
            announce: false,
            audit: None,
        });
        match store.commit(changes.into()).await {
            Ok(versions) => {
                assert_eq!((versions.len(), versions[0].id, versions[1].revision), (2, 0, 0));
                return true;
            }
            Err(StoreError::Conflict(object)) => {
                assert_eq!(object, ADMINS.object(name));
                return false;
            }
            Err(StoreError::Busy(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

pub async fn of_several_writers_one_adds_the_first_document(adapter: Adapter) {
    const RACERS: usize = 8;
    let store = adapter.open();
    // Other collections do not count.
    add(&*store, "alice").await;
    for round in 0..3 {
        let barrier = Arc::new(tokio::sync::Barrier::new(RACERS));
        let race = |number: usize| {
            let (store, barrier) = (adapter.open(), barrier.clone());
            async move {
                barrier.wait().await;
                add_first(&*store, &format!("admin{number}")).await
            }
        };
        let tasks: Vec<_> = (0..RACERS).map(|number| tokio::spawn(race(number))).collect();
        let mut first = 0;
        for task in tasks {
            first += usize::from(task.await.unwrap());
        }
        let page = PageRequest { limit: 100, ..PageRequest::default() };
        let stored = store.list(&ADMINS, page).await.unwrap();
        assert_eq!((first, stored.len()), (1, 1), "round {round}");
        assert!(!add_first(&*store, "late").await, "round {round}");
        let (name, write) = (stored[0].name.clone(), Write::Delete { expected: None });
        let delete = Change { collection: &ADMINS, name, write, announce: false, audit: None };
        store.commit(vec![delete]).await.unwrap();
    }
}

/// One writer wants none to be there, and another one does not ask.
pub async fn the_first_document_comes_before_those_of_others(adapter: Adapter) {
    async fn add_without_asking(store: &dyn Stores) {
        loop {
            let (name, write) = ("other".to_owned(), Write::Add(Map::from_iter([("status".to_owned(), json!(1))])));
            let add = Change { collection: &ADMINS, name, write, announce: false, audit: None };
            match store.commit(vec![add]).await {
                Ok(_) => return,
                Err(StoreError::Busy(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    let store = adapter.open();
    for round in 0..10 {
        let barrier = Arc::new(tokio::sync::Barrier::new(2));
        let (asking, at_start) = (adapter.open(), barrier.clone());
        let asking = tokio::spawn(async move {
            at_start.wait().await;
            add_first(&*asking, "first").await
        });
        let other = adapter.open();
        let other = tokio::spawn(async move {
            barrier.wait().await;
            add_without_asking(&*other).await;
        });
        let is_first = asking.await.unwrap();
        other.await.unwrap();
        let page = PageRequest { limit: 100, ..PageRequest::default() };
        let stored = store.list(&ADMINS, page).await.unwrap();
        let id = |name: &str| stored.iter().find(|stored| stored.name == name).map(|stored| stored.version.id);
        // Where both were added, the other one waited: it has the later number.
        let is_in_order =
            if is_first { id("first") < id("other") } else { id("first").is_none() && id("other").is_some() };
        assert!(is_in_order, "round {round}: {is_first} {:?} {:?}", id("first"), id("other"));
        for stored in &stored {
            let (name, write) = (stored.name.clone(), Write::Delete { expected: None });
            let delete = Change { collection: &ADMINS, name, write, announce: false, audit: None };
            store.commit(vec![delete]).await.unwrap();
        }
    }
}
