//! The section `data_provider`: where accounts are stored. A key that the driver does not use is a
//! warning; a key that would put accounts elsewhere than meant is refused.

use std::path::{Path, PathBuf};

use super::database_server;
use super::keys::{Config, DataProvider};
use super::mysql::MYSQL;
use super::network_disk;
use super::postgresql::POSTGRESQL;
use super::read_only;
use super::settings::DatabaseSettings;
use super::validate::Check;

/// The default port in full configurations for other databases.
const DEFAULT_PORT: u16 = 5432;

pub fn settings(config: &Config, directory: &Path, check: &mut Check<'_>) -> DatabaseSettings {
    let provider = &config.data_provider;
    refuse_unsupported(provider, check);
    let database = database(provider, directory, check);
    let database = match provider.manage_users {
        0 => read_only::settings(provider, database, directory, check),
        _ => database,
    };
    for remark in network_disk::remarks(&database, network_disk::of) {
        check.warning("data_provider.name", remark);
    }
    database
}

fn database(provider: &DataProvider, directory: &Path, check: &mut Check<'_>) -> DatabaseSettings {
    let connection = connection_string(provider, check);
    match provider.driver.as_str() {
        "sqlite" => {
            warn_of_unused(provider, check);
            match connection.and_then(|text| file_of(text, check)).or_else(|| file_name(provider, check)) {
                Some(file) => DatabaseSettings::Sqlite(directory.join(file)),
                None => DatabaseSettings::Memory(None),
            }
        }
        "bolt" => {
            warn_of_unused(provider, check);
            if connection.is_some() {
                check.problem(
                    "data_provider.connection_string",
                    "has no meaning for bolt; put the path of the file into data_provider.name",
                );
            }
            match named_file(provider, check) {
                Some(file) => DatabaseSettings::Bolt(directory.join(file)),
                None => DatabaseSettings::Memory(None),
            }
        }
        "memory" => {
            warn_of_unused(provider, check);
            if connection.is_some() {
                check.problem("data_provider.connection_string", "has no meaning for memory; remove it");
            }
            DatabaseSettings::Memory(dump(provider, directory, check))
        }
        "postgresql" => {
            let settings = database_server::settings(&POSTGRESQL, provider, connection, directory, check);
            DatabaseSettings::Postgresql(Box::new(settings))
        }
        "mysql" => {
            if !provider.schema.is_empty() {
                check.problem(
                    "data_provider.schema",
                    "has no meaning for mysql; name the database in data_provider.name",
                );
            }
            let settings = database_server::settings(&MYSQL, provider, connection, directory, check);
            DatabaseSettings::Mysql(Box::new(settings))
        }
        other => {
            check.problem(
                "data_provider.driver",
                format!(
                    "\"{other}\" is not a driver; use \"sqlite\", \"postgresql\", \"mysql\", \"bolt\" or \"memory\""
                ),
            );
            DatabaseSettings::Memory(None)
        }
    }
}

/// What to do where accounts are in a table that the driver does not read.
const TAKE_OVER: &str = "take the accounts of an older server over with: tidegate migrate --from DIR -c DIR, where DIR is \
                         the directory with its configuration";

/// Refuses keys that cannot be ignored: the server would write where nothing may be written, or
/// show other accounts.
fn refuse_unsupported(provider: &DataProvider, check: &mut Check<'_>) {
    let has_tables = ["postgresql", "mysql"].contains(&provider.driver.as_str());
    if provider.users_table != "users" && !has_tables && provider.manage_users == 1 {
        let problem = "has no meaning for this driver unless manage_users is 0; remove the key";
        check.problem("data_provider.users_table", format!("{problem}, or {TAKE_OVER}"));
    }
    if provider.driver == "sqlite" && !provider.sql_tables_prefix.is_empty() {
        let problem = match provider.manage_users {
            0 => "has no meaning for sqlite; remove the key, and put the whole name of the table into \
                  data_provider.users_table"
                .to_owned(),
            _ => format!("has no meaning for sqlite; remove the key, or {TAKE_OVER}"),
        };
        check.problem("data_provider.sql_tables_prefix", problem);
    }
    if ![0, 1].contains(&provider.manage_users) {
        check.problem("data_provider.manage_users", format!("{} is neither 0 nor 1", provider.manage_users));
    }
    if !(0..=5).contains(&provider.sslmode) {
        check.problem("data_provider.sslmode", format!("{} is not between 0 and 5", provider.sslmode));
    }
}

