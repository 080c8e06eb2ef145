//! Accounts of a table or view that is only read, with the example of the documentation.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidegate_core::account::{ObjectKind, find_user};
use tidegate_core::memory::MemoryStore;
use tidegate_core::ports::{
    AccountFilter, AccountKey, Author, Change, ChangedObjects, Door, FOLDERS, PageRequest, StoreError, Stores, USERS,
    Write,
};
use tidegate_core::secret::Secret;

use mysql_async::prelude::Queryable;

use crate::conformance::{change, document};
use crate::postgresql::test_server::Server;
use crate::sql::remote::test_cases::TestServer;
use crate::{
    DatabaseServerSettings, SqliteDatabase, TableNames, mysql, read_only_mysql, read_only_postgresql, read_only_sqlite,
};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

/// The customers of the shop.
fn customers(blocked: &str) -> String {
    format!(
        "INSERT INTO customers (login, secret, ssh_key, is_blocked) VALUES \
         ('alice', '$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/', '{KEY}', {blocked}), ('Bob', '$1$x$y', NULL, {blocked})"
    )
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/accounts-view").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn names(users: &str) -> TableNames {
    TableNames { users: users.to_owned(), ..TableNames::default() }
}

/// The stores of an SQLite file, with a store in memory for the rest.
fn in_file(path: &Path, users: &str) -> Result<Arc<dyn Stores>, StoreError> {
    read_only_sqlite(path, names(users), Arc::new(MemoryStore::default()))
}

fn shop(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("shop.db");
    let shop = rusqlite::Connection::open(&path).unwrap();
    shop.execute_batch(&example("sqlite.sql")).unwrap();
    shop.execute_batch(&customers("0")).unwrap();
    path
}

/// What holds for every database.
async fn check(stores: &Arc<dyn Stores>) {
    // A8-17, A3-36
    let alice = find_user(&**stores, "alice").await.unwrap().unwrap();
    assert_eq!((alice.id, alice.home_dir.as_str(), alice.public_keys.len()), (1, "/srv/files/1", 1));
    assert!(alice.password.is_some());
    assert_eq!(alice.expiration_date, 0);
    for unknown in ["ALICE", "bob", "alice ", "", "carol"] {
        assert!(stores.find(&USERS, unknown).await.unwrap().is_none(), "{unknown}");
    }
    let page = |after: Option<&str>, prefix: Option<&str>| PageRequest {
        after: after.map(str::to_owned),
        prefix: prefix.map(str::to_owned),
        limit: 10,
    };
    for (page, expected) in [
        (page(None, None), &["Bob", "alice"][..]),
        (page(Some("Bob"), None), &["alice"]),
        (page(None, Some("B")), &["Bob"]),
    ] {
        let found = stores.list(&USERS, page).await.unwrap();
        assert_eq!(found.iter().map(|stored| stored.name.as_str()).collect::<Vec<_>>(), expected);
    }
    for (filter, expected) in [
        (AccountFilter { enabled: Some(true), ..AccountFilter::default() }, &["Bob", "alice"][..]),
        (AccountFilter { enabled: Some(false), ..AccountFilter::default() }, &[]),
        (AccountFilter { contains: Some("lic".to_owned()), ..AccountFilter::default() }, &["alice"]),
        (AccountFilter { role: Some("sales".to_owned()), ..AccountFilter::default() }, &[]),
    ] {
        let found = stores.list_accounts(&filter, page(None, None)).await.unwrap();
        assert_eq!(found.iter().map(|stored| stored.name.as_str()).collect::<Vec<_>>(), expected, "{filter:?}");
    }
    let found = stores.find_all(&USERS, vec!["Bob".into(), "carol".into(), "alice".into()]).await.unwrap();
    assert_eq!(found.iter().map(|stored| stored.version.id).collect::<Vec<_>>(), [2, 1]);
    let mut homes = stores.texts(&USERS, "home_dir").await.unwrap();
    homes.sort();
    let home = |name: &str, number: u8| (name.to_owned(), format!("/srv/files/{number}"));
    assert_eq!(homes, [home("Bob", 2), home("alice", 1)]);
    // No account is written, by administrators, hooks or logins.
    let version = found[1].version;
    for write in [
        Write::Add(document("/srv")),
        Write::Replace { document: document("/srv"), expected: version, reset: Vec::new() },
        Write::Delete { expected: None },
    ] {
        let refused = stores.commit(vec![change("alice", write)]).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Refused(text) if text.contains("manage_users = 0")), "{refused}");
    }
    let key = AccountKey { username: "alice".into(), id: 1 };
    stores.record_login(&key, 7).await.unwrap();
    assert!(!stores.record_first_transfer(&key, true, 7).await.unwrap());
    assert_eq!(stores.find(&USERS, "alice").await.unwrap().unwrap(), found[1]);
    // Everything else is the server's own.
    let begin = stores.changes(None).await.unwrap().next;
    let document = [("mapped_path", json!("/srv/shared")), ("description", json!(""))];
    let document = document.map(|(field, value)| (field.to_owned(), value)).into_iter().collect();
    let author = Author::new("root", Door::Cli);
    let folder = Change {
        collection: &FOLDERS,
        name: "shared".into(),
        write: Write::Add(document),
        announce: true,
        audit: Some(author.did("add", FOLDERS.kind, "shared", 1)),
    };
    let account = change("alice", Write::Require { expected: version });
    let versions = stores.commit(vec![account, folder]).await.unwrap();
    assert_eq!((versions.len(), versions[0]), (2, version));
    assert!(stores.find(&FOLDERS, "shared").await.unwrap().is_some());
    let changes = stores.wait_for_changes(&begin).await.unwrap();
    assert_eq!(changes.objects, ChangedObjects::Named(vec![("folder".into(), "shared".into())]));
    stores.set("p", "k", b"v", None).await.unwrap();
    assert_eq!(stores.get("p", "k").await.unwrap().as_deref(), Some(&b"v"[..]));
}

