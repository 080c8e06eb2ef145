//! What a file may be other than a whole one of this server's, and what a restart finds.

use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use tidegate_core::ports::{AccountKey, BatchName, Directory, PageRequest, PluginStore, USERS, UsageStore, Write};
use tidegate_core::quota::{Scope, UsedQuota};

use super::open::{make_first, make_newer, open};
use super::{OpenError, RedbDatabase};
use crate::conformance::{add, change, commit, document, filters, find};

fn file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tidegate.db");
    (directory, path)
}

async fn names(database: &RedbDatabase) -> Vec<String> {
    let page = PageRequest { limit: 10_000, ..PageRequest::default() };
    database.list(&USERS, page).await.unwrap().into_iter().map(|stored| stored.name).collect()
}

#[test]
fn a_new_file_is_private_and_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, path) = file();
    drop(RedbDatabase::open(&path).unwrap());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let files: Vec<_> = directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["tidegate.db"]);
    // An empty file that an administrator has made is taken as well.
    let empty = directory.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    RedbDatabase::open(&empty).unwrap();
}

#[tokio::test]
async fn a_restart_finds_everything() {
    let (_directory, path) = file();
    let database = RedbDatabase::open(&path).unwrap();
    let alice = add(&database, "alice").await;
    add(&database, "bob").await;
    let key = AccountKey { username: "alice".into(), id: alice.id };
    database.record_login(&key, 1234).await.unwrap();
    commit(&database, "bob", Write::Delete { expected: None }).await.unwrap();
    let token = database.changes(None).await.unwrap().next;
    drop(database);
    let database = RedbDatabase::open(&path).unwrap();
    assert_eq!(find_last_login(&database).await, 1234);
    assert_eq!(names(&database).await, ["alice"]);
    assert!(database.changes(Some(&token)).await.unwrap().is_empty());
    assert_eq!(add(&database, "carol").await.id, alice.id + 2, "an id is not used again");
    assert!(!database.changes(Some(&token)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_change_is_announced_whatever_its_maker_hears_of_it() {
    let (_directory, path) = file();
    let database = RedbDatabase::open(&path).unwrap();
    let begin = database.changes(None).await.unwrap().next;
    // As one who waits for changes, and looks when it is told.
    let told = database.committed.notified();
    tokio::pin!(told);
    told.as_mut().enable();
    let write = Write::Add(document("/srv/home"));
    assert!(database.commit(vec![change("alice", write)]).now_or_never().is_none(), "its maker has left");
    told.await;
    assert!(!database.changes(Some(&begin)).await.unwrap().is_empty());
    assert_eq!(names(&database).await, ["alice"]);
    // An error may be of a change that the file has.
    let told = database.committed.notified();
    tokio::pin!(told);
    told.as_mut().enable();
    commit(&database, "nobody", Write::Delete { expected: None }).await.unwrap_err();
    told.await;
}

#[tokio::test]
async fn a_batch_that_comes_again_after_a_restart_is_added_once() {
    // ADR 9
    let (_directory, path) = file();
    let batch = BatchName { writer: "usages of here".into(), number: 7 };
    let by = vec![(Scope::Account("alice".into()), UsedQuota { size: 1, files: 1 })];
    add(&RedbDatabase::open(&path).unwrap(), "alice").await;
    for _ in 0..2 {
        let database = RedbDatabase::open(&path).unwrap();
        database.add_usage(Some(&batch), by.clone(), 2).await.unwrap();
        assert_eq!(find_stored(&database, "alice").await["used_quota_size"], 1);
    }
}

async fn find_last_login(database: &RedbDatabase) -> i64 {
    find_stored(database, "alice").await["last_login"].as_i64().unwrap()
}

async fn find_stored(database: &RedbDatabase, name: &str) -> serde_json::Map<String, serde_json::Value> {
    find(database, name).await.document
}

fn check_open_error(prepare: impl FnOnce(&Path), expected: &[&str]) {
    let (_directory, path) = file();
    prepare(&path);
    let before = std::fs::read(&path).ok();
    let error = RedbDatabase::open(&path).err().unwrap().to_string();
    for expected in expected {
        assert!(error.contains(expected), "{error}");
    }
    assert!(error.contains(&path.display().to_string()), "{error}");
    assert_eq!(std::fs::read(&path).ok(), before, "it stays as it is");
}

/// The first pages of a bbolt file, as it writes them: each with its number, the flag of a meta page, and
/// magic number, version and size of a page.
fn bolt(page: u32) -> Vec<u8> {
    let mut file = vec![0; page as usize * 4];
    for number in 0..2_usize {
        let begin = number * page as usize;
        file[begin] = u8::try_from(number).unwrap();
        file[begin + 8] = 4;
        file[begin + 16..begin + 20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
        file[begin + 20..begin + 24].copy_from_slice(&2_u32.to_le_bytes());
        file[begin + 24..begin + 28].copy_from_slice(&page.to_le_bytes());
    }
    file
}

#[test]
fn files_of_the_older_server_are_not_touched() {
    // A9-04
    let expected = ["is a bolt database of another server", "tidegate migrate", "data_provider.name"];
    for page in [4096, 16_384, 65_536] {
        check_open_error(|path| std::fs::write(path, bolt(page)).unwrap(), &expected);
        // Its first page is damaged.
        let mut file = bolt(page);
        file[..page as usize].fill(7);
        check_open_error(|path| std::fs::write(path, &file).unwrap(), &expected);
    }
}

#[test]
fn other_files_are_not_touched() {
    // A9-04
    let foreign = ["is not a database of this server's driver \"bolt\"", "tidegate migrate"];
    let write = |content: &'static [u8]| move |path: &Path| std::fs::write(path, content).unwrap();
    check_open_error(write(b"this is not a database, but a text"), &foreign);
    check_open_error(write(b"SQLite format 3\0"), &foreign);
    check_open_error(write(b"redb"), &foreign);
    check_open_error(write(&[0; 70_000]), &foreign);
    check_open_error(write(b"x"), &foreign);
    check_open_error(|path| drop(crate::SqliteDatabase::open(path).unwrap()), &foreign);
    check_open_error(|path| std::fs::create_dir(path).unwrap(), &["could not be opened"]);
    let (directory, _) = file();
    let lost = directory.path().join("missing").join("tidegate.db");
    assert!(matches!(RedbDatabase::open(&lost), Err(OpenError::Unusable { .. })));
}

#[test]
fn tables_of_another_program_are_not_touched() {
    const TABLE: redb::TableDefinition<'_, &str, &str> = redb::TableDefinition::new("users");
    let (_directory, path) = file();
    let other = redb::Database::create(&path).unwrap();
    let transaction = other.begin_write().unwrap();
    transaction.open_table(TABLE).unwrap().insert("a", "b").unwrap();
    transaction.commit().unwrap();
    drop(other);
    assert!(matches!(RedbDatabase::open(&path), Err(OpenError::Foreign { .. })));
}

#[tokio::test]
async fn accounts_of_an_earlier_format_are_found_by_their_role() {
    let (_directory, path) = file();
    let database = RedbDatabase::open(&path).unwrap();
    add(&database, "alice").await;
    filters::add_with(&database, "bob", serde_json::json!({"role": "sales"})).await;
    drop(database);
    make_first(&path);
    // Also when it was brought to the new format before.
    for _ in 0..2 {
        let database = RedbDatabase::open(&path).unwrap();
        assert_eq!(filters::of_role(&database, "sales").await, ["bob"]);
        assert_eq!(names(&database).await, ["alice", "bob"]);
    }
}

#[test]
fn a_newer_file_is_refused() {
    let (_directory, path) = file();
    make_newer(&open(&path).unwrap());
    let error = RedbDatabase::open(&path).err().unwrap();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert!(error.to_string().contains("made by a newer release"), "{error}");
}

#[test]
fn a_file_in_use_is_refused() {
    // A9-04
    let (_directory, path) = file();
    let first = RedbDatabase::open(&path).unwrap();
    let error = RedbDatabase::open(&path).err().unwrap();
    assert!(matches!(error, OpenError::Busy { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(first);
    RedbDatabase::open(&path).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_is_free_as_soon_as_it_is_closed() {
    let (_directory, path) = file();
    for round in 0..20 {
        let database = RedbDatabase::open(&path).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let username = format!("user{round}");
        let key = AccountKey { id: add(&database, &username).await.id, username };
        database.record_login(&key, 1).await.unwrap();
        assert_eq!(database.increment("p", "n", 1, None).await, Ok(round + 1));
    }
}

/// Opens a damaged copy: an error with advice, or all that was there.
async fn check_damaged(path: &Path, copy: &[u8], expected: &[String], what: &str) -> bool {
    std::fs::write(path, copy).unwrap();
    match RedbDatabase::open(path) {
        Ok(database) => {
            assert_eq!(names(&database).await, expected, "{what}");
            true
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(&path.display().to_string()), "{what}: {text}");
            let known =
                matches!(error, OpenError::Damaged { .. } | OpenError::Foreign { .. } | OpenError::Unusable { .. });
            assert!(known, "{what}: {text}");
            false
        }
    }
}

async fn whole_file() -> (tempfile::TempDir, PathBuf, Vec<u8>, Vec<String>) {
    let (directory, path) = file();
    let database = RedbDatabase::open(&path).unwrap();
    for number in 0..120 {
        add(&database, &format!("user{number:03}")).await;
    }
    let expected = names(&database).await;
    drop(database);
    let whole = std::fs::read(&path).unwrap();
    (directory, path, whole, expected)
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_an_error_at_any_length() {
    let (_directory, path, whole, expected) = whole_file().await;
    let pages = (0..whole.len()).step_by(4096).flat_map(|page| [page.saturating_sub(1), page, page + 1]);
    let begin = (1..600).step_by(7);
    for length in begin.chain(pages).filter(|length| (1..whole.len()).contains(length)) {
        let opened = check_damaged(&path, &whole[..length], &expected, &format!("{length} bytes")).await;
        assert!(!opened, "{length} of {} bytes", whole.len());
    }
    assert!(check_damaged(&path, &whole, &expected, "whole").await);
}

#[tokio::test]
async fn a_file_with_garbage_is_an_error_or_whole() {
    let (_directory, path, whole, expected) = whole_file().await;
    let mut refused = 0;
    for position in (0..512).step_by(5).chain((512..whole.len()).step_by(397)) {
        let mut copy = whole.clone();
        copy[position] ^= 0x55;
        refused += usize::from(!check_damaged(&path, &copy, &expected, &format!("a byte at {position}")).await);
        if position % 4 == 0 {
            let end = (position + 5_000).min(copy.len());
            copy[position..end].fill(0xff);
            check_damaged(&path, &copy, &expected, &format!("garbage at {position}")).await;
        }
    }
    assert!(refused > 20, "{refused}");
}
