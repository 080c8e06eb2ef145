//! The section `data_provider` for PostgreSQL: keys, and connection strings in both spellings.

use std::path::Path;
use std::time::Duration;

use tidegate_accounts::{DatabaseServerSettings, TableNames, TlsMode};
use tidegate_core::secret::Secret;

use super::tests::{check_error, read};
use super::*;

fn of(lines: &str) -> String {
    format!("[data_provider]\ndriver = \"postgresql\"\n{lines}\n")
}

fn settings_of(lines: &str) -> (DatabaseServerSettings, Vec<String>) {
    let settings = read("tidegate.toml", &of(lines), &[]).unwrap_or_else(|error| panic!("{lines}: {error}"));
    match settings.database {
        settings::DatabaseSettings::Postgresql(database) => (*database, settings.warnings),
        other => panic!("{lines}: {other:?}"),
    }
}

const LEAST: &str = "host = \"db\"\nname = \"tg\"\nusername = \"u\"";

#[test]
fn keys_say_where_the_database_is() {
    // A1-03, A3-30, A3-32, A3-33, A3-35, A3-38
    let (least, warnings) = settings_of(LEAST);
    assert_eq!((least.hosts.as_slice(), least.database.as_str()), (&[("db".to_owned(), 5432)][..], "tg"));
    assert_eq!((least.tls, least.pool_size, least.only_writable), (TlsMode::Disable, None, true));
    assert_eq!(least.pool_limit(), 16);
    assert_eq!(least.tables, TableNames { schema: String::new(), prefix: String::new(), users: "users".into() });
    assert_eq!(least.password, None);
    assert!(!warnings.iter().any(|warning| warning.contains("data_provider")), "{warnings:?}");
    let (more, _) = settings_of(
        "host = \"a:1, [::1]:2,b,/run/pg\"\nport = 3\nname = \"tg\"\nusername = \"u\"\npassword = \"p\"\nsslmode = 1\n\
         pool_size = 4\nschema = \"s\"\nsql_tables_prefix = \"tg_\"\nusers_table = \"people\"\ntarget_session_attrs = \"any\"",
    );
    let hosts = [("a", 1), ("::1", 2), ("b", 3), ("/run/pg", 3)].map(|(host, port)| (host.to_owned(), port));
    assert_eq!(more.hosts, hosts);
    assert_eq!((more.password.clone(), more.tls, more.pool_size), (Some(Secret::new("p")), TlsMode::Require, Some(4)));
    assert_eq!(more.tables, TableNames { schema: "s".into(), prefix: "tg_".into(), users: "people".into() });
    assert!(!more.only_writable);
    assert_eq!((more.pool_limit(), settings_of(&format!("{LEAST}\npool_size = 0")).0.pool_limit()), (4, 16));
    // What the page about installing shows, without the files that are not here.
    let is_elsewhere = |line: &&str| ["root_cert", "password_file"].iter().any(|key| line.starts_with(key));
    let shown: Vec<_> = include_str!("testdata/postgresql.toml").lines().filter(|line| !is_elsewhere(line)).collect();
    let shown = read("tidegate.toml", &shown.join("\n"), &[]).unwrap();
    let settings::DatabaseSettings::Postgresql(shown) = shown.database else { panic!("{:?}", shown.database) };
    assert_eq!((shown.hosts.len(), shown.tls, shown.tables.schema.as_str()), (2, TlsMode::VerifyFull, "tidegate"));
    for (mode, expected) in [(2, TlsMode::VerifyCa), (3, TlsMode::VerifyFull), (4, TlsMode::Prefer)] {
        assert_eq!(settings_of(&format!("{LEAST}\nsslmode = {mode}")).0.tls, expected);
    }
}

