//! What a database file may have wrong, and what that affects. What holds for all stores is in the
//! suite `conformance`.

use serde_json::json;
use tidegate_core::account::{find_stored, find_user, list_users};
use tidegate_core::ports::{Directory, PageRequest, Write};

use super::*;
use crate::conformance::{add, commit, document, filters, invalid};

fn file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tidegate.db");
    (directory, path)
}

#[test]
fn a_new_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = file();
    SqliteDatabase::open(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_file_has_a_write_ahead_log_and_its_locks_are_waited_for() {
    // A9-02
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    for connection in [&database.reader, &database.writer, &database.background] {
        let connection = connection.lock().unwrap();
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        let wait: i64 = connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), wait), ("wal", 5000));
    }
}

#[tokio::test]
async fn a_change_by_another_program_has_another_stamp() {
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    add(&database, "alice").await;
    let raw = Connection::open(&path).unwrap();
    let mut stamp = database.stamp();
    let mut check = |sql: &str, is_change: bool| {
        raw.execute(sql, []).unwrap();
        let now = database.stamp();
        assert_eq!((now.is_some(), now != stamp), (true, is_change), "{sql}");
        stamp = now;
    };
    check("UPDATE users SET status = 0 WHERE username = 'nobody'", false);
    check("UPDATE users SET status = 0", true);
    check("UPDATE users SET status = 0 WHERE FALSE", false);
    check("INSERT INTO account_changes (kind, username) VALUES ('user', 'alice')", true);
    check("DELETE FROM users", true);
    // What a newer release makes of the tables is not known.
    database.version.note(i64::MAX);
    assert_eq!(database.stamp(), None);
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
    // One list of permissions is from the time when there were none by directory.
    old.execute_batch(
        r#"INSERT INTO users VALUES (8,'first','','[]','/srv/first',0,0,0,0,0,'["list"]',0,0,0,0,0,0,0,1,'{}','{"provider":0}')"#,
    )
    .unwrap();
    drop(old);
    let database = SqliteDatabase::open(&path).unwrap();
    let found = find_user(&database, "old").await.unwrap().unwrap();
    assert_eq!((found.id, found.usage.used_quota_size), (7, 5));
    let first = find_user(&database, "first").await.unwrap().unwrap();
    assert!(first.permissions.entries().count() == 1 && first.permissions.entries().all(|(path, _)| path.is_root()));
}

#[test]
fn four_servers_that_start_at_once_make_the_tables_once() {
    // A9-01
    let check = |what: &str, prepare: &dyn Fn(&Path), accounts: i64| {
        for _ in 0..5 {
            let (_directory, path) = file();
            prepare(&path);
            let barrier = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        barrier.wait();
                        SqliteDatabase::open(&path).unwrap();
                    });
                }
            });
            let raw = Connection::open(&path).unwrap();
            let number = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(number("PRAGMA user_version"), migrations::known_version(), "{what}");
            assert_eq!(number("SELECT count(*) FROM users"), accounts, "{what}");
        }
    };
    check("no file", &|_| {}, 0);
    let of_older_server = |path: &Path| {
        let old = Connection::open(path).unwrap();
        old.execute_batch(include_str!("../../../../sql/sqlite/20200131.sql")).unwrap();
        old.execute_batch(crate::sql::remote::test_cases::OLD_SECRETS.join(";").as_str()).unwrap();
    };
    check("of the older server", &of_older_server, 2);
    let of_earlier_release = |path: &Path| {
        SqliteDatabase::open(path).unwrap();
        let earlier = "DROP TABLE usage_batches; DROP TABLE account_references; DROP INDEX users_by_status; PRAGMA user_version = 20261207";
        Connection::open(path).unwrap().execute_batch(earlier).unwrap();
    };
    check("of an earlier release", &of_earlier_release, 0);
}

