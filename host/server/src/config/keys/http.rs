//! The sections `httpd`, the server's own HTTP, and `http`, the client of web hooks.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// HTTP that the server serves: the REST interfaces below `/api`, their descriptions below `/openapi`, the web admin below
/// `/web`, `/metrics`, `/healthz` and `/readyz`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Httpd {
    /// The port to listen on; 0: HTTP is off; -1: any. Not set: 8080, and no HTTP if that is taken.
    pub bind_port: Option<i32>,
    /// The IP address to listen on; empty: all interfaces, IPv4 only.
    pub bind_address: String,
    /// Where to listen, as a list of tables, in the place of `bind_port` and `bind_address`.
    pub bindings: Vec<HttpBinding>,
    /// The file of a certificate and its chain in PEM, relative to the configuration directory; empty: requests are
    /// not encrypted. It is read again at SIGHUP.
    pub certificate_file: String,
    /// The file of the certificate's private key, relative to the configuration directory.
    pub certificate_key_file: String,
    /// Names, with or without a port, by which clients may call the server; empty: any, where credentials are
    /// needed. Without credentials, `localhost` and loopback addresses are names as well.
    pub allowed_hosts: Vec<String>,
    /// Networks of proxies whose header `X-Forwarded-For` is believed.
    pub proxy_allowed: Vec<String>,
    /// Serves `/api/v1` without credentials to clients on this machine, over a loopback address. Each program on the
    /// machine can then change accounts.
    pub legacy_open: bool,
    /// Lets administrators with `manage_system` install, replace and remove plugins over `/api/tidegate`, only what one of
    /// `plugins.trusted_keys` has signed, and let go of the gates of missing ones there and in the web admin.
    pub manage_plugins: bool,
    /// What `login-pre` hooks are asked about over HTTP: `logins` (names with passwords, and login links), or `all`: each
    /// request to the REST interfaces with a token or an API key as well.
    pub login_pre_scope: String,
    /// Writes a code to the log as the server starts, if there is no administrator and a port is open for HTTP, with which
    /// the first one is added at `/web/first` or over REST within 24 hours; false: `tidegate admin add` alone adds it.
    pub first_administrator_code: bool,
    /// A file of users of `/api/v1` as htpasswd writes it, with bcrypt or MD5-crypt, relative to the configuration
    /// directory, read at each log-in; empty: administrators only.
    pub auth_user_file: String,
    /// Has no effect: the server has no pages of files.
    pub templates_path: String,
    /// Has no effect: the server has no pages of files.
    pub static_files_path: String,
    /// A directory that the server makes for backups, relative to the configuration directory.
    /// Old name: `data_provider.backups_path`
    pub backups_path: String,
}

impl Default for Httpd {
    fn default() -> Self {
        Self {
            bind_port: None,
            bind_address: "127.0.0.1".to_owned(),
            bindings: Vec::new(),
            certificate_file: String::new(),
            certificate_key_file: String::new(),
            allowed_hosts: Vec::new(),
            proxy_allowed: Vec::new(),
            legacy_open: false,
            manage_plugins: false,
            login_pre_scope: "logins".to_owned(),
            first_administrator_code: true,
            auth_user_file: String::new(),
            templates_path: "templates".to_owned(),
            static_files_path: "static".to_owned(),
            backups_path: "backups".to_owned(),
        }
    }
}

/// A socket to listen on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpBinding {
    /// The port; 0: the binding is off, -1: any. Not used for a unix socket.
    pub port: i32,
    /// The IP address, or the absolute path of a unix socket, which only this server's user and group may use; empty:
    /// all interfaces, IPv4 only. Over a unix socket `/api/v1` needs no credentials.
    pub address: String,
    /// Encrypts requests with `certificate_file`, or that of the section.
    pub enable_https: bool,
    /// The file of a certificate of this binding, relative to the configuration directory.
    pub certificate_file: String,
    /// The file of its private key, relative to the configuration directory.
    pub certificate_key_file: String,
    /// Further networks of proxies whose header `X-Forwarded-For` is believed.
    pub proxy_allowed: Vec<String>,
    /// Whether the web admin is there; if not, `/web` is not found.
    pub enable_web_admin: bool,
    /// Whether the pages of users are there, at `/web/client`, where they change the password, the keys and the second
    /// factor of their account, and use login links.
    pub enable_web_client: bool,
}

impl Default for HttpBinding {
    fn default() -> Self {
        Self {
            port: 0,
            address: String::new(),
            enable_https: false,
            certificate_file: String::new(),
            certificate_key_file: String::new(),
            proxy_allowed: Vec::new(),
            enable_web_admin: true,
            enable_web_client: false,
        }
    }
}

/// The client that calls web hooks.
// B0-08
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Time for one request, at most 300.
    /// Unit: seconds
    pub timeout: f64,
    /// Shortest time between a notification that failed and the next try.
    /// Unit: seconds
    pub retry_wait_min: u64,
    /// Longest time between a notification that failed and the next try.
    /// Unit: seconds
    pub retry_wait_max: u64,
    /// Tries after the first, of notifications.
    pub retry_max: u32,
    /// Files of authorities that are trusted beside the system's, relative to the configuration
    /// directory.
    pub ca_certificates: Vec<PathBuf>,
    /// Certificates of this server, as a list of tables. A server that asks for a certificate is
    /// shown the first one that an authority of its choice has signed.
    pub certificates: Vec<HttpCertificate>,
    /// Trusts any certificate. For tests alone.
    pub skip_tls_verify: bool,
    /// Headers of requests, as a list of tables.
    pub headers: Vec<HttpHeader>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            timeout: 20.0,
            retry_wait_min: 2,
            retry_wait_max: 30,
            retry_max: 3,
            ca_certificates: Vec::new(),
            certificates: Vec::new(),
            skip_tls_verify: false,
            headers: Vec::new(),
        }
    }
}

/// A certificate and its key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpCertificate {
    /// The file of the certificate, relative to the configuration directory.
    pub cert: PathBuf,
    /// The file of its private key, relative to the configuration directory.
    pub key: PathBuf,
}

/// One header of requests.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpHeader {
    /// The header's name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Beginning of the URLs that it is sent to, with the whole host and, for one port of it alone, the port; empty: all.
    pub url: String,
}
