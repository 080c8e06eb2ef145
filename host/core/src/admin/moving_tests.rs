//! Loads of another server's documents, on a store in memory (G-14).

use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::{Map, Value, json};

use super::*;
use crate::account::{Dump, LoadOutcome, Loaded, ObjectKind};
use crate::memory::MemoryStore;
use crate::memory::outage::{Outage, State};
use crate::password::{PasswordError, PasswordHash};
use crate::ports::{Door, FOLDERS, Passwords, SystemClock, USERS};
use crate::secret::Secret;
use crate::turns::Waiter;

struct NoPasswords;

#[async_trait::async_trait]
impl Passwords for NoPasswords {
    async fn matches(&self, _: Waiter<'_>, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
        Ok(false)
    }

    async fn hash(&self, _: Waiter<'_>, _: &Secret) -> Result<PasswordHash, PasswordError> {
        Err(PasswordError::PoolClosed)
    }
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn user(more: Value) -> Map<String, Value> {
    let mut user = map(json!({"username": "u", "status": 1, "home_dir": "/srv/u", "permissions": {"/": ["*"]}}));
    user.extend(map(more));
    user
}

fn backups(store: &Arc<MemoryStore>) -> BackupAdministration {
    let accounts = Arc::new(Accounts::new(store.clone(), Arc::new(NoPasswords), None));
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    BackupAdministration {
        users: Arc::new(UserAdministration { accounts, audit: audit.clone() }),
        directory: store.clone(),
        usages: store.clone(),
        room: BackupRoom::default(),
        spools: Arc::new(crate::ports::SpoolsInMemory),
        audit,
    }
}

/// The outcomes of a load, and the store after it.
async fn load(dump: Dump) -> (Vec<LoadOutcome>, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::default());
    let backups = backups(&store);
    let root = Actor::local("root", Door::Socket);
    let (loaded, applied) = backups.load(&root, dump.clone(), false).await.unwrap();
    if applied {
        // What has moved in is the same the second time.
        let (again, _) = backups.load(&root, dump, false).await.unwrap();
        let is_settled = |loaded: &Loaded| matches!(loaded.outcome, LoadOutcome::Unchanged | LoadOutcome::Failed(_));
        assert!(again.iter().all(is_settled), "{again:?}");
    }
    (loaded.into_iter().map(|loaded| loaded.outcome).collect(), store)
}

#[tokio::test]
async fn what_is_not_served_is_stored_only_where_it_moves_in() {
    let elsewhere = json!({"provider": 2, "gcsconfig": {"bucket": "b", "credentials": "hush"}});
    let dump = Dump {
        users: vec![user(json!({
            "filesystem": elsewhere, "virtual_folders": [{"name": "f", "virtual_path": "/f"}], "groups": [{"name": "g", "type": 1}],
        }))],
        objects: vec![
            (ObjectKind::Folder, map(json!({"name": "f", "filesystem": elsewhere}))),
            (ObjectKind::Group, map(json!({"name": "g", "user_settings": {"filesystem": elsewhere}}))),
            (ObjectKind::Role, map(json!({"name": "r"}))),
        ],
        moves_in: true,
        ..Dump::default()
    };
    let (outcomes, store) = load(dump.clone()).await;
    assert_eq!(outcomes, vec![LoadOutcome::Added; 4]);
    let stored = store.find(&USERS, "u").await.unwrap().unwrap();
    assert_eq!(stored.document.get("filesystem"), Some(&elsewhere));
    let error = crate::account::find_user(&*store, "u").await.unwrap_err().to_string();
    assert!(error.contains("filesystem.provider") && error.contains("not supported"), "{error}");
    let folder = store.find(&FOLDERS, "f").await.unwrap().unwrap();
    assert_eq!(
        (folder.document.get("filesystem"), folder.document.get("mapped_path")),
        (Some(&elsewhere), Some(&json!("")))
    );
    let (outcomes, _) = load(Dump { moves_in: false, restores: true, ..dump.clone() }).await;
    assert_eq!(outcomes, vec![LoadOutcome::Added; 4]);
    let (outcomes, _) = load(Dump { moves_in: false, ..dump }).await;
    assert!(outcomes.iter().take(2).all(|outcome| matches!(outcome, LoadOutcome::Failed(_))), "{outcomes:?}");
}