#[tokio::test]
async fn accounts_of_an_earlier_version_are_found_by_their_role() {
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    add(&database, "alice").await;
    for name in ["bob", "broken"] {
        filters::add_with(&database, name, json!({"role": "sales"})).await;
    }
    drop(database);
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("DROP TABLE usage_batches; DROP TABLE account_references; DROP INDEX users_by_status; PRAGMA user_version = 20261207")
        .unwrap();
    raw.execute("UPDATE users SET other = '{' WHERE username = 'broken'", []).unwrap();
    raw.execute("UPDATE users SET username = x'ff' WHERE username = 'alice'", []).unwrap();
    drop(raw);
    let database = SqliteDatabase::open(&path).unwrap();
    assert_eq!(filters::of_role(&database, "sales").await, ["bob"]);
}

#[tokio::test]
async fn an_account_that_another_program_changes_is_in_no_wrong_list() {
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    filters::add_of_roles(&database, 100).await;
    let raw = Connection::open(&path).unwrap();
    raw.execute(r#"UPDATE users SET other = '{"role":"elsewhere"}' WHERE username = 'bob0'"#, []).unwrap();
    filters::check_changed_elsewhere(&database).await;
}

#[test]
fn a_database_of_a_later_version_is_refused_and_not_changed() {
    // A9-01
    const FIRST: &str = include_str!("../../../../sql/sqlite/20200131.sql");
    let check = |script: &str, expected: Option<SqliteOrigin>| {
        let (_directory, path) = file();
        std::fs::write(&path, "").unwrap();
        Connection::open(&path).unwrap().execute_batch(script).unwrap();
        let before = std::fs::read(&path).unwrap();
        let found = SqliteDatabase::origin(&path);
        assert_eq!(std::fs::read(&path).unwrap(), before, "{script}");
        match expected {
            Some(expected) => assert_eq!(found.unwrap(), expected, "{script}"),
            None => {
                let opened = SqliteDatabase::open(&path).err().unwrap().to_string();
                assert_eq!(opened, found.unwrap_err().to_string());
                assert!(opened.contains("tidegate migrate --from DIR -c DIR"), "{opened}");
                assert_eq!(std::fs::read(&path).unwrap(), before, "{script}");
            }
        }
    };
    check("", Some(SqliteOrigin::Empty));
    check(FIRST, Some(SqliteOrigin::FirstEra));
    check("CREATE TABLE gone (a INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE gone", Some(SqliteOrigin::Empty));
    check(&format!("{FIRST}; CREATE TABLE mine (a)"), Some(SqliteOrigin::FirstEra));
    check("PRAGMA user_version = 20200131", Some(SqliteOrigin::Ours));
    check(&format!("{FIRST}; ALTER TABLE users ADD COLUMN virtual_folders TEXT"), None);
    check(&format!("{FIRST}; ALTER TABLE users ADD COLUMN first_download BIGINT"), None);
    check(&format!("{FIRST}; CREATE TABLE folders (name TEXT)"), None);
    // Tables of others without accounts under the name that they have here.
    check("CREATE TABLE mine (a)", None);
    check("CREATE TABLE sqlitelike (a)", None);
    check(&FIRST.replace("users", "sftpgo_users"), None);
    check("CREATE TABLE people (id, username, home_dir); CREATE VIEW users AS SELECT * FROM people", None);
}

#[tokio::test]
async fn a_broken_row_is_named_and_harms_no_other() {
    // A9-06
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    add(&database, "alice").await;
    add(&database, "bob").await;
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE users SET permissions = '{' WHERE username = 'alice'", []).unwrap();
    let error = find_user(&database, "alice").await.unwrap_err().to_string();
    assert!(error.contains("\"alice\"") && error.contains("permissions"), "{error}");
    assert!(find_user(&database, "bob").await.unwrap().is_some());
}

#[tokio::test]
async fn an_invalid_row_is_in_the_way_of_no_other() {
    for (column, value, expected) in [
        ("permissions", "'{'", "permissions"),
        ("permissions", "'[]'", "permissions"),
        ("filters", r#"'{"denied_protocols":["ssh"]}'"#, "filters.denied_protocols"),
        ("filesystem", r#"'{"provider":2}'"#, "filesystem.provider"),
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
            add(&database, name).await;
        }
        let raw = Connection::open(&path).unwrap();
        raw.execute(&format!("UPDATE users SET {column} = {value} WHERE username = 'bob'"), []).unwrap();
        let page = list_users(&database, PageRequest { limit: 10, ..PageRequest::default() }).await.unwrap();
        let names: Vec<_> = page.accounts.iter().map(|account| account.username.as_str()).collect();
        assert_eq!((names, page.next.as_deref()), (vec!["alice", "carol"], Some("carol")), "{column} {value}");
        let [invalid] = page.invalid.as_slice() else { panic!("{column} {value}: {:?}", page.invalid) };
        assert!(
            invalid.username == "bob" && invalid.problem.contains(expected),
            "{column} {value}: {}",
            invalid.problem
        );
        let error = find_user(&database, "bob").await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid { .. }) && error.to_string().contains("\"bob\""), "{error}");
        // The document can be shown, repaired and deleted.
        let stored = find_stored(&database, "bob").await.unwrap().unwrap();
        assert_eq!(stored.document.get("username"), Some(&json!("bob")));
        let mended = Write::Replace { document: document("/srv/bob"), expected: stored.version, reset: Vec::new() };
        commit(&database, "bob", mended).await.unwrap();
        assert_eq!(find_user(&database, "bob").await.unwrap().unwrap().username, "bob", "{column} {value}");
        raw.execute(&format!("UPDATE users SET {column} = {value} WHERE username = 'bob'"), []).unwrap();
        commit(&database, "bob", Write::Delete { expected: None }).await.unwrap();
    }
}

