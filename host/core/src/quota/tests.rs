//! Ledgers with a store in memory and without files: what is counted, and what a limit refuses.

use std::sync::Arc;

use super::*;
use crate::account::{AccountDraft, CredentialRule, EffectiveAccount};
use crate::memory::MemoryStore;
use crate::ports::storage::{FileId, FileKind, Metadata};
use crate::ports::{Change, Directory, NodeName, SystemClock, USERS, UsageStore, Write};

pub(super) fn file(inode: u64, size: u64) -> Metadata {
    let id = FileId::new(u128::from(inode));
    Metadata { kind: FileKind::File, size, mode: 0, uid: 0, gid: 0, accessed: 0, modified: 0, links: 1, id, version: 0 }
}

pub(super) fn no_tree() -> ScanTree {
    panic!("nothing is to be counted from the files");
}

pub(super) struct Paper {
    store: Arc<MemoryStore>,
    pub(super) keeper: Arc<QuotaKeeper>,
    pub(super) scope: Scope,
}

pub(super) async fn paper() -> Paper {
    let store = Arc::new(MemoryStore::default());
    let json = r#"{"status":1,"username":"u","home_dir":"/u","permissions":{"/":["*"]}}"#;
    store.put(&AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account);
    let scope = Scope::Account("u".into());
    store.replace_usage(&scope, UsedQuota::default(), 1).await.unwrap();
    let keeper = keeper(&store, Tracking::WhereLimited);
    Paper { store, keeper, scope }
}

fn keeper(store: &Arc<MemoryStore>, tracking: Tracking) -> Arc<QuotaKeeper> {
    QuotaKeeper::new(store.clone(), NodeName("here".into()), Arc::new(SystemClock), tracking)
}

impl Paper {
    pub(super) async fn stored(&self) -> (i64, i64) {
        self.keeper.save().await;
        let usage = self.store.user("u").await.unwrap().usage;
        (usage.used_quota_size, usage.used_quota_files)
    }

    async fn transferred(&self) -> (i64, i64) {
        let usage = self.store.user("u").await.unwrap().usage;
        (usage.used_upload_data_transfer, usage.used_download_data_transfer)
    }
}

pub(super) const LIMITS: QuotaLimits = QuotaLimits { size: Limit::of(100), files: Limit::of(2) };

#[tokio::test]
async fn an_unnamed_upload_is_counted_as_it_grows() {
    // A10-03, A10-04
    let paper = paper().await;
    let ledger = paper.keeper.ledger(&paper.scope);
    let names = ledger.names(no_tree).await.unwrap();
    let mut first = UploadQuota::unnamed(ledger.clone(), file(1, 0).id, 0, None, LIMITS).unwrap();
    first.reserve(60, LIMITS).unwrap();
    first.reserve(40, LIMITS).unwrap();
    assert_eq!(first.reserve(101, LIMITS), Err(QuotaError::Exceeded));
    first.complete(&names, &file(1, 60), None);
    drop(names);
    assert_eq!(paper.stored().await, (60, 1));

    // Replacing the file: its size is a credit, and is subtracted at the end.
    let mut second = UploadQuota::unnamed(ledger.clone(), file(2, 0).id, 0, Some(60), LIMITS).unwrap();
    second.reserve(100, LIMITS).unwrap();
    assert_eq!(second.reserve(101, LIMITS), Err(QuotaError::Exceeded));
    let names = ledger.names(no_tree).await.unwrap();
    second.complete(&names, &file(2, 100), Some(&file(1, 60)));
    drop(names);
    assert_eq!(paper.stored().await, (100, 1));
    assert_eq!(paper.keeper.unsettled().await.unwrap(), std::slice::from_ref(&paper.scope));
    paper.keeper.finish().await;
    assert!(paper.keeper.unsettled().await.unwrap().is_empty());
}

