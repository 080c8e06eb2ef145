//! One suite for every kind of database, and what can be wrong with a file.

use tidegate_core::account::{AccountDraft, CredentialRule, User};
use tidegate_core::ports::{AccountPage, AccountStore, PluginStore, PluginStoreError, StoreError};
use tidegate_core::turns::Waiter;

use super::*;

fn account(username: &str) -> User {
    let json = format!(
        r#"{{"status":1,"username":"{username}","home_dir":"/srv/{username}","permissions":{{"/":["*"],"/ro":["list"]}},
        "password":"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/","email":"a@b","filters":{{"allowed_ip":["10.0.0.0/8"],"web_client":["write-disabled"]}}}}"#
    );
    AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Required).unwrap().account
}

async fn accounts_suite(database: SqliteDatabase) {
    let added = database.insert(&account("alice")).await.unwrap();
    assert!(added.id > 0);
    let mut unnumbered = added.clone();
    unnumbered.id = 0;
    assert_eq!(unnumbered, account("alice"));
    assert_eq!(database.insert(&account("alice")).await, Err(StoreError::Exists("alice".into())));
    assert_eq!(database.find("alice").await.unwrap().unwrap(), added);
    assert_eq!(database.find("Alice").await.unwrap(), None);

    let mut changed = added.clone();
    changed.max_sessions = 3;
    let before = changed.clone();
    changed.revision = 1;
    assert_eq!(database.update(&before).await.unwrap(), changed);
    assert_eq!(database.update(&account("bob")).await, Err(StoreError::NotFound("bob".into())));

    database.record_login(added.id, 1234).await.unwrap();
    // A9-06: an update does not touch what the server maintains.
    assert_eq!(database.update(&changed).await.unwrap().last_login, 1234);
    // Of an older revision.
    assert_eq!(database.update(&changed).await, Err(StoreError::Conflict("alice".into())));
    assert_eq!(database.stored("alice").await.unwrap().unwrap().revision, 2);
    assert_eq!(database.stored("nobody").await.unwrap(), None);
    // Before it has been stored as after.
    assert_eq!(database.list(None, 10).await.unwrap().accounts[0].last_login, 1234);

    database.insert(&account("bob")).await.unwrap();
    let names =
        |page: AccountPage| page.accounts.into_iter().map(|account| account.username.clone()).collect::<Vec<_>>();
    assert_eq!(names(database.list(None, 10).await.unwrap()), ["alice", "bob"]);
    assert_eq!(names(database.list(Some("alice"), 10).await.unwrap()), ["bob"]);
    assert_eq!(names(database.list(None, 1).await.unwrap()), ["alice"]);

    database.delete("alice").await.unwrap();
    assert_eq!(database.find("alice").await.unwrap(), None);
    assert_eq!(database.delete("alice").await, Err(StoreError::NotFound("alice".into())));
}

