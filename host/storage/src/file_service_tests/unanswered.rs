//! Changes at another host whose answers do not come: what was done all the same counts.

use std::ffi::OsString;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::files::{FileError, Protocol};
use tidegate_core::hook::observers::ObserverWork;
use tidegate_core::ports::storage::{
    Canonical, Capabilities, DirectoryReader, Discard, FileInPlace, Metadata, SetAttributes, Space, StorageError,
    StorageErrorKind, StorageFile,
};

use super::*;

const SFTP: Protocol = Protocol::Sftp;

/// What becomes of the answer to a change that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Arrives,
    /// The client is gone before it arrives.
    IsLate,
    /// It says only that something went wrong. Of a rename, the copy alone was made.
    Fails,
}

/// A file at another host, to which the connection may break off: nothing arrives then, and nothing is known of it.
struct FileThere {
    file: Box<dyn FileInPlace>,
    is_broken: Arc<AtomicBool>,
}

impl FileThere {
    fn known(&self) -> Result<(), StorageError> {
        match self.is_broken.load(Ordering::Relaxed) {
            true => Err(StorageError::new(StorageErrorKind::Other, "the connection was lost")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl StorageFile for FileThere {
    async fn read_at(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<usize, StorageError> {
        self.file.read_at(offset, length, buffer).await
    }
    async fn metadata(&self) -> Result<Metadata, StorageError> {
        self.known()?;
        self.file.metadata().await
    }
    async fn set_attributes(&self, attributes: &SetAttributes) -> Result<(), StorageError> {
        self.file.set_attributes(attributes).await
    }
    async fn sync(&self) -> Result<(), StorageError> {
        self.file.sync().await
    }
    async fn space(&self) -> Result<Space, StorageError> {
        self.file.space().await
    }
}

#[async_trait]
impl FileInPlace for FileThere {
    /// It is under way when this returns.
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        match self.known() {
            Ok(()) => self.file.write_at(offset, data).await,
            Err(_) => Ok(()),
        }
    }
    async fn complete(&self) -> Result<(), StorageError> {
        self.known()
    }
    fn approve(&self) {
        self.file.approve();
    }
    fn discard(&self, what: Discard) {
        self.file.discard(what);
    }
}

/// Files in memory, as if they were at another host.
struct Remote {
    files: MemoryStorage,
    /// Files that are open do not arrive.
    is_broken: Arc<AtomicBool>,
    answer: Mutex<Answer>,
    /// Directories cannot be read.
    is_away: AtomicBool,
}

impl Remote {
    /// The answer to a change; one that was refused is answered at once.
    async fn answered<T: Send>(&self, outcome: Result<T, StorageError>) -> Result<T, StorageError> {
        let answer = *self.answer.lock().unwrap();
        match answer {
            _ if outcome.is_err() => outcome,
            Answer::Arrives => outcome,
            Answer::IsLate => std::future::pending().await,
            Answer::Fails => Err(StorageError::new(StorageErrorKind::Other, "the connection was lost")),
        }
    }
}

#[async_trait]
impl Storage for Remote {
    fn kind(&self, path: &VirtualPath) -> &'static str {
        self.files.kind(path)
    }
    fn capabilities(&self, path: &VirtualPath) -> Capabilities {
        self.files.capabilities(path)
    }
    fn is_remote(&self) -> bool {
        true
    }
    fn host_path(&self, path: &VirtualPath) -> OsString {
        self.files.host_path(path)
    }
    async fn open(&self, path: &VirtualPath) -> Result<Box<dyn StorageFile>, StorageError> {
        self.files.open(path).await
    }
    async fn open_in_place(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<Box<dyn FileInPlace>, StorageError> {
        let opened = self.files.open_in_place(path, options).await;
        let file = self.answered(opened).await?;
        Ok(Box::new(FileThere { file, is_broken: self.is_broken.clone() }))
    }
    async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.files.metadata(path).await
    }
    async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.files.symlink_metadata(path).await
    }
    async fn read_directory(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, StorageError> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(StorageError::new(StorageErrorKind::Other, "the host is away")),
            false => self.files.read_directory(path).await,
        }
    }
    async fn create_directory(&self, path: &VirtualPath, mode: Option<u32>) -> Result<(), StorageError> {
        self.files.create_directory(path, mode).await
    }
    async fn remove_directory(&self, path: &VirtualPath) -> Result<(), StorageError> {
        self.files.remove_directory(path).await
    }
    async fn remove_file(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let removed = self.files.remove_file(path).await;
        self.answered(removed).await
    }
    async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        let is_half_done = *self.answer.lock().unwrap() == Answer::Fails;
        let renamed = match is_half_done {
            true => {
                let mut content = Vec::new();
                self.files.open(from).await?.read_at(0, 1000, &mut content).await?;
                self.files.open_in_place(to, PUT).await?.write_at(0, &content).await
            }
            false => self.files.rename(from, to, replace).await,
        };
        self.answered(renamed).await
    }
    async fn hard_link(&self, existing: &VirtualPath, new: &VirtualPath) -> Result<(), StorageError> {
        self.files.hard_link(existing, new).await
    }
    async fn create_symlink(&self, target: &[u8], link: &VirtualPath) -> Result<(), StorageError> {
        self.files.create_symlink(target, link).await
    }
    async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, StorageError> {
        self.files.read_link(path).await
    }
    async fn canonical(&self, path: &VirtualPath, follow: bool) -> Result<Canonical, StorageError> {
        self.files.canonical(path, follow).await
    }
    async fn set_attributes(
        &self,
        path: &VirtualPath,
        attributes: &SetAttributes,
        follow: bool,
    ) -> Result<(), StorageError> {
        let set = self.files.set_attributes(path, attributes, follow).await;
        self.answered(set).await
    }
    async fn space(&self, path: &VirtualPath) -> Result<Space, StorageError> {
        self.files.space(path).await
    }
}

