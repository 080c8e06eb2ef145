//! What is MySQL's and MariaDB's own. What holds for all stores is in the suite `conformance`.

use mysql_async::prelude::Queryable;
use serde_json::json;
use tidegate_core::account::find_user;
use tidegate_core::ports::{ChangedObjects, Directory, FOLDERS, StoreError, USERS, Write};

use super::dialect::MysqlDialect;
use super::migrations::{MIGRATIONS, steps};
use super::test_server::Server;
use super::*;
use crate::conformance::{add, change, commit, document, filters, invalid};
use crate::sql::remote::test_cases;
use crate::sql::{Dialect, TableNames};

const OLD_TABLE: &str = include_str!("../../../../sql/mysql/20200131.sql");

test_cases::of_every_server!(Server);

#[tokio::test]
async fn four_servers_that_start_at_once_make_the_tables_once() {
    let server = Server::start();
    test_cases::four_servers_start_at_once(&server);
    let mut raw = server.raw().await;
    let versions: Vec<i64> = raw.query("SELECT version FROM tidegate_version ORDER BY version").await.unwrap();
    assert_eq!(versions, MIGRATIONS.iter().map(|(version, _)| *version).collect::<Vec<_>>());
    let running = server.open();
    let token = running.changes(None).await.unwrap().next;
    raw.query_drop("INSERT INTO tidegate_version VALUES (99999999)").await.unwrap();
    test_cases::a_server_beside_newer_tables_refuses(&running, &token).await;
    let refused = MysqlDatabase::open(server.settings()).err().unwrap();
    assert!(matches!(&refused, StoreError::Refused(text) if text.contains("made by a newer release")), "{refused}");
}

#[tokio::test]
async fn four_servers_that_start_at_once_take_older_tables_over_once() {
    // A9-01
    let server = Server::start();
    let mut raw = server.raw().await;
    raw.query_drop(MysqlDialect(TableNames::default()).render(&steps(OLD_TABLE).remove(0).sql)).await.unwrap();
    for row in test_cases::OLD_SECRETS {
        raw.query_drop(*row).await.unwrap();
    }
    let earlier = &["DROP TABLE account_references", "DELETE FROM tidegate_version WHERE version = 20261208"][..];
    // Those of the older server, and then those of an earlier release.
    for before in [&[][..], earlier] {
        for sql in before {
            raw.query_drop(*sql).await.unwrap();
        }
        test_cases::four_servers_start_at_once(&server);
        let versions: Vec<i64> = raw.query("SELECT version FROM tidegate_version ORDER BY version").await.unwrap();
        assert_eq!(versions, MIGRATIONS.iter().map(|(version, _)| *version).collect::<Vec<_>>(), "{before:?}");
        test_cases::check_taken_over(&server.open()).await;
    }
}

#[tokio::test]
async fn scripts_go_on_after_a_crash_between_any_two_statements() {
    let server = Server::start();
    let mut raw = server.raw().await;
    let dialect = MysqlDialect(TableNames::default());
    let all: Vec<_> = MIGRATIONS.iter().flat_map(|(_, script)| steps(script)).collect();
    for done in 0..=all.len() {
        raw.query_drop("DROP DATABASE tidegate; CREATE DATABASE tidegate; USE tidegate").await.unwrap();
        raw.query_drop("CREATE TABLE tidegate_version (version BIGINT NOT NULL PRIMARY KEY)").await.unwrap();
        for step in all.iter().take(done) {
            raw.query_drop(dialect.render(&step.sql)).await.unwrap();
        }
        let database = server.open();
        add(&database, "alice").await;
        assert!(!database.changes(None).await.unwrap().next.0.is_empty(), "{done}");
    }
}