#[tokio::test]
async fn a_view_in_a_file_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = shop(directory.path());
    let before = std::fs::read(&path).unwrap();
    let own = Arc::new(SqliteDatabase::open(&directory.path().join("tidegate.db")).unwrap());
    check(&read_only_sqlite(&path, names("file_accounts"), own).unwrap()).await;
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// A role that may read the view `file_accounts`, and `poor`, which lacks columns, and nothing else. `open` makes the stores
/// of a table as that role.
async fn check_role<S: TestServer>(
    mut server: S,
    role: &str,
    open: impl Fn(&S, &str, Arc<dyn Stores>) -> Result<Arc<dyn Stores>, StoreError>,
) {
    // A8-17
    let poor = "CREATE VIEW poor AS SELECT number AS id, login AS username FROM customers";
    server.database().sql(poor);
    server.database().sql(&format!("GRANT SELECT ON poor TO {role}"));
    let directory = tempfile::tempdir().unwrap();
    let kept = Arc::new(SqliteDatabase::open(&directory.path().join("tidegate.db")).unwrap());
    let stores = open(&server, "file_accounts", kept).unwrap();
    check(&stores).await;
    let tables = "SELECT table_name FROM information_schema.tables \
         WHERE table_schema IN ('public', 'tidegate') AND table_type = 'BASE TABLE'";
    assert_eq!(server.database().sql(tables).trim(), "customers", "nothing was made");
    for (users, expected) in [
        ("customers", "grant SELECT on it"),
        ("nothing", "grant SELECT on it"),
        ("poor", "lacks the columns status, home_dir, permissions"),
    ] {
        let refused = open(&server, users, Arc::new(MemoryStore::default())).err().unwrap().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    // The accounts are away, and the rest is not.
    let token = stores.changes(None).await.unwrap().next;
    server.stop();
    let is_away = |error: StoreError| matches!(error, StoreError::Unavailable(_));
    assert!(is_away(stores.find(&USERS, "alice").await.unwrap_err()));
    assert!(is_away(stores.changes(Some(&token)).await.unwrap_err()));
    assert!(is_away(stores.wait_for_changes(&token).await.unwrap_err()));
    assert!(stores.find(&FOLDERS, "shared").await.unwrap().is_some());
}

#[tokio::test]
async fn a_role_of_postgresql_that_may_only_read_a_view_is_enough() {
    let mut server = Server::start();
    server.database().sql(&example("postgresql.sql"));
    server.database().sql(&customers("false"));
    check_role(server, "tidegate", |server, users, own| {
        let (username, tables) = ("tidegate".to_owned(), names(users));
        read_only_postgresql(DatabaseServerSettings { username, tables, ..server.settings() }, own)
    })
    .await;
}

#[tokio::test]
async fn a_role_of_mariadb_that_may_only_read_a_view_is_enough() {
    let mut server = mysql::test_server::Server::start();
    // The users of other tests have all rights.
    server.database().sql("DROP USER tidegate@'%', tidegate@localhost");
    server.database().sql(&example("mysql.sql"));
    server.database().sql(&customers("FALSE"));
    check_role(server, "tidegate@localhost", |server, users, own| {
        let (password, tables) = (Some(Secret::new("change this")), names(users));
        read_only_mysql(DatabaseServerSettings { password, tables, ..server.settings() }, own)
    })
    .await;
}

#[tokio::test]
async fn what_is_no_account_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = shop(directory.path());
    let shop = rusqlite::Connection::open(&path).unwrap();
    let make = |name: &str, id: &str, rest: &str| {
        let sql = format!(
            "CREATE VIEW {name} AS SELECT {id} AS id, login AS username, 1 AS status, '/srv' AS home_dir, \
             '{{}}' AS permissions FROM customers {rest}"
        );
        shop.execute_batch(&sql).unwrap();
    };
    make("textual", "'a' || number", "");
    make("twice", "number", "CROSS JOIN (SELECT 1 UNION SELECT 2)");
    for (users, expected) in [("textual", "no whole number"), ("twice", "several rows of this name")] {
        let stores = in_file(&path, users).unwrap();
        let invalid = find_user(&*stores, "alice").await.unwrap_err();
        assert!(matches!(&invalid, StoreError::Invalid { problem, .. } if problem.contains(expected)), "{invalid}");
    }
    for (path, users, expected) in [
        (path.clone(), "gone", "correct data_provider.users_table"),
        (directory.path().join("gone.db"), "users", "could not be opened"),
    ] {
        let refused = in_file(&path, users).err().unwrap().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(!directory.path().join("gone.db").exists());
}

#[tokio::test]
async fn no_further_field_takes_the_place_of_a_column() {
    // A8-17
    let directory = tempfile::tempdir().unwrap();
    let path = shop(directory.path());
    let shop = rusqlite::Connection::open(&path).unwrap();
    for (number, (other, expected)) in [
        ("{}", None),
        (r#"{"groups": [{"name": "staff", "type": 1}]}"#, None),
        // There is no column for it.
        (r#"{"max_sessions": 3}"#, None),
        (r#"{"status": 1}"#, Some("status")),
        (r#"{"Status": 1}"#, Some("Status")),
        (r#"{"username": "Bob"}"#, Some("username")),
        (r#"{"id": 1}"#, Some("id")),
        (r#"{"home_dir": "/"}"#, Some("home_dir")),
        (r#"{"permissions": {"/": ["*"]}}"#, Some("permissions")),
        (r#"{"email": "a@example.org", "filters": {}}"#, Some("filters")),
    ]
    .into_iter()
    .enumerate()
    {
        let sql = format!(
            "CREATE VIEW v{number} AS SELECT number AS id, login AS username, 0 AS status, '/srv' AS home_dir, \
             '{{\"/\": [\"*\"]}}' AS permissions, '{{\"denied_ip\": [\"0.0.0.0/0\"]}}' AS filters, '{other}' AS other FROM customers"
        );
        shop.execute_batch(&sql).unwrap();
        let stores = in_file(&path, &format!("v{number}")).unwrap();
        match (find_user(&*stores, "alice").await, expected) {
            (Ok(Some(alice)), None) => {
                assert_eq!((alice.username.as_str(), alice.enabled), ("alice", false), "{other}")
            }
            (Err(StoreError::Invalid { username, problem }), Some(field)) => {
                assert_eq!(username, "alice", "{other}");
                assert!(problem.starts_with(&format!("column other: it has {field}, ")), "{problem}");
            }
            (found, _) => panic!("{other}: {found:?}"),
        }
    }
}

/// The names as pages of one account give them, which end although a page begins after any name.
async fn in_pages(stores: &dyn Stores) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(stored) = {
        let page = PageRequest { after: names.last().cloned(), prefix: None, limit: 1 };
        stores.list(&USERS, page).await.unwrap().pop()
    } {
        assert!(names.len() < 10, "{names:?}");
        names.push(stored.name);
    }
    names
}

const PEOPLE: &str = "1 AS id, login AS username, 1 AS status, '/srv' AS home_dir, '{}' AS permissions FROM people";

#[tokio::test]
async fn the_collation_of_a_column_leaves_no_name_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("people.db");
    let people = rusqlite::Connection::open(&path).unwrap();
    people.execute_batch("CREATE TABLE people (login TEXT COLLATE NOCASE)").unwrap();
    people.execute_batch("INSERT INTO people VALUES ('bob'), ('alice'), ('Bob'), ('Carol')").unwrap();
    people.execute_batch(&format!("CREATE VIEW accounts AS SELECT {PEOPLE}")).unwrap();
    assert_eq!(in_pages(&*in_file(&path, "accounts").unwrap()).await, ["Bob", "Carol", "alice", "bob"]);
}

#[tokio::test]
async fn a_table_that_is_not_in_utf_8_is_read_to_its_end() {
    let server = mysql::test_server::Server::start();
    let mut raw = server.raw().await;
    for sql in [
        "CREATE TABLE people (login VARCHAR(100) CHARACTER SET latin1)".to_owned(),
        "INSERT INTO people VALUES ('zoe'), ('\u{e4}nne'), ('alice')".to_owned(),
        format!("CREATE VIEW accounts AS SELECT {PEOPLE}"),
    ] {
        raw.query_drop(sql).await.unwrap();
    }
    let settings = DatabaseServerSettings { tables: names("accounts"), ..server.settings() };
    let stores = read_only_mysql(settings, Arc::new(MemoryStore::default())).unwrap();
    assert_eq!(in_pages(&*stores).await, ["alice", "zoe", "\u{e4}nne"]);
}

#[tokio::test]
async fn a_folder_that_an_account_names_is_not_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let path = shop(directory.path());
    let view = "CREATE VIEW with_folders AS SELECT *, \
         '{\"virtual_folders\": [{\"name\": \"named\", \"virtual_path\": \"/f\"}]}' AS other FROM file_accounts";
    rusqlite::Connection::open(&path).unwrap().execute_batch(view).unwrap();
    let stores = in_file(&path, "with_folders").unwrap();
    let of_folder = |name: &str, write| Change { collection: &FOLDERS, ..change(name, write) };
    for (name, is_deleted) in [("named", false), ("other", true)] {
        let document = [("mapped_path".to_owned(), json!("/srv/f"))].into_iter().collect();
        stores.commit(vec![of_folder(name, Write::Add(document))]).await.unwrap();
        let writes = [Write::RequireUnreferenced(ObjectKind::Folder), Write::Delete { expected: None }];
        let deleted = stores.commit(writes.map(|write| of_folder(name, write)).into()).await;
        match is_deleted {
            true => assert!(deleted.is_ok(), "{name}: {deleted:?}"),
            false => assert_eq!(deleted, Err(StoreError::Conflict(FOLDERS.object(name)))),
        }
        assert_eq!(stores.find(&FOLDERS, name).await.unwrap().is_none(), is_deleted, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn accounts_of_sessions_are_read_again_after_a_while() {
    // A8-17
    let directory = tempfile::tempdir().unwrap();
    let stores = in_file(&shop(directory.path()), "file_accounts").unwrap();
    let begin = stores.changes(None).await.unwrap().next;
    let began = tokio::time::Instant::now();
    let changes = stores.wait_for_changes(&begin).await.unwrap();
    assert_eq!(changes.objects, ChangedObjects::All);
    let expected = Duration::from_secs(9)..Duration::from_secs(12);
    assert!(expected.contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(stores.changes(Some(&changes.next)).await.unwrap().is_empty());
    // A token of other stores means everything.
    let foreign = tidegate_core::ports::ChangeToken("7".into());
    assert_eq!(stores.changes(Some(&foreign)).await.unwrap().objects, ChangedObjects::All);
}
