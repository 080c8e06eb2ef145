//! How a database server is reached.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_core::secret::Secret;

use crate::sql::TableNames;

/// The most time for an answer that a client waits for.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// The part of it in which one of the hosts has to be found that answers.
const CONNECT_SHARE: Duration = Duration::from_millis(1_600);
/// The least time for one host.
const LEAST_CONNECT_LIMIT: Duration = Duration::from_millis(200);
/// Connections are made anew after this time: after a move of the database none stays with the old one.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);
/// The size of the pool where none is chosen.
const POOL_SIZE: usize = 16;

/// How the connection is encrypted, and what of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Not encrypted.
    Disable,
    /// Encrypted if the server can do it; the certificate is not checked.
    Prefer,
    /// Encrypted; the certificate is not checked.
    Require,
    /// Encrypted; an authority that is trusted has signed the certificate.
    VerifyCa,
    /// Encrypted; an authority that is trusted has signed the certificate for this host.
    VerifyFull,
}

/// How a PostgreSQL, MySQL or MariaDB server is reached, and which tables in it are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseServerSettings {
    /// The hosts, in the order in which they are tried, each with its port. A path is a Unix socket, or the
    /// directory of one.
    pub hosts: Vec<(String, u16)>,
    /// The name of the database.
    pub database: String,
    /// The role, or the user.
    pub username: String,
    /// Its password.
    pub password: Option<Secret>,
    /// A file with the password, which is read for each connection.
    pub password_file: Option<PathBuf>,
    /// The encryption; not for Unix sockets.
    pub tls: TlsMode,
    /// The certificates of authorities that are trusted; none: those of the system.
    pub root_cert: Option<PathBuf>,
    /// A certificate to show to the server, in PEM, and its key.
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// The most connections; none: as many as suit most servers.
    pub pool_size: Option<usize>,
    /// Whether hosts that cannot be written are passed over.
    pub only_writable: bool,
    /// The tables.
    pub tables: TableNames,
    /// The time for one host to accept a connection; none: what lets each host be tried while a login waits.
    pub connect_timeout: Option<Duration>,
    /// The time for an answer that a client waits for.
    pub answer_timeout: Duration,
    /// The age at which connections are made anew.
    pub max_age: Duration,
}

impl Default for DatabaseServerSettings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            database: String::new(),
            username: String::new(),
            password: None,
            password_file: None,
            tls: TlsMode::Disable,
            root_cert: None,
            client_cert: None,
            pool_size: None,
            only_writable: true,
            tables: TableNames::default(),
            connect_timeout: None,
            answer_timeout: ANSWER_LIMIT,
            max_age: MAX_AGE,
        }
    }
}

/// Whether a host is a path of this machine, not a name in the network.
pub fn is_path(host: &str) -> bool {
    host.starts_with('/')
}

impl DatabaseServerSettings {
    /// The time for one host to accept a connection.
    pub fn connect_limit(&self) -> Duration {
        let hosts = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX).max(1);
        self.connect_timeout.unwrap_or_else(|| (CONNECT_SHARE / hosts).max(LEAST_CONNECT_LIMIT))
    }

    /// The most connections.
    pub fn pool_limit(&self) -> usize {
        self.pool_size.unwrap_or(POOL_SIZE).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_does_not_answer_is_away_after_two_seconds() {
        // A9-05: within three seconds, with the 300 ms between two looks.
        let settings = |hosts: usize| DatabaseServerSettings {
            hosts: vec![("db".to_owned(), 1); hosts],
            ..DatabaseServerSettings::default()
        };
        assert_eq!(settings(1).answer_timeout, Duration::from_secs(2));
        // Each host is tried in that time.
        for (hosts, milliseconds) in [(1, 1600), (2, 800), (4, 400), (8, 200), (16, 200)] {
            assert_eq!(settings(hosts).connect_limit(), Duration::from_millis(milliseconds), "{hosts}");
        }
    }
}
