//! `manage_users = 0`: which databases, and what goes with it (A8-17, A3-36).

use std::path::Path;

use super::settings::{DatabaseSettings, ReadOnly};
use super::tests::{check_error, read};

const SERVER: &str = "host = \"db\"\nname = \"tg\"\nusername = \"u\"";

fn of(lines: &str) -> String {
    format!("[data_provider]\nmanage_users = 0\ntrack_quota = 0\n{lines}\n")
}

fn read_only(lines: &str) -> ReadOnly {
    let settings = read("tidegate.toml", &of(lines), &[]).unwrap_or_else(|error| panic!("{lines}: {error}"));
    match settings.database {
        DatabaseSettings::ReadOnly { accounts, own } => {
            assert!(own.ends_with("tidegate.db"), "{}", own.display());
            accounts
        }
        other => panic!("{lines}: {other:?}"),
    }
}

#[test]
fn accounts_are_read_from_databases_that_speak_sql() {
    // A8-17, A3-36
    match read_only("name = \"/srv/shop.db\"\nusers_table = \"customers\"") {
        ReadOnly::Sqlite(path, names) => {
            assert_eq!((path.as_path(), names.users.as_str()), (Path::new("/srv/shop.db"), "customers"));
        }
        other => panic!("{other:?}"),
    }
    let server = |driver: &str, more: &str| match read_only(&format!("driver = \"{driver}\"\n{SERVER}\n{more}")) {
        ReadOnly::Postgresql(settings) | ReadOnly::Mysql(settings) => *settings,
        ReadOnly::Sqlite(path, _) => panic!("{}", path.display()),
    };
    for driver in ["postgresql", "mysql"] {
        // A standby will do.
        assert!(!server(driver, "").only_writable);
        // Our own tables are elsewhere.
        for name in ["customers", "administrators"] {
            assert_eq!(server(driver, &format!("users_table = \"{name}\"")).tables.users, name);
        }
    }
    assert!(server("postgresql", "target_session_attrs = \"read-write\"").only_writable);
}

#[test]
fn what_does_not_go_with_it_is_named() {
    // A8-17, A3-36
    for (lines, expected) in [
        ("", "data_provider.name"),
        ("name = \"tidegate.db\"", "data_provider.name"),
        ("name = \"shop.db\"\nusers_table = \"a b\"", "data_provider.users_table"),
        ("name = \"shop.db\"\nsql_tables_prefix = \"x_\"", "data_provider.sql_tables_prefix"),
        ("driver = \"bolt\"\nname = \"shop.db\"", "data_provider.manage_users"),
        ("driver = \"memory\"", "data_provider.manage_users"),
    ] {
        check_error("tidegate.toml", &of(lines), &[expected]);
    }
    let without = "[data_provider]\nname = \"shop.db\"\nmanage_users = 0\n";
    check_error("tidegate.toml", without, &["data_provider.track_quota"]);
    check_error("tidegate.toml", "[data_provider]\nmanage_users = 2\n", &["data_provider.manage_users"]);
}