#[tokio::test]
async fn a_bucket_that_cannot_be_used_as_described_moves_in_and_is_refused() {
    // A8-15
    for (secret, problem) in [("open", None), ("$aes$00$00", Some("filesystem.s3config.access_secret"))] {
        let s3 = json!({"provider": 1, "s3config": {"bucket": "b", "access_key": "k", "access_secret": secret}});
        let users = vec![user(json!({"filesystem": s3}))];
        let (outcomes, store) = load(Dump { users, objects: Vec::new(), moves_in: true, ..Dump::default() }).await;
        assert_eq!(outcomes, [LoadOutcome::Added], "{secret}");
        let found = crate::account::find_user(&*store, "u").await.map(drop).map_err(|error| error.to_string());
        match (found, problem) {
            (Ok(()), None) => {}
            (Err(error), Some(problem)) => assert!(error.contains(problem), "{error}"),
            (found, _) => panic!("{secret}: {found:?}"),
        }
    }
}

#[tokio::test]
async fn accounts_with_a_folder_elsewhere_are_refused() {
    let elsewhere = json!({"name": "f", "mapped_path": "/srv/f", "filesystem": {"provider": 4}});
    let dump = Dump {
        users: vec![user(json!({"virtual_folders": [{"name": "f", "virtual_path": "/f"}]}))],
        objects: vec![(ObjectKind::Folder, map(elsewhere))],
        moves_in: true,
        ..Dump::default()
    };
    let (_, store) = load(dump).await;
    let error = crate::account::find_user(&*store, "u").await.unwrap_err().to_string();
    assert!(error.contains("virtual_folders.0.filesystem.provider"), "{error}");
}

#[tokio::test]
async fn counters_of_the_other_server_are_kept_where_it_moves_in() {
    // A9-06
    let counted = json!({
        "used_quota_size": 50, "used_quota_files": 2, "last_quota_update": 9, "last_login": 8, "first_upload": 7,
        "used_upload_data_transfer": 6, "password": "$1$salt$hash",
    });
    for (moves_in, expected) in [(true, [50, 2, 9, 8, 7, 6]), (false, [0; 6])] {
        let folder = map(json!({"name": "f", "mapped_path": "/f", "used_quota_files": 3, "last_quota_update": 4}));
        let objects = vec![(ObjectKind::Folder, folder)];
        let (_, store) = load(Dump { users: vec![user(counted.clone())], objects, moves_in, ..Dump::default() }).await;
        let stored = store.find(&USERS, "u").await.unwrap().unwrap().document;
        let number = |field: &str| stored.get(field).and_then(Value::as_i64).unwrap_or(0);
        let names = ["used_quota_size", "used_quota_files", "last_quota_update", "last_login", "first_upload"];
        let mut found: Vec<_> = names.map(number).to_vec();
        found.push(number("used_upload_data_transfer"));
        assert_eq!(found, expected);
        let folder = store.find(&FOLDERS, "f").await.unwrap().unwrap().document;
        assert_eq!(folder.get("used_quota_files"), Some(&json!(if moves_in { 3 } else { 0 })));
    }
}

