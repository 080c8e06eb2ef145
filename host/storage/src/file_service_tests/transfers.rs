//! What administrators see of transfers under way, and what a failed read does to them.

use tidegate_core::files::{FileError, Protocol};

use super::*;

#[tokio::test]
async fn transfers_say_where_in_the_file_they_began() {
    const RESUME: OpenOptions = OpenOptions { truncate: false, ..PUT };
    const APPEND: OpenOptions = OpenOptions { append: true, ..RESUME };
    let on = fixture(r#""permissions":{"/":["*"]}"#, OverwriteMode::Standard).await;
    let check = async |upload: Option<OpenOptions>, offsets: &[u64], expected: (u64, u64)| {
        let mut earlier = on.files.open_write(&path("/f"), PUT, Protocol::Sftp).await.unwrap();
        earlier.write_at(0, &[1; 1000]).await.unwrap();
        earlier.close().await.unwrap();
        let mut file = match upload {
            Some(options) => on.files.open_write(&path("/f"), options, Protocol::Sftp).await.unwrap(),
            None => on.files.open_read(&path("/f"), Protocol::Sftp).await.unwrap(),
        };
        for offset in offsets {
            match upload {
                Some(_) => file.write_at(*offset, &[2; 10]).await.unwrap(),
                None => {
                    file.read_at(*offset, 10, &mut Vec::new()).await.unwrap();
                }
            }
        }
        let live = &on.files.session().live;
        let seen: Vec<_> = live.transfers().into_iter().map(|transfer| (transfer.offset, transfer.size)).collect();
        assert_eq!(seen, [expected], "{upload:?} {offsets:?}");
        file.close().await.unwrap();
        assert!(live.transfers().is_empty());
    };
    check(None, &[], (0, 0)).await;
    check(None, &[0, 10], (0, 20)).await;
    check(None, &[600, 610], (600, 20)).await;
    // Requests may overtake each other, and some clients look for the end of the file first.
    check(None, &[610, 600], (600, 20)).await;
    check(None, &[1000, 600], (600, 10)).await;
    check(Some(PUT), &[0, 10], (0, 20)).await;
    // Nothing of the earlier content is left: parts may come in any order.
    check(Some(PUT), &[500], (0, 10)).await;
    check(Some(RESUME), &[700, 710], (700, 20)).await;
    check(Some(APPEND), &[0, 10], (1000, 20)).await;
}

#[tokio::test]
async fn an_upload_is_complete_whatever_could_not_be_read_of_it() {
    // A5-13
    const BOTH: OpenOptions = OpenOptions { read: true, ..PUT };
    const MIB: usize = 1 << 20;
    let check = async |overwrite: OverwriteMode, offset: u64, length: usize| {
        let on = fixture(r#""permissions":{"/":["*"]},"download_data_transfer":1"#, overwrite).await;
        let content = vec![7; MIB + 1];
        let mut file = on.files.open_write(&path("/f"), BOTH, Protocol::Sftp).await.unwrap();
        file.write_at(0, &content).await.unwrap();
        let mut buffer = b"kept".to_vec();
        file.read_at(offset, length, &mut buffer).await.unwrap_err();
        assert_eq!(buffer, b"kept", "{overwrite:?} {offset} {length}");
        file.close().await.unwrap();
        let mut found = Vec::new();
        on.storage.open(&path("/f")).await.unwrap().read_at(0, 2 * MIB, &mut found).await.unwrap();
        assert!(found == content, "{overwrite:?} {offset} {length}");
    };
    for overwrite in [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        // No file has that offset, and more than may be downloaded.
        check(overwrite, u64::MAX, 10).await;
        check(overwrite, 0, MIB + 1).await;
    }
    // A download has failed then.
    let on = fixture(r#""permissions":{"/":["*"]}"#, OverwriteMode::Standard).await;
    on.files.open_write(&path("/f"), PUT, Protocol::Sftp).await.unwrap().close().await.unwrap();
    let mut file = on.files.open_read(&path("/f"), Protocol::Sftp).await.unwrap();
    assert!(matches!(file.read_at(u64::MAX, 10, &mut Vec::new()).await, Err(FileError::Invalid(_))));
}
