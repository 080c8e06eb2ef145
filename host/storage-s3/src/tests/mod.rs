//! The adapter against a store in the same process.

mod above;
mod ahead;
mod bad_answers;
mod check;
mod described;
mod endless;
mod failing;
mod files;
mod leaving;
mod lookups;
mod missing_bucket;
mod names;
mod overwriting;
mod real_store;
mod redirects;
mod requests;
mod store;
mod unfinished;
mod unkept;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use tidegate_core::metrics::Metrics;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{
    FileSystem, Finished, Location, OpenOptions, S3Location, Storage, StorageError, StorageErrorKind, StorageFile,
    Upload,
};
use tidegate_core::secret::Secret;

use self::store::Store;
use crate::{MemoryLimits, S3FileSystems, S3Settings, S3Storage};

const MIB: usize = 1 << 20;

/// The options with which most clients upload.
const PUT: OpenOptions = OpenOptions {
    read: false,
    write: true,
    append: false,
    create: true,
    truncate: true,
    exclusive: false,
    is_new: false,
    provisional: false,
    mode: None,
};

fn path(text: &str) -> VirtualPath {
    VirtualPath::resolve(&VirtualPath::root(), text.as_bytes()).unwrap()
}

fn location(store: &Store) -> S3Location {
    S3Location {
        bucket: "bucket".into(),
        endpoint: format!("http://{}", store.address),
        access_key: "key".into(),
        access_secret: Secret::new("secret"),
        key_prefix: "home".into(),
        path_style: true,
        ..S3Location::default()
    }
}

fn quick() -> S3Settings {
    S3Settings { longest_pause: Duration::from_millis(1), ..S3Settings::default() }
}

fn open(location: S3Location, settings: S3Settings) -> Result<S3Storage, StorageError> {
    let location = Location::S3(Box::new(location));
    open_counted(location, settings, Arc::default())
}

fn open_counted(location: Location, settings: S3Settings, metrics: Arc<Metrics>) -> Result<S3Storage, StorageError> {
    S3FileSystems::new(settings, metrics).open(&of_account("u", location))
}

fn of_account(name: &str, location: Location) -> FileSystem {
    FileSystem { location, account: name.to_owned(), owner: (7, 8), make_missing: true }
}

async fn started() -> (Store, S3Storage) {
    let store = Store::start().await;
    let storage = open(location(&store), quick()).unwrap();
    (store, storage)
}

/// As [`started`], with so many bytes of memory for downloads.
async fn limited(downloads: usize) -> (Store, S3Storage) {
    let store = Store::start().await;
    let memory = MemoryLimits { downloads, ..MemoryLimits::default() };
    let storage = open(location(&store), S3Settings { memory, ..quick() }).unwrap();
    (store, storage)
}

/// The file `/f`, whose object this becomes.
async fn opened(store: &Store, storage: &S3Storage, data: &[u8]) -> Box<dyn StorageFile> {
    store.put("home/f", data);
    storage.open(&path("/f")).await.unwrap()
}

async fn put(storage: &dyn Storage, at: &str, data: &[u8]) {
    let upload = storage.begin_upload(&path(at), PUT).await.unwrap();
    upload.write_at(0, data).await.unwrap();
    finish(&*upload).await.unwrap();
}

async fn finish(upload: &dyn Upload) -> Result<(), StorageError> {
    assert!(matches!(upload.finish().await?, Finished::Named { .. }));
    Ok(())
}

/// All of a file, read in portions of this size.
async fn read(file: &dyn StorageFile, portion: usize) -> Result<Vec<u8>, StorageError> {
    let mut bytes = Vec::new();
    while file.read_at(bytes.len() as u64, portion, &mut bytes).await? > 0 {}
    Ok(bytes)
}

async fn content(storage: &dyn Storage, at: &str) -> Result<Vec<u8>, StorageErrorKind> {
    let file = storage.open(&path(at)).await.map_err(|error| error.kind)?;
    read(&*file, 32 << 10).await.map_err(|error| error.kind)
}

async fn names(storage: &dyn Storage, at: &str) -> Vec<String> {
    let mut reader = storage.read_directory(&path(at)).await.unwrap();
    let mut names = Vec::new();
    loop {
        let entries = reader.next_entries(2).await.unwrap();
        if entries.is_empty() {
            assert_eq!(names.drain(..2).collect::<Vec<_>>(), [".", ".."], "{at}");
            names.sort();
            return names;
        }
        names.extend(entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()));
    }
}

fn kind<T>(outcome: Result<T, StorageError>) -> Result<(), StorageErrorKind> {
    outcome.map(drop).map_err(|error| error.kind)
}

/// Bytes that differ from place to place.
fn bytes(length: usize) -> Vec<u8> {
    patterned(length, 0)
}

/// Repeated after 251 * 251 bytes, since many MiB byte by byte take seconds in a test that is not optimised.
fn patterned(length: usize, mask: u8) -> Vec<u8> {
    let period: Vec<u8> = (0..251 * 251).map(|at| u8::try_from((at * 7 + at / 251) % 251).unwrap() ^ mask).collect();
    let mut all = period.repeat(length / period.len() + 1);
    all.truncate(length);
    all
}
