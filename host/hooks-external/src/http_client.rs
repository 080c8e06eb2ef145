//! The HTTP client that all hooks share, made from the section `http` (B0-08, B0-09).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Url};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::client_certificates::{self, ClientCertificates};

const CONNECT_TIME: Duration = Duration::from_secs(10);
const IDLE_CONNECTIONS: usize = 64;

#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Time for one request.
    pub timeout: Duration,
    /// Shortest and longest pause between tries of a notification.
    pub retry_wait_min: Duration,
    pub retry_wait_max: Duration,
    /// Tries after the first one.
    pub retry_max: u32,
    /// PEM files with authorities that are trusted beside the system's.
    pub ca_certificates: Vec<PathBuf>,
    /// The client's own certificates: for each, a PEM file with the certificate and those above it,
    /// and a PEM file with its key. The client shows a server the first one that the server can use.
    pub certificates: Vec<(PathBuf, PathBuf)>,
    pub skip_tls_verify: bool,
    pub headers: Vec<UrlHeader>,
}

impl HttpSettings {
    /// The pause before a notification is sent again that was sent `tries` times; None: it is not.
    pub(crate) fn pause(&self, tries: u32) -> Option<Duration> {
        let factor = 2_u32.saturating_pow(tries.saturating_sub(1));
        (tries <= self.retry_max).then(|| self.retry_wait_min.saturating_mul(factor).min(self.retry_wait_max))
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(20),
            retry_wait_min: Duration::from_secs(2),
            retry_wait_max: Duration::from_secs(30),
            retry_max: 3,
            ca_certificates: Vec::new(),
            certificates: Vec::new(),
            skip_tls_verify: false,
            headers: Vec::new(),
        }
    }
}

/// A header for requests whose URL begins with `url`, with the same host; an empty one means all. A beginning that ends with
/// the host is one of all its ports. Credentials in either do not count.
#[derive(Debug, Clone)]
pub struct UrlHeader {
    pub name: HeaderName,
    pub value: HeaderValue,
    pub url: String,
}

impl UrlHeader {
    /// Whether requests to this URL have the header. The beginning is read as a URL, so that a host that only begins alike,
    /// or is a user's name there, is another one.
    pub(crate) fn is_for(&self, url: &Url) -> bool {
        let mut url = without_credentials(url.clone());
        match Url::parse(&self.url) {
            Ok(beginning) => {
                // A parsed URL has a path, and no port where that is the usual one: what was written tells.
                let host_alone = beginning.host_str().is_some_and(|host| ends_with_ignoring_case(&self.url, host));
                if host_alone && url.set_port(None).is_err() {
                    return false;
                }
                beginning.has_host() && url.as_str().starts_with(without_credentials(beginning).as_str())
            }
            // All, or those of a scheme.
            Err(_) => matches!(self.url.as_str(), "" | "http://" | "https://") && url.as_str().starts_with(&self.url),
        }
    }
}

fn ends_with_ignoring_case(text: &str, end: &str) -> bool {
    text.len().checked_sub(end.len()).and_then(|at| text.get(at..)).is_some_and(|rest| rest.eq_ignore_ascii_case(end))
}

fn without_credentials(mut url: Url) -> Url {
    // These fail only for URLs that cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    #[error("the file {path} cannot be used: {problem}", path = path.display())]
    File { path: PathBuf, problem: String },
    #[error("the HTTP client could not be made: {0}")]
    Client(String),
}

/// The HTTP clients; cheap to clone.
#[derive(Clone)]
pub struct HttpClients {
    pub(crate) settings: Arc<HttpSettings>,
    /// For `http` URLs. On a machine without certificates, the other client could not be made.
    plain: Client,
    secure: Option<Client>,
}