async fn hook_runs_suite(database: SqliteDatabase) {
    use tidegate_core::hook::{Exchange, HookRun};
    use tidegate_core::ports::{HookRunStore, RunFilter};
    let run = |hook: &str, user: &str, outcome: &'static str, micros| HookRun {
        at: 5,
        kind: "connect",
        hook: hook.into(),
        adapter: "program",
        connection: None,
        username: Some(user.into()),
        address: "192.0.2.1".parse().ok(),
        about: None,
        outcome,
        detail: "why".into(),
        is_error: outcome == "timeout",
        decided: true,
        duration: Duration::from_micros(micros),
        exchange: Exchange { sent: "A=1".into(), ..Exchange::default() },
    };
    let batch = vec![run("a", "u", "allow", 60), run("a", "v", "deny", 70), run("b", "u", "timeout", 99_000_000)];
    database.append(batch).await.unwrap();
    database.append(vec![run("a", "u", "allow", 40)]).await.unwrap();
    let filter = RunFilter { username: None, hook: None, outcome: None, after: 0, limit: 3 };
    let all = database.runs(filter.clone()).await.unwrap();
    assert_eq!(all.iter().map(|run| run.id).collect::<Vec<_>>(), [2, 3, 4]);
    let of_u = database.runs(RunFilter { username: Some("u".into()), limit: 9, ..filter.clone() }).await.unwrap();
    assert_eq!(of_u.len(), 3);
    let denied = RunFilter { outcome: Some("deny".into()), hook: Some("a".into()), ..filter };
    assert_eq!(database.runs(denied).await.unwrap()[0].username.as_deref(), Some("v"));
    assert_eq!(database.run(3).await.unwrap().unwrap().sent, "A=1");
    assert!(database.run(99).await.unwrap().is_none());
    let hurried: Vec<_> = (0..6000).map(|_| run("c", "w", "allow", 1)).collect();
    for _ in 0..3 {
        database.append(hurried.clone()).await.unwrap();
    }
    assert!(database.run(4).await.unwrap().is_none(), "it is a ring");
    assert!(database.run(18_004 - 9_999).await.unwrap().is_some(), "of ten thousand");
    let newest = RunFilter { username: None, hook: None, outcome: None, after: 18_002, limit: 9 };
    assert_eq!(database.runs(newest).await.unwrap().iter().map(|run| run.id).collect::<Vec<_>>(), [18_003, 18_004]);
    let counters = database.counters().await.unwrap();
    let allow = counters.iter().find(|counter| counter.outcome == "allow" && counter.hook == "a").unwrap();
    assert_eq!((allow.calls, allow.total_us, allow.max_us, &allow.histogram[..2]), (2, 100, 60, &[1, 1][..]));
    let late = counters.iter().find(|counter| counter.outcome == "timeout").unwrap();
    assert_eq!((late.is_error, late.histogram.last()), (true, Some(&1)));
}

