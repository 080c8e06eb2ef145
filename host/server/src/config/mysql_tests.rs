//! The section `data_provider` for MySQL and MariaDB: keys, and connection strings in both spellings.

use std::path::Path;
use std::time::Duration;

use tidegate_accounts::{DatabaseServerSettings, TableNames, TlsMode};
use tidegate_core::secret::Secret;

use super::tests::{check_error, read};
use super::*;

fn of(lines: &str) -> String {
    format!("[data_provider]\ndriver = \"mysql\"\n{lines}\n")
}

fn settings_of(lines: &str) -> (DatabaseServerSettings, Vec<String>) {
    let settings = read("tidegate.toml", &of(lines), &[]).unwrap_or_else(|error| panic!("{lines}: {error}"));
    match settings.database {
        settings::DatabaseSettings::Mysql(database) => (*database, settings.warnings),
        other => panic!("{lines}: {other:?}"),
    }
}

const LEAST: &str = "host = \"db\"\nname = \"tg\"\nusername = \"u\"";

#[test]
fn keys_say_where_the_database_is() {
    // A1-03, A3-30, A3-32, A3-33, A3-35, A3-38
    let (least, warnings) = settings_of(LEAST);
    assert_eq!((least.hosts.as_slice(), least.database.as_str()), (&[("db".to_owned(), 3306)][..], "tg"));
    assert_eq!((least.tls, least.pool_size, least.only_writable), (TlsMode::Disable, None, true));
    assert_eq!(least.pool_limit(), 16);
    assert_eq!(least.tables, TableNames { schema: String::new(), prefix: String::new(), users: "users".into() });
    assert!(!warnings.iter().any(|warning| warning.contains("data_provider")), "{warnings:?}");
    let (more, _) = settings_of(
        "host = \"a:1, [::1]:2,b,/run/mysqld\"\nport = 3\nname = \"tg\"\nusername = \"u\"\npassword = \"p\"\nsslmode = 1\n\
         pool_size = 4\nsql_tables_prefix = \"tg_\"\nusers_table = \"people\"\ntarget_session_attrs = \"any\"",
    );
    let hosts = [("a", 1), ("::1", 2), ("b", 3), ("/run/mysqld", 3)].map(|(host, port)| (host.to_owned(), port));
    assert_eq!(more.hosts, hosts);
    assert_eq!(
        (more.password.clone(), more.tls, more.pool_size),
        (Some(Secret::new("p")), TlsMode::VerifyFull, Some(4))
    );
    assert_eq!(more.tables, TableNames { schema: String::new(), prefix: "tg_".into(), users: "people".into() });
    assert!(!more.only_writable);
    assert_eq!((more.pool_limit(), settings_of(&format!("{LEAST}\npool_size = 0")).0.pool_limit()), (4, 16));
    // What the page about installing shows, without the files that are not here.
    let is_elsewhere = |line: &&str| ["root_cert", "password_file"].iter().any(|key| line.starts_with(key));
    let shown: Vec<_> = include_str!("testdata/mysql.toml").lines().filter(|line| !is_elsewhere(line)).collect();
    let shown = read("tidegate.toml", &shown.join("\n"), &[]).unwrap();
    let settings::DatabaseSettings::Mysql(shown) = shown.database else { panic!("{:?}", shown.database) };
    assert_eq!((shown.hosts.len(), shown.tls), (2, TlsMode::VerifyFull));
    for (mode, expected) in [(2, TlsMode::Require), (3, TlsMode::Prefer)] {
        assert_eq!(settings_of(&format!("{LEAST}\nsslmode = {mode}")).0.tls, expected);
    }
}

