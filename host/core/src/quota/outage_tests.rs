//! What is counted while the store is away, and when it is back.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::tests::{LIMITS, file, no_tree};
use super::*;
use crate::account::{AccountDraft, CredentialRule};
use crate::hook::observers::ObserverWork;
use crate::memory::MemoryStore;
use crate::memory::outage::{Outage, State};
use crate::path::VirtualPath;
use crate::ports::storage::{
    Canonical, Capabilities, DirectoryEntry, DirectoryReader, Metadata, SetAttributes, Space, Storage, StorageError,
    StorageFile,
};
use crate::ports::{NodeName, SystemClock, UnmarkedUsages, UnmarkedUsagesInMemory, UsageStore};

struct Paper {
    outage: Arc<Outage>,
    keeper: Arc<QuotaKeeper>,
    unmarked: Arc<dyn UnmarkedUsages>,
    scope: Scope,
    account: EffectiveAccount,
}

async fn paper() -> Paper {
    paper_with(Arc::new(UnmarkedUsagesInMemory::default())).await
}

async fn paper_with(unmarked: Arc<dyn UnmarkedUsages>) -> Paper {
    let store = Arc::new(MemoryStore::default());
    let json = r#"{"status":1,"username":"u","home_dir":"/u","permissions":{"/":["*"]}}"#;
    store.put(&AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account);
    let scope = Scope::Account("u".into());
    store.replace_usage(&scope, UsedQuota::default(), 1).await.unwrap();
    let account = EffectiveAccount::ungrouped(store.user("u").await.unwrap());
    let outage = Outage::of(store);
    let keeper = keeper(&outage, &unmarked);
    Paper { outage, keeper, unmarked, scope, account }
}

fn keeper(outage: &Arc<Outage>, unmarked: &Arc<dyn UnmarkedUsages>) -> Arc<QuotaKeeper> {
    let (node, clock) = (NodeName("here".into()), Arc::new(SystemClock));
    QuotaKeeper::with_unmarked(outage.clone(), node, clock, Tracking::Always, unmarked.clone())
}

impl Paper {
    /// What the next process of the server begins with.
    fn restarted(&self) -> Arc<QuotaKeeper> {
        keeper(&self.outage, &self.unmarked)
    }

    /// Uploads a file of 10 bytes, as a session that was there before.
    async fn upload(&self, inode: u64) {
        let ledger = self.keeper.ledger(&self.scope);
        let names = ledger.names(no_tree).await.unwrap();
        let mut upload = UploadQuota::unnamed(ledger.clone(), file(inode, 0).id, 0, None, LIMITS).unwrap();
        upload.reserve(10, LIMITS).unwrap();
        upload.complete(&names, &file(inode, 10), None);
        drop(names);
        let volume = self.keeper.volumes.of(&self.account).unwrap();
        volume.take(Transferred { up: 10, down: 1 }, VolumeLimits::default()).unwrap();
    }

    /// Bytes, files, and bytes in both directions.
    async fn stored(&self) -> (i64, i64, i64, i64) {
        let usage = self.outage.store.user("u").await.unwrap().usage;
        let moved = (usage.used_upload_data_transfer, usage.used_download_data_transfer);
        (usage.used_quota_size, usage.used_quota_files, moved.0, moved.1)
    }
}