#[tokio::test]
async fn usages_stay_numbers_that_can_be_added_up() {
    let paper = paper().await;
    let ledger = paper.keeper.ledger(&paper.scope);
    let names = ledger.names(no_tree).await.unwrap();
    let unlimited = QuotaLimits::default();
    let unnamed = |inode| UploadQuota::unnamed(ledger.clone(), file(inode, 0).id, 0, None, unlimited).unwrap();
    let mut first = unnamed(1);
    first.reserve(50, unlimited).unwrap();
    first.complete(&names, &file(1, 50), None);
    let mut uploads = [UploadQuota::in_place(ledger.clone(), &names, &file(7, 0), true), unnamed(2)];
    for upload in &mut uploads {
        for end in [u64::MAX, i64::MAX as u64, (1 << 60) + 1] {
            assert_eq!(upload.reserve(end, unlimited), Err(QuotaError::Exceeded), "{end}");
        }
    }
    assert_eq!(ledger.used(), UsedQuota { size: 50, files: 3 });
    // Many at once come to too much as well.
    let mut many: Vec<_> = (10..20).map(unnamed).collect();
    let reserved = many.iter_mut().filter_map(|upload| upload.reserve(1 << 60, unlimited).ok()).count();
    assert_eq!(reserved, 7);
    assert_eq!(paper.stored().await, (7 * (1 << 60) + 50, 13));
}

#[tokio::test]
async fn several_writers_of_one_file_count_once() {
    let paper = paper().await;
    let ledger = paper.keeper.ledger(&paper.scope);
    let names = ledger.names(no_tree).await.unwrap();
    let mut a = UploadQuota::in_place(ledger.clone(), &names, &file(7, 0), true);
    let mut b = UploadQuota::in_place(ledger.clone(), &names, &file(7, 0), false);
    a.reserve(30, LIMITS).unwrap();
    b.reserve(50, LIMITS).unwrap();
    a.reserve_appended(10, LIMITS).unwrap();
    assert_eq!(ledger.used(), UsedQuota { size: 60, files: 1 });
    a.complete(&names, &file(7, 60), None);
    // Removed while the other open file still writes.
    names.removed(&file(7, 60));
    b.reserve(90, LIMITS).unwrap();
    b.complete(&names, &file(7, 90), None);
    drop(names);
    assert_eq!(paper.stored().await, (0, 0));
}

#[tokio::test]
async fn a_file_that_opening_emptied_frees_its_bytes_at_once() {
    // A10-04
    let paper = paper().await;
    let ledger = paper.keeper.ledger(&paper.scope);
    let names = ledger.names(no_tree).await.unwrap();
    let mut first = UploadQuota::in_place(ledger.clone(), &names, &file(7, 0), true);
    first.reserve(80, LIMITS).unwrap();
    first.complete(&names, &file(7, 80), None);
    names.resized(&file(7, 80), 0);
    let mut second = UploadQuota::in_place(ledger.clone(), &names, &file(7, 0), false);
    assert_eq!(ledger.used(), UsedQuota { size: 0, files: 1 });
    second.reserve(90, LIMITS).unwrap();
    // Emptied once more while it is written.
    names.resized(&file(7, 90), 0);
    let mut third = UploadQuota::in_place(ledger.clone(), &names, &file(7, 0), false);
    assert_eq!(ledger.used(), UsedQuota { size: 0, files: 1 });
    third.reserve(100, LIMITS).unwrap();
    assert_eq!(third.reserve(101, LIMITS), Err(QuotaError::Exceeded));
    second.complete(&names, &file(7, 100), None);
    third.complete(&names, &file(7, 100), None);
    drop(names);
    assert_eq!(paper.stored().await, (100, 1));
}

#[tokio::test]
async fn what_a_program_removed_while_it_was_written_counts_nothing() {
    let paper = paper().await;
    let ledger = paper.keeper.ledger(&paper.scope);
    let names = ledger.names(no_tree).await.unwrap();
    let mut upload = UploadQuota::in_place(ledger.clone(), &names, &file(7, 0), true);
    upload.reserve(30, LIMITS).unwrap();
    upload.complete(&names, &Metadata { links: 0, ..file(7, 30) }, None);
    drop(names);
    assert_eq!(paper.stored().await, (0, 0));
}