/// The connection string, under either of its names (A3-34).
fn connection_string<'a>(provider: &'a DataProvider, check: &mut Check<'_>) -> Option<&'a str> {
    let (new, old) = (provider.connection_string.as_str(), provider.connectionstring.as_str());
    if !new.is_empty() && !old.is_empty() && new != old {
        check.problem(
            "data_provider.connectionstring",
            "is another name of connection_string, and the two differ; remove one",
        );
    }
    [new, old].into_iter().find(|text| !text.is_empty())
}

/// The path in `file:PATH?…`, which replaces `name`.
fn file_of<'a>(text: &'a str, check: &mut Check<'_>) -> Option<&'a str> {
    const KEY: &str = "data_provider.connection_string";
    let (path, parameters) = text.strip_prefix("file:").map(|text| text.split_once('?').unwrap_or((text, "")))?;
    if path.is_empty() || path.contains(['%', ':']) {
        check.problem(KEY, "is not understood; put the path of the file into data_provider.name");
    }
    if !parameters.is_empty() {
        check.warning(KEY, format!("its parameters, {parameters}, are ignored"));
    }
    Some(path)
}

fn file_name<'a>(provider: &'a DataProvider, check: &mut Check<'_>) -> Option<&'a str> {
    let connection = [&provider.connection_string, &provider.connectionstring].into_iter().any(|text| !text.is_empty());
    if connection {
        check.problem("data_provider.connection_string", "is no file:PATH, which sqlite needs; use data_provider.name");
        return None;
    }
    named_file(provider, check)
}

fn named_file<'a>(provider: &'a DataProvider, check: &mut Check<'_>) -> Option<&'a str> {
    if provider.name.is_empty() {
        check.problem("data_provider.name", "must name a file, such as \"tidegate.db\"");
        return None;
    }
    Some(&provider.name)
}

/// Warns of keys for database servers that are reached over a network (A3-32, A3-33, A3-38).
fn warn_of_unused(provider: &DataProvider, check: &mut Check<'_>) {
    let driver = &provider.driver;
    let keys = [
        ("host", !provider.host.is_empty()),
        ("port", ![0, DEFAULT_PORT].contains(&provider.port)),
        ("username", !provider.username.is_empty()),
        ("password", !provider.password.is_empty()),
        ("sslmode", provider.sslmode != 0),
        ("pool_size", provider.pool_size != 0),
        ("password_file", !provider.password_file.is_empty()),
        ("root_cert", !provider.root_cert.is_empty()),
        ("client_cert", !provider.client_cert.is_empty()),
        ("client_key", !provider.client_key.is_empty()),
        ("target_session_attrs", !provider.target_session_attrs.is_empty()),
        ("schema", !provider.schema.is_empty()),
        // With sqlite it is refused.
        ("sql_tables_prefix", driver != "sqlite" && !provider.sql_tables_prefix.is_empty()),
    ];
    for (key, is_set) in keys {
        if is_set {
            check.warning(&format!("data_provider.{key}"), format!("has no meaning for {driver}; it is ignored"));
        }
    }
}

/// The dump to begin with: `name`, unless it is a default (A9-03).
fn dump(provider: &DataProvider, directory: &Path, check: &mut Check<'_>) -> Option<PathBuf> {
    let defaults = [DataProvider::default().name, "sftpgo.db".to_owned(), String::new()];
    if defaults.contains(&provider.name) {
        return None;
    }
    let path = directory.join(&provider.name);
    if !path.is_file() {
        check.problem(
            "data_provider.name",
            format!("there is no dump {} to begin with; make one, or remove the key", path.display()),
        );
    }
    Some(path)
}