#[tokio::test]
async fn the_older_servers_table_is_taken_over() {
    // A9-01
    let server = Server::start();
    let mut raw = server.raw().await;
    let script = steps(OLD_TABLE).remove(0).sql.replace("id BIGINT", "id INTEGER");
    let script =
        script.replace("utf8mb4 COLLATE utf8mb4_bin", "latin1 COLLATE latin1_swedish_ci").replace("InnoDB", "MyISAM");
    raw.query_drop("SET NAMES utf8mb4").await.unwrap();
    raw.query_drop(MysqlDialect(TableNames::default()).render(&script)).await.unwrap();
    raw.query_drop(
        r#"INSERT INTO users VALUES (7,'Zoë','$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/','[]','/srv/ö',0,0,0,0,0,'{"/":["*"]}',5,1,0,0,0,0,0,1,'{"allowed_ip":[],"denied_ip":[]}','{"provider":0}')"#,
    )
    .await
    .unwrap();
    let database = server.open();
    let found = find_user(&database, "Zoë").await.unwrap().unwrap();
    assert_eq!((found.id, found.usage.used_quota_size, found.home_dir.as_str()), (7, 5, "/srv/ö"));
    assert_eq!(add(&database, "zoe").await.id, 8);
    let engine =
        "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'users'";
    let engine: Option<String> = raw.query_first(engine).await.unwrap();
    assert_eq!(engine.as_deref(), Some("InnoDB"));
}

#[tokio::test]
async fn accounts_of_an_earlier_version_are_found_by_their_role() {
    let server = Server::start();
    let database = server.open();
    add(&database, "alice").await;
    // More than are read at once, and more than are added at once.
    filters::add_of_roles(&database, 1_100).await;
    drop(database);
    let expected = filters::of_role(&server.open(), "sales12").await;
    assert_eq!(expected.len(), 20);
    let mut raw = server.raw().await;
    // A server that died before it noted the script had made the index.
    for sql in ["DROP TABLE account_references", "DELETE FROM tidegate_version WHERE version = 20261208"] {
        raw.query_drop(sql).await.unwrap();
    }
    let database = server.open();
    assert_eq!(filters::of_role(&database, "sales12").await, expected);
    assert_eq!(filters::of_role(&database, "sales0").await.len(), 90);
    drop(database);
    // One that died later had filled the table, and accounts were changed since.
    for sql in [
        "INSERT INTO account_references VALUES ('role', 'sales12', 'alice')",
        "DELETE FROM account_references WHERE account = 'bob1'",
        "DELETE FROM tidegate_version WHERE version = 20261208",
    ] {
        raw.query_drop(sql).await.unwrap();
    }
    let database = server.open();
    let count = "SELECT CAST(COUNT(*) AS CHAR) FROM account_references WHERE account IN ('alice', 'bob1')";
    assert_eq!(raw.query_first::<String, _>(count).await.unwrap().as_deref(), Some("1"));
    assert_eq!(filters::of_role(&database, "sales0").await.len(), 90);
    let elsewhere = r#"UPDATE users SET other = '{"role":"elsewhere"}' WHERE username = 'bob0'"#;
    raw.query_drop(elsewhere).await.unwrap();
    filters::check_changed_elsewhere(&database).await;
}

#[tokio::test]
async fn the_tables_of_a_later_version_are_refused_and_not_changed() {
    // A9-01
    let server = Server::start();
    let mut raw = server.raw().await;
    let later = steps(OLD_TABLE).remove(0).sql.replace("filesystem LONGTEXT NULL", "filesystem TEXT, role_id INTEGER");
    raw.query_drop(MysqlDialect(TableNames::default()).render(&later)).await.unwrap();
    let tables: Vec<(String, String)> = raw.query("SHOW CREATE TABLE users").await.unwrap();
    let refused = MysqlDatabase::open(server.settings()).err().unwrap();
    assert!(matches!(&refused, StoreError::Refused(text) if text.contains("tidegate migrate")), "{refused}");
    assert_eq!(MysqlDatabase::look(server.settings()).unwrap_err(), refused);
    assert_eq!(raw.query::<(String, String), _>("SHOW CREATE TABLE users").await.unwrap(), tables);
    assert_eq!(raw.query::<String, _>("SHOW TABLES").await.unwrap(), ["users"]);
}

