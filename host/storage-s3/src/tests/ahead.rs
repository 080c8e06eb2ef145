//! What is on its way while a client reads, and the memory for it.

use futures_util::future::join_all;

use super::store::Ignored;
use super::*;
use crate::read_budget::ReadBudget;

const PACKET: usize = 32 << 10;

fn downloads(storage: &S3Storage) -> &ReadBudget {
    storage.bucket.budget.downloads()
}

async fn read_from(file: &dyn StorageFile, from: usize, to: usize) -> Result<Vec<u8>, StorageError> {
    let mut bytes = Vec::new();
    while from + bytes.len() < to {
        let before = bytes.len();
        let count = file.read_at((from + before) as u64, PACKET.min(to - from - before), &mut bytes).await?;
        assert_eq!(bytes.len(), before + count);
        assert_eq!(count, PACKET.min(to - from - before), "no read is cut short");
    }
    Ok(bytes)
}

/// Returns when all memory has come back: tasks that are ended have it for a moment longer.
async fn all_is_back(storage: &S3Storage) {
    tokio::time::timeout(Duration::from_secs(10), downloads(storage).all_is_back()).await.unwrap();
    assert_eq!((downloads(storage).in_use(), downloads(storage).readers()), (0, 0));
}

#[tokio::test]
async fn a_reader_that_reads_on_has_several_ranges_under_way() {
    let (store, storage) = limited(16 * MIB).await;
    let data = bytes(24 * MIB);
    let file = opened(&store, &storage, &data).await;
    assert!(read_from(&*file, 0, 8 * MIB).await.unwrap() == data[..8 * MIB]);
    let mut held = store.hold("get");
    let reading = async { read_from(&*file, 8 * MIB, 24 * MIB).await.unwrap() };
    let answering = async {
        // Of its four windows, one may have been answered before.
        held.reached(3).await;
        assert!(downloads(&storage).in_use() <= 4 * MIB);
        held.answer();
    };
    let (read, ()) = tokio::join!(reading, answering);
    assert!(read == data[8 * MIB..]);
    all_is_back(&storage).await;
}

#[tokio::test]
async fn ranges_grow_with_what_was_read() {
    let (store, storage) = started().await;
    let file = opened(&store, &storage, &bytes(40 * MIB)).await;
    let mut most = 0;
    for from in (0..40 * MIB).step_by(PACKET) {
        file.read_at(from as u64, PACKET, &mut Vec::new()).await.unwrap();
        most = most.max(downloads(&storage).in_use());
    }
    let ranges = store.ranges();
    // The first is what was asked for.
    assert_eq!(ranges[0], (0, PACKET));
    let is_too_large = |(start, length): &(usize, usize)| *length > (256_usize << 10).max(start + PACKET).min(4 * MIB);
    assert!(!ranges.iter().any(is_too_large), "{ranges:?}");
    assert!(ranges.len() < 30 && ranges.iter().any(|(_, length)| *length == 4 * MIB), "{ranges:?}");
    assert!((16 * MIB..=32 * MIB).contains(&most), "{most}");
    assert_eq!(ranges.iter().map(|(_, length)| length).sum::<usize>(), 40 * MIB, "nothing is read twice");
    all_is_back(&storage).await;
}

#[tokio::test]
async fn nothing_is_read_ahead_of_a_random_reader() {
    let (store, storage) = started().await;
    let data = bytes(20 * MIB);
    let file = opened(&store, &storage, &data).await;
    let places = [0, 19 * MIB, 5 * MIB, 11 * MIB, 3, 5 * MIB - 10];
    for from in places {
        assert!(read_from(&*file, from, from + 1000).await.unwrap() == data[from..from + 1000]);
        assert_eq!((downloads(&storage).in_use(), downloads(&storage).readers()), (0, 0), "{from}");
    }
    assert_eq!(store.ranges(), places.map(|from| (from, 1000)));
}

#[tokio::test]
async fn what_was_read_ahead_is_dropped_when_the_reader_goes_elsewhere() {
    let (store, storage) = started().await;
    let data = bytes(40 * MIB);
    let file = opened(&store, &storage, &data).await;
    read_from(&*file, 0, 8 * MIB).await.unwrap();
    assert!(downloads(&storage).in_use() > 0);
    store.ranges();
    assert!(read_from(&*file, 39 * MIB, 39 * MIB + 7).await.unwrap() == data[39 * MIB..39 * MIB + 7]);
    assert!(store.ranges().contains(&(39 * MIB, 7)));
    all_is_back(&storage).await;
    // And from there it is read ahead of again, until the file is dropped.
    read_from(&*file, 20 * MIB, 24 * MIB).await.unwrap();
    assert_eq!(downloads(&storage).readers(), 1);
    drop(file);
    all_is_back(&storage).await;
}

