//! How each way in which files change counts (A10), in each upload mode.

use tidegate_core::files::{CopyRange, FileError, OpenFile, Protocol};
use tidegate_core::ports::storage::SetAttributes;

use super::*;

const SFTP: Protocol = Protocol::Sftp;
const MODES: [OverwriteMode; 3] = [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume];

/// A session whose account has a quota of 100 bytes and three files.
async fn limited(overwrite: OverwriteMode) -> Fixture {
    fixture(r#""permissions":{"/":["*"]},"quota_size":100,"quota_files":3"#, overwrite).await
}

impl Fixture {
    async fn open(&self, name: &str, options: OpenOptions) -> Result<OpenFile, FileError> {
        self.files.open_write(&path(name), options, SFTP).await
    }

    async fn put(&self, name: &str, bytes: usize) -> Result<(), FileError> {
        let mut file = self.open(name, PUT).await?;
        file.write_at(0, &vec![b'x'; bytes]).await?;
        file.close().await
    }

    /// Bytes and files in the ledger, in the store and by a scan, which must all agree.
    async fn used(&self) -> (i64, i64) {
        self.keeper.finish().await;
        let stored = self.stored().await;
        let scope = Scope::Account("u".into());
        let tree = ScanTree::around(&self.files.account(), self.storage.clone(), &path("/"));
        let found = self.keeper.scan(&scope, tree).await.unwrap().found;
        assert_eq!(stored, (found.size, found.files), "stored, and found by a scan");
        stored
    }
}

/// Checks what `scenario` leaves behind, in each mode.
async fn check(scenario: impl AsyncFn(&Fixture), expected: [(i64, i64); 3]) {
    for (overwrite, expected) in MODES.into_iter().zip(expected) {
        let fixture = limited(overwrite).await;
        scenario(&fixture).await;
        assert_eq!(fixture.used().await, expected, "{overwrite:?}");
    }
}

fn exceeded<T>(outcome: Result<T, FileError>) {
    assert!(matches!(outcome.map(drop), Err(FileError::QuotaExceeded(_))));
}

#[tokio::test]
async fn uploads_count_what_they_leave() {
    // A10-03, A10-04
    check(async |on| on.put("/f", 60).await.unwrap(), [(60, 1); 3]).await;
    // A larger and a smaller file, and one that fits only into the room of the file that it replaces.
    let overwrite = async |on: &Fixture, bytes| {
        on.put("/f", 60).await.unwrap();
        on.put("/f", bytes).await.unwrap();
    };
    check(async |on| overwrite(on, 90).await, [(90, 1); 3]).await;
    check(async |on| overwrite(on, 5).await, [(5, 1); 3]).await;
    check(async |on| overwrite(on, 100).await, [(100, 1); 3]).await;
    let append = async |on: &Fixture| {
        on.put("/f", 60).await.unwrap();
        let mut file = on.open("/f", OpenOptions { append: true, truncate: false, ..PUT }).await.unwrap();
        file.write_at(0, &[1; 40]).await.unwrap();
        exceeded(file.write_at(0, b"x").await);
        exceeded(file.close().await);
    };
    // The limit takes away nothing that was there before.
    check(append, [(100, 1); 3]).await;
    let patched = async |on: &Fixture| {
        on.put("/f", 60).await.unwrap();
        let mut file = on.open("/f", OpenOptions { truncate: false, ..PUT }).await.unwrap();
        file.write_at(50, &[1; 30]).await.unwrap();
        file.close().await.unwrap();
    };
    check(patched, [(80, 1); 3]).await;
    // Resized though the owner cannot be set.
    let resized = async |on: &Fixture| {
        on.put("/f", 20).await.unwrap();
        let wanted = SetAttributes { size: Some(50), uid: Some(u32::MAX), ..SetAttributes::default() };
        on.files.set_attributes(&path("/f"), &wanted, true, SFTP).await.unwrap_err();
    };
    check(resized, [(50, 1); 3]).await;
}

#[tokio::test]
async fn a_write_far_behind_the_end_of_a_file_is_not_counted() {
    // A5-02, A10-03
    for overwrite in MODES {
        for (offset, is_invalid) in [(1 << 62, false), (i64::MAX as u64, true), (u64::MAX, true)] {
            // Files alone are limited.
            let on = fixture(r#""permissions":{"/":["*"]},"quota_files":3"#, overwrite).await;
            on.put("/old", 60).await.unwrap();
            let mut file = on.open("/f", PUT).await.unwrap();
            file.write_at(0, b"x").await.unwrap();
            let refused = file.write_at(offset, b"x").await.unwrap_err();
            assert_eq!(matches!(refused, FileError::Invalid(_)), is_invalid, "{offset}: {refused:?}");
            on.keeper.save().await;
            assert_eq!(on.stored().await, (61, 2), "{overwrite:?} {offset}");
            drop(file);
            on.used().await;
        }
    }
}

#[tokio::test]
async fn uploads_are_refused_at_the_limit() {
    // A10-02, A10-03
    let at_open = async |on: &Fixture| {
        on.put("/f", 100).await.unwrap();
        exceeded(on.open("/g", PUT).await);
    };
    check(at_open, [(100, 1); 3]).await;
    // What a file has may be written anew, by clients that do not empty it as well.
    let anew = async |on: &Fixture| {
        on.put("/f", 100).await.unwrap();
        let kept = OpenOptions { truncate: false, ..PUT };
        for options in [PUT, kept, OpenOptions { create: false, ..kept }] {
            let mut file = on.open("/f", options).await.unwrap();
            file.write_at(0, &[1; 100]).await.unwrap();
            file.close().await.unwrap();
        }
        exceeded(on.open("/f", OpenOptions { append: true, ..kept }).await);
        let mut file = on.open("/f", kept).await.unwrap();
        exceeded(file.write_at(100, b"x").await);
        exceeded(file.close().await);
    };
    check(anew, [(100, 1); 3]).await;
    let too_many = async |on: &Fixture| {
        for name in ["/a", "/b", "/c"] {
            on.put(name, 1).await.unwrap();
        }
        exceeded(on.open("/d", PUT).await);
        on.put("/a", 2).await.unwrap();
    };
    check(too_many, [(4, 3); 3]).await;
    let on_the_way = async |on: &Fixture| {
        on.put("/f", 60).await.unwrap();
        let mut file = on.open("/g", PUT).await.unwrap();
        file.write_at(0, &[1; 40]).await.unwrap();
        exceeded(file.write_at(40, b"x").await);
        exceeded(file.close().await);
    };
    // What the upload wrote is removed.
    check(on_the_way, [(60, 1); 3]).await;
    let overwriting = async |on: &Fixture| {
        on.put("/f", 60).await.unwrap();
        let mut file = on.open("/f", PUT).await.unwrap();
        exceeded(file.write_at(0, &[1; 101]).await);
        exceeded(file.close().await);
    };
    // In place, opening the file has removed its old content.
    check(overwriting, [(0, 0), (60, 1), (60, 1)]).await;
}

#[tokio::test]
async fn uploads_that_are_cut_off_count_what_stays() {
    // A10-03, A10-04
    let dropped = async |on: &Fixture| {
        let mut file = on.open("/f", PUT).await.unwrap();
        file.write_at(0, &[1; 30]).await.unwrap();
    };
    check(dropped, [(30, 1), (0, 0), (30, 1)]).await;
    let dropped_over = async |on: &Fixture| {
        on.put("/f", 60).await.unwrap();
        let mut file = on.open("/f", PUT).await.unwrap();
        file.write_at(0, &[1; 30]).await.unwrap();
    };
    check(dropped_over, [(30, 1), (60, 1), (30, 1)]).await;
    let failed = async |on: &Fixture| {
        let mut file = on.open("/f", PUT).await.unwrap();
        file.write_at(0, &[1; 30]).await.unwrap();
        file.fail("elsewhere");
        assert!(file.close().await.is_err());
    };
    check(failed, [(30, 1), (0, 0), (30, 1)]).await;
    let name_freed = async |on: &Fixture| {
        for name in ["/a", "/b", "/c"] {
            on.put(name, 30).await.unwrap();
        }
        let mut file = on.open("/a", PUT).await.unwrap();
        file.write_at(0, &[1; 20]).await.unwrap();
        on.files.rename(&path("/a"), &path("/moved"), false, SFTP).await.unwrap();
    };
    // There is no room for a fourth file, so the upload that was cut off is not kept.
    check(name_freed, [(80, 3), (90, 3), (90, 3)]).await;
    let two_at_once = async |on: &Fixture| {
        let mut one = on.open("/f", PUT).await.unwrap();
        let mut two = on.open("/f", PUT).await.unwrap();
        one.write_at(0, &[1; 30]).await.unwrap();
        two.write_at(0, &[1; 20]).await.unwrap();
        one.close().await.unwrap();
        two.close().await.unwrap();
    };
    check(two_at_once, [(30, 1), (20, 1), (20, 1)]).await;
}

#[tokio::test]
async fn names_count_as_files_do() {
    // A10-05
    let with_two = async |on: &Fixture| {
        on.put("/f", 60).await.unwrap();
        on.put("/g", 20).await.unwrap();
    };
    let rename = async |on: &Fixture, to: &str, replace| on.files.rename(&path("/f"), &path(to), replace, SFTP).await;
    let over = async |on: &Fixture| {
        with_two(on).await;
        rename(on, "/g", true).await.unwrap();
    };
    check(over, [(60, 1); 3]).await;
    let refused = async |on: &Fixture| {
        with_two(on).await;
        rename(on, "/g", false).await.unwrap_err();
        rename(on, "/h", false).await.unwrap();
    };
    check(refused, [(80, 2); 3]).await;
    let removed = async |on: &Fixture| {
        with_two(on).await;
        on.files.remove_file(&path("/f"), SFTP).await.unwrap();
        on.files.remove_file(&path("/f"), SFTP).await.unwrap_err();
    };
    check(removed, [(20, 1); 3]).await;
    let not_files = async |on: &Fixture| {
        with_two(on).await;
        on.files.create_directory(&path("/d"), None, SFTP).await.unwrap();
        on.files.create_symlink(b"f", &path("/l"), SFTP).await.unwrap();
        on.files.rename(&path("/d"), &path("/e"), false, SFTP).await.unwrap();
        on.files.remove_file(&path("/l"), SFTP).await.unwrap();
        on.files.remove_directory(&path("/e"), SFTP).await.unwrap();
    };
    check(not_files, [(80, 2); 3]).await;
    let removed_while_written = async |on: &Fixture| {
        let mut file = on.open("/f", PUT).await.unwrap();
        file.write_at(0, &[1; 30]).await.unwrap();
        let _ = on.files.remove_file(&path("/f"), SFTP).await;
        file.write_at(30, &[1; 30]).await.unwrap();
        file.close().await.unwrap();
    };
    check(removed_while_written, [(0, 0), (60, 1), (60, 1)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_counts_once_however_many_names_it_has() {
    // A10-05a, A10-06
    let linked = async |on: &Fixture| {
        on.put("/f", 60).await.unwrap();
        on.files.hard_link(&path("/f"), &path("/g"), SFTP).await.unwrap();
    };
    check(linked, [(60, 1); 3]).await;
    for overwrite in MODES {
        let on = limited(overwrite).await;
        linked(&on).await;
        on.files.remove_file(&path("/f"), SFTP).await.unwrap();
        // The files tell whether the other name counts.
        let mut counting = tokio::task::JoinSet::new();
        let keeper = on.keeper.clone();
        counting.spawn(async move { tidegate_core::hook::observers::ObserverWork::work(&*keeper).await });
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(on.files.space(&path("/")).await.unwrap().files_free, 2, "{overwrite:?}");
        drop(counting);
        assert_eq!(on.used().await, (60, 1), "{overwrite:?}");
    }
}

#[tokio::test]
async fn sizes_that_are_set_count() {
    // A10-03
    let set = async |on: &Fixture, size| {
        let attributes = SetAttributes { size: Some(size), ..Default::default() };
        on.files.set_attributes(&path("/f"), &attributes, true, SFTP).await
    };
    let by_path = async |on: &Fixture| {
        on.put("/f", 60).await.unwrap();
        set(on, 90).await.unwrap();
        exceeded(set(on, 101).await);
        set(on, 10).await.unwrap();
    };
    check(by_path, [(10, 1); 3]).await;
    let by_handle = async |on: &Fixture| {
        let mut file = on.open("/f", PUT).await.unwrap();
        file.write_at(0, &[1; 30]).await.unwrap();
        let size = |size| SetAttributes { size: Some(size), ..Default::default() };
        file.set_attributes(&size(80)).await.unwrap();
        exceeded(file.set_attributes(&size(101)).await);
        file.set_attributes(&size(20)).await.unwrap();
        file.close().await.unwrap();
    };
    check(by_handle, [(20, 1); 3]).await;
}

#[tokio::test]
async fn copies_count_as_uploads() {
    let copy = async |on: &Fixture, bytes: usize| {
        on.put("/f", bytes).await.unwrap();
        let mut source = on.files.open_read(&path("/f"), SFTP).await.unwrap();
        let mut target = on.open("/g", PUT).await.unwrap();
        let range = CopyRange { from: 0, length: 0, to: 0 };
        let outcome = on.files.copy(&mut source, &mut target, range, SFTP).await;
        let closed = target.close().await;
        outcome.and(closed)
    };
    check(async |on| copy(on, 50).await.unwrap(), [(100, 2); 3]).await;
    check(async |on| exceeded(copy(on, 51).await), [(51, 1); 3]).await;
}

#[tokio::test]
async fn a_limit_that_is_set_meanwhile_holds() {
    // A10-01
    for overwrite in MODES {
        let on = fixture(r#""permissions":{"/":["*"]}"#, overwrite).await;
        on.put("/old", 30).await.unwrap();
        let mut file = on.open("/f", PUT).await.unwrap();
        file.write_at(0, &[1; 40]).await.unwrap();
        let limited = account(r#""permissions":{"/":["*"]},"quota_size":100,"quota_files":3"#);
        on.files.session().live.replace_account(Arc::new(limited));
        file.write_at(40, &[1; 30]).await.unwrap();
        exceeded(file.write_at(70, b"x").await);
        drop(file);
        on.put("/g", 10).await.unwrap();
        // What the limit stopped is removed.
        assert_eq!(on.used().await, (40, 2), "{overwrite:?}");
    }
}

#[tokio::test]
async fn a_file_may_be_as_large_as_one_may() {
    // C3: max_upload_file_size
    for overwrite in MODES {
        let fields = r#""permissions":{"/":["*"]},"quota_size":100,"filters":{"max_upload_file_size":50}"#;
        let on = fixture(fields, overwrite).await;
        on.put("/f", 50).await.unwrap();
        exceeded(on.put("/g", 51).await);
        let size = SetAttributes { size: Some(51), ..Default::default() };
        exceeded(on.files.set_attributes(&path("/f"), &size, true, SFTP).await);
        assert_eq!(on.used().await, (50, 1), "{overwrite:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_waits_for_its_limit_is_not_idle() {
    // A4-13
    let on = fixture(r#""permissions":{"/":["*"]},"upload_bandwidth":1"#, OverwriteMode::Standard).await;
    let live = &on.files.session().live;
    let mut file = on.open("/f", PUT).await.unwrap();
    live.active(0);
    file.write_at(0, &[1; 5000]).await.unwrap();
    assert!(live.last_activity() > 0, "bytes have moved");
    live.active(0);
    file.wait_until_due().await;
    assert!(live.last_activity() > 0, "the limit lets no more follow yet");
    file.close().await.unwrap();
}
