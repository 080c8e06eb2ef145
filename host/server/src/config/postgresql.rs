//! The section `data_provider` for PostgreSQL.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tidegate_accounts::{PostgresqlSettings, TableNames, TlsMode};
use tidegate_core::secret::Secret;

use super::connection_string::{self, Parameters};
use super::keys::DataProvider;
use super::validate::Check;

const CONNECTION_STRING: &str = "data_provider.connection_string";
/// The tables that the name of the users' table must not be.
const OTHER_TABLES: [&str; 13] = [
    "folders",
    "account_groups",
    "roles",
    "changes",
    "change_horizon",
    "unsettled_usages",
    "plugin_values",
    "hook_run_batches",
    "hook_counters",
    "audit",
    "locks",
    "tidegate_version",
    "schema_version",
];
/// The longest part of a table's name; PostgreSQL cuts off names after 63 bytes.
const LONGEST_NAME: usize = 40;

/// The settings, from the keys or from the connection string. `connection`: that string.
pub fn settings(
    provider: &DataProvider,
    connection: Option<&str>,
    directory: &Path,
    check: &mut Check<'_>,
) -> PostgresqlSettings {
    let mut settings = PostgresqlSettings { tables: tables(provider, check), ..PostgresqlSettings::default() };
    settings.pool_size = match usize::try_from(provider.pool_size) {
        Ok(size) => Some(size).filter(|size| *size > 0),
        Err(_) => {
            check.problem("data_provider.pool_size", format!("{} is less than 0", provider.pool_size));
            None
        }
    };
    match connection {
        None => of_keys(&mut settings, provider, directory, check),
        Some(text) => {
            warn_of_replaced(provider, check);
            match connection_string::parse(text) {
                Ok(parameters) => of_string(&mut settings, parameters, directory, check),
                Err(problem) => check.problem(CONNECTION_STRING, problem),
            }
        }
    }
    password_file(&mut settings, provider, directory, check);
    look_at_certificates(&settings, check);
    settings
}

