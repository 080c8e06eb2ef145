//! How long a store is waited for: an answer, the next bytes, and all requests of an operation together. A store that has
//! taken a request and says nothing must hold up neither a client nor what waits for the client.

use std::time::Duration;

use tidegate_core::ports::storage::StorageError;

use crate::errors::silent;

/// The longest time of an operation that moves no content, with all its requests and their repetitions.
pub const OPERATION: Duration = Duration::from_secs(75);
/// The longest time in which content that was asked for does not go on. A request that is repeated once fits into it.
pub const PROGRESS: Duration = Duration::from_secs(75);
/// The longest time until a store answers most requests.
const ANSWER: Duration = Duration::from_secs(30);
/// Some stores go through much that they do not list.
const LISTING: Duration = Duration::from_secs(60);
/// Copies and completed uploads are answered when the store has put all of the object together.
const WORK: Duration = Duration::from_secs(240);
/// What is sent is expected to arrive at least so fast, in bytes of a second.
const SLOWEST: u64 = 256 << 10;

/// How long a store may take until it answers a request. `operation`: its name in Amazon S3's interface; `bytes`: how many
/// are sent with it.
pub fn until_answer(operation: Option<&str>, bytes: usize) -> Duration {
    match operation {
        Some("ListObjects" | "ListObjectsV2" | "ListMultipartUploads") => LISTING,
        Some("CopyObject" | "UploadPartCopy" | "CompleteMultipartUpload") => WORK,
        _ => ANSWER.saturating_add(Duration::from_secs(bytes as u64 / SLOWEST)),
    }
}

/// Whether a request that was not answered in its time is worth another try. What a store works at for long would take as
/// long again.
pub fn is_worth_another_try(operation: Option<&str>) -> bool {
    !matches!(operation, Some("CopyObject" | "CompleteMultipartUpload"))
}

/// Waits for an operation that moves no content. `what`: says in the log what was not done.
///
/// # Errors
/// Those of the operation; the store took too long for it.
pub async fn bounded<T>(
    what: &str,
    operation: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    match tokio::time::timeout(OPERATION, operation).await {
        Ok(outcome) => outcome,
        Err(_) => Err(silent(what, OPERATION)),
    }
}

/// Waits for the next bytes of content.
///
/// # Errors
/// Those of the store; nothing came for too long.
pub async fn progress<T>(next: impl Future<Output = opendal::Result<T>>) -> opendal::Result<T> {
    tokio::time::timeout(PROGRESS, next).await.unwrap_or_else(|_| {
        let text = format!("the object store has sent no more bytes for {} seconds", PROGRESS.as_secs());
        Err(opendal::Error::new(opendal::ErrorKind::Unexpected, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_has_longer_for_what_takes_longer() {
        let check = |operation: Option<&str>, bytes: usize, seconds: u64, again: bool| {
            assert_eq!(until_answer(operation, bytes), Duration::from_secs(seconds), "{operation:?} {bytes}");
            assert_eq!(is_worth_another_try(operation), again, "{operation:?}");
        };
        check(Some("HeadObject"), 0, 30, true);
        check(Some("GetObject"), 0, 30, true);
        check(Some("ListObjectsV2"), 0, 60, true);
        check(Some("PutObject"), 1000, 30, true);
        check(Some("UploadPart"), 8 << 20, 62, true);
        check(Some("UploadPart"), 64 << 20, 286, true);
        // What is copied in parts is copied in small ones.
        check(Some("UploadPartCopy"), 0, 240, true);
        check(Some("CopyObject"), 0, 240, false);
        check(Some("CompleteMultipartUpload"), 500, 240, false);
        // The service that gives credentials.
        check(None, 0, 30, true);
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_is_left_after_its_time() {
        let quick = bounded("x", async { Ok(1) }).await;
        assert_eq!(quick.ok(), Some(1));
        let begun = tokio::time::Instant::now();
        let stalled: Result<(), _> = bounded("looking for a name", std::future::pending()).await;
        assert!(stalled.unwrap_err().message.contains("does not answer"));
        assert_eq!(begun.elapsed().as_secs(), OPERATION.as_secs());
    }
}