#[tokio::test]
async fn usage_waits_and_is_counted_once() {
    // A10-03; ADR 9
    for away in [State::Away, State::Silent] {
        let paper = paper().await;
        paper.upload(1).await;
        paper.keeper.save().await;
        assert_eq!(paper.stored().await, (10, 1, 10, 1));
        paper.upload(2).await;
        paper.outage.becomes(away);
        paper.keeper.save().await;
        // Transfers go on, and limits hold: two files are the most.
        let ledger = paper.keeper.ledger(&paper.scope);
        assert_eq!(ledger.used(), UsedQuota { size: 20, files: 2 });
        let third = UploadQuota::unnamed(ledger.clone(), file(3, 0).id, 0, None, LIMITS);
        assert_eq!(third.err(), Some(QuotaError::Exceeded));
        ledger.names(no_tree).await.unwrap().removed(&file(1, 10));
        paper.keeper.finish().await;
        paper.outage.becomes(State::Here);
        // The mark has stayed for a process that would die now.
        assert_eq!(paper.keeper.unsettled().await.unwrap(), std::slice::from_ref(&paper.scope));
        paper.keeper.save().await;
        assert_eq!(paper.stored().await, (10, 1, 20, 2), "{away:?}");
        paper.keeper.finish().await;
        assert_eq!(paper.stored().await, (10, 1, 20, 2), "{away:?}");
        assert!(paper.keeper.unsettled().await.unwrap().is_empty(), "{away:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_stored_without_another_change() {
    let paper = paper().await;
    paper.upload(1).await;
    paper.outage.becomes(State::Away);
    let look = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(paper.stored().await, (0, 0, 0, 0));
        paper.outage.becomes(State::Here);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(paper.stored().await, (10, 1, 10, 1));
        paper.keeper.close();
    };
    tokio::join!(paper.keeper.work(), look);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_at_the_end_is_counted_once() {
    // A10-03
    let paper = paper().await;
    paper.upload(1).await;
    paper.outage.becomes(State::Slow);
    let end = async {
        let pause = || tokio::time::sleep(Duration::from_millis(1));
        // It is stored, and the answer has not come.
        while paper.stored().await.2 == 0 {
            pause().await;
        }
        paper.keeper.close();
        for _ in 0..100 {
            pause().await;
            paper.outage.answers.notify_one();
        }
    };
    tokio::join!(paper.keeper.work(), end);
    assert_eq!(paper.stored().await, (10, 1, 10, 1));
}

#[tokio::test]
async fn a_usage_that_was_settled_goes_on_from_what_is_known() {
    // A10-03, A10-08
    let paper = paper().await;
    paper.upload(1).await;
    paper.keeper.finish().await;
    assert!(paper.keeper.unsettled().await.unwrap().is_empty());
    paper.outage.becomes(State::Away);
    paper.upload(2).await;
    paper.keeper.save().await;
    // The limit holds: two files are the most.
    let ledger = paper.keeper.ledger(&paper.scope);
    let third = UploadQuota::unnamed(ledger, file(3, 0).id, 0, None, LIMITS);
    assert_eq!(third.err(), Some(QuotaError::Exceeded));
    // One that this process never knew is refused.
    let unknown = paper.keeper.ledger(&Scope::Account("v".into()));
    assert!(matches!(unknown.names(no_tree).await.err(), Some(QuotaError::Store(_))));
    paper.outage.becomes(State::Here);
    paper.keeper.save().await;
    assert_eq!(paper.stored().await, (20, 2, 20, 2));
    // The store knows again that it is in change, until it is settled.
    assert_eq!(paper.keeper.unsettled().await.unwrap(), std::slice::from_ref(&paper.scope));
    paper.keeper.finish().await;
    assert_eq!(paper.stored().await, (20, 2, 20, 2));
    assert!(paper.keeper.unsettled().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_usage_that_went_on_is_counted_after_a_crash() {
    // A10-08
    let paper = paper().await;
    paper.upload(1).await;
    paper.keeper.finish().await;
    paper.outage.becomes(State::Away);
    paper.upload(2).await;
    assert_eq!(paper.unmarked.all(), std::slice::from_ref(&paper.scope));
    // The process is killed, and the next one starts before the store is back.
    let next = paper.restarted();
    let refused = next.ledger(&paper.scope).names(no_tree).await.err();
    assert!(matches!(refused, Some(QuotaError::Store(_))), "{refused:?}");
    paper.outage.becomes(State::Here);
    assert_eq!(next.unsettled().await.unwrap(), std::slice::from_ref(&paper.scope));
    // What the store has is too little: files are counted, of which there are none here.
    let ledger = next.ledger(&paper.scope);
    let mut counting = Box::pin(ledger.names(no_tree));
    let is_counting = poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| counting.as_mut().poll(context).map(drop)));
        polled.map_or(Poll::Ready(true), |poll| poll.map(|()| false))
    });
    assert!(is_counting.await);
    assert_eq!(paper.unmarked.all(), std::slice::from_ref(&paper.scope));
    next.finish().await;
    assert!(paper.restarted().unsettled().await.unwrap().contains(&paper.scope));
}