#[tokio::test]
async fn nothing_is_younger_for_having_been_loaded() {
    // A18-10, B9-04, C3-01: a password that had expired is not good again after a dump was restored.
    let of = |hash: &str, ages: Value| {
        let mut document = user(json!({ "password": hash }));
        document.extend(map(ages));
        document
    };
    let ages = |made: i64, changed: i64| json!({"created_at": made, "last_password_change": changed});
    for rules in
        [Dump::default(), Dump { restores: true, ..Dump::default() }, Dump { moves_in: true, ..Dump::default() }]
    {
        let store = Arc::new(MemoryStore::default());
        let backups = backups(&store);
        let root = Actor::local("root", Door::Socket);
        let load = async |document: Map<String, Value>| {
            let dump = Dump { users: vec![document], ..rules.clone() };
            let (loaded, is_stored) = backups.load(&root, dump, false).await.unwrap();
            assert!(is_stored, "{loaded:?}");
            let stored = store.find(&USERS, "u").await.unwrap().unwrap().document;
            ["created_at", "last_password_change"].map(|field| stored.get(field).and_then(Value::as_i64).unwrap_or(0))
        };
        assert_eq!(load(of("$1$a$b", ages(4, 5))).await, [4, 5]);
        // What is known here of the account and of its password stays.
        assert_eq!(load(of("$1$a$b", ages(6, 7))).await, [4, 5]);
        assert_eq!(load(of("$1$a$c", ages(6, 7))).await, [4, 7]);
        // A document that does not know the age has a new password.
        for unknown in [json!({}), ages(0, 0)] {
            let hash = format!("$1$a${}", unknown.as_object().map_or(0, Map::len));
            let [made, changed] = load(of(&hash, unknown)).await;
            assert!(made == 4 && changed > 7, "{made} {changed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn counters_wait_for_a_store_that_is_away() {
    // The store is away for the usage, or for the volumes of an account that was never counted.
    for (away, counted_at) in
        [State::Away, State::Silent, State::Locked].into_iter().flat_map(|away| [(away, 5), (away, 0)])
    {
        let store = Arc::new(MemoryStore::default());
        let outage = Outage::of(store.clone());
        let backups = BackupAdministration { usages: outage.clone(), ..backups(&store) };
        let counted = json!({
            "used_quota_size": 50, "last_quota_update": counted_at,
            "used_upload_data_transfer": 9, "used_download_data_transfer": 8,
        });
        let dump = Dump { users: vec![user(counted)], objects: Vec::new(), moves_in: true, ..Dump::default() };
        let root = Actor::local("root", Door::Socket);
        outage.becomes(away);
        let mut loading = Box::pin(backups.load(&root, dump, false));
        assert!(loading.as_mut().now_or_never().is_none(), "{away:?}, {counted_at}");
        outage.becomes(State::Here);
        loading.await.unwrap();
        let document = store.find(&USERS, "u").await.unwrap().unwrap().document;
        let number = |field: &str| document.get(field).and_then(Value::as_i64).unwrap_or(0);
        let usage = if counted_at > 0 { 50 } else { 0 };
        let fields = ["used_quota_size", "used_upload_data_transfer", "used_download_data_transfer"];
        assert_eq!(fields.map(number), [usage, 9, 8], "{away:?}, {counted_at}");
    }
}

#[tokio::test]
async fn an_account_without_a_credential_moves_in() {
    // A8-02
    let of = |moves_in| Dump { users: vec![user(json!({}))], objects: Vec::new(), moves_in, ..Dump::default() };
    assert_eq!(load(of(true)).await.0, [LoadOutcome::Added]);
    assert_eq!(load(Dump { restores: true, ..of(false) }).await.0, [LoadOutcome::Added]);
    assert!(matches!(load(of(false)).await.0.as_slice(), [LoadOutcome::Failed(_)]));
}

#[tokio::test]
async fn a_restored_account_does_not_lose_a_restriction_that_is_not_known() {
    // A18-10
    let users = vec![user(json!({"filters": {"brand_new": ["x"]}}))];
    let (outcomes, store) = load(Dump { users, restores: true, ..Dump::default() }).await;
    assert_eq!(outcomes, [LoadOutcome::Added]);
    let stored = store.find(&USERS, "u").await.unwrap().unwrap();
    assert_eq!(stored.document.get("status"), Some(&json!(0)));
}

#[tokio::test]
async fn a_loaded_account_with_a_restriction_that_is_not_known_is_refused() {
    // A18-10
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    for (filters, is_loaded) in [
        (json!({"brand_new": ["x"]}), false),
        (json!({"brand_new": true}), false),
        (json!({"brand_new": [], "other": false}), true),
    ] {
        let (outcomes, store) =
            load(Dump { users: vec![user(json!({"filters": filters, "public_keys": [key]}))], ..Dump::default() })
                .await;
        assert_eq!(outcomes == [LoadOutcome::Added], is_loaded, "{filters} {outcomes:?}");
        assert_eq!(store.find(&USERS, "u").await.unwrap().is_some(), is_loaded, "{filters}");
    }
}

#[tokio::test]
async fn an_account_does_not_lose_what_its_groups_demand() {
    // B9-04
    let check = async |groups: Value, is_loaded: bool| {
        let restricting = map(json!({"name": "g", "user_settings": {"filters": {"denied_ip": ["0.0.0.0/0"]}}}));
        let objects = vec![(ObjectKind::Group, restricting)];
        let users = vec![user(json!({"groups": groups, "created_at": 4}))];
        let (outcomes, store) = load(Dump { users, objects, moves_in: true, ..Dump::default() }).await;
        assert_eq!(outcomes.iter().all(|outcome| *outcome == LoadOutcome::Added), is_loaded, "{groups} {outcomes:?}");
        let stored = store.find(&USERS, "u").await.unwrap();
        // Groups may let accounts expire some days after they were made.
        assert_eq!(stored.and_then(|stored| stored.document.get("created_at").cloned()), is_loaded.then(|| json!(4)));
    };
    check(json!([{"name": "g", "type": 1}]), true).await;
    check(json!([{"name": "g", "type": 2}, {"name": "h", "type": 3}]), true).await;
    check(json!([{"name": "h", "type": 2}]), false).await;
    check(json!([{"name": "g", "type": 1}, {"name": "h", "type": 2}]), false).await;
    check(json!([{"name": "g"}]), false).await;
    check(json!([{"name": "g", "type": 0}]), false).await;
}

#[tokio::test]
async fn documents_of_all_parts_are_told_apart() {
    // A18-11
    let named = |number: usize| user(json!({"username": format!("u{number}"), "groups": [{"name": "g", "type": 2}]}));
    let group = |home: &str| (ObjectKind::Group, map(json!({"name": "g", "user_settings": {"home_dir": home}})));
    let many = |skips_invalid: bool, home: &str, last: Map<String, Value>| {
        let users = (0..1100).map(named).chain([last]).collect();
        Dump { users, objects: vec![group(home)], restores: true, skips_invalid, ..Dump::default() }
    };
    let failed = |outcomes: &[LoadOutcome]| {
        let failed = outcomes.iter().enumerate().filter(|(_, one)| matches!(one, LoadOutcome::Failed(_)));
        failed.map(|(index, _)| index).collect::<Vec<_>>()
    };
    for (last, skips, stored) in [
        (named(0), false, 0),
        (map(json!({"status": 1})), false, 0),
        (map(json!({"status": 1})), true, 1100),
        (named(1100), false, 1101),
    ] {
        let (outcomes, store) = load(many(skips, "", last)).await;
        assert_eq!(outcomes.len(), 1102);
        let expected = if stored == 1101 { Vec::new() } else { vec![1101] };
        assert_eq!(failed(&outcomes), expected, "{:?}", outcomes.last());
        assert_eq!(store.texts(&USERS, "home_dir").await.unwrap().len(), stored);
    }
    // What refers to a group that stays behind does so, too, in whatever part it is.
    let (outcomes, store) = load(many(true, "relative", user(json!({"username": "alone"})))).await;
    assert_eq!(failed(&outcomes).len(), 1101, "{:?}", outcomes.first());
    assert_eq!(store.texts(&USERS, "home_dir").await.unwrap().len(), 1);
}