#[test]
fn connection_strings_hold_instead_of_keys() {
    // A3-34
    let check = |text: &str, host: (&str, u16), password: Option<&str>, tls: TlsMode| {
        for key in ["connection_string", "connectionstring"] {
            let (settings, warnings) =
                settings_of(&format!("{key} = \"{text}\"\npassword = \"other\"\nroot_cert = \"/etc/passwd\""));
            assert_eq!(settings.hosts.first(), Some(&(host.0.to_owned(), host.1)), "{text}");
            assert_eq!((settings.database.as_str(), settings.username.as_str()), ("tg", "u"), "{text}");
            assert_eq!((settings.password, settings.tls), (password.map(Secret::new), tls), "{text}");
            assert_eq!(settings.root_cert.as_deref(), Some(Path::new("/etc/passwd")), "{text}");
            assert!(warnings.iter().any(|warning| warning.contains("data_provider.password")), "{warnings:?}");
        }
    };
    check("u:p@tcp(db:3307)/tg?tls=true", ("db", 3307), Some("p"), TlsMode::VerifyFull);
    check(
        "u:p:@/x(@tcp([::1]:3307)/tg?tls=skip-verify&parseTime=true",
        ("::1", 3307),
        Some("p:@/x("),
        TlsMode::Require,
    );
    check("u@tcp(db)/tg", ("db", 3306), None, TlsMode::Disable);
    check("u:p@/tg?tls=preferred", ("127.0.0.1", 3306), Some("p"), TlsMode::Prefer);
    check("u:p@unix(/run/mysqld/mysqld.sock)/tg", ("/run/mysqld/mysqld.sock", 3306), Some("p"), TlsMode::Disable);
    check("mysql://u:p%40@db:3307/tg?ssl-mode=VERIFY_CA", ("db", 3307), Some("p@"), TlsMode::VerifyCa);
    check("mariadb://u@db/tg", ("db", 3306), None, TlsMode::Prefer);
    check(
        "mysql://u@localhost/tg?socket=/run/my.sock&ssl-mode=disabled",
        ("/run/my.sock", 3306),
        None,
        TlsMode::Disable,
    );
    let (several, _) = settings_of("connection_string = \"mysql://u@a:1,b/tg\"\ntarget_session_attrs = \"any\"");
    assert_eq!(several.hosts, [("a".to_owned(), 1), ("b".to_owned(), 3306)]);
    assert!(!several.only_writable);
    let (timed, warnings) = settings_of("connection_string = \"u:p@tcp(db)/tg?timeout=500ms&charset=utf8\"");
    assert_eq!(timed.connect_timeout, Some(Duration::from_millis(500)));
    assert!(warnings.iter().any(|warning| warning.contains("charset")), "{warnings:?}");
    for (text, expected) in [
        ("hush", "tcp(host:port)"),
        ("u:hush@tcp(db/tg", "tcp(host:port)"),
        ("u:hush@udp(db)/tg", "network"),
        ("u:hush@tcp(db:0)/tg", "65535"),
        ("u:hush@tcp(db)/", "name of the database"),
        (":hush@tcp(db)/tg", "\"user\""),
        ("u:hush@tcp(db)/tg?tls=own", "data_provider.root_cert"),
        ("u:hush@tcp(db)/tg?timeout=x", "timeout"),
        ("u:hush@tcp(db)/tg?allowCleartextPasswords=true", "allowCleartextPasswords"),
        ("mysql://u:hush@db/tg?ssl-mode=x", "ssl-mode"),
        ("mysql://u:hush@db/tg?x=y", "\"x\""),
        ("mysql://u:hush@/tg", "\"host\""),
    ] {
        let error =
            read("tidegate.toml", &of(&format!("connection_string = \"{text}\"")), &[]).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("hush"), "{text}: {error}");
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    // A3-35
    check_error("tidegate.toml", &of("name = \"tg\"\nusername = \"u\""), &["data_provider.host", "/run/mysqld"]);
    for (line, key) in [
        ("sslmode = 4", "data_provider.sslmode"),
        ("sslmode = 5", "data_provider.sslmode"),
        ("schema = \"s\"", "data_provider.schema"),
        ("pool_size = -1", "data_provider.pool_size"),
        ("users_table = \"changes\"", "data_provider.users_table"),
        ("users_table = \"api_keys\"", "data_provider.users_table"),
        ("users_table = \"Administrators\"", "data_provider.users_table"),
        ("users_table = \"\"", "data_provider.users_table"),
        ("users_table = \"a b\"", "data_provider.users_table"),
        ("users_table = \"1st\"", "data_provider.users_table"),
        ("sql_tables_prefix = \"tg-\"", "data_provider.sql_tables_prefix"),
        ("manage_users = 0", "data_provider.track_quota"),
        ("password_file = \"gone\"", "data_provider.password_file"),
        ("sslmode = 1\nroot_cert = \"gone.pem\"", "data_provider.root_cert"),
    ] {
        check_error("tidegate.toml", &of(&format!("{LEAST}\n{line}")), &[key]);
    }
}
