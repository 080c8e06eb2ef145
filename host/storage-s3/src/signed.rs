//! Requests to a bucket that opendal does not make: they are signed here.

use std::time::Duration;

use opendal::raw::ServiceOperation;
use opendal::{Buffer, ErrorKind, HttpTransporter};
use reqsign_aws_v4::{Credential, DefaultCredentialProvider, RequestSigner, StaticCredentialProvider};
use reqsign_core::{Context, OsEnv, ProvideCredentialChain, Signer};
use reqsign_file_read_tokio::TokioFileRead;
use tidegate_core::ports::storage::{S3Location, StorageError, StorageErrorKind};

use crate::errors::{failed, from_store};

/// The longest time of one request.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Signs and sends requests to a bucket.
pub struct SignedRequests {
    /// The bucket's URL, without a `/` at its end.
    url: String,
    signer: Signer<Credential>,
    transport: HttpTransporter,
}

impl SignedRequests {
    /// Requests to the bucket of this description, which was found to be right.
    pub fn new(location: &S3Location, transport: HttpTransporter) -> Self {
        let region = region_of(location);
        let mut credentials = ProvideCredentialChain::new();
        credentials = if location.access_key.is_empty() {
            credentials.push(DefaultCredentialProvider::builder().build())
        } else {
            let key = StaticCredentialProvider::new(&location.access_key, location.access_secret.expose());
            credentials.push(match location.session_token.is_empty() {
                true => key,
                false => key.with_session_token(location.session_token.expose()),
            })
        };
        let context = Context::new().with_file_read(TokioFileRead).with_env(OsEnv).with_http_send(transport.clone());
        let signer = Signer::new(context, credentials, RequestSigner::new("s3", region));
        Self { url: bucket_url(location, region), signer, transport }
    }

    /// Sends a request, and gives the content of the answer. `path`: what follows the bucket's URL.
    ///
    /// # Errors
    /// The store failed, or does not permit it.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        operation: &'static str,
        content: &str,
    ) -> Result<Vec<u8>, StorageError> {
        let cannot = |text: String| {
            failed(StorageErrorKind::Other, "the object store cannot be asked about the bucket").with_detail(text)
        };
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        if method == "PUT" {
            // Stores want it also where it is 0, and the client leaves it out then.
            request = request.header(http::header::CONTENT_LENGTH, content.len());
        }
        let request = request.extension(ServiceOperation(operation)).body(Buffer::from(content.to_owned()));
        let request = request.map_err(|error| cannot(error.to_string()))?;
        let (mut parts, body) = request.into_parts();
        self.signer.sign(&mut parts, None).await.map_err(|error| cannot(error.to_string()))?;
        // As opendal does: the client sets it by the version of HTTP.
        parts.headers.remove(http::header::HOST);
        let sent = self.transport.send(http::Request::from_parts(parts, body));
        let answer = tokio::time::timeout(TIMEOUT, sent).await;
        let answer = answer.map_err(|_| cannot(format!("there was no answer in {} seconds", TIMEOUT.as_secs())))?;
        let (parts, body) = answer.map_err(|error| from_store(&error))?.into_parts();
        let body = body.to_vec();
        match parts.status.as_u16() {
            200..300 => Ok(body),
            status => Err(from_store(&opendal::Error::new(
                kind_of(status),
                format!("status {status}: {}", String::from_utf8_lossy(&body).chars().take(500).collect::<String>()),
            ))),
        }
    }
}

fn kind_of(status: u16) -> ErrorKind {
    match status {
        404 => ErrorKind::NotFound,
        409 => ErrorKind::AlreadyExists,
        401 | 403 => ErrorKind::PermissionDenied,
        405 | 501 => ErrorKind::Unsupported,
        429 | 503 => ErrorKind::RateLimited,
        _ => ErrorKind::Unexpected,
    }
}

/// The bucket's region.
pub fn region_of(location: &S3Location) -> &str {
    if location.region.is_empty() { "us-east-1" } else { &location.region }
}

fn bucket_url(location: &S3Location, region: &str) -> String {
    let endpoint = match location.endpoint.trim_end_matches('/') {
        "" | "https://s3.amazonaws.com" => format!("https://s3.{region}.amazonaws.com"),
        endpoint if endpoint.starts_with("http") => endpoint.to_owned(),
        endpoint => format!("https://{endpoint}"),
    };
    let bucket = &location.bucket;
    // As opendal reads it: an endpoint may begin with the bucket's name already.
    let endpoint = endpoint.replacen(&format!("//{bucket}."), "//", 1);
    match location.path_style {
        true => format!("{endpoint}/{bucket}"),
        false => endpoint.replacen("//", &format!("//{bucket}."), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_buckets_are_those_of_the_other_requests() {
        let check = |endpoint: &str, region: &str, path_style: bool, expected: &str| {
            let (bucket, endpoint, region) = ("b".to_owned(), endpoint.to_owned(), region.to_owned());
            let location = S3Location { bucket, endpoint, region, path_style, ..S3Location::default() };
            assert_eq!(bucket_url(&location, region_of(&location)), expected);
        };
        check("", "", false, "https://b.s3.us-east-1.amazonaws.com");
        check("", "eu-central-1", true, "https://s3.eu-central-1.amazonaws.com/b");
        check("http://10.0.0.1:9000/", "", true, "http://10.0.0.1:9000/b");
        check("store.example", "", false, "https://b.store.example");
        check("https://b.store.example", "", false, "https://b.store.example");
    }
}
