//! What is PostgreSQL's own. What holds for all stores is in the suite `conformance`.

use tidegate_core::account::find_user;
use tidegate_core::ports::{ChangedObjects, Directory, FOLDERS, PluginStore, USERS, Write};

use super::dialect::PostgresqlDialect;
use super::test_server::{Pooler, Server};
use super::*;
use crate::conformance::{add, commit, document, filters, invalid};
use crate::sql::remote::test_cases;
use crate::sql::{Dialect, TableNames};

test_cases::of_every_server!(Server);

#[tokio::test]
async fn four_servers_that_start_at_once_make_the_tables_once() {
    let server = Server::start();
    test_cases::four_servers_start_at_once(&server);
    let raw = server.raw().await;
    let rows = raw.query_typed("SELECT version FROM tidegate_version", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    let running = server.open();
    let token = running.changes(None).await.unwrap().next;
    raw.batch_execute("UPDATE tidegate_version SET version = 99999999").await.unwrap();
    test_cases::a_server_beside_newer_tables_refuses(&running, &token).await;
    let refused = PostgresqlDatabase::open(server.settings()).err().unwrap();
    assert!(matches!(&refused, StoreError::Refused(text) if text.contains("made by a newer release")), "{refused}");
}

#[tokio::test]
async fn four_servers_that_start_at_once_take_older_tables_over_once() {
    // A9-01
    let server = Server::start();
    let raw = server.raw().await;
    let script = include_str!("../../../../sql/postgresql/20200131.sql");
    raw.batch_execute(&PostgresqlDialect(TableNames::default()).render(script)).await.unwrap();
    for row in test_cases::OLD_SECRETS {
        raw.batch_execute(row).await.unwrap();
    }
    let earlier = "DROP TABLE account_references; UPDATE tidegate_version SET version = 20261207";
    // Those of the older server, and then those of an earlier release.
    for before in ["", earlier] {
        raw.batch_execute(before).await.unwrap();
        test_cases::four_servers_start_at_once(&server);
        let versions = raw.query_typed("SELECT version FROM tidegate_version", &[]).await.unwrap();
        let versions: Vec<i64> = versions.iter().map(|row| row.get(0)).collect();
        assert_eq!(versions, [migrations::known_version()], "{before}");
        test_cases::check_taken_over(&server.open()).await;
    }
}

#[tokio::test]
async fn the_older_servers_table_is_taken_over() {
    // A9-01
    let server = Server::start();
    let raw = server.raw().await;
    let script = include_str!("../../../../sql/postgresql/20200131.sql").replace("BIGSERIAL", "SERIAL");
    raw.batch_execute(&PostgresqlDialect(TableNames::default()).render(&script)).await.unwrap();
    raw.batch_execute(
        r#"INSERT INTO users VALUES (7,'old','$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/','[]','/srv/old',0,0,0,0,0,'{"/":["*"]}',5,1,0,0,0,0,0,1,'{"allowed_ip":[],"denied_ip":[]}','{"provider":0}')"#,
    )
    .await
    .unwrap();
    raw.batch_execute("SELECT setval('users_id_seq', 7)").await.unwrap();
    let database = server.open();
    let found = find_user(&database, "old").await.unwrap().unwrap();
    assert_eq!((found.id, found.usage.used_quota_size), (7, 5));
    assert_eq!(add(&database, "new").await.id, 8);
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
    let raw = server.raw().await;
    raw.batch_execute("DROP TABLE account_references; UPDATE tidegate_version SET version = 20261207").await.unwrap();
    let database = server.open();
    assert_eq!(filters::of_role(&database, "sales12").await, expected);
    assert_eq!(filters::of_role(&database, "sales0").await.len(), 90);
    let elsewhere = r#"UPDATE users SET other = '{"role":"elsewhere"}' WHERE username = 'bob0'"#;
    raw.batch_execute(elsewhere).await.unwrap();
    filters::check_changed_elsewhere(&database).await;
}

#[tokio::test]
async fn the_tables_of_a_later_version_are_refused_and_not_changed() {
    // A9-01
    let server = Server::start();
    let raw = server.raw().await;
    let script = include_str!("../../../../sql/postgresql/20200131.sql");
    raw.batch_execute(&PostgresqlDialect(TableNames::default()).render(script)).await.unwrap();
    raw.batch_execute("CREATE TABLE folders (name TEXT)").await.unwrap();
    let refused = PostgresqlDatabase::open(server.settings()).err().unwrap().to_string();
    assert!(refused.contains("tidegate migrate"), "{refused}");
    assert_eq!(PostgresqlDatabase::look(server.settings()).unwrap_err().to_string(), refused);
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()";
    assert_eq!(raw.query_typed(tables, &[]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn tables_are_where_the_configuration_wants_them() {
    // A3-35
    let server = Server::start();
    let tables = TableNames { schema: "Files".into(), prefix: "tg_".into(), users: "people".into() };
    let database = PostgresqlDatabase::open(DatabaseServerSettings { tables, ..server.settings() }).unwrap();
    add(&database, "alice").await;
    let raw = server.raw().await;
    let names = raw.query_typed(r#"SELECT username FROM "Files".tg_people"#, &[]).await.unwrap();
    assert_eq!(names.first().unwrap().get::<_, &str>(0), "alice");
    // Another installation in the same database.
    let other = server.open();
    assert!(other.find(&USERS, "alice").await.unwrap().is_none());
}

#[tokio::test]
async fn a_broken_row_is_named_and_harms_no_other() {
    // A9-06
    let server = Server::start();
    let database = server.open();
    add(&database, "alice").await;
    add(&database, "bob").await;
    let raw = server.raw().await;
    raw.batch_execute("UPDATE users SET permissions = '{' WHERE username = 'alice'").await.unwrap();
    let error = find_user(&database, "alice").await.unwrap_err().to_string();
    assert!(error.contains("\"alice\"") && error.contains("permissions"), "{error}");
    assert!(find_user(&database, "bob").await.unwrap().is_some());
}

#[tokio::test]
async fn a_change_that_becomes_visible_late_is_announced() {
    let server = Server::start();
    let (database, mut raw) = (server.open(), server.raw().await);
    let begin = database.changes(None).await.unwrap().next;
    let late = raw.transaction().await.unwrap();
    late.batch_execute("INSERT INTO changes (kind, name) VALUES ('user', 'late')").await.unwrap();
    add(&database, "alice").await;
    let named = |name: &str| ChangedObjects::Named(vec![("user".to_owned(), name.to_owned())]);
    let first = database.changes(Some(&begin)).await.unwrap();
    assert_eq!(first.objects, named("alice"));
    assert!(database.changes(Some(&first.next)).await.unwrap().is_empty());
    late.commit().await.unwrap();
    let second = database.changes(Some(&first.next)).await.unwrap();
    assert_eq!(second.objects, named("late"));
    assert!(database.changes(Some(&second.next)).await.unwrap().is_empty());
}

#[tokio::test]
async fn changes_that_were_forgotten_are_everything() {
    let server: Server = test_cases::changes_that_were_forgotten_are_everything().await;
    let raw = server.raw().await;
    let kept: i64 = raw.query_typed("SELECT count(*) FROM changes", &[]).await.unwrap().first().unwrap().get(0);
    assert_eq!(kept, 10_000);
}

#[tokio::test]
async fn secrets_of_the_older_server_are_decrypted_once() {
    // A8-15
    let server = Server::start();
    let raw = server.raw().await;
    let script = include_str!("../../../../sql/postgresql/20200131.sql");
    raw.batch_execute(&PostgresqlDialect(TableNames::default()).render(script)).await.unwrap();
    PostgresqlDatabase::look(server.settings()).unwrap();
    for row in test_cases::OLD_SECRETS {
        raw.batch_execute(row).await.unwrap();
    }
    test_cases::check_decrypted(&PostgresqlDatabase::open_older(server.settings(), test_cases::decrypted).unwrap())
        .await;
    PostgresqlDatabase::look(server.settings()).unwrap();
    raw.batch_execute(test_cases::SECRET_OF_LATER).await.unwrap();
    let again = PostgresqlDatabase::open_older(server.settings(), test_cases::decrypted).unwrap();
    test_cases::check_not_decrypted(&again).await;
    raw.batch_execute("UPDATE tidegate_version SET version = 99999999").await.unwrap();
    let refused = PostgresqlDatabase::look(server.settings()).unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(text) if text.contains("made by a newer release")), "{refused}");
}

#[tokio::test]
async fn a_broken_row_of_any_table_is_in_the_way_of_no_other() {
    // A9-06
    let server = Server::start();
    let (database, raw) = (server.open(), server.raw().await);
    for (collection, statement) in invalid::broken_cells() {
        invalid::check_broken_cell(&database, collection, async || raw.batch_execute(&statement).await.unwrap()).await;
    }
}

#[tokio::test]
async fn answers_are_told_apart() {
    let server = Server::start();
    let (database, raw) = (server.open(), server.raw().await);
    let function = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN RAISE EXCEPTION USING MESSAGE = ''no'', ERRCODE = TG_ARGV[0]; END'";
    raw.batch_execute(function).await.unwrap();
    for (code, expected) in [
        ("53100", "Full"),
        ("25006", "ReadOnly"),
        ("40001", "Busy"),
        ("40P01", "Busy"),
        ("55P03", "Busy"),
        ("57014", "Busy"),
        ("57P01", "Unavailable"),
        ("08006", "Unavailable"),
        ("54000", "Refused"),
        ("42501", "Failed"),
        ("XX000", "Failed"),
    ] {
        let trigger =
            format!("CREATE TRIGGER refuse BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION refuse('{code}')");
        raw.batch_execute(&trigger).await.unwrap();
        let error = commit(&database, "alice", Write::Add(document("/srv"))).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{code}: {error:?}");
        assert!(error.to_string().contains(&format!("no ({code})")), "{code}: {error}");
        raw.batch_execute("DROP TRIGGER refuse ON users").await.unwrap();
        assert!(database.find(&USERS, "alice").await.unwrap().is_none(), "{code}");
    }
    add(&database, "alice").await;
}

#[tokio::test]
async fn what_is_too_long_for_an_index_is_refused() {
    let server = Server::start();
    let database = server.open();
    let mut long = String::new();
    for number in 0..2_000 {
        long.push_str(&format!("{:x}", number * 7919));
    }
    let refused = commit(&database, &long, Write::Add(document("/srv"))).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(text) if text.contains("too long")), "{refused}");
    assert!(database.find(&FOLDERS, &long).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pooler_may_stand_between() {
    let server = Server::start();
    let (_pooler, settings) = Pooler::start(&server);
    let tasks: Vec<_> = (0..8)
        .map(|writer| {
            let settings = DatabaseServerSettings { pool_size: Some(2), ..settings.clone() };
            tokio::spawn(async move {
                let database = PostgresqlDatabase::open(settings).unwrap();
                let begin = database.changes(None).await.unwrap().next;
                for number in 0..20 {
                    let name = format!("{writer}-{number}");
                    add(&database, &name).await;
                    assert_eq!(database.find(&USERS, &name).await.unwrap().unwrap().name, name);
                    database.increment("p", "n", 1, None).await.unwrap();
                }
                assert!(!database.changes(Some(&begin)).await.unwrap().is_empty());
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let database = PostgresqlDatabase::open(settings).unwrap();
    assert_eq!(database.get("p", "n").await.unwrap().as_deref(), Some(&b"160"[..]));
}

#[tokio::test]
async fn the_tables_of_another_program_are_read() {
    let server = Server::start();
    let raw = server.raw().await;
    for sql in test_cases::FOREIGN {
        raw.batch_execute(sql).await.unwrap();
    }
    test_cases::check_foreign(&read_postgresql_tables(server.settings(), |name| name == "users").unwrap());
}
