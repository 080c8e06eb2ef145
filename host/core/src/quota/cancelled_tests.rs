//! Uploads that end at a storage that takes its time, for callers that do not wait for it.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio::sync::Semaphore;

use super::outage_tests::no_files;
use super::tests::{LIMITS, Paper, file, no_tree, paper};
use super::*;
use crate::ports::storage::{
    Discard, FileInPlace, Finished, Metadata, SetAttributes, Shown, Space, StorageError, StorageErrorKind, StorageFile,
    Upload, Writing,
};

/// A file of 30 bytes at a storage that answers as often as there are permits.
struct Slow(Arc<Semaphore>);

impl Slow {
    async fn answer(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

fn unsupported<T>() -> Result<T, StorageError> {
    Err(StorageError::new(StorageErrorKind::Unsupported, "not here"))
}

#[async_trait]
impl StorageFile for Slow {
    async fn read_at(&self, _: u64, _: usize, _: &mut Vec<u8>) -> Result<usize, StorageError> {
        unsupported()
    }
    async fn metadata(&self) -> Result<Metadata, StorageError> {
        self.answer().await;
        Ok(file(7, 30))
    }
    async fn set_attributes(&self, _: &SetAttributes) -> Result<(), StorageError> {
        unsupported()
    }
    async fn sync(&self) -> Result<(), StorageError> {
        unsupported()
    }
    async fn space(&self) -> Result<Space, StorageError> {
        unsupported()
    }
}

#[async_trait]
impl FileInPlace for Slow {
    async fn write_at(&self, _: u64, _: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }
    fn approve(&self) {}
    fn discard(&self, _: Discard) {}
}

#[async_trait]
impl Upload for Slow {
    async fn write_at(&self, _: u64, _: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }
    async fn replaces(&self) -> Option<Metadata> {
        None
    }
    async fn show(&self) -> Result<Shown, StorageError> {
        unsupported()
    }
    async fn finish(&self) -> Result<Finished, StorageError> {
        unsupported()
    }
    async fn abandon(&self) -> Option<Metadata> {
        self.answer().await;
        None
    }
    fn discard(&self) {}
}

/// Checks what counts for an upload that has reserved 50 bytes. `ends`: does something with it while its storage does not
/// answer.
async fn check(in_place: bool, ends: impl AsyncFnOnce(&Paper, UploadQuota, Slow), expected: (i64, i64)) {
    let paper = paper().await;
    let ledger = paper.keeper.ledger(&paper.scope);
    let names = ledger.names(no_tree).await.unwrap();
    let mut quota = match in_place {
        true => UploadQuota::in_place(ledger.clone(), &names, &file(7, 0), true),
        false => UploadQuota::unnamed(ledger.clone(), file(7, 0).id, 0, None, LIMITS).unwrap(),
    };
    drop(names);
    quota.reserve(50, LIMITS).unwrap();
    let answers = Arc::new(Semaphore::new(0));
    ends(&paper, quota, Slow(answers.clone())).await;
    // The next upload counts it, and may be gone before the storage has answered.
    for _ in 0..2 {
        assert!(ledger.names(no_tree).now_or_never().is_none());
    }
    assert!(ledger.has_uploads());
    answers.add_permits(1);
    drop(ledger.names(no_tree).await.unwrap());
    assert_eq!(ledger.used(), UsedQuota { size: expected.0, files: expected.1 });
    assert!(!ledger.has_uploads() && !ledger.is_written(file(7, 0).id));
    assert_eq!(paper.stored().await, expected);
    // Nothing is left that keeps the usage in change.
    paper.keeper.finish().await;
    assert!(paper.keeper.unsettled().await.unwrap().is_empty());
}

#[tokio::test]
async fn uploads_count_as_they_ended_whoever_waits_for_it() {
    // A10-04
    let dropped_in_place = async |_: &Paper, mut quota: UploadQuota, slow: Slow| {
        quota.abandon(Writing::InPlace(Box::new(slow)), LIMITS, None);
    };
    check(true, dropped_in_place, (30, 1)).await;
    let dropped = async |_: &Paper, mut quota: UploadQuota, slow: Slow| {
        quota.abandon(Writing::Upload(Box::new(slow)), LIMITS, None);
    };
    check(false, dropped, (0, 0)).await;
    let given_up = async |paper: &Paper, mut quota: UploadQuota, slow: Slow| {
        let ledger = paper.keeper.ledger(&paper.scope);
        let names = ledger.names(no_tree).await.unwrap();
        assert!(quota.give_up(&names, &slow, Some(LIMITS)).now_or_never().is_none());
        // As the file that was being closed does it when it is dropped.
        quota.abandon(Writing::Upload(Box::new(slow)), LIMITS, None);
    };
    check(false, given_up, (0, 0)).await;
}

#[tokio::test]
async fn what_has_ended_is_no_longer_reserved_in_a_count() {
    // A10-06: where it has got its name, it is among the files.
    let paper = paper().await;
    let ledger = paper.keeper.ledger(&paper.scope);
    drop(ledger.names(no_tree).await.unwrap());
    let mut quota = UploadQuota::unnamed(ledger.clone(), file(7, 0).id, 0, None, LIMITS).unwrap();
    quota.reserve(50, LIMITS).unwrap();
    quota.abandon(Writing::Upload(Box::new(Slow(Arc::new(Semaphore::new(1))))), LIMITS, None);
    let names = ledger.lock_names().await;
    assert_eq!(names.recount(&no_files(), &ScanProgress::default()).await.unwrap(), UsedQuota::default());
}
