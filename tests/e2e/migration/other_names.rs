//! Accounts in tables of other names, behind a connection string or in memory: they move in, and no installation is taken
//! for one without accounts (A3-34, A3-35, A9-01).

use serde_json::{Value, json};
use tidegate_tests::clients::text;
use tidegate_tests::databases::{Database, Kind};
use tidegate_tests::server::Server;

use super::older::{HASH, LAST, Old, sqlite};
use super::{check_served, migrate, report, shown, tidegate};

/// The tables of accounts of the first era, and those that the last one has beside it.
const FIRST_TABLES: [&str; 1] = ["users"];
const LAST_TABLES: [&str; 7] =
    ["users", "roles", "folders", "users_folders_mapping", "groups", "users_groups_mapping", "admins"];

/// Changes the section of the database in the older server's configuration; null removes a key.
fn set(old: &Old, keys: &Value) {
    let file = old.path("old/sftpgo.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let section = settings["data_provider"].as_object_mut().unwrap();
    for (key, value) in keys.as_object().unwrap() {
        section.insert(key.clone(), value.clone());
    }
    section.retain(|_, value| !value.is_null());
    std::fs::write(&file, settings.to_string()).unwrap();
}

/// The statements that give the tables a prefix.
fn prefixed(tables: &[&str]) -> String {
    tables.iter().map(|table| format!("ALTER TABLE {table} RENAME TO x_{table};")).collect()
}

#[test]
fn a_file_with_tables_of_other_names_is_not_served_as_an_empty_one_and_moves_in() {
    let with_prefix = json!({"sql_tables_prefix": "x_"});
    let with_table = json!({"users_table": "people"});
    let people = || "ALTER TABLE users RENAME TO people".to_owned();
    for (keys, renaming, more, hook, compat) in [
        (&with_prefix, prefixed(&FIRST_TABLES), "", "pre_login_program", "seed"),
        (&with_table, people(), "", "pre_login_program", "seed"),
        (&with_prefix, prefixed(&LAST_TABLES), LAST, "pre_login_hook", "current"),
        (&with_table, people(), LAST, "pre_login_hook", "current"),
    ] {
        let old = Old::new(more, hook);
        let (place, file) = (old.path("old"), old.path("old/old.db"));
        sqlite(&file, &renaming);
        let before = std::fs::read(&file).unwrap();
        // The file alone says enough, and so does the configuration.
        for keys in [&json!({}), keys] {
            set(&old, keys);
            for command in [["user", "list"], ["config", "check"]] {
                let refused = tidegate(&command, &place);
                assert!(!refused.status.success(), "{keys} {command:?}");
                assert!(text(&refused).contains("tidegate migrate --from DIR -c DIR"), "{}", text(&refused));
            }
            assert!(!old.path("old/old.db.before-tidegate").exists());
            assert_eq!(std::fs::read(&file).unwrap(), before, "{keys}");
        }
        let elsewhere = report(&place, &old.path("new"), &[]);
        // What an interrupted move leaves is gone over.
        std::fs::copy(&file, old.path("old/old.db.before-tidegate")).unwrap();
        std::fs::write(old.path("old/old.db.moving"), "half").unwrap();
        let in_place = report(&place, &place, &[]);
        let admins: i32 = if more == LAST { 3 } else { 0 };
        for done in [&elsewhere, &in_place] {
            assert_eq!((&done["users"]["added"], &done["users"]["invalid"]), (&3.into(), &1.into()), "{keys} {done}");
            assert_eq!((&done["admins"]["added"], &done["compat"]), (&admins.into(), &compat.into()), "{keys} {done}");
        }
        check_served(&old, &place, compat, more == LAST);
    }
}

#[test]
fn the_file_of_a_connection_string_is_read() {
    // A3-34
    for (key, string) in [("connection_string", "file:old.db?cache=shared"), ("connectionstring", "file:old.db")] {
        let old = Old::new(LAST, "pre_login_hook");
        let place = old.path("old");
        set(&old, &json!({"name": "other.db", (key): string}));
        let elsewhere = report(&place, &old.path("new"), &[]);
        let in_place = report(&place, &place, &[]);
        for done in [&elsewhere, &in_place] {
            assert_eq!((&done["users"]["added"], &done["admins"]["added"]), (&3.into(), &3.into()), "{key} {done}");
        }
        let kept = in_place["kept_database"].as_str().unwrap();
        assert!(kept.ends_with("old.db.before-tidegate"), "{key} {kept}");
        assert_eq!(shown(&place, "alice")["groups"][0]["name"], "team");
        assert!(!old.path("old/other.db").exists());
    }
}

#[test]
fn tables_of_other_names_on_a_database_server_are_read_through_a_connection_string() {
    for kind in [Kind::Postgresql, Kind::Mariadb] {
        let database = Database::start(kind);
        let old = Old::in_database(LAST, "pre_login_hook", &database);
        let socket = database.socket().display().to_string();
        let string = match kind {
            Kind::Postgresql => format!("host={socket} dbname=postgres user=postgres sslmode=disable"),
            Kind::Mariadb => format!("root@unix({socket}/mysqld.sock)/tidegate?parseTime=true"),
        };
        set(&old, &json!({"name": null, "host": null, "username": null, "connection_string": string}));
        let check = |to: &str| {
            let done = report(&old.path("old"), &old.path(to), &[]);
            assert_eq!((&done["users"]["added"], &done["users"]["invalid"]), (&3.into(), &1.into()), "{to}: {done}");
            assert_eq!((&done["admins"]["added"], &done["compat"]), (&3.into(), &"current".into()), "{to}: {done}");
            assert_eq!(shown(&old.path(to), "alice")["groups"][0]["name"], "team", "{kind:?} {to}");
        };
        check("plain");
        database.sql("ALTER TABLE users RENAME TO people");
        set(&old, &json!({"users_table": "people"}));
        check("table");
        database.sql(&format!("ALTER TABLE people RENAME TO users; {}", prefixed(&LAST_TABLES)));
        set(&old, &json!({"users_table": null, "sql_tables_prefix": "x_"}));
        check("prefix");
        // Another table of accounts than the one that is meant is not read.
        for keys in [json!({"sql_tables_prefix": "y_"}), json!({"users_table": "people"})] {
            set(&old, &keys);
            let refused = migrate(&old.path("old"), &old.path("none"), &[]);
            assert!(!refused.status.success(), "{kind:?} {keys}");
            assert!(text(&refused).contains("no table of accounts"), "{kind:?} {keys}: {}", text(&refused));
        }
    }
}

#[test]
fn an_installation_with_accounts_in_memory_moves_in_for_its_hooks() {
    // A9-03
    let old = Old::new("", "pre_login_hook");
    let home = old.path("homes/alice").display().to_string();
    let account =
        json!({"username": "alice", "status": 1, "password": HASH, "home_dir": home, "permissions": {"/": ["*"]}});
    let script =
        format!("#!/bin/sh\ncase \"$SFTPGO_LOGIND_USER\" in *'\"username\":\"alice\"'*) echo '{account}';; esac\n");
    std::fs::write(old.path("old/hook.sh"), script).unwrap();
    set(&old, &json!({"driver": "memory", "name": null}));
    std::fs::remove_file(old.path("old/old.db")).unwrap();
    let (from, to) = (old.path("old"), old.path("new"));
    let done = report(&from, &to, &[]);
    let (users, key) = (&done["users"]["added"], &done["host_keys"][0]["outcome"]);
    assert_eq!((users, key), (&0.into(), &"copied".into()), "{done}");
    assert!(done["notes"].to_string().contains("no dump is named"), "{done}");
    let again = migrate(&from, &to, &[]);
    assert!(again.status.success() && text(&again).contains("Nothing was changed"), "{}", text(&again));
    let server = Server::in_directory(&to);
    let output = old.client(&server, "alice", false, "ls -l\n");
    assert!(output.status.success() && text(&output).contains("first"), "{}\n{}", text(&output), server.log());
    assert!(!old.client(&server, "bob", false, "ls\n").status.success(), "{}", server.log());
}

#[test]
fn two_databases_are_not_read_at_once() {
    let old = Old::new("", "pre_login_program");
    let other = old.path("other.db");
    std::fs::copy(old.path("old/old.db"), &other).unwrap();
    sqlite(&other, "UPDATE users SET username = 'zoe' WHERE username = 'alice'");
    let path = |name: &str| old.path(name).display().to_string();
    let (also, to) = (path("other.db"), old.path("new"));
    let refused = tidegate(&["migrate", "--from", &also, "--from", &path("old/old.db")], &to);
    assert!(!refused.status.success() && text(&refused).contains("two of the sources"), "{}", text(&refused));
    assert!(!to.exists());
    let done = report(&old.path("old"), &to, &["--from", &also]);
    assert!(done["notes"].to_string().contains("of its configuration is not read"), "{done}");
    assert_eq!((shown(&to, "zoe")["username"].as_str(), &done["users"]["added"]), (Some("zoe"), &3.into()), "{done}");
    assert!(!tidegate(&["user", "show", "--username", "alice"], &to).status.success());
}
