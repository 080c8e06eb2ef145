//! The section `data_provider` for PostgreSQL.

use std::path::Path;
use std::time::Duration;

use tidegate_accounts::{DatabaseServerSettings, TlsMode};
use tidegate_core::secret::Secret;

use super::connection_string;
use super::database_server::{CONNECTION_STRING, Kind, check_string, only_writable, pair};
use super::validate::Check;

pub const POSTGRESQL: Kind = Kind {
    port: |provider| provider.port,
    socket: "/run/postgresql",
    tls,
    of_string,
    replaced: &[
        "host",
        "port",
        "name",
        "username",
        "password",
        "sslmode",
        "root_cert",
        "client_cert",
        "client_key",
        "target_session_attrs",
    ],
};

fn tls(number: i32, check: &mut Check<'_>) -> TlsMode {
    match number {
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
    }
}

fn of_string(settings: &mut DatabaseServerSettings, text: &str, directory: &Path, check: &mut Check<'_>) {
    let mut given = match connection_string::parse(text) {
        Ok(given) => given,
        Err(problem) => return check.problem(CONNECTION_STRING, problem),
    };
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
    check_string(settings, ["host", "dbname", "user"], check);
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
