//! Adding and changing accounts, on a store in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::account::{Dump, LoadOutcome, ObjectKind, Usage};
use crate::memory::MemoryStore;
use crate::ports::{Spool, SpooledText, TextInMemory};
use crate::secret::Secret;

/// A pool whose hash is the password with a prefix, and in which none matches. It can check none that ends with "cut".
struct PaperPasswords;

#[async_trait]
impl Passwords for PaperPasswords {
    async fn matches(&self, _: Waiter<'_>, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
        Ok(false)
    }
    async fn hash(&self, _: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        PasswordHash::recognise(&format!("$1${}", clear.expose())).ok_or(PasswordError::PoolClosed)
    }
    fn can_check(&self, hash: &PasswordHash) -> bool {
        !hash.expose().ends_with("cut")
    }
}

fn accounts(users_base_dir: &str) -> Accounts {
    Accounts::new(Arc::new(MemoryStore::default()), Arc::new(PaperPasswords), Some(users_base_dir.to_owned()))
}

async fn add(accounts: &Accounts, draft: AccountDraft) -> Result<User, AccountError> {
    accounts.add(draft, &Author::system()).await
}

fn draft(username: &str, more: &str) -> AccountDraft {
    let mut draft = AccountDraft::from_json(r#"{"permissions":{"/":["*"]},"password":"pw"}"#).unwrap();
    draft.set("username", serde_json::json!(username));
    draft.merge_json(more).unwrap();
    draft
}

#[tokio::test]
async fn a_home_is_a_directory_of_its_own_in_the_base() {
    // A3-39
    let accounts = accounts("/srv/homes/");
    for (username, expected) in [
        ("alice", Some("/srv/homes/alice")),
        ("a.b", Some("/srv/homes/a.b")),
        ("...", Some("/srv/homes/...")),
        (".", None),
        ("..", None),
        ("alice/inside", None),
        ("/", None),
        ("../alice", None),
    ] {
        let added = add(&accounts, draft(username, "{}")).await.ok().map(|account| account.home_dir.clone());
        assert_eq!(added.as_deref(), expected, "{username}");
        let from_hook = accounts.prepare_from_hook(draft(username, "{}"), Waiter::SERVER, None, None).await;
        assert_eq!(from_hook.ok().map(|write| write.user().home_dir.clone()).as_deref(), expected, "{username}");
    }
    // A home in the document counts, whatever the name is.
    assert!(add(&accounts, draft(".", r#"{"home_dir":"/srv/dot"}"#)).await.is_ok());
}

#[tokio::test]
async fn it_is_known_how_old_a_password_is() {
    // C3-01
    let accounts = accounts("/srv");
    let added = add(&accounts, draft("alice", "{}")).await.unwrap();
    assert!(added.last_password_change().is_some());
    let made = accounts.prepare_from_hook(draft("bob", "{}"), Waiter::SERVER, None, None).await.unwrap();
    assert!(made.user().last_password_change().is_some());
    // The time in a hook's answer is not used.
    let said = draft("bob", r#"{"last_password_change":4102444800000,"password":""}"#);
    let made = accounts.prepare_from_hook(said, Waiter::SERVER, None, None).await.unwrap();
    assert_eq!(made.user().last_password_change(), None);
}

#[tokio::test]
async fn it_is_known_how_old_an_account_is() {
    // B9-04: the days of a group's `expires_in` count from here.
    let accounts = accounts("/srv");
    let added = add(&accounts, draft("alice", "{}")).await.unwrap();
    let made = accounts.prepare_from_hook(draft("bob", "{}"), Waiter::SERVER, None, None).await.unwrap();
    for user in [&added, made.user()] {
        assert!(user.other.get("created_at").and_then(serde_json::Value::as_i64).is_some_and(|at| at > 0));
    }
}

#[tokio::test]
async fn it_is_known_when_an_account_was_disabled() {
    let accounts = accounts("/srv");
    let disabled_at = async |patch: &str| {
        let mut draft = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
        draft.merge_json(patch).unwrap();
        let user = accounts.update(draft, OnConflict::Refuse, &Author::system()).await.unwrap();
        user.other.get("disabled_at").and_then(serde_json::Value::as_i64).unwrap_or(0)
    };
    add(&accounts, draft("alice", r#"{"status":1}"#)).await.unwrap();
    assert_eq!(disabled_at(r#"{"description":"x"}"#).await, 0);
    // No document from outside sets it.
    assert_eq!(disabled_at(r#"{"disabled_at":7}"#).await, 0);
    let at = disabled_at(r#"{"status":0}"#).await;
    assert!(at > 0);
    assert_eq!(disabled_at(r#"{"status":1,"disabled_at":7}"#).await, at);
}

#[tokio::test]
async fn the_password_of_a_login_is_stored_unless_the_hook_forgets_it() {
    // A11-22
    let accounts = accounts("/srv");
    for forgets in [false, true] {
        let mut from_hook = draft("carol", r#"{"password":""}"#);
        if forgets {
            from_hook.forget_presented_password();
        }
        let attempt = Waiter { account: "carol", ..Waiter::SERVER };
        let presented = Secret::new("pw");
        let made = accounts.prepare_from_hook(from_hook, attempt, None, Some(&presented)).await.unwrap();
        assert_eq!(made.user().password.is_none(), forgets);
    }
}

#[tokio::test]
async fn a_locked_password_is_none() {
    // A8-11
    let accounts = accounts("/srv");
    for (number, locked) in ["!", "*", "!!", "*LK*", "!$6$salt$hash", "!{SSHA}x"].into_iter().enumerate() {
        let draft = draft(&format!("alice{number}"), &format!(r#"{{"password":"{locked}"}}"#));
        let account = add(&accounts, draft).await.unwrap();
        assert_eq!(account.password, None, "{locked}");
    }
    for unknown in ["{SHA}x", "{CRYPT}$6$salt$hash", "$argon2i$v=19$x", "pbkdf2_sha256$1000$salt$YWJj"] {
        let refused = add(&accounts, draft("alice", &format!(r#"{{"password":"{unknown}"}}"#))).await.unwrap_err();
        assert!(refused.to_string().contains("looks like a hash of the kind"), "{unknown}: {refused}");
    }
    assert!(add(&accounts, draft("alice", r#"{"password":""}"#)).await.is_err());
}

#[tokio::test]
async fn a_hash_that_cannot_be_checked_is_not_taken() {
    // A8-11
    let accounts = accounts("/srv");
    let author = Author::system();
    let is_refused = |outcome: Result<User, AccountError>, case: &str| match outcome {
        Err(AccountError::Invalid(error)) => assert_eq!(error.field, "password", "{case}"),
        other => panic!("{case}: {other:?}"),
    };
    let cut = || draft("alice", r#"{"password":"$2a$10$cut"}"#);
    is_refused(add(&accounts, cut()).await, "add");
    add(&accounts, draft("alice", "{}")).await.unwrap();
    is_refused(accounts.update(cut(), OnConflict::Merge, &author).await, "update");
    let dump = |restores| Dump { users: vec![cut().document], restores, ..Dump::default() };
    for is_trial in [true, false] {
        let (loaded, applied) = accounts.load(dump(false), is_trial, &author).await.unwrap();
        let LoadOutcome::Failed(problem) = &loaded[0].outcome else { panic!("{loaded:?}") };
        assert!(!applied && problem.contains("cannot be checked"), "{problem}");
    }
    // What was stored before can be restored, and changed but for it.
    assert!(accounts.load(dump(true), false, &author).await.unwrap().1);
    let mut other = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
    other.set("description", serde_json::json!("x"));
    accounts.update(other, OnConflict::Merge, &author).await.unwrap();
}

#[tokio::test]
async fn what_is_loaded_again_changes_nothing() {
    let object = |value: Value| value.as_object().cloned().unwrap();
    let folder = |name: &str, more: Value| {
        let mut folder = object(serde_json::json!({"name": name}));
        folder.extend(object(more));
        (ObjectKind::Folder, folder)
    };
    let bucket = serde_json::json!({"mapped_path": "", "filesystem": {"provider": 1, "s3config": {"bucket": "b"}}});
    let folders =
        || vec![folder("here", serde_json::json!({"mapped_path": "/srv/here"})), folder("there", bucket.clone())];
    let entries = r#"{"virtual_folders":[{"name":"here","virtual_path":"/h"},{"name":"there","virtual_path":"/t"}]}"#;
    let named = entries.replace(r#""here","#, r#""here","mapped_path":"/srv/here","#);
    for entries in [entries, named.as_str()] {
        let accounts = accounts("/srv/homes");
        let user = draft("alice", entries).document;
        let user = || Map::from_iter(user.clone().into_iter().chain([("password".to_owned(), Value::from("$1$a$b"))]));
        let load = async |users: Vec<Map<String, Value>>, restores: bool| {
            let dump = Dump { users, objects: folders(), restores, ..Dump::default() };
            let (loaded, applied) = accounts.load(dump, false, &Author::system()).await.unwrap();
            assert!(applied, "{loaded:?}");
            loaded.into_iter().map(|loaded| loaded.outcome).collect::<Vec<_>>()
        };
        assert_eq!(load(vec![user()], false).await, [LoadOutcome::Added, LoadOutcome::Added, LoadOutcome::Added]);
        let stored = accounts.stored("alice").await.unwrap().unwrap().document;
        for (users, restores) in [(vec![user()], false), (vec![stored], true)] {
            let outcomes = load(users, restores).await;
            assert!(outcomes.iter().all(|outcome| *outcome == LoadOutcome::Unchanged), "{entries} {outcomes:?}");
        }
    }
}

/// A text that only tasks read, and how often they did.
#[derive(Default)]
struct ForTasks {
    text: TextInMemory,
    fetched: Arc<AtomicUsize>,
}

impl SpooledText for ForTasks {
    fn length(&self) -> u64 {
        self.text.length()
    }
    fn read(&self, from: u64, _: usize) -> Result<Vec<u8>, StoreError> {
        panic!("a task waits for a disk, at {from}")
    }
}

#[async_trait]
impl Spool for ForTasks {
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.text.append(bytes).await
    }
    async fn fetch(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        self.text.fetch(from, length).await
    }
}

#[tokio::test]
async fn a_load_keeps_no_task_waiting_for_a_disk() {
    // What is stored is one part, and what observers are told another one.
    for (has_observers, expected) in [(false, 1), (true, 2)] {
        let mut accounts = accounts("/srv");
        if has_observers {
            accounts = accounts.with_observers(Observers::new(Arc::default()));
        }
        let (author, spool) = (Author::system(), ForTasks::default());
        let fetched = spool.fetched.clone();
        let mut load = accounts.begin_load(&Dump::default(), false, &author, Box::new(spool));
        load.add(None, vec![draft("alice", "{}").document]).await.unwrap();
        let (loaded, is_stored) = accounts.store_load(load.finish(), &author).await.unwrap();
        assert!(is_stored, "{loaded:?}");
        assert_eq!(fetched.load(Ordering::Relaxed), expected, "{has_observers}");
    }
}

#[tokio::test]
async fn what_the_server_counts_is_not_set_from_outside() {
    // A9-06
    let accounts = accounts("/srv");
    let said = r#"{"used_quota_size":91,"used_quota_files":92,"last_quota_update":93,"used_upload_data_transfer":94,
        "used_download_data_transfer":95,"first_upload":96,"first_download":97,"last_login":98,"max_sessions":3}"#;
    let added = add(&accounts, draft("alice", said)).await.unwrap();
    assert_eq!((added.usage, added.last_login, added.max_sessions), (Usage::default(), 0, 3));
    let stored = accounts.find("alice").await.unwrap().unwrap();
    assert_eq!((stored.usage, stored.last_login, stored.max_sessions), (Usage::default(), 0, 3));
    let key = stored.key();
    accounts.record_login(&key, 7).await.unwrap();
    assert!(accounts.directory().record_first_transfer(&key, true, 8).await.unwrap());
    let change = draft("alice", &said.replace("\"max_sessions\":3", "\"max_sessions\":4"));
    accounts.update(change, OnConflict::Merge, &Author::system()).await.unwrap();
    let changed = accounts.find("alice").await.unwrap().unwrap();
    let counted = Usage { first_upload: 8, ..Usage::default() };
    assert_eq!((changed.usage, changed.last_login, changed.max_sessions), (counted, 7, 4));
    assert_eq!((changed.id, changed.username.as_str()), (stored.id, "alice"));
}

#[tokio::test]
async fn an_account_that_was_added_under_the_same_name_is_another_one() {
    let (accounts, author) = (accounts("/srv"), Author::system());
    let changed = async |on_conflict: OnConflict| {
        let mut stale = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
        stale.set("description", serde_json::json!("stale"));
        accounts.delete("alice", &author).await.unwrap();
        add(&accounts, draft("alice", "{}")).await.unwrap();
        accounts.update(stale, on_conflict, &author).await.is_ok()
    };
    add(&accounts, draft("alice", "{}")).await.unwrap();
    for (on_conflict, expected) in
        [(OnConflict::Merge, false), (OnConflict::Refuse, false), (OnConflict::MergeByName, true)]
    {
        assert_eq!(changed(on_conflict).await, expected, "{on_conflict:?}");
        let stored = accounts.find("alice").await.unwrap().unwrap().to_document(Audience::Redacted);
        assert_eq!(stored.get("description").is_some_and(|text| text == "stale"), expected, "{on_conflict:?}");
    }
}