#[tokio::test]
async fn a_late_read_leaves_what_was_read_ahead() {
    let (store, storage) = limited(16 * MIB).await;
    let data = bytes(40 * MIB);
    let file = opened(&store, &storage, &data).await;
    read_from(&*file, 0, 16 * MIB).await.unwrap();
    let late = 15 * MIB - 5;
    let before = downloads(&storage).in_use();
    let mut read = Vec::new();
    file.read_at(late as u64, 10, &mut read).await.unwrap();
    assert!(read == data[late..late + 10]);
    assert_eq!(downloads(&storage).in_use(), before);
    assert!(read_from(&*file, 16 * MIB, 40 * MIB).await.unwrap() == data[16 * MIB..]);
}

#[tokio::test]
async fn fifty_readers_have_no_more_than_the_budget() {
    let size = 16 * MIB;
    let (store, storage) = limited(size).await;
    let data = bytes(3 * MIB);
    store.put("home/f", &data);
    let readers = (0..50).map(|_| async {
        let file = storage.open(&path("/f")).await.unwrap();
        let mut read = Vec::new();
        while read.len() < data.len() {
            file.read_at(read.len() as u64, PACKET, &mut read).await.unwrap();
            assert!(downloads(&storage).in_use() <= size);
        }
        assert!(read == data);
    });
    join_all(readers).await;
    all_is_back(&storage).await;
}

#[tokio::test]
async fn readers_that_have_stopped_leave_memory_for_others() {
    let (store, storage) = limited(16 * MIB).await;
    let data = bytes(20 * MIB);
    store.put("home/f", &data);
    let mut stopped = Vec::new();
    for _ in 0..6 {
        let file = storage.open(&path("/f")).await.unwrap();
        read_from(&*file, 0, 6 * MIB).await.unwrap();
        stopped.push(file);
    }
    store.ranges();
    let file = storage.open(&path("/f")).await.unwrap();
    assert!(read_from(&*file, 0, 20 * MIB).await.unwrap() == data);
    let ranges = store.ranges();
    assert!(ranges.len() < 100, "it is not read packet by packet: {}", ranges.len());
    drop((stopped, file));
    all_is_back(&storage).await;
}

#[tokio::test]
async fn an_error_ahead_comes_when_it_is_reached() {
    let (store, storage) = started().await;
    let data = bytes(20 * MIB);
    store.put("home/f", &data);
    store.content.lock().unwrap().failing_from = Some(8 * MIB);
    let file = storage.open(&path("/f")).await.unwrap();
    let mut read = Vec::new();
    let error = loop {
        let before = read.len();
        match file.read_at(before as u64, PACKET, &mut read).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(read.len(), before, "an error leaves nothing behind");
                break error;
            }
        }
    };
    assert_eq!(error.kind, StorageErrorKind::PermissionDenied);
    assert!(read.len() >= 8 * MIB - PACKET && read == data[..read.len()], "{}", read.len());
    // The reader may try again.
    store.content.lock().unwrap().failing_from = None;
    let from = read.len();
    assert!(read_from(&*file, from, 20 * MIB).await.unwrap() == data[from..]);
    all_is_back(&storage).await;
}

#[tokio::test]
async fn a_read_that_is_cancelled_loses_nothing() {
    let (store, storage) = started().await;
    let data = bytes(8 * MIB);
    let file = opened(&store, &storage, &data).await;
    read_from(&*file, 0, MIB).await.unwrap();
    let mut held = store.hold("get");
    let mut read = Vec::new();
    loop {
        let at = (MIB + read.len()) as u64;
        tokio::select! {
            biased;
            count = file.read_at(at, PACKET, &mut read) => assert_eq!(count.unwrap(), PACKET),
            () = held.arrived() => break,
        }
    }
    held.answer();
    let from = MIB + read.len();
    assert!(read == data[MIB..from]);
    assert!(read_from(&*file, from, 8 * MIB).await.unwrap() == data[from..]);
    all_is_back(&storage).await;
}

#[tokio::test]
async fn a_small_file_is_one_request() {
    let (store, storage) = started().await;
    for length in [1, 4096, PACKET, 256 << 10] {
        store.put("home/f", &bytes(length));
        assert!(content(&storage, "/f").await.unwrap() == bytes(length));
        assert_eq!(store.ranges(), [(0, length)]);
        all_is_back(&storage).await;
    }
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_handed_on() {
    for (ignored, expected) in [(Ignored::Ranges, "ignores ranges"), (Ignored::Versions, "replaced")] {
        let (store, storage) = started().await;
        let file = opened(&store, &storage, &bytes(4 * MIB)).await;
        read_from(&*file, 0, 2 * PACKET).await.unwrap();
        store.content.lock().unwrap().ignores = Some(ignored);
        if ignored == Ignored::Versions {
            store.put("home/f", &vec![1; 4 * MIB]);
        }
        let mut read = Vec::new();
        let error = file.read_at(3 * MIB as u64, PACKET, &mut read).await.unwrap_err();
        assert!(read.is_empty() && error.message.contains(expected), "{error}");
    }
}