#[tokio::test]
async fn a_broken_row_of_any_table_is_in_the_way_of_no_other() {
    // A9-06
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    for (collection, statement) in invalid::broken_cells() {
        let break_it = async || {
            assert_eq!(Connection::open(&path).unwrap().execute(&statement, []).unwrap(), 1, "{statement}");
        };
        invalid::check_broken_cell(&database, collection, break_it).await;
    }
}

#[tokio::test]
async fn a_row_without_a_name_is_in_the_way_of_no_other() {
    for name in ["x'ff'", "x'616c696365'", "7"] {
        let (_directory, path) = file();
        let database = SqliteDatabase::open(&path).unwrap();
        for name in ["alice", "bob", "carol"] {
            add(&database, name).await;
        }
        let raw = Connection::open(&path).unwrap();
        raw.execute(&format!("UPDATE users SET username = {name} WHERE username = 'bob'"), []).unwrap();
        // SQLite turns a number into text in a column for text.
        let (shown, is_text) = if name == "7" { ("7", true) } else { ("#2", false) };
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let request = PageRequest { after, limit: 1, ..PageRequest::default() };
            let page = list_users(&database, request).await.unwrap();
            seen.extend(page.accounts.iter().map(|account| account.username.clone()));
            seen.extend(page.invalid.iter().map(|invalid| invalid.username.clone()));
            assert!(seen.len() <= 3, "{name}: {seen:?}");
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, [shown, "alice", "carol"], "{name}");
        assert_eq!(find_user(&database, shown).await.is_ok(), is_text, "{name}");
        let problem = find_stored(&database, shown).await.unwrap().unwrap().problem;
        assert_eq!(problem.is_none(), is_text, "{name}: {problem:?}");
        commit(&database, shown, Write::Delete { expected: None }).await.unwrap();
        assert_eq!(find_stored(&database, shown).await.unwrap(), None, "{name}");
        assert!(find_user(&database, "alice").await.unwrap().is_some());
    }
    // A text that is not UTF-8 is not a name that could be asked for.
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    for name in ["alice", "bob", "carol"] {
        add(&database, name).await;
    }
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE users SET username = CAST(x'62ff' AS TEXT) WHERE username = 'bob'", []).unwrap();
    let page = list_users(&database, PageRequest { limit: 10, ..PageRequest::default() }).await.unwrap();
    assert_eq!(page.accounts.iter().map(|account| account.username.as_str()).collect::<Vec<_>>(), ["alice", "carol"]);
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
    add(&database, "alice").await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let refused = commit(&database, "alice", Write::Delete { expected: None }).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Busy(text) if text.contains("in use by another program")), "{refused}");
    // Readers go on in write-ahead mode.
    assert!(find_user(&database, "alice").await.unwrap().is_some());
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_survived() {
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    let number = |sql: &str| -> i64 {
        let writer = database.writer.lock().unwrap();
        writer.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let most = number("PRAGMA page_count") + 50;
    number(&format!("PRAGMA max_page_count = {most}"));
    let (mut acknowledged, mut refused) = (Vec::new(), None);
    while refused.is_none() {
        let name = format!("user{}", acknowledged.len());
        let home = format!("/srv/{}", "x".repeat(2_000));
        match commit(&database, &name, Write::Add(document(&home))).await {
            Ok(version) => acknowledged.push((name, version.id)),
            Err(error) => refused = Some((name, error)),
        }
    }
    let (name, error) = refused.unwrap();
    assert!(matches!(&error, StoreError::Full(text) if text.contains("the database is full")), "{error:?}");
    // Logins go on.
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    for (name, id) in &acknowledged {
        assert_eq!(find_user(&database, name).await.unwrap().unwrap().id, *id);
    }
    number("PRAGMA max_page_count = 1000000");
    add(&database, &name).await;
    assert_eq!(number("SELECT count(*) FROM users"), i64::try_from(acknowledged.len()).unwrap() + 1);
}

#[tokio::test]
async fn changes_do_not_wait_for_each_other_and_a_lock_in_turn() {
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    add(&database, "alice").await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let change = || commit(&database, "alice", Write::Delete { expected: None });
    let began = Instant::now();
    let (one, two, three, four) = tokio::join!(change(), change(), change(), change());
    assert!([one, two, three, four].iter().all(|refused| matches!(refused, Err(StoreError::Busy(_)))));
    assert!(began.elapsed() < 2 * BUSY_TIMEOUT, "the four waited {:?}", began.elapsed());
}

#[tokio::test]
async fn times_of_logins_wait_for_a_database_that_cannot_be_written() {
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    add(&database, "alice").await;
    let id = find_user(&database, "alice").await.unwrap().unwrap().id;
    let lock = |sql: &str| database.background.lock().unwrap().execute_batch(sql).unwrap();
    lock("PRAGMA query_only = ON");
    database.last_logins.record(id, 1234);
    assert!(database.last_logins.store().is_some());
    lock("PRAGMA query_only = OFF");
    assert_eq!(database.last_logins.pending_of(id), Some(1234));
    assert_eq!(database.last_logins.store(), None);
    assert_eq!((database.last_logins.pending_of(id), stored_login(&database)), (None, 1234));
}

fn stored_login(database: &SqliteDatabase) -> i64 {
    let reader = database.reader.lock().unwrap();
    reader.query_row("SELECT last_login FROM users", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_server_beside_newer_tables_refuses_until_they_are_those_it_knows() {
    let (_directory, path) = file();
    let database = SqliteDatabase::open(&path).unwrap();
    add(&database, "alice").await;
    let token = database.changes(None).await.unwrap().next;
    let version = |number: i64| Connection::open(&path).unwrap().pragma_update(None, "user_version", number).unwrap();
    version(99_999_999);
    crate::sql::remote::test_cases::a_server_beside_newer_tables_refuses(&database, &token).await;
    version(migrations::known_version());
    database.changes(Some(&token)).await.unwrap();
    assert!(find_user(&database, "alice").await.unwrap().is_some());
}
