//! What the section `data_provider` says of a database server, whichever it is.

use std::path::{Path, PathBuf};

use tidegate_accounts::{DatabaseServerSettings, TableNames, TlsMode, is_other_table};
use tidegate_core::secret::Secret;

use super::connection_string;
use super::keys::DataProvider;
use super::validate::Check;

pub const CONNECTION_STRING: &str = "data_provider.connection_string";
/// The longest part of a table's name: PostgreSQL takes 63 bytes, MySQL 64.
const LONGEST_NAME: usize = 40;

/// How one kind of database is reached by keys, and by a connection string.
pub struct Kind {
    /// The port of a host that names none. `port` of the configuration may differ from its default.
    pub port: fn(&DataProvider) -> u16,
    /// What a socket looks like.
    pub socket: &'static str,
    /// What the number of `sslmode` means.
    pub tls: fn(i32, &mut Check<'_>) -> TlsMode,
    /// Reads a connection string.
    pub of_string: fn(&mut DatabaseServerSettings, &str, &Path, &mut Check<'_>),
    /// The keys that a connection string replaces.
    pub replaced: &'static [&'static str],
}

/// The settings, from the keys or from the connection string. `connection`: that string.
pub fn settings(
    kind: &Kind,
    provider: &DataProvider,
    connection: Option<&str>,
    directory: &Path,
    check: &mut Check<'_>,
) -> DatabaseServerSettings {
    let mut settings = DatabaseServerSettings { tables: tables(provider, check), ..DatabaseServerSettings::default() };
    settings.pool_size = match usize::try_from(provider.pool_size) {
        Ok(size) => Some(size).filter(|size| *size > 0),
        Err(_) => {
            check.problem("data_provider.pool_size", format!("{} is less than 0", provider.pool_size));
            None
        }
    };
    let is_replaced = |key: &str| connection.is_some() && kind.replaced.contains(&key);
    if !is_replaced("target_session_attrs") {
        let key = "data_provider.target_session_attrs";
        settings.only_writable = only_writable(&provider.target_session_attrs, key, check);
    }
    if !is_replaced("root_cert") {
        let file = |name: &str| Some(directory.join(name)).filter(|_| !name.is_empty());
        settings.root_cert = file(&provider.root_cert);
        let (certificate, key) = (file(&provider.client_cert), file(&provider.client_key));
        settings.client_cert = pair(certificate, key, "data_provider.client_cert", check);
    }
    match connection {
        None => of_keys(&mut settings, kind, provider, check),
        Some(text) => {
            warn_of_replaced(kind, provider, check);
            (kind.of_string)(&mut settings, text, directory, check);
        }
    }
    password_file(&mut settings, provider, directory, check);
    look_at_certificates(&settings, check);
    settings
}

fn of_keys(settings: &mut DatabaseServerSettings, kind: &Kind, provider: &DataProvider, check: &mut Check<'_>) {
    const HOST: &str = "data_provider.host";
    for place in provider.host.split(',').map(str::trim).filter(|place| !place.is_empty()) {
        match connection_string::host_and_port(place) {
            Ok((host, port)) => {
                let port = port.map_or(Some((kind.port)(provider)), |port| port.parse().ok()).filter(|port| *port > 0);
                if port.is_none() {
                    check.problem(HOST, format!("\"{place}\" has no port between 1 and 65535"));
                }
                settings.hosts.push((host.to_owned(), port.unwrap_or_default()));
            }
            Err(problem) => check.problem(HOST, problem),
        }
    }
    if settings.hosts.is_empty() {
        let socket = kind.socket;
        check
            .problem(HOST, format!("must name the host of the database, or the directory of its socket: \"{socket}\""));
    }
    if [DataProvider::default().name.as_str(), "sftpgo.db", ""].contains(&provider.name.as_str()) {
        check.problem("data_provider.name", "must name the database");
    }
    if provider.username.is_empty() {
        check.problem("data_provider.username", "must name the role as which the server logs in to the database");
    }
    settings.database.clone_from(&provider.name);
    settings.username.clone_from(&provider.username);
    settings.password = Some(Secret::new(provider.password.as_str())).filter(|password| !password.is_empty());
    settings.tls = (kind.tls)(provider.sslmode, check);
}

/// Says what a connection string lacks.
pub fn check_string(settings: &DatabaseServerSettings, names: [&str; 3], check: &mut Check<'_>) {
    let is_missing = [settings.hosts.is_empty(), settings.database.is_empty(), settings.username.is_empty()];
    for (name, is_missing) in names.into_iter().zip(is_missing) {
        if is_missing {
            check.problem(CONNECTION_STRING, format!("lacks the parameter \"{name}\""));
        }
    }
}

pub fn only_writable(attributes: &str, key: &str, check: &mut Check<'_>) -> bool {
    match attributes {
        "" | "read-write" | "primary" => true,
        "any" => false,
        other => {
            let text =
                format!("target_session_attrs is \"{other}\"; the server writes, so use \"read-write\" or \"any\"");
            check.problem(key, text);
            true
        }
    }
}

pub fn pair(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    place: &str,
    check: &mut Check<'_>,
) -> Option<(PathBuf, PathBuf)> {
    if certificate.is_some() != key.is_some() {
        check.problem(place, "a certificate of the client and its key need each other; set both or none");
    }
    certificate.zip(key)
}

fn password_file(
    settings: &mut DatabaseServerSettings,
    provider: &DataProvider,
    directory: &Path,
    check: &mut Check<'_>,
) {
    const KEY: &str = "data_provider.password_file";
    if provider.password_file.is_empty() {
        return;
    }
    let file = directory.join(&provider.password_file);
    if settings.password.is_some() {
        check.problem(KEY, "there is a password as well; remove one of the two");
    }
    if !file.is_file() {
        check.problem(KEY, format!("there is no file {}", file.display()));
    }
    settings.password_file = Some(file);
}

fn look_at_certificates(settings: &DatabaseServerSettings, check: &mut Check<'_>) {
    let own =
        settings.client_cert.iter().flat_map(|(certificate, key)| [("client_cert", certificate), ("client_key", key)]);
    for (key, file) in settings.root_cert.iter().map(|file| ("root_cert", file)).chain(own) {
        if !file.is_file() {
            check.problem(&format!("data_provider.{key}"), format!("there is no file {}", file.display()));
        }
    }
    let is_checked = matches!(settings.tls, TlsMode::VerifyCa | TlsMode::VerifyFull);
    if settings.root_cert.is_some() && !is_checked {
        check.warning(
            "data_provider.root_cert",
            "has no meaning where sslmode lets certificates go unchecked; it is ignored",
        );
    }
    let is_socket = |(host, _): &(String, u16)| host.starts_with('/');
    if is_checked && settings.hosts.iter().any(is_socket) {
        check.warning("data_provider.sslmode", "has no meaning for a host that is a socket, which is not encrypted");
    }
}

fn tables(provider: &DataProvider, check: &mut Check<'_>) -> TableNames {
    let names = [
        ("schema", &provider.schema),
        ("sql_tables_prefix", &provider.sql_tables_prefix),
        ("users_table", &provider.users_table),
    ];
    for (key, name) in names {
        check_name(key, name, check);
    }
    // Where accounts are only read, our own tables are elsewhere.
    let is_taken = provider.manage_users != 0 && is_other_table(&provider.users_table);
    if provider.users_table.is_empty() || is_taken {
        check.problem("data_provider.users_table", "must be a name that no other table has");
    }
    TableNames {
        schema: provider.schema.clone(),
        prefix: provider.sql_tables_prefix.clone(),
        users: provider.users_table.clone(),
    }
}

/// Checks a part of a table's name, which stands in statements. `key`: of the section.
pub fn check_name(key: &str, name: &str, check: &mut Check<'_>) {
    let is_word = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    let begins = !name.starts_with(|character: char| character.is_ascii_digit());
    if !is_word || !begins || name.len() > LONGEST_NAME {
        let problem = format!("must be at most {LONGEST_NAME} letters, digits and \"_\", and begin with no digit");
        check.problem(&format!("data_provider.{key}"), problem);
    }
}

/// Warns of keys that the connection string replaces.
fn warn_of_replaced(kind: &Kind, provider: &DataProvider, check: &mut Check<'_>) {
    let defaults = DataProvider::default();
    let keys = [
        ("host", !provider.host.is_empty()),
        ("port", provider.port != defaults.port),
        ("name", ![defaults.name.as_str(), "sftpgo.db", ""].contains(&provider.name.as_str())),
        ("username", !provider.username.is_empty()),
        ("password", !provider.password.is_empty()),
        ("sslmode", provider.sslmode != 0),
        ("root_cert", !provider.root_cert.is_empty()),
        ("client_cert", !provider.client_cert.is_empty()),
        ("client_key", !provider.client_key.is_empty()),
        ("target_session_attrs", !provider.target_session_attrs.is_empty()),
    ];
    for (key, is_set) in keys {
        if is_set && kind.replaced.contains(&key) {
            check.warning(&format!("data_provider.{key}"), "is ignored, because connection_string is used instead");
        }
    }
}