fn of_keys(settings: &mut PostgresqlSettings, provider: &DataProvider, directory: &Path, check: &mut Check<'_>) {
    const HOST: &str = "data_provider.host";
    for place in provider.host.split(',').map(str::trim).filter(|place| !place.is_empty()) {
        match connection_string::host_and_port(place) {
            Ok((host, port)) => {
                let port = port.map_or(Some(provider.port), |port| port.parse().ok()).filter(|port| *port > 0);
                if port.is_none() {
                    check.problem(HOST, format!("\"{place}\" has no port between 1 and 65535"));
                }
                settings.hosts.push((host.to_owned(), port.unwrap_or_default()));
            }
            Err(problem) => check.problem(HOST, problem),
        }
    }
    if settings.hosts.is_empty() {
        check.problem(HOST, "must name the host of the database, or the directory of its socket: \"/run/postgresql\"");
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
    settings.tls = match provider.sslmode {
        1 => TlsMode::Require,
        2 => TlsMode::VerifyCa,
        3 => TlsMode::VerifyFull,
        4 => TlsMode::Prefer,
        5 => {
            check.problem(
                "data_provider.sslmode",
                "5, which is to encrypt only if the server insists, is not supported; use 4",
            );
            TlsMode::Prefer
        }
        // Others are a problem already.
        _ => TlsMode::Disable,
    };
    settings.only_writable = only_writable(&provider.target_session_attrs, "data_provider.target_session_attrs", check);
    let file = |name: &str| Some(directory.join(name)).filter(|_| !name.is_empty());
    settings.root_cert = file(&provider.root_cert);
    settings.client_cert =
        pair(file(&provider.client_cert), file(&provider.client_key), "data_provider.client_cert", check);
}

fn of_string(settings: &mut PostgresqlSettings, mut given: Parameters, directory: &Path, check: &mut Check<'_>) {
    let mut take = |name: &str| given.remove(name).filter(|value| !value.is_empty());
    let ports: Vec<String> = take("port").iter().flat_map(|ports| ports.split(',')).map(str::to_owned).collect();
    let hosts: Vec<String> = take("host").iter().flat_map(|hosts| hosts.split(',')).map(str::to_owned).collect();
    let file = |name: String| directory.join(name);
    settings.database = take("dbname").unwrap_or_default();
    settings.username = take("user").unwrap_or_default();
    settings.password = take("password").map(Secret::new);
    settings.root_cert = take("sslrootcert").map(file);
    let (certificate, key) = (take("sslcert").map(file), take("sslkey").map(file));
    let (mode, attributes, timeout) = (take("sslmode"), take("target_session_attrs"), take("connect_timeout"));
    for (number, host) in hosts.iter().enumerate() {
        let port = if ports.len() == 1 { ports.first() } else { ports.get(number) };
        let port = port.filter(|port| !port.is_empty()).map_or(Some(5432_u16), |port| port.parse::<u16>().ok());
        let port = port.filter(|port| *port > 0);
        if port.is_none() || host.is_empty() {
            check.problem(CONNECTION_STRING, "has a host without a name, or without a port between 1 and 65535");
        }
        settings.hosts.push((host.clone(), port.unwrap_or_default()));
    }
    if ports.len() > 1 && ports.len() != hosts.len() {
        check.problem(CONNECTION_STRING, "has another number of ports than of hosts");
    }
    for (name, is_missing) in
        [("host", hosts.is_empty()), ("dbname", settings.database.is_empty()), ("user", settings.username.is_empty())]
    {
        if is_missing {
            check.problem(CONNECTION_STRING, format!("lacks the parameter \"{name}\""));
        }
    }
    settings.client_cert = pair(certificate, key, CONNECTION_STRING, check);
    settings.tls = match mode.as_deref() {
        None | Some("prefer") => TlsMode::Prefer,
        Some("disable") => TlsMode::Disable,
        Some("require") => TlsMode::Require,
        Some("verify-ca") => TlsMode::VerifyCa,
        Some("verify-full") => TlsMode::VerifyFull,
        Some(other) => {
            check.problem(CONNECTION_STRING, format!("has the sslmode \"{other}\", which is not supported"));
            TlsMode::VerifyFull
        }
    };
    settings.only_writable = only_writable(attributes.as_deref().unwrap_or_default(), CONNECTION_STRING, check);
    settings.connect_timeout = timeout.and_then(|text| match text.parse::<u64>() {
        Ok(seconds) if seconds > 0 => Some(Duration::from_secs(seconds)),
        Ok(_) | Err(_) => {
            check.problem(CONNECTION_STRING, "has a connect_timeout that is no number of seconds");
            None
        }
    });
    for name in given.keys() {
        check.problem(CONNECTION_STRING, format!("has the parameter \"{name}\", which is not supported; remove it"));
    }
}

fn only_writable(attributes: &str, key: &str, check: &mut Check<'_>) -> bool {
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

fn pair(
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

fn password_file(settings: &mut PostgresqlSettings, provider: &DataProvider, directory: &Path, check: &mut Check<'_>) {
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

fn look_at_certificates(settings: &PostgresqlSettings, check: &mut Check<'_>) {
    let own =
        settings.client_cert.iter().flat_map(|(certificate, key)| [("client_cert", certificate), ("client_key", key)]);
    for (key, file) in settings.root_cert.iter().map(|file| ("root_cert", file)).chain(own) {
        if !file.is_file() {
            check.problem(&format!("data_provider.{key}"), format!("there is no file {}", file.display()));
        }
    }
    let is_checked = matches!(settings.tls, TlsMode::VerifyCa | TlsMode::VerifyFull);
    if settings.root_cert.is_some() && !is_checked {
        check.warning("data_provider.root_cert", "has no meaning unless sslmode is 2 or 3; it is ignored");
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
        let key = format!("data_provider.{key}");
        let is_word = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
        let begins = !name.starts_with(|character: char| character.is_ascii_digit());
        if !is_word || !begins || name.len() > LONGEST_NAME {
            check.problem(
                &key,
                format!("must be at most {LONGEST_NAME} letters, digits and \"_\", and begin with no digit"),
            );
        }
    }
    if provider.users_table.is_empty() || OTHER_TABLES.contains(&provider.users_table.as_str()) {
        check.problem("data_provider.users_table", "must be a name that no other table has");
    }
    TableNames {
        schema: provider.schema.clone(),
        prefix: provider.sql_tables_prefix.clone(),
        users: provider.users_table.clone(),
    }
}

/// Warns of keys that the connection string replaces.
fn warn_of_replaced(provider: &DataProvider, check: &mut Check<'_>) {
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
        if is_set {
            check.warning(&format!("data_provider.{key}"), "connection_string holds instead; it is ignored");
        }
    }
}