/// A session with files `/a`, of 5 bytes, and `/b`, of 3.
async fn fixture_at_another_host() -> (Fixture, Arc<Remote>) {
    let files = MemoryStorage::new(MemoryStorageSettings::default());
    let (answer, is_away, is_broken) = (Mutex::new(Answer::Arrives), AtomicBool::new(false), Arc::default());
    let remote = Arc::new(Remote { files, is_broken, answer, is_away });
    let fields = r#""permissions":{"/":["*"]},"quota_size":100,"quota_files":9"#;
    let on = fixture_of(fields, remote.clone(), no_hooks()).await;
    put(&on, "/a", b"12345").await.unwrap();
    put(&on, "/b", b"123").await.unwrap();
    (on, remote)
}

async fn put(on: &Fixture, name: &str, content: &[u8]) -> Result<(), FileError> {
    let mut file = on.files.open_write(&path(name), PUT, SFTP).await?;
    file.write_at(0, content).await?;
    file.close().await
}

/// Lets the keeper count files beside other work.
async fn works_for(on: &Fixture, seconds: u64) {
    assert!(tokio::time::timeout(Duration::from_secs(seconds), on.keeper.work()).await.is_err());
}

/// Checks the bytes and files that count, and that are there.
async fn has(on: &Fixture, expected: (i64, i64), context: &str) {
    on.keeper.finish().await;
    assert_eq!(on.stored().await, expected, "{context}");
    let tree = ScanTree::around(&on.files.account(), on.storage.clone(), &path("/"));
    let found = on.keeper.scan(&Scope::Account("u".into()), tree).await.unwrap().found;
    assert_eq!((found.size, found.files), expected, "{context}");
}

