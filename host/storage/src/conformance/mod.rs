//! What all storages do alike. A new adapter adds a line to [`storages`].

mod files;
mod links;
mod names;
mod uploads;

use std::process::Stdio;
use std::sync::Arc;

use tidegate_core::account::{AccountDraft, CredentialRule, EffectiveAccount};
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::StorageFactory;
use tidegate_core::ports::storage::{
    FileKind, FileSystem, Finished, Location, OpenOptions, SftpLocation, Storage, StorageError, StorageErrorKind,
    Uploads, Writing,
};
use tidegate_storage_sftp::{Dial, SftpFileSystems, SftpSettings, Streams};

use crate::{LocalStorageFactory, LocalStorageSettings, MemoryStorageFactory, MemoryStorageSettings, OverwriteMode};

/// A storage under test, which is empty.
pub(super) struct Subject {
    pub name: String,
    pub overwrite: OverwriteMode,
    pub storage: Arc<dyn Storage>,
    /// Files have ids and numbers of links that stay when names change.
    pub knows_files: bool,
    _directory: tempfile::TempDir,
}

impl Subject {
    async fn new(adapter: &str, overwrite: OverwriteMode, factory: impl StorageFactory) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("home");
        // A file beside the tree, to which no path may lead.
        std::fs::write(directory.path().join("outside"), "secret").unwrap();
        let storage = factory.open(&account(&home.display().to_string()).file_tree().unwrap()).await.unwrap();
        let name = format!("{adapter} {overwrite:?}");
        Self { name, overwrite, storage, knows_files: true, _directory: directory }
    }

    /// A directory behind OpenSSH's SFTP server, without SSH between.
    fn over_sftp(overwrite: OverwriteMode) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("outside"), "secret").unwrap();
        let settings = SftpSettings {
            atomic: overwrite != OverwriteMode::Standard,
            keep_partial: overwrite == OverwriteMode::AtomicWithResume,
            ..SftpSettings::default()
        };
        let prefix = directory.path().join("home").display().to_string();
        let place = SftpLocation { endpoint: "h".into(), username: "u".into(), prefix, ..SftpLocation::default() };
        let location = Location::Sftp(Box::new(place));
        let file_system = FileSystem { location, account: "u".into(), owner: (0, 0), make_missing: true };
        let storage = SftpFileSystems::by(Arc::new(SftpServer), settings, Arc::default()).open(&file_system).unwrap();
        let name = format!("sftp {overwrite:?}");
        Self { name, overwrite, storage: Arc::new(storage), knows_files: false, _directory: directory }
    }

    pub fn is_atomic(&self) -> bool {
        self.overwrite != OverwriteMode::Standard
    }
}

pub(super) async fn storages() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for overwrite in [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume] {
        let local = LocalStorageSettings { overwrite, ..LocalStorageSettings::default() };
        let memory = MemoryStorageSettings { overwrite, ..MemoryStorageSettings::default() };
        subjects.push(Subject::new("local", overwrite, LocalStorageFactory { settings: local, check: None }).await);
        subjects.push(Subject::new("memory", overwrite, MemoryStorageFactory::new(memory)).await);
        subjects.push(Subject::over_sftp(overwrite));
    }
    subjects
}

/// OpenSSH's SFTP server, as a program.
struct SftpServer;

#[async_trait::async_trait]
impl Dial for SftpServer {
    async fn dial(&self, _place: &SftpLocation) -> Result<Streams, StorageError> {
        let mut server = tokio::process::Command::new("/usr/lib/openssh/sftp-server");
        server.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut server = server.spawn().unwrap();
        let (reader, writer) = (server.stdout.take().unwrap(), server.stdin.take().unwrap());
        Ok(Streams { reader: Box::new(reader), writer: Box::new(writer), guard: Box::new(server) })
    }
}

fn account(home: &str) -> EffectiveAccount {
    let json = format!(r#"{{"status":1,"username":"u","home_dir":"{home}","permissions":{{"/":["*"]}}}}"#);
    let user = AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account;
    EffectiveAccount::ungrouped(user)
}

pub(crate) fn path(text: &str) -> VirtualPath {
    VirtualPath::resolve(&VirtualPath::root(), text.as_bytes()).unwrap()
}

/// The options with which most clients upload.
pub(crate) const PUT: OpenOptions = OpenOptions {
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

/// Opens a file for writing as the server does: a file that is entirely the upload's own gets its
/// name at the end, if the storage has such uploads.
pub(crate) async fn write(storage: &dyn Storage, at: &str, options: OpenOptions) -> Result<Writing, StorageError> {
    let at = path(at);
    let replaces_all = match storage.metadata(&at).await {
        Ok(found) => options.truncate && found.kind == FileKind::File,
        Err(_) => options.create,
    };
    if replaces_all && storage.capabilities(&at).uploads != Uploads::None {
        return storage.begin_upload(&at, options).await.map(Writing::Upload);
    }
    storage.open_in_place(&at, options).await.map(Writing::InPlace)
}

/// Completes an upload.
pub(crate) async fn finish(file: &Writing) -> Result<(), StorageError> {
    match file {
        Writing::InPlace(file) => file.approve(),
        Writing::Upload(upload) => assert!(matches!(upload.finish().await?, Finished::Named { .. })),
    }
    Ok(())
}

pub(crate) async fn put(storage: &dyn Storage, name: &str, content: &str) {
    let file = write(storage, name, PUT).await.unwrap();
    file.write_at(0, content.as_bytes()).await.unwrap();
    finish(&file).await.unwrap();
}

/// The content of a file; `None` if there is no such file.
pub(super) async fn content(storage: &dyn Storage, name: &str) -> Option<String> {
    let file = match storage.open(&path(name)).await {
        Ok(file) => file,
        Err(error) if error.kind == StorageErrorKind::NotFound => return None,
        Err(error) => panic!("{name}: {error}"),
    };
    let mut bytes = Vec::new();
    while file.read_at(bytes.len() as u64, 1000, &mut bytes).await.unwrap() > 0 {}
    Some(String::from_utf8(bytes).unwrap())
}

/// Names in a directory, without `.` and `..`, which every directory has.
pub(super) async fn names(storage: &dyn Storage, directory: &str) -> Vec<String> {
    let mut reader = storage.read_directory(&path(directory)).await.unwrap();
    let mut names = Vec::new();
    loop {
        let entries = reader.next_entries(2).await.unwrap();
        if entries.is_empty() {
            names.sort();
            assert_eq!(names.drain(..2).collect::<Vec<_>>(), [".", ".."], "{directory}");
            assert!(reader.passed_over().is_none() && reader.nameless() == 0);
            return names;
        }
        names.extend(entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()));
    }
}

pub(super) fn kind<T>(outcome: Result<T, StorageError>) -> Result<(), StorageErrorKind> {
    outcome.map(drop).map_err(|error| error.kind)
}
