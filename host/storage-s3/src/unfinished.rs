//! Uploads that were begun in parts and neither completed nor aborted: what a server that was killed has left. Stores
//! keep, and charge for, their parts. opendal neither lists nor aborts them by itself.

use opendal::HttpTransporter;
use opendal::raw::percent_encode_path;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tidegate_core::ports::storage::{S3Location, StorageError, StorageErrorKind, Swept};

use crate::errors::failed;
use crate::key::KeyPrefix;
use crate::repetition::{Repetition, repeated};
use crate::signed::SignedRequests;

/// Lists and aborts the unfinished uploads of a bucket.
pub struct UnfinishedUploads(SignedRequests);

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
        Self(SignedRequests::new(location, transport))
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
        let body = self.0.send("GET", &format!("/?{query}"), "ListMultipartUploads", "").await;
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
        let path = format!("/{}?uploadId={}", percent_encode_path(key), encoded(id));
        match self.0.send("DELETE", &path, "AbortMultipartUpload", "").await {
            // It was completed or aborted meanwhile.
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(()),
            outcome => outcome.map(drop),
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