#[tokio::test]
async fn a_usage_is_kept_until_the_store_has_marked_it() {
    // A10-08
    let paper = paper().await;
    paper.upload(1).await;
    paper.keeper.finish().await;
    for _ in 0..2 {
        paper.outage.becomes(State::Away);
        paper.upload(2).await;
        paper.keeper.save().await;
        assert_eq!(paper.unmarked.all(), std::slice::from_ref(&paper.scope));
        paper.outage.becomes(State::Here);
        paper.keeper.save().await;
        assert!(paper.unmarked.all().is_empty());
        assert_eq!(paper.keeper.unsettled().await.unwrap(), std::slice::from_ref(&paper.scope));
        paper.keeper.ledger(&paper.scope).names(no_tree).await.unwrap().removed(&file(2, 10));
        paper.keeper.finish().await;
    }
    assert_eq!(paper.stored().await.0, 10);
}

#[tokio::test]
async fn a_usage_that_cannot_be_kept_does_not_go_on() {
    // A10-08
    struct Full;

    #[async_trait::async_trait]
    impl UnmarkedUsages for Full {
        fn all(&self) -> Vec<Scope> {
            Vec::new()
        }
        fn has(&self, _: &Scope) -> bool {
            false
        }
        async fn add(&self, _: &Scope) -> Result<(), String> {
            Err("the disk is full".to_owned())
        }
        async fn remove(&self, _: &[Scope]) -> Result<(), String> {
            Ok(())
        }
    }
    let paper = paper_with(Arc::new(Full)).await;
    paper.upload(1).await;
    paper.keeper.finish().await;
    paper.outage.becomes(State::Away);
    let refused = paper.keeper.ledger(&paper.scope).names(no_tree).await.err();
    assert!(matches!(refused, Some(QuotaError::Store(_))), "{refused:?}");
}

#[tokio::test]
async fn a_stale_usage_does_not_go_on_while_the_store_is_away() {
    // A10-08
    let paper = paper().await;
    paper.upload(1).await;
    paper.keeper.finish().await;
    paper.keeper.invalidate(&paper.scope);
    paper.outage.becomes(State::Away);
    let ledger = paper.keeper.ledger(&paper.scope);
    assert!(matches!(ledger.names(no_tree).await.err(), Some(QuotaError::Store(_))));
}

#[tokio::test]
async fn a_known_usage_goes_on_in_every_outage() {
    // A10-08
    for away in [State::Away, State::Silent, State::Locked] {
        let paper = paper().await;
        paper.upload(1).await;
        paper.keeper.finish().await;
        paper.outage.becomes(away);
        paper.upload(2).await;
        paper.outage.becomes(State::Here);
        paper.keeper.save().await;
        paper.keeper.finish().await;
        paper.outage.becomes(away);
        let ledger = paper.keeper.ledger(&paper.scope);
        let names = ledger.names(no_tree).await;
        assert!(names.is_ok(), "{away:?}: {:?}", names.err());
        drop(names);
        assert_eq!(ledger.used(), UsedQuota { size: 20, files: 2 }, "{away:?}");
        paper.outage.becomes(State::Here);
        paper.keeper.save().await;
        drop(ledger.names(no_files).await.unwrap());
        // A mark whose answer did not arrive may be that of another server: there the files are counted.
        let counted = if away == State::Silent { (0, 0) } else { (20, 2) };
        let stored = paper.stored().await;
        assert_eq!((stored.0, stored.1), counted, "{away:?}");
    }
}