#[tokio::test]
async fn limits_hold_when_many_reserve_at_once() {
    // A10-03
    let paper = paper().await;
    let limits = QuotaLimits::stored(1000, 7);
    let ledger = paper.keeper.ledger(&paper.scope);
    drop(ledger.names(no_tree).await.unwrap());
    let made: Vec<bool> = std::thread::scope(|scope| {
        let one = || {
            let Ok(mut upload) = UploadQuota::unnamed(ledger.clone(), file(3, 0).id, 0, None, limits) else {
                return false;
            };
            for end in 1..=400 {
                let _ = upload.reserve(end, limits);
            }
            std::mem::forget(upload);
            true
        };
        let threads: Vec<_> = (0..32).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made.into_iter().filter(|made| *made).count(), 7);
    assert_eq!(ledger.used(), UsedQuota { size: 1000, files: 7 });
}

#[test]
fn scopes_follow_folders_and_tracking() {
    // A10-01, C5-01
    let json = r#"{"status":1,"username":"u","home_dir":"/srv/u","quota_size":5,"permissions":{"/":["*"]},"virtual_folders":[
        {"name":"own","virtual_path":"/own","mapped_path":"/srv/o","quota_files":3},
        {"name":"mine","virtual_path":"/mine","mapped_path":"/srv/m","quota_size":-1,"quota_files":-1}]}"#;
    let user = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
    let account = EffectiveAccount::ungrouped(user);
    let check = |path: &str, tracking, expected: Option<(Scope, QuotaLimits)>| {
        let path = VirtualPath::parse_normalised(path).unwrap();
        assert_eq!(scope_of(&account, &path, tracking), expected, "{path:?}");
    };
    let mine = Some((Scope::Account("u".into()), QuotaLimits::stored(5, 0)));
    check("/a", Tracking::WhereLimited, mine.clone());
    check("/mine/a", Tracking::WhereLimited, mine);
    check("/own/a", Tracking::Always, Some((Scope::Folder("own".into()), QuotaLimits::stored(0, 3))));
    check("/own", Tracking::Never, None);
    // Of an account without a limit, only where all are counted.
    let json = r#"{"status":1,"username":"v","home_dir":"/srv/v","permissions":{"/":["*"]}}"#;
    let user = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
    let account = EffectiveAccount::ungrouped(user);
    let path = VirtualPath::parse_normalised("/a").unwrap();
    let all = Some((Scope::Account("v".into()), QuotaLimits::default()));
    for (tracking, expected) in [(Tracking::Never, None), (Tracking::WhereLimited, None), (Tracking::Always, all)] {
        assert_eq!(scope_of(&account, &path, tracking), expected, "{tracking:?}");
    }
}

#[tokio::test]
async fn programs_share_the_room_there_is() {
    // A7-06
    let paper = paper().await;
    let ledger = paper.keeper.ledger(&paper.scope);
    let begin = async || ProgramQuota::begin(ledger.clone(), no_tree).await.unwrap();
    let (one, two) = (begin().await, begin().await);
    one.moved(Moved::In(60), LIMITS).unwrap();
    // None of these adds anything: the same number, a smaller one, and the writing of input.
    one.moved(Moved::In(60), LIMITS).unwrap();
    one.moved(Moved::In(10), LIMITS).unwrap();
    one.moved(Moved::Written(60), LIMITS).unwrap();
    two.moved(Moved::In(40), LIMITS).unwrap();
    assert_eq!(two.moved(Moved::In(41), LIMITS), Err(QuotaError::Exceeded));
    assert_eq!(one.moved(Moved::Written(61), LIMITS), Err(QuotaError::Exceeded));
    assert_eq!(ledger.used(), UsedQuota { size: 101, files: 0 });
    one.moved(Moved::In(1000), QuotaLimits::default()).unwrap();
    assert_eq!(ledger.used().size, 1040);
    two.give_up();
    assert_eq!(ledger.used().size, 1000);
}