#[tokio::test]
async fn tables_are_where_the_configuration_wants_them() {
    // A3-35
    let server = Server::start();
    let tables = TableNames { schema: String::new(), prefix: "tg_".into(), users: "people".into() };
    let database = MysqlDatabase::open(DatabaseServerSettings { tables, ..server.settings() }).unwrap();
    add(&database, "alice").await;
    let names: Vec<String> = server.raw().await.query("SELECT username FROM tg_people").await.unwrap();
    assert_eq!(names, ["alice"]);
    // Another installation in the same database.
    assert!(server.open().find(&USERS, "alice").await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_depends_on_how_the_server_is_configured() {
    let server = Server::start_with(&[
        "--sql-mode=ANSI_QUOTES".to_owned(),
        "--autocommit=0".to_owned(),
        "--transaction-isolation=SERIALIZABLE".to_owned(),
        "--default-time-zone=+05:00".to_owned(),
        "--character-set-server=latin1".to_owned(),
        "--collation-server=latin1_swedish_ci".to_owned(),
        "--default-storage-engine=MyISAM".to_owned(),
        "--lower-case-table-names=1".to_owned(),
    ]);
    let database = server.open();
    let begin = database.changes(None).await.unwrap().next;
    let mut odd = document("/srv/\u{1f980}");
    odd.insert("description".into(), json!("\u{0}\u{1f980} "));
    commit(&database, "\u{1f980}", Write::Add(odd.clone())).await.unwrap();
    commit(&database, "A", Write::Add(document("/srv"))).await.unwrap();
    commit(&database, "a", Write::Add(document("/srv"))).await.unwrap();
    let found = server.open().find(&USERS, "\u{1f980}").await.unwrap().unwrap();
    assert_eq!(found.document.get("description"), odd.get("description"));
    assert!(
        matches!(database.changes(Some(&begin)).await.unwrap().objects, ChangedObjects::Named(names) if names.len() == 3)
    );
    // A value that a column cannot hold is an error, not another value.
    let long = "x".repeat(3_000);
    let refused = commit(&database, &long, Write::Add(document("/srv"))).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(text) if text.contains("too long")), "{refused}");
    assert!(database.find(&USERS, &long[..2_048]).await.unwrap().is_none());
    assert!(database.find(&FOLDERS, &long).await.unwrap().is_none());
}

#[tokio::test]
async fn a_broken_row_is_named_and_harms_no_other() {
    // A9-06
    let server = Server::start();
    let database = server.open();
    add(&database, "alice").await;
    add(&database, "bob").await;
    server.raw().await.query_drop("UPDATE users SET permissions = '{' WHERE username = 'alice'").await.unwrap();
    let error = find_user(&database, "alice").await.unwrap_err().to_string();
    assert!(error.contains("\"alice\"") && error.contains("permissions"), "{error}");
    assert!(find_user(&database, "bob").await.unwrap().is_some());
}

#[tokio::test]
async fn secrets_of_the_older_server_are_decrypted_once() {
    // A8-15
    let server = Server::start();
    let mut raw = server.raw().await;
    raw.query_drop(MysqlDialect(TableNames::default()).render(&steps(OLD_TABLE).remove(0).sql)).await.unwrap();
    MysqlDatabase::look(server.settings()).unwrap();
    for row in test_cases::OLD_SECRETS {
        raw.query_drop(*row).await.unwrap();
    }
    test_cases::check_decrypted(&MysqlDatabase::open_older(server.settings(), test_cases::decrypted).unwrap()).await;
    MysqlDatabase::look(server.settings()).unwrap();
    raw.query_drop(test_cases::SECRET_OF_LATER).await.unwrap();
    let again = MysqlDatabase::open_older(server.settings(), test_cases::decrypted).unwrap();
    test_cases::check_not_decrypted(&again).await;
    raw.query_drop("INSERT INTO tidegate_version VALUES (99999999)").await.unwrap();
    let refused = MysqlDatabase::look(server.settings()).unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(text) if text.contains("made by a newer release")), "{refused}");
}

#[tokio::test]
async fn a_broken_row_of_any_table_is_in_the_way_of_no_other() {
    // A9-06
    let server = Server::start();
    let (database, mut raw) = (server.open(), server.raw().await);
    for (collection, statement) in invalid::broken_cells() {
        invalid::check_broken_cell(&database, collection, async || raw.query_drop(statement.as_str()).await.unwrap())
            .await;
    }
}

