//! The HTTP client for stores and for what gives credentials for them. It follows no redirect: a store could have it ask any
//! address that this machine reaches, with the headers of the request, and what answers there would be given out as a file.

use std::sync::LazyLock;

use http::header::LOCATION;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use opendal_http_transport_reqwest::ReqwestTransport;
use reqwest::Client;
use reqwest::redirect::Policy;

/// How the error of a redirect begins.
const REDIRECTS: &str = "the object store redirects to";
/// The header in which Amazon's store says where a bucket is.
const REGION: &str = "x-amz-bucket-region";
/// The most characters of a region's name.
const LONGEST_REGION: usize = 64;

static CLIENT: LazyLock<Result<ReqwestTransport, String>> = LazyLock::new(|| {
    let client = Client::builder().redirect(Policy::none()).referer(false).build();
    client.map(ReqwestTransport::new).map_err(|error| error.to_string())
});

/// Sends requests; made with the first of them.
pub struct StoreClient;

impl HttpTransport for StoreClient {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        match &*CLIENT {
            Ok(client) => client.fetch(request).await,
            Err(problem) => {
                let text = format!("the HTTP client for object stores could not be made: {problem}");
                Err(Error::new(ErrorKind::ConfigInvalid, text))
            }
        }
    }
}

/// Requires that an answer is one, and not a redirect.
///
/// # Errors
/// `ConfigInvalid`, with the host that it leads to.
pub fn require_no_redirect(status: StatusCode, headers: &HeaderMap) -> opendal::Result<()> {
    if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let place = text(LOCATION.as_str()).and_then(host_of).unwrap_or_else(|| "another address".to_owned());
    let is_region = |region: &&str| {
        region.len() <= LONGEST_REGION && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let region = text(REGION).filter(is_region).map(|region| format!(", and says that the bucket is in {region}"));
    let region = region.unwrap_or_default();
    Err(Error::new(
        ErrorKind::ConfigInvalid,
        format!("{REDIRECTS} {place}{region}; this is not followed: check the endpoint and the region"),
    ))
}

/// Whether an error is that of a redirect.
pub fn is_redirect(error: &Error) -> bool {
    error.kind() == ErrorKind::ConfigInvalid && error.message().starts_with(REDIRECTS)
}

/// The scheme, host and port of a URL: the rest of it may have secrets.
fn host_of(url: &str) -> Option<String> {
    let url = url.parse::<Uri>().ok()?;
    let (scheme, host) = (url.scheme_str()?, url.host()?);
    Some(match url.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_redirect_is_an_error_that_says_where_it_leads() {
        let check =
            |status: u16, location: Option<&'static str>, region: Option<&'static str>, expected: Option<&str>| {
                let mut headers = HeaderMap::new();
                for (name, value) in [("location", location), (REGION, region)] {
                    if let Some(value) = value {
                        headers.insert(name, HeaderValue::from_static(value));
                    }
                }
                let outcome = require_no_redirect(StatusCode::from_u16(status).unwrap(), &headers);
                let Some(expected) = expected else {
                    assert!(outcome.is_ok(), "{status}");
                    return;
                };
                let error = outcome.unwrap_err();
                assert!(is_redirect(&error) && !error.is_temporary(), "{status}");
                let end = "; this is not followed: check the endpoint and the region";
                assert_eq!(error.message(), format!("{REDIRECTS} {expected}{end}"), "{status} {location:?} {region:?}");
            };
        for status in [200, 204, 206, 304, 403, 404, 500] {
            check(status, Some("http://other.example/"), None, None);
        }
        for status in [300, 301, 302, 303, 305, 307, 308] {
            check(status, Some("http://other.example:81/a?b=secret"), None, Some("http://other.example:81"));
        }
        check(301, Some("https://me:secret@other.example/"), None, Some("https://other.example"));
        check(302, Some("/other/path"), None, Some("another address"));
        check(302, Some("no URL"), None, Some("another address"));
        check(307, None, None, Some("another address"));
        let there = ", and says that the bucket is in eu-west-1";
        check(301, None, Some("eu-west-1"), Some(&format!("another address{there}")));
        check(301, None, Some("<b>"), Some("another address"));
    }
}