#[tokio::test]
async fn volumes_are_counted_to_the_byte() {
    // A10-09
    let user = |text: &str| {
        let json = format!(
            r#"{{"id":1,"status":1,"username":"u","home_dir":"/u","permissions":{{"/":["*"]}},"used_upload_data_transfer":100{text}}}"#
        );
        AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account
    };
    let account = |text: &str| EffectiveAccount::ungrouped(user(text));
    let (up, down) = (|up| Transferred { up, down: 0 }, |down| Transferred { up: 0, down });
    let limits = account(r#","upload_data_transfer":1,"total_data_transfer":2"#).volume;
    assert_eq!(limits, VolumeLimits { up: Limit::of(1 << 20), down: Limit::NONE, total: Limit::of(2 << 20) });

    let paper = paper().await;
    let volume = paper.keeper.volumes.of(&account("")).unwrap();
    assert!(Arc::ptr_eq(&volume, &paper.keeper.volumes.of(&account("")).unwrap()));
    let limits = VolumeLimits { up: Limit::of(150), down: Limit::NONE, total: Limit::of(200) };
    assert_eq!(volume.take(up(51), limits), Err(QuotaError::VolumeExceeded));
    volume.take(up(50), limits).unwrap();
    assert_eq!(volume.check(true, limits), Err(QuotaError::VolumeExceeded));
    assert_eq!(volume.check(false, limits), Ok(()));
    assert_eq!(volume.take(down(51), limits), Err(QuotaError::VolumeExceeded));
    volume.take(down(50), limits).unwrap();
    assert_eq!(volume.check(false, limits), Err(QuotaError::VolumeExceeded));
    // A raised limit counts; without a limit nothing is counted, except under `Tracking::Always`.
    volume.take(down(10), VolumeLimits { down: Limit::of(60), ..VolumeLimits::default() }).unwrap();
    volume.take(down(10), VolumeLimits::default()).unwrap();
    assert_eq!(volume.used(), Transferred { up: 150, down: 60 });
    paper.keeper.save().await;
    assert_eq!(paper.transferred().await, (50, 60));
    paper.keeper.save().await;
    assert_eq!(paper.transferred().await, (50, 60));
    // An account that is added again begins at 0.
    let mut anew = user("");
    (anew.id, anew.usage) = (2, Default::default());
    assert_eq!(paper.keeper.volumes.of(&EffectiveAccount::ungrouped(anew)).unwrap().used(), Transferred::default());
    assert_eq!(paper.keeper.volumes.of(&account("")).unwrap().used(), Transferred::default());
    let never = keeper(&paper.store, Tracking::Never);
    assert!(never.volumes.of(&account("")).is_none());
}

#[tokio::test]
async fn a_usage_of_other_files_is_forgotten() {
    let paper = paper().await;
    assert!(!paper.keeper.has_other_files(&paper.scope).await.unwrap(), "nothing is counted yet");
    let ledger = paper.keeper.ledger(&paper.scope);
    drop(ledger.names(no_tree).await.unwrap());
    assert!(!paper.keeper.has_other_files(&paper.scope).await.unwrap());
    // As a change of the home directory does.
    let stored = paper.store.find(&USERS, "u").await.unwrap().unwrap();
    let (document, reset) = (stored.document, vec!["last_quota_update"]);
    let write = Write::Replace { document, expected: stored.version, reset };
    let change = Change { collection: &USERS, name: "u".into(), write, announce: false, audit: None };
    paper.store.commit(vec![change]).await.unwrap();
    assert!(paper.keeper.has_other_files(&paper.scope).await.unwrap());
    assert!(!ledger.is_open());
}

/// A6: the files decide which ledger counts, not the name of the account.
#[tokio::test]
async fn other_files_of_an_account_have_another_ledger() {
    let paper = paper().await;
    let files = |id: i64, revision: i64, home: &str| AccountFiles { id, revision, home: home.to_owned() };
    let ledger = |files: &AccountFiles| paper.keeper.ledger_of(&paper.scope, files);
    let is_same = |one: &Arc<Ledger>, other: &Arc<Ledger>| Arc::ptr_eq(one, other);
    let first = ledger(&files(1, 1, "/a"));
    assert!(is_same(&first, &ledger(&files(1, 1, "/a"))));
    assert!(is_same(&first, &ledger(&files(1, 2, "/a"))), "another limit");
    // A session with an older revision of the account changes nothing.
    assert!(is_same(&first, &ledger(&files(1, 1, "/a"))));
    let moved = ledger(&files(1, 3, "/b"));
    assert!(!is_same(&first, &moved), "another home");
    assert!(is_same(&moved, &ledger(&files(1, 2, "/a"))), "a session that has not heard of it");
    let again = ledger(&files(2, 1, "/b"));
    assert!(!is_same(&moved, &again), "deleted and added again");
    assert!(is_same(&again, &paper.keeper.ledger(&paper.scope)), "a scan");

    // Uploads under way to the old files do not count for the new ones.
    let names = first.names(no_tree).await.unwrap();
    let mut upload = UploadQuota::unnamed(first.clone(), file(1, 0).id, 0, None, LIMITS).unwrap();
    upload.reserve(60, LIMITS).unwrap();
    upload.complete(&names, &file(1, 60), None);
    drop(names);
    assert_eq!(first.used(), UsedQuota { size: 60, files: 1 });
    assert_eq!(again.used(), UsedQuota::default());
    assert_eq!(paper.stored().await, (0, 0));
}
