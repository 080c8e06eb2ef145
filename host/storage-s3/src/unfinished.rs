//! Uploads that were begun in parts and neither completed nor aborted: what a server that was killed has left. Stores
//! keep, and charge for, their parts. opendal neither lists nor aborts them by itself, so that these requests are made
//! and signed here.

use std::time::Duration;

use opendal::raw::{ServiceOperation, percent_encode_path};
use opendal::{Buffer, ErrorKind, HttpTransporter};
use percent_encoding::percent_decode_str;
use reqsign_aws_v4::{Credential, DefaultCredentialProvider, RequestSigner, StaticCredentialProvider};
use reqsign_core::{Context, OsEnv, ProvideCredentialChain, Signer};
use reqsign_file_read_tokio::TokioFileRead;
use serde::Deserialize;
use tidegate_core::ports::storage::{S3Location, StorageError, StorageErrorKind, Swept};

use crate::errors::{failed, from_store};
use crate::key::KeyPrefix;
use crate::repetition::{Repetition, repeated};

/// The longest time of one request.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Lists and aborts the unfinished uploads of a bucket.
pub struct UnfinishedUploads {
    /// The bucket's URL, without a `/` at its end.
    url: String,
    signer: Signer<Credential>,
    transport: HttpTransporter,
}

/// ListMultipartUploadsResult of Amazon S3. Keys are percent-encoded.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    is_truncated: bool,
    next_key_marker: String,
    next_upload_id_marker: String,
    upload: Vec<Unfinished>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Unfinished {
    key: String,
    upload_id: String,
    initiated: String,
}

impl UnfinishedUploads {
    /// Those of the bucket of this description, which was found to be right.
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

    /// Aborts the uploads of keys with this prefix that were begun before this time, in milliseconds since 1970.
    ///
    /// # Errors
    /// The store failed, or does not permit it; some may be aborted by then.
    pub async fn sweep(&self, prefix: &KeyPrefix, before: i64) -> Result<Swept, StorageError> {
        let (mut swept, mut markers) = (Swept::default(), (String::new(), String::new()));
        let mut repetition = Repetition::default();
        loop {
            let page = self.page(prefix.as_str(), &markers).await?;
            for unfinished in &page.upload {
                let key = decoded(&unfinished.key)?;
                // A store that does not heed the prefix must not lose what is not ours.
                if !key.starts_with(prefix.as_str()) {
                    continue;
                }
                match begun(&unfinished.initiated) {
                    Some(begun) if begun < before => {
                        self.abort(&key, &unfinished.upload_id).await?;
                        swept.aborted += 1;
                    }
                    Some(_) | None => swept.left += 1,
                }
            }
            let next = (decoded(&page.next_key_marker)?, page.next_upload_id_marker);
            if !page.is_truncated {
                return Ok(swept);
            }
            if next == markers || repetition.is_seen_in(&format!("{}\0{}", next.0, next.1)) {
                return Err(repeated());
            }
            markers = next;
        }
    }

    async fn page(&self, prefix: &str, (key, id): &(String, String)) -> Result<Page, StorageError> {
        let mut query = format!("uploads=&encoding-type=url&prefix={}", encoded(prefix));
        if !key.is_empty() {
            query = format!("{query}&key-marker={}&upload-id-marker={}", encoded(key), encoded(id));
        }
        let body = self.send("GET", &format!("{}/?{query}", self.url), "ListMultipartUploads").await;
        let body = body.map_err(|error| match error.kind {
            // Not of the uploads: the list of a bucket that has none is empty.
            StorageErrorKind::NotFound => StorageError {
                kind: StorageErrorKind::Other,
                message: "the object store does not know the bucket".into(),
                ..error
            },
            StorageErrorKind::Unsupported => StorageError {
                message:
                    "this object store cannot list unfinished uploads, so that none were removed: give the bucket a \
                          lifecycle rule for them, or remove them with the store's own tools"
                        .into(),
                ..error
            },
            _ => error,
        })?;
        read(&body)
    }

    async fn abort(&self, key: &str, id: &str) -> Result<(), StorageError> {
        let url = format!("{}/{}?uploadId={}", self.url, percent_encode_path(key), encoded(id));
        match self.send("DELETE", &url, "AbortMultipartUpload").await {
            // It was completed or aborted meanwhile.
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// Sends a request without content, and gives the content of the answer.
    async fn send(&self, method: &str, url: &str, operation: &'static str) -> Result<Vec<u8>, StorageError> {
        let cannot = |text: String| {
            failed(StorageErrorKind::Other, "the object store cannot be asked about unfinished uploads")
                .with_detail(text)
        };
        let request = http::Request::builder().method(method).uri(url).extension(ServiceOperation(operation));
        let request = request.body(Buffer::new()).map_err(|error| cannot(error.to_string()))?;
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

/// An unfinished upload: its key, its number, and when it was begun, in milliseconds since 1970.
pub type ListedUpload = (String, String, Option<i64>);

/// The unfinished uploads that an answer of a store lists.
///
/// # Errors
/// The answer, or a key in it, cannot be read.
pub fn listed_uploads(answer: &[u8]) -> Result<Vec<ListedUpload>, StorageError> {
    let listed = |upload: Unfinished| Ok((decoded(&upload.key)?, upload.upload_id, begun(&upload.initiated)));
    read(answer)?.upload.into_iter().map(listed).collect()
}

fn read(answer: &[u8]) -> Result<Page, StorageError> {
    quick_xml::de::from_reader(answer).map_err(|error| {
        let text = "the object store gave a list of unfinished uploads that cannot be read";
        failed(StorageErrorKind::Other, text).with_detail(error.to_string())
    })
}

fn kind_of(status: u16) -> ErrorKind {
    match status {
        404 => ErrorKind::NotFound,
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

/// A value in a query.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn decoded(text: &str) -> Result<String, StorageError> {
    // In a query's form, blanks are `+`.
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    let wrong = |_| failed(StorageErrorKind::Other, "the object store named a key that is not UTF-8");
    decoded.map(|text| text.into_owned()).map_err(wrong)
}

/// When an upload was begun, in milliseconds since 1970; none: the store does not say, so that it is left alone.
fn begun(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
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

    #[test]
    fn texts_are_read_as_the_store_writes_them() {
        assert_eq!(decoded("a%2Fb+c%C3%A4%2B").unwrap(), "a/b cä+");
        assert!(decoded("%ff").is_err());
        assert_eq!(begun("2026-11-29T12:00:00.000Z"), Some(1_795_953_600_000));
        assert_eq!((begun(""), begun("yesterday")), (None, None));
        let page: Page = quick_xml::de::from_str(
            "<ListMultipartUploadsResult xmlns=\"x\"><Bucket>b</Bucket><Upload><Key>k</Key><UploadId>1</UploadId>\
             <Initiator><ID>i</ID></Initiator><Initiated>t</Initiated></Upload><IsTruncated>false</IsTruncated>\
             </ListMultipartUploadsResult>",
        )
        .unwrap();
        assert_eq!((page.upload.len(), page.is_truncated), (1, false));
        let empty: Page = quick_xml::de::from_str("<ListMultipartUploadsResult/>").unwrap();
        assert!(empty.upload.is_empty());
    }
}