/// Does something to the files. `expected`: the bytes and files that count afterwards.
async fn check(
    answer: Answer,
    what: &str,
    act: impl AsyncFnOnce(&Arc<FileService>) -> Result<(), FileError>,
    expected: (i64, i64),
) {
    let (on, remote) = fixture_at_another_host().await;
    *remote.answer.lock().unwrap() = answer;
    tokio::select! {
        biased;
        outcome = act(&on.files) => assert_eq!(outcome.is_ok(), answer == Answer::Arrives, "{what} {answer:?}"),
        () = std::future::ready(()) => assert_eq!(answer, Answer::IsLate, "{what}"),
    }
    *remote.answer.lock().unwrap() = Answer::Arrives;
    works_for(&on, 1).await;
    has(&on, expected, &format!("{what} {answer:?}")).await;
}

#[tokio::test(start_paused = true)]
async fn what_another_host_has_done_counts_whether_it_says_so_or_not() {
    // A10-05, A10-05a, C5-03
    for answer in [Answer::Arrives, Answer::IsLate, Answer::Fails] {
        let remove = async |files: &Arc<FileService>| files.remove_file(&path("/a"), SFTP).await;
        check(answer, "remove", remove, (3, 1)).await;
        let is_half_done = answer == Answer::Fails;
        let rename = async |files: &Arc<FileService>| files.rename(&path("/a"), &path("/c"), false, SFTP).await;
        check(answer, "rename", rename, if is_half_done { (13, 3) } else { (8, 2) }).await;
        let replace = async |files: &Arc<FileService>| files.rename(&path("/a"), &path("/b"), true, SFTP).await;
        check(answer, "rename over", replace, if is_half_done { (10, 2) } else { (5, 1) }).await;
        let cut = async |files: &Arc<FileService>| {
            let shorter = SetAttributes { size: Some(1), ..SetAttributes::default() };
            files.set_attributes(&path("/a"), &shorter, true, SFTP).await
        };
        check(answer, "cut", cut, (4, 2)).await;
    }
    // A file that is made, or emptied, by being opened.
    let open = async |files: &Arc<FileService>, name: &str| files.open_write(&path(name), PUT, SFTP).await.map(drop);
    for answer in [Answer::IsLate, Answer::Fails] {
        check(answer, "make", async |files| open(files, "/c").await, (8, 3)).await;
        check(answer, "empty", async |files| open(files, "/a").await, (3, 2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_counted_yet_refuse_nothing() {
    // A10-05a
    let (on, remote) = fixture_at_another_host().await;
    *remote.answer.lock().unwrap() = Answer::Fails;
    on.files.remove_file(&path("/a"), SFTP).await.unwrap_err();
    *remote.answer.lock().unwrap() = Answer::Arrives;
    remote.is_away.store(true, Ordering::Relaxed);
    works_for(&on, 1).await;
    put(&on, "/c", b"1").await.unwrap();
    remote.is_away.store(false, Ordering::Relaxed);
    works_for(&on, 100).await;
    has(&on, (4, 2), "when it is back").await;
}

#[tokio::test(start_paused = true)]
async fn what_did_not_arrive_does_not_count() {
    // A10-05
    for (name, is_closed, is_back, expected) in [
        ("/c", true, true, (10, 3)),
        ("/c", false, true, (10, 3)),
        ("/a", true, true, (5, 2)),
        ("/a", true, false, (5, 2)),
    ] {
        let context = format!("{name} {is_closed} {is_back}");
        let (on, remote) = fixture_at_another_host().await;
        let mut file = on.files.open_write(&path(name), PUT, SFTP).await.unwrap();
        file.write_at(0, b"ab").await.unwrap();
        remote.is_broken.store(true, Ordering::Relaxed);
        file.write_at(2, &[7; 50]).await.unwrap();
        match is_closed {
            true => assert!(file.close().await.is_err(), "{context}"),
            false => drop(file),
        }
        remote.is_away.store(!is_back, Ordering::Relaxed);
        works_for(&on, 1).await;
        remote.is_broken.store(false, Ordering::Relaxed);
        remote.is_away.store(false, Ordering::Relaxed);
        works_for(&on, 100).await;
        has(&on, expected, &context).await;
    }
}
