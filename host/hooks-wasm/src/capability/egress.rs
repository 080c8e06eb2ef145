//! HTTP requests of a plugin (`wasi:http`). They go to granted destinations only, and a name that
//! was granted leads to no prohibited address.

use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Client, Request, Url};
use tokio::sync::Semaphore;
use url::Host;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::address;
use super::http_grant::HttpGrant;

const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Longest time that a connection is kept for the next request.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Largest body of a request, which the host holds until it is sent.
const MAX_REQUEST: usize = 4 << 20;
/// Requests of one call that may be under way at once.
const MAX_REQUESTS: usize = 16;

/// A response whose head has arrived, and the future that `wasi:http` expects beside it.
type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// The HTTP clients of one plugin and what they may reach; all its calls share the connections.
#[derive(Clone)]
pub struct Egress(Arc<Inner>, Arc<Semaphore>);

struct Inner {
    plugin: String,
    grants: Vec<HttpGrant>,
    /// The client for hosts that a grant names.
    named: Option<Client>,
    /// The client for hosts that only a pattern grants.
    matched: Option<Client>,
    /// The client for machines that a grant names itself, by address or as `localhost`.
    exempt: Option<Client>,
}

impl Egress {
    /// `authorities`: PEM files with certificates that are trusted beside the system's.
    ///
    /// # Errors
    /// If such a file cannot be used or a client cannot be made; the text is the reason.
    pub fn new(plugin: &str, grants: &[HttpGrant], authorities: &[PathBuf]) -> Result<Self, String> {
        let secure = grants.iter().any(HttpGrant::is_secure);
        let client = |names: Option<CheckedNames>| build(secure, authorities, names);
        let is_name = |grant: &HttpGrant| !grant.names_machine() && !grant.is_pattern();
        let named = grants.iter().any(is_name).then(|| client(Some(CheckedNames::ToChosenHosts))).transpose()?;
        let matched = grants.iter().any(HttpGrant::is_pattern);
        let matched = matched.then(|| client(Some(CheckedNames::ToOtherHosts))).transpose()?;
        let exempt = grants.iter().any(HttpGrant::names_machine).then(|| client(None)).transpose()?;
        let inner = Inner { plugin: plugin.to_owned(), grants: grants.to_vec(), named, matched, exempt };
        Ok(Self(Arc::new(inner), Arc::new(Semaphore::new(MAX_REQUESTS))))
    }

    /// A handle for one call, which may have `MAX_REQUESTS` requests of its own under way.
    pub fn for_call(&self) -> Self {
        Self(self.0.clone(), Arc::new(Semaphore::new(MAX_REQUESTS)))
    }