impl HttpClients {
    /// `secure`: whether any URL is `https`.
    pub fn new(settings: HttpSettings, secure: bool) -> Result<Self, HttpClientError> {
        let none = std::iter::empty::<Certificate>();
        let plain = built(builder().tls_certs_only(none))?;
        let secure = if secure { Some(built(with_certificates(builder(), &settings)?)?) } else { None };
        Ok(Self { settings: Arc::new(settings), plain, secure })
    }

    pub(crate) fn for_scheme(&self, scheme: &str) -> &Client {
        match &self.secure {
            Some(secure) if scheme == "https" => secure,
            _ => &self.plain,
        }
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIME)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .tcp_nodelay(true)
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
}

fn with_certificates(builder: ClientBuilder, settings: &HttpSettings) -> Result<ClientBuilder, HttpClientError> {
    let mut authorities = Vec::new();
    for path in &settings.ca_certificates {
        authorities.extend(certificates_in(path)?);
    }
    let mut own = ClientCertificates::default();
    for (certificate, key) in &settings.certificates {
        let chain = certificates_in(certificate)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error))?;
        own.add(chain, key).map_err(|error| unusable(certificate, error))?;
    }
    let tls = client_certificates::tls_client(authorities, own, settings.skip_tls_verify);
    Ok(builder.tls_backend_preconfigured(tls.map_err(|error| HttpClientError::Client(error.to_string()))?))
}

fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpClientError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(none) if none.is_empty() => Err(unusable(path, "it holds no certificate")),
        outcome => outcome.map_err(|error| unusable(path, error)),
    }
}

fn unusable(path: &Path, problem: impl ToString) -> HttpClientError {
    HttpClientError::File { path: path.to_owned(), problem: problem.to_string() }
}

fn built(builder: ClientBuilder) -> Result<Client, HttpClientError> {
    builder.build().map_err(|error| HttpClientError::Client(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_for_the_host_that_is_named() {
        // B0-08
        let check = |beginning: &str, url: &str, expected: bool| {
            let (name, value) = (HeaderName::from_static("x"), HeaderValue::from_static("v"));
            let header = UrlHeader { name, value, url: beginning.to_owned() };
            assert_eq!(header.is_for(&Url::parse(url).unwrap()), expected, "{beginning} {url}");
        };
        for url in
            ["https://example.com/hook?a=b", "https://me:secret@example.com/hook", "https://EXAMPLE.com:443/hook"]
        {
            for beginning in ["", "https://", "https://example.com", "https://example.com/", "https://example.com/ho"] {
                check(beginning, url, true);
            }
            check("https://other:text@example.com/hook", url, true);
            check("https://example.com/other", url, false);
            check("http://example.com", url, false);
            check("https://example.com:8443", url, false);
            check("https://example", url, false);
            check("@example.com", url, false);
            check("example.com", url, false);
        }
        check("https://example.com", "https://example.com.evil/", false);
        check("https://example.com", "https://example.com@evil/", false);
        check("https://Example.com", "https://example.com:8443/", true);
        check("https://other:text@example.com", "https://example.com:8443/", true);
        check("https://example.com/", "https://example.com:8443/", false);
        check("https://example.com:443", "https://example.com:8443/", false);
        check("https://example.com:84", "https://example.com:8443/", false);
        check("http://10.0.0.1:80", "http://10.0.0.1/hook", true);
        check("http://10.0.0.1", "http://10.0.0.11/hook", false);
        check("http:", "http://10.0.0.1/", false);
    }

    #[test]
    fn notifications_are_sent_again_three_times_after_pauses_that_grow() {
        // B0-08, B0-09
        let settings = HttpSettings::default();
        let seconds = |settings: &HttpSettings, tries| settings.pause(tries).map(|pause| pause.as_secs());
        assert_eq!([1, 2, 3, 4].map(|tries| seconds(&settings, tries)), [Some(2), Some(4), Some(8), None]);
        let patient = HttpSettings { retry_max: 9, ..settings };
        assert_eq!([5, 9, 10].map(|tries| seconds(&patient, tries)), [Some(30), Some(30), None]);
    }
}
