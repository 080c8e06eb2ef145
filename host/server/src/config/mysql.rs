//! The section `data_provider` for MySQL and MariaDB.

use std::path::Path;
use std::time::Duration;

use tidegate_accounts::{DatabaseServerSettings, TlsMode};
use tidegate_core::secret::Secret;

use super::connection_string::{self, Parameters, decoded, host_and_port};
use super::database_server::{CONNECTION_STRING, Kind, check_string, pair};
use super::keys::DataProvider;
use super::validate::Check;

const PORT: u16 = 3306;

pub const MYSQL: Kind = Kind {
    // Full configurations have the default, which is another database's.
    port: |provider| if provider.port == DataProvider::default().port { PORT } else { provider.port },
    socket: "/run/mysqld",
    tls,
    of_string,
    replaced: &["host", "port", "name", "username", "password", "sslmode"],
};

/// Parameters of Go's driver that say how its program gets values, which is of no concern to this one.
const IGNORED: [&str; 14] = [
    "allowNativePasswords",
    "charset",
    "checkConnLiveness",
    "clientFoundRows",
    "collation",
    "columnsWithAlias",
    "interpolateParams",
    "loc",
    "maxAllowedPacket",
    "multiStatements",
    "parseTime",
    "readTimeout",
    "rejectReadOnly",
    "writeTimeout",
];

fn tls(number: i32, check: &mut Check<'_>) -> TlsMode {
    match number {
        1 => TlsMode::VerifyFull,
        2 => TlsMode::Require,
        3 => TlsMode::Prefer,
        4 | 5 => {
            check.problem("data_provider.sslmode", format!("{number} has no meaning for mysql; use 0, 1, 2 or 3"));
            TlsMode::VerifyFull
        }
        // Others are a problem already.
        _ => TlsMode::Disable,
    }
}

fn of_string(settings: &mut DatabaseServerSettings, text: &str, directory: &Path, check: &mut Check<'_>) {
    let url = ["mysql://", "mariadb://"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    let outcome = match url {
        Some(rest) => connection_string::of_url(rest).and_then(|given| of_url(settings, given, directory, check)),
        None => of_dsn(settings, text, check),
    };
    match outcome {
        Ok(()) => check_string(settings, ["host", "name of the database", "user"], check),
        Err(problem) => check.problem(CONNECTION_STRING, problem),
    }
}

/// `mysql://user:password@host:port,host/name?…`, with the parameters that MySQL's own programs have.
fn of_url(
    settings: &mut DatabaseServerSettings,
    mut given: Parameters,
    directory: &Path,
    check: &mut Check<'_>,
) -> Result<(), String> {
    let mut take = |name: &str| given.remove(name).filter(|value| !value.is_empty());
    settings.database = take("dbname").unwrap_or_default();
    settings.username = take("user").unwrap_or_default();
    settings.password = take("password").map(Secret::new);
    let (hosts, ports, socket) = (take("host"), take("port").unwrap_or_default(), take("socket"));
    let mut ports = ports.split(',');
    for host in hosts.iter().flat_map(|hosts| hosts.split(',')) {
        settings.hosts.push((host.to_owned(), port(ports.next())?));
    }
    if let Some(socket) = socket {
        settings.hosts = vec![(socket, PORT)];
    }
    let file = |name: String| directory.join(name);
    if let Some(authorities) = take("ssl-ca").map(file) {
        settings.root_cert = Some(authorities);
    }
    let (certificate, key) = (take("ssl-cert").map(file), take("ssl-key").map(file));
    if certificate.is_some() || key.is_some() {
        settings.client_cert = pair(certificate, key, CONNECTION_STRING, check);
    }
    settings.tls = match take("ssl-mode").map(|mode| mode.to_ascii_uppercase()).as_deref() {
        None | Some("PREFERRED") => TlsMode::Prefer,
        Some("DISABLED") => TlsMode::Disable,
        Some("REQUIRED") => TlsMode::Require,
        Some("VERIFY_CA") => TlsMode::VerifyCa,
        Some("VERIFY_IDENTITY") => TlsMode::VerifyFull,
        Some(other) => return Err(format!("has the ssl-mode \"{other}\", which is not supported")),
    };
    match given.keys().next() {
        Some(name) => Err(unknown(name)),
        None => Ok(()),
    }
}

/// `user:password@tcp(host:port)/name?…`, as Go's driver has it.
fn of_dsn(settings: &mut DatabaseServerSettings, text: &str, check: &mut Check<'_>) -> Result<(), String> {
    const SHAPE: &str = "is neither user:password@tcp(host:port)/name nor a URL that begins with mysql://";
    // The password and the address may have the characters that separate.
    let (place, rest) = text.rsplit_once('/').ok_or(SHAPE)?;
    let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (credentials, address) = place.rsplit_once('@').unwrap_or(("", place));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    settings.username = user.to_owned();
    settings.password = Some(Secret::new(password)).filter(|password| !password.is_empty());
    settings.database = decoded(name)?;
    let (network, address) = match address.split_once('(') {
        Some((network, address)) => (network, address.strip_suffix(')').ok_or(SHAPE)?),
        None => (address, ""),
    };
    let host = match network {
        "" | "tcp" => {
            let (host, given) = host_and_port(address)?;
            (if host.is_empty() { "127.0.0.1" } else { host }.to_owned(), port(given)?)
        }
        "unix" if address.starts_with('/') => (address.to_owned(), PORT),
        _ => return Err("has another network than tcp or unix, with the path of a socket".to_owned()),
    };
    settings.hosts.push(host);
    settings.tls = TlsMode::Disable;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("has a parameter without \"=\"")?;
        let value = decoded(value)?;
        match name {
            "tls" => {
                settings.tls = match value.to_ascii_lowercase().as_str() {
                    "false" | "0" => TlsMode::Disable,
                    "true" | "1" => TlsMode::VerifyFull,
                    "skip-verify" => TlsMode::Require,
                    "preferred" => TlsMode::Prefer,
                    _ => return Err("has a tls of its own name; use tls=true and data_provider.root_cert".to_owned()),
                }
            }
            "timeout" => settings.connect_timeout = Some(duration(&value)?),
            name if IGNORED.contains(&name) => {
                check.warning(CONNECTION_STRING, format!("its parameter \"{name}\" is ignored"));
            }
            name => return Err(unknown(name)),
        }
    }
    Ok(())
}

fn port(text: Option<&str>) -> Result<u16, String> {
    match text {
        None | Some("") => Ok(PORT),
        Some(text) => {
            let port = text.parse::<u16>().ok().filter(|port| *port > 0);
            port.ok_or_else(|| "has a host without a port between 1 and 65535".to_owned())
        }
    }
}

/// A duration with one unit, such as `10s` or `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, millis) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1_000)
    } else {
        (text.strip_suffix('m').unwrap_or_default(), 60_000)
    };
    let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis)).filter(|millis| *millis > 0);
    millis.map(Duration::from_millis).ok_or_else(|| "has a timeout that is no time, such as 10s".to_owned())
}

fn unknown(name: &str) -> String {
    format!("has the parameter \"{name}\", which is not supported; remove it")
}