    async fn send(self, request: http::Request<WasiBody>, options: Option<RequestOptions>) -> Result<Sent, Error> {
        let _place = self.1.clone().try_acquire_owned().map_err(|_| Error::ConnectionLimitReached)?;
        let url = Url::parse(&request.uri().to_string()).map_err(|_| Error::HttpRequestUriInvalid)?;
        // reqwest would make an `Authorization` header of a user name or password in the URL; a
        // guest sets that header itself.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::HttpRequestUriInvalid);
        }
        let client = self.client_for(&url)?;
        let request = to_reqwest(request, url).await?;
        let answer = client.execute(request);
        let answer = match options.and_then(|options| options.first_byte_timeout) {
            Some(time) => tokio::time::timeout(time, answer).await.map_err(|_| Error::ConnectionReadTimeout)?,
            None => answer.await,
        };
        let response = http::Response::<Body>::from(answer.map_err(|error| self.explain(&error))?);
        let body = |body: Body| body.map_err(|error| Error::InternalError(Some(error.to_string()))).boxed_unsync();
        Ok((response.map(body), Box::new(std::future::ready(Ok(())))))
    }

    /// The client for the destination of a URL, if the operator granted it.
    fn client_for(&self, url: &Url) -> Result<&Client, Error> {
        let granted: Vec<_> = self.0.grants.iter().filter(|grant| grant.allows(url)).collect();
        if granted.is_empty() {
            self.warn(url, "is not granted; to allow it, add it to \"http\" in the plugin's settings");
            return Err(Error::HttpRequestDenied);
        }
        if granted.iter().any(|grant| grant.names_machine()) {
            return self.0.exempt.as_ref().ok_or(Error::ConfigurationError);
        }
        if granted.iter().any(|grant| !grant.is_pattern()) {
            return self.0.named.as_ref().ok_or(Error::ConfigurationError);
        }
        // An address in the URL is never looked up, so it is checked here.
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        if literal.is_some_and(|address| CheckedNames::ToOtherHosts.refuse(address)) {
            self.warn(url, "is an address of this machine or its network's own; grant the address itself to allow it");
            return Err(Error::DestinationIpProhibited);
        }
        self.0.matched.as_ref().ok_or(Error::ConfigurationError)
    }

    fn explain(&self, error: &reqwest::Error) -> Error {
        let mut cause = error.source();
        while let Some(source) = cause {
            if source.is::<Prohibited>() {
                if let Some(url) = error.url() {
                    self.warn(url, "leads to an address of this machine or its network's own; grant the address itself to allow it");
                }
                return Error::DestinationIpProhibited;
            }
            cause = source.source();
        }
        if error.is_timeout() {
            Error::ConnectionTimeout
        } else if error.is_connect() {
            Error::ConnectionRefused
        } else {
            Error::HttpProtocolError
        }
    }

    /// Logs scheme, host and port only: paths and queries may hold secrets.
    fn warn(&self, url: &Url, problem: &str) {
        let place = url.origin().ascii_serialization();
        let plugin = self.0.plugin.as_str();
        let message = format!("a request of the plugin \"{plugin}\" was refused: {place} {problem}");
        tracing::warn!(sender = "plugins", plugin, message);
    }
}

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _transmission: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        Box::new(self.clone().send(request, options))
    }
}

async fn to_reqwest(request: http::Request<WasiBody>, url: Url) -> Result<Request, Error> {
    let (parts, body) = request.into_parts();
    let too_large = |_| Error::HttpRequestBodySize(Some(MAX_REQUEST as u64));
    let body = Limited::new(body, MAX_REQUEST).collect().await.map_err(too_large)?.to_bytes();
    let mut request = Request::new(parts.method, url);
    *request.headers_mut() = parts.headers;
    // The client sets this header itself, from the URL that was checked.
    request.headers_mut().remove(http::header::HOST);
    if !body.is_empty() {
        *request.body_mut() = Some(Body::from(body));
    }
    Ok(request)
}

/// `names`: how names that are looked up are checked; `None`: not at all.
fn build(secure: bool, authorities: &[PathBuf], names: Option<CheckedNames>) -> Result<Client, String> {
    let mut builder = Client::builder()
        .no_proxy()
        // The guest sees a redirect and may follow it with a new request, which is checked as well.
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIME)
        .pool_idle_timeout(IDLE_TIME)
        .tcp_nodelay(true);
    if let Some(names) = names {
        builder = builder.dns_resolver(Arc::new(names));
    }
    if secure {
        for path in authorities {
            let unusable = |problem: String| format!("the file {} cannot be used: {problem}", path.display());
            let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            let bundle = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
            builder = builder.tls_certs_merge(bundle);
        }
    } else {
        // Without this, the client could not be made on a machine that has no certificates.
        builder = builder.tls_certs_only(std::iter::empty::<Certificate>());
    }
    builder.build().map_err(|error| error.to_string())
}

/// A name led to an address that names may not lead to.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to a prohibited address")]
struct Prohibited;

/// Looks names up for the client and refuses prohibited addresses. The client connects to one of
/// the checked addresses, whatever the name leads to a moment later.
#[derive(Debug, Clone, Copy)]
enum CheckedNames {
    /// The operator granted this very name: it may also lead to an address of this machine that
    /// other machines can reach.
    ToChosenHosts,
    /// Only a pattern grants the name: patterns stand for other machines than this one.
    ToOtherHosts,
}

impl CheckedNames {
    fn refuse(self, address: IpAddr) -> bool {
        address::is_prohibited(address) || (matches!(self, Self::ToOtherHosts) && address::is_own(address))
    }
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = *self;
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            // A prohibited address among others is a sign of an attack by DNS rebinding, so none is used.
            if found.iter().any(|found| names.refuse(found.ip())) {
                return Err(Prohibited.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