async fn plugin_values_suite(database: SqliteDatabase) {
    database.set("p", "k", b"v", None).await.unwrap();
    assert_eq!(database.get("p", "k").await.unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(database.get("q", "k").await.unwrap(), None);
    assert_eq!(database.increment("p", "n", 2, None).await, Ok(2));
    assert_eq!(database.increment("p", "n", -5, None).await, Ok(-3));
    assert_eq!(database.increment("p", "k", 1, None).await, Err(PluginStoreError::NotACounter));
    assert_eq!(database.compare_and_set("p", "k", Some(b"x"), b"y", None).await, Ok(false));
    assert_eq!(database.compare_and_set("p", "k", Some(b"v"), b"y", None).await, Ok(true));
    assert_eq!(database.compare_and_set("p", "new", None, b"1", None).await, Ok(true));
    assert_eq!(database.list_keys("p", "", None, 10).await.unwrap(), ["k", "n", "new"]);
    assert_eq!(database.list_keys("p", "n", Some("n"), 10).await.unwrap(), ["new"]);
    database.set("p", "gone", b"v", Some(Duration::ZERO)).await.unwrap();
    assert_eq!(database.get("p", "gone").await.unwrap(), None);
    database.remove("p", "k").await.unwrap();
    assert_eq!(database.get("p", "k").await.unwrap(), None);
    assert_eq!(database.set("p", &"k".repeat(600), b"", None).await, Err(PluginStoreError::TooLarge));
    let large = vec![0; 64 << 10];
    let mut outcome = Ok(());
    for number in 0..300 {
        outcome = database.set("flood", &number.to_string(), &large, None).await;
        if outcome.is_err() {
            break;
        }
    }
    assert_eq!(outcome, Err(PluginStoreError::Full));
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tidegate.db");
    (directory, path)
}

#[tokio::test]
async fn a_file_keeps_accounts() {
    let (_directory, path) = file();
    accounts_suite(SqliteDatabase::open(&path).unwrap()).await;
    plugin_values_suite(SqliteDatabase::open(&path).unwrap()).await;
    hook_runs_suite(SqliteDatabase::open(&path).unwrap()).await;
    assert_eq!(SqliteDatabase::open(&path).unwrap().find("bob").await.unwrap().unwrap().username, "bob");
}

#[tokio::test]
async fn memory_keeps_accounts() {
    accounts_suite(SqliteDatabase::in_memory().unwrap()).await;
    plugin_values_suite(SqliteDatabase::in_memory().unwrap()).await;
    hook_runs_suite(SqliteDatabase::in_memory().unwrap()).await;
}

#[test]
fn a_new_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = file();
    SqliteDatabase::open(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn the_older_servers_table_is_taken_over() {
    // A9-01
    let (_directory, path) = file();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../../../sql/sqlite/20200131.sql")).unwrap();
    old.execute_batch(
        r#"INSERT INTO users VALUES (7,'old','$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/','[]','/srv/old',0,0,0,0,0,'{"/":["*"]}',5,1,0,0,0,0,0,1,'{"allowed_ip":[],"denied_ip":[]}','{"provider":0}')"#,
    )
    .unwrap();
    drop(old);
    let found = SqliteDatabase::open(&path).unwrap().find("old").await.unwrap().unwrap();
    assert_eq!((found.id, found.usage.used_quota_size), (7, 5));
}

#[tokio::test]
async fn a_broken_row_is_named_and_harms_no_other() {
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    database.insert(&account("alice")).await.unwrap();
    database.insert(&account("bob")).await.unwrap();
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE users SET permissions = '{' WHERE username = 'alice'", []).unwrap();
    let error = database.find("alice").await.unwrap_err().to_string();
    assert!(error.contains("\"alice\"") && error.contains("permissions"), "{error}");
    assert!(database.find("bob").await.unwrap().is_some());
}

#[tokio::test]
async fn an_invalid_row_is_in_the_way_of_no_other() {
    for (column, value, expected) in [
        ("permissions", "'{'", "permissions"),
        ("permissions", "'[]'", "permissions"),
        ("filters", r#"'{"denied_protocols":["ssh"]}'"#, "filters.denied_protocols"),
        ("filesystem", r#"'{"provider":1}'"#, "filesystem.provider"),
        ("password", "'$7$a$b'", "password"),
        ("public_keys", "'[\"nonsense\"]'", "public_keys"),
        ("uid", "'many'", "uid"),
        ("uid", "1.5", "uid"),
        ("status", "7", "status"),
        ("home_dir", "x'00ff'", "home_dir"),
        ("other", "'['", "other"),
        ("other", "'[]'", "other"),
        ("public_keys", "7", "public_keys"),
    ] {
        let (_directory, path) = file();
        let database = SqliteDatabase::open(&path).unwrap();
        for name in ["alice", "bob", "carol"] {
            database.insert(&account(name)).await.unwrap();
        }
        let raw = Connection::open(&path).unwrap();
        raw.execute(&format!("UPDATE users SET {column} = {value} WHERE username = 'bob'"), []).unwrap();
        let page = database.list(None, 10).await.unwrap();
        let names: Vec<_> = page.accounts.iter().map(|account| account.username.as_str()).collect();
        assert_eq!((names, page.next.as_deref()), (vec!["alice", "carol"], Some("carol")), "{column} {value}");
        let [invalid] = page.invalid.as_slice() else { panic!("{column} {value}: {:?}", page.invalid) };
        assert!(
            invalid.username == "bob" && invalid.problem.contains(expected),
            "{column} {value}: {}",
            invalid.problem
        );
        let error = database.find("bob").await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid { .. }) && error.to_string().contains("\"bob\""), "{error}");
        // It can be looked at, mended and deleted.
        let stored = database.stored("bob").await.unwrap().unwrap();
        assert_eq!(stored.document.get("username"), Some(&serde_json::json!("bob")));
        let mut mended = account("bob");
        mended.revision = stored.revision;
        assert_eq!(database.update(&mended).await.unwrap().username, "bob", "{column} {value}");
        raw.execute(&format!("UPDATE users SET {column} = {value} WHERE username = 'bob'"), []).unwrap();
        database.delete("bob").await.unwrap();
    }
}

#[tokio::test]
async fn changes_at_the_same_time_lose_nothing() {
    use std::sync::Arc;

    use tidegate_core::account::Accounts;
    let (_directory, path) = file();
    let accounts = || {
        let database = Arc::new(SqliteDatabase::open(&path).unwrap());
        Accounts::new(database, Arc::new(NoPasswords), None)
    };
    accounts().add(AccountDraft::of(&account("alice"))).await.unwrap();
    let change = |field: &'static str| {
        let accounts = accounts();
        async move {
            // Made from what was there before any of the others.
            let mut draft = AccountDraft::of_stored(accounts.stored("alice").await.unwrap().unwrap());
            tokio::task::yield_now().await;
            draft.set(field, serde_json::json!(7));
            accounts.update(draft).await.unwrap()
        }
    };
    let fields = ["max_sessions", "quota_size", "quota_files", "upload_bandwidth", "download_bandwidth", "uid", "gid"];
    let tasks: Vec<_> = fields.into_iter().map(|field| tokio::spawn(change(field))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let found = accounts().find("alice").await.unwrap().unwrap();
    assert_eq!((found.max_sessions, found.quota_size, found.quota_files), (7, 7, 7));
    assert_eq!((found.upload_bandwidth, found.download_bandwidth, found.uid, found.gid), (7, 7, 7, 7));
    assert_eq!(found.revision, 7);

    // A hook's answer, made while an administrator closes the account.
    let (hook, admin) = (accounts(), accounts());
    let mut draft = AccountDraft::of(&found);
    draft.merge_json(r#"{"filters":{"max_upload_file_size":5}}"#).unwrap();
    let whose = Waiter { address: None, account: "alice" };
    let prepared = hook.prepare_from_hook(draft, whose, Some(&Arc::new(found)), None).await.unwrap();
    let mut closed = AccountDraft::of_stored(admin.stored("alice").await.unwrap().unwrap());
    closed.set("status", serde_json::json!(0));
    admin.update(closed).await.unwrap();
    let committed = hook.commit_from_hook(prepared).await.unwrap();
    assert!(!committed.enabled && committed.filters.max_upload_file_size == 5);
}

/// There is nothing to hash.
struct NoPasswords;

#[async_trait::async_trait]
impl tidegate_core::ports::Passwords for NoPasswords {
    async fn matches(
        &self,
        _: Waiter<'_>,
        _: &tidegate_core::password::PasswordHash,
        _: &tidegate_core::secret::Secret,
    ) -> Result<bool, tidegate_core::password::PasswordError> {
        Ok(false)
    }
    async fn hash(
        &self,
        _: Waiter<'_>,
        _: &tidegate_core::secret::Secret,
    ) -> Result<tidegate_core::password::PasswordHash, tidegate_core::password::PasswordError> {
        Err(tidegate_core::password::PasswordError::PoolClosed)
    }
}

fn check_open_error(prepare: impl FnOnce(&Path), expected: &str) {
    let (_directory, path) = file();
    prepare(&path);
    let error = SqliteDatabase::open(&path).err().unwrap().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn unusable_files_are_explained() {
    check_open_error(
        |path| std::fs::write(path, "this is not a database, but a text").unwrap(),
        "is not an SQLite database",
    );
    check_open_error(
        |path| Connection::open(path).unwrap().pragma_update(None, "user_version", 99_999_999).unwrap(),
        "made by a newer release",
    );
    check_open_error(|path| std::fs::create_dir(path).unwrap(), "could not be opened");
}

#[tokio::test]
async fn a_locked_database_answers_after_the_timeout() {
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    database.insert(&account("alice")).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(database.delete("alice").await, Err(StoreError::Busy(BUSY_TIMEOUT)));
    // Readers go on in write-ahead mode.
    assert!(database.find("alice").await.unwrap().is_some());
}