#[test]
fn connection_strings_hold_instead_of_keys() {
    // A3-34
    for text in [
        "host=a,b port=1,2 dbname=tg user=u password='p w' sslmode=verify-full connect_timeout=3",
        "postgresql://u:p%20w@a:1,b:2/tg?sslmode=verify-full&connect_timeout=3",
    ] {
        for key in ["connection_string", "connectionstring"] {
            let (settings, warnings) =
                settings_of(&format!("{key} = \"{text}\"\npassword = \"other\"\nschema = \"s\""));
            assert_eq!(settings.hosts, [("a".to_owned(), 1), ("b".to_owned(), 2)], "{text}");
            assert_eq!((settings.database.as_str(), settings.username.as_str()), ("tg", "u"));
            assert_eq!((settings.password, settings.tls), (Some(Secret::new("p w")), TlsMode::VerifyFull));
            assert_eq!(settings.connect_timeout, Some(Duration::from_secs(3)));
            assert_eq!(settings.tables.schema, "s");
            assert!(warnings.iter().any(|warning| warning.contains("data_provider.password")), "{warnings:?}");
        }
    }
    let (least, _) = settings_of("connection_string = \"host=/run/pg dbname=tg user=u\"");
    assert_eq!((least.hosts.as_slice(), least.tls), (&[("/run/pg".to_owned(), 5432)][..], TlsMode::Prefer));
    for (text, expected) in [
        ("host=a user=u password=hush", "\\\"dbname\\\""),
        ("dbname=tg user=u password=hush", "\"host\""),
        ("host=a dbname=tg password=hush", "\"user\""),
        ("host=a dbname=tg user=u password=hush sslmode=allow", "\"allow\""),
        ("host=a dbname=tg user=u password=hush options=-csearch_path=x", "\"options\""),
        ("host=a,b port=1,2,3 dbname=tg user=u password=hush", "number of ports"),
        ("host=a port=x dbname=tg user=u password=hush", "65535"),
        ("host=a dbname=tg user=u password=hush target_session_attrs=standby", "read-write"),
        ("host=a dbname=tg user=u password='hush", "not closed"),
        ("hush", "neither"),
    ] {
        let error =
            read("tidegate.toml", &of(&format!("connection_string = \"{text}\"")), &[]).unwrap_err().to_string();
        let expected = expected.replace("\\\"", "\"");
        assert!(error.contains(&expected) && !error.contains("hush"), "{text}: {error}");
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    for (lines, key) in [
        ("name = \"tg\"\nusername = \"u\"", "data_provider.host"),
        ("host = \"db\"\nusername = \"u\"", "data_provider.name"),
        ("host = \"db\"\nname = \"tg\"", "data_provider.username"),
        ("host = \"db:x\"\nname = \"tg\"\nusername = \"u\"", "data_provider.host"),
    ] {
        check_error("tidegate.toml", &of(lines), &[key]);
    }
    for (line, key) in [
        ("sslmode = 5", "data_provider.sslmode"),
        ("pool_size = -1", "data_provider.pool_size"),
        ("schema = \"a b\"", "data_provider.schema"),
        ("sql_tables_prefix = \"1\"", "data_provider.sql_tables_prefix"),
        // A3-35
        ("users_table = \"folders\"", "data_provider.users_table"),
        ("users_table = \"access_tokens\"", "data_provider.users_table"),
        ("users_table = \"\"", "data_provider.users_table"),
        ("users_table = \"a b\"", "data_provider.users_table"),
        ("manage_users = 0", "data_provider.track_quota"),
        ("target_session_attrs = \"read-only\"", "data_provider.target_session_attrs"),
        ("password_file = \"gone\"", "data_provider.password_file"),
        ("password_file = \"/dev/null\"\npassword = \"p\"", "data_provider.password_file"),
        ("client_cert = \"/etc/passwd\"", "data_provider.client_cert"),
        ("sslmode = 3\nroot_cert = \"gone.pem\"", "data_provider.root_cert"),
    ] {
        check_error("tidegate.toml", &of(&format!("{LEAST}\n{line}")), &[key]);
    }
    let (settings, warnings) =
        settings_of(&format!("{LEAST}\nroot_cert = \"/etc/passwd\"\npassword_file = \"/etc/passwd\""));
    assert_eq!(settings.password_file.as_deref(), Some(Path::new("/etc/passwd")));
    assert!(warnings.iter().any(|warning| warning.contains("data_provider.root_cert")), "{warnings:?}");
}
