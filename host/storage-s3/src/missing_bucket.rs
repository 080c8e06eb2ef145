//! Buckets that are made where they are missing, as the oldest servers did (A16-02).

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opendal::HttpTransporter;
use tidegate_core::ports::storage::{S3Location, StorageError, StorageErrorKind};

use crate::errors::silent;
use crate::signed::{SignedRequests, region_of};

/// A login waits for it: what takes longer is left to what is done with the bucket.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The region that has no name where a bucket is made.
const FIRST_REGION: &str = "us-east-1";

/// The buckets that were seen, or made, so that each is looked for once.
#[derive(Debug, Default)]
pub struct SeenBuckets(Mutex<HashSet<String>>);

impl SeenBuckets {
    fn names(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a bucket if it is missing. That it cannot be made is logged: what is done with it fails, and says why.
    /// `identity`: says which bucket of which store it is.
    pub async fn require(&self, identity: &str, location: &S3Location, transport: &HttpTransporter) {
        if self.names().contains(identity) {
            return;
        }
        let made = tokio::time::timeout(TIMEOUT, make_if_missing(location, transport.clone())).await;
        match made.unwrap_or_else(|_| Err(silent("looking for the bucket", TIMEOUT))) {
            Ok(is_made) => {
                self.names().insert(identity.to_owned());
                if is_made {
                    let message = format!("the bucket {} was missing and is made (compat = \"seed\")", location.bucket);
                    tracing::info!(sender = "s3", message);
                }
            }
            Err(error) => {
                let message = format!("the bucket {} cannot be looked for, or made: {error}", location.bucket);
                tracing::warn!(sender = "s3", message);
            }
        }
    }
}

/// Whether the bucket had to be made.
async fn make_if_missing(location: &S3Location, transport: HttpTransporter) -> Result<bool, StorageError> {
    let requests = SignedRequests::new(location, transport);
    match requests.send("HEAD", "/", "HeadBucket", "").await {
        Err(error) if error.kind == StorageErrorKind::NotFound => {}
        outcome => return outcome.map(|_| false),
    }
    match requests.send("PUT", "/", "CreateBucket", &place(region_of(location))).await {
        // Another session, or server, was faster.
        Err(error) if error.kind == StorageErrorKind::AlreadyExists => Ok(false),
        outcome => outcome.map(|_| true),
    }
}

/// Says in which region a bucket is to be made, as Amazon's store wants it. The name of a region has no characters that
/// mean something there.
fn place(region: &str) -> String {
    let is_name = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if region == FIRST_REGION || !is_name {
        return String::new();
    }
    format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}\
         </LocationConstraint></CreateBucketConfiguration>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_made_in_its_region() {
        // A16-02
        let check = |region: &str, expected: bool| {
            let place = place(region);
            assert_eq!(place.contains(&format!("<LocationConstraint>{region}</")), expected, "{region}: {place}");
            assert!(expected || place.is_empty(), "{region}: {place}");
        };
        check("eu-central-1", true);
        check("garage", true);
        check("us-east-1", false);
        check("a<b", false);
    }
}