#[tokio::test]
async fn a_count_that_cannot_be_stored_refuses_no_upload() {
    // A10-06, A10-08
    for away in [State::Away, State::Silent, State::Locked] {
        for is_waiting in [false, true] {
            let case = format!("{away:?}, changes wait: {is_waiting}");
            let paper = paper().await;
            paper.upload(1).await;
            paper.keeper.save().await;
            paper.outage.becomes(away);
            if is_waiting {
                paper.upload(2).await;
                paper.keeper.save().await;
            }
            let refused = paper.keeper.scan(&paper.scope, no_files()).await.err();
            assert!(matches!(refused, Some(ScanError::Quota(QuotaError::Store(_)))), "{case}: {refused:?}");
            // What was counted holds here, and the limits with it.
            paper.upload(3).await;
            let ledger = paper.keeper.ledger(&paper.scope);
            assert_eq!(ledger.used(), UsedQuota { size: 10, files: 1 }, "{case}");
            paper.outage.becomes(State::Here);
            paper.keeper.save().await;
            drop(ledger.names(no_files).await.unwrap());
            let stored = paper.stored().await;
            assert_eq!((stored.0, stored.1), (0, 0), "{case}");
        }
    }
}

/// A tree in which there is nothing to count.
pub(super) fn no_files() -> ScanTree {
    ScanTree { storage: Arc::new(NoFiles), roots: Vec::new(), skip: Vec::new() }
}

/// An empty storage.
pub(crate) struct NoFiles;

#[async_trait::async_trait]
impl DirectoryReader for NoFiles {
    async fn next_entries(&mut self, _: usize) -> Result<Vec<DirectoryEntry>, StorageError> {
        Ok(Vec::new())
    }
    fn passed_over(&self) -> Option<StorageError> {
        None
    }
    fn nameless(&self) -> u64 {
        0
    }
}

#[async_trait::async_trait]
impl Storage for NoFiles {
    fn kind(&self, _: &VirtualPath) -> &'static str {
        "none"
    }
    fn capabilities(&self, _: &VirtualPath) -> Capabilities {
        unreachable!()
    }
    fn host_path(&self, _: &VirtualPath) -> std::ffi::OsString {
        unreachable!()
    }
    async fn open(&self, _: &VirtualPath) -> Result<Box<dyn StorageFile>, StorageError> {
        unreachable!()
    }
    async fn metadata(&self, _: &VirtualPath) -> Result<Metadata, StorageError> {
        unreachable!()
    }
    async fn symlink_metadata(&self, _: &VirtualPath) -> Result<Metadata, StorageError> {
        unreachable!()
    }
    async fn read_directory(&self, _: &VirtualPath) -> Result<Box<dyn DirectoryReader>, StorageError> {
        Ok(Box::new(Self))
    }
    async fn create_directory(&self, _: &VirtualPath, _: Option<u32>) -> Result<(), StorageError> {
        unreachable!()
    }
    async fn remove_directory(&self, _: &VirtualPath) -> Result<(), StorageError> {
        unreachable!()
    }
    async fn remove_file(&self, _: &VirtualPath) -> Result<Metadata, StorageError> {
        unreachable!()
    }
    async fn rename(&self, _: &VirtualPath, _: &VirtualPath, _: bool) -> Result<(), StorageError> {
        unreachable!()
    }
    async fn hard_link(&self, _: &VirtualPath, _: &VirtualPath) -> Result<(), StorageError> {
        unreachable!()
    }
    async fn create_symlink(&self, _: &[u8], _: &VirtualPath) -> Result<(), StorageError> {
        unreachable!()
    }
    async fn read_link(&self, _: &VirtualPath) -> Result<Vec<u8>, StorageError> {
        unreachable!()
    }
    async fn canonical(&self, _: &VirtualPath, _: bool) -> Result<Canonical, StorageError> {
        unreachable!()
    }
    async fn set_attributes(&self, _: &VirtualPath, _: &SetAttributes, _: bool) -> Result<(), StorageError> {
        unreachable!()
    }
    async fn space(&self, _: &VirtualPath) -> Result<Space, StorageError> {
        unreachable!()
    }
}
