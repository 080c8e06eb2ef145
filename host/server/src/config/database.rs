//! `data_provider`: where accounts are. Keys that a driver has no use for are said to be ignored; what
//! would put accounts elsewhere than meant is refused.

use std::path::{Path, PathBuf};

use super::keys::{Config, DataProvider};
use super::settings::DatabaseSettings;
use super::validate::Check;

/// The default of other databases, which full configurations name.
const DEFAULT_PORT: u16 = 5432;

pub fn settings(config: &Config, directory: &Path, check: &mut Check<'_>) -> DatabaseSettings {
    let provider = &config.data_provider;
    refuse_unsupported(provider, check);
    let connection = connection_string(provider, check);
    match provider.driver.as_str() {
        "sqlite" => {
            warn_of_unused(provider, check);
            match connection.and_then(|text| file_of(text, check)).or_else(|| file_name(provider, check)) {
                Some(file) => DatabaseSettings::Sqlite(directory.join(file)),
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
        other => {
            let known = ["postgresql", "mysql", "bolt"].contains(&other);
            let text = if known { "is not supported by this version" } else { "is not a driver" };
            check.problem("data_provider.driver", format!("\"{other}\" {text}; use \"sqlite\" or \"memory\""));
            DatabaseSettings::Memory(None)
        }
    }
}

/// Ignoring them would write where nothing may be written, or show other accounts.
fn refuse_unsupported(provider: &DataProvider, check: &mut Check<'_>) {
    let keys = [
        ("data_provider.users_table", provider.users_table != "users"),
        ("data_provider.manage_users", provider.manage_users != 1),
    ];
    for (key, is_set) in keys {
        if is_set {
            check.problem(key, "this version of the server does not have this feature; remove the key");
        }
    }
    if !(0..=5).contains(&provider.sslmode) {
        check.problem("data_provider.sslmode", format!("{} is not between 0 and 5", provider.sslmode));
    }
}

/// A3-34: under both spellings.
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

/// `file:PATH?…`, which holds instead of `name`.
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
    if provider.name.is_empty() {
        check.problem("data_provider.name", "must name a file, such as \"tidegate.db\"");
        return None;
    }
    Some(&provider.name)
}

/// A3-32, A3-33, A3-38: for servers that are reached by the network.
fn warn_of_unused(provider: &DataProvider, check: &mut Check<'_>) {
    let driver = &provider.driver;
    let keys = [
        ("host", !provider.host.is_empty()),
        ("port", ![0, DEFAULT_PORT].contains(&provider.port)),
        ("username", !provider.username.is_empty()),
        ("password", !provider.password.is_empty()),
        ("sslmode", provider.sslmode != 0),
        ("pool_size", provider.pool_size != 0),
    ];
    for (key, is_set) in keys {
        if is_set {
            check.warning(&format!("data_provider.{key}"), format!("has no meaning for {driver}; it is ignored"));
        }
    }
}

/// A9-03: a name that is not the default one.
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