#[tokio::test]
async fn of_several_documents_the_one_that_exists_is_named() {
    let server = Server::start();
    let database = server.open();
    add(&database, "b").await;
    let all = |names: &[&str]| names.iter().map(|name| change(name, Write::Add(document("/srv")))).collect::<Vec<_>>();
    let exists = |name: &str| Err(StoreError::Exists(USERS.object(name)));
    assert_eq!(database.commit(all(&["a", "b", "c"])).await, exists("b"));
    assert_eq!(database.commit(all(&["x", "y", "x"])).await, exists("x"));
    assert!(database.find(&USERS, "a").await.unwrap().is_none());
    let versions = database.commit(all(&["d", "c", "a"])).await.unwrap();
    let mut found = Vec::new();
    for name in ["d", "c", "a"] {
        found.push(database.find(&USERS, name).await.unwrap().unwrap().version);
    }
    assert_eq!(found, versions);
}

#[tokio::test]
async fn a_change_that_becomes_visible_late_is_announced() {
    let server = Server::start();
    let (database, mut raw) = (server.open(), server.raw().await);
    let begin = database.changes(None).await.unwrap().next;
    // Another server between its announcement and its commit.
    raw.query_drop(
        "START TRANSACTION; UPDATE change_horizon SET last = last + 1; \
         INSERT INTO changes (id, kind, name) SELECT last, 'user', 'late' FROM change_horizon",
    )
    .await
    .unwrap();
    assert!(database.changes(Some(&begin)).await.unwrap().is_empty());
    let (alice, ()) = tokio::join!(add(&database, "alice"), async { raw.query_drop("COMMIT").await.unwrap() });
    assert!(alice.id > 0);
    let named = |names: &[&str]| {
        ChangedObjects::Named(names.iter().map(|name| ("user".to_owned(), (*name).to_owned())).collect())
    };
    let both = database.changes(Some(&begin)).await.unwrap();
    assert_eq!(both.objects, named(&["alice", "late"]));
    assert!(database.changes(Some(&both.next)).await.unwrap().is_empty());
}

#[tokio::test]
async fn changes_that_were_forgotten_are_everything() {
    let server: Server = test_cases::changes_that_were_forgotten_are_everything().await;
    let kept: Option<i64> = server.raw().await.query_first("SELECT COUNT(*) FROM changes").await.unwrap();
    assert_eq!(kept, Some(10_000));
}

#[tokio::test]
async fn what_is_too_long_for_a_packet_is_refused() {
    let server = Server::start_with(&["--max-allowed-packet=1M".to_owned()]);
    let database = server.open();
    let mut long = document("/srv");
    long.insert("description".into(), json!("x".repeat(2 << 20)));
    let refused = commit(&database, "alice", Write::Add(long)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(text) if text.contains("max_allowed_packet")), "{refused}");
    add(&database, "alice").await;
}

#[tokio::test]
async fn a_full_disk_is_told() {
    let server = Server::start_with(&[
        "--innodb-file-per-table=0".to_owned(),
        "--innodb-data-file-path=ibdata1:12M:autoextend:max:16M".to_owned(),
    ]);
    let database = server.open();
    let mut long = document("/srv");
    long.insert("description".into(), json!("x".repeat(1 << 20)));
    let mut outcome = Ok(Vec::new());
    for number in 0..20 {
        outcome = database.commit(vec![change(&number.to_string(), Write::Add(long.clone()))]).await;
        if outcome.is_err() {
            break;
        }
    }
    let error = outcome.unwrap_err();
    assert!(matches!(&error, StoreError::Full(text) if text.contains("free some")), "{error}");
    assert!(database.find(&USERS, "0").await.unwrap().is_some());
}

#[tokio::test]
async fn the_tables_of_another_program_are_read() {
    let server = Server::start();
    let mut raw = server.raw().await;
    raw.query_drop("SET NAMES utf8mb4; SET GLOBAL read_only = 1").await.unwrap();
    for sql in test_cases::FOREIGN {
        raw.query_drop(sql).await.unwrap();
    }
    test_cases::check_foreign(&read_mysql_tables(server.settings(), |name| name == "users").unwrap());
}
